package sim

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// eventKind says what happens to a node.
type eventKind uint8

// What happens.
const (
	evRequest     eventKind = iota + 1 // a request reaches the plane
	evStep                             // the loop is done with the service time of a step
	evCommit                           // the disk has taken a batch
	evDeadline                         // the gate's next deadline
	evTick                             // the plane's tick
	evPollTimeout                      // a waiting poll has waited long enough
	evRebuild                          // the plane is built again after a failed commit
	evPlaneUp                          // the plane's process is up and listens
	evPlaneStart                       // it has loaded its log
	evPlaneDown                        // the time to drain is over
	evManifest                         // the plane reads a manifest of its directory

	evAnswer        // an answer reaches its sender
	evNoAnswer      // a sender learns that none will come
	evAgentTimer    // the agent's timer
	evActivationEnd // an activation or rollback ends
	evProbeEnd      // a round of probes ends
	evHostUp        // an agent's process starts
	evReboot        // a host reboots by itself
	evHostile       // a hostile host thinks of something
	evReissue       // a host is given a new certificate

	evOperator   // the operator does something
	evFaultBegin // a fault comes into force
	evFaultEnd   // and out of it
	evHeal       // the scenario is healed
	evJudge      // has the fleet come to rest?
)

// aboutMessage reports whether an event's arg is a message's slot.
func (k eventKind) aboutMessage() bool {
	switch k {
	case evRequest, evPollTimeout, evAnswer, evNoAnswer:
		return true
	}
	return false
}

// Nodes that are no host.
const (
	planeNodeID    int32 = -1
	operatorNodeID int32 = -2
	manifestNodeID int32 = -3
	worldNodeID    int32 = -4
)

// World is one run of a scenario: virtual time, a fleet, a plane and a network
// between them. One goroutine, no clock, no lock; worlds share nothing.
type World struct {
	scenario Scenario
	wire     bool

	now   time.Duration
	step  uint64
	queue queue
	hash  uint64

	messages uint64
	pool     pool
	faults   faultState
	plane    planeNode
	adopted  *adopted // what the scenario starts with
	hosts    []hostNode
	operator operatorNode
	probes   []wire.ProbeDeclaration // of every host
	inputs   agentInputs

	healed   bool
	healedAt time.Duration
	settled  bool // the fleet has come to rest
	end      time.Duration

	observers []observer
	panel     panel        // the checkers, and whoever compares with what is expected
	expects   *expectJudge // nil if nothing is expected
	nextLook  time.Duration
	effects   Effects
	violation *Violation
	tracer    *tracer
	recorder  *Recorder
	tape      *tapeWriter
	last      event // that has happened
}

// Options are how a scenario is run; none of them changes its hash.
type Options struct {
	// Wire encodes and decodes every document on its way, strictly.
	Wire bool
	// Trace takes one line per event, from step TraceFrom on.
	Trace     io.Writer
	TraceFrom uint64
	// Changes takes one line per change of a record's, a rollout's or a host's
	// state.
	Changes io.Writer
	// Record is told everything that a picture of the run needs.
	Record *Recorder
	// Until ends the run after that step; 0 means never.
	Until uint64
	// Checkers are those to look after every step; nil means all of them.
	Checkers []Checker
	// Witness, if set, writes down what can be seen from outside.
	Witness *Witness
}

// New makes the world of a scenario. The error names what is wrong with it.
func New(s Scenario, o Options) (*World, error) {
	s = s.withDefaults()
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	start, err := s.Start.read(s.planeConfig())
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	w := &World{scenario: s, wire: o.Wire, hash: s.Seed, adopted: start}
	w.end = s.Active + s.Converge
	w.probes = s.Fleet.declaredProbes()
	if o.Trace != nil {
		w.tracer = &tracer{to: o.Trace, from: o.TraceFrom}
	}
	if o.Trace != nil || o.Record != nil {
		w.observers = append(w.observers, traceChecker{})
	}
	if o.Record != nil {
		w.recorder = o.Record
		w.observers = append(w.observers, o.Record)
	}
	if o.Changes != nil {
		w.observers = append(w.observers, changeLog{to: o.Changes})
	}
	checkers := o.Checkers
	if checkers == nil {
		checkers = Checkers()
	}
	if o.Witness != nil {
		w.panel.add(o.Witness)
	}
	if len(checkers) > 0 || o.Witness != nil || len(s.Expects) > 0 {
		w.observers = append(w.observers, &w.panel)
	}
	for _, c := range checkers {
		w.panel.add(c.New(w))
	}
	if len(s.Expects) > 0 {
		w.expects = newExpectJudge(s.Expects)
		w.panel.add(w.expects)
	}
	w.nextLook = w.expects.lookAt()
	w.plane.init(w)
	w.hosts = make([]hostNode, s.Fleet.Hosts)
	for i := range w.hosts {
		w.hosts[i].init(w, i)
	}
	w.operator.init(w)
	w.faults.reached = make([]uint64, len(s.Faults))
	for i := range s.Faults {
		w.queue.push(event{at: s.Faults[i].At, kind: evFaultBegin, node: worldNodeID, arg: uint64(i)})
	}
	w.queue.push(event{at: s.Active, kind: evHeal, node: worldNodeID})
	if o.Record != nil {
		o.Record.begin(w)
	}
	return w, nil
}

// Run runs a scenario to its end.
func Run(s Scenario, o Options) (Result, error) {
	w, err := New(s, o)
	if err != nil {
		return Result{}, err
	}
	w.run(o.Until)
	return w.Result(), nil
}

