package plane_test

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Drives the plane by hand: time and inputs go in, what shall happen comes out as
// data. Nothing else happens: no clock, no disk, no network.
func Example() {
	p, err := plane.New(plane.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	var out plane.Output
	step := func(after time.Duration, in plane.Input) {
		out.Reset()
		p.Step(wire.Instant{Mono: after, Wall: wire.TimeOf(start.Add(after))}, in, &out)
		fmt.Printf("%v %v\n", after, in)
		for _, e := range out.Entries {
			fmt.Printf("  to make durable: %v\n", e)
		}
		for _, r := range out.Replies {
			fmt.Printf("  reply after %d entries: %v\n", r.AfterEntries, r.Outcome.Code)
		}
		for _, host := range out.Wakes {
			fmt.Printf("  wake %s\n", host)
		}
	}
	step(0, &plane.Started{})
	step(time.Second, &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "web-1", CurrentClosure: "c0", At: wire.TimeOf(start)}})
	step(2*time.Second, &plane.OpenRollout{Manifest: wire.Manifest{
		Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}},
		Hosts: []wire.ManifestHost{{Hostname: "web-1", TargetClosure: "c1"}},
	}})
	step(3*time.Second, &plane.Poll{Hostname: "web-1"})
	// Output:
	// 0s started
	// 1s heartbeat web-1 rollout=- closure=c0 at=2026-01-31T12:00:00Z
	//   reply after 0 entries: ok
	// 2s open stable@r1 hosts=1 waves=1 policy=halt
	//   to make durable: #1 opened applied: open stable@r1 hosts=1 waves=1 policy=halt
	//   reply after 1 entries: created
	//   wake web-1
	// 3s poll web-1
	//   reply after 0 entries: ok
}
