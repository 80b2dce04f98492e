package scenarios_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/failure"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// signedSeeds is how many seeds are played in each profile.
const signedSeeds = 15

// What profiles draw keeps every rule also when a signed release has the rollouts,
// and releases are signed again, the last as well as older ones and some with other
// contents. Profiles draw no signed rollouts by themselves, so that their seeds stay
// what they are. PROTOCOL V4 to V7
func TestSignedRolloutsKeepTheRulesInDrawnScenarios(t *testing.T) {
	seen := map[wire.Code]int{}
	offered, withheld := 0, 0
	for _, profile := range generate.Profiles() {
		for seed := range uint64(signedSeeds) {
			s := signedScenario(seed, generate.Scenario(seed, profile))
			w, err := world.New(s, world.Options{Rest: check.Rest})
			if err != nil {
				t.Fatal(err)
			}
			check.Attach(w, nil)
			w.Subscribe(world.EventStepDone, func(e *world.Event) {
				switch e.Input.(type) {
				case *plane.Release:
					seen[e.Reply.Outcome.Code]++
				case *plane.Poll:
					if d, offers := e.Reply.Outcome.Document.(*wire.Dispatch); offers {
						if r, _ := e.World.Plane().Rollout(d.RolloutID); r != nil && bool(r.Signed) {
							offered++
						}
					}
				}
			})
			w.Subscribe(world.EventPlaneStarted, func(e *world.Event) {
				for i := range s.Rollouts {
					if r, _ := e.World.Plane().Rollout(s.Rollouts[i].ID); r != nil && bool(r.Signed) && r.Counts.Pending > 0 {
						withheld++
					}
				}
			})
			for w.Next() {
			}
			if v := w.Violation(); v != nil {
				kept, err := failure.Keep(t, "signed.scenario", s.String())
				t.Fatalf("profile %s, seed %d: %v\nthe scenario is in %s (%v)", profile.Name, seed, v, kept, err)
			}
		}
	}
	for _, code := range []wire.Code{wire.NoContent, wire.ManifestConflict, wire.RolloutSuperseded} {
		if seen[code] == 0 {
			t.Errorf("no release was answered %v", code)
		}
	}
	if offered == 0 || withheld == 0 {
		t.Errorf("%d dispatches of signed rollouts, %d starts with some that wait for the release; want some of both", offered, withheld)
	}
}

// signedScenario makes a scenario's rollouts signed ones, and has releases signed
// again meanwhile.
func signedScenario(seed uint64, s scenario.Scenario) scenario.Scenario {
	s = s.Filled()
	r := rand.New(rand.NewPCG(seed, 34))
	// Profiles draw planes that just keep up with their hosts. The directory of releases
	// is one caller more.
	s.Plane.Service = min(s.Plane.Service, 50*time.Millisecond)
	var signed []int
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		if s.IsHostile(o) {
			continue
		}
		o.Signed, o.Serial, o.Unordered = true, 0, false
		signed = append(signed, i)
	}
	s.Plane.SignedOnly = len(signed) == len(s.Rollouts) && r.IntN(2) == 0
	for range 2 * len(signed) {
		o := &s.Rollouts[signed[r.IntN(len(signed))]]
		if o.At >= s.Active {
			continue
		}
		a := scenario.Act{Kind: scenario.ActSign, Rollout: o.ID, At: o.At + time.Duration(r.Int64N(int64(s.Active-o.At)))}
		if r.IntN(5) == 0 {
			a.Soak = time.Duration(6+r.IntN(4)) * time.Minute
		}
		s.Acts = append(s.Acts, a)
	}
	// What lies in the directory in the end is the newest, signed again.
	if len(signed) > 0 {
		last := slices.MaxFunc(signed, func(a, b int) int { return int(s.Rollouts[a].At - s.Rollouts[b].At) })
		s.Acts = append(s.Acts, scenario.Act{Kind: scenario.ActSign, Rollout: s.Rollouts[last].ID, At: max(s.Active, s.Rollouts[last].At)})
		s.Active = max(s.Active, s.Rollouts[last].At) + time.Second
	}
	return s
}
