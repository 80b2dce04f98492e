package world

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// World is one run of a scenario: virtual time, a fleet, a plane and a network
// between them. One goroutine, no clock, no lock; worlds share nothing.
type World struct {
	scenario scenario.Scenario
	wire     bool

	now   time.Duration
	step  uint64
	queue queue
	hash  uint64

	messages uint64
	pool     pool
	faults   faultState
	plane    planeNode
	adopted  *scenario.State // what the scenario starts with
	hosts    []hostNode
	operator operatorNode
	release  releaseNode
	signer   signer
	forger   forger
	probes   []wire.ProbeDeclaration // of every host
	inputs   agentInputs

	healed   bool
	healedAt time.Duration
	settled  bool // the fleet has come to rest
	end      time.Duration

	stream    stream
	begun     bool // Next was called
	rest      func(*World) (rule, why string)
	effects   scenario.Effects
	violation *Violation
	last      Timer // that went off
}

// Options are how a world is made.
type Options struct {
	// Wire encodes and decodes every document on its way, strictly. It does not
	// change the hash.
	Wire bool
	// Rest returns the liveness rule that does not hold yet and why, or nothing if
	// the fleet has come to rest. From the healing on it is called once an
	// interval, and at the end of the run, where what it returns is a violation.
	// Without it a run goes on to the end of its time.
	Rest func(*World) (rule, why string)
}

// New makes the world of a scenario. The error names what is wrong with it.
func New(s scenario.Scenario, o Options) (*World, error) {
	s = s.Filled()
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	start, err := s.Start.Read(s.PlaneConfig())
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	w := &World{scenario: s, wire: o.Wire, hash: s.Seed, adopted: start, rest: o.Rest}
	w.end = s.Active + s.Converge
	w.probes = s.Fleet.DeclaredProbes()
	w.countEffects()
	w.plane.init(w)
	w.hosts = make([]hostNode, s.Fleet.Hosts)
	for i := range w.hosts {
		w.hosts[i].init(w, i)
	}
	w.operator.init(w)
	w.release.unreal = isUnreal(&w.scenario)
	w.signer.init(w)
	w.faults.reached = make([]uint64, len(s.Faults))
	for i := range s.Faults {
		w.queue.push(Timer{at: s.Faults[i].At, kind: dueFaultBegin, node: worldNodeID, arg: uint64(i)})
	}
	w.queue.push(Timer{at: s.Active, kind: dueHeal, node: worldNodeID})
	return w, nil
}

// Run goes on up to a step, or to the end if until is 0. A panic of what is
// simulated is a violation.
func (w *World) Run(until uint64) {
	defer w.panicked()
	for w.Next() && (until == 0 || w.step < until) {
	}
}

// Next lets the next timer go off. It reports false when the run has ended.
func (w *World) Next() bool {
	if w.violation != nil || w.settled || w.queue.len() == 0 {
		return false
	}
	if !w.begun {
		w.begun = true
		w.emitPlain(EventPlaneUp) // when the plane's process came up, nobody could have subscribed yet
	}
	e := w.queue.pop()
	if e.at > w.end {
		w.now = w.end
		w.judgeEnd()
		return false
	}
	if w.stale(&e) {
		w.forget(&e)
		return true
	}
	w.now, w.last = e.at, e
	w.step++
	w.mix(uint64(e.at), uint64(e.kind)<<32|uint64(uint32(e.node)))
	w.emitStepBegan()
	if e.node < 0 || !w.hosts[e.node].asleep(w, &e) {
		w.dispatch(&e)
	}
	if w.violation == nil {
		w.emitPlain(EventStepEnded)
	}
	w.forget(&e)
	return w.violation == nil && !w.settled
}

