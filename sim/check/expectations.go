package check

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// expectations is a consumer of events that compares a run with what its scenario
// expects. It is there only if something is expected.
type expectations struct {
	w    *world.World
	seen []seen
	// looks are the expectations that are looked at at an instant, in the order
	// of those; next is the first that was not looked at yet.
	looks []int
	next  int
	views []agent.View
}

// seen is what there was of one expectation.
type seen struct {
	expect scenario.Expect
	// count is how often it happened, first the first time.
	count int
	first occurrence
	// chosen is how many were chosen by whose, where and about what, whatever
	// they were. near is the first of them that was as expected but for numbers
	// and times; other is the first, or the nth, that was something else.
	chosen      int
	near, other *occurrence
	// looked says that it was looked at; met and state are what there was.
	looked, met bool
	state       string
	seq         wire.Seq
	hasSeq      bool
}

// occurrence is something that happened, in the words and numbers of an
// expectation.
type occurrence struct {
	what             string
	whose            string
	at               time.Duration
	answer           bool
	took, retryAfter time.Duration
	unavailable      bool
	replay           bool
	replayFrom       int
	bootstrap        int
}

// newExpectations subscribes a judge.
func newExpectations(w *world.World) *expectations {
	list := w.Scenario().Expects
	j := &expectations{w: w, seen: make([]seen, len(list))}
	for i, e := range list {
		j.seen[i].expect = e
		if e.Kind.Looks() && e.At.Given {
			j.looks = append(j.looks, i)
		}
	}
	slices.SortStableFunc(j.looks, func(a, b int) int { return cmp.Compare(list[a].At.Min, list[b].At.Min) })
	w.Subscribe(world.EventAnswered, j.answered)
	w.Subscribe(world.EventNoticed, j.noticed)
	w.Subscribe(world.EventCommitted, j.committed)
	if len(j.looks) > 0 {
		w.Subscribe(world.EventStepBegan, j.stepBegan)
	}
	return j
}

// stepBegan: everything whose instant is over is looked at. The step has not
// changed anything yet.
func (j *expectations) stepBegan(e *world.Event) {
	for j.next < len(j.looks) {
		s := &j.seen[j.looks[j.next]]
		if s.expect.At.Min >= e.At {
			return
		}
		j.next++
		j.judge(s, s.expect.At.Min)
	}
}

// answered: the plane answered a request.
func (j *expectations) answered(e *world.Event) {
	w, m := e.World, e.Message
	for i := range j.seen {
		s := &j.seen[i]
		if e := &s.expect; e.Kind == scenario.ExpectAnswer && chooses(e, m) {
			o := m.Outcome()
			s.note(occurrence{what: o.Code.String(), whose: m.Sender(), at: w.Now(), answer: true, took: w.Now() - m.ArrivedAt(),
				retryAfter: o.RetryAfter, unavailable: o.Code.Unavailable(), replay: o.Replay, replayFrom: int(o.ReplayFrom),
				bootstrap: len(o.Heartbeat.Bootstrap)}, e.Is == "*" || e.Is == o.Code.String() || e.Is == strconv.Itoa(o.Code.Status()))
		}
	}
}

// chooses reports whether an expectation is about the answer to a request,
// whatever the answer is.
func chooses(e *scenario.Expect, m *world.Message) bool {
	route := m.Kind().String()
	switch {
	case m.FromManifests():
		route = "manifest"
	case m.FromReleases():
		route = "release"
	}
	if e.Route != "" && e.Route != route || e.Hosts != (scenario.Hosts{}) && (m.Host() == 0 || !e.Hosts.Has(m.Host())) {
		return false
	}
	if e.Event == "" && e.Rollout == "" && !e.Seq.Given {
		return true
	}
	switch m.Kind() {
	case scenario.RouteEvent:
		v := &m.Event().Envelope
		return (e.Event == "" || e.Event == v.Event.Body.Kind().String()) &&
			(e.Rollout == "" || e.Rollout == v.RolloutID) && e.Seq.Has(int(v.Event.Seq))
	case scenario.RouteHeartbeat:
		return e.Event == "" && !e.Seq.Given && e.Rollout == m.Heartbeat().Request.RolloutID
	case scenario.RoutePoll:
		d, offered := m.Outcome().Document.(*wire.Dispatch)
		return e.Event == "" && !e.Seq.Given && offered && e.Rollout == d.RolloutID
	}
	return false
}

// noticed: the plane told something.
func (j *expectations) noticed(e *world.Event) {
	w, n := e.World, *e.Notice
	for i := range j.seen {
		s := &j.seen[i]
		e := &s.expect
		if e.Kind == scenario.ExpectNotice && e.Is == n.Kind.String() && about(e, n.Hostname, n.RolloutID, n.Seq) && (e.To == "" || e.To == n.To.String()) {
			s.note(occurrence{what: n.String(), whose: "the plane", at: w.Now()}, true)
		}
	}
}

// committed: entries are on the plane's disk.
func (j *expectations) committed(e *world.Event) {
	w, entries := e.World, e.Entries
	for i := range j.seen {
		s := &j.seen[i]
		e := &s.expect
		if e.Kind != scenario.ExpectEntry {
			continue
		}
		for k := range entries {
			x := &entries[k]
			if e.Is == string(x.Kind) && about(e, x.Hostname, x.RolloutID, seqOf(x)) && (e.Outcome == "" || e.Outcome == string(x.Outcome)) {
				s.note(occurrence{what: x.String(), whose: "the disk", at: w.Now()}, true)
			}
		}
	}
}

