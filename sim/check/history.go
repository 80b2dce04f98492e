package check

import (
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// history is S4: the plane's record is never ahead of the agent's own
// history, except by a marked confirmation, and equals it when nothing is
// outstanding.
//
// Never ahead: whatever event the plane takes of a host, the host has written
// to its own disk under that number (PROTOCOL A1). It may have lost the disk
// since, or given the event another number (A4), so what counts is whether it
// ever did. And of the values that a record has of the agent, each comes from
// an event or is marked: an event changes those that it tells of, to what it
// tells; a confirmation those that it marks (E5, H4); nothing else changes any.
//
// Equal: when the fleet has come to rest, of the hosts that never lost a disk,
// and the rollouts that they never forgot (A1). An agent that did knows what a
// snapshot could tell it, or began anew, which need not be what the plane was
// told before. And but for what the plane jumped over: an event that is legal
// across a gap uses up the numbers before it (E4), so what they told is lost.
type history struct {
	l          *ledger
	written    [][]ownHistory // by number of the host
	lost       []bool         // likewise: the host has lost its disk
	renumbered []renumbered
	probes     []rollout.Probe
	events     []wire.Event
	views      []agent.View
}

// ownHistory is what a host ever wrote of a rollout.
type ownHistory struct {
	id        wire.RolloutID
	events    []wire.Event
	forgotten bool // at some time
}

type renumbered struct {
	host int
	id   wire.RolloutID
}

func newHistory(s *Checks) {
	n := s.World.Scenario().Fleet.Hosts + 1
	c := &history{l: s.ledger(), written: make([][]ownHistory, n), lost: make([]bool, n)}
	if len(s.World.Start().Rollouts) > 0 { // what hosts wrote before the scenario is not known
		for i := range c.lost {
			c.lost[i] = true
		}
	}

	s.on(world.EventHostAppended, c.hostAppended)
	s.on(world.EventHostStepped, c.hostStepped)
	s.on(world.EventHostLost, c.hostLost)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventStepEnded, c.stepped)
}

// of returns what a host ever wrote of a rollout.
func (c *history) of(host int, id wire.RolloutID) *ownHistory {
	list := c.written[host]
	for i := range list {
		if list[i].id == id {
			return &list[i]
		}
	}
	c.written[host] = append(list, ownHistory{id: id})
	return &c.written[host][len(list)]
}

func (h *ownHistory) has(ev wire.Event) bool {
	for i := len(h.events) - 1; i >= 0; i-- {
		if h.events[i].Seq == ev.Seq && sameBody(h.events[i].Body, ev.Body) {
			return true
		}
	}
	return false
}

func (c *history) hostAppended(e *world.Event) {
	host := e.Host
	for i := range e.Appended {
		switch e := &e.Appended[i]; e.Kind {
		case agent.EntryEvent:
			own := c.of(host, e.RolloutID)
			own.events = append(own.events, e.Event)
		case agent.EntryForgotten:
			c.of(host, e.RolloutID).forgotten = true
		case agent.EntryRenumbered:
			c.renumbered = append(c.renumbered, renumbered{host, e.RolloutID})
		}
	}
}

// hostStepped: what was renumbered stands in the agent's history under its new
// numbers by now. If the process died at the append, its next life shows it
// before it sends anything.
func (c *history) hostStepped(e *world.Event) {
	if len(c.renumbered) == 0 {
		return
	}
	kept := c.renumbered[:0]
	for _, r := range c.renumbered {
		if r.host != e.Host {
			kept = append(kept, r)
			continue
		}
		own := c.of(r.host, r.id)
		c.events = e.World.Agent(e.Host).History(r.id, c.events[:0])
		for _, ev := range c.events {
			if !own.has(ev) {
				own.events = append(own.events, ev)
			}
		}
	}
	c.renumbered = kept
}

func (c *history) hostLost(e *world.Event) { c.lost[e.Host] = true }

func (c *history) stepDone(e *world.Event) {
	w, m, in := e.World, e.Message, e.Input
	for _, r := range c.l.now {
		taken, told := wire.Event{}, wire.Time{}
		switch in := in.(type) {
		case *plane.Event:
			if in.Dialect == wire.DialectField {
				if in.Envelope.RolloutID == r.of.id && r.last != r.before {
					taken = in.Envelope.Event // what it wrote before it forgot, nobody knows
				}
			} else if in.Envelope.RolloutID == r.of.id && r.last.LastEventSeq > r.before.LastEventSeq {
				taken = in.Envelope.Event
				c.taken(w, m, r, taken)
			}
		case *plane.Heartbeat:
			if r.last.State != r.before.State { // S3 says whether it may be
				told = in.Request.At
			}
		}
		if why := c.unfounded(r, taken, told); why != "" {
			w.Violate("S4", "h%d in %s after m%d, %v: %s", r.host, r.of.id, m.ID(), in, why)
		}
	}
}

