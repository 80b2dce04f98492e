package rollout_test

import (
	"testing"
	"unsafe"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// BenchmarkHistory is a whole ordinary history of one host.
func BenchmarkHistory(b *testing.B) {
	history := []wire.EventBody{acked, started, completed, convergedE}
	b.ReportAllocs()
	for b.Loop() {
		r := fresh()
		r.Dispatch(at(0))
		for i, body := range history {
			r.Apply(wire.Event{Seq: wire.Seq(i + 1), Body: body})
		}
		if r.State != wire.Converged {
			b.Fatal(r.State)
		}
	}
	b.ReportMetric(float64(unsafe.Sizeof(rollout.Record{})), "bytes/record")
}

// BenchmarkProbeResult is the event that comes most often.
func BenchmarkProbeResult(b *testing.B) {
	r := after(b, acked, completed, declare(110, map[wire.Name]wire.Mode{"db": wire.Enforce, "disk": wire.Enforce, "http": wire.Enforce, "mail": wire.Enforce}))
	var body wire.EventBody = result("http", wire.Enforce, wire.Pass, 120)
	b.ReportAllocs()
	for b.Loop() {
		if r.Apply(next(&r, body)).Outcome != rollout.Applied {
			b.Fatal("not applied")
		}
	}
}

// BenchmarkDuplicate is what a replay mostly consists of.
func BenchmarkDuplicate(b *testing.B) {
	r := after(b, ways[wire.Converged]...)
	ev := wire.Event{Seq: 1, Body: acked}
	b.ReportAllocs()
	for b.Loop() {
		if r.Apply(ev).Outcome != rollout.Duplicate {
			b.Fatal("not a duplicate")
		}
	}
}

// BenchmarkDrifted is what a heartbeat of an agent with a rollout costs here.
func BenchmarkDrifted(b *testing.B) {
	r := after(b, ways[wire.Soaking]...)
	for b.Loop() {
		if r.Drifted(target) {
			b.Fatal("drifted")
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	r := after(b, ways[wire.Soaking]...)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Check(); err != nil {
			b.Fatal(err)
		}
	}
}
