package picture

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/refrain-fleet/refrain/sim/check"
)

//go:embed page
var files embed.FS

// scripts are the page's script, in the order in which it is read.
var scripts = []string{
	"decode.js", "model.js", "story.js", "format.js", "theme.js", "view.js", "lanes.js", "strips.js", "messages.js", "charts.js",
	"overview.js", "record.js", "panel.js", "input.js", "main.js",
}

// diffScripts are those of the page with two runs.
var diffScripts = []string{"decode.js", "model.js", "format.js", "theme.js", "record.js", "diff.js"}

// Write writes a run as one page of HTML that needs nothing else.
func Write(w io.Writer, run Run) error {
	data, err := pack(describe(run))
	if err != nil {
		return err
	}
	return writePage(w, "run.html", map[string]any{
		"Title":  title(&run),
		"Style":  template.CSS(read("style.css")),
		"Script": template.JS(join(scripts)),
		"Data":   data,
	})
}

func title(run *Run) string {
	name := run.File
	if name == "" {
		name = fmt.Sprintf("seed %d", run.Recording.Result.Seed)
		if run.Profile != "" {
			name += " " + run.Profile
		}
	}
	switch r := &run.Recording.Result; r.Word() {
	case check.WordViolation:
		return r.Violation.Checker + " violated: " + name
	case check.WordUnmet:
		_, why := r.Headline()
		return why + ": " + name
	default:
		return r.Word() + ": " + name
	}
}

func writePage(w io.Writer, name string, values map[string]any) error {
	page, err := template.ParseFS(files, "page/"+name)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if err := page.Execute(w, values); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// read returns a file that is part of the package.
func read(name string) string {
	text, err := files.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}

// join makes one script of many files. They share one scope, which is not the
// page's.
func join(names []string) string {
	var b strings.Builder
	b.WriteString("\"use strict\";\n(() => {\n")
	for _, name := range names {
		b.WriteString(read(name))
	}
	b.WriteString("})();\n")
	return b.String()
}

// pack makes what a page's script unpacks: JSON, compressed, in the base64 of URLs.
func pack(doc any) (string, error) {
	var b bytes.Buffer
	text := base64.NewEncoder(base64.RawURLEncoding, &b)
	z, err := gzip.NewWriterLevel(text, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if err := json.NewEncoder(z).Encode(doc); err != nil {
		return "", fmt.Errorf("page: %w", err)
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	if err := text.Close(); err != nil {
		return "", err
	}
	return b.String(), nil
}
