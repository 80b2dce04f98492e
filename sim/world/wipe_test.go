package world

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/sample"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// wipeWatch follows a fleet after the plane has lost everything.
type wipeWatch struct {
	upAt    time.Duration // when the plane was up again
	seen    map[string]bool
	allSeen time.Duration
	resent  map[int]int // by second after upAt: events that were replayed and taken
	curve   []int       // by second: hosts with events to send again
	views   []agent.View
}

func (c *wipeWatch) planeDown(e *Event) {
	wiped := e.Wiped
	if wiped {
		c.seen, c.resent, c.upAt, c.allSeen = map[string]bool{}, map[int]int{}, -1, -1
	}
}

func (c *wipeWatch) planeStarted(e *Event) {
	w := e.World
	if c.seen != nil && c.upAt < 0 {
		c.upAt = w.now
	}
}

func (c *wipeWatch) stepDone(e *Event) {
	w, m, in := e.World, e.Message, e.Input
	if c.seen == nil || c.upAt < 0 || m == nil || m.node < 0 {
		return
	}
	c.seen[m.identity.Name] = true
	if c.allSeen < 0 && len(c.seen) == len(w.hosts) {
		c.allSeen = w.now - c.upAt
	}
	if _, is := in.(*plane.Event); is {
		c.resent[int((w.now-c.upAt)/time.Second)]++
	}
}

func (c *wipeWatch) stepped(e *Event) {
	w := e.World
	if c.seen == nil || c.upAt < 0 {
		return
	}
	for len(c.curve) <= int((w.now-c.upAt)/time.Second) {
		sending := 0
		for i := range w.hosts {
			c.views = w.hosts[i].agent.Views(c.views[:0])
			for _, v := range c.views {
				if v.Unsent {
					sending++
					break
				}
			}
		}
		c.curve = append(c.curve, sending)
	}
}

// A plane that lost its database is whole again by itself: every host is
// visible within two intervals, every record is right within the budget.
// PROTOCOL R6, H2, H3, A3, A4
func TestAThousandHostsAreVisibleAgainWithinTwoIntervalsOfAWipe(t *testing.T) {
	watch := &wipeWatch{}
	s := scenario.Scenario{
		Seed:  1,
		Fleet: scenario.Fleet{Hosts: 1000},
		Rollouts: []scenario.Rollout{
			{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Waves: []time.Duration{20 * time.Minute}},
		},
		Faults: []scenario.Fault{{At: 10 * time.Minute, Kind: scenario.PlaneWipe, For: 5 * time.Second}},
	}
	w := checked(t, s)
	w.Subscribe(EventPlaneDown, watch.planeDown)
	w.Subscribe(EventPlaneStarted, watch.planeStarted)
	w.Subscribe(EventStepDone, watch.stepDone)
	w.Subscribe(EventStepEnded, watch.stepped)
	w.Run(0)
	r := w.Result()
	if r.Violation != nil {
		t.Fatal(r.Violation)
	}
	if interval := time.Minute; watch.allSeen < 0 || watch.allSeen > 2*interval {
		t.Errorf("every host was seen %v after the plane was up again, want within %v", watch.allSeen, 2*interval)
	}
	if r.Effects[scenario.EffectAgentReplays] == 0 {
		t.Error("no host sent anything again: the wipe did not matter")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "every host was seen again after %v; at rest %v after healing; %d events, %d replays asked\n",
		watch.allSeen.Round(time.Millisecond), r.Settled, r.Events, r.Effects[scenario.EffectReplayAsked])
	const title = "second  hosts with events to send again, and events taken\n"
	curve, some := title, title
	for second := range min(len(watch.curve), 30) {
		line := fmt.Sprintf("%6d  %4d %5d %s", second, watch.curve[second], watch.resent[second], strings.Repeat("#", watch.curve[second]/10))
		line = strings.TrimRight(line, " ") + "\n"
		curve += line
		if second <= 5 || second%10 == 0 {
			some += line
		}
	}
	t.Log("\n" + b.String() + curve)
	if !testing.Short() { // as the mutants' unit tests are run: it is no rule
		sample.Check(t, "../../docs/simulation.md", "a wipe", map[string]string{"curve": sample.Block("", some)})
	}
}

// The operator hears that the rollout is open when the plane has lost it and
// has read its directory already: the directory changes, and is read again.
// PROTOCOL R6
func TestAPlaneReadsAManifestThatComesAfterItsStart(t *testing.T) {
	r := play(t, `
fleet 2
network delay=10ms..10ms
rollout stable@r1 at=10s target=c1
at 9s net delay for=5s each=2s
at 12100ms plane wipe for=100ms
active 20s
`)
	if result := r.finish(); result.Effects[scenario.EffectPlaneWipe] != 1 {
		t.Errorf("%d wipes, want one", result.Effects[scenario.EffectPlaneWipe])
	}
	if rec := r.record(1); rec.State != wire.Converged {
		t.Errorf("the record is %v, want it Converged", rec.State)
	}
}
