package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// The gates once more (PROTOCOL W), from the manifests and from the copies of the
// records: who may be dispatched when, beside the waves.

// gateOf says which act of an operator or gate holds back a record that is queued, by the
// number of its rule, and why; empty if none does.
func (l *ledger) gateOf(r *recordCopy) (number, why string) {
	if why := l.steeredBack(r); why != "" {
		return "S46", why
	}
	gates := &r.of.manifest.Gates
	for _, e := range gates.ChannelEdges {
		if why := l.comesFirst(e.Gates); why != "" {
			return "S42", why
		}
	}
	for _, e := range gates.Edges {
		if e.Gated != l.names[r.host] {
			continue
		}
		for _, first := range r.of.records {
			if l.names[first.host] != e.Gates {
				continue
			}
			switch s := first.last.State; {
			case s == wire.Converged || s == wire.Deferred:
			case l.live.excused[first]:
			default:
				return "S33", fmt.Sprintf("h%d comes first, and is %s", first.host, s)
			}
		}
	}
	if gates.Compliance {
		for _, first := range r.of.records {
			if first.wave < r.wave && !l.live.excused[first] && failsEnforced(first) {
				return "S43", fmt.Sprintf("a probe of mode enforce fails on h%d, in wave %d", first.host, first.wave)
			}
		}
	}
	if l.live.offered[r] {
		return "", ""
	}
	for _, b := range gates.Budgets {
		listed, flying := false, []int(nil)
		for _, name := range b.Hosts {
			n := l.number(wire.Hostname(name))
			listed = listed || n == r.host
			if n > 0 && n != r.host && l.flies(n) {
				flying = append(flying, n)
			}
		}
		if listed && len(flying) >= int(b.MaxInFlight) {
			return "S32", fmt.Sprintf("hosts %v are in flight, and budget %s allows %d at a time", flying, b.Name, b.MaxInFlight)
		}
	}
	return "", ""
}

// comesFirst says why a channel's rollout is not done; empty if it is, or if there is
// none.
func (l *ledger) comesFirst(channel wire.Channel) string {
	for id := range l.release { // order-free: any of them will do
		if id.Channel() == channel && l.live.find(id) == nil {
			return "the release has a rollout of channel " + string(channel) + " that is not open yet"
		}
	}
	for o := range l.live.held { // order-free: likewise
		if o.channel == channel && l.live.held[o] {
			return "the rollouts of channel " + string(channel) + " are held"
		}
	}
	first := l.live.has(channel)
	if first == nil {
		return ""
	}
	if l.live.aborted[first] {
		return string(first.id) + " comes first, and is aborted"
	}
	for _, c := range first.records {
		switch s := c.last.State; {
		case s == wire.Converged || s == wire.Deferred:
		case l.live.excused[c]:
		default:
			return fmt.Sprintf("%s comes first, and h%d is %s there", first.id, c.host, s)
		}
	}
	return ""
}

// failsEnforced reports whether a probe that counts has failed at its last run.
func failsEnforced(c *recordCopy) bool {
	for _, p := range c.last.Probes {
		if p.Mode == wire.Enforce && p.Status == wire.Fail {
			return true
		}
	}
	return false
}

// flies reports whether a host was offered a dispatch, and has not come to its end, nor
// taken up a newer rollout of the channel, nor shown that it has nothing to do, since.
func (l *ledger) flies(host int) bool {
	return !l.live.forgotten[host] && slices.ContainsFunc(l.hosts[host], l.fliesFor)
}

func (l *ledger) fliesFor(c *recordCopy) bool {
	switch c.last.State {
	case wire.Pending:
		return l.live.offered[c]
	case wire.Activating, wire.Soaking:
		return !l.live.superseded(c.of) || !l.live.idle[c] && !l.wentOn(c)
	default:
		return false
	}
}

// wentOn reports whether a host has taken up a rollout that is newer than that of a
// record: one that superseded it, or that has a higher serial.
func (l *ledger) wentOn(c *recordCopy) bool {
	newer := make(map[wire.RolloutID]bool)
	for o := c.of; o != nil && l.live.superseded(o); {
		by := l.live.superseder[o]
		newer[by] = true
		o = l.live.find(by)
	}
	for _, d := range l.hosts[c.host] {
		higher := l.live.signed[d.of] == l.live.signed[c.of] && c.of.manifest.Serial != 0 && d.of.manifest.Serial > c.of.manifest.Serial
		if d.of.channel == c.of.channel && (higher || newer[d.of.id]) && d.last.State != wire.Pending {
			return true
		}
	}
	return false
}

