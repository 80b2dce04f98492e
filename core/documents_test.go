package core_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// texts returns the text files of the module with one of the endings, by path
// from the root of the module.
func texts(t *testing.T, endings ...string) map[string]string {
	t.Helper()
	root := moduleRoot(t)
	list := make(map[string]string)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name := entry.Name(); file != root && (strings.HasPrefix(name, ".") || name == "bin" || name == "var") {
				return filepath.SkipDir
			}
			return nil
		case !slices.Contains(endings, filepath.Ext(file)):
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		list[filepath.ToSlash(relative)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 10 {
		t.Fatalf("found only %d files: the search is broken", len(list))
	}
	return list
}

const decisionsDir = "docs/decisions"

// decisions returns the title of each decision by its file name.
func decisions(t *testing.T) map[string]string {
	t.Helper()
	named := regexp.MustCompile(`^(\d{3})-[a-z0-9-]+\.md$`)
	titles := make(map[string]string)
	for file, text := range texts(t, ".md") {
		dir, name := path.Split(file)
		if path.Clean(dir) != decisionsDir || name == "README.md" {
			continue
		}
		match := named.FindStringSubmatch(name)
		if match == nil {
			t.Errorf("%s: want a name of the form 001-mechanism.md", file)
			continue
		}
		heading, _, _ := strings.Cut(text, "\n")
		title, found := strings.CutPrefix(heading, "# "+match[1]+" ")
		if !found || title == "" {
			t.Errorf("%s begins with %q; want \"# %s \" and a title", file, heading, match[1])
		}
		titles[name] = title
	}
	return titles
}

func TestDecisions_IndexIsComplete(t *testing.T) {
	titles := decisions(t)
	var names []string
	for name := range titles {
		names = append(names, name)
	}
	slices.Sort(names)
	index := texts(t, ".md")[decisionsDir+"/README.md"]
	var rows []string
	for line := range strings.Lines(index) {
		if regexp.MustCompile(`^\| \d`).MatchString(line) {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	if len(rows) != len(names) {
		t.Errorf("the index has %d rows, and there are %d decisions", len(rows), len(names))
	}
	for i, name := range names {
		if want := fmt.Sprintf("%03d-", i+1); !strings.HasPrefix(name, want) {
			t.Errorf("%s: want a name that begins with %s: numbers have no gap and no repetition", name, want)
		}
		want := fmt.Sprintf("| %s | [%s](%s) | ", name[:3], titles[name], name)
		if i >= len(rows) || !strings.HasPrefix(rows[i], want) {
			t.Errorf("row %d of the index: want it to begin with\n\t%s", i+1, want)
		} else if about := strings.TrimSuffix(strings.TrimPrefix(rows[i], want), " |"); !strings.HasSuffix(about, ".") {
			t.Errorf("row %d of the index: %q; want a sentence on the decision", i+1, about)
		}
	}
}

func TestDecisions_CitedNumbersExist(t *testing.T) {
	exists := make(map[string]bool)
	for name := range decisions(t) {
		exists[name[:3]] = true
	}
	cited := 0
	citation := regexp.MustCompile(`\b[Dd]ecision (\d+)\b`)
	for file, text := range texts(t, ".md", ".go", ".txt", ".txtar", ".yaml") {
		for _, match := range citation.FindAllStringSubmatch(text, -1) {
			cited++
			if !exists[match[1]] {
				t.Errorf("%s cites decision %s, which does not exist", file, match[1])
			}
		}
	}
	if cited < 20 {
		t.Errorf("found only %d citations: the search is broken", cited)
	}
}

// A link to a file of the repository leads to a file. Whether a web page exists
// is not checked.
func TestDocuments_LinksResolve(t *testing.T) {
	root := moduleRoot(t)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	found := 0
	for file, text := range texts(t, ".md") {
		for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			target, err := url.Parse(match[1])
			if err != nil || target.Scheme != "" || target.Path == "" {
				if err != nil {
					t.Errorf("%s: the link %s: %v", file, match[1], err)
				}
				continue
			}
			found++
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(file), target.Path)); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", file, match[1], err)
			}
		}
	}
	if found < 20 {
		t.Errorf("found only %d links: the search is broken", found)
	}
}
