package core_test

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStability_ArchitectureAndPackageCommentsAgree verifies that every package
// says whether other modules may rely on it, and that docs/architecture.md says the
// same. Commands and what is below internal cannot be imported by others.
func TestStability_ArchitectureAndPackageCommentsAgree(t *testing.T) {
	document := texts(t, ".md")["docs/architecture.md"]
	_, section, found := strings.Cut(document, "\n## Public packages\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("docs/architecture.md has no section Public packages")
	}
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|").FindAllStringSubmatch(section, -1) {
		listed[row[1]] = "public"
	}
	_, private, _ := strings.Cut(section, "All others are private")
	private, _, _ = strings.Cut(private, "They change without notice")
	for _, name := range regexp.MustCompile("`([a-z/]+)`").FindAllStringSubmatch(private, -1) {
		if name[1] == "internal" {
			continue
		}
		if listed[name[1]] != "" {
			t.Errorf("docs/architecture.md: %s is public and private", name[1])
		}
		listed[name[1]] = "private"
	}
	said := map[string]string{}
	stability := regexp.MustCompile(`(?m)^Stability: (public|private; other modules should not import it) \(docs/architecture\.md\)\.$`)
	for _, s := range sources(t) {
		if s.test || s.pkg == "main" || s.dir == "core" || strings.Contains("/"+s.dir, "/internal/") {
			continue
		}
		if _, there := said[s.dir]; !there {
			said[s.dir] = ""
		}
		if !s.doc {
			continue
		}
		file := filepath.Join(moduleRoot(t), filepath.FromSlash(s.path))
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if m := stability.FindStringSubmatch(parsed.Doc.Text()); m != nil {
			said[s.dir], _, _ = strings.Cut(m[1], ";")
		}
	}
	for dir, word := range said {
		if word == "" || listed[dir] != word {
			t.Errorf("%s: its comment says %q, docs/architecture.md %q; want the same of public or private, and a line of the form of %s", dir, word, listed[dir], path.Join("sim", "doc.go"))
		}
		delete(listed, dir)
	}
	for dir := range listed {
		t.Errorf("docs/architecture.md lists %s, which is no package", dir)
	}
}
