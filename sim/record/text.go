package record

import (
	"fmt"
	"io"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// textTrace writes one dense line for most of what happens. It is never part of
// the hash: a run that is traced is the same run. docs/simulation.md has the
// legend.
type textTrace struct {
	w    *world.World
	to   io.Writer // nil if only the recorder wants the lines
	from uint64    // the step to begin at
	// recorder takes every line; nil if there is none.
	recorder *Recorder
}

// Text writes one line for most of what happens in a world, from a step on. What
// the writer makes of it is the caller's to know.
func Text(w *world.World, to io.Writer, from uint64) { newTextTrace(w, to, from, nil) }

// newTextTrace subscribes a trace.
func newTextTrace(w *world.World, to io.Writer, from uint64, recorder *Recorder) *textTrace {
	t := &textTrace{w: w, to: to, from: from, recorder: recorder}
	on := func(kind world.EventKind, write func(*world.Event)) {
		w.Subscribe(kind, func(e *world.Event) {
			if t.recorder != nil || t.to != nil && e.Step >= t.from {
				write(e)
			}
		})
	}
	on(world.EventArrived, t.arrived)
	on(world.EventStepDone, t.stepDone)
	on(world.EventAnswered, t.answered)
	on(world.EventCommitted, t.committed)
	on(world.EventNoticed, t.noticed)
	on(world.EventPlaneDown, t.planeDown)
	on(world.EventPlaneStarted, t.planeStarted)
	on(world.EventHostStepped, t.hostStepped)
	on(world.EventHostNoticed, t.hostNoticed)
	on(world.EventFaultBegan, t.fault)
	on(world.EventFaultEnded, t.fault)
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

func (t *textTrace) fault(e *world.Event) {
	what := "begins"
	if e.Kind == world.EventFaultEnded {
		what = "ends"
	}
	t.line("fault", "%s: %v", what, *e.Fault)
}

func (t *textTrace) noticed(e *world.Event) { t.line("plane", "* %v", *e.Notice) }

func (t *textTrace) hostNoticed(e *world.Event) {
	t.line(string(scenario.HostName(e.Host)), "* %v", *e.AgentNotice)
}

func (t *textTrace) arrived(e *world.Event) {
	m := e.Message
	t.line("plane", "> m%d %s from %s", m.ID(), m.Kind(), m.Sender())
}

func (t *textTrace) stepDone(e *world.Event) {
	if e.Reply != nil {
		t.line("plane", "= m%d %v → %v", e.Message.ID(), e.Input, e.Reply)
	}
}

func (t *textTrace) answered(e *world.Event) {
	m := e.Message
	t.line("plane", "< m%d %s", m.ID(), m.AnswerText())
}

func (t *textTrace) committed(e *world.Event) {
	for _, entry := range e.Entries {
		t.line("disk", "+ %v", entry)
	}
}

func (t *textTrace) planeDown(e *world.Event) {
	if e.Restored {
		t.line("plane", "! down, restored to %v ago, %d entries", e.For, len(e.Entries))
		return
	}
	t.line("plane", "! down, wiped=%v", e.Wiped)
}

func (t *textTrace) planeStarted(e *world.Event) { t.line("plane", "! started: %v", e.World.Plane()) }

func (t *textTrace) hostStepped(e *world.Event) {
	t.line(string(scenario.HostName(e.Host)), "= %v", e.AgentInput)
	for _, entry := range e.AgentOutput.Appends {
		t.line(string(scenario.HostName(e.Host)), "+ %v", entry)
	}
}

// Changes writes a line for every change that a person would want to
// hear of.
func Changes(w *world.World, to io.Writer) {
	line := func(e *world.Event, format string, args ...any) {
		_, _ = fmt.Fprintf(to, "%8d %14.6f %s\n", e.Step, e.At.Seconds(), fmt.Sprintf(format, args...))
	}
	w.Subscribe(world.EventNoticed, func(e *world.Event) {
		switch e.Notice.Kind {
		case plane.NoticeReplayAsked, plane.NoticeReplayPutOff, plane.NoticeAbsorbed, plane.NoticeRejected, plane.NoticeCredited:
			return // many, and no change of state
		}
		line(e, "%v", *e.Notice)
	})
	w.Subscribe(world.EventPlaneDown, func(e *world.Event) { line(e, "plane down, wiped=%v, restored=%v", e.Wiped, e.Restored) })
	w.Subscribe(world.EventPlaneStarted, func(e *world.Event) { line(e, "plane started: %v", w.Plane()) })
}
