package record

import (
	"reflect"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
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

func watch(t *testing.T, text string) (*Witness, check.Verdict) {
	t.Helper()
	s := mustParse(t, text)
	witness := &Witness{}
	_, seen := observed(t, s, witness.Attach)
	if seen.Violation != nil {
		t.Fatal(seen.Violation)
	}
	unseen := unobserved(t, s)
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
	for _, c := range wire.UnavailableCodes {
		effect, named := scenario.EffectNamed(c.String())
		if !named || answers[c] != result.Effects[effect] {
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
