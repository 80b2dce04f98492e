package sim

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Text writes the shrunk scenario as a file: what it shows, where it comes from
// (for instance a seed and its profile) and which build that holds for, as
// comments; then the scenario without its defaults.
func (r *Shrunk) Text(from string) string {
	var b strings.Builder
	v := r.Violation
	comment(&b, fmt.Sprintf("%s is broken: %s.", v.Checker, Rule(v.Checker)))
	detail, _, _ := strings.Cut(v.Detail, "\n")
	comment(&b, fmt.Sprintf("Here, after %v (step %d): %s.", v.At.Round(time.Millisecond), v.Step, strings.TrimSuffix(detail, ".")))
	comment(&b, fmt.Sprintf("Shrunk from %s in %d executions, by build %s.", from, r.Executions, Build()))
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

// Rule says what a checker holds runs to, by its number; it is empty for a
// number that there is not.
func Rule(number string) string {
	for _, c := range Checkers() {
		if c.Number == number {
			return c.Rule
		}
	}
	return otherRules[number]
}

// otherRules are those that no [Checker] looks after.
var otherRules = map[string]string{
	"L1":    "once the faults are over, every host that was given work comes to its end, and plane and agents agree",
	"L2":    "once the faults are over, no event is left unsent",
	"L3":    "once the faults are over, the plane is up, its inbox is empty and nobody is refused",
	"L4":    "once the faults are over, every live host is reachable",
	"G4":    "a Retry-After is a whole number of seconds, at least one (PROTOCOL G4)",
	"WIRE":  "every document comes off the wire as it went on",
	"PANIC": "nothing that is simulated panics",
}
