package check

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// fieldAnswers is S37: an event of a field agent is answered 204 or with what a retry
// heals, and what is discarded changes no record and is on the disk before its answer
// (PROTOCOL E12). Whether it is rightly discarded is S3's.
type fieldAnswers struct {
	l       *ledger
	logged  int                 // entries of the batch before this step
	pending map[uint64]wire.Seq // the entry that a message's answer waits for
	durable wire.Seq            // the last entry on the disk
}

func newFieldAnswers(s *Checks) {
	c := &fieldAnswers{l: s.ledger(), pending: make(map[uint64]wire.Seq)}
	s.on(world.EventStepping, func(e *world.Event) { c.logged = len(e.Output.Entries) })
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventCommitted, func(e *world.Event) {
		if n := len(e.Entries); n > 0 {
			c.durable = e.Entries[n-1].Number
		}
	})
	s.on(world.EventPlaneDown, func(e *world.Event) {
		clear(c.pending)
		if e.Wiped {
			c.durable = 0
		}
	})
	s.on(world.EventAnswered, c.answered)
}

func (c *fieldAnswers) stepDone(e *world.Event) {
	for i := c.logged; i < len(e.Output.Entries); i++ {
		entry := &e.Output.Entries[i]
		if entry.Kind != "discarded" {
			continue
		}
		if in, is := e.Input.(*plane.Event); !is || in.Dialect != wire.DialectField {
			e.World.Violate("S37", "%v is discarded; want only events of field agents discarded", e.Input)
			return
		}
		c.pending[e.Message.ID()] = entry.Number
		for _, r := range c.l.now {
			if !sameRecord(r.before, r.last) {
				e.World.Violate("S37", "%v is discarded, and changes h%d in %s: %s; want no change", e.Input, r.host, r.of.id, difference(r.last, r.before))
			}
		}
	}
}

func (c *fieldAnswers) answered(e *world.Event) {
	w, m := e.World, e.Message
	if m.Kind() != scenario.RouteEvent || m.Dialect() != wire.DialectField {
		return
	}
	number, waits := c.pending[m.ID()]
	delete(c.pending, m.ID())
	switch code := m.Outcome().Code; {
	case code == wire.NoContent && waits && number > c.durable:
		w.Violate("S37", "%v, is answered 204 and discarded in entry %d; the disk has those up to %d; want it durable first", m, number, c.durable)
	case code == wire.NoContent, code.Unavailable(), code.Status() == 401, code.Status() == 403:
	default:
		w.Violate("S37", "%v, is answered %d %v; want 204, or what a retry heals: its agent sends nothing else before", m, code.Status(), code)
	}
}

// fieldTold is S38: a field agent is told of its Soaking records only, when it has
// probably forgotten them (PROTOCOL H10), and is offered an Activating one again when
// nothing was heard of it for ten minutes (D4).
type fieldTold struct {
	l     *ledger
	beats map[int]wire.Time         // of the last heartbeat, by host
	quiet map[givenTo]time.Duration // Activating records, since when
}

// quietFor is how long nothing is heard of an activation before it is offered again.
const quietFor = 10 * time.Minute

func newFieldTold(s *Checks) {
	c := &fieldTold{l: s.ledger(), beats: make(map[int]wire.Time), quiet: make(map[givenTo]time.Duration)}
	s.on(world.EventPlaneStarted, func(*world.Event) { clear(c.beats); clear(c.quiet) })
	s.on(world.EventStepDone, c.stepDone)
}

func (c *fieldTold) stepDone(e *world.Event) {
	switch in := e.Input.(type) {
	case *plane.Heartbeat:
		before := c.beats[c.l.host]
		c.beats[c.l.host] = in.Request.At
		if in.Dialect == wire.DialectField {
			c.heartbeat(e, in, before)
		}
	case *plane.Event:
		if r := c.l.copyOf(c.l.host, in.Envelope.RolloutID); r != nil && !sameRecord(r.before, r.last) {
			delete(c.quiet, givenTo{r.host, r.of.id})
		}
	case *plane.Poll:
		if in.Dialect == wire.DialectField {
			c.poll(e)
		}
	}
}

