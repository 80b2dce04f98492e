package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// crash ends the plane's process. Whoever has a request there sees the
// connection reset; what the disk has stays, unless it is wiped.
func (p *planeNode) crash(w *World, down time.Duration, wipe bool) {
	over := Event{Kind: EventPlaneDown}
	if wipe {
		over.Wiped = true
		p.end(w, down, over, p.wipe)
	} else if p.up {
		p.end(w, down, over, func(*World) {})
	}
}

// end ends the plane's process, if it is up, and then does something to its disk.
func (p *planeNode) end(w *World, down time.Duration, over Event, change func(*World)) {
	over.Ending = WasDown
	if p.up {
		w.effect(scenario.EffectPlaneCrash)
		p.goDown(w)
		over.Ending = Crashed
	}
	change(w)
	if over.Restored {
		over.Entries = p.log
	}
	w.emit(over)
	if over.Ending == Crashed {
		w.push(duePlaneUp, planeNodeID, w.now+down, p.epoch)
	}
}

func (p *planeNode) wipe(w *World) {
	w.effect(scenario.EffectPlaneWipe)
	p.base, p.log = nil, nil
	p.walked = p.newWalk()
	p.rows.replace(p.walked)
	p.restored = false
	p.backUp(w)
}

// goDown ends the process's life.
func (p *planeNode) goDown(w *World) {
	for _, m := range p.open {
		if !m.fromFiles() {
			m.answered = true
			w.emitVanished(m, scenario.Down, scenario.EffectPlaneCrash)
			w.noAnswer(m, w.now+w.delay(m, w.downStream(m)))
		}
		w.pool.release(m)
	}
	clear(p.open)
	p.open = p.open[:0]
	p.epoch++
	p.up, p.started, p.opened = false, false, false
	p.suspended = w.faults.any(scenario.PlaneSuspend) // the machine still is
}

// beginRestart shuts the plane down in good order: no request comes in any
// more, waiting polls are answered, and the loop has drain to finish what is
// inside.
func (p *planeNode) beginRestart(w *World, drain, down time.Duration) {
	if !p.up || !p.opened {
		return
	}
	drain = max(drain, 1) // no timer goes off before time passes
	w.effect(scenario.EffectPlaneRestart)
	w.emit(Event{Kind: EventPlaneClosing, For: drain})
	p.restartDown = down
	p.front.Close(p.instant(w))
	p.afterFront(w)
	w.push(duePlaneDown, planeNodeID, w.now+drain, p.epoch)
	p.proceed(w)
}

func (p *planeNode) endRestart(w *World) {
	p.goDown(w)
	w.emit(Event{Kind: EventPlaneDown, Ending: Closed})
	w.push(duePlaneUp, planeNodeID, w.now+p.restartDown, p.epoch)
}

// drainOver answers what is still inside and ends the process.
func (p *planeNode) drainOver(w *World) {
	if p.asleep(w, duePlaneDown, 0) {
		return
	}
	w.emitPlain(EventDrainOver)
	p.front.Abandon(p.instant(w))
	p.afterFront(w)
	p.endRestart(w)
}

// asleep puts an event off while the plane's machine is suspended.
func (p *planeNode) asleep(w *World, kind timerKind, arg uint64) bool {
	if p.suspended {
		p.postpone(Timer{kind: kind, node: planeNodeID, epoch: p.epoch, arg: arg})
	}
	return p.suspended
}

// resume lets a suspended plane go on where it stood. Deadlines that passed
// meanwhile come before the loop goes on, or after it: nothing says which.
func (p *planeNode) resume(w *World) {
	p.suspended = false
	late := p.postponed
	p.postponed = nil
	var expire, section func(*World)
	for _, t := range late {
		switch {
		case t.kind == dueDeadline && t.epoch == p.epoch:
			expire = p.expire
		case t.kind == dueSection && t.epoch == p.epoch:
			section = p.section
		default:
			t.at = w.now
			w.queue.push(t)
		}
	}
	if !p.up {
		return
	}
	order := []func(*World){expire, section}
	if p.schedule.Uint64()%2 == 0 {
		order[0], order[1] = section, expire
	}
	for _, f := range order {
		if f != nil && p.up {
			f(w)
		}
	}
	if p.up {
		p.unwedge(w)
	}
}

