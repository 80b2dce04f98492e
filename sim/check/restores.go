package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// restores is S29: of what a restore takes back, the plane has every event again that
// it had acknowledged, once the fleet has come to rest, and at the latest when half of
// the time for that is over (PROTOCOL H8). A record at its end need not count what it
// knows (E5). Not judged are a rollout that is not in force, and a host that may not
// or cannot tell: one that has lost its log or has forgotten the rollout, at any time,
// since what came late may be of before, or whose certificate is refused. What a
// restore asks for, S8, S9 and S23 judge, and what it takes back besides, the ledger.
type restores struct {
	l     *ledger
	acked map[recordKey][]wire.Event
	owed  map[recordKey][]wire.Event // acknowledged, and taken back by a restore
	// lost are the hosts that have lost their logs, forgot what others have forgotten.
	lost   map[wire.Hostname]bool
	forgot map[recordKey]bool
	judged bool
}

func newRestores(s *Checks) {
	if !isRestored(s.World.Scenario()) {
		return
	}
	c := &restores{
		l: s.ledger(), acked: make(map[recordKey][]wire.Event), owed: make(map[recordKey][]wire.Event),
		lost: make(map[wire.Hostname]bool), forgot: make(map[recordKey]bool),
	}
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventHostLost, func(e *world.Event) { c.lost[scenario.HostName(e.Host)] = true })
	s.on(world.EventHostAppended, c.hostAppended)
	s.on(world.EventPlaneDown, c.planeDown)
	s.on(world.EventStepEnded, c.stepEnded)
}

func (c *restores) answered(e *world.Event) {
	m := e.Message
	if m.Kind() == scenario.RouteEvent && m.Outcome().Code == wire.NoContent {
		env := &m.Event().Envelope
		key := recordKey{env.RolloutID, env.Hostname}
		c.acked[key] = append(c.acked[key], env.Event)
	}
}

func (c *restores) hostAppended(e *world.Event) {
	for i := range e.Appended {
		if a := &e.Appended[i]; a.Kind == agent.EntryForgotten {
			c.forgot[recordKey{a.RolloutID, scenario.HostName(e.Host)}] = true
		}
	}
}

func (c *restores) planeDown(e *world.Event) {
	switch {
	case e.Wiped: // then all of it is asked for as drift
		clear(c.owed)
	case e.Restored:
		for key, events := range c.acked { // order-free: each for itself
			rec, _ := e.World.Durable().Record(key.id, key.host)
			for _, ev := range events {
				if ev.Seq > rec.LastEventSeq {
					c.owed[key] = append(c.owed[key], ev)
				}
			}
		}
	}
}

func (c *restores) stepEnded(e *world.Event) {
	w := e.World
	half := w.HealedAt() > 0 && e.At-w.HealedAt() >= w.Scenario().Converge/2 && w.PlaneServing() && w.InboxDepth() == 0
	if c.judged || !half && !w.Settled() {
		return
	}
	c.judged = true
	for _, key := range sortedKeys(c.owed) {
		c.judge(w, key, e.At-w.HealedAt())
	}
}

// judge compares what a host was told that the plane has, and what it has.
func (c *restores) judge(w *world.World, key recordKey, since time.Duration) {
	host := c.l.number(key.host)
	rec, there := w.CurrentPlane().Record(key.id, key.host)
	of := c.l.copyOf(host, key.id)
	notBefore := w.NotBefore(host)
	switch {
	case !there || of == nil || !c.l.live.inForce(of.of), w.HostKind(host) != world.FullHost, c.lost[key.host], c.forgot[key]:
		return
	case notBefore.Before(c.l.live.revoked[wire.CommonName(w.Identity(host).CommonName)]) || w.PlaneWall().Before(notBefore):
		return
	}
	for _, ev := range c.owed[key] {
		if ev.Seq > rec.LastEventSeq && (!isNoNews(&rec, ev.Body) || begunAnew(&rec, ev.Body)) {
			w.Violate("S29", "%v after the healing, event %d of %s in %s, %v, which was answered 204 and is not in the backup that was restored, is not there: the record is %v, with the events up to %d; want it sent again", since, ev.Seq, key.host, key.id, ev.Body.Kind(), rec.State, rec.LastEventSeq)
			return
		}
	}
}

// sortedKeys lists the keys of a map by host and rollout, so that a run that breaks
// more than one rule names the same record every time.
func sortedKeys[T any](m map[recordKey]T) []recordKey {
	var keys []recordKey
	for key := range m { // order-free: sorted below
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b recordKey) int { return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.id, b.id)) })
	return keys
}
