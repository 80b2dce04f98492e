package sim

import (
	"fmt"
	"io"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// tracer writes one dense line per thing that happens. It is never part of the
// hash: a run that is traced is the same run. docs/simulation.md has the
// legend.
type tracer struct {
	to   io.Writer
	from uint64
}

// line writes a line: step, time, node, what.
func (w *World) line(node, format string, args ...any) {
	if !w.tracing() {
		return
	}
	text := fmt.Sprintf(format, args...)
	if w.recorder != nil {
		w.recorder.line(w, node, text)
	}
	if w.tracer != nil && w.step >= w.tracer.from {
		// What the writer makes of it is the caller's to know; a trace that
		// cannot be written does not change the run.
		_, _ = fmt.Fprintf(w.tracer.to, "%8d %14.6f %-6s %s\n", w.step, w.now.Seconds(), node, text)
	}
}

// tracing reports whether anybody wants this step's lines.
func (w *World) tracing() bool {
	return w.recorder != nil || w.tracer != nil && w.step >= w.tracer.from
}

func (w *World) traceFault(f Fault, what string) {
	if w.tracing() {
		w.line("fault", "%s: %v", what, f)
	}
}

func (w *World) traceNotice(n plane.Notice) {
	if w.tracing() {
		w.line("plane", "* %v", n)
	}
}

func (w *World) traceAgentNotice(h *hostNode, n agent.Notice) {
	if w.tracing() {
		w.line(string(HostName(h.index+1)), "* %v", n)
	}
}

// traceChecker is an observer that writes down what the others look at.
type traceChecker struct{ passive }

func (traceChecker) arrived(w *World, m *message) {
	if w.tracing() {
		w.line("plane", "> m%d %s from %s", m.id, m.kind, nodeName(m.node))
	}
}

func (traceChecker) stepDone(w *World, m *message, in plane.Input, r *plane.Reply) {
	if w.tracing() && r != nil {
		w.line("plane", "= m%d %v → %v", m.id, in, r)
	}
}

func (traceChecker) answered(w *World, m *message) {
	if w.tracing() {
		w.line("plane", "< m%d %v%s", m.id, m.outcome.Code, retryText(&m.outcome))
	}
}

func (traceChecker) committed(w *World, entries []plane.Entry) {
	if w.tracing() {
		for _, e := range entries {
			w.line("disk", "+ %v", e)
		}
	}
}

func (traceChecker) planeDown(w *World, wiped bool) {
	w.line("plane", "! down, wiped=%v", wiped)
}

func (traceChecker) planeStarted(w *World) { w.line("plane", "! started: %v", w.plane.plane) }

func (traceChecker) hostStepped(w *World, h *hostNode, in agent.Input) {
	if w.tracing() {
		w.line(string(HostName(h.index+1)), "= %v", in)
		for _, e := range h.out.Appends {
			w.line(string(HostName(h.index+1)), "+ %v", e)
		}
	}
}

func retryText(o *wire.Outcome) string {
	s := ""
	if o.Code.Unavailable() {
		s += fmt.Sprintf(" retry-after=%v", o.RetryAfter)
	}
	if o.Replay {
		s += fmt.Sprintf(" replay-from=%d", o.ReplayFrom)
	}
	return s
}

func nodeName(node int32) string {
	switch node {
	case operatorNodeID:
		return "operator"
	case manifestNodeID:
		return "manifests"
	case planeNodeID:
		return "plane"
	case worldNodeID:
		return "world"
	default:
		return string(HostName(int(node) + 1))
	}
}

// changeLog writes a line for every change that a person would want to hear
// of.
type changeLog struct {
	passive
	to io.Writer
}

func (c changeLog) noticed(w *World, n plane.Notice) {
	switch n.Kind {
	case plane.NoticeReplayAsked, plane.NoticeAbsorbed, plane.NoticeRejected, plane.NoticeCredited:
		return // many, and no change of state
	}
	_, _ = fmt.Fprintf(c.to, "%8d %14.6f %v\n", w.step, w.now.Seconds(), n)
}

func (c changeLog) planeDown(w *World, wiped bool) {
	_, _ = fmt.Fprintf(c.to, "%8d %14.6f plane down, wiped=%v\n", w.step, w.now.Seconds(), wiped)
}

func (c changeLog) planeStarted(w *World) {
	_, _ = fmt.Fprintf(c.to, "%8d %14.6f plane started: %v\n", w.step, w.now.Seconds(), w.plane.plane)
}
