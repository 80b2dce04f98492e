package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// planeNode is the plane: the driver, the gate and the reducer that production
// runs, on a disk and in a process that are modelled.
type planeNode struct {
	cfg   plane.Config
	epoch uint32
	// up: the process runs and listens. started: it loads its log, or has. opened:
	// it has taken requests.
	up, started, opened bool
	suspended           bool
	capacity            int

	front      *driver.Front[*Message]
	worker     *driver.Worker[*Message]
	base       []byte        // what the disk had at first
	log        []plane.Entry // the disk, since then
	walked     *plane.Plane  // what a walk over log gives
	walkOut    plane.Output  // of the walk; nothing reads it
	rows       planeRows     // likewise, in the runs that have them
	backups    []backup      // what the disk had, in the order of time
	restored   bool          // the disk was put back to one of them, at restoredAt
	restoredAt time.Duration
	flying     []plane.Entry // on their way to the disk
	flyingRows rowsOf        // and the rows that go with them
	group      int           // how many entries the last commit began with
	revoked    driver.Revocations
	wallOffset time.Duration
	now        wire.Instant // when it was asked for last

	ticked     plane.Tick
	stored     plane.Storage
	planned    bool           // the loop goes on when a timer goes off
	wedged     bool           // it goes on when a fault ends
	crashPhase scenario.Phase // a crash that waits for the next commit
	crashDown  time.Duration
	crashFault int // in the scenario
	crashWipe  bool
	// restartDown is how long the process stays down after a restart in good
	// order.
	restartDown time.Duration

	alarm     time.Duration         // what the front's timer is set to
	open      []*Message            // at the plane and not answered
	files     []*plane.FileManifest // of the directory, in the order of reading
	manifests int                   // how many of them lay there when the process came up
	postponed []Timer               // while the machine was suspended
	disk      random.Stream
	schedule  random.Stream // of the loop
}

