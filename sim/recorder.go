package sim

import (
	"cmp"
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// RecordLimits bound a recording. Beyond them the oldest routine messages are
// left out first, and then the oldest of all.
type RecordLimits struct {
	// Messages is how many messages are kept. Default 150,000.
	Messages int
	// Steps is how many steps are kept with their trace lines. Default 150,000.
	Steps int
}

// Recorder is a consumer of events that collects a [Recording]. It serves one run.
type Recorder struct {
	limits RecordLimits
	w      *World
	rec    Recording

	open    map[uint64]*MessageTrack // by ID, until nothing more can happen to it
	records map[recordOf]*RecordTrack
	ofHost  [][]*RecordTrack // by host's index
	step    *StepTrack       // the one that happens
	series  series

	looked []*rollout.Record
	views  []agent.View
}

type recordOf struct {
	rollout wire.RolloutID
	host    int
}

// NewRecorder returns a recorder for [Options.Record]. Limits that are 0 are
// the defaults.
func NewRecorder(limits RecordLimits) *Recorder {
	limits.Messages, limits.Steps = cmp.Or(limits.Messages, 150_000), cmp.Or(limits.Steps, 150_000)
	return &Recorder{limits: limits, open: make(map[uint64]*MessageTrack), records: make(map[recordOf]*RecordTrack)}
}

// begin comes once, when the world is made.
func (r *Recorder) begin(w *World) {
	if r.w != nil {
		panic("sim: a recorder serves one run")
	}
	r.w = w
	r.rec.Scenario = w.scenario
	r.series.Width, r.series.Capacity = firstBucket, w.scenario.Plane.Capacity
	r.ofHost = make([][]*RecordTrack, len(w.hosts))
	r.rec.Hosts = make([]HostTrack, len(w.hosts))
	for i := range w.hosts {
		r.rec.Hosts[i] = HostTrack{Name: scenario.HostName(i + 1), Kind: w.hosts[i].kind}
		r.lookAtHost(&w.hosts[i])
	}
	r.lookAtPlane()
}

// Recording returns what was recorded so far. It may be called when the run is
// over; the recording is the caller's then.
func (r *Recorder) Recording() *Recording {
	r.endStep()
	r.look(r.w) // the last step, if a violation ended it
	r.rec.Result = r.w.Result()
	if r.w.healed {
		r.rec.Healed = r.w.healedAt
	}
	r.rec.Series = r.series.Series
	r.rec.Focus = r.focus()
	return &r.rec
}

func (r *Recorder) now() Stamp { return Stamp{r.w.step, r.w.now} }

// here returns the track of the step that happens.
func (r *Recorder) here() *StepTrack {
	if r.step == nil || r.step.Step != r.w.step {
		r.endStep()
		r.step = &StepTrack{Stamp: r.now(), timer: r.w.last, plain: true}
		if n := r.w.last.node; n >= 0 {
			r.step.Host = int(n) + 1
		}
	}
	return r.step
}

// line takes a line of the trace.
func (r *Recorder) line(where, text string) {
	s := r.here()
	s.Lines = append(s.Lines, TraceLine{where, text})
	switch text[0] {
	case '+', '*', '!':
		s.plain = false
	}
	if where == "fault" {
		s.plain = false
	}
}

// endStep keeps the step that happened last, if there is anything to keep.
func (r *Recorder) endStep() {
	s := r.step
	if s == nil || len(s.Lines) == 0 {
		return
	}
	r.step = nil
	r.rec.Steps = append(r.rec.Steps, s)
	if len(r.rec.Steps) > r.limits.Steps {
		kept, gone, before := thin(r.rec.Steps, r.limits.Steps*3/4, func(s *StepTrack) (bool, time.Duration) {
			return s.plain && (s.message == nil || s.message.Routine()), s.At
		})
		r.rec.Steps = kept
		r.rec.Omitted.Steps += gone
		r.rec.Omitted.Before = max(r.rec.Omitted.Before, before)
	}
}

// thin leaves out the oldest routine items of a list, and then the oldest of
// all, until at most limit are left. It returns the time of the last that is
// left out.
func thin[T any](list []T, limit int, look func(T) (routine bool, at time.Duration)) (kept []T, gone int, before time.Duration) {
	drop := len(list) - limit
	for _, all := range []bool{false, true} {
		kept = list[:0]
		for _, item := range list {
			routine, at := look(item)
			if gone < drop && (routine || all) {
				gone++
				before = max(before, at)
				continue
			}
			kept = append(kept, item)
		}
		clear(list[len(kept):])
		list = kept
	}
	return kept, gone, before
}

// track returns the track of a message.
func (r *Recorder) track(m *message) *MessageTrack {
	if t := r.open[m.id]; t != nil {
		return t
	}
	t := &MessageTrack{ID: m.id, Kind: m.kind, Duplicate: m.duplicate, Text: describe(m), node: m.node}
	if m.node >= 0 {
		t.Host = int(m.node) + 1
	}
	if m.kind == scenario.RouteEvent {
		t.Rollout = m.event.Envelope.RolloutID
	}
	r.open[m.id] = t
	r.rec.Messages = append(r.rec.Messages, t)
	if len(r.rec.Messages) > r.limits.Messages {
		kept, gone, before := thin(r.rec.Messages, r.limits.Messages*3/4, func(t *MessageTrack) (bool, time.Duration) {
			return t.Routine(), max(t.Sent.At, t.Heard.At)
		})
		r.rec.Messages = kept
		r.rec.Omitted.Messages += gone
		r.rec.Omitted.Before = max(r.rec.Omitted.Before, before)
	}
	return t
}

// about says that the step is about a message.
func (r *Recorder) about(m *message) *MessageTrack {
	t := r.track(m)
	s := r.here()
	s.message, s.Message = t, t.ID
	if t.Host > 0 {
		s.Host = t.Host
	}
	return t
}

// close forgets a message to which nothing more can happen.
func (r *Recorder) close(t *MessageTrack) {
	over := t.Heard.Happened() || t.Answered.Happened() && (t.Duplicate || t.node < 0)
	if over && !t.inside {
		delete(r.open, t.ID)
	}
}

// describe says what a request says, in a few words.
func describe(m *message) string {
	switch m.kind {
	case scenario.RouteHeartbeat:
		h := &m.heartbeat.Request
		s := "closure=" + orNone(string(h.CurrentClosure))
		if h.RolloutID != "" {
			s += " rollout=" + string(h.RolloutID)
		}
		return s
	case scenario.RouteEvent:
		e := &m.event.Envelope
		return fmt.Sprintf("%s %v", e.RolloutID, e.Event)
	case scenario.RoutePoll:
		return fmt.Sprintf("wait=%v", m.wait)
	case scenario.RouteOperator:
		return m.operator.String()
	default:
		return "garbage"
	}
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// state says what the plane's process is doing.
func (p *planeNode) state() PlaneState {
	switch {
	case !p.up:
		return PlaneDown
	case p.suspended:
		return PlaneSuspended
	case !p.opened:
		return PlaneStarting
	case p.front.Rebuilding():
		return PlaneRebuilding
	case p.wedged:
		return PlaneWedged
	case p.front.Closed():
		return PlaneClosing
	default:
		return PlaneServing
	}
}
