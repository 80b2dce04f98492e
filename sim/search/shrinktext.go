package search

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Text writes the shrunk scenario as a file: what it shows, where it comes from
// (for instance a seed and its profile) and which build that holds for, as
// comments; then the scenario without its defaults.
func (r *Shrunk) Text(from string) string {
	var b strings.Builder
	v := r.Violation
	comment(&b, fmt.Sprintf("%s is broken: %s.", v.Checker, scenario.RuleText(v.Checker)))
	detail, _, _ := strings.Cut(v.Detail, "\n")
	comment(&b, fmt.Sprintf("Here, after %v (step %d): %s.", v.At.Round(time.Millisecond), v.Step, strings.TrimSuffix(detail, ".")))
	comment(&b, fmt.Sprintf("Shrunk from %s in %d executions, by build %s.", from, r.Executions, repro.Build()))
	b.WriteString(r.Scenario.Brief())
	return b.String()
}

// commentWidth is how wide comments are written, the '#' included.
const commentWidth = 100

// comment writes a sentence as lines that a scenario may begin with.
func comment(b *strings.Builder, sentence string) {
	b.WriteByte('#')
	width := 1
	for word := range strings.FieldsSeq(sentence) {
		n := utf8.RuneCountInString(word) + 1
		if width > 1 && width+n > commentWidth {
			b.WriteString("\n#")
			width = 1
		}
		b.WriteString(" " + word)
		width += n
	}
	b.WriteByte('\n')
}

// Kind is what a violation has in common with others of the same cause, as far
// as one can tell from outside: two violations are of one kind if they break
// the same rule. A liveness rule says of anything that is not at rest that it
// is stuck, so of those the kind is what is stuck, and how: in which states,
// not on which host. A panic is of the kind of its words and its place.
func Kind(v *world.Violation) string {
	switch {
	case strings.HasPrefix(v.Checker, "L"):
		_, stuck, _ := strings.Cut(v.Detail, "after healing: ")
		return v.Checker + ": " + withoutNames(stuck)
	case v.Checker == "PANIC":
		lines := strings.SplitN(v.Detail, "\n", 3)
		return v.Checker + ": " + withoutNames(strings.Join(lines[:min(2, len(lines))], " "))
	default:
		return v.Checker
	}
}

var (
	rolloutNames = regexp.MustCompile(`[\w./-]+@[\w./-]+`)
	numbers      = regexp.MustCompile(`\d+(\.\d+)?`)
)

// withoutNames takes out of a detail which rollout, host and number it is
// about.
func withoutNames(detail string) string {
	return numbers.ReplaceAllString(rolloutNames.ReplaceAllString(detail, "ROLLOUT"), "N")
}