func (p *planeNode) init(w *World) {
	p.cfg = w.scenario.PlaneConfig()
	p.capacity = w.scenario.Plane.Capacity
	p.disk = random.New(w.scenario.Seed, "disk", 0)
	p.schedule = random.New(w.scenario.Seed, "schedule", 0)
	p.base = w.adopted.Durable
	p.walked = p.newWalk()
	if w.drawRows() {
		p.keepRows()
	}
	p.backUp(w)
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
	front, worker, err := driver.New[*Message](driver.Config{
		Gate: w.scenario.GateConfig(p.capacity), Batch: w.scenario.Plane.Batch, DiskReserve: diskReserve, Rows: p.rows.kept != nil,
	})
	if err != nil {
		panic(err) // the scenario was validated
	}
	front.Observe(func(fate driver.Fate, r *driver.Request[*Message]) { p.observed(w, fate, r.For) })
	p.front, p.worker = front, worker
	p.up, p.started, p.opened = true, false, false
	w.signer.served = nil // it takes the release up anew (PROTOCOL V4)
	w.release.restart(w)
	p.planned, p.wedged, p.flying, p.flyingRows, p.alarm = false, false, nil, nil, 0
	p.revoked = nil // it has not read its log
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

// start has the loop load the log and open the gate.
func (p *planeNode) start(w *World) {
	if p.started || p.asleep(w, duePlaneStart, 0) {
		return
	}
	p.started = true
	p.proceed(w)
}

// instant is the instant that the plane's clocks show.
func (p *planeNode) instant(w *World) wire.Instant {
	if p.now.Mono != w.now || !p.now.Wall.IsSet() {
		p.now = wire.Instant{Mono: w.now, Wall: w.wallAt(p.wallOffset)}
	}
	return p.now
}

// arrive takes a request that has reached the plane.
func (p *planeNode) arrive(w *World, m *Message) {
	if p.suspended {
		// The kernel has taken the connection; the process reads it later.
		p.postponeMessage(w, dueRequest, worldNodeID, 0, m)
		w.watch(m)
		return
	}
	if !p.up {
		w.effect(scenario.EffectRefusedConnection)
		w.emitVanished(m, scenario.Up, scenario.EffectRefusedConnection)
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
	if w.wallAt(p.wallOffset).Before(m.notBefore) || p.handshakeFails(w, m) {
		// The handshake refuses a certificate that is not good (PROTOCOL T1).
		w.effect(scenario.EffectRefusedHandshake)
		w.emitMessage(EventHandshakeRefused, m)
		w.noAnswer(m, w.now+w.delay(m, w.downStream(m)))
		return
	}
	p.receive(w, m)
	if refusal, ok := p.precheck(w, m); !ok {
		m.request.Outcome = refusal
		p.answer(w, m)
		return
	}
	p.offer(w, m)
}

// receive takes a request in: it is at the plane until it is answered.
func (p *planeNode) receive(w *World, m *Message) {
	w.pool.hold(m)
	m.arrived, m.arrivedAt = true, w.now
	m.at = len(p.open)
	p.open = append(p.open, m)
	w.emitMessage(EventArrived, m)
	if w.now+m.wait+w.scenario.Plane.ReplyTimeout > w.givesUpAt(m) {
		w.watch(m)
	}
	if m.gaveUp {
		w.effect(scenario.EffectArrivedGivenUp)
		w.hungUp(m) // the end of the connection comes behind the request
	}
}

// takeOff takes a request that needs no answer any more off the list.
func (p *planeNode) takeOff(m *Message) {
	last := len(p.open) - 1
	p.open[m.at] = p.open[last]
	p.open[m.at].at = m.at
	p.open[last] = nil
	p.open = p.open[:last]
}

// clientGone has the process see that the client of a poll is gone. One that waits
// gets no answer.
func (p *planeNode) clientGone(w *World, m *Message) {
	switch {
	case m.answered:
	case p.suspended:
		p.postponeMessage(w, dueClientGone, planeNodeID, p.epoch, m)
	default:
		waited := p.front.GiveUp(p.instant(w), &m.request)
		w.emit(Event{Kind: EventClientGone, Message: m, Answered: !waited})
		if waited {
			w.effect(scenario.EffectPollGivenUp)
			m.answered = true
			p.takeOff(m)
			w.pool.release(m)
		}
		p.afterFront(w)
		p.proceed(w)
	}
}

// precheck makes the checks of PROTOCOL T5, T7, T3 and T4, in that order.
func (p *planeNode) precheck(w *World, m *Message) (wire.Outcome, bool) {
	certificate := m.certificate()
	if refusal, good := p.revoked.Check(&certificate, w.wallAt(p.wallOffset)); !good {
		return refusal, false
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

// offer hands a request to the driver.
func (p *planeNode) offer(w *World, m *Message) {
	r := &m.request
	if m.kind == scenario.RouteHeartbeat && m.heartbeat.From == "" {
		m.heartbeat.From = w.hosts[m.node].address
	}
	r.For, r.Input, r.Caller, r.Class, r.Certificate = m, m.input(), m.caller(), m.class(), m.certificate()
	if m.kind == scenario.RoutePoll {
		r.Wait = m.wait
		m.pollUntil = w.now + m.wait
	}
	p.front.Arrive(p.instant(w), r)
	p.afterFront(w)
	p.proceed(w)
}

// answer sends the answer that m.request.Outcome is.
func (p *planeNode) answer(w *World, m *Message) {
	if m.answered {
		o := m.Outcome()
		w.Violate("S5", "%v, is answered twice: %d %v, %v after it arrived, and %d %v, %v later; want one answer, within %v", m,
			m.said.Status(), m.said, m.saidAt-m.arrivedAt, o.Code.Status(), o.Code, w.now-m.saidAt, w.scenario.Plane.ReplyTimeout)
		return
	}
	p.readHistory(w, m)
	m.said, m.saidAt = m.Outcome().Code, w.now
	p.keepConnection(w, m)
	p.takeOff(m)
	defer w.pool.release(m)
	if m.node == releaseNodeID {
		m.answered = true
		w.emitMessage(EventAnswered, m)
		p.releaseAnswered(w, m)
		return
	}
	if m.node == manifestNodeID {
		m.answered = true
		w.emitMessage(EventAnswered, m)
		if code := m.request.Outcome.Code; code.Unavailable() || code == wire.Accepted {
			p.planManifest(w, w.now+m.request.Outcome.RetryAfter, int(m.call))
		} else if next := int(m.call) + 1; next < p.manifests {
			p.planManifest(w, w.now+w.scenario.Plane.Start, next)
		}
		return
	}
	w.answer(m)
}

// manifestsIdentity is whose name the manifests directory speaks in.
var manifestsIdentity = wire.Identity{CommonName: "manifests", Operator: true, Name: "manifests"}

// readDirectory puts the manifests of the directory into the order in which they
// are opened.
func (p *planeNode) readDirectory(w *World) {
	p.files = nil
	if w.scenario.Plane.NoManifests {
		return
	}
	for _, i := range w.operator.opened {
		if w.scenario.Rollouts[i].Signed {
			continue
		}
		p.files = append(p.files, &plane.FileManifest{Manifest: w.scenario.Manifest(&w.scenario.Rollouts[i])})
	}
	plane.Arrange(p.files)
}

// planManifest plans the opening of a manifest of the directory: they are opened
// one after the other.
func (p *planeNode) planManifest(w *World, at time.Duration, i int) {
	w.queue.push(Timer{at: at, kind: dueManifest, node: planeNodeID, epoch: p.epoch, arg: uint64(i)})
}

// readManifest opens a rollout whose manifest lies in the plane's directory
// (PROTOCOL R6), until the plane has taken it.
func (p *planeNode) readManifest(w *World, i int) {
	if p.asleep(w, dueManifest, uint64(i)) {
		return
	}
	w.messages++
	m := w.pool.take()
	m.id, m.kind, m.node, m.call = w.messages, scenario.RouteOperator, manifestNodeID, uint64(i)
	m.sentAt = w.now
	m.identity = &manifestsIdentity
	m.operator = p.files[i]
	p.receive(w, m)
	p.offer(w, m)
}

// expire answers every request whose deadline has come.
func (p *planeNode) expire(w *World) {
	if p.asleep(w, dueDeadline, 0) {
		return
	}
	w.emitPlain(EventDeadline)
	p.front.Expire(p.instant(w))
	p.afterFront(w)
	p.proceed(w)
}

// current is the plane's reducer; of a plane that is down, what its disk has.
func (p *planeNode) current() *plane.Plane {
	if loaded := p.worker.Plane(); p.serving() {
		return loaded
	}
	return p.walked
}

// serving reports whether the process is up and has a plane that it takes
// requests for.
func (p *planeNode) serving() bool {
	return p.up && p.opened && !p.front.Rebuilding() && p.worker.Plane() != nil
}
