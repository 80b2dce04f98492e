package world

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// HostKind is what runs on a host.
type HostKind uint8

// The kinds of hosts.
const (
	FullHost HostKind = iota
	LegacyHost
	HostileHost
	FieldHost
)

// hostNode is a host: a machine, a disk, a clock, and the agent's reducer.
type hostNode struct {
	index int
	kind  HostKind
	field fieldHost // of a FieldHost, which has no agent and no disk
	cfg   agent.Config
	agent *agent.Agent
	out   agent.Output
	disk  hostDisk

	up      bool
	epoch   uint32
	timerAt time.Duration // of the planned timer event; -1: none
	reboots bool          // it is down by its own reboot, and by no fault
	// suspended: the machine is, since suspendedAt. slept is how long it was before,
	// postponed what has gone off since.
	suspended          bool
	suspendedAt, slept time.Duration
	postponed          []Timer
	// crashAtAppend: the process dies at its next append, and comes up again
	// after crashDown.
	crashAtAppend bool
	crashDown     time.Duration
	crashFault    int // in the scenario

	// The machine.
	running  wire.Closure
	nextBoot wire.Closure // what a deferred activation left for the next boot
	switching
	probing uint64 // the round of probes that runs
	fetching

	identity  wire.Identity
	notBefore wire.Time
	// issued is what becomes of the certificate that was issued then. answeredBy is one
	// more than the life of the plane's process that the host has a connection to; 0 if
	// it has none.
	issued     *issued
	answeredBy uint32
	address    string // that its connections come from
	roams      bool   // the last of those that leave by two addresses came from the other

	flooding int // how many events of its flood a hostile host still has to send

	sends, down, machine random.Stream
	latest               uint64 // ID of the request that was sent last of those that have arrived
}

// switching is an activation or a rollback that runs.
type switching struct {
	id      uint64
	kind    agent.EffectKind
	closure wire.Closure
}

// firstIssue is when the certificates were issued that a fleet has when its
// world begins.
func (w *World) firstIssue() wire.Time { return w.scenario.Start.At.Add(-30 * 24 * time.Hour) }

// hostCommonName is the common name in the certificates of host number n, which
// the fleet need not have.
func hostCommonName(n int) wire.CommonName {
	return wire.CommonName("agent-" + string(scenario.HostName(n)) + "." + nameSuffix)
}

func (h *hostNode) init(w *World, i int) {
	f := &w.scenario.Fleet
	n := i + 1
	*h = hostNode{
		index: i, running: scenario.InitialClosure, timerAt: -1,
		identity:  wire.Identity{CommonName: string(hostCommonName(n)), Name: string(scenario.HostName(n))},
		notBefore: w.firstIssue(), issued: new(issued),
		address: fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255),
		sends:   random.New(w.scenario.Seed, "net/up", n),
		down:    random.New(w.scenario.Seed, "net/down", n),
		machine: random.New(w.scenario.Seed, "machine", n),
	}
	h.fetches = random.New(w.scenario.Seed, "fetches", n)
	if closure, known := w.adopted.Running[scenario.HostName(n)]; known {
		h.running = closure
	}
	switch {
	case n > f.Hosts-f.Hostile:
		h.kind = HostileHost
		w.queue.push(Timer{at: h.machine.Between(0, f.Interval), kind: dueHostile, node: int32(i)})
		return
	case n > f.Hosts-f.Hostile-f.Legacy:
		h.kind = LegacyHost
	case n > f.Hosts-f.Hostile-f.Legacy-f.Field:
		h.kind, h.field.before = FieldHost, h.running
		w.queue.push(Timer{at: 0, kind: dueHostUp, node: int32(i)})
		return
	}
	seeds := random.New(w.scenario.Seed, "agent", n)
	h.cfg = w.scenario.AgentConfig(n)
	h.disk.init(w, n)
	h.cfg.Seed, h.cfg.Legacy = seeds.Uint64(), h.kind == LegacyHost
	w.queue.push(Timer{at: 0, kind: dueHostUp, node: int32(i)})
}

// instant is now on the host's clocks. Its wall clock may be off.
func (h *hostNode) instant(w *World) wire.Instant {
	offset := h.clockOffset(w)
	if offset != 0 {
		w.effect(scenario.EffectWrongClock)
	}
	return wire.Instant{Mono: h.mono(w), Wall: w.wallAt(offset)}
}

// clockOffset is by how much the host's wall clock is off; the faults took effect.
func (h *hostNode) clockOffset(w *World) time.Duration {
	n := h.index + 1
	w.faults.each(scenario.ClockSkew, n, 0)
	for _, f := range w.faults.active[scenario.ClockDrift] {
		if f.hits(n, 0) {
			w.faults.took(f)
		}
	}
	return h.offset(w)
}

// offset is by how much the host's wall clock is off.
func (h *hostNode) offset(w *World) time.Duration {
	n, offset := h.index+1, time.Duration(0)
	for _, f := range w.faults.active[scenario.ClockSkew] {
		if f.hits(n, 0) {
			offset += f.Each
		}
	}
	for _, f := range w.faults.active[scenario.ClockDrift] {
		if f.hits(n, 0) {
			offset += (w.now - f.At) / time.Microsecond * time.Duration(f.Rate) / 1_000_000 * time.Microsecond
		}
	}
	return offset
}

