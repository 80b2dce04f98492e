package sim

import (
	"reflect"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// witnessed is a scenario in which everything happens that a witness writes
// down.
const witnessed = `
seed 11
fleet 5 interval=20s hostile=1
plane reply-timeout=2s
network loss=20 dup=50
rollout stable@r1 at=20s target=c1 hosts=h1..h4 waves=1m
at 30s reply drop for=1m count=3 after=yes
at 1m reducer wedge for=6s
at 2m plane crash for=3s
at 3m plane wipe for=3s
at 4m gate capacity size=1 for=1m
at 4m1s reducer slow each=1s for=59s
active 6m
`

func watch(t *testing.T, text string) (*Witness, Result) {
	t.Helper()
	s, err := scenario.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	witness := &Witness{}
	seen, err := Run(s, Options{Witness: witness})
	if err != nil {
		t.Fatal(err)
	}
	if seen.Violation != nil {
		t.Fatal(seen.Violation)
	}
	unseen, err := Run(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(seen, unseen) {
		t.Errorf("with a witness the run is another:\n%+v\n%+v", seen, unseen)
	}
	return witness, seen
}

func TestAWitnessSeesWhatTheRunCountsAndChangesNothing(t *testing.T) {
	witness, result := watch(t, witnessed)
	kinds := make(map[SightKind]uint64)
	answers := make(map[wire.Code]uint64)
	for _, s := range witness.Sights {
		kinds[s.Kind]++
		if s.Kind == SightAnswered {
			answers[s.Exchange.Outcome.Code]++
		}
	}
	for k := SightArrived; k <= SightStarted; k++ {
		if kinds[k] == 0 {
			t.Errorf("no sight of kind %d", k)
		}
	}
	for code, effect := range unavailableEffects {
		if c := wire.Code(code); c.Unavailable() && answers[c] != result.Effects[effect] {
			t.Errorf("%d answers %v were seen, the run counts %d", answers[c], c, result.Effects[effect])
		}
	}
	if got, want := kinds[SightDown]+kinds[SightWiped], result.Effects[scenario.EffectPlaneCrash]; got != want {
		t.Errorf("the plane was seen to go down %d times, the run counts %d", got, want)
	}
}

func TestAWitnessKnowsWhatBecameOfARequest(t *testing.T) {
	witness, _ := watch(t, witnessed)
	heard := 0
	for i, x := range witness.Exchanges {
		ordered := x.ArrivedAt >= x.SentAt &&
			(x.AdmittedAt == Never || x.AdmittedAt >= x.ArrivedAt) &&
			(x.SteppedAt == Never || x.SteppedAt >= x.ArrivedAt) &&
			(x.FinishedAt == Never || x.FinishedAt >= x.SteppedAt) &&
			(x.AnsweredAt == Never || x.AnsweredAt >= x.ArrivedAt)
		if !ordered {
			t.Errorf("exchange %d is out of order: %+v", i, x)
		}
		if x.HeardAt == Never || x.Heard.Status == 0 {
			continue
		}
		heard++
		if x.Duplicate || x.AnsweredAt == Never || x.HeardAt <= x.AnsweredAt || x.Heard.Status != x.Outcome.Code.Status() {
			t.Errorf("exchange %d was heard in another way than it was answered: %+v", i, x)
		}
	}
	if heard == 0 {
		t.Error("no host heard anything")
	}
}

func TestOnlyALivingPlaneAndALivingAgentCanBeLookedAt(t *testing.T) {
	s, err := scenario.ParseScenario("fleet 2\nat 1m plane crash for=5s\nat 1m agent crash host=h1 for=5s\nactive 2m\n")
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	down := 0
	for w.Next() {
		died := time.Minute <= w.Now() && w.Now() < time.Minute+5*time.Second
		if (w.Agent(1) == nil) != died && w.Now() > 0 && w.Now() != time.Minute && w.Now() != time.Minute+5*time.Second {
			t.Fatalf("at %v there is an agent: %v", w.Now(), w.Agent(1) != nil)
		}
		if w.Plane() == nil && w.Now() > 0 {
			down++
		}
	}
	if down == 0 || w.Agent(2) == nil || w.Plane() == nil || w.Runs(1) != "c0" {
		t.Errorf("%d steps without a plane; at the end h1 runs %s", down, w.Runs(1))
	}
}
