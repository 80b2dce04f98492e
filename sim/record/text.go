package record

import (
	"fmt"
	"io"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// textTrace writes one dense line for most of what happens. It is never part of
// the hash: a run that is traced is the same run. docs/simulation.md has the
// legend.
type textTrace struct {
	w    *sim.World
	to   io.Writer // nil if only the recorder wants the lines
	from uint64    // the step to begin at
	// recorder takes every line; nil if there is none.
	recorder *Recorder
}

// Text writes one line for most of what happens in a world, from a step on. What
// the writer makes of it is the caller's to know.
func Text(w *sim.World, to io.Writer, from uint64) { newTextTrace(w, to, from, nil) }

// newTextTrace subscribes a trace.
func newTextTrace(w *sim.World, to io.Writer, from uint64, recorder *Recorder) *textTrace {
	t := &textTrace{w: w, to: to, from: from, recorder: recorder}
	on := func(kind sim.EventKind, write func(*sim.Event)) {
		w.Subscribe(kind, func(e *sim.Event) {
			if t.recorder != nil || t.to != nil && e.Step >= t.from {
				write(e)
			}
		})
	}
	on(sim.EventArrived, t.arrived)
	on(sim.EventStepDone, t.stepDone)
	on(sim.EventAnswered, t.answered)
	on(sim.EventCommitted, t.committed)
	on(sim.EventNoticed, t.noticed)
	on(sim.EventPlaneDown, t.planeDown)
	on(sim.EventPlaneStarted, t.planeStarted)
	on(sim.EventHostStepped, t.hostStepped)
	on(sim.EventHostNoticed, t.hostNoticed)
	on(sim.EventFaultBegan, t.fault)
	on(sim.EventFaultEnded, t.fault)
	return t
}

// line writes a line: step, time, node, what.
func (t *textTrace) line(node, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if t.recorder != nil {
		t.recorder.line(node, text)
	}
	if t.to != nil && t.w.Step() >= t.from {
		writeLine(t.to, t.w.Step(), t.w.Now(), node, text)
	}
}

// writeLine writes a line. What the writer makes of it is the caller's to know; a
// trace that cannot be written does not change the run.
func writeLine(to io.Writer, step uint64, at time.Duration, node, text string) {
	_, _ = fmt.Fprintf(to, "%8d %14.6f %-6s %s\n", step, at.Seconds(), node, text)
}

func (t *textTrace) fault(e *sim.Event) {
	what := "begins"
	if e.Kind == sim.EventFaultEnded {
		what = "ends"
	}
	t.line("fault", "%s: %v", what, *e.Fault)
}

func (t *textTrace) noticed(e *sim.Event) { t.line("plane", "* %v", *e.Notice) }

func (t *textTrace) hostNoticed(e *sim.Event) {
	t.line(string(scenario.HostName(e.Host)), "* %v", *e.AgentNotice)
}

func (t *textTrace) arrived(e *sim.Event) {
	m := e.Message
	t.line("plane", "> m%d %s from %s", m.ID(), m.Kind(), m.Sender())
}

func (t *textTrace) stepDone(e *sim.Event) {
	if e.Reply != nil {
		t.line("plane", "= m%d %v → %v", e.Message.ID(), e.Input, e.Reply)
	}
}

func (t *textTrace) answered(e *sim.Event) {
	m := e.Message
	t.line("plane", "< m%d %s", m.ID(), m.AnswerText())
}

func (t *textTrace) committed(e *sim.Event) {
	for _, entry := range e.Entries {
		t.line("disk", "+ %v", entry)
	}
}

func (t *textTrace) planeDown(e *sim.Event) { t.line("plane", "! down, wiped=%v", e.Wiped) }

func (t *textTrace) planeStarted(e *sim.Event) { t.line("plane", "! started: %v", e.World.Plane()) }

func (t *textTrace) hostStepped(e *sim.Event) {
	t.line(string(scenario.HostName(e.Host)), "= %v", e.AgentInput)
	for _, entry := range e.AgentOutput.Appends {
		t.line(string(scenario.HostName(e.Host)), "+ %v", entry)
	}
}

// Changes writes a line for every change that a person would want to
// hear of.
func Changes(w *sim.World, to io.Writer) {
	line := func(e *sim.Event, format string, args ...any) {
		_, _ = fmt.Fprintf(to, "%8d %14.6f %s\n", e.Step, e.At.Seconds(), fmt.Sprintf(format, args...))
	}
	w.Subscribe(sim.EventNoticed, func(e *sim.Event) {
		switch e.Notice.Kind {
		case plane.NoticeReplayAsked, plane.NoticeAbsorbed, plane.NoticeRejected, plane.NoticeCredited:
			return // many, and no change of state
		}
		line(e, "%v", *e.Notice)
	})
	w.Subscribe(sim.EventPlaneDown, func(e *sim.Event) { line(e, "plane down, wiped=%v", e.Wiped) })
	w.Subscribe(sim.EventPlaneStarted, func(e *sim.Event) { line(e, "plane started: %v", w.Plane()) })
}
