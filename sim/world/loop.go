package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The loop carries out the sections of the driver's worker, as the server's
// goroutine does, in virtual time: a step takes its service time, a commit what
// the disk takes, and between any two sections the loop may be interrupted for
// as long as the scenario's pause, so that requests, deadlines, completions and
// crashes come between any two of them. All of that is drawn from the seed.

// proceed lets the loop go on until it rests or time has to pass.
func (p *planeNode) proceed(w *World) {
	for p.up && p.started && !p.suspended && !p.planned && !p.wedged {
		p.worker.FreeDisk(w.freeDisk())
		work := p.worker.Next()
		switch work {
		case driver.Rest:
			return
		case driver.End:
			p.endRestart(w)
			return
		case driver.Step:
			p.plan(w, w.scenario.Plane.Service+p.slowness(w))
			return
		}
		if pause := p.pause(w); pause > 0 {
			p.plan(w, pause)
			return
		}
		p.carryOut(w, work)
	}
}

// plan has the loop go on after a while.
func (p *planeNode) plan(w *World, after time.Duration) {
	p.planned = true
	w.push(dueSection, planeNodeID, w.now+after, p.epoch)
}

func (p *planeNode) slowness(w *World) time.Duration {
	slow := w.faults.each(scenario.ReducerSlow, 0, 0)
	if slow > 0 {
		w.effect(scenario.EffectSlowStep)
	}
	return slow
}

// pause draws for how long the loop is interrupted before a section, which is
// mostly not at all.
func (p *planeNode) pause(w *World) time.Duration {
	if w.scenario.Plane.Pause == 0 || p.schedule.Uint64()%pauseOneIn != 0 {
		return 0
	}
	w.effect(scenario.EffectInterrupted)
	return p.schedule.Between(1, w.scenario.Plane.Pause)
}

// pauseOneIn is how many sections there are to one interruption.
const pauseOneIn = 16

// section comes when the time before a section has passed.
func (p *planeNode) section(w *World) {
	if p.asleep(w, dueSection, 0) {
		return
	}
	p.planned = false
	p.worker.FreeDisk(w.freeDisk())
	work := p.worker.Next() // a commit may have ended meanwhile
	if work == driver.Step && w.faults.any(scenario.ReducerWedge) {
		w.effect(scenario.EffectWedged)
		w.faults.tookAll(scenario.ReducerWedge, 0, 0)
		p.wedged = true // goes on when the fault ends
		return
	}
	if work != driver.Rest && work != driver.End {
		p.carryOut(w, work)
	}
	p.proceed(w)
}

// carryOut carries out one section.
func (p *planeNode) carryOut(w *World, work driver.Work) {
	now := p.instant(w)
	switch work {
	case driver.Take:
		n := p.worker.Take(now)
		w.emitSection(work, nil, n)
	case driver.Step:
		p.step(w, now)
		return // nothing of the front has changed
	case driver.Park:
		m := p.worker.Current().For
		p.worker.Park()
		w.emitSection(work, m, 0)
	case driver.Reply:
		p.reply(w, now)
	case driver.Hold:
		m := p.worker.Current().For
		p.worker.Hold(now)
		w.emitSection(work, m, 0)
	case driver.Continue:
		p.worker.Continue(now)
		w.emitSection(work, nil, 0)
	case driver.Announce:
		p.announce(w, now)
	case driver.Commit:
		p.beginCommit(w)
	case driver.TakeOver:
		pending, trial := p.worker.Pending(), p.worker.Broken()
		err := p.worker.TakeOver()
		if err != nil && !trial && pending > p.group {
			w.effect(scenario.EffectDiscardedMore)
		}
		p.revoked = p.worker.Revocations()
		n := 1
		if err != nil {
			n = 0
		}
		w.emitSection(work, nil, n)
	case driver.Storage:
		p.tellStorage(w, now)
	case driver.Tick:
		p.tick(w, now)
	case driver.Pause:
		w.emitSection(work, nil, 0)
		p.worker.Pause()
	case driver.Discard:
		w.emitSection(work, nil, 0)
		p.worker.Discard(now)
	case driver.Load:
		p.load(w, now)
	case driver.Open:
		p.openGate(w, now)
	}
	if in, set := p.worker.Retry(); set {
		w.push(dueRetry, planeNodeID, w.now+in, p.epoch)
	}
	p.afterFront(w)
}

