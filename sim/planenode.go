package sim

import (
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// planeNode is the plane: the gate and the reducer that production runs, with
// a loop, a disk and a process that are modelled.
type planeNode struct {
	cfg   plane.Config
	epoch uint32
	// up: the process runs and listens. started: it has loaded its log.
	up, started bool
	suspended   bool
	capacity    int

	gate       *gate.Gate[*message]
	plane      *plane.Plane
	out        plane.Output
	base       []byte        // what the disk had at first
	log        []plane.Entry // the disk, since then
	walked     *plane.Plane  // what a walk over log gives
	walkOut    plane.Output  // of the walk; nobody sees it
	revoked    map[wire.CommonName]wire.Time
	wallOffset time.Duration

	loop       loopState
	batch      []gate.Taken[*message]
	at         int
	waiting    []waitingReply
	tickDue    bool
	rebuilding bool
	commitHeld bool           // the disk is done, the process is suspended
	crashPhase scenario.Phase // a crash that waits for the next commit
	crashDown  time.Duration
	crashFault int // in the scenario
	crashWipe  bool
	// restartDown is how long the process stays down after a restart in good
	// order.
	restartDown time.Duration

	deadlineArmed bool
	deadlinePast  bool // while the machine was suspended
	expired       []gate.Expired[*message]
	open          []*message // at the plane and not answered
	pollList
	manifests int     // how many lay in the directory when the process came up
	postponed []timer // while the machine was suspended
	disk      random.Stream
}

// loopState is what the loop is doing.
type loopState uint8

const (
	loopIdle loopState = iota
	loopStepping
	loopWedged
	loopCommitting
)

type waitingReply struct{ input, reply int }

func (p *planeNode) init(w *World) {
	p.cfg = w.scenario.PlaneConfig()
	p.capacity = w.scenario.Plane.Capacity
	p.polls = make([]*message, w.scenario.Fleet.Hosts)
	p.disk = random.New(w.scenario.Seed, "disk", 0)
	p.base = w.adopted.Durable
	p.walked = p.newWalk()
	p.comeUp(w)
	w.push(duePlaneStart, planeNodeID, 0, p.epoch)
}

// newWalk returns a plane that has what the disk had at first, and so can walk
// the log.
func (p *planeNode) newWalk() *plane.Plane {
	walked, err := plane.Restore(p.cfg, p.base)
	if err != nil {
		panic(err) // the scenario was validated
	}
	return walked
}

// comeUp starts the process: it listens, and answers not_started until it has
// loaded its log.
func (p *planeNode) comeUp(w *World) {
	if p.asleep(w, duePlaneUp, 0) {
		return
	}
	g, err := gate.New[*message](w.scenario.GateConfig(p.capacity))
	if err != nil {
		panic(err) // the scenario was validated
	}
	p.gate, p.up, p.started, p.rebuilding = g, true, false, false
	p.loop, p.tickDue, p.deadlineArmed, p.deadlinePast = loopIdle, false, false, false
	p.turns = max(1, p.capacity/4)
	p.revoked = nil // it has not read its log
	p.batch, p.waiting = p.batch[:0], p.waiting[:0]
	p.out.Reset()
	w.emitPlain(EventPlaneUp)
	if w.step == 0 {
		return
	}
	delay := w.scenario.Plane.Start
	for _, f := range w.faults.active[scenario.PlaneLate] {
		delay = max(delay, f.At+f.For-w.now)
	}
	w.push(duePlaneStart, planeNodeID, w.now+delay, p.epoch)
}

// start loads the log and opens the gate.
func (p *planeNode) start(w *World) {
	if p.started || p.asleep(w, duePlaneStart, 0) {
		return
	}
	p.load(w)
	p.started = true
	p.gate.Start(w.now)
	w.push(dueTick, planeNodeID, w.now+p.cfg.TickEvery(), p.epoch)
	// The manifests are read one after the other while requests come in already:
	// until its turn has come, a plane that lost its disk does not know a rollout
	// (PROTOCOL E8).
	p.manifests = len(w.operator.opened)
	if w.scenario.Plane.NoManifests {
		p.manifests = 0
	}
	if p.manifests > 0 {
		p.planManifest(w, w.now+w.scenario.Plane.Start, 0)
	}
	w.emitPlain(EventPlaneStarted)
}

// load makes the plane of what is on the disk.
func (p *planeNode) load(w *World) {
	p.plane = p.walked.Clone()
	if w.wire { // through its text, as through that of every document
		restored, err := plane.Restore(p.cfg, p.walked.AppendState(nil))
		if err != nil {
			panic(err)
		}
		p.plane = restored
	}
	p.out.Reset()
	p.plane.Step(p.instant(w), &plane.Started{}, &p.out)
	p.out.Reset()
	p.revoked = p.plane.Revocations()
}

func (p *planeNode) instant(w *World) wire.Instant {
	return wire.Instant{Mono: w.now, Wall: w.wallAt(p.wallOffset)}
}

// arrive takes a request at the door.
func (p *planeNode) arrive(w *World, m *message) {
	if p.suspended {
		// The kernel has taken the connection; the process reads it later.
		p.postponeMessage(w, dueRequest, worldNodeID, 0, m)
		return
	}
	if !p.up {
		w.effect(scenario.EffectRefusedConnection)
		w.tellVanished(m, scenario.Up, scenario.EffectRefusedConnection)
		w.noAnswer(m, w.now+w.delay(m, w.downStream(m)))
		return
	}
	if m.node >= 0 {
		h := &w.hosts[m.node]
		if m.id < h.latest {
			w.effect(scenario.EffectReordered)
		}
		h.latest = max(h.latest, m.id)
	}
	if w.wallAt(p.wallOffset).Before(m.notBefore) {
		// The handshake refuses a certificate that is not good yet (PROTOCOL T1).
		w.effect(scenario.EffectRefusedHandshake)
		w.emitMessage(EventHandshakeRefused, m)
		w.noAnswer(m, w.now+w.delay(m, w.downStream(m)))
		return
	}
	m.arrivedAt = w.now
	m.at = len(p.open)
	p.open = append(p.open, m)
	w.emitMessage(EventArrived, m)
	if refusal, ok := p.door(w, m); !ok {
		m.outcome = refusal
		p.answer(w, m)
		return
	}
	if m.kind == scenario.RoutePoll {
		p.enter(w, m)
	}
	p.offer(w, m)
}

// door makes the checks of PROTOCOL T5, T7, T3 and T4, in that order.
func (p *planeNode) door(w *World, m *message) (wire.Outcome, bool) {
	if p.isRevoked(m) {
		return wire.Refuse(wire.CertificateRevoked, "", ""), false
	}
	if m.kind == scenario.RouteGarbage {
		return garbageRefusal(m.garbage), false
	}
	if w.wire {
		w.overTheWire(m)
	}
	if m.identity.Operator != (m.kind == scenario.RouteOperator) {
		return wire.Refuse(wire.WrongRole, "", ""), false
	}
	if claimed := m.claimed(); claimed != "" && string(claimed) != m.identity.Name {
		return wire.Refuse(wire.WrongIdentity, "hostname", ""), false
	}
	return wire.Outcome{}, true
}

// isRevoked reports whether the certificate of a request is (PROTOCOL T5).
func (p *planeNode) isRevoked(m *message) bool {
	before, there := p.revoked[wire.CommonName(m.identity.CommonName)]
	return there && m.notBefore.Before(before)
}

// offer puts a request through the gate.
func (p *planeNode) offer(w *World, m *message) {
	var refusal gate.Refusal
	if p.rebuilding && p.gate.State() != gate.Closed {
		refusal = p.gate.Refuse(w.now, m.caller(), wire.NotStarted)
	} else {
		m.ticket, refusal = p.gate.Offer(w.now, m.caller(), m.class(), m)
	}
	if refusal.Code != wire.OK {
		w.effect(effectOfCode(refusal.Code))
		if refusal.Code == wire.Saturated {
			w.faults.tookAll(scenario.GateCapacity, 0, 0)
		}
		m.outcome = wire.Unavailable(refusal.Code, refusal.RetryAfter)
		w.emitMessage(EventRefused, m)
		p.answer(w, m)
		return
	}
	m.admitted = true
	w.pool.hold(m) // until settle, drop or a flush
	m.deadline = w.now + w.scenario.Plane.ReplyTimeout
	w.emitMessage(EventAdmitted, m)
	p.arm(w)
	p.kick(w)
}

// answer sends the answer that m.outcome is.
func (p *planeNode) answer(w *World, m *message) {
	if m.answered {
		w.Violate("S5", "m%d, a %v, is answered twice", m.id, m.kind)
		return
	}
	last := len(p.open) - 1
	p.open[m.at] = p.open[last]
	p.open[m.at].at = m.at
	p.open[last] = nil
	p.open = p.open[:last]
	if m.node == manifestNodeID {
		m.answered = true
		w.emitMessage(EventAnswered, m)
		if m.outcome.Code.Unavailable() {
			p.planManifest(w, w.now+m.outcome.RetryAfter, int(m.call))
		} else if next := int(m.call) + 1; next < p.manifests {
			p.planManifest(w, w.now+w.scenario.Plane.Start, next)
		}
		return
	}
	if m.kind == scenario.RoutePoll {
		p.leave(m)
	}
	w.answer(m)
	p.endTurn(w, m)
}

// manifestsIdentity is whose name the manifests directory speaks in.
var manifestsIdentity = wire.Identity{CommonName: "manifests", Operator: true, Name: "manifests"}

// planManifest plans the opening of the manifest of a place in the directory:
// they are opened one after the other.
func (p *planeNode) planManifest(w *World, at time.Duration, i int) {
	w.queue.push(timer{at: at, kind: dueManifest, node: planeNodeID, epoch: p.epoch, arg: uint64(i)})
}

// readManifest opens a rollout whose manifest lies in the plane's directory
// (PROTOCOL R6), until the plane has taken it.
func (p *planeNode) readManifest(w *World, i int) {
	if p.asleep(w, dueManifest, uint64(i)) {
		return
	}
	r := &w.scenario.Rollouts[w.operator.opened[i]]
	w.messages++
	m := w.pool.take()
	w.pool.hold(m)
	defer w.pool.release(m)
	m.id, m.kind, m.node, m.call = w.messages, scenario.RouteOperator, manifestNodeID, uint64(i)
	m.sentAt, m.arrivedAt = w.now, w.now
	m.identity = &manifestsIdentity
	m.operator = &plane.OpenRollout{Manifest: w.scenario.Manifest(r)}
	m.at = len(p.open)
	p.open = append(p.open, m)
	w.emitMessage(EventArrived, m)
	p.offer(w, m)
}

// arm plans the gate's next deadline, if none is planned for an earlier one.
func (p *planeNode) arm(w *World) {
	if p.deadlineArmed {
		return
	}
	if at, waiting := p.gate.NextDeadline(); waiting {
		p.deadlineArmed = true
		w.push(dueDeadline, planeNodeID, max(at, w.now), p.epoch)
	}
}

// expire answers everybody whose deadline has come.
func (p *planeNode) expire(w *World) {
	if p.suspended {
		p.deadlinePast = true // until resume
		return
	}
	p.deadlineArmed, p.deadlinePast = false, false
	w.emitPlain(EventDeadline)
	p.expired = p.gate.Expire(w.now, p.expired[:0])
	for _, e := range p.expired {
		w.effect(scenario.EffectTimeout)
		e.Payload.outcome = wire.Unavailable(e.Refusal.Code, e.Refusal.RetryAfter)
		w.emitMessage(EventExpired, e.Payload)
	}
	for _, e := range p.expired {
		p.answer(w, e.Payload)
	}
	p.arm(w)
}

// appendState appends the canonical state of the node, for the hash.
func (p *planeNode) appendState(b []byte) []byte {
	if p.plane != nil {
		b = p.plane.AppendState(b)
	}
	return p.gate.AppendState(b)
}