// offersOf is what the ledger keeps of the offers of rollouts with gates.
type offersOf struct {
	// given is when each offer was made last, or the plane started since.
	given map[*recordCopy]time.Duration
	// logs is how many offers the step makes or ends, and returns of hosts.
	logs int
}

// gating notes, before a poll, what holds back each record of its host.
func (l *ledger) gating(in plane.Input) {
	l.logs = 0
	if _, polls := in.(*plane.Poll); !polls {
		return
	}
	for _, r := range l.now {
		r.gate, r.gateWhy, r.wasOffered = "", "", l.live.offered[r]
		r.gate, r.gateWhy = l.gateOf(r)
	}
}

// noteOffers notes, after a step, whom it has offered what, and what was not taken up.
func (l *ledger) noteOffers(w *world.World, in plane.Input, reply *plane.Reply) {
	switch in := in.(type) {
	case *plane.Poll:
		d, offers := reply.Outcome.Document.(*wire.Dispatch)
		if !offers {
			return
		}
		r := l.copyOf(l.host, d.RolloutID)
		if r == nil || r.before.State != wire.Pending || r.of.manifest.Gates.IsUnset() {
			return
		}
		if !l.live.offered[r] {
			l.logs++
			l.do(func(ds *decisions) { ds.offered[r] = true })
		}
		l.given[r] = w.Now()
	case *plane.Heartbeat:
		if in.Request.RolloutID == "" && l.gated() && !l.logsNothing() {
			l.endFlights(w, in)
		}
	}
}

// gated reports whether any rollout has gates.
func (l *ledger) gated() bool {
	return slices.ContainsFunc(l.live.opened, func(o *openedRollout) bool { return !o.manifest.Gates.IsUnset() })
}

// endFlights notes what a heartbeat that names no rollout shows that its host did not
// take up, or has nothing to do for.
func (l *ledger) endFlights(w *world.World, in *plane.Heartbeat) {
	field, within := in.Dialect == wire.DialectField, 2*time.Minute
	if field {
		within = quietFor
	}
	for _, r := range l.now {
		pending := r.last.State == wire.Pending
		if !l.fliesFor(r) || !pending && !l.live.superseded(r.of) {
			continue
		}
		at, given := l.given[r]
		due := r.last.SoakDueAt
		if due.Before(r.last.ActivationCompletedAt) {
			due = r.last.ActivationCompletedAt
		}
		switch {
		case !given:
			l.given[r] = w.Now()
		case w.Now()-at < within:
		case field && r.last.State == wire.Soaking && in.Request.At.Before(due.Add(2*w.Scenario().Fleet.Interval)):
		default:
			l.logs++
			delete(l.given, r)
			l.do(func(ds *decisions) {
				if delete(ds.offered, r); !pending {
					ds.idle[r] = true
				}
			})
		}
	}
}

// notOffered notes that a record has another state.
func (l *ledger) notOffered(c *recordCopy) {
	if l.live.offered[c] || l.live.idle[c] {
		l.do(func(d *decisions) {
			delete(d.offered, c)
			delete(d.idle, c)
		})
	}
	delete(l.given, c)
}

// gates are S32, S33, S42 and S43: no poll is answered with a dispatch that a gate
// holds back (PROTOCOL W). That one which none holds back is offered, S13 judges.
type gates struct {
	l      *ledger
	number string
}

func newGates(number string) func(*Checks) {
	return func(s *Checks) {
		c := &gates{l: s.ledger(), number: number}
		s.on(world.EventStepDone, c.stepDone)
	}
}

func (c *gates) stepDone(e *world.Event) {
	if _, polls := e.Input.(*plane.Poll); !polls {
		return
	}
	d, offers := e.Reply.Outcome.Document.(*wire.Dispatch)
	if !offers {
		return
	}
	r := c.l.copyOf(c.l.host, d.RolloutID)
	if r == nil || r.before.State != wire.Pending {
		return
	}
	if r.gate == c.number {
		e.World.Violate(c.number, "m%d: h%d is offered %s; want no offer: %s", e.Message.ID(), r.host, d.RolloutID, r.gateWhy)
	}
	// What is held back does not soak meanwhile (W1).
	if want := e.World.PlaneWall().Add(r.of.soak(r.wave)); c.number == "S32" && !r.of.manifest.Gates.IsUnset() && !r.wasOffered && d.SoakDueAt != want {
		e.World.Violate(c.number, "m%d: h%d is offered %s with the soak deadline %v; want %v, counted from the offer", e.Message.ID(), r.host, d.RolloutID, d.SoakDueAt, want)
	}
}