// step steps the next input of the batch, unless a fault drops it before.
func (p *planeNode) step(w *World, now wire.Instant) {
	m := p.worker.Current().For
	if !p.worker.Continues() && w.faults.strikingAt(scenario.ReplyDrop, int(m.node)+1, m.kind, false) != nil {
		w.emitMessage(EventSkipped, m)
		p.worker.Skip(now)
		p.afterFront(w)
		return
	}
	if p.worker.Committing() {
		w.effect(scenario.EffectSteppedMeanwhile)
	}
	in, out := m.input(), p.worker.Output()
	partly := p.stepsPartly(in)
	if !partly {
		w.emitInput(EventStepping, m, in, nil, out)
	}
	p.worker.Step(now)
	r := p.worker.Stepped()
	w.mix(uint64(r.Outcome.Code)<<32|uint64(r.AfterEntries), uint64(len(out.Entries)))
	if r.Unfinished {
		w.effect(scenario.EffectOpeningSlice)
		n := 0
		if out.Sealed != nil {
			n = Sealed
		}
		w.emitSection(driver.Step, m, n)
		return
	}
	if partly { // refused, which has changed nothing
		w.emitInput(EventStepping, m, in, nil, out)
	}
	w.emitInput(EventStepDone, m, in, r, out)
}

// Sealed is the Count of the section that does the last slice of an opening: it is
// on its way to the disk, and the plane logs nothing until it is there.
const Sealed = 2

// stepsPartly reports whether the next step may be one of several of an opening. Of
// these only the last is an EventStepping and an EventStepDone, those of the input:
// nothing of it is to be seen before. One that is open already is opened in no step.
func (p *planeNode) stepsPartly(in plane.Input) bool {
	slices := func(m *wire.Manifest) bool {
		open, _ := p.worker.Plane().Rollout(m.ID())
		return len(m.Hosts) > p.cfg.Slice && open == nil
	}
	if next, is := p.worker.Input().(*plane.ContinueOpening); is {
		return !next.Durable
	}
	switch in := in.(type) {
	case *plane.OpenRollout:
		return slices(&in.Manifest)
	case *plane.FileManifest:
		return slices(&in.Manifest)
	}
	return false
}

// reply delivers a reply, unless it is late (PROTOCOL G2) or a fault drops it.
func (p *planeNode) reply(w *World, now wire.Instant) {
	m := p.worker.Current().For
	if w.faults.strikingAt(scenario.ReplyDrop, int(m.node)+1, m.kind, true) != nil {
		w.effect(scenario.EffectAppliedNotReplied)
		w.emitReplied(m, true)
		p.worker.DropReply(now)
		return
	}
	w.emitReplied(m, false)
	if p.worker.Reply(now) == gate.Discard {
		w.effect(scenario.EffectLateReply)
	}
}

// announce wakes polls and emits the notices of a batch.
func (p *planeNode) announce(w *World, now wire.Instant) {
	w.emitSection(driver.Announce, nil, 0)
	notices := p.worker.Announce(now)
	for i := range notices {
		w.emit(Event{Kind: EventNoticed, Notice: &notices[i]})
	}
}

// tickTime comes when a tick is due.
func (p *planeNode) tickTime(w *World) {
	if !p.asleep(w, dueTick, 0) {
		w.emitPlain(EventTickDue)
		p.worker.TickDue()
		p.proceed(w)
	}
}

