package record

import (
	"cmp"
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Limits bound a recording. Beyond them the oldest routine messages are
// left out first, and then the oldest of all.
type Limits struct {
	// Messages is how many messages are kept. Default 150,000.
	Messages int
	// Steps is how many steps are kept with their trace lines. Default 150,000.
	Steps int
}

// Recorder is a consumer of events that collects a [Recording]. It serves one run.
type Recorder struct {
	limits Limits
	w      *world.World
	rec    Recording

	open    map[uint64]*MessageTrack // by ID, until nothing more can happen to it
	records map[recordOf]*RecordTrack
	ofHost  [][]*RecordTrack // by host's index
	step    *StepTrack       // the one that happens
	series  series
	faulted bool // a fault began in this step

	looked []*rollout.Record
	views  []agent.View
}

type recordOf struct {
	rollout wire.RolloutID
	host    int
}

// NewRecorder returns a recorder. Limits that are 0 are the defaults.
func NewRecorder(limits Limits) *Recorder {
	limits.Messages, limits.Steps = cmp.Or(limits.Messages, 150_000), cmp.Or(limits.Steps, 150_000)
	return &Recorder{limits: limits, open: make(map[uint64]*MessageTrack), records: make(map[recordOf]*RecordTrack)}
}

// Attach has the recorder receive what it records, and every line of the text
// trace. It is to be called once, before the world's first step.
func (r *Recorder) Attach(w *world.World) {
	if r.w != nil {
		panic("record: a recorder serves one run")
	}
	r.w = w
	newTextTrace(w, nil, 0, r)
	r.subscribe(w)
	r.rec.Scenario = *w.Scenario()
	r.series.Width = firstBucket
	r.ofHost = make([][]*RecordTrack, w.Scenario().Fleet.Hosts)
	r.rec.Hosts = make([]HostTrack, w.Scenario().Fleet.Hosts)
	for i := range r.rec.Hosts {
		r.rec.Hosts[i] = HostTrack{Name: scenario.HostName(i + 1), Kind: w.HostKind(i + 1)}
		r.lookAtHost(i + 1)
	}
	r.lookAtPlane()
}

// Recording returns what was recorded so far of a run with a verdict. It may be
// called when the run is over; the recording is the caller's then.
func (r *Recorder) Recording(v check.Verdict) *Recording {
	r.endStep()
	r.look() // the last step, if a violation ended it
	r.rec.Result = v
	r.rec.Healed = r.w.HealedAt()
	r.rec.Series = r.series.Series
	r.rec.Focus = r.focus()
	return &r.rec
}

func (r *Recorder) now() Stamp { return Stamp{r.w.Step(), r.w.Now()} }

// here returns the track of the step that happens.
func (r *Recorder) here() *StepTrack {
	if r.step == nil || r.step.Step != r.w.Step() {
		r.endStep()
		r.step = &StepTrack{Stamp: r.now(), Host: r.w.Timer().Host(), timer: r.w.Timer(), plain: true}
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
func (r *Recorder) track(m *world.Message) *MessageTrack {
	if t := r.open[m.ID()]; t != nil {
		return t
	}
	t := &MessageTrack{ID: m.ID(), Kind: m.Kind(), Duplicate: m.Duplicate(), Host: m.Host(), Text: describe(m)}
	if m.Kind() == scenario.RouteEvent {
		t.Rollout = m.Event().Envelope.RolloutID
	}
	r.open[m.ID()] = t
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
func (r *Recorder) about(m *world.Message) *MessageTrack {
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
	over := t.Heard.Happened() || t.Answered.Happened() && (t.Duplicate || t.Host == 0)
	if over && !t.inside {
		delete(r.open, t.ID)
	}
}

// describe says what a request says, in a few words.
func describe(m *world.Message) string {
	switch m.Kind() {
	case scenario.RouteHeartbeat:
		h := &m.Heartbeat().Request
		s := "closure=" + orNone(string(h.CurrentClosure))
		if h.RolloutID != "" {
			s += " rollout=" + string(h.RolloutID)
		}
		return s
	case scenario.RouteEvent:
		e := &m.Event().Envelope
		return fmt.Sprintf("%s %v", e.RolloutID, e.Event)
	case scenario.RoutePoll:
		return fmt.Sprintf("wait=%v", m.Wait())
	case scenario.RouteOperator:
		return m.Operator().String()
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
