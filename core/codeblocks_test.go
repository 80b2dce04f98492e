package core_test

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
)

var (
	// uncheckedMark is the line before a block that no test checks.
	uncheckedMark = regexp.MustCompile(`^<!-- not checked: \S.* -->$`)
	// madeMark is the line before a block that a test makes.
	madeMark = regexp.MustCompile(`^<!-- made of (.*): ([a-z0-9-]+) -->$`)
)

// checkedLanguages are those of blocks that a test checks as they are: commands by
// this test and by cmd/refrain, scenarios by sim, queries by the SQLite store.
var checkedLanguages = map[string]bool{"sh": true, "scenario": true, "sql": true}

// TestDocuments_CodeIsMadeOrCheckedByATest goes through the blocks of code of every
// document: a test makes them, or checks what is in their language, or the document
// says why neither is possible.
func TestDocuments_CodeIsMadeOrCheckedByATest(t *testing.T) {
	tests := ""
	for name, text := range texts(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			tests += text
		}
	}
	commands := contributing{t: t, root: moduleRoot(t)}
	made, unchecked := 0, 0
	for name, text := range texts(t, ".md") {
		if strings.Contains(name, "testdata/") {
			continue
		}
		lines := strings.Split(text, "\n")
		for _, block := range sample.Blocks(text) {
			mark := ""
			if block.Line >= 3 {
				mark = lines[block.Line-3]
			}
			part := madeMark.FindStringSubmatch(mark)
			switch {
			case part != nil:
				made++
				if !strings.Contains(tests, `"`+part[1]+`", map[string]string{`) || !strings.Contains(tests, `"`+part[2]+`":`) {
					t.Errorf("%s:%d: no test makes %q of %s", name, block.Line, part[2], part[1])
				}
			case uncheckedMark.MatchString(mark):
				unchecked++
			case checkedLanguages[block.Language]:
			default:
				t.Errorf("%s:%d: want a part that a test makes (internal/sample), or a block of sh, scenario or sql, or a line <!-- not checked: REASON --> before it", name, block.Line)
			}
			if block.Language == "sh" {
				commands.block(path.Base(name), block.Text)
			}
		}
	}
	if made < 10 || commands.commands < 10 {
		t.Errorf("%d parts are made by tests and %d commands were checked: the search is broken", made, commands.commands)
	}
	t.Logf("%d blocks are made by tests, %d are not checked", made, unchecked)
}

var comment = regexp.MustCompile(`\s+#.*`)

// block checks the commands of a block that are go test and make.
func (c *contributing) block(document, text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(comment.ReplaceAllString(line, ""))
		switch {
		case makeArgs.MatchString(line):
			c.commands++
			c.makeTarget(makeArgs.FindStringSubmatch(line)[1])
		case testArgs.MatchString(line):
			c.commands++
			c.goTest(document+": "+line, strings.Fields(strings.ReplaceAll(line, "'", ""))[2:])
		}
	}
}