// retry comes when the next attempt to load the plane is due.
func (p *planeNode) retry(w *World) {
	if !p.asleep(w, dueRetry, 0) {
		w.emitPlain(EventRetryDue)
		p.worker.RetryDue()
		p.proceed(w)
	}
}

// tick lets the plane judge liveness; the next is due that much later.
func (p *planeNode) tick(w *World, now wire.Instant) {
	w.push(dueTick, planeNodeID, w.now+p.cfg.TickEvery(), p.epoch)
	p.ticked.Impaired = p.front.Impaired()
	w.emitInput(EventStepping, nil, &p.ticked, nil, &noOutput)
	p.worker.Tick(now, p.ticked.Impaired)
	w.emitInput(EventStepDone, nil, &p.ticked, nil, p.worker.TickOutput())
}

var noOutput plane.Output // before a tick

// crashAtPhase is a crash that has waited for its moment.
func (p *planeNode) crashAtPhase(w *World, e scenario.Effect) {
	w.effect(e)
	w.reached(p.crashFault)
	p.crashPhase = scenario.AtOnce
	p.crash(w, p.crashDown, p.crashWipe)
}

// afterFront carries out what the front asks for after a call.
func (p *planeNode) afterFront(w *World) {
	if !p.up {
		return // it has crashed meanwhile
	}
	p.front.Answered() // observed has sent them
	if at, set := p.front.Alarm(); set {
		p.alarm = max(at, w.now)
		w.push(dueDeadline, planeNodeID, p.alarm, p.epoch)
	}
	if p.front.Rings() {
		p.worker.Ring()
	}
}

// openGate opens the gate: the plane is up, for the first time or again.
func (p *planeNode) openGate(w *World, now wire.Instant) {
	again := p.opened
	p.opened = true
	w.emit(Event{Kind: EventPlaneStarted, Rebuilt: again})
	w.emitSection(driver.Open, nil, 0)
	p.worker.Open(now)
	w.release.reading.loads++
	p.readReleases(w)
	if again {
		w.effect(scenario.EffectRebuilt)
		return
	}
	w.push(dueTick, planeNodeID, w.now+p.cfg.TickEvery(), p.epoch)
	// The manifests are read one after the other while requests come in already:
	// until its turn has come, a plane that lost its disk does not know a rollout
	// (PROTOCOL E8).
	p.readDirectory(w)
	p.manifests = len(p.files)
	if p.manifests > 0 {
		p.planManifest(w, w.now+w.scenario.Plane.Start, 0)
	}
}

// observed is called with what becomes of a request in the driver.
func (p *planeNode) observed(w *World, fate driver.Fate, m *Message) {
	switch fate {
	case driver.Admitted:
		m.admitted = true
		w.pool.hold(m) // until its input is finished
		m.deadline = w.now + w.scenario.Plane.ReplyTimeout
		w.emitMessage(EventAdmitted, m)
	case driver.Refused:
		w.emitMessage(EventRefused, m)
	case driver.PollRefused:
		w.emitMessage(EventPollRefused, m)
	case driver.Woken:
		w.effect(scenario.EffectPollWoken)
	case driver.Expired:
		w.emitMessage(EventExpired, m)
	case driver.Dropped:
		w.emitMessage(EventDropped, m)
	case driver.Finished:
		w.emitMessage(EventFinished, m)
		w.pool.release(m)
	case driver.Answered:
		if code := m.request.Outcome.Code; code.Unavailable() {
			w.effect(unavailableEffects[code])
			if code == wire.Saturated {
				w.faults.tookAll(scenario.GateCapacity, 0, 0)
			}
		}
		if m.request.Outcome.Code == wire.Accepted {
			w.effect(scenario.EffectOpeningAccepted)
		}
		p.answer(w, m)
	}
}

// loopFaults are the faults of the loop that begin or end with something.
var loopFaults = []faultHooks{
	{kind: scenario.ReducerWedge, end: func(w *World) { w.plane.unwedge(w) }},
}