func seqOf(e *plane.Entry) wire.Seq {
	if in, isEvent := e.Input.(*plane.Event); isEvent {
		return in.Envelope.Event.Seq
	}
	return 0
}

func about(e *scenario.Expect, host wire.Hostname, id wire.RolloutID, seq wire.Seq) bool {
	n, known := scenario.HostNumber(host)
	return (e.Hosts == scenario.Hosts{} || known && e.Hosts.Has(n)) && (e.Rollout == "" || e.Rollout == id) && e.Seq.Has(int(seq))
}

// note takes something that was chosen in.
func (s *seen) note(o occurrence, asExpected bool) {
	s.chosen++
	e := &s.expect
	switch {
	case e.Nth > 0 && s.chosen != e.Nth:
	case asExpected && measures(e, &o):
		if s.count++; s.count == 1 {
			s.first = o
		}
	case asExpected && s.near == nil:
		s.near = &o
	case !asExpected && s.other == nil:
		s.other = &o
	}
}

// measures reports whether the numbers and times of something are as expected.
func measures(e *scenario.Expect, o *occurrence) bool {
	return e.At.Has(o.at) && (!o.answer || e.Took.Has(o.took) && e.Bootstrap.Has(o.bootstrap) &&
		(!e.RetryAfter.Given || o.unavailable && e.RetryAfter.Has(o.retryAfter)) &&
		(!e.ReplayFrom.Given || o.replay && e.ReplayFrom.Has(o.replayFrom)))
}

// judge looks at what is so at an instant.
func (j *expectations) judge(s *seen, at time.Duration) {
	w, e := j.w, &s.expect
	s.looked = true
	var wrong []string
	note := func(met bool, whose, state string) {
		if !met {
			wrong = append(wrong, strings.TrimPrefix(whose+" ", " ")+state)
		}
	}
	first, last := max(e.Hosts.First, 1), e.Hosts.Last
	if last == 0 {
		last = w.Scenario().Fleet.Hosts
	}
	p := w.CurrentPlane()
	switch e.Kind {
	case scenario.ExpectRollout:
		state := scenario.None
		if status, there := p.Rollout(e.Rollout); there {
			state = status.State.String()
		}
		note(state == e.Is, "", state)
	case scenario.ExpectPlane:
		state := w.PlaneStateAt(at).String()
		note(state == e.Is, "", state)
	case scenario.ExpectHost:
		for n := first; n <= last; n++ {
			state := "unknown"
			if status, known := p.Host(scenario.HostName(n)); known {
				state = status.Reachability.String()
			}
			note(state == e.Is, string(scenario.HostName(n)), state)
		}
	case scenario.ExpectClosure:
		for n := first; n <= last; n++ {
			c := w.Runs(n)
			note(string(c) == e.Is, string(scenario.HostName(n)), string(c))
		}
	case scenario.ExpectWhy:
		for n := first; n <= last; n++ {
			met, state := whySays(p, n, e)
			note(met, string(scenario.HostName(n)), state)
		}
	case scenario.ExpectRecord:
		for n := first; n <= last; n++ {
			name := string(scenario.HostName(n))
			if e.Side != "agent" {
				r, there := p.Record(e.Rollout, scenario.HostName(n))
				met, state := s.record(&r, there, e.Confirmed)
				note(met, name, state+" at the plane")
			}
			if e.Side != "plane" {
				r, there := j.own(n, e.Rollout)
				met, state := s.record(&r, there, "")
				note(met, name, state+" at the agent")
			}
		}
	}
	s.met, s.state = len(wrong) == 0, strings.Join(wrong, ", ")
}

// own is an agent's own record. Of one that is down it is the one that it had.
func (j *expectations) own(n int, id wire.RolloutID) (rollout.Record, bool) {
	a := j.w.LastAgent(n)
	if a == nil {
		return rollout.Record{}, false
	}
	j.views = a.Views(j.views[:0])
	for i := range j.views {
		if r := j.views[i].Record; r.RolloutID == id {
			return *r, true
		}
	}
	return rollout.Record{}, false
}

// record compares one record, and describes it. Only a plane's is ever
// confirmed.
func (s *seen) record(r *rollout.Record, there bool, wantConfirmed string) (met bool, state string) {
	e := &s.expect
	if !there {
		return e.Is == scenario.None, scenario.None
	}
	state = r.State.String()
	met = state == e.Is
	if e.Seq.Given {
		s.seq, s.hasSeq = r.LastEventSeq, met
		met = met && e.Seq.Has(int(r.LastEventSeq))
		state += fmt.Sprintf(" seq=%d", r.LastEventSeq)
	}
	if e.Closure != "" {
		met = met && e.Closure == r.CurrentClosure
		state += " closure=" + string(r.CurrentClosure)
	}
	if wantConfirmed != "" {
		confirmed := "no"
		if r.Marks != 0 {
			confirmed = "yes"
		}
		met = met && confirmed == wantConfirmed
		state += " confirmed=" + confirmed
	}
	return met, state
}
