package sample_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
)

const document = "# A\n\n<!-- made of the output: one -->\n```\ntook 3 ms\nred\n```\n<!-- end -->\n\n<!-- made of the tables: one -->\nx\n<!-- end -->\n\n```sh\nls\n```\n"

// reports collects errors instead of failing.
type reports struct {
	testing.TB
	errors []string
}

func (r *reports) Helper() {}
func (r *reports) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestCheck_FindsWhatIsNotWhatIsMade(t *testing.T) {
	if sample.Rewriting() {
		t.Skip("is about comparing, and -rewrite is set")
	}
	file := filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	took := regexp.MustCompile(`\d+ ms`)
	for _, test := range []struct {
		made  map[string]string
		wrong string
	}{
		{map[string]string{"one": sample.Block("", "took 3 ms\nred")}, ""},
		{map[string]string{"one": sample.Block("", "took 77 ms\nred")}, ""},
		{map[string]string{"one": sample.Block("", "took 3 ms\nblue")}, "part one: it says"},
		{map[string]string{"one": sample.Block("", "took 3 ms\nred"), "two": "x"}, "want a part between <!-- made of the output: two -->"},
		{nil, "part one is made of the output, which has no such part"},
	} {
		r := &reports{TB: t}
		sample.Check(r, file, "the output", test.made, took)
		if all := strings.Join(r.errors, "\n"); (all == "") != (test.wrong == "") || !strings.Contains(all, test.wrong) {
			t.Errorf("with %v it says %q, want %q", test.made, all, test.wrong)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != document {
		t.Errorf("comparing changed the document: %q, %v", text, err)
	}
}

func TestBlocks_HaveTheirLineAndLanguage(t *testing.T) {
	got := fmt.Sprint(sample.Blocks(document))
	if want := "[{5  took 3 ms\nred\n} {15 sh ls\n}]"; got != want {
		t.Errorf("it has %s, want %s", got, want)
	}
}
