package sqlite

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

// BenchmarkCommit commits batches of events of as many hosts. In addition to the
// time of a commit it reports durable events per second, CPU time per event, and
// the median and 99th percentile of a commit.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := fresh(b)
			f := newFleetRig(b, 1000)
			f.Commit(s)
			times := make([]time.Duration, 0, b.N)
			var cpu time.Duration
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				for range size {
					f.event()
				}
				entries, rows := f.Batch()
				b.StartTimer()
				began, before := time.Now(), cpuTime(b)
				if err := s.Commit(entries, slices.Values(rows)); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(began))
				cpu += cpuTime(b) - before
			}
			b.StopTimer()
			var total time.Duration
			for _, d := range times {
				total += d
			}
			slices.Sort(times)
			b.ReportMetric(float64(size*b.N)/total.Seconds(), "events/s")
			b.ReportMetric(float64(cpu.Microseconds())/float64(size*b.N), "cpu-µs/event")
			b.ReportMetric(times[len(times)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(times[len(times)*99/100].Seconds()*1e3, "p99-ms")
		})
	}
}

// fleetRig is a plane with one rollout over many hosts that keep sending events.
type fleetRig struct {
	*storetest.Rig
	next int
}

func newFleetRig(t testing.TB, hosts int) *fleetRig {
	f := &fleetRig{Rig: storetest.NewRig(t, 1)}
	m := wire.Manifest{Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
	for i := range hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{
			Hostname: wire.Hostname(fmt.Sprintf("host-%06d.fleet.example.com", i)), TargetClosure: "0c8f6bd0ns0xvgkqx6s8d0crymb0xw3i-nixos-system-26.05",
		})
	}
	f.Hosts = hosts
	f.Step(&plane.OpenRollout{Manifest: m})
	return f
}

// event steps an event of the next host.
func (f *fleetRig) event() {
	host := wire.Hostname(fmt.Sprintf("host-%06d.fleet.example.com", f.next%f.Hosts))
	f.next++
	rec, _ := f.Plane.Record("stable@r1", host)
	var body wire.EventBody = wire.ProbeResult{ProbeName: "http", Mode: wire.Enforce, Status: wire.Pass, ObservedAt: f.Wall()}
	switch rec.State {
	case wire.Pending:
		body = wire.DispatchAck{CurrentClosureAtDispatch: "zz0", ReceivedAt: f.Wall()}
	case wire.Activating:
		body = wire.ActivationCompleted{ObservedCurrentClosure: rec.TargetClosure, CompletedAt: f.Wall()}
	}
	f.Step(&plane.Event{Envelope: wire.EventEnvelope{Hostname: host, RolloutID: "stable@r1", Event: wire.Event{Seq: rec.LastEventSeq + 1, Body: body}}})
}

// sizes are the sizes of the files that loading and auditing are measured with.
// The large one takes a minute to create.
var sizes = []struct{ hosts, entries int }{{1000, 10_000}, {100_000, 1_000_000}}

// filled creates a file with a rollout over hosts and a log of entries.
func filled(b *testing.B, hosts, entries int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "plane.db")
	s, err := Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	f := newFleetRig(b, hosts)
	f.Commit(s)
	for n := 1; n < entries; {
		for ; n < entries && len(f.Out.Entries) < 5000; n++ {
			f.event()
		}
		f.Entries = nil // the rig keeps them for small tests
		f.Commit(s)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// cpuTime returns the CPU time that this process has used. On a shared machine it
// is a better measure than elapsed time.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFile measures operations on a whole file: a start, which opens it and
// loads the plane from its tables, with the heap that the plane needs; and an
// audit.
func BenchmarkFile(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("hosts=%d/entries=%d", size.hosts, size.entries), func(b *testing.B) {
			path := filled(b, size.hosts, size.entries)
			b.Run("start", func(b *testing.B) { benchmarkStart(b, path, size.hosts) })
			b.Run("audit", func(b *testing.B) { benchmarkAudit(b, path, size.entries) })
		})
	}
}

func benchmarkStart(b *testing.B, path string, hosts int) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var taken uint64
	var cpu time.Duration
	for range b.N {
		b.StopTimer()
		before, began := heap(), cpuTime(b)
		b.StartTimer()
		s, err := Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		p, err := s.Load(b.Context(), plane.Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		cpu += cpuTime(b) - began
		taken = heap() - before
		runtime.KeepAlive(p)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s")
	b.ReportMetric(float64(taken)/(1<<20), "MiB")
	b.ReportMetric(float64(taken)/float64(hosts), "bytes/host")
}

func benchmarkAudit(b *testing.B, path string, entries int) {
	l := reader(b, path)
	began := cpuTime(b)
	for range b.N {
		report, err := l.Audit(b.Context(), nil)
		if err != nil || report.Difference != nil || report.Entries != entries {
			b.Fatal(report, err)
		}
	}
	cpu := cpuTime(b) - began
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s")
	b.ReportMetric(float64(entries*b.N)/cpu.Seconds(), "entries/cpu-s")
}
