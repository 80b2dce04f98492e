package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// broken returns an agent with an activation that runs and a rollout before it.
func broken(t *testing.T) *Agent {
	t.Helper()
	a, err := New(Config{Hostname: "h1"})
	if err != nil {
		t.Fatal(err)
	}
	var out Output
	now := wire.Instant{Wall: wire.TimeOf(time.Unix(0, 0))}
	a.Step(now, &Started{CurrentClosure: "c0"}, &out)
	for i, id := range []wire.RolloutID{"stable@r1", "stable@r2"} {
		now.Mono = a.NextTimer()
		for a.poll.open == 0 {
			now.Mono = a.NextTimer()
			a.Step(now, &Timer{}, &out)
		}
		a.Step(now, &PollAnswered{ID: a.poll.open, Answer: Answer{Status: 200}, Dispatch: wire.Dispatch{
			Hostname: "h1", RolloutID: id, TargetClosure: "c1", EnqueuedAt: now.Wall, SoakDueAt: now.Wall,
		}}, &out)
		if i == 0 {
			a.Step(now, &ActivationEnded{ID: a.switching.id, Result: ActivationFailed, CurrentClosure: "c0"}, &out)
		}
	}
	if err := a.Check(); err != nil || len(a.rollouts) != 2 || a.switching.id == 0 {
		t.Fatalf("the agent is not as it should be: %v, %v", a, err)
	}
	return a
}

func TestCheckNamesTheInvariantThatIsBroken(t *testing.T) { // PROTOCOL A: the invariants of Agent
	for _, row := range []struct {
		want  string
		spoil func(*Agent)
	}{
		{"N1: record stable@r1 of h1 breaks", func(a *Agent) { a.rollouts[0].rec.EndedAt, a.rollouts[0].rec.State = wire.Time{}, wire.Pending }},
		{"N1: the log of stable@r1: event", func(a *Agent) { a.rollouts[0].log = a.rollouts[0].log[1:] }},
		{"N1: the record of stable@r1 is", func(a *Agent) { a.rollouts[0].log = a.rollouts[0].log[:2] }},
		{"N1: stable@r1 has to go back: true", func(a *Agent) { a.rollouts[0].rollback = true }},
		{"N2: rollout stable@r1 is of host h1 and channel edge", func(a *Agent) { a.rollouts[0].channel = "edge" }},
		{"N2: rollout stable@r2 is listed twice", func(a *Agent) { a.rollouts[0] = a.rollouts[1] }},
		{"N2: rollout stable@r1 is superseded: false", func(a *Agent) { a.rollouts[0].superseded = false }},
		{"N4: 3 events are open", func(a *Agent) {
			third := *a.rollouts[0]
			third.sending.open, third.sending.openSeq, third.superseded = 1, 1, false
			a.rollouts = append(a.rollouts, &third)
			third.taken.Record.RolloutID, third.rec.RolloutID, third.channel = "edge@r1", "edge@r1", "edge"
		}},
		{"N4: request 0 of stable@r1 carries event 1", func(a *Agent) { a.rollouts[0].sending.open = 0 }},
		{"N5: activate of edge@r1 runs, which is not known", func(a *Agent) { a.switching.rollout = "edge@r1" }},
		{"N5: activate of stable@r1 runs, which is superseded", func(a *Agent) { a.switching.rollout = "stable@r1" }},
		{"N5: stable@r2 is activated to c9 in Activating", func(a *Agent) { a.switching.closure = "c9" }},
		{"N5: stable@r2 is rolled back to c1 in Activating", func(a *Agent) { a.switching.kind = EffectRollback }},
		{"N6: a@1 and a@2 wait, of one channel", func(a *Agent) {
			a.waiting = []wire.Dispatch{{RolloutID: "a@1"}, {RolloutID: "a@2"}}
		}},
		{"N7: the next timer is at 0s", func(a *Agent) { a.heartbeat.open, a.heartbeat.at = 0, 0 }},
	} {
		t.Run(row.want, func(t *testing.T) {
			a := broken(t)
			row.spoil(a)
			if err := a.Check(); err == nil || !strings.HasPrefix(err.Error(), row.want) {
				t.Fatalf("error %v; want %s …", err, row.want)
			}
		})
	}
}

func TestCheckFindsNumbersOutOfOrder(t *testing.T) { // PROTOCOL A2: N3
	a := broken(t)
	log := a.rollouts[0].log
	log[1].event.Seq = 1
	if err := a.checkLogs(); err == nil || err.Error() != "N3: event 1 of stable@r1 follows event 1" {
		t.Fatalf("error %v", err)
	}
}

func TestDrawsAreSpreadOverTheirInterval(t *testing.T) { // PROTOCOL A5: jitter
	rng := random(1)
	var tenths [10]int
	for range 10_000 {
		d := rng.between(100, 199)
		if d < 100 || d > 199 {
			t.Fatalf("%d is not from 100 to 199", d)
		}
		tenths[(d-100)/10]++
	}
	for i, n := range tenths {
		if n < 850 || n > 1150 {
			t.Errorf("%d of 10,000 draws are in tenth %d", n, i)
		}
	}
	if rng.between(5, 5) != 5 || rng.between(5, 4) != 5 {
		t.Error("an empty interval does not give its low end")
	}
}

// The first outputs of SplitMix64 from state 0, as published with its
// reference implementation.
func TestTheGeneratorIsSplitMix64(t *testing.T) { // PROTOCOL A5: determinism
	rng := random(0)
	for _, want := range []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f} {
		if got := rng.next(); got != want {
			t.Fatalf("%x; want %x", got, want)
		}
	}
}

func TestANumberThatWasRetractedIsNotUsedAgain(t *testing.T) { // PROTOCOL A4, E7
	a := broken(t)
	p := a.rollouts[1]
	at := wire.TimeOf(time.Unix(0, 0))
	for _, body := range []wire.EventBody{
		wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: at}, wire.HostConverged{ConvergedAt: at, CurrentClosure: "c1"},
	} {
		if err := p.applyEvent(wire.Event{Seq: p.lastNumber() + 1, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.applyRefused(4); err != nil {
		t.Fatal(err)
	}
	if err := p.renumber(4); err != nil {
		t.Fatal(err)
	}
	if p.rec.State != wire.Soaking || len(p.log) != 3 || p.lastNumber() != 4 {
		t.Fatalf("%v with %d events; the numbers up to %d are used", &p.rec, len(p.log), p.lastNumber())
	}
	if err := p.renumber(0); err == nil {
		t.Fatal("number 0 is renumbered")
	}
}
