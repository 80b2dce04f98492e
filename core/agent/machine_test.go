package agent_test

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// fate is what becomes of a rollout on a machine.
type fate int

const (
	smooth     fate = iota // activated, probes pass
	rebooting              // takes effect with the next reboot
	failing                // the switch fails
	recovering             // a probe fails for a while, then passes
	sick                   // a probe fails for good
	stubborn               // the same, and the first rollback fails
	doubtful               // the first activation is killed half-way by a crash
	fateCount  = iota
)

// machine is a host with its agent, disk and clocks.
type machine struct {
	w     *world
	name  wire.Hostname
	cfg   agent.Config
	agent *agent.Agent
	out   agent.Output

	process int           // counts starts; what belongs to an older one is lost
	timer   int           // counts timers; only the last one set counts
	offset  time.Duration // of the wall clock
	closure wire.Closure  // what the host runs
	staged  wire.Closure  // what the next boot brings; empty: the same
	disk    []byte        // the agent's log
	fates   map[wire.Closure]fate
	since   map[wire.Closure]time.Duration // when a closure was switched to first
	tries   map[wire.Closure]int
	probes  []wire.ProbeDeclaration
	// policies are those of the rollouts; forgetful says that the agent has
	// lost its disk once, and with it the policies.
	policies  map[wire.RolloutID]wire.HealthPolicy
	forgetful bool

	open   map[uint64]bool // requests of this process
	effect string          // the switch that runs

	oracle oracle
}

var hostProbes = []wire.ProbeDeclaration{
	{ProbeName: "disk", ProbeKind: "exec", Mode: wire.Observe},
	{ProbeName: "http", ProbeKind: "http", Mode: wire.Enforce},
	{ProbeName: "old", ProbeKind: "exec", Mode: wire.Disabled},
}

func newMachine(w *world, name wire.Hostname, seed uint64) *machine {
	h := fnv.New64a()
	h.Write([]byte(name))
	m := &machine{
		w: w, name: name, closure: "c0", probes: hostProbes,
		cfg:   agent.Config{Hostname: name, Seed: seed ^ h.Sum64()},
		fates: map[wire.Closure]fate{}, since: map[wire.Closure]time.Duration{}, tries: map[wire.Closure]int{},
		policies: map[wire.RolloutID]wire.HealthPolicy{},
	}
	m.oracle.machine = m
	return m
}

func (m *machine) instant() wire.Instant {
	return wire.Instant{Mono: m.w.now, Wall: epoch.Add(m.w.now + m.offset)}
}

// start starts the agent's process from its disk.
func (m *machine) start(boot agent.Boot) {
	m.process++
	m.open = map[uint64]bool{}
	m.effect = ""
	if boot == agent.Reboot && m.staged != "" {
		m.closure, m.staged = m.staged, ""
	}
	a, err := agent.Restore(m.cfg, m.disk)
	if err != nil {
		m.w.t.Fatalf("%s: restore: %v\n%s", m.name, err, m.disk)
	}
	m.agent = a
	m.oracle.started()
	m.w.logf("%s starts (%v) on %s", m.name, boot, m.closure)
	m.step(&agent.ProbesDeclared{Probes: m.probes})
	m.step(&agent.Started{CurrentClosure: m.closure, NextBoot: m.staged, Boot: boot})
}

// crash ends the process; down later it starts again. A switch that runs is
// killed with a reboot, and may have got through or not otherwise.
func (m *machine) crash(boot agent.Boot, down time.Duration) {
	if m.agent == nil {
		return
	}
	m.w.logf("%s goes down (%v)", m.name, boot)
	m.process++
	m.agent = nil
	p := m.process
	m.w.after(down, func() {
		if m.process == p {
			m.start(boot)
		}
	})
}

// reboot reboots the host, later if it is down just now.
func (m *machine) reboot() {
	if m.agent == nil {
		m.w.after(time.Minute, m.reboot)
		return
	}
	m.crash(agent.Reboot, 30*time.Second)
}

// forget wipes the agent's disk while it is down.
func (m *machine) forget(down time.Duration) {
	m.crash(agent.ProcessStart, down)
	m.w.logf("%s loses its disk", m.name)
	m.disk, m.forgetful = nil, true
	m.oracle.forgot()
}

// step steps the agent and carries out what it asks for.
func (m *machine) step(in agent.Input) {
	if m.agent == nil {
		return // crashed in the step before
	}
	m.out.Reset()
	if m.w.traced() {
		m.w.logf("%s < %v", m.name, in)
	}
	m.agent.Step(m.instant(), in, &m.out)
	if err := m.agent.Check(); err != nil {
		m.w.t.Fatalf("%s after %v: %v", m.name, in, err)
	}
	for i := range m.out.Appends {
		e := &m.out.Appends[i]
		m.oracle.append(e)
		if m.w.traced() {
			m.w.logf("%s + %v", m.name, e)
		}
	}
	if keep, crash := m.w.crashes(m); crash {
		// A prefix of the appends became durable, and nothing else happened.
		for i := range m.out.Appends[:keep] {
			m.disk = m.out.Appends[i].AppendLine(m.disk)
		}
		m.oracle.lost(m.out.Appends[keep:])
		m.w.logf("%s crashes with %d of %d appends durable", m.name, keep, len(m.out.Appends))
		m.crash(agent.ProcessStart, m.w.draw(30*time.Second))
		return
	}
	for i := range m.out.Appends {
		m.disk = m.out.Appends[i].AppendLine(m.disk)
	}
	for _, r := range m.out.Requests {
		m.oracle.request(r)
		m.send(r)
	}
	for _, e := range m.out.Effects {
		m.oracle.effect(e)
		m.carryOut(e)
	}
	for _, n := range m.out.Notices {
		m.oracle.notices[n.Kind]++
		if m.w.traced() {
			m.w.logf("%s ! %v", m.name, n)
		}
	}
	if len(m.disk) > 1<<16 { // sometimes compact the log
		m.disk = m.agent.AppendDurable(nil)
	}
	m.timer++
	timer, process := m.timer, m.process
	m.w.after(m.out.NextTimer-m.w.now, func() {
		if m.timer == timer && m.process == process {
			m.step(&agent.Timer{})
		}
	})
}