// taken judges that the plane took an event.
func (c *history) taken(w *world.World, m *world.Message, r *recordCopy, ev wire.Event) {
	if r.last.LastEventSeq != ev.Seq {
		w.Violate("S4", "h%d in %s: the plane took %v, and its last event number is %d; want that of the event", r.host, r.of.id, ev, r.last.LastEventSeq)
	}
	if w.HostKind(r.host) == world.HostileHost {
		return // it says what it likes, of itself
	}
	if !c.of(r.host, r.of.id).has(ev) {
		w.Violate("S4", "h%d in %s: the plane took %v of m%d, and the host never wrote it; want only events of the host's own log", r.host, r.of.id, ev, m.ID())
	}
}

// unfounded says which value of a record does not come from the event that was
// taken, nor from a confirmation at an instant; empty if each does. An unset
// instant is no confirmation.
func (c *history) unfounded(r *recordCopy, taken wire.Event, confirmed wire.Time) string {
	is := r.last
	if is == r.before && taken.Body == nil {
		return "" // nothing changed, and nothing was to
	}
	want := *r.before
	// S14 judges the dispatch, S32 the offer, S3 the state and the number.
	want.DispatchedAt, want.State, want.LastEventSeq = is.DispatchedAt, is.State, is.LastEventSeq
	if offered := is.State == wire.Pending && c.l.live.offered[r] && !r.wasOffered; offered || r.before.DispatchedAt != is.DispatchedAt {
		want.SoakDueAt = is.SoakDueAt
	}
	switch {
	case confirmed.IsSet():
		confirm(&want, confirmed, r.of.soak(r.wave))
	case taken.Body != nil:
		c.probes = append(c.probes[:0], want.Probes...)
		want.Probes = c.probes
		tell(&want, r.before.State, taken.Body, r.of.soak(r.wave))
		c.probes = want.Probes[:0:cap(want.Probes)]
	}
	if sameRecord(&want, is) {
		return ""
	}
	return difference(is, &want)
}

// stepped compares the records of plane and agents when the fleet has come to
// rest.
func (c *history) stepped(e *world.Event) {
	w := e.World
	if !w.Settled() {
		return
	}
	for host := 1; host <= w.Scenario().Fleet.Hosts; host++ {
		notBefore := w.NotBefore(host)
		revoked := c.l.live.revoked[wire.CommonName(w.Identity(host).CommonName)]
		if w.HostKind(host) != world.FullHost || c.lost[host] || notBefore.Before(revoked) || w.PlaneWall().Before(notBefore) {
			continue // it cannot be asked, cannot know, or is locked out
		}
		c.views = w.Agent(host).Views(c.views[:0])
		for j := range c.views {
			c.compare(w, host, &c.views[j])
		}
	}
}

// compare compares the plane's record with the agent's own. Dispatch and soak
// deadline are the plane's; a plane that lost its disk has new ones.
func (c *history) compare(w *world.World, host int, v *agent.View) {
	r := c.l.copyOf(host, v.Record.RolloutID)
	if r == nil || v.Superseded || v.Busy || v.Unsent || !c.l.live.inForce(r.of) || c.of(host, r.of.id).forgotten {
		return // unknown, over, outstanding, or begun anew
	}
	planes, there := w.Plane().Record(r.of.id, scenario.HostName(host))
	if !there {
		w.Violate("S4", "at rest the plane has no record of h%d in %s; want one, as the agent has", host, r.of.id)
		return
	}
	want := *v.Record
	want.DispatchedAt, want.SoakDueAt, want.Wave, want.SoakSeconds = planes.DispatchedAt, planes.SoakDueAt, planes.Wave, planes.SoakSeconds
	want.Marks = planes.Marks
	keepMarked(&planes, &want, rollout.MarkDispatchAckedAt, func(r *rollout.Record) *wire.Time { return &r.DispatchAckedAt })
	keepMarked(&planes, &want, rollout.MarkActivationCompletedAt, func(r *rollout.Record) *wire.Time { return &r.ActivationCompletedAt })
	if sameRecord(&want, &planes) {
		return
	}
	c.events = w.Agent(host).History(r.of.id, c.events[:0])
	for _, ev := range c.events {
		if ev.Seq <= planes.LastEventSeq && !hasLogged(w.Log(), scenario.HostName(host), r.of.id, ev.Seq) {
			forgo(&want, &planes, ev.Body)
		}
	}
	if heardAll(&planes, c.events) {
		want.LastEventSeq = planes.LastEventSeq
		if c.l.restored && c.of(host, r.of.id).convergedBefore(&planes) {
			want.EndedAt = planes.EndedAt
		}
	}
	if !sameRecord(&want, &planes) {
		w.Violate("S4", "at rest, the plane's record of h%d in %s is not the agent's: %s", host, r.of.id, difference(&planes, &want))
	}
}

