package sim

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// runAll runs a scenario without checkers once per iteration, and reports how
// many events happen in a second.
func runAll(b *testing.B, s scenario.Scenario) {
	b.Helper()
	b.ReportAllocs()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as refrain sim does
	var events uint64
	var simulated time.Duration
	for b.Loop() {
		r, err := Run(s, Options{Checkers: []check.Checker{}})
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
func steadyFleet(hosts int) scenario.Scenario {
	return scenario.Scenario{Seed: 1, Fleet: scenario.Fleet{Hosts: hosts}, Active: 2 * time.Hour}
}

// BenchmarkWorld is a fleet at rest: ten hosts for a day, a thousand for two
// hours, and a hundred thousand for ten minutes, which fit into no cache.
func BenchmarkWorld(b *testing.B) {
	for _, size := range []struct {
		hosts  int
		active time.Duration
	}{{10, 24 * time.Hour}, {1_000, 2 * time.Hour}, {100_000, 10 * time.Minute}} {
		b.Run(fmt.Sprintf("hosts=%d", size.hosts), func(b *testing.B) {
			s := steadyFleet(size.hosts)
			s.Active = size.active
			s.Plane.Capacity = 4096
			runAll(b, s)
		})
	}
}

// BenchmarkMemoryPerVirtualHost reports what a host of a fleet at rest takes:
// its machine, its agent, what the plane knows of it, its open poll and its
// place in the queue.
func BenchmarkMemoryPerVirtualHost(b *testing.B) {
	const n = 100_000
	s := steadyFleet(n)
	s.Plane.Capacity = 4096
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		w, err := New(s, Options{Checkers: []check.Checker{}})
		if err != nil {
			b.Fatal(err)
		}
		for w.Now() < 5*time.Minute && w.Next() {
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/host")
		runtime.KeepAlive(w)
	}
}

// processorTime is how much of the processors this process has had.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// million lets [BenchmarkAMillionHosts] run.
const million = "REFRAIN_SIM_MILLION"

// BenchmarkAMillionHosts simulates a million hosts for an hour, and says how far
// it is after each simulated minute. It takes a good part of an hour and
// several gigabytes, so it runs only if asked to: make million.
func BenchmarkAMillionHosts(b *testing.B) {
	if os.Getenv(million) == "" {
		b.Skipf("takes long: set %s=1, or make million", million)
	}
	s := steadyFleet(1_000_000)
	s.Active = time.Hour
	// A million hosts that all start within six seconds, and a plane that is
	// fast enough to take them.
	s.Plane.Capacity, s.Plane.Service = 1<<16, time.Microsecond
	for b.Loop() {
		w, err := New(s, Options{Checkers: []check.Checker{}})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		for minute := time.Minute; w.Next(); {
			if w.Now() >= minute {
				took := time.Since(start)
				b.Logf("%v simulated in %v, %v of a processor: %d events, %.0f/s",
					minute, took.Round(time.Second), processorTime(b).Round(time.Second), w.Step(), float64(w.Step())/took.Seconds())
				minute += time.Minute
			}
		}
		r := w.Result()
		if r.Violation != nil {
			b.Fatal(r.Violation)
		}
		b.ReportMetric(float64(r.Events)/time.Since(start).Seconds(), "events/s")
		b.ReportMetric(float64(r.Events), "events/op")
	}
}

// BenchmarkWorldWithFaults is 50 hosts, three rollouts and faults of many kinds
// in two hours.
func BenchmarkWorldWithFaults(b *testing.B) { runAll(b, sabotage.FaultyStory()) }
