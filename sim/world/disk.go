package world

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// diskReserve is that of simulated planes, and enough that of which more is free.
const diskReserve, enoughDisk = 100, 200

// freeDisk is how much of the plane's disk is free.
func (w *World) freeDisk() int64 {
	if w.faults.any(scenario.DiskScarce) {
		return 0
	}
	return enoughDisk
}

// tellStorage tells the plane how its disk is.
func (p *planeNode) tellStorage(w *World, now wire.Instant) {
	p.stored = plane.Storage{Unavailable: p.worker.Broken(), Scarce: p.worker.Scarce()}
	if p.stored.Scarce {
		w.effect(scenario.EffectDiskScarce)
		w.faults.tookAll(scenario.DiskScarce, 0, 0)
	}
	w.emitInput(EventStepping, nil, &p.stored, nil, &noOutput)
	p.worker.TellStorage(now)
	w.emitInput(EventStepDone, nil, &p.stored, nil, &noOutput)
}