// step gives the agent an input and carries out what it asks for.
func (h *hostNode) step(w *World, in agent.Input) {
	if h.kind == FieldHost {
		h.stepField(w, in)
		return
	}
	h.agent.Step(h.instant(w), in, &h.out)
	if len(h.out.Appends)+len(h.out.Requests)+len(h.out.Effects) > 0 {
		w.mix(uint64(len(h.out.Appends))<<32|uint64(len(h.out.Requests))<<16|uint64(len(h.out.Effects)), uint64(h.out.NextTimer))
	}
	if len(h.out.Appends) > 0 && !h.write(w) {
		return
	}
	w.emitHostStepped(h, in)
	for i := range h.out.Requests {
		h.send(w, &h.out.Requests[i])
	}
	for i := range h.out.Effects {
		h.begin(w, &h.out.Effects[i])
	}
	for i := range h.out.Notices {
		w.emit(Event{Kind: EventHostNoticed, Host: h.index + 1, AgentNotice: &h.out.Notices[i]})
	}
	h.out.Reset()
	h.planTimer(w)
}

// planTimer plans the agent's timer. An event that is planned for too early
// stays, and plans the next when it comes.
func (h *hostNode) planTimer(w *World) {
	next := h.out.NextTimer
	if next == agent.NoTimer {
		return
	}
	next += h.slept
	if h.timerAt >= 0 && h.timerAt <= next {
		return
	}
	h.timerAt = max(next, w.now)
	w.push(dueAgentTimer, int32(h.index), h.timerAt, h.epoch)
}

func (h *hostNode) timer(w *World) {
	h.timerAt = -1
	if h.mono(w) < h.out.NextTimer {
		h.planTimer(w)
		return
	}
	h.step(w, &agent.Timer{})
}

// send puts one of the agent's requests on the network.
func (h *hostNode) send(w *World, r *agent.Request) {
	m := w.pool.take()
	m.node, m.call, m.epoch, m.timeout = int32(h.index), r.ID, h.epoch, r.Timeout
	m.identity, m.notBefore, m.issued = &h.identity, h.notBefore, h.issued
	switch r.Kind {
	case agent.RequestHeartbeat:
		m.kind = scenario.RouteHeartbeat
		m.heartbeat.Request, m.heartbeat.Dialect = r.Heartbeat, h.dialect()
	case agent.RequestEvent:
		m.kind = scenario.RouteEvent
		m.event.Envelope, m.event.Dialect = r.Event, h.dialect()
	case agent.RequestPoll:
		m.kind, m.wait = scenario.RoutePoll, r.Wait
		m.poll.Dialect = h.dialect()
	}
	if w.faults.striking(scenario.CertWrong, h.index+1, m.kind) != nil {
		w.effect(scenario.EffectWrongCertificate)
		m.identity = &w.hosts[(h.index+1)%len(w.hosts)].identity
	}
	if m.kind == scenario.RoutePoll {
		m.poll.Hostname = wire.Hostname(m.identity.Name)
	}
	w.send(m, &h.sends)
}

// hear gives the agent the answer to a request, or the news that none comes.
func (h *hostNode) hear(w *World, m *Message, answered bool) {
	if h.kind == HostileHost {
		return
	}
	a := agent.Answer{}
	if answered {
		a.Status = m.request.Outcome.Code.Status()
		a.Replay, a.ReplayFrom = m.request.Outcome.Replay, m.request.Outcome.ReplayFrom
		a.RetryAfter = m.request.Outcome.RetryAfter
		if w.wire {
			w.answerOverTheWire(m, &a)
		}
	}
	switch in := &w.inputs; m.kind {
	case scenario.RouteHeartbeat:
		in.heartbeat = agent.HeartbeatAnswered{ID: m.call, Answer: a}
		if a.Status == 200 {
			in.heartbeat.Response = m.request.Outcome.Heartbeat
		}
		w.forger.heartbeat(w, h, m, &in.heartbeat)
		h.step(w, &in.heartbeat)
	case scenario.RouteEvent:
		in.event = agent.EventAnswered{ID: m.call, Answer: a}
		w.forger.event(w, h, &in.event)
		h.step(w, &in.event)
	case scenario.RoutePoll:
		in.poll = agent.PollAnswered{ID: m.call, Answer: a}
		if a.Status == 200 {
			in.poll.Dispatch = *m.request.Outcome.Document.(*wire.Dispatch)
		}
		w.forger.poll(w, h, &in.poll)
		h.step(w, &in.poll)
	}
}

// agentInputs are inputs that agents get often. An agent keeps nothing of its
// input, so the world uses them again.
type agentInputs struct {
	heartbeat agent.HeartbeatAnswered
	event     agent.EventAnswered
	poll      agent.PollAnswered
	probed    agent.Probed
}

func (h *hostNode) reissue(w *World) {
	w.effect(scenario.EffectReissued)
	// A certificate knows whole seconds only.
	h.notBefore = wire.TimeOf(w.wallAt(w.plane.wallOffset).Std().Truncate(time.Second))
	h.issued = &issued{number: h.issued.number + 1}
}