// convergedBefore reports whether a record that has converged ended with another
// Converged than the last that the agent wrote, and the agent wrote that one too. A
// restore brings such a record back if a plane that knew less had refused it, and the
// agent has converged anew: that is no news to the record (PROTOCOL E5, E7).
func (h *ownHistory) convergedBefore(planes *rollout.Record) bool {
	if planes.State != wire.Converged {
		return false
	}
	wrote, last := false, wire.Seq(0)
	for _, ev := range h.events {
		if body, is := ev.Body.(wire.HostConverged); is {
			last = max(last, ev.Seq)
			wrote = wrote || ev.Seq <= planes.LastEventSeq && body.ConvergedAt == planes.EndedAt
		}
	}
	return wrote && last > planes.LastEventSeq
}

// heardAll reports whether the agent's events after the plane's last number tell a
// record at its end nothing: they are answered, and not counted (PROTOCOL E5).
func heardAll(planes *rollout.Record, events []wire.Event) bool {
	for _, ev := range events {
		if ev.Seq > planes.LastEventSeq && (!isNoNews(planes, ev.Body) || begunAnew(planes, ev.Body)) {
			return false
		}
	}
	return true
}

// keepMarked takes a value over that a confirmation put in.
func keepMarked(planes, want *rollout.Record, mark rollout.Marks, of func(*rollout.Record) *wire.Time) {
	if planes.Marks.Has(mark) {
		*of(want) = *of(planes)
	}
}

// hasLogged reports whether a log has an event.
func hasLogged(log []plane.Entry, host wire.Hostname, id wire.RolloutID, seq wire.Seq) bool {
	for i := range log {
		if in, is := log[i].Input.(*plane.Event); is && in.Envelope.Event.Seq == seq && in.Envelope.Hostname == host && in.Envelope.RolloutID == id {
			return true
		}
	}
	return false
}

// forgo wants no more of a record than it has, in what an event tells that was
// jumped over. What else an event tells, a record cannot do without.
func forgo(want, is *rollout.Record, body wire.EventBody) {
	switch body.Kind() {
	case wire.KindDispatchAck:
		if is.CurrentClosureAtDispatch == "" {
			want.CurrentClosureAtDispatch = ""
		}
	case wire.KindActivationStarted:
		if !is.ActivationStartedAt.IsSet() {
			want.ActivationStartedAt = wire.Time{}
		}
	case wire.KindProbeTopologyDeclared, wire.KindProbeObservedFirst, wire.KindProbeResult, wire.KindProbeFailureFirst:
		want.Probes = is.Probes // each of which was told (see unfounded)
	}
}

// difference names the first value in which a record is not as it should be.
func difference(is, want *rollout.Record) string {
	for _, f := range []struct {
		name     string
		is, want any
	}{
		{"state", is.State, want.State},
		{"lastEventSeq", is.LastEventSeq, want.LastEventSeq},
		{"currentClosureAtDispatch", is.CurrentClosureAtDispatch, want.CurrentClosureAtDispatch},
		{"currentClosure", is.CurrentClosure, want.CurrentClosure},
		{"dispatchedAt", is.DispatchedAt, want.DispatchedAt},
		{"dispatchAckedAt", is.DispatchAckedAt, want.DispatchAckedAt},
		{"activationStartedAt", is.ActivationStartedAt, want.ActivationStartedAt},
		{"activationCompletedAt", is.ActivationCompletedAt, want.ActivationCompletedAt},
		{"soakDueAt", is.SoakDueAt, want.SoakDueAt},
		{"endedAt", is.EndedAt, want.EndedAt},
		{"marks", is.Marks, want.Marks},
	} {
		if f.is != f.want {
			return fmt.Sprintf("%s is %v; want %v", f.name, f.is, f.want)
		}
	}
	if !slices.Equal(is.Probes, want.Probes) {
		return fmt.Sprintf("probes are %+v; want %+v", is.Probes, want.Probes)
	}
	return "the target, the wave or the soak time has changed; want them as in the manifest"
}

// sameBody reports whether two events say the same.
func sameBody(a, b wire.EventBody) bool {
	switch a := a.(type) {
	case wire.ProbeTopologyDeclared:
		b, is := b.(wire.ProbeTopologyDeclared)
		return is && a.DeclaredAt == b.DeclaredAt && slices.Equal(a.Probes, b.Probes)
	case wire.ProbeResult:
		b, is := b.(wire.ProbeResult)
		return is && a.ProbeName == b.ProbeName && a.Mode == b.Mode && a.Status == b.Status &&
			a.ObservedAt == b.ObservedAt && a.FailureReason == b.FailureReason && slices.Equal(a.SubResults, b.SubResults)
	case wire.HealthFailed:
		b, is := b.(wire.HealthFailed)
		return is && a.FailedAt == b.FailedAt && a.SustainedDurationSecs == b.SustainedDurationSecs &&
			a.PolicyApplied == b.PolicyApplied && slices.Equal(a.FailingProbes, b.FailingProbes)
	default:
		return a.Kind() == b.Kind() && a == b
	}
}
