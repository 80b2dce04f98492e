package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// recovery is what a fleet does after its plane lost its disk, by the second.
type recovery struct {
	up                                time.Duration
	underWay, events, refused, behind []int
	putOff                            uint64
	// shortest and longest are the Retry-After of what was refused.
	shortest, longest time.Duration
	well              time.Duration // when the plane knew every host again
}

func (c *recovery) watch(w *world.World) {
	at := func(list *[]int) *int {
		second := int((w.Now() - c.up) / time.Second)
		for len(*list) <= second {
			*list = append(*list, 0)
		}
		return &(*list)[second]
	}
	w.Subscribe(world.EventPlaneDown, func(*world.Event) { *c = recovery{up: -1} })
	w.Subscribe(world.EventPlaneStarted, func(*world.Event) { c.up = w.Now() })
	w.Subscribe(world.EventStepDone, func(e *world.Event) {
		if c.up <= 0 || w.Plane() == nil || e.Message == nil {
			return
		}
		if route := e.Message.Kind(); route == scenario.RouteEvent {
			*at(&c.events)++
		}
	})
	w.Subscribe(world.EventAnswered, func(e *world.Event) {
		if o := e.Message.Outcome(); c.up > 0 && o.Code.Unavailable() {
			*at(&c.refused)++
			c.longest = max(c.longest, o.RetryAfter)
			if c.shortest == 0 || o.RetryAfter < c.shortest {
				c.shortest = o.RetryAfter
			}
		}
	})
	w.Subscribe(world.EventStepEnded, func(*world.Event) {
		if c.up <= 0 || w.Plane() == nil || c.well > 0 {
			return
		}
		second := int((w.Now() - c.up) / time.Second)
		if len(c.behind) > second && w.Step()%1024 != 0 {
			return
		}
		s := w.Plane().Stats()
		known := s.Records[wire.Converged]
		*at(&c.behind) = w.Scenario().Fleet.Hosts - known
		*at(&c.underWay) = max(*at(&c.underWay), s.ReplaysUnderWay)
		c.putOff = s.ReplaysPutOff
		if known == w.Scenario().Fleet.Hosts {
			c.well = w.Now() - c.up
		}
	})
}

// String is a line for every half minute, since the log of a benchmark is short.
func (c *recovery) String() string {
	const step = 30
	var b strings.Builder
	b.WriteString("seconds  replays at most  events/s at most  503/s at most  hosts behind\n")
	most := func(list []int, from int) int {
		n := 0
		for i := from; i < min(from+step, len(list)); i++ {
			n = max(n, list[i])
		}
		return n
	}
	for from := 0; from < len(c.behind); from += step {
		last := c.behind[min(from+step-1, len(c.behind)-1)]
		fmt.Fprintf(&b, "%3d-%-3d  %15d  %16d  %13d  %12d\n", from, from+step, most(c.underWay, from), most(c.events, from), most(c.refused, from), last)
	}
	return b.String()
}

// BenchmarkWipedFleet wipes the plane of 100,000 hosts that have converged, and
// shows how it learns of them again: with the default limit for replays, and with
// none. A disk takes 20 ms for a commit.
func BenchmarkWipedFleet(b *testing.B) {
	const hosts = 100_000
	for _, replays := range []int{256, 65_536} {
		b.Run(fmt.Sprintf("replays=%d", replays), func(b *testing.B) {
			s := scenario.Scenario{
				Seed: 1, Fleet: scenario.Fleet{Hosts: hosts, Probes: -1}, Active: 9 * time.Minute,
				Plane:    scenario.PlaneModel{Capacity: 1024, Batch: 256, Replays: replays, Service: 50 * time.Microsecond, Commit: scenario.Range{Min: 20 * time.Millisecond, Max: 20 * time.Millisecond}},
				Rollouts: []scenario.Rollout{{At: 10 * time.Second, ID: "stable@r1", Target: "c1", Waves: []time.Duration{time.Minute}}},
				Faults:   []scenario.Fault{{At: 5 * time.Minute, Kind: scenario.PlaneWipe, For: 5 * time.Second}},
			}
			for b.Loop() {
				w, err := New(s, Options{Checkers: []check.Checker{}})
				if err != nil {
					b.Fatal(err)
				}
				var c recovery
				c.watch(w.World)
				for w.Now() < 9*time.Minute && c.well == 0 && w.Next() {
				}
				if v := w.Violation(); v != nil {
					b.Fatal(v)
				}
				b.Logf("every host known again after %v; %d put off; Retry-After %v to %v\n%v",
					c.well.Round(time.Millisecond), c.putOff, c.shortest, c.longest, &c)
				b.ReportMetric(c.well.Seconds(), "well-s")
			}
		})
	}
}
