package flight_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// BenchmarkRecordedStep is a steady heartbeat of a plane that is recorded and
// of one that is not, in turns, and their ratio. The ring is full, so every
// step pushes one out, which the base takes.
func BenchmarkRecordedStep(b *testing.B) {
	for _, hosts := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) { benchmarkStep(b, hosts) })
	}
}

func benchmarkStep(b *testing.B, hosts int) {
	beats := make([]plane.Heartbeat, hosts)
	for i := range beats {
		beats[i].Request = wire.HeartbeatRequest{Hostname: wire.Hostname(fmt.Sprintf("host-%06d", i)), CurrentClosure: "c1", At: wire.TimeOf(epoch)}
	}
	plain, kept := record(b, flight.Limits{}), record(b, flight.Limits{})
	run := func(r *recorded, from, n int, keep bool) time.Duration {
		began := time.Now()
		for i := range n {
			in := &beats[(from+i)%hosts]
			r.now += time.Microsecond
			now := r.instant()
			if keep {
				r.recorder.Begin(now, in)
			}
			r.out.Reset()
			r.plane.Step(now, in, &r.out)
			if keep {
				r.recorder.End(&r.out.Replies[0].Outcome)
			}
		}
		return time.Since(began)
	}
	warm := max(hosts, flight.DefaultSteps)
	run(plain, 0, warm, false)
	run(kept, 0, 2*warm, true)
	b.ReportAllocs()
	b.ResetTimer()
	var without, with time.Duration
	const turn = 1000
	for done := 0; done < b.N; done += turn {
		n := min(turn, b.N-done)
		without += run(plain, done, n, false)
		with += run(kept, done, n, true)
	}
	b.ReportMetric(float64(without)/float64(b.N), "ns/step")
	b.ReportMetric(float64(with)/float64(b.N), "ns/recorded-step")
	b.ReportMetric(float64(with)/float64(without), "ratio")
}
