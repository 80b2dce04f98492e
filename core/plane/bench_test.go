package plane

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Closures and names of the length that NixOS fleets have.
func benchHost(i int) wire.Hostname { return wire.Hostname(fmt.Sprintf("web-%07d.fleet", i)) }
func benchClosure(i int) wire.Closure {
	return wire.Closure(fmt.Sprintf("0c5kq1y0q1xk2v3v7n8yq2s0gq5m0b2a-nixos-system-web-%07d-26.05", i))
}

var benchStart = wire.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))

func benchInstant(d time.Duration) wire.Instant {
	return wire.Instant{Mono: d, Wall: benchStart.Add(d)}
}

// finishedFleet returns a plane that knows n hosts, each with one converged
// record, by way of the events that a host really sends.
func finishedFleet(tb testing.TB, n int) *Plane {
	tb.Helper()
	p, err := New(Config{Slice: n}) // opened in one step
	if err != nil {
		tb.Fatal(err)
	}
	var out Output
	p.Step(benchInstant(0), &Started{}, &out)
	m := wire.Manifest{
		Channel: "stable", ChannelRef: "r1",
		Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{SoakMinutes: 0}}},
	}
	for i := range n {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: benchHost(i), TargetClosure: benchClosure(i)})
	}
	p.Step(benchInstant(0), &OpenRollout{Manifest: m}, &out)
	for i := range n {
		out.Reset()
		for seq, body := range []wire.EventBody{
			wire.DispatchAck{CurrentClosureAtDispatch: benchClosure(i + n), ReceivedAt: benchStart},
			wire.ActivationStarted{StartedAt: benchStart, SwitchMethod: "switch"},
			wire.ActivationCompleted{ObservedCurrentClosure: benchClosure(i), CompletedAt: benchStart},
			wire.HostConverged{ConvergedAt: benchStart, CurrentClosure: benchClosure(i)},
		} {
			p.Step(benchInstant(0), &Event{Envelope: wire.EventEnvelope{
				Hostname: benchHost(i), RolloutID: m.ID(), Event: wire.Event{Seq: wire.Seq(seq + 1), Body: body},
			}}, &out)
		}
		p.Step(benchInstant(0), &Heartbeat{Request: wire.HeartbeatRequest{
			Hostname: benchHost(i), CurrentClosure: benchClosure(i), At: benchStart,
		}}, &out)
		for _, r := range out.Replies {
			if r.Outcome.Code.Reason() != "" {
				tb.Fatalf("setting up host %d: %v", i, r)
			}
		}
	}
	if got := p.Stats().Records[wire.Converged]; got != n {
		tb.Fatalf("%d of %d hosts converged", got, n)
	}
	return p
}

// BenchmarkSteadyHeartbeat steps heartbeats of hosts in no helpful order, so
// that the caches help the plane as little as in production. The requests
// themselves are fresh in the cache there, since they were just decoded; so a
// round of them is written before it is timed, and ns/step is the figure to
// look at. Target: 250 ns and no allocation with a million hosts.
func BenchmarkSteadyHeartbeat(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			p := finishedFleet(b, n)
			const round, stride = 256, 7_919 * 31 // prime to n: visits every host
			var beats [round]Heartbeat
			var out Output
			var stepping time.Duration
			now := benchInstant(time.Second)
			runtime.GC()
			b.ResetTimer()
			for i := 0; i < b.N; i += round {
				for k := range beats {
					h := (i + k) * stride % n
					beats[k].Request = wire.HeartbeatRequest{Hostname: benchHost(h), CurrentClosure: benchClosure(h), At: benchStart}
				}
				start := time.Now()
				for k := range beats {
					out.Reset()
					p.Step(now, &beats[k], &out)
				}
				stepping += time.Since(start)
			}
			b.ReportMetric(float64(stepping)/float64((b.N+round-1)/round*round), "ns/step")
		})
	}
}

// BenchmarkMemoryPerHost reports what the plane keeps of a host with one
// finished rollout. Target: 600 bytes.
func BenchmarkMemoryPerHost(b *testing.B) {
	const n = 100_000
	for range b.N {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		p := finishedFleet(b, n)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/host")
		runtime.KeepAlive(p)
	}
}

// BenchmarkJudgeLiveness ticks a plane in which somebody may be due every
// time, which is the worst case: the walk over every host.
func BenchmarkJudgeLiveness(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			p := finishedFleet(b, n)
			var out Output
			now := benchInstant(time.Second)
			for b.Loop() {
				out.Reset()
				p.liveness.quietUntil = 0
				p.Step(now, &Tick{}, &out)
			}
		})
	}
}

// BenchmarkEvent steps the first event of ever new records.
func BenchmarkEvent(b *testing.B) {
	const n = 100_000
	var p *Plane
	var out Output
	events := make([]Event, n)
	for i := range events {
		events[i].Envelope = wire.EventEnvelope{
			Hostname: benchHost(i), RolloutID: "stable@r2",
			Event: wire.Event{Seq: 1, Body: wire.DispatchAck{CurrentClosureAtDispatch: benchClosure(i + n), ReceivedAt: benchStart}},
		}
	}
	m := wire.Manifest{Channel: "stable", ChannelRef: "r2", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
	for i := range n {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: benchHost(i), TargetClosure: benchClosure(i)})
	}
	b.ReportAllocs()
	for i := range b.N {
		if i%n == 0 {
			b.StopTimer()
			p, _ = New(Config{})
			out.Reset()
			p.Step(benchInstant(0), &OpenRollout{Manifest: m}, &out)
			b.StartTimer()
		}
		out.Reset()
		p.Step(benchInstant(0), &events[i%n], &out)
	}
}

// BenchmarkAppendState writes the whole state of a fleet.
func BenchmarkAppendState(b *testing.B) {
	const n = 10_000
	p := finishedFleet(b, n)
	var state []byte
	for b.Loop() {
		state = p.AppendState(state[:0])
	}
	b.ReportMetric(float64(len(state))/n, "bytes/host")
}

// BenchmarkOverview asks for an overview: of a fleet at rest, whose hosts are looked at
// and not their records, and of one in which every host has a rollout under way.
func BenchmarkOverview(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			rest := finishedFleet(b, n)
			b.Run("at-rest", func(b *testing.B) { overviews(b, rest) })
			m := wire.Manifest{Channel: "stable", ChannelRef: "r2", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
			for i := range n {
				m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: benchHost(i), TargetClosure: benchClosure(i + n)})
			}
			var out Output
			rest.Step(benchInstant(10*time.Minute), &OpenRollout{Manifest: m}, &out)
			b.Run("under-way", func(b *testing.B) { overviews(b, rest) })
		})
	}
}

func overviews(b *testing.B, p *Plane) {
	var out Output
	query, now := new(QueryOverview), benchInstant(10*time.Minute)
	p.Step(now, &Tick{}, &out)
	for b.Loop() {
		out.Reset()
		p.Step(now, query, &out)
		query.From = out.Replies[0].Outcome.Document.(*Overview).Next
	}
}
