package core_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestContributing_RecipesNameWhatExists checks CONTRIBUTING.md: a path in
// backticks exists; in a recipe, a name in backticks is declared in the file that
// precedes it in its step; a command names a package, a test or a make target that
// exists.
func TestContributing_RecipesNameWhatExists(t *testing.T) {
	root := moduleRoot(t)
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	before, recipes, found := strings.Cut(string(text), "\n## Recipes\n")
	if !found {
		t.Fatal("CONTRIBUTING.md has no section Recipes")
	}
	c := contributing{t: t, root: root}
	for line := range strings.Lines(before) {
		c.line(line, false)
	}
	for line := range strings.Lines(recipes) {
		c.line(line, true)
	}
	if n := strings.Count(recipes, "\n### "); n != 4 || c.paths < 50 || c.names < 50 || c.commands < 8 {
		t.Errorf("checked %d recipes, %d paths, %d names and %d commands; want 4 recipes and more of the rest: the search is broken", n, c.paths, c.names, c.commands)
	}
}

// contributing checks the lines of CONTRIBUTING.md and counts what it checked.
type contributing struct {
	t                      *testing.T
	root                   string
	paths, names, commands int
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	pathForm = regexp.MustCompile(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]*)+$`)
	testArgs = regexp.MustCompile(`^go test (.*)$`)
	makeArgs = regexp.MustCompile(`^make ([a-z-]+)$`)
)

// line checks one line. A step of a recipe is one line.
func (c *contributing) line(line string, recipe bool) {
	file := "" // the last one named
	for _, match := range codeSpan.FindAllStringSubmatch(line, -1) {
		switch span := match[1]; {
		case makeArgs.MatchString(span):
			c.commands++
			c.makeTarget(makeArgs.FindStringSubmatch(span)[1])
		case testArgs.MatchString(span):
			c.commands++
			c.goTest(span, strings.Fields(span)[2:])
		case pathForm.MatchString(span):
			c.paths++
			file = span
			if _, err := os.Stat(filepath.Join(c.root, filepath.FromSlash(span))); err != nil {
				c.t.Errorf("CONTRIBUTING.md names %s: %v", span, err)
				file = ""
			}
		case recipe && file != "":
			c.names++
			c.name(file, span)
		}
	}
}

// name checks that a file declares a name; a document has it in its text.
func (c *contributing) name(file, name string) {
	full := filepath.Join(c.root, filepath.FromSlash(file))
	if !strings.HasSuffix(file, ".go") {
		if text, err := os.ReadFile(full); err != nil || !strings.Contains(string(text), name) {
			c.t.Errorf("CONTRIBUTING.md says that %q is in %s, and it is not (%v)", name, file, err)
		}
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), full, nil, parser.SkipObjectResolution)
	if err != nil {
		c.t.Fatal(err)
	}
	declared := false
	see := func(idents ...*ast.Ident) {
		for _, id := range idents {
			declared = declared || id.Name == name
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			see(n.Name)
			return false // what is declared inside of it is not meant
		case *ast.TypeSpec:
			see(n.Name)
		case *ast.ValueSpec:
			see(n.Names...)
		case *ast.Field:
			see(n.Names...)
		}
		return true
	})
	if !declared {
		c.t.Errorf("CONTRIBUTING.md says that %s is declared in %s, and it is not", name, file)
	}
}

// goTest checks a command: its packages exist, and -run selects a test of them, or
// -bench a benchmark, or -fuzz a target.
func (c *contributing) goTest(command string, args []string) {
	var dirs []string
	pattern, kinds := "", []string{"Test", "Example"}
	for i, arg := range args {
		switch {
		case strings.HasPrefix(arg, "./"):
			dirs = append(dirs, arg)
		case i > 0 && args[i-1] == "-run" && len(kinds) == 2:
			pattern = arg
		case i > 0 && args[i-1] == "-fuzz":
			pattern, kinds = arg, []string{"Fuzz"}
		case i > 0 && args[i-1] == "-bench":
			pattern, kinds = arg, []string{"Benchmark"}
		}
	}
	run, err := regexp.Compile(pattern)
	if err != nil {
		c.t.Errorf("%s: %v", command, err)
		return
	}
	tests := 0
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(c.root, strings.TrimSuffix(dir, "/..."), "*.go"))
		if err != nil || len(files) == 0 && !strings.HasSuffix(dir, "/...") {
			c.t.Errorf("%s: there is no package in %s (%v)", command, dir, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				c.t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				if f, is := d.(*ast.FuncDecl); is && hasAnyPrefix(f.Name.Name, kinds) && run.MatchString(f.Name.Name) {
					tests++
				}
			}
		}
	}
	if tests == 0 {
		c.t.Errorf("%s: selects no test", command)
	}
}

func hasAnyPrefix(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

func (c *contributing) makeTarget(target string) {
	text, err := os.ReadFile(filepath.Join(c.root, "Makefile"))
	if err != nil {
		c.t.Fatal(err)
	}
	if !strings.Contains(string(text), "\n"+target+":") {
		c.t.Errorf("the documents name make %s, and the Makefile has no such target", target)
	}
}
