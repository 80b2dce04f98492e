package httpserver

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// BenchmarkHeartbeatWhileEventsSaturateTheDisk measures heartbeats from admission
// to answer, without TLS, while as many hosts as the inbox takes send events into
// a store on disk as fast as they are answered. It reports the median and 99th
// percentile of a heartbeat, those of an event, and the events that became
// durable per second.
func BenchmarkHeartbeatWhileEventsSaturateTheDisk(b *testing.B) {
	for _, senders := range []int{0, 1, 16, 128, 700} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) { benchmarkSaturated(b, senders) })
	}
}

func benchmarkSaturated(b *testing.B, senders int) {
	s := must(sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "plane.db")))(b)
	ca := must(pki.New(pki.Config{Suffix: testSuffix}))(b)
	cert := must(ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{}))(b)
	server := must(New(Config{
		Listen: "127.0.0.1:0", OpsListen: OpsOff, Certificate: &cert, ClientCAs: ca.Pool(), AgentCNSuffix: testSuffix,
		Logger: slog.New(slog.DiscardHandler), Store: s, FlightDir: FlightOff,
	}))(b)
	if err := server.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := server.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	ask := func(in plane.Input, host wire.Hostname, class gate.Class) wire.Code {
		p := newPending()
		server.admission.ask(p, in, gate.Host(host), class)
		return p.Outcome.Code
	}
	m := wire.Manifest{Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
	for i := range max(senders, 1) {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(fmt.Sprintf("h%d", i)), TargetClosure: "c1"})
	}
	if code := ask(&plane.OpenRollout{Manifest: m}, "anna", gate.Bulk); code != wire.Created {
		b.Fatal(code)
	}

	var events, failed atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	stop := make(chan struct{})
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			host := m.Hosts[i].Hostname
			var mine []time.Duration
			for seq := wire.Seq(1); ; seq++ {
				select {
				case <-stop:
					mu.Lock()
					took = append(took, mine...)
					mu.Unlock()
					return
				default:
				}
				began := time.Now()
				if ask(&plane.Event{Envelope: benchEvent(host, seq)}, host, gate.Bulk) == wire.NoContent {
					events.Add(1)
				} else {
					failed.Add(1)
				}
				mine = append(mine, time.Since(began))
			}
		})
	}
	beats := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for range b.N {
		beat := &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "looker", At: wire.TimeOf(time.Now())}}
		began := time.Now()
		if code := ask(beat, "looker", gate.Heartbeat); code != wire.OK {
			b.Fatal(code)
		}
		beats = append(beats, time.Since(began))
		time.Sleep(time.Millisecond) // a fleet's heartbeats do not come back to back
	}
	b.StopTimer()
	close(stop)
	sending.Wait()
	slices.Sort(beats)
	slices.Sort(took)
	b.ReportMetric(beats[len(beats)/2].Seconds()*1e3, "beat-p50-ms")
	b.ReportMetric(beats[len(beats)*99/100].Seconds()*1e3, "beat-p99-ms")
	if len(took) > 0 {
		b.ReportMetric(float64(events.Load())/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric(took[len(took)/2].Seconds()*1e3, "event-p50-ms")
		b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "event-p99-ms")
	}
	if n := failed.Load(); n > 0 {
		b.Errorf("%d events were not taken", n)
	}
}

// benchEvent is a host's event of a number: it activates, then tells of a probe
// for ever.
func benchEvent(host wire.Hostname, seq wire.Seq) wire.EventEnvelope {
	now := wire.TimeOf(time.Now())
	var body wire.EventBody = wire.ProbeResult{ProbeName: "http", Mode: wire.Enforce, Status: wire.Pass, ObservedAt: now}
	switch seq {
	case 1:
		body = wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: now}
	case 2:
		body = wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: now}
	}
	return wire.EventEnvelope{Hostname: host, RolloutID: "stable@r1", Event: wire.Event{Seq: seq, Body: body}}
}
