package sim

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
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
// made by [New], in the same or in different fidelities, and nothing of them has
// happened yet. They are traced for it, which makes them slower and changes
// nothing else.
//
// The step that is named is where the difference shows in the hash. Its cause
// is there or not long before: the order of a list that nobody has used so far
// does not show.
func Diverge(a, b *World) *Divergence {
	var traces [2]bytes.Buffer
	worlds := [2]*World{a, b}
	for i, w := range worlds {
		w.record(&traces[i])
	}
	for {
		var more [2]bool
		for i, w := range worlds {
			traces[i].Reset()
			more[i] = w.advance()
		}
		if a.hash == b.hash && a.step == b.step && more == [2]bool{true, true} {
			continue
		}
		d := &Divergence{Step: max(a.step, b.step)}
		d.A, d.B = a.moment(&traces[0]), b.moment(&traces[1])
		if a.hash != b.hash || a.step != b.step || a.violationText() != b.violationText() {
			return d
		}
		if more[0] || more[1] {
			continue // one of them has still to notice that it is over
		}
		if d.A.What = a.compareFinal(b); d.A.What == "" {
			return nil
		}
		d.Step++
		d.B.What, d.A.Trace, d.B.Trace = d.A.What, nil, nil
		d.A.Hash, d.B.Hash = a.Result().Hash, b.Result().Hash
		return d
	}
}

// record traces the world into a buffer.
func (w *World) record(to *bytes.Buffer) {
	if w.trace == nil {
		w.trace = newTextTrace(w, nil, 0, nil)
	}
	w.trace.to, w.trace.from = to, 0
}

// advance goes on until a step was made. It reports false when the
// run has ended.
func (w *World) advance() bool {
	for before := w.step; w.step == before; {
		if !w.Next() {
			return false
		}
	}
	return true
}

// moment describes the step that was made last.
func (w *World) moment(trace *bytes.Buffer) Moment {
	m := Moment{At: w.now, Hash: w.hash, What: w.last.String()}
	for line := range strings.Lines(trace.String()) {
		m.Trace = append(m.Trace, strings.TrimRight(line, "\n"))
	}
	switch {
	case w.violation != nil:
		m.What += ", and the run ends: " + w.violation.String()
	case w.settled:
		m.What += ", and the run ends at rest"
	case w.queue.len() == 0:
		m.What += ", and nothing is left to happen"
	}
	return m
}

func (w *World) violationText() string {
	if w.violation == nil {
		return ""
	}
	return w.violation.String()
}

// compareFinal names the first node whose final states differ, or nothing.
func (w *World) compareFinal(other *World) string {
	if !bytes.Equal(w.plane.appendState(nil), other.plane.appendState(nil)) {
		return "the final state of the plane"
	}
	for i := range w.hosts {
		if i >= len(other.hosts) || !bytes.Equal(w.hosts[i].appendState(nil), other.hosts[i].appendState(nil)) {
			return "the final state of " + string(scenario.HostName(i+1))
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

// timerWords are the kinds of timers in words.
var timerWords = [...]string{
	0: "nothing yet", dueRequest: "request", dueSection: "section", dueCommit: "commit", dueDeadline: "deadline", dueTick: "tick",
	dueRetry: "retry", duePlaneUp: "process up", duePlaneStart: "start", duePlaneDown: "process down",
	dueManifest: "manifest", dueAnswer: "answer", dueNoAnswer: "no answer", dueAgentTimer: "timer", dueActivationEnd: "end of a switch",
	dueProbeEnd: "end of a round of probes", dueHostUp: "process up", dueReboot: "reboot", dueHostile: "hostile act", dueReissue: "new certificate",
	dueOperator: "act", dueFaultBegin: "fault", dueFaultEnd: "end of a fault", dueHeal: "healing", dueJudge: "judgement",
}

// String names a timer's kind and node: "timer of h3".
func (e timer) String() string { return timerWords[e.kind] + " of " + nodeName(e.node) }

// timerNames are the kinds of timers in a JSON trace.
var timerNames = [...]string{
	dueRequest: "request", dueSection: "section", dueCommit: "commit", dueDeadline: "deadline", dueTick: "tick",
	dueRetry: "retry", duePlaneUp: "plane_up", duePlaneStart: "plane_start", duePlaneDown: "drain_over", dueManifest: "manifest",
	dueAnswer: "answer", dueNoAnswer: "no_answer", dueAgentTimer: "agent_timer", dueActivationEnd: "switch_end", dueProbeEnd: "probe_end",
	dueHostUp: "host_up", dueReboot: "reboot", dueHostile: "hostile_act", dueReissue: "reissue", dueOperator: "operator_act",
	dueFaultBegin: "fault_begin", dueFaultEnd: "fault_end", dueHeal: "heal", dueJudge: "judge",
}
