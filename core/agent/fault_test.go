package agent_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// fault is one thing that goes wrong in a world.
type fault struct {
	at     time.Duration
	kind   faultKind
	host   int
	length time.Duration
	part   float64
}

type faultKind int

const (
	processCrash faultKind = iota
	hostReboot
	amnesia
	planeWipe
	planeRestore
	planeOutage
	clockJump
	probesChange
	crashInStep
	faultKindCount
)

var faultWords = [...]string{"crash", "reboot", "amnesia", "wipe", "restore", "outage", "clock", "probes", "crash-in-step"}

func (f fault) String() string {
	return fmt.Sprintf("at %v %s h%d for %v part %.2f", f.at, faultWords[f.kind], f.host+1, f.length, f.part)
}

func (w *world) schedule(f fault) {
	w.after(f.at-w.now, func() {
		m := w.hosts[f.host%len(w.hosts)]
		w.logf("fault %v", f)
		switch f.kind {
		case processCrash:
			m.crash(agent.ProcessStart, f.length)
		case hostReboot:
			m.crash(agent.Reboot, f.length)
		case amnesia:
			m.forget(f.length)
		case planeWipe:
			w.losePlane(0, f.length)
		case planeRestore:
			w.losePlane(int(f.part*float64(len(w.planeLog))), f.length)
		case planeOutage:
			w.planeDown = true
			w.after(f.length, func() { w.planeDown = false })
		case clockJump:
			m.offset = time.Duration((f.part - 0.5) * float64(4*time.Hour))
		case probesChange:
			m.probes = []wire.ProbeDeclaration{{ProbeName: "http", ProbeKind: "http", Mode: wire.Enforce}}
			if m.agent != nil {
				m.step(&agent.ProbesDeclared{Probes: m.probes})
			}
		case crashInStep:
			left := 1 + int(f.part*20)
			w.crashing = func(stepped *machine) (int, bool) {
				if stepped == m {
					left--
				}
				if left > 0 {
					return 0, false
				}
				w.crashing = nil
				return w.rng.IntN(len(m.out.Appends) + 1), true
			}
		}
	})
}

// plan is a world's whole story.
type plan struct {
	seed     uint64
	hosts    int
	fates    []fate
	policy   wire.HealthPolicy
	rollouts []time.Duration // when each is opened
	soak     wire.Count
	waves    bool // every host in a wave of its own
	same     bool // every rollout has the same target
	net      weather
	faults   []fault
}

func drawPlan(t *rapid.T) plan {
	seconds := func(most int) *rapid.Generator[time.Duration] {
		return rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, "s")) * time.Second
		})
	}
	p := plan{
		seed:   rapid.Uint64().Draw(t, "seed"),
		hosts:  rapid.IntRange(1, 2).Draw(t, "hosts"),
		policy: rapid.SampledFrom([]wire.HealthPolicy{wire.Halt, wire.RollbackAndHalt}).Draw(t, "policy"),
		soak:   wire.Count(rapid.IntRange(0, 3).Draw(t, "soak")),
		waves:  rapid.Bool().Draw(t, "waves"),
		same:   rapid.IntRange(0, 3).Draw(t, "same") == 0,
		net: weather{
			loss:        rapid.SampledFrom([]float64{0, 0.05, 0.3}).Draw(t, "loss"),
			dup:         rapid.SampledFrom([]float64{0, 0.05, 0.3}).Draw(t, "dup"),
			unavailable: rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "unavailable"),
			delay:       rapid.SampledFrom([]time.Duration{20 * time.Millisecond, time.Second, 15 * time.Second}).Draw(t, "delay"),
		},
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "rollouts") {
		_ = i
		p.rollouts = append(p.rollouts, seconds(1200).Draw(t, "opened"))
		p.fates = append(p.fates, fate(rapid.IntRange(0, fateCount-1).Draw(t, "fate")))
	}
	for range rapid.IntRange(0, 6).Draw(t, "faults") {
		p.faults = append(p.faults, fault{
			at: seconds(1800).Draw(t, "at"), kind: faultKind(rapid.IntRange(0, int(faultKindCount)-1).Draw(t, "kind")),
			host: rapid.IntRange(0, 1).Draw(t, "host"), length: seconds(120).Draw(t, "length"), part: rapid.Float64Range(0, 1).Draw(t, "part"),
		})
	}
	return p
}

// play runs a plan: half an hour of trouble, then peace until all agree.
func (p plan) play(t failer, trace bool) *world {
	w := newWorld(t, p.seed, p.hosts)
	if trace {
		w.trace = t.Logf
	}
	w.story = fmt.Sprintf("%#v", p)
	w.net = p.net
	var names []wire.Hostname
	for _, m := range w.hosts {
		names = append(names, m.name)
		w.after(w.draw(30*time.Second), func() { m.start(agent.ProcessStart) })
	}
	for i, at := range p.rollouts {
		id := wire.RolloutID(fmt.Sprintf("stable@r%d", i+1))
		target := wire.Closure(fmt.Sprintf("c%d", i+1))
		f := p.fates[i]
		if p.same {
			target, f = "c1", p.fates[0]
			if f == sick || f == stubborn {
				f = smooth // or the target is quarantined, and nothing more happens (R3)
			}
		}
		for _, m := range w.hosts {
			m.fates[target] = f
		}
		rollout := manifest(id, p.policy, p.soak, toClosure(target), names...)
		if p.waves {
			for j := range rollout.Hosts {
				rollout.Hosts[j].Wave = wire.Count(j)
			}
			rollout.Policy.Waves = slices.Repeat(rollout.Policy.Waves, len(rollout.Hosts))
		}
		w.after(at, func() { w.open(rollout) })
	}
	for _, f := range p.faults {
		w.schedule(f)
	}
	w.run(35*time.Minute, nil)
	w.net = weather{delay: 50 * time.Millisecond}
	w.crashing = nil
	if !w.run(w.now+4*time.Hour, func() bool { return w.disagreement() == "" }) {
		t.Fatalf("no agreement after four hours of peace: %s\n%s", w.disagreement(), w.story)
	}
	return w
}

func TestPlaneAndAgentAgreeInTheEndWhateverHappens(t *testing.T) { // PROTOCOL A1 to A10, E9
	rapid.Check(t, func(t *rapid.T) {
		drawPlan(t).play(t, false)
	})
}