// stale reports whether the life in which a timer was set is over.
func (w *World) stale(e *Timer) bool {
	switch {
	case e.kind == dueGiveUp && w.message(e).ended:
		return true
	case e.node >= 0:
		h := &w.hosts[e.node]
		switch e.kind {
		case dueHostUp, dueReboot, dueHostile, dueReissue, dueFieldRestart:
			return false
		case dueActivationEnd:
			return e.epoch != h.epoch && h.kind != FieldHost
		case dueAgentTimer:
			return e.epoch != h.epoch || e.at != h.timerAt
		}
		return e.epoch != h.epoch
	case e.node == planeNodeID:
		return e.epoch != w.plane.epoch || e.kind == dueDeadline && e.at != w.plane.alarm
	}
	return false
}

// dispatch does what a timer is for.
func (w *World) dispatch(e *Timer) {
	switch e.kind {
	case dueRequest:
		w.plane.arrive(w, w.message(e))
	case dueSection:
		w.plane.section(w)
	case dueCommit:
		w.plane.committed(w)
	case dueDeadline:
		w.plane.expire(w)
	case dueTick:
		w.plane.tickTime(w)
	case dueRetry:
		w.plane.retry(w)
	case duePlaneUp:
		w.plane.comeUp(w)
	case duePlaneStart:
		w.plane.start(w)
	case duePlaneDown:
		w.plane.drainOver(w)
	case dueManifest:
		w.plane.readManifest(w, int(e.arg))
	case dueRelease:
		w.plane.readRelease(w, e.arg)
	case dueAnswer, dueNoAnswer:
		w.deliver(w.message(e), e.kind == dueAnswer)
	case dueGiveUp:
		w.giveUp(w.message(e))
	case dueClientGone:
		w.plane.clientGone(w, w.message(e))
	case dueAgentTimer:
		w.hosts[e.node].timer(w)
	case dueActivationEnd:
		w.hosts[e.node].switchEnded(w, e.arg)
	case dueProbeEnd:
		w.hosts[e.node].probesEnded(w, e.arg)
	case dueHostUp:
		w.hosts[e.node].comeUp(w)
	case dueReboot:
		w.hosts[e.node].plannedReboot(w)
	case dueHostile:
		w.hosts[e.node].misbehave(w)
	case dueFieldRestart:
		w.hosts[e.node].restartField(w)
	case dueFetched:
		w.hosts[e.node].fetched(w, e.arg)
	case dueSign:
		w.signAgain()
	case dueReissue:
		w.hosts[e.node].reissue(w)
	case dueOperator:
		w.operator.act(w, int(e.arg))
	case dueFaultBegin:
		w.beginFault(int(e.arg))
	case dueFaultEnd:
		w.endFault(int(e.arg))
	case dueHeal:
		w.heal()
	case dueJudge:
		w.judge()
	default:
		panic("world: unknown timer")
	}
}

// deliver gives an answer, or the news that none will come, to the sender, unless
// it has given up.
func (w *World) deliver(m *Message, answered bool) {
	if m.ended {
		return
	}
	m.ended = true
	w.emitHeard(m, answered)
	if m.node < 0 {
		w.operator.hear(w, m, answered)
		return
	}
	w.hosts[m.node].hear(w, m, answered)
}

// push sets a timer of a life of its node.
func (w *World) push(kind timerKind, node int32, at time.Duration, epoch uint32) {
	w.queue.push(Timer{at: at, kind: kind, node: node, epoch: epoch})
}

// pushMessage sets a timer about a message, and so holds it.
func (w *World) pushMessage(kind timerKind, node int32, at time.Duration, epoch uint32, m *Message) {
	w.pool.hold(m)
	w.queue.push(Timer{at: at, kind: kind, node: node, epoch: epoch, arg: uint64(m.slot)})
}

// forget ends the hold of a timer that has gone off, and those that were released
// meanwhile.
func (w *World) forget(e *Timer) {
	if e.kind.aboutMessage() {
		w.pool.release(w.message(e))
	}
	w.pool.sweep()
}

// message is what a timer of a kind that is about a message is about.
func (w *World) message(e *Timer) *Message { return w.pool.slots[e.arg] }

// wallAt is a wall clock at this instant, off by an offset.
func (w *World) wallAt(offset time.Duration) wire.Time {
	return w.scenario.Start.At.Add(w.now + offset)
}
