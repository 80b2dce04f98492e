package sim

import (
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The loop takes requests from the gate in batches and steps them one after
// the other, each for as long as a step takes; commits what has to be durable;
// and hands the replies back, in the order that plane.Output states. It is the
// server's loop with virtual time in place of a goroutine.

// kick starts the next batch, if the loop is idle.
func (p *planeNode) kick(w *World) {
	if !p.started || p.suspended || p.rebuilding || p.loop != loopIdle {
		return
	}
	if p.tickDue {
		p.tick(w)
	}
	p.batch = p.gate.Take(w.now, w.scenario.Plane.Batch, p.batch[:0])
	if len(p.batch) == 0 {
		p.drained(w)
		return
	}
	w.emitTaken(len(p.batch))
	p.at = 0
	p.out.Reset()
	p.waiting = p.waiting[:0]
	p.planStep(w)
}

func (p *planeNode) planStep(w *World) {
	p.loop = loopStepping // whatever held it up: one step is planned, not two
	service := w.scenario.Plane.Service
	if slow := w.faults.each(scenario.ReducerSlow, 0, 0); slow > 0 {
		w.effect(scenario.EffectSlowStep)
		service += slow
	}
	w.push(dueStep, planeNodeID, w.now+service, p.epoch)
}

// stepNext steps the next input of the batch.
func (p *planeNode) stepNext(w *World) {
	if p.suspended {
		p.loop = loopWedged // goes on with resume
		return
	}
	if w.faults.any(scenario.ReducerWedge) {
		w.effect(scenario.EffectWedged)
		w.faults.tookAll(scenario.ReducerWedge, 0, 0)
		p.loop = loopWedged // goes on when the fault ends
		return
	}
	m := p.batch[p.at].Payload
	if w.faults.strikingAt(scenario.ReplyDrop, int(m.node)+1, m.kind, false) != nil {
		w.emitMessage(EventSkipped, m)
		p.drop(w, p.at)
	} else {
		reply := len(p.out.Replies)
		in := m.input()
		w.emitInput(EventStepping, m, in, nil, &p.out)
		p.plane.Step(p.instant(w), in, &p.out)
		r := &p.out.Replies[reply]
		w.mix(uint64(r.Outcome.Code)<<32|uint64(r.Needs), uint64(len(p.out.Entries)))
		w.emitInput(EventStepDone, m, in, r, &p.out)
		if r.Needs > 0 {
			p.waiting = append(p.waiting, waitingReply{p.at, reply})
		} else {
			p.settle(w, p.at, &r.Outcome)
		}
	}
	p.at++
	switch {
	case p.at < len(p.batch):
		p.planStep(w)
	case len(p.out.Entries) > 0:
		p.beginCommit(w)
	default:
		p.finish(w)
	}
}

// settle delivers the reply to the i-th input of the batch, unless it is late
// (PROTOCOL G2) or a fault drops it.
func (p *planeNode) settle(w *World, i int, outcome *wire.Outcome) {
	m := p.batch[i].Payload
	if w.faults.strikingAt(scenario.ReplyDrop, int(m.node)+1, m.kind, true) != nil {
		w.effect(scenario.EffectAppliedNotReplied)
		w.emitReplied(m, true)
		p.drop(w, i)
		return
	}
	w.emitReplied(m, false)
	disposal, refusal := p.gate.Settle(w.now, p.batch[i].Ticket)
	p.batch[i].Payload = nil
	defer w.pool.release(m)
	w.emitMessage(EventFinished, m)
	switch disposal {
	case gate.Deliver:
		m.outcome = *outcome
		if m.kind == scenario.RoutePoll && outcome.Code == wire.NoContent {
			p.park(w, m)
			return
		}
		p.answer(w, m)
	case gate.Refuse:
		w.effect(scenario.EffectTimeout)
		m.outcome = wire.Unavailable(refusal.Code, refusal.RetryAfter)
		p.answer(w, m)
	case gate.Discard:
		w.effect(scenario.EffectLateReply)
	}
}

// drop lets go of the i-th input of the batch without a reply.
func (p *planeNode) drop(w *World, i int) {
	m := p.batch[i].Payload
	w.emitMessage(EventDropped, m)
	disposal, refusal := p.gate.Drop(w.now, p.batch[i].Ticket)
	p.batch[i].Payload = nil
	defer w.pool.release(m)
	w.emitMessage(EventFinished, m)
	if disposal == gate.Refuse {
		w.effect(effectOfCode(refusal.Code))
		m.outcome = wire.Unavailable(refusal.Code, refusal.RetryAfter)
		p.answer(w, m)
	}
}

// beginCommit gives the batch's entries to the disk.
func (p *planeNode) beginCommit(w *World) {
	if p.crashPhase == scenario.BeforeCommit {
		w.effect(scenario.EffectCrashBeforeCommit)
		w.reached(p.crashFault)
		p.crashPhase = scenario.AtOnce
		p.crash(w, p.crashDown, p.crashWipe)
		return
	}
	p.loop = loopCommitting
	latency := p.disk.Between(w.scenario.Plane.Commit.Min, w.scenario.Plane.Commit.Max)
	if slow := w.faults.each(scenario.DiskSlow, 0, 0); slow > 0 {
		w.effect(scenario.EffectSlowDisk)
		latency += slow
	}
	w.push(dueCommit, planeNodeID, w.now+latency, p.epoch)
}

// committed comes when the disk has taken the batch, or has not.
func (p *planeNode) committed(w *World) {
	switch {
	case p.suspended:
		p.commitHeld = true // goes on with resume
		return
	case p.crashPhase == scenario.InsideCommit:
		w.effect(scenario.EffectCrashInsideCommit)
		w.reached(p.crashFault)
		p.crashPhase = scenario.AtOnce
		p.crash(w, p.crashDown, p.crashWipe)
		return
	case w.faults.striking(scenario.DiskFail, 0, 0) != nil:
		w.effect(scenario.EffectDiskFailed)
		p.fail(w)
		return
	}
	for _, e := range p.out.Entries {
		if err := p.walked.Walk(e, &p.walkOut); err != nil {
			w.Violate("S1", "the log cannot be walked: %v", err)
			return
		}
	}
	p.log = append(p.log, p.out.Entries...)
	w.emit(Event{Kind: EventCommitted, Entries: p.out.Entries, ReplyLost: p.crashPhase == scenario.AfterCommit})
	if p.crashPhase == scenario.AfterCommit {
		w.effect(scenario.EffectCrashAfterCommit)
		w.reached(p.crashFault)
		p.crashPhase = scenario.AtOnce
		p.crash(w, p.crashDown, p.crashWipe)
		return
	}
	if p.out.RevocationsChanged {
		p.revoked = p.plane.Revocations()
	}
	for _, wr := range p.waiting {
		p.settle(w, wr.input, &p.out.Replies[wr.reply].Outcome)
	}
	p.finish(w)
}

// fail comes after a commit that failed: the plane is ahead of the disk, so it
// is thrown away. What it has in its hands is let go of.
func (p *planeNode) fail(w *World) {
	w.emit(Event{Kind: EventCommitFailed, Count: len(p.out.Entries)})
	p.rebuilding = true // nobody who comes now is let in
	for i := range p.batch {
		if p.batch[i].Payload != nil {
			p.drop(w, i)
		}
	}
	p.loop = loopIdle
	w.push(dueRebuild, planeNodeID, w.now, p.epoch)
}

// rebuild makes the plane again of what is on the disk, as soon as the disk
// can be read.
func (p *planeNode) rebuild(w *World) {
	if p.asleep(w, dueRebuild, 0) {
		return
	}
	if w.faults.outage(scenario.DiskFail) {
		w.emitPlain(EventRebuildFailed)
		p.batch = p.gate.Take(w.now, p.gate.Depth(), p.batch[:0])
		for i := range p.batch {
			p.drop(w, i)
		}
		w.push(dueRebuild, planeNodeID, w.now+w.scenario.Plane.Start, p.epoch)
		p.drained(w)
		return
	}
	p.load(w)
	p.rebuilding = false
	w.effect(scenario.EffectRebuilt)
	w.emit(Event{Kind: EventPlaneStarted, Rebuilt: true})
	p.wakeAll(w) // a wake may have been lost with the batch
	p.kick(w)
}

// finish carries out what comes after the replies of a batch. The loop is idle
// only after that, or a poll that asks again would begin the next batch and
// with it a new output.
func (p *planeNode) finish(w *World) {
	p.notice(w)
	for _, name := range p.out.Wakes {
		if n, known := scenario.HostNumber(name); known && n <= len(p.polls) {
			p.wake(w, n-1)
		}
	}
	p.loop = loopIdle
	p.kick(w)
}

// notice emits the notices of a batch.
func (p *planeNode) notice(w *World) {
	for i := range p.out.Notices {
		w.emit(Event{Kind: EventNoticed, Notice: &p.out.Notices[i]})
	}
	p.out.Notices = p.out.Notices[:0]
}

// tickTime comes when a tick is due. The loop ticks when it has its hands free,
// and the next is due that much later.
func (p *planeNode) tickTime(w *World) {
	if p.loop != loopIdle || p.suspended || p.rebuilding {
		p.tickDue = true
		return
	}
	p.tick(w)
}

func (p *planeNode) tick(w *World) {
	p.tickDue = false
	w.push(dueTick, planeNodeID, w.now+p.cfg.TickEvery(), p.epoch)
	p.out.Reset()
	in := plane.Tick{Impaired: p.gate.Impaired()}
	w.emitInput(EventStepping, nil, &in, nil, &p.out)
	p.plane.Step(p.instant(w), &in, &p.out)
	w.emitInput(EventStepDone, nil, &in, nil, &p.out)
	p.notice(w)
}
