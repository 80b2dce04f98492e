package generate

import (
	"time"

	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// drawSteering draws acts by which operators steer, in some runs of the profiles that
// draw them (PROTOCOL O): most that hold something back are ended by another one, or
// the fleet would seldom get anywhere.
func drawSteering(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "steer/"+p.Name, 0)
	if !r.Chance(p.Steer) || len(s.Rollouts) == 0 {
		return
	}
	add := func(at time.Duration, kind scenario.ActKind, n int, o *scenario.Rollout) {
		a := scenario.Act{At: at.Truncate(time.Second), Kind: kind, By: r.IntN(3)}
		if n > 0 {
			a.Hosts = scenario.Hosts{First: n, Last: n}
		}
		if o != nil {
			a.Rollout = o.ID
		}
		s.Acts = append(s.Acts, a)
	}
	for range 1 + r.IntN(4) {
		o := &s.Rollouts[r.IntN(len(s.Rollouts))]
		hosts := s.RolloutHosts(o)
		n := hosts[r.IntN(len(hosts))]
		at := o.At + r.Between(time.Second, 4*time.Minute)
		if r.Chance(200) {
			at = r.Between(time.Second, max(span, 2*time.Second))
		}
		later := at + r.Between(10*time.Second, 6*time.Minute)
		switch r.IntN(6) {
		case 0:
			add(at, scenario.ActPause, 0, o)
			if r.Chance(800) {
				add(later, scenario.ActResume, 0, o)
			}
		case 1:
			add(at, scenario.ActCordon, n, nil)
			if r.Chance(800) {
				add(later, scenario.ActUncordon, n, nil)
			}
		case 2, 3:
			add(at, scenario.ActSkip, n, o)
		case 4:
			add(at, scenario.ActForget, n, nil)
		default:
			add(at, scenario.ActAbort, 0, o)
		}
	}
}