// run lets events happen up to a step, or to the end if until is 0.
func (w *World) run(until uint64) {
	defer w.panicked()
	for w.Next() && (until == 0 || w.step < until) {
	}
}

// Next lets one event happen. It reports false when the run has ended.
func (w *World) Next() bool {
	if w.violation != nil || w.settled || w.queue.len() == 0 {
		return false
	}
	e := w.queue.pop()
	if e.at > w.nextLook {
		w.lookBefore(e.at)
	}
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
	w.happen(&e)
	for _, o := range w.observers {
		if w.violation == nil {
			o.stepped(w)
		}
	}
	w.forget(&e)
	return w.violation == nil && !w.settled
}

// stale reports whether the life in which an event was planned is over.
func (w *World) stale(e *event) bool {
	switch {
	case e.node >= 0:
		h := &w.hosts[e.node]
		switch e.kind {
		case evHostUp, evReboot, evHostile, evReissue:
			return false
		case evAgentTimer:
			return e.epoch != h.epoch || e.at != h.timerAt
		}
		return e.epoch != h.epoch
	case e.node == planeNodeID:
		return e.epoch != w.plane.epoch
	}
	return false
}

func (w *World) happen(e *event) {
	switch e.kind {
	case evRequest:
		w.plane.arrive(w, w.message(e))
	case evStep:
		w.plane.stepNext(w)
	case evCommit:
		w.plane.committed(w)
	case evDeadline:
		w.plane.expire(w)
	case evTick:
		w.plane.tickTime(w)
	case evPollTimeout:
		w.plane.pollTimeout(w, w.message(e))
	case evRebuild:
		w.plane.rebuild(w)
	case evPlaneUp:
		w.plane.comeUp(w)
	case evPlaneStart:
		w.plane.start(w)
	case evPlaneDown:
		w.plane.drainOver(w)
	case evManifest:
		w.plane.readManifest(w, int(e.arg))
	case evAnswer, evNoAnswer:
		w.deliver(e.node, w.message(e), e.kind == evAnswer)
	case evAgentTimer:
		w.hosts[e.node].timer(w)
	case evActivationEnd:
		w.hosts[e.node].switchEnded(w, e.arg)
	case evProbeEnd:
		w.hosts[e.node].probesEnded(w, e.arg)
	case evHostUp:
		w.hosts[e.node].comeUp(w)
	case evReboot:
		w.hosts[e.node].plannedReboot(w)
	case evHostile:
		w.hosts[e.node].misbehave(w)
	case evReissue:
		w.hosts[e.node].reissue(w)
	case evOperator:
		w.operator.act(w, int(e.arg))
	case evFaultBegin:
		w.beginFault(int(e.arg))
	case evFaultEnd:
		w.endFault(int(e.arg))
	case evHeal:
		w.heal()
	case evJudge:
		w.judge()
	default:
		panic("sim: unknown event")
	}
}

// deliver gives an answer, or the news that none will come, to whoever waits
// for it.
func (w *World) deliver(node int32, m *message, answered bool) {
	for _, o := range w.observers {
		o.heard(w, m, answered)
	}
	if node < 0 {
		w.operator.hear(w, m, answered)
		return
	}
	w.hosts[node].hear(w, m, answered)
}

// push plans an event of a life of its node.
func (w *World) push(kind eventKind, node int32, at time.Duration, epoch uint32) {
	w.queue.push(event{at: at, kind: kind, node: node, epoch: epoch})
}

// pushMessage plans an event about a message, and so holds it.
func (w *World) pushMessage(kind eventKind, node int32, at time.Duration, epoch uint32, m *message) {
	w.pool.hold(m)
	w.queue.push(event{at: at, kind: kind, node: node, epoch: epoch, arg: uint64(m.slot)})
}

// forget ends the holds of an event that is over, and of whoever let go of a
// message meanwhile.
func (w *World) forget(e *event) {
	if e.kind.aboutMessage() {
		w.pool.release(w.message(e))
	}
	w.pool.sweep()
}

// message is what an event of a kind that is about a message is about.
func (w *World) message(e *event) *message { return w.pool.slots[e.arg] }

// reached notes that a fault of the scenario took effect.
func (w *World) reached(i int) { w.faults.reached[i]++ }

// effect counts that something really happened.
func (w *World) effect(e Effect) { w.effects[e]++ }

// Violate reports that a rule is broken. The first violation counts.
func (w *World) Violate(checker, format string, args ...any) {
	if w.violation == nil {
		w.violation = &Violation{Checker: checker, Step: w.step, At: w.now, Detail: fmt.Sprintf(format, args...)}
	}
}

// stateRoom is the room that a line of the plane's state takes, or about: there
// is one for each host, and one for each of its records.
const stateRoom = 384

// Result says how the run went so far.
func (w *World) Result() Result {
	h := *w // the hash of the final state is not taken into the run's
	state := w.plane.appendState(make([]byte, 0, stateRoom*(1+len(w.hosts))*(1+len(w.operator.opened))))
	mixText(&h, state)
	for i := range w.hosts {
		state = w.hosts[i].appendState(state[:0])
		mixText(&h, state)
	}
	r := Result{
		Violation: w.violation, Seed: w.scenario.Seed, Events: w.step, Simulated: w.now,
		Hash: h.hash, Effects: w.effects, Reached: slices.Clone(w.faults.reached),
	}
	r.Ended = w.settled || w.violation != nil
	if w.settled {
		r.Settled = w.now - w.healedAt
	}
	w.verdict(&r)
	return r
}

// wallAt is a wall clock at this instant, off by an offset.
func (w *World) wallAt(offset time.Duration) wire.Time {
	return w.scenario.Start.At.Add(w.now + offset)
}
