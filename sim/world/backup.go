package world

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// backup is what the plane's disk had from an instant on.
type backup struct {
	at   time.Duration
	base []byte
	log  []plane.Entry
}

// replaysFor is for how long after a restore each start of the plane asks the hosts
// for replays (PROTOCOL H8).
const replaysFor = 7 * 24 * time.Hour

// backUp keeps what the disk has now, if the scenario restores the plane.
func (p *planeNode) backUp(w *World) {
	restores := func(f scenario.Fault) bool { return f.Kind == scenario.PlaneRestore }
	if slices.ContainsFunc(w.scenario.Faults, restores) {
		p.backups = append(p.backups, backup{w.now, p.base, slices.Clip(p.log)})
	}
}

// restore puts the disk back to what it had some time ago, or at the start of the
// run, as refrain db restore does with a backup.
func (p *planeNode) restore(w *World, back time.Duration) {
	w.effect(scenario.EffectPlaneRestore)
	of := p.backups[0]
	for _, b := range p.backups {
		if b.at <= w.now-back {
			of = b
		}
	}
	p.base, p.log = of.base, of.log
	p.walked = p.newWalk()
	for _, e := range p.log {
		if err := p.walked.Walk(e, &p.walkOut); err != nil {
			w.Violate("S1", "the log of a backup cannot be walked: %v", err)
			return
		}
	}
	p.rows.replace(p.walked)
	p.restored, p.restoredAt = true, w.now
	p.backUp(w)
}

// older reports whether the disk is known to be older than what was acknowledged.
func (p *planeNode) older(w *World) bool { return p.restored && w.now-p.restoredAt < replaysFor }