// send takes a request through the network, and its answer back.
func (m *machine) send(r agent.Request) {
	w, process := m.w, m.process
	if w.traced() {
		w.logf("%s > %v", m.name, r)
	}
	m.open[r.ID] = true
	answered := func(o *wire.Outcome, x agent.Answer) {
		if m.process != process || !m.open[r.ID] {
			return
		}
		delete(m.open, r.ID)
		m.oracle.answered(r, x)
		m.step(answerTo(r, o, x))
	}
	w.after(r.Timeout, func() { answered(&wire.Outcome{}, agent.Answer{}) })
	back := func(o wire.Outcome) {
		if !w.chance(w.net.loss) {
			w.after(w.draw(w.net.delay), func() { answered(&o, answerOf(&o)) })
		}
	}
	copies := 1
	if w.chance(w.net.dup) {
		copies = 2
	}
	for range copies {
		if w.chance(w.net.loss) {
			continue
		}
		w.after(w.draw(w.net.delay), func() {
			if r.Kind == agent.RequestPoll {
				w.pollPlane(m.name, r.Wait, back)
			} else {
				w.deliver(r, back)
			}
		})
	}
}

// answerTo makes the input that answers a request.
func answerTo(r agent.Request, o *wire.Outcome, x agent.Answer) agent.Input {
	switch r.Kind {
	case agent.RequestHeartbeat:
		return &agent.HeartbeatAnswered{ID: r.ID, Answer: x, Response: o.Heartbeat}
	case agent.RequestEvent:
		return &agent.EventAnswered{ID: r.ID, Answer: x}
	default:
		in := &agent.PollAnswered{ID: r.ID, Answer: x}
		if d, is := o.Document.(*wire.Dispatch); is {
			in.Dispatch = *d
		}
		return in
	}
}

// carryOut does what an effect asks for.
func (m *machine) carryOut(e agent.Effect) {
	w, process := m.w, m.process
	if w.traced() {
		w.logf("%s * %v", m.name, e)
	}
	later := func(d time.Duration, do func()) {
		w.after(d, func() {
			if m.process == process {
				do()
			}
		})
	}
	switch e.Kind {
	case agent.EffectProbe:
		for _, p := range e.Probes {
			later(w.draw(time.Second), func() {
				m.step(&agent.Probed{ID: e.ID, Probe: p.ProbeName, Status: m.probe(p.ProbeName), Reason: "connection refused"})
			})
		}
	case agent.EffectActivate:
		m.effect = fmt.Sprintf("%v %s", e.Kind, e.Closure)
		m.tries[e.Closure]++
		if m.fates[e.Closure] == doubtful && m.tries[e.Closure] == 1 {
			later(w.draw(20*time.Second), func() { m.crash(agent.ProcessStart, w.draw(30*time.Second)) })
			return
		}
		later(5*time.Second+w.draw(20*time.Second), func() {
			m.effect = ""
			m.step(m.activate(e))
		})
	case agent.EffectRollback:
		m.effect = fmt.Sprintf("%v %s", e.Kind, e.Closure)
		later(5*time.Second, func() {
			m.effect = ""
			in := &agent.RollbackEnded{ID: e.ID}
			if m.tries["back to "+e.Closure]++; m.fates[m.closure] == stubborn && m.tries["back to "+e.Closure] == 1 {
				in.ExitCode = 1
			} else {
				m.switchTo(e.Closure)
			}
			in.CurrentClosure = m.closure
			m.step(in)
		})
	}
}

func (m *machine) switchTo(c wire.Closure) {
	m.closure, m.staged = c, "" // a switch decides what the next boot brings
	if _, before := m.since[c]; !before {
		m.since[c] = m.w.now
	}
}

func (m *machine) activate(e agent.Effect) *agent.ActivationEnded {
	in := &agent.ActivationEnded{ID: e.ID, Result: agent.ActivationCompleted}
	switch m.fates[e.Closure] {
	case failing:
		in.Result, in.ExitCode, in.StderrTail = agent.ActivationFailed, 1, "unit failed"
	case rebooting:
		m.staged = e.Closure
		in.Result, in.Component = agent.ActivationDeferred, "kernel"
		m.w.after(time.Minute+m.w.draw(10*time.Minute), m.reboot)
	default:
		m.switchTo(e.Closure)
	}
	in.CurrentClosure = m.closure
	return in
}

// probe runs one probe.
func (m *machine) probe(name wire.Name) wire.ProbeStatus {
	age := m.w.now - m.since[m.closure]
	bad := false
	switch m.fates[m.closure] {
	case recovering:
		bad = age < 90*time.Second
	case sick, stubborn:
		bad = true
	}
	if name == "disk" { // observed only: it flaps, and nothing may follow
		bad = (m.w.now/(40*time.Second))%2 == 1
	}
	if bad {
		return wire.Fail
	}
	return wire.Pass
}