func (c *fieldTold) heartbeat(e *world.Event, in *plane.Heartbeat, before wire.Time) {
	w, req, list := e.World, &in.Request, e.Reply.Outcome.Heartbeat.Bootstrap
	interval := w.Scenario().Fleet.Interval
	booted := fieldBooted(before, req.At, interval)
	for _, r := range c.l.now { // ordered by rollout ID
		if r.last.State != wire.Soaking || !c.l.live.inForce(r.of) || req.CurrentClosure != r.target {
			continue
		}
		confirmed := r.before.State != wire.Soaking
		late := 2 * interval
		overdue := !req.At.Before(r.last.SoakDueAt.Add(late)) && !req.At.Before(r.last.ActivationCompletedAt.Add(late))
		if !confirmed && !booted && !overdue {
			continue
		}
		want := snapshotOf(r)
		want.CurrentClosure = r.target
		if !want.DispatchedAt.IsSet() {
			want.DispatchedAt = want.DispatchAckedAt
		}
		if len(list) == 0 || list[0] != want {
			w.Violate("S38", "m%d, %v, is answered with the snapshots\n\t%+v\nwant next\n\t%+v", e.Message.ID(), in, list, want)
			return
		}
		list = list[1:]
	}
	if len(list) > 0 {
		w.Violate("S38", "m%d, %v, is answered with a snapshot of %s; want none: it would overwrite what the agent has made of it", e.Message.ID(), in, list[0].RolloutID)
	}
}

// fieldBooted reports whether two heartbeats of a field agent are not some whole
// intervals apart, up to a twentieth of one: the agent has started between them.
func fieldBooted(before, at wire.Time, interval time.Duration) bool {
	if !before.IsSet() {
		return false
	}
	apart := at.Std().Sub(before.Std())
	nearest := apart.Round(interval)
	return nearest < interval || max(apart-nearest, nearest-apart) > interval/20
}

func (c *fieldTold) poll(e *world.Event) {
	w, now := e.World, e.World.Now()
	d, offers := e.Reply.Outcome.Document.(*wire.Dispatch)
	for _, r := range c.l.now {
		to := givenTo{r.host, r.of.id}
		if r.before.State != wire.Activating || !c.l.live.inForce(r.of) || r.of.halted() || c.l.live.aborted[r.of] || c.l.live.quarantined[closureOn{r.of.channel, r.target}] {
			delete(c.quiet, to)
			if offers && d.RolloutID == r.of.id && r.before.State == wire.Activating {
				w.Violate("S38", "h%d is offered %s, which is Activating, halted, quarantined or not in force; want no offer", r.host, r.of.id)
			}
			continue
		}
		if offers && d.RolloutID != r.of.id {
			continue // one at a time; a Pending one first, and then nothing is counted
		}
		since, counted := c.quiet[to]
		due := counted && now-since >= quietFor
		switch {
		case offers && !due:
			w.Violate("S38", "h%d is offered %s, which it has taken up, and was heard of %v ago; want it offered again after %v", r.host, r.of.id, now-since, quietFor)
		case !offers && due:
			w.Violate("S38", "h%d is not offered %s, of which nothing was heard for %v; want it offered again after %v", r.host, r.of.id, now-since, quietFor)
		case offers, !counted:
			c.quiet[to] = now
		}
	}
}

// fieldSwitches is S39: a field agent begins one switch for a dispatch that the plane
// knows to be taken up, and one rollback for a failure.
type fieldSwitches struct {
	l     *ledger
	begun map[givenTo]time.Duration
	back  map[givenTo]bool // rolled back since
}

func newFieldSwitches(s *Checks) {
	c := &fieldSwitches{l: s.ledger(), begun: make(map[givenTo]time.Duration), back: make(map[givenTo]bool)}
	s.on(world.EventFieldStepped, c.stepped)
	s.on(world.EventPlaneDown, func(e *world.Event) {
		if e.Wiped || e.Restored {
			clear(c.begun) // what it offers anew is another dispatch
		}
	})
}

