package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// replaysFor is for how long after a restore a start asks for replays (PROTOCOL H8).
const replaysFor = 7 * 24 * time.Hour

// older is what the ledger knows of a plane whose state is older than what it had
// acknowledged (PROTOCOL H8). A restore takes back the decisions that came after the
// backup: rollouts that were opened, resumed or chosen, waves, quarantines,
// revocations. It takes back no other.
type older struct {
	restored   bool
	restoredAt time.Duration
	// toAsk are the records whose hosts have still to be asked since the start.
	toAsk map[*recordCopy]bool
	// mark is the one of them that the heartbeat of this step is about; nil if none is.
	mark *recordCopy
	// failed are those of them that a heartbeat without a rollout is about.
	failed []*recordCopy
}

// lists reports whether the answer to a heartbeat that names no rollout has a snapshot
// of a record, unless that is put off (PROTOCOL H3, H8).
func (l *ledger) lists(c *recordCopy) bool {
	return isActive(c.last.State) && l.live.inForce(c.of) || slices.Contains(l.failed, c)
}

// isRestored reports whether a scenario restores the plane.
func isRestored(s *scenario.Scenario) bool {
	return slices.ContainsFunc(s.Faults, func(f scenario.Fault) bool { return f.Kind == scenario.PlaneRestore })
}

// backUp keeps the durable decisions, if the scenario restores the plane.
func (l *ledger) backUp(w *world.World) {
	if isRestored(w.Scenario()) {
		l.backups = append(l.backups, decisionsAt{w.Now(), l.durable.clone()})
	}
}

// restore goes back to the decisions that the backup has.
func (l *ledger) restore(e *world.Event) {
	of := &l.backups[0]
	for i := range l.backups {
		if l.backups[i].at <= e.At-e.For {
			of = &l.backups[i]
		}
	}
	l.durable = of.clone()
	l.backUp(e.World)
}

func (o *older) planeDown(e *world.Event) {
	switch {
	case e.Restored:
		o.restored, o.restoredAt = true, e.At
	case e.Wiped:
		o.restored = false
	}
	o.toAsk, o.mark, o.failed = nil, nil, nil
}

// planeStarted: a state that is older has every record marked that may have lost
// something.
func (o *older) planeStarted(l *ledger, e *world.Event) {
	o.toAsk, o.mark, o.failed = make(map[*recordCopy]bool), nil, nil
	if !o.restored || e.At-o.restoredAt >= replaysFor {
		return
	}
	for _, opened := range l.live.opened {
		for _, c := range opened.records {
			if !l.live.superseded(opened) && c.last.State != wire.Converged && c.last.State != wire.Reverted {
				o.toAsk[c] = true
			}
		}
	}
}

func (o *older) stepDone(l *ledger, in plane.Input, r *plane.Reply) {
	o.mark, o.failed = nil, o.failed[:0]
	heartbeat, is := in.(*plane.Heartbeat)
	if !is || len(o.toAsk) == 0 {
		return
	}
	if heartbeat.Request.RolloutID == "" {
		for _, c := range l.now {
			if o.toAsk[c] && c.last.State == wire.Failed && l.live.inForce(c.of) {
				o.failed = append(o.failed, c)
			}
		}
		return
	}
	if heartbeat.Request.CurrentClosure == "" {
		return
	}
	if c := l.copyOf(l.host, heartbeat.Request.RolloutID); c != nil && o.toAsk[c] && !l.live.superseded(c.of) {
		o.mark = c
		if r.Outcome.Replay && c.last.State != wire.Failed {
			delete(o.toAsk, c)
		}
	}
}
