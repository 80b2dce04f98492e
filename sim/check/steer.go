package check

import (
	"fmt"
	"maps"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// steering is what operators have decided about rollouts and hosts (PROTOCOL O), by
// their acts. Whom a rollout goes on without is among the excused.
type steering struct {
	paused, aborted     map[*openedRollout]bool
	cordoned, forgotten map[int]bool // by number of the host
}

func newSteering() steering {
	return steering{map[*openedRollout]bool{}, map[*openedRollout]bool{}, map[int]bool{}, map[int]bool{}}
}

func (s *steering) clone() steering {
	return steering{maps.Clone(s.paused), maps.Clone(s.aborted), maps.Clone(s.cordoned), maps.Clone(s.forgotten)}
}

// skipped counts the hosts of a rollout that it goes on without and that have not begun.
func (o *openedRollout) skipped(d *decisions) (n int) {
	for _, c := range o.records {
		if c.last.State == wire.Pending && d.excused[c] {
			n++
		}
	}
	return n
}

// skipForgotten has a rollout that is opened go on without the hosts that are gone.
func (d *decisions) skipForgotten(o *openedRollout) {
	for _, c := range o.records {
		if d.forgotten[c.host] {
			d.excused[c] = true
		}
	}
}

// steer notes an act of an operator that the plane has taken.
func (l *ledger) steer(in *plane.Steer, r *plane.Reply) {
	if r.Outcome.Code.Status() >= 300 {
		return
	}
	host, o := l.number(in.Hostname), l.live.find(in.RolloutID)
	switch in.Act {
	case plane.Pause:
		l.affected = append(l.affected, o)
		l.do(func(d *decisions) { d.paused[o] = true })
	case plane.Abort:
		l.affected = append(l.affected, o)
		l.do(func(d *decisions) { d.aborted[o] = true })
	case plane.Skip:
		l.skip(o, host)
	case plane.Cordon:
		l.do(func(d *decisions) { d.cordoned[host] = true })
	case plane.Uncordon:
		l.do(func(d *decisions) { delete(d.cordoned, host) })
	case plane.Forget:
		if l.live.forgotten[host] {
			return // what it did it has done, and an operator may have decided otherwise since
		}
		l.do(func(d *decisions) { d.forgotten[host] = true })
		for _, c := range l.hosts[host] {
			if !l.live.superseded(c.of) {
				l.skip(c.of, host)
			}
		}
	}
}

// skip has a rollout go on without a host.
func (l *ledger) skip(o *openedRollout, host int) {
	for _, c := range o.records {
		if c.host != host || c.last.State == wire.Converged || l.live.excused[c] {
			continue
		}
		halted := o.halted()
		l.affected = append(l.affected, o)
		l.do(func(d *decisions) { d.excused[c] = true })
		o.recount(&l.live)
		if halted && !o.halted() && !l.live.aborted[o] {
			l.released = append(l.released, releasedWave{o, -1})
		}
		l.turn(o)
	}
}

// comeBack notes a heartbeat of a host that was said to be gone.
func (l *ledger) comeBack(in plane.Input) {
	if _, is := in.(*plane.Heartbeat); is && l.live.forgotten[l.host] && !l.logsNothing() {
		host := l.host
		l.logs++
		l.do(func(d *decisions) { delete(d.forgotten, host) })
	}
}

// steeredBack says which act of an operator holds back a record that is queued; empty if
// none does.
func (l *ledger) steeredBack(r *recordCopy) string {
	switch {
	case l.live.paused[r.of]:
		return "an operator has paused it"
	case l.live.excused[r]:
		return "an operator lets it go on without the host"
	case l.live.cordoned[r.host]:
		return "an operator has cordoned the host"
	}
	return ""
}

// letting are the records that an act may let go: those that are held back before it.
func (l *ledger) letting(w *world.World, in plane.Input) {
	l.held = l.held[:0]
	switch in.(type) {
	case *plane.Steer, *plane.ResumeRollout:
	default:
		return
	}
	for _, o := range l.live.opened {
		for _, c := range o.records {
			if o.manifest.Gates.IsUnset() && l.queuedNow(w, c) && l.steeredBack(c) != "" {
				l.held = append(l.held, c)
			}
		}
	}
}

// letGo notes the soak deadline of what an act has let go: it soaks from then on (O1).
func (l *ledger) letGo(w *world.World) {
	for _, c := range l.held {
		if !l.queuedNow(w, c) || l.steeredBack(c) != "" {
			continue
		}
		due := w.PlaneWall().Add(c.of.soak(c.wave))
		if rec, _ := w.Plane().Record(c.of.id, l.names[c.host]); rec.SoakDueAt != due {
			w.Violate("S46", "h%d in %s is let go and soaks until %v; want %v, counted from now", c.host, c.of.id, rec.SoakDueAt, due)
		}
		l.dueNow[c] = due
	}
}

// queuedNow reports whether a record has a dispatch that its rollout would offer.
func (l *ledger) queuedNow(w *world.World, c *recordCopy) bool {
	rec, has := w.Plane().Record(c.of.id, l.names[c.host])
	return has && rec.State == wire.Pending && rec.DispatchedAt.IsSet() && l.live.inForce(c.of) && !c.of.halted() &&
		!l.live.aborted[c.of] && !l.live.quarantined[closureOn{c.of.channel, c.target}]
}

// steered is S46: what an operator holds back is offered to no poll, what is shown as
// the reason is what an act says, and nothing else is (PROTOCOL O). That what none holds
// back is offered, S13 judges.
type steered struct {
	gates
	steps uint64
}

func newSteered(s *Checks) {
	c := &steered{gates: gates{l: s.ledger(), number: "S46"}}
	s.on(world.EventStepDone, c.stepDone)
}

// shownAs are the gates that acts are shown as.
var shownAs = map[wire.Gate]string{
	wire.GatePaused: "an operator has paused it", wire.GateSkipped: "an operator lets it go on without the host",
	wire.GateCordoned: "an operator has cordoned the host",
}

func (c *steered) stepDone(e *world.Event) {
	c.gates.stepDone(e)
	w := e.World
	if _, acts := e.Input.(*plane.Steer); acts && e.Reply.Outcome.Code.Status() < 300 {
		for _, o := range c.l.live.opened {
			for _, r := range o.records {
				c.shown(w, e.Input, r)
			}
		}
		return
	}
	if c.steps++; c.steps%16 == 0 || c.l.host > 0 && len(c.l.affected) > 0 {
		for _, r := range c.l.now {
			c.shown(w, e.Input, r)
		}
	}
}

// shown judges what an operator would be shown as the reason for which a host waits.
func (c *steered) shown(w *world.World, in plane.Input, r *recordCopy) {
	want := ""
	if c.l.queuedNow(w, r) {
		want = c.l.steeredBack(r)
	}
	got := w.Plane().Blocked(r.of.id, c.l.names[r.host])
	if shownAs[got.Gate] != want {
		w.Violate("S46", "after %v h%d in %s is shown as blocked: %v, %s; want %s", in, r.host, r.of.id, got.Gate, got.Reason, orNothing(want))
	}
}

func orNothing(why string) string {
	if why == "" {
		return "no act of an operator"
	}
	return fmt.Sprintf("that %s", why)
}
