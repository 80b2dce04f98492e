package sim

import (
	"regexp"
	"strings"
)

// Kind is what a violation has in common with others of the same cause, as far
// as one can tell from outside: two violations are of one kind if they break
// the same rule. A liveness rule says of anything that is not at rest that it
// is stuck, so of those the kind is what is stuck, and how: in which states,
// not on which host. A panic is of the kind of its words and its place.
func Kind(v *Violation) string {
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
