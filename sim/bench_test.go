package sim

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// runAll runs a scenario without checkers once per iteration, and reports how
// many events happen in a second.
func runAll(b *testing.B, s Scenario) {
	b.Helper()
	b.ReportAllocs()
	var events uint64
	var simulated time.Duration
	for b.Loop() {
		r, err := Run(s, Options{Checkers: []Checker{}})
		if err != nil {
			b.Fatal(err)
		}
		if r.Violation != nil {
			b.Fatal(r.Violation)
		}
		events += r.Events
		simulated += r.Simulated
	}
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(events)/float64(b.N), "events/op")
	b.ReportMetric(float64(events)/seconds, "events/s")
	b.ReportMetric(simulated.Seconds()/seconds, "simulated/wall")
}

// steadyFleet is a fleet in which nothing happens but heartbeats and polls.
func steadyFleet(hosts int) Scenario {
	return Scenario{Seed: 1, Fleet: Fleet{Hosts: hosts}, Active: 2 * time.Hour}
}

// BenchmarkWorld is a fleet of 1,000 hosts at rest for two hours.
func BenchmarkWorld(b *testing.B) { runAll(b, steadyFleet(1000)) }

// BenchmarkLargeWorld is the same with a hundred times the hosts, for ten
// minutes: what does not fit into a cache.
func BenchmarkLargeWorld(b *testing.B) {
	s := steadyFleet(100_000)
	s.Active = 10 * time.Minute
	s.Plane.Capacity = 4096
	runAll(b, s)
}

// BenchmarkWorldWithFaults is 50 hosts, three rollouts and faults of many kinds
// in two hours.
func BenchmarkWorldWithFaults(b *testing.B) { runAll(b, faultyFleet()) }

func faultyFleet() Scenario {
	s := Scenario{
		Seed: 1, Fleet: Fleet{Hosts: 50}, Network: NetworkModel{Loss: 10, Dup: 5},
		Active: 2 * time.Hour,
		Rollouts: []Rollout{
			{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Waves: []time.Duration{2 * time.Minute, 5 * time.Minute}},
			{At: 40 * time.Minute, ID: "stable@r2", Target: "c2", Policy: wire.RollbackAndHalt},
			{At: 80 * time.Minute, ID: "stable@r3", Target: "c3"},
		},
	}
	for _, line := range []string{
		"at 2m reply drop count=20",
		"at 3m reducer wedge for=12s",
		"at 5m net drop host=h1..h20 for=3m rate=300",
		"at 10m plane crash for=10s phase=after-commit",
		"at 15m net partition host=h30..h50 for=6m dir=up",
		"at 22m disk fail for=5s",
		"at 25m agent crash host=h4 for=20s",
		"at 41m agent amnesia host=h7..h9 for=5s",
		"at 42m probe fail host=h11 for=5m",
		"at 50m gate capacity for=5m size=4",
		"at 60m plane wipe for=30s",
		"at 70m clock skew host=h1..h25 for=30m each=-3h",
		"at 82m net dup for=10m rate=200",
		"at 90m net reorder for=10m each=4s",
		"at 100m host reboot host=h1..h50 for=1m",
	} {
		f, err := ParseFault(line)
		if err != nil {
			panic(err)
		}
		s.Faults = append(s.Faults, f)
	}
	return s
}
