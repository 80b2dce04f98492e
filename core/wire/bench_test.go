package wire_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The benchmarks report the cost of the wire in a heartbeat's path; the
// figures are in ns/op and allocs/op of `make bench`.

var benchmarkHeartbeat = []byte(`{"hostname":"web-17.eu","rollout_id":"stable@4f1c2a9","current_closure":"/nix/store/0b5n7v8p2q-nixos-system-web-17-26.05","at":"2026-01-31T12:00:00.123456789Z"}`)

func BenchmarkDecodeHeartbeat(b *testing.B) {
	b.ReportAllocs()
	var decoder wire.Decoder
	var request wire.HeartbeatRequest
	for b.Loop() {
		if err := wire.DecodeDocument(&decoder, &wire.HeartbeatRequestSchema, benchmarkHeartbeat, &request); err != nil {
			b.Fatal(err)
		}
	}
}

var benchmarkEvent = []byte(`{"hostname":"web-17.eu","rolloutId":"stable@4f1c2a9","event":{"kind":"ActivationCompleted","seq":3,"observedCurrentClosure":"/nix/store/0b5n7v8p2q-nixos-system-web-17-26.05","exitCode":0,"completedAt":"2026-01-31T12:00:00.123456789Z"}}`)

func BenchmarkDecodeEvent(b *testing.B) {
	b.ReportAllocs()
	var decoder wire.Decoder
	var envelope wire.EventEnvelope
	for b.Loop() {
		if err := wire.DecodeDocument(&decoder, &wire.EventEnvelopeSchema, benchmarkEvent, &envelope); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteHeartbeatAnswer reuses the answer, as a connection does.
func BenchmarkWriteHeartbeatAnswer(b *testing.B) {
	b.ReportAllocs()
	at := wire.TimeOf(time.Date(2026, 1, 31, 12, 0, 0, 123_456_789, time.UTC))
	outcome := wire.Outcome{Heartbeat: wire.HeartbeatResponse{ReceivedAt: at}}
	var answer wire.Answer
	for b.Loop() {
		outcome.Write("", &answer)
	}
}

// BenchmarkWriteBootstrapAnswer is the answer to an agent that has lost its
// state: one snapshot.
func BenchmarkWriteBootstrapAnswer(b *testing.B) {
	b.ReportAllocs()
	at := wire.TimeOf(time.Date(2026, 1, 31, 12, 0, 0, 123_456_789, time.UTC))
	outcome := wire.Outcome{Heartbeat: wire.HeartbeatResponse{ReceivedAt: at, Bootstrap: []wire.Snapshot{{
		RolloutID: "stable@4f1c2a9", Hostname: "web-17.eu", Channel: "stable", State: wire.Soaking,
		TargetClosure: "/nix/store/0b5n7v8p2q-nixos-system-web-17-26.05",
		DispatchedAt:  at, DispatchAckedAt: at, ActivationStartedAt: at, ActivationCompletedAt: at, SoakDueAt: at,
		LastEventSeq: 17,
	}}}}
	var answer wire.Answer
	for b.Loop() {
		outcome.Write("", &answer)
	}
}
