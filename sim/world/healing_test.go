package world

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A fault that would last for hours is over at the healing: what is down comes up,
// and what was delayed comes.
func TestAtTheHealingEveryFaultIsOverHoweverLongItIs(t *testing.T) {
	for _, k := range scenario.FaultKinds() {
		for _, story := range faultStories[k] {
			f, err := scenario.ParseFault(story.fault)
			if err != nil {
				t.Fatal(err)
			}
			if f.For > 0 || !k.Instant() {
				f.For = 3 * time.Hour
			}
			if f.Each > 0 && k != scenario.PlaneClock && k != scenario.ClockSkew {
				f.Each = 3 * time.Hour
			}
			f.Count = 0
			t.Run(f.String(), func(t *testing.T) {
				r := play(t, storyScene+f.String())
				r.until(6*time.Minute + 3*time.Minute)
				if !r.w.plane.serving() {
					t.Errorf("the plane is %v 3 min after the healing", r.w.plane.state())
				}
				for i := range r.w.hosts {
					if !r.w.hosts[i].up {
						t.Errorf("h%d is down 3 min after the healing", i+1)
					}
				}
				for _, q := range r.w.queue.all() {
					timer := q.timer()
					if timer.at > r.w.now+10*time.Minute && !r.w.stale(&timer) && timer.kind != dueFaultEnd {
						t.Errorf("%v is due in %v", timer, timer.at-r.w.now)
					}
				}
				if result := r.finish(); result.Violation != nil {
					t.Error(result.Violation)
				}
			})
		}
	}
}
