package world

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// faultHooks are what happens when a fault of a kind begins or ends. Most kinds
// have none: where they strike, the world asks whether one is in force (see
// faultState). The others have theirs in a list beside what they hit.
type faultHooks struct {
	kind scenario.FaultKind
	// begin does what the fault does at its beginning; of a kind that happens at an
	// instant that is everything. i is the fault's index in the scenario.
	begin func(w *World, f *scenario.Fault, i int)
	// end comes when a fault is over. Another of the kind may still be in force.
	end func(*World)
	// heal comes with the healing, whether a fault of the kind was in force or not:
	// what waits for its moment must not strike any more.
	heal func(*World)
	// deaf: while the plane's machine is suspended the fault waits.
	deaf bool
}

// allFaultHooks are in the order in which faults that are in force end when the
// scenario is healed.
var allFaultHooks = slices.Concat(loopFaults, planeFaults, hostFaults, suspensions, certificateFaults)

// hooksOf returns the hooks of a kind, which may all be nil.
func hooksOf(kind scenario.FaultKind) faultHooks {
	for _, h := range allFaultHooks {
		if h.kind == kind {
			return h
		}
	}
	return faultHooks{kind: kind}
}

// beginFault brings a fault into force.
func (w *World) beginFault(i int) {
	if w.healed {
		return
	}
	f := &w.scenario.Faults[i]
	hooks := hooksOf(f.Kind)
	if hooks.deaf && w.plane.suspended {
		w.plane.postpone(Timer{kind: dueFaultBegin, node: worldNodeID, arg: uint64(i)})
		return
	}
	w.emit(Event{Kind: EventFaultBegan, Fault: f})
	if !f.Kind.Instant() {
		w.faults.begin(*f, i)
		if f.For > 0 {
			w.queue.push(Timer{at: w.now + f.For, kind: dueFaultEnd, node: worldNodeID, arg: uint64(i)})
		}
	}
	if hooks.begin != nil {
		hooks.begin(w, f, i)
	}
}

// endFault takes a fault out of force.
func (w *World) endFault(i int) {
	if w.healed {
		return
	}
	f := &w.scenario.Faults[i]
	w.faults.end(f.Kind, i)
	w.emit(Event{Kind: EventFaultEnded, Fault: f})
	if end := hooksOf(f.Kind).end; end != nil {
		end(w)
	}
}

// endDelays ends what faults have made longer and what they hold down: nothing of
// them comes later than it would by itself from now on.
func (w *World) endDelays() {
	w.plane.restartDown = 0
	s := &w.scenario
	w.queue.move(func(t Timer) time.Duration {
		longest := t.at - w.now
		switch t.kind {
		case dueRequest, dueClientGone, dueAnswer, dueNoAnswer:
			longest = s.Network.Delay.Max
		case dueCommit:
			longest = s.Plane.Commit.Max
		case dueSection:
			longest = max(s.Plane.Service, s.Plane.Pause)
		case dueActivationEnd:
			longest = s.Fleet.Activation.Max
		case duePlaneStart:
			longest = s.Plane.Start
		case duePlaneUp, duePlaneDown:
			longest = 0
		case dueHostUp:
			if !w.hosts[t.node].reboots {
				longest = 0
			}
		}
		return min(t.at, w.now+longest)
	})
}

// heal takes every fault out of force: from here on the fleet has to come to
// rest.
func (w *World) heal() {
	w.healed, w.healedAt = true, w.now
	ended := w.faults
	w.faults = faultState{reached: ended.reached}
	for _, h := range allFaultHooks {
		if h.end != nil && ended.any(h.kind) {
			h.end(w)
		}
	}
	for _, h := range allFaultHooks {
		if h.heal != nil {
			h.heal(w)
		}
	}
	w.endDelays()
	w.queue.push(Timer{at: w.now + w.scenario.Fleet.Interval, kind: dueJudge, node: worldNodeID})
}
