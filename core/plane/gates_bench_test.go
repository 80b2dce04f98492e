package plane_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// BenchmarkGates measures an event that may let hosts of a rollout with gates go: the
// gates of all of its hosts are judged anew.
func BenchmarkGates(b *testing.B) {
	for _, hosts := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			m := wire.Manifest{Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
			budget := wire.DisruptionBudget{Name: "all", MaxInFlight: 10}
			for i := range hosts {
				name := fmt.Sprintf("h%05d", i)
				m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(name), TargetClosure: "c2"})
				budget.Hosts = append(budget.Hosts, wire.Name(name))
			}
			m.Gates = wire.Gates{Budgets: []wire.DisruptionBudget{budget}, Compliance: true}
			p, err := plane.New(plane.Config{Slice: hosts})
			if err != nil {
				b.Fatal(err)
			}
			var out plane.Output
			p.Step(instant(0), &plane.Started{}, &out)
			p.Step(instant(0), &plane.OpenRollout{Manifest: m}, &out)
			p.Step(instant(0), event("h00000", "stable@r1", 1, wire.DispatchAck{CurrentClosureAtDispatch: "c1", ReceivedAt: at(1)}), &out)
			p.Step(instant(0), event("h00000", "stable@r1", 2, wire.ActivationCompleted{ObservedCurrentClosure: "c2", CompletedAt: at(1)}), &out)
			seq := wire.Seq(2)
			for b.Loop() {
				seq++
				out.Reset()
				p.Step(instant(time.Duration(seq)*time.Hour), event("h00000", "stable@r1", seq, wire.ProbeResult{ProbeName: "web", Mode: wire.Enforce, Status: []wire.ProbeStatus{wire.Pass, wire.Fail}[seq%2], ObservedAt: at(int(seq))}), &out)
				if len(out.Entries) != 1 {
					b.Fatal("the event is not taken")
				}
			}
		})
	}
}