// unwedge lets the loop go on, unless a fault still stops it.
func (p *planeNode) unwedge(w *World) {
	if !w.faults.any(scenario.ReducerWedge) {
		p.wedged = false
	}
	p.proceed(w)
}

// postpone keeps a timer until the plane's machine goes on.
func (p *planeNode) postpone(t Timer) { p.postponed = append(p.postponed, t) }

// postponeMessage keeps a timer about a message, which it holds.
func (p *planeNode) postponeMessage(w *World, kind timerKind, node int32, epoch uint32, m *Message) {
	w.pool.hold(m)
	p.postpone(Timer{kind: kind, node: node, epoch: epoch, arg: uint64(m.slot)})
}

// resize gives the plane the capacity that holds now, which is that of the
// fault that began last, and so starts it again.
func (p *planeNode) resize(w *World) {
	capacity := w.scenario.Plane.Capacity
	if sizes := w.faults.active[scenario.GateCapacity]; len(sizes) > 0 {
		capacity = sizes[len(sizes)-1].Size
	}
	if p.capacity != capacity {
		p.capacity = capacity
		p.crash(w, 0, false)
	}
}

// planeFaults are the faults of the plane's process and its machine.
var planeFaults = []faultHooks{
	{kind: scenario.PlaneRestart, deaf: true, begin: func(w *World, f *scenario.Fault, i int) {
		if w.plane.up && w.plane.opened {
			w.reached(i)
		}
		w.plane.beginRestart(w, f.Each, f.For)
	}},
	{kind: scenario.PlaneCrash, begin: crashPlane, heal: func(w *World) { w.plane.crashPhase = scenario.AtOnce }},
	{kind: scenario.PlaneWipe, begin: crashPlane},
	{kind: scenario.PlaneRestore, begin: func(w *World, f *scenario.Fault, i int) {
		w.reached(i)
		w.plane.end(w, f.For, Event{Kind: EventPlaneDown, Restored: true, For: f.Back}, func(w *World) { w.plane.restore(w, f.Back) })
	}},
	{kind: scenario.PlaneClock, begin: func(w *World, f *scenario.Fault, i int) {
		w.effect(scenario.EffectPlaneClock)
		w.reached(i)
		w.plane.wallOffset += f.Each
		w.plane.now = wire.Instant{}
		w.emit(Event{Kind: EventPlaneClock, For: w.plane.wallOffset})
	}},
	{kind: scenario.PlaneSuspend,
		begin: func(w *World, _ *scenario.Fault, i int) {
			w.effect(scenario.EffectSuspended)
			w.reached(i)
			w.plane.suspended = true
			for _, m := range w.plane.open {
				w.watch(m)
			}
		},
		end: func(w *World) {
			if w.plane.suspended && !w.faults.any(scenario.PlaneSuspend) {
				w.plane.resume(w)
			}
		}},
	{kind: scenario.PlaneLate,
		begin: func(w *World, _ *scenario.Fault, i int) {
			if w.plane.up {
				w.reached(i)
			}
			w.plane.crash(w, 0, false)
		}},
	{kind: scenario.GateCapacity,
		begin: func(w *World, _ *scenario.Fault, _ int) { w.plane.resize(w) },
		end:   func(w *World) { w.plane.resize(w) }},
}

// crashPlane is a crash or a wipe: at once, or around the next commit.
func crashPlane(w *World, f *scenario.Fault, i int) {
	p, wipe := &w.plane, f.Kind == scenario.PlaneWipe
	if f.Phase != scenario.AtOnce {
		p.crashPhase, p.crashDown, p.crashWipe, p.crashFault = f.Phase, f.For, wipe, i
		return
	}
	if p.up || wipe {
		w.reached(i)
	}
	p.crash(w, f.For, wipe)
}
