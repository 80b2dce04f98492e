package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// manCommand writes a manual page for each command, made from the grammar.
type manCommand struct {
	Dir string `arg:"" placeholder:"DIR" help:"Where to write them: refrain.1, refrain-serve.1 and so on. Files of these names are replaced."`
}

// Run implements the command.
func (c *manCommand) Run(io stdio) error {
	parser, err := newParser(&cli{}, io, func(int) {})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	pages := manPages(parser.Model.Node, describeBuild())
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(pages[name]), 0o644); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(io.Out, "%d pages written to %s\n", len(pages), c.Dir)
	return err
}

// manPages are the pages of a grammar by file name. The same build makes the same pages.
func manPages(root *kong.Node, b build) map[string]string {
	pages := make(map[string]string)
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		if n.Hidden {
			return
		}
		pages[manName(n)+".1"] = manPage(n, b)
		for _, child := range n.Children {
			walk(child)
		}
	}
	walk(root)
	return pages
}

// manName is refrain-rollout-open for the command refrain rollout open.
func manName(n *kong.Node) string {
	name := n.Name
	for p := n.Parent; p != nil; p = p.Parent {
		name = p.Name + "-" + name
	}
	return name
}

// manPage is the page of a command, in the macros of man(7).
func manPage(n *kong.Node, b build) string {
	var page strings.Builder
	line := func(macro string, text ...string) {
		page.WriteString(macro)
		for _, t := range text {
			page.WriteString(" \"" + roffText(t) + "\"")
		}
		page.WriteByte('\n')
	}
	paragraph := func(text string) {
		for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
			if l = strings.TrimSpace(l); l == "" {
				page.WriteString(".PP\n")
			} else {
				page.WriteString(roffText(l) + "\n")
			}
		}
	}
	date, _, _ := strings.Cut(b.Time, "T")
	line(".TH", strings.ToUpper(manName(n)), "1", date, "refrain "+b.Version, "Refrain")
	line(".SH", "NAME")
	paragraph(manName(n) + " \\- " + n.Help)
	line(".SH", "SYNOPSIS")
	line(".B", n.FullPath())
	for _, p := range n.Positional {
		paragraph(p.Summary())
	}
	if len(n.Children) > 0 {
		paragraph("COMMAND")
	}
	if len(n.Flags) > 0 || n.Parent != nil {
		paragraph("[flags]")
	}
	if n.Detail != "" {
		line(".SH", "DESCRIPTION")
		paragraph(n.Detail)
	}
	if len(n.Positional) > 0 {
		line(".SH", "ARGUMENTS")
		for _, p := range n.Positional {
			line(".TP")
			line(".B", p.Summary())
			paragraph(p.Help)
		}
	}
	if flags := slices.DeleteFunc(slices.Clone(n.Flags), func(f *kong.Flag) bool { return f.Hidden }); len(flags) > 0 {
		line(".SH", "FLAGS")
		for _, f := range flags {
			line(".TP")
			line(".B", f.String())
			paragraph(kong.DefaultHelpValueFormatter(f.Value))
		}
	}
	if len(n.Children) > 0 {
		line(".SH", "COMMANDS")
		for _, child := range n.Children {
			if !child.Hidden {
				line(".TP")
				line(".B", child.Name)
				paragraph(child.Help)
			}
		}
	}
	line(".SH", "EXIT STATUS")
	paragraph("0 on success, 1 if it failed or found something, 2 after wrong use or if an output cannot be written, 130 or 143 if SIGINT or SIGTERM interrupted it.")
	if also := manSeeAlso(n); len(also) > 0 {
		line(".SH", "SEE ALSO")
		paragraph(strings.Join(also, ", "))
	}
	return page.String()
}

// manSeeAlso names the pages of the command above and of those below.
func manSeeAlso(n *kong.Node) []string {
	var also []string
	if n.Parent != nil {
		also = append(also, manName(n.Parent)+"(1)")
	}
	for _, child := range n.Children {
		if !child.Hidden {
			also = append(also, manName(child)+"(1)")
		}
	}
	return also
}

// roffText keeps text from being read as a macro or an escape. A minus is typed as it
// is, so that flags can be copied from the page.
func roffText(text string) string {
	const dash = "\x00"
	text = strings.ReplaceAll(text, ` \- `, dash)
	text = strings.NewReplacer(`\`, `\e`, `"`, `\(dq`, "-", `\-`).Replace(text)
	text = strings.ReplaceAll(text, dash, ` \- `)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
