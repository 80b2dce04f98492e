package conform

import (
	"fmt"
	"strings"

	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Difference is where simulator and server part.
type Difference struct {
	Scenario scenario.Scenario
	Tape     *record.Tape
	// At is the index of the step of the tape.
	At int
	// What says in what they differ.
	What string
	// Simulator and Server are what each of them answered, or holds; empty where
	// What says it all.
	Simulator, Server string
}

// Step is the step of the tape at which they part.
func (d *Difference) Step() *record.TapeStep { return &d.Tape.Steps[d.At] }

// before is how many steps of the tape are shown before the one that differs.
const before = 12

// String writes what a person wants to see: what both did, what came before, and
// the scenario.
func (d *Difference) String() string {
	var b strings.Builder
	s := d.Step()
	fmt.Fprintf(&b, "at %v, step %d of the run, %d of the tape: %s\n%s\n", s.At, s.Step, d.At, d.Tape.Line(d.At), d.What)
	if d.Simulator != "" || d.Server != "" {
		fmt.Fprintf(&b, "\nsimulator\n%s\n\nserver\n%s\n", indent(d.Simulator), indent(d.Server))
	}
	if s.Request >= 0 {
		fmt.Fprintf(&b, "\nrequest\n%s\n", indent(requestText(&d.Tape.Requests[s.Request])))
	}
	fmt.Fprintf(&b, "\nbefore it\n")
	for i := max(0, d.At-before); i <= d.At; i++ {
		fmt.Fprintf(&b, "%14.6f %s\n", d.Tape.Steps[i].At.Seconds(), d.Tape.Line(i))
	}
	fmt.Fprintf(&b, "\nscenario\n%s", indent(strings.TrimRight(d.Scenario.String(), "\n")))
	return b.String()
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

func requestText(r *record.TapeRequest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "m%d of %s, issued %v\n%s %s", r.Message, r.Certificate.CommonName, r.Certificate.NotBefore, r.Method, r.Path)
	if r.Query != "" {
		fmt.Fprintf(&b, "?%s", r.Query)
	}
	b.WriteByte('\n')
	for _, h := range r.Header {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	if len(r.Body) > 0 {
		fmt.Fprintf(&b, "\n%s", r.Body)
	}
	return b.String()
}
