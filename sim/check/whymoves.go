package check

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// moving is S52: what takes only time ends in time. A host whose facts are all of that
// kind has other facts, or none, within a bound; so has one after the instant of its
// fact. It is judged only while nothing that a run may do to a fleet is in the way: no
// fault is in force, plane and agent run, and no request of the host is refused.
//
// With S51, which holds every fact to be so, this is that a host goes on when what it
// waits for has gone away: as long as it has not, the plane has to name what is there.
type moving struct {
	*whyModel
	inForce int
	calm    time.Duration // since when no fault is in force
	still   []time.Duration
	since   map[*recordCopy]unchanged
	refused map[*recordCopy]bool // the plane has refused a Converged of it, so it comes late (E7)
	bound   time.Duration
	// forever: a certificate is refused until the scenario is healed.
	forever bool
}

// unchanged is what a record waits for, and since which look.
type unchanged struct {
	facts string
	at    time.Duration
}

func newMoving(s *Checks) {
	sc := s.World.Scenario()
	c := &moving{whyModel: s.why(), still: make([]time.Duration, sc.Fleet.Hosts+1), since: make(map[*recordCopy]unchanged), refused: make(map[*recordCopy]bool)}
	// A request and its retries take an interval at most, and a report a few requests; a
	// switch comes after another one, and a probe has to run twice.
	c.bound = 10*sc.Fleet.Interval + 2*sc.Fleet.Activation.Max + sc.Fleet.Sustained + 4*(sc.Fleet.ProbeInterval+2*time.Second)
	s.on(world.EventFaultBegan, func(e *world.Event) {
		if k := e.Fault.Kind; !k.Instant() {
			c.inForce++
		} else if k == scenario.CertExpire || k == scenario.CertUntrust {
			c.forever = true
		}
		c.calm = e.At + e.Fault.For
	})
	s.on(world.EventFaultEnded, func(e *world.Event) {
		c.inForce--
		c.calm = max(c.calm, e.At)
	})
	s.on(world.EventRefused, func(e *world.Event) { c.disturbed(e.Message, e.At) })
	s.on(world.EventExpired, func(e *world.Event) { c.disturbed(e.Message, e.At) })
	s.on(world.EventHostLoaded, func(e *world.Event) { c.still[e.Host] = e.At })
	s.on(world.EventHostLost, func(e *world.Event) { c.still[e.Host] = e.At })
	s.on(world.EventPlaneStarted, func(*world.Event) {
		clear(c.since)
		clear(c.refused)
	})
	s.on(world.EventStepDone, c.answered)
	c.onHost = append(c.onHost, c.host)
}

// disturbed: a request of a host comes to nothing.
func (c *moving) disturbed(m *world.Message, at time.Duration) {
	if m.Host() > 0 {
		c.still[m.Host()] = at
	}
}

// answered notes what was not taken: a Converged that was refused is sent later and later
// (E7), and what cannot be logged later.
func (c *moving) answered(e *world.Event) {
	in, is := e.Input.(*plane.Event)
	if !is || e.Reply.Outcome.Code == wire.NoContent || c.l.host == 0 {
		return
	}
	c.still[c.l.host] = e.At
	if r := c.l.copyOf(c.l.host, in.Envelope.RolloutID); r != nil && in.Envelope.Event.Body.Kind() == wire.KindConverged {
		c.refused[r] = true
	}
}

// passing are the causes that end by themselves.
var passing = map[wire.Cause]bool{
	wire.CauseNeverSeen: true, wire.CauseReplay: true, wire.CauseBusy: true, wire.CausePoll: true, wire.CauseAcknowledgement: true,
	wire.CauseActivation: true, wire.CauseProbe: true, wire.CauseSoak: true, wire.CauseReport: true,
}

func (c *moving) host(w *world.World, n int, why *wire.HostWhy) {
	if !w.HostUp(n) || lockedOut(w, n) {
		c.still[n] = w.Now()
	}
	for i := range why.Rollouts {
		one := &why.Rollouts[i]
		r := c.l.copyOf(n, one.RolloutID)
		text, ends := "", len(one.Facts) > 0
		for j := range one.Facts {
			f := &one.Facts[j]
			cause := f.Cause
			if cause == wire.CauseAcknowledgement {
				cause = wire.CausePoll // it is offered again and again
			}
			text += cause.String() + " "
			ends = ends && passing[cause] && (cause != wire.CauseSoak || !w.HostWall(n).Before(f.NextAt))
		}
		if was, there := c.since[r]; !there || was.facts != text || !ends {
			c.since[r] = unchanged{text, w.Now()}
		}
		c.judge(w, n, r, one)
	}
}

func (c *moving) judge(w *world.World, n int, r *recordCopy, one *wire.RecordWhy) {
	kind := w.HostKind(n)
	calm := c.calm
	if healed := w.HealedAt(); healed > 0 {
		calm = healed
	} else if c.inForce > 0 || c.forever {
		return
	}
	if kind != world.FullHost && kind != world.FieldHost || !w.PlaneServing() || c.refused[r] || c.l.live.held[r.of] {
		return
	}
	bound := c.bound
	if kind == world.FieldHost {
		bound += 2 * quietFor
	}
	from := max(c.since[r].at, calm, c.up, c.still[n])
	if w.Now()-from > bound {
		w.Violate("S52", "h%d waits in %s for %s since %v, and nothing has been in its way since %v; want other facts %v later at most", n, r.of.id, describeFacts(one.Facts), c.since[r].at, from, bound)
	}
}