func (c *fieldSwitches) stepped(e *world.Event) {
	w := e.World
	for i := range e.AgentOutput.Effects {
		effect := &e.AgentOutput.Effects[i]
		of := givenTo{e.Host, effect.RolloutID}
		switch effect.Kind {
		case agent.EffectActivate:
			at, before := c.begun[of]
			r := c.l.copyOf(e.Host, of.id)
			if before && w.Now()-at < quietFor && r != nil && r.last.State != wire.Pending {
				w.Violate("S39", "h%d begins a second switch for %s %v after the first, and the plane knows that it has taken it up; want one for a dispatch", e.Host, of.id, w.Now()-at)
			}
			c.begun[of] = w.Now()
			delete(c.back, of)
		case agent.EffectRollback:
			if c.back[of] {
				w.Violate("S39", "h%d rolls back a second time from %s; want one rollback for a switch: each goes back a generation", e.Host, of.id)
			}
			c.back[of] = true
		}
	}
}

// fieldUnfinished says what of a field host's rollouts is unfinished; empty if nothing
// is. An agent that has failed in a rollout, or converged and was switched away, refuses
// it, if a plane that lost that offers it anew (docs/findings.md, F39 and F66).
func fieldUnfinished(w *world.World, n int) string {
	if queue := w.FieldQueue(n); len(queue) > 0 {
		return fmt.Sprintf("%d events wait to be sent, the first of them %v", len(queue), queue[0].Event)
	}
	p, name := w.CurrentPlane(), scenario.HostName(n)
	for _, i := range w.Opened() {
		r := &w.Scenario().Rollouts[i]
		status, _ := p.Rollout(r.ID)
		if status == nil && r.Signed && !w.Releases(i) {
			continue // no release that the plane reads has it any more
		}
		if status == nil {
			return fmt.Sprintf("the plane does not know %s", r.ID)
		}
		rec, there := p.Record(r.ID, name)
		switch {
		case !there, status.State == wire.Superseded, status.State == wire.Held:
		case rec.State == wire.Converged && w.Runs(n) != rec.TargetClosure && w.Switching(n) == "" && !runsAnother(w, n, r.ID):
			return fmt.Sprintf("%s is Converged, and it runs %s; want %s", r.ID, w.Runs(n), rec.TargetClosure)
		case !rec.State.Active():
		case rec.State == wire.Pending && (!rec.DispatchedAt.IsSet() || status.State == wire.Halted || status.State == wire.Aborted || p.Quarantined(r.ID.Channel(), rec.TargetClosure) || heldBack(w, r.ID, name)):
		case (status.State == wire.Halted || status.State == wire.Aborted) && rec.State == wire.Activating: // not offered again (D4)
		case p.Quarantined(r.ID.Channel(), rec.TargetClosure):
		case losesState(w.Scenario()) && refuses(w, n, r.ID):
		default:
			return fmt.Sprintf("%s is %s at the plane", r.ID, rec.State)
		}
	}
	return ""
}

// runsAnother reports whether a host is in another rollout that was opened too.
func runsAnother(w *world.World, n int, id wire.RolloutID) bool {
	for _, i := range w.Opened() {
		r := &w.Scenario().Rollouts[i]
		if r.ID != id && r.Targets.Has(n) {
			return true
		}
	}
	return false
}

// losesState reports whether a plane or an agent of a scenario loses its disk, or a part
// of it.
func losesState(s *scenario.Scenario) bool {
	for i := range s.Faults {
		if k := s.Faults[i].Kind; k == scenario.PlaneWipe || k == scenario.PlaneRestore || k == scenario.AgentAmnesia {
			return true
		}
	}
	return false
}

// refuses reports whether a field agent knows a rollout as failed, or as converged on a
// host that another switch has taken away since.
func refuses(w *world.World, n int, id wire.RolloutID) bool {
	a := w.Field(n)
	if a == nil {
		return false
	}
	for _, r := range a.Rollouts() {
		if r.ID == id {
			return r.State == wire.Failed || r.State == wire.Reverted || r.State == wire.Converged && w.Runs(n) != r.Target
		}
	}
	return false
}
