package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// replaying is S23: never more replays are under way than may be, counted from
// what was answered and what arrived; none is put off while fewer are, and no
// host waits for ever (PROTOCOL H9). Which heartbeats call for a replay is S8's
// and S9's.
type replaying struct {
	l        *ledger
	limit    int
	interval time.Duration
	underWay []replay
	// turns are the hosts that had their turn since hosts are put off; putOff is
	// when one without a turn was put off last, and crowded says whether that is
	// recent.
	turns   map[int]bool
	crowded bool
	putOff  time.Duration
	// since is when a host was put off first since it was asked last, latest when
	// last; by number of the host.
	since, latest map[int]time.Duration
}

// replay is one under way.
type replay struct {
	of         *recordCopy
	closure    wire.Closure // as the heartbeat told it; empty if it named no rollout
	told       wire.Time
	asked      time.Duration
	progress   time.Duration
	superseded bool
	hadTurn    bool
}

func newReplaying(s *Checks) {
	w := s.World.Scenario()
	c := &replaying{l: s.ledger(), limit: w.Plane.Replays, interval: w.Fleet.Interval}
	c.begin()
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventPlaneStarted, func(*world.Event) { c.begin() })
}

// begin knows of no replay.
func (c *replaying) begin() {
	c.underWay, c.crowded = nil, false
	c.turns = make(map[int]bool)
	c.since, c.latest = make(map[int]time.Duration), make(map[int]time.Duration)
}

func (c *replaying) stepDone(e *world.Event) {
	if e.Reply == nil || c.l.host == 0 {
		return
	}
	switch in := e.Input.(type) {
	case *plane.Heartbeat:
		if in.Dialect != wire.DialectField {
			c.heartbeat(e, &in.Request)
		}
	case *plane.Event:
		if rec := c.l.copyOf(c.l.host, in.Envelope.RolloutID); rec != nil && e.Reply.Outcome.Code == wire.NoContent {
			c.arrived(e.World.Now(), rec, in.Envelope.Event.Body.At())
		}
	}
}

// heartbeat compares what was asked for with what may be.
func (c *replaying) heartbeat(e *world.Event, req *wire.HeartbeatRequest) {
	o := &e.Reply.Outcome
	if req.RolloutID != "" {
		rec := c.l.copyOf(c.l.host, req.RolloutID)
		if rec != nil && req.CurrentClosure != "" && (rec.before.CurrentClosure != req.CurrentClosure || c.l.mark == rec) {
			c.called(e, rec, req, o.Replay)
		}
		return
	}
	for _, rec := range c.l.now {
		if rec.last.State != wire.Pending && c.l.lists(rec) {
			c.called(e, rec, req, slices.ContainsFunc(o.Heartbeat.Bootstrap, func(s wire.Snapshot) bool { return s.RolloutID == rec.of.id }))
		}
	}
}

// called judges one replay that a heartbeat called for, and that was asked for
// or put off.
func (c *replaying) called(e *world.Event, rec *recordCopy, req *wire.HeartbeatRequest, asked bool) {
	w, now, host := e.World, e.World.Now(), rec.host
	c.prune(now)
	if slices.ContainsFunc(c.underWay, func(r replay) bool { return r.of == rec }) {
		if !asked {
			w.Violate("S23", "m%d, %v, is not asked for the replay of %s that it was asked for before; want it asked again, since that is under way", e.Message.ID(), e.Input, rec.of.id)
		}
		return
	}
	if c.crowded && now-c.putOff > 2*c.interval {
		c.crowded, c.turns = false, make(map[int]bool)
	}
	full := len(c.underWay) >= c.limit
	yields := slices.IndexFunc(c.underWay, func(r replay) bool { return r.hadTurn })
	mayTake := full && !c.turns[host] && yields >= 0
	switch {
	case asked && full && !mayTake:
		w.Violate("S23", "m%d, %v, is asked for a replay of %s while %d are under way; want it put off, since the limit for replays under way is %d", e.Message.ID(), e.Input, rec.of.id, len(c.underWay), c.limit)
	case !asked && !full:
		w.Violate("S23", "m%d, %v, is put off from a replay of %s while %d are under way; want it asked, since the limit for replays under way is %d", e.Message.ID(), e.Input, rec.of.id, len(c.underWay), c.limit)
	case !asked && mayTake:
		w.Violate("S23", "m%d, %v, is put off from a replay of %s; want it asked in the place of h%d, which had its turn since hosts are put off", e.Message.ID(), e.Input, rec.of.id, c.underWay[yields].of.host)
	}
	if !asked {
		c.wait(e, host)
		return
	}
	if mayTake {
		c.underWay = slices.Delete(c.underWay, yields, yields+1)
	}
	r := replay{of: rec, told: req.At, asked: now, progress: now, superseded: c.superseded(rec), hadTurn: c.turns[host]}
	if req.RolloutID != "" {
		r.closure = req.CurrentClosure
	}
	c.underWay = append(c.underWay, r)
	if c.crowded {
		c.turns[host] = true
	}
	delete(c.since, host)
	delete(c.latest, host)
}

// wait notes that a host was put off, and judges how long it has waited.
//
// A host without a turn is put off only by hosts that have their first turn since
// the crowd began, each for at most an interval: the hosts of the fleet, and those
// under way before. So of its heartbeats at distances of an interval at most
// hosts/limit + 1 are put off. The crowd ends two intervals after the last of
// these, and a host that had its turn waits for the next crowd at most.
func (c *replaying) wait(e *world.Event, host int) {
	w, now := e.World, e.World.Now()
	if !c.turns[host] {
		c.crowded, c.putOff = true, now
	}
	if latest, waits := c.latest[host]; !waits || now-latest > 2*c.interval {
		c.since[host] = now // it was away, or begins to wait
	}
	c.latest[host] = now
	longest := time.Duration(6*(w.Scenario().Fleet.Hosts/c.limit+1)+4) * c.interval
	if waited := now - c.since[host]; waited > longest {
		w.Violate("S23", "m%d, %v, is put off from a replay, as every heartbeat of h%d for %v; want it asked after %v at the latest", e.Message.ID(), e.Input, host, waited, longest)
	}
}

// arrived takes an event that was answered 204.
func (c *replaying) arrived(now time.Duration, rec *recordCopy, at wire.Time) {
	c.prune(now)
	i := slices.IndexFunc(c.underWay, func(r replay) bool { return r.of == rec })
	if i < 0 {
		return
	}
	r := &c.underWay[i]
	known := !isActive(rec.last.State)
	if r.closure != "" {
		known = rec.last.CurrentClosure == r.closure || rec.last.CurrentClosure == "" && rec.last.CurrentClosureAtDispatch == r.closure
	}
	switch {
	case known || r.told.Before(at):
		c.underWay = slices.Delete(c.underWay, i, i+1)
	case rec.last.LastEventSeq > rec.before.LastEventSeq:
		r.progress = now
	}
}

// prune takes away what is over without an event.
func (c *replaying) prune(now time.Duration) {
	c.underWay = slices.DeleteFunc(c.underWay, func(r replay) bool {
		return now-r.progress >= c.interval/4 || now-r.asked >= c.interval || !r.superseded && c.superseded(r.of)
	})
}

func (c *replaying) superseded(rec *recordCopy) bool {
	_, is := c.l.live.superseder[rec.of]
	return is
}
