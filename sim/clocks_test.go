package sim

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// clockFleet is a fleet as it is usually written: a goroutine per host and one
// for the plane, timers for everything that takes time, and a clock that can be
// a false one. It does less than a world: there is no gate, no service time, no
// client timeout, no disk and no hash.
type clockFleet struct {
	clock    clock.Clock
	start    time.Time
	plane    *plane.Plane
	calls    chan clockCall
	stop     chan struct{}
	requests atomic.Int64
}

// clockCall is a request on its way to the plane.
type clockCall struct {
	request agent.Request
	answer  func(agent.Input)
}

func newClockFleet(hosts int, c clock.Clock) *clockFleet {
	p, err := plane.New(plane.Config{})
	if err != nil {
		panic(err)
	}
	f := &clockFleet{clock: c, start: c.Now(), plane: p, calls: make(chan clockCall), stop: make(chan struct{})}
	go f.serve()
	for i := range hosts {
		go f.host(i)
	}
	return f
}

func (f *clockFleet) now() wire.Instant {
	now := f.clock.Now()
	return wire.Instant{Mono: now.Sub(f.start), Wall: wire.TimeOf(now)}
}

// later does something after a time.
func (f *clockFleet) later(d time.Duration, do func()) { f.clock.AfterFunc(d, do) }

// serve is the plane's goroutine.
func (f *clockFleet) serve() {
	var out plane.Output
	f.plane.Step(f.now(), &plane.Started{}, &out)
	for {
		select {
		case <-f.stop:
			return
		case c := <-f.calls:
			f.requests.Add(1)
			out.Reset()
			switch r := &c.request; r.Kind {
			case agent.RequestHeartbeat:
				f.plane.Step(f.now(), &plane.Heartbeat{Request: r.Heartbeat}, &out)
				in := &agent.HeartbeatAnswered{ID: r.ID, Answer: agent.Answer{Status: 200}, Response: out.Replies[0].Outcome.Heartbeat}
				f.later(10*time.Millisecond, func() { c.answer(in) })
			case agent.RequestPoll: // nothing is ever dispatched, so it waits
				f.later(r.Wait+10*time.Millisecond, func() {
					c.answer(&agent.PollAnswered{ID: r.ID, Answer: agent.Answer{Status: 204}})
				})
			}
		}
	}
}

// host is the goroutine of a host.
func (f *clockFleet) host(i int) {
	a, err := agent.New(agent.Config{Hostname: scenario.HostName(i + 1), Seed: uint64(i)})
	if err != nil {
		panic(err)
	}
	inputs := make(chan agent.Input)
	answer := func(in agent.Input) {
		select {
		case inputs <- in:
		case <-f.stop:
		}
	}
	var out agent.Output
	a.Step(f.now(), &agent.Started{CurrentClosure: "c0"}, &out)
	for {
		for _, r := range out.Requests {
			f.later(10*time.Millisecond, func() {
				select {
				case f.calls <- clockCall{r, answer}:
				case <-f.stop:
				}
			})
		}
		timer := f.clock.Timer(out.NextTimer - f.now().Mono)
		out.Reset()
		select {
		case <-f.stop:
			timer.Stop()
			return
		case in := <-inputs:
			timer.Stop()
			a.Step(f.now(), in, &out)
		case <-timer.C:
			a.Step(f.now(), &agent.Timer{}, &out)
		}
	}
}

// clockWorkload is how long the fleet runs, in each way.
const clockWorkload = 10 * time.Minute

// onSimulator runs the workload in a world, and returns its requests.
func onSimulator(b *testing.B, hosts int) int {
	w, err := New(scenario.Scenario{Seed: 1, Fleet: scenario.Fleet{Hosts: hosts}, Network: scenario.NetworkModel{Delay: scenario.Range{Min: 10 * time.Millisecond, Max: 10 * time.Millisecond}},
		Active: clockWorkload + time.Minute}, Options{Checkers: []check.Checker{}})
	if err != nil {
		b.Fatal(err)
	}
	for w.Now() < clockWorkload && w.Next() {
	}
	return int(w.Messages())
}

// onSynctest runs it in a bubble of testing/synctest, whose time is false.
func onSynctest(b *testing.B, hosts int) int {
	requests := 0
	whole := func(string, string) (bool, error) { return true, nil }
	ok := testing.RunTests(whole, []testing.InternalTest{{Name: "bubble", F: func(t *testing.T) {
		synctest.Test(t, func(*testing.T) {
			f := newClockFleet(hosts, clock.New())
			time.Sleep(clockWorkload)
			synctest.Wait()
			requests = int(f.requests.Load())
			close(f.stop)
		})
	}}})
	if !ok {
		b.Fatal("the bubble burst")
	}
	return requests
}

// onMock runs it on the mock clock, which sleeps for real after each timer so
// that goroutines may go on.
func onMock(_ *testing.B, hosts int) int {
	mock := clock.NewMock()
	f := newClockFleet(hosts, mock)
	time.Sleep(10 * time.Millisecond) // until every host has its first timer
	mock.Add(clockWorkload)
	close(f.stop)
	return int(f.requests.Load())
}

// clockWay is a way to run the workload, and what it took in all iterations.
type clockWay struct {
	name     string
	run      func(b *testing.B, hosts int) (requests int)
	took     time.Duration
	requests int
}

// BenchmarkFalseClocks runs the same fleet in the simulator, in a bubble of
// testing/synctest and on the mock clock, one after the other, and reports how
// much longer the others take for a request. With many hosts the mock clock
// would take minutes.
func BenchmarkFalseClocks(b *testing.B) {
	ways := []clockWay{{name: "sim", run: onSimulator}, {name: "synctest", run: onSynctest}, {name: "mock", run: onMock}}
	b.Run("hosts=10", func(b *testing.B) { compareClocks(b, 10, ways) })
	b.Run("hosts=1000", func(b *testing.B) { compareClocks(b, 1000, ways[:2]) })
}

func compareClocks(b *testing.B, hosts int, ways []clockWay) {
	ways = slices.Clone(ways)
	for b.Loop() {
		for i := range ways {
			way := &ways[i]
			start := time.Now()
			way.requests += way.run(b, hosts)
			way.took += time.Since(start)
		}
	}
	cost := func(i int) float64 { return float64(ways[i].took) / float64(ways[i].requests) }
	for i := range ways {
		b.ReportMetric(cost(i), ways[i].name+"-ns/request")
		b.ReportMetric(float64(ways[i].requests)/float64(b.N), ways[i].name+"-requests")
		if i > 0 {
			b.ReportMetric(cost(i)/cost(0), ways[i].name+"/sim")
		}
	}
}
