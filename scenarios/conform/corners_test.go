package conform

import (
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// corners are scenarios that bring about what few seeds do, one for each thing
// that a server could do differently and nobody would see.
var corners = []struct {
	what, text string
	// shows has to be an answer on the tape, or the scenario has missed its corner.
	shows int
}{
	{"a small inbox, a wedge, a wipe, a shutdown that refuses polls", crowded, 503},
	{"hosts speak in the names of others that begin like their own", `
seed 11
fleet 12 interval=15s hostile=3 probes=-1
active 3m
`, 403},
	{"the last of twelve shows the certificate of the first", `
seed 12
fleet 12 interval=15s
at 20s cert wrong host=h12 for=40s
active 60s
`, 403},
	{"requests come while a failed batch is let go of and the plane is built again", `
seed 3
fleet 8 interval=15s activation=2s..4s
rollout stable@r1 at=5s target=c1 waves=0s,0s policy=halt
at 6s disk fail for=6s
at 40s disk fail count=1
rollout stable@r2 at=41s target=c2 waves=0s policy=halt
active 80s
`, 503},
	{"polls wait when the commit fails that would have woken them", `
seed 4
fleet 4 interval=15s activation=2s..4s
at 9s disk fail count=1
rollout stable@r1 at=10s target=c1 waves=0s policy=halt
active 30s
`, 503},
	{"a poll waits, its certificate is revoked, and there is work for it", `
seed 6
fleet 3 interval=15s
at 10s revoke h2
rollout stable@r1 at=20s target=c1 waves=0s policy=halt
active 40s
`, 401},
	{"a plane that is up for long before it has loaded its log", `
seed 7
fleet 5 interval=15s
at 10s plane late for=20s
at 40s revoke h1
at 45s plane late for=10s
active 70s
`, 503},
	{"polls come twice, and the newer takes the older one's place", `
seed 13
fleet 3 interval=15s
at 1s net dup for=1m rate=900
active 70s
`, 204},
	{"polls wait when the plane shuts down, and one is inside", `
seed 8
fleet 30 interval=15s
plane capacity=4 service=200ms
at 20s plane restart for=3s each=2s
at 40s plane restart for=3s each=100ms
active 60s
`, 503},
	{"the wall clock is set, in both directions", `
seed 9
fleet 4 interval=15s
rollout stable@r1 at=5s target=c1 waves=1m policy=halt
at 20s plane clock each=-3h
at 30s revoke h3 reissue=20s
at 60s plane clock each=5h
at 90s plane clock each=-1000h
at 2m plane clock each=1000h
active 150s
`, 401},
	{"a whole fleet is turned away for minutes, and none of it is unreachable", `
seed 10
fleet 40 interval=15s
plane capacity=1 service=2s
active 3m
`, 503},
	{"clients give their polls up", `
seed 3
fleet 6 interval=15s activation=2s..4s
at 20s net delay route=poll each=15s for=1m
rollout stable@r1 at=2m40s target=c1 waves=0s,0s policy=halt
at 3m plane suspend for=80s
active 6m
`, 204},
}

func TestTheCornersThatFewSeedsReach(t *testing.T) {
	certificates, err := NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	for _, corner := range corners {
		t.Run(corner.what, func(t *testing.T) {
			t.Parallel()
			scenario, err := scenario.ParseScenario(corner.text)
			if err != nil {
				t.Fatal(err)
			}
			o := Compare(Case{Name: corner.what, Scenario: scenario}, 700, certificates, nil)
			switch {
			case o.Err != nil:
				t.Error(o.Err)
			case o.Difference != nil:
				t.Errorf("simulator and server differ\n%v", o.Difference)
			case o.Codes[corner.shows] == 0:
				t.Errorf("no answer is %d: %v", corner.shows, o.Codes)
			}
		})
	}
}
