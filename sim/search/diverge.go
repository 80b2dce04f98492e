package search

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Divergence is where two runs of one scenario stop being the same. There
// should be none; where there is one, something in a world depends on what is
// no part of the scenario.
type Divergence struct {
	// Step is the number of the first step after which the hashes differ, or
	// one more than the last if only the final states do.
	Step uint64
	// A and B are what happened then.
	A, B Moment
}

// Moment is one step of one run.
type Moment struct {
	// At is the virtual time.
	At time.Duration
	// What is the timer that went off: its kind and its node. If the run was over before, it
	// says how it ended.
	What string
	// Hash is the running hash after the step.
	Hash uint64
	// Trace is what the step's trace has to tell: lines without line breaks.
	Trace []string
}

// Diverge runs two worlds side by side, one step at a time, and returns
// the first step after which they differ; nil if they end alike. The worlds are
// made by [sim.New], in the same or in different fidelities, and nothing of them has
// happened yet. They are traced for it, which makes them slower and changes
// nothing else.
//
// The step that is named is where the difference shows in the hash. Its cause
// is there or not long before: the order of a list that nobody has used so far
// does not show.
func Diverge(a, b *world.World) *Divergence {
	var traces [2]bytes.Buffer
	worlds := [2]*world.World{a, b}
	for i, w := range worlds {
		record.Text(w, &traces[i], 0)
	}
	for {
		var more [2]bool
		for i, w := range worlds {
			traces[i].Reset()
			more[i] = advance(w)
		}
		if a.Hash() == b.Hash() && a.Step() == b.Step() && more == [2]bool{true, true} {
			continue
		}
		d := &Divergence{Step: max(a.Step(), b.Step())}
		d.A, d.B = momentOf(a, &traces[0]), momentOf(b, &traces[1])
		if a.Hash() != b.Hash() || a.Step() != b.Step() || violationText(a) != violationText(b) {
			return d
		}
		if more[0] || more[1] {
			continue // one of them has still to notice that it is over
		}
		if d.A.What = compareFinal(a, b); d.A.What == "" {
			return nil
		}
		d.Step++
		d.B.What, d.A.Trace, d.B.Trace = d.A.What, nil, nil
		d.A.Hash, d.B.Hash = a.Result().Hash, b.Result().Hash
		return d
	}
}

// advance goes on until a step was made. It reports false when the
// run has ended.
func advance(w *world.World) bool {
	for before := w.Step(); w.Step() == before; {
		if !w.Next() {
			return false
		}
	}
	return true
}

// momentOf describes the step that was made last.
func momentOf(w *world.World, trace *bytes.Buffer) Moment {
	m := Moment{At: w.Now(), Hash: w.Hash(), What: w.Timer().String()}
	for line := range strings.Lines(trace.String()) {
		m.Trace = append(m.Trace, strings.TrimRight(line, "\n"))
	}
	switch {
	case w.Violation() != nil:
		m.What += ", and the run ends: " + w.Violation().String()
	case w.Settled():
		m.What += ", and the run ends at rest"
	case w.Planned() == 0:
		m.What += ", and nothing is left to happen"
	}
	return m
}

func violationText(w *world.World) string {
	if w.Violation() == nil {
		return ""
	}
	return w.Violation().String()
}

// compareFinal names the first node whose final states differ, or nothing.
func compareFinal(a, b *world.World) string {
	if !bytes.Equal(a.AppendPlaneState(nil), b.AppendPlaneState(nil)) {
		return "the final state of the plane"
	}
	for n := 1; n <= a.Scenario().Fleet.Hosts; n++ {
		if n > b.Scenario().Fleet.Hosts || !bytes.Equal(a.AppendHostState(n, nil), b.AppendHostState(n, nil)) {
			return "the final state of " + string(scenario.HostName(n))
		}
	}
	return ""
}

// String writes both moments, with their traces.
func (d *Divergence) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the runs differ at step %d", d.Step)
	for i, m := range []*Moment{&d.A, &d.B} {
		fmt.Fprintf(&b, "\n%c  %v %s, hash %016x", "ab"[i], m.At, m.What, m.Hash)
		for _, line := range m.Trace {
			b.WriteString("\n   " + line)
		}
	}
	return b.String()
}
