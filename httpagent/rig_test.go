package httpagent

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

const testHost = wire.Hostname("h1")

var testProbes = []wire.ProbeDeclaration{{ProbeName: "http", ProbeKind: "http", Mode: wire.Enforce}}

// rig is a driver with a plane, a machine and a clock that the test moves. The
// clock moves only while the driver waits for it or for something that the test
// holds, so what happens does not depend on how fast the machine is.
type rig struct {
	t       testing.TB
	clock   *clock.Mock
	plane   *fakePlane
	machine *countedMachine
	cfg     Config
	driver  *Driver
	logs    *lockedBuffer

	stop  context.CancelFunc
	ended chan error

	mu      sync.Mutex
	changed *sync.Cond
	open    int                      // the driver's requests, probes and switches
	next    time.Duration            // the driver's timer
	idle    bool                     // the driver runs and waits
	held    map[*time.Time]time.Time // deadlines of what the plane holds
	busy    int                      // calls into the machine
	views   []agent.View
	seen    []Exchange
	notices []agent.Notice
}

// newRig makes a rig whose driver does not run yet. The edits change the
// driver's configuration.
func newRig(t testing.TB, edits ...func(*Config)) *rig {
	t.Helper()
	before := goleak.IgnoreCurrent()
	r := &rig{t: t, clock: clock.NewMock(), logs: new(lockedBuffer), held: map[*time.Time]time.Time{}}
	r.changed = sync.NewCond(&r.mu)
	r.clock.Set(time.Now().Truncate(time.Second)) // certificates are judged by it
	r.plane = newFakePlane(t, r)
	r.cfg = Config{
		Agent: agent.Config{Hostname: testHost, Seed: 1},
		URL:   r.plane.url, RootCAs: r.plane.ca.pool(),
		Certificate: r.plane.ca.issue(t, "agent-h1.fleet.test", x509.ExtKeyUsageClientAuth),
		Log:         new(MemoryLog), Clock: NewClock(r.clock, 1),
		Logger: slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), Observer: r, CheckInvariants: true,
	}
	for _, edit := range edits {
		edit(&r.cfg)
	}
	if r.cfg.Machine == nil {
		r.cfg.Machine = must(NewVirtualMachine(VirtualMachineConfig{
			Closure: "c0", Probes: testProbes, Seed: 1, Clock: r.cfg.Clock,
			Rebooted: func(down time.Duration) { r.driver.Restart(agent.Reboot, down) },
		}))(t)
	}
	r.machine = &countedMachine{Machine: r.cfg.Machine, rig: r, switches: map[string]int{}}
	r.cfg.Machine = r.machine
	t.Cleanup(func() {
		if err := r.halt(); err != nil {
			t.Errorf("the driver ended with %v", err)
		}
		if m, is := r.machine.Machine.(*VirtualMachine); is {
			m.Close()
		}
		r.plane.close()
		goleak.VerifyNone(t, before)
	})
	return r
}

// start makes a driver and runs it.
func start(t testing.TB, edits ...func(*Config)) *rig {
	t.Helper()
	r := newRig(t, edits...)
	r.begin()
	return r
}

func (r *rig) begin() {
	r.t.Helper()
	r.driver = must(New(r.cfg))(r.t)
	r.run()
}

// run runs the driver that the rig has.
func (r *rig) run() {
	r.driver.waiting = r.driverWaits
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.ended = stop, make(chan error, 1)
	go func() { r.ended <- r.driver.Run(ctx) }()
}

// halt stops the driver and returns how it ended.
func (r *rig) halt() error {
	if r.stop == nil {
		return nil
	}
	r.stop()
	r.stop = nil
	err := <-r.ended
	r.mu.Lock()
	r.idle = false
	r.mu.Unlock()
	return err
}

func (r *rig) driverWaits(a *agent.Agent, open int, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle, r.open, r.next = true, open, next
	r.changed.Broadcast()
}

// holding says that the plane holds a request whose client gives up at limit.
func (r *rig) holding(limit time.Time) (leave func()) {
	key := &limit
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[key] = limit
	r.changed.Broadcast()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.held, key)
		r.changed.Broadcast()
	}
}

// settle waits until nothing happens any more unless the clock moves or the
// test does something.
func (r *rig) settle() {
	r.t.Helper()
	limit := time.AfterFunc(time.Minute, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		fmt.Println(r.describe(), r.logs)
		panic("the rig does not settle")
	})
	defer limit.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.settled() {
		r.changed.Wait()
	}
}

func (r *rig) settled() bool {
	if !r.idle || r.open != len(r.held)+r.busy || r.next <= r.cfg.Clock.Now().Mono {
		return false
	}
	for _, limit := range r.held {
		if !limit.After(r.clock.Now()) {
			return false
		}
	}
	return true
}

func (r *rig) describe() string {
	return fmt.Sprintf("idle %v, open %d, held %d, busy %d, timer in %v", r.idle, r.open, len(r.held), r.busy, r.next-r.cfg.Clock.Now().Mono)
}

// advance moves the clock by d, and stops wherever the driver has something to
// do.
func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	for end := r.clock.Now().Add(d); ; {
		r.settle()
		left := end.Sub(r.clock.Now())
		if left <= 0 {
			return
		}
		r.clock.Add(min(left, r.step()))
	}
}

// step returns how far the clock may move: to the driver's timer or to a client
// timeout, and in small steps while the machine does something that takes time.
func (r *rig) step() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	step := 10 * time.Second
	if r.busy > 0 {
		step = 200 * time.Millisecond
	}
	if r.next != agent.NoTimer {
		step = min(step, r.cfg.Clock.slowed(r.next-r.cfg.Clock.Now().Mono))
	}
	for _, limit := range r.held {
		step = min(step, limit.Sub(r.clock.Now()))
	}
	return step
}

// until moves the clock until something is so, for three hours at most.
func (r *rig) until(what string, so func() bool) {
	r.t.Helper()
	for end := r.clock.Now().Add(3 * time.Hour); ; {
		r.settle()
		if so() {
			return
		}
		if r.clock.Now().After(end) {
			r.t.Fatalf("never: %s\n%s\n%s", what, r.describe(), r.logs)
		}
		r.clock.Add(r.step())
	}
}

// state returns the state of the agent's newest rollout.
func (r *rig) state() wire.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.views) == 0 {
		return 0
	}
	return r.views[len(r.views)-1].Record.State
}

// Exchanged implements [Observer].
func (r *rig) Exchanged(x Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, x)
}

// Noticed implements [Observer].
func (r *rig) Noticed(n agent.Notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices = append(r.notices, n)
}

// Changed implements [Observer].
func (r *rig) Changed(a *agent.Agent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = false // until it waits again
	r.views = a.Views(r.views[:0])
	for i := range r.views {
		record := r.views[i].Record.Clone()
		r.views[i].Record = &record
	}
}

// exchanges returns the requests of a kind that came to their end.
func (r *rig) exchanges(kind agent.RequestKind) []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.seen), func(x Exchange) bool { return x.Kind != kind })
}

func (r *rig) noticed(kind agent.NoticeKind) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.notices {
		if r.notices[i].Kind == kind {
			n++
		}
	}
	return n
}

// countedMachine reports every call to the rig.
type countedMachine struct {
	Machine
	rig      *rig
	switches map[string]int // how often each was begun
}

func (m *countedMachine) enter(what string) (leave func()) {
	r := m.rig
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy++
	m.switches[what]++
	r.changed.Broadcast()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.busy--
		r.changed.Broadcast()
	}
}

func (m *countedMachine) Activate(ctx context.Context, closure wire.Closure) agent.ActivationEnded {
	defer m.enter("activate " + string(closure))()
	return m.Machine.Activate(ctx, closure)
}

func (m *countedMachine) RollBack(ctx context.Context, closure wire.Closure) agent.RollbackEnded {
	defer m.enter("rollback " + string(closure))()
	return m.Machine.RollBack(ctx, closure)
}

func (m *countedMachine) Probe(ctx context.Context, probe wire.ProbeDeclaration) agent.Probed {
	defer m.enter("probe " + string(probe.ProbeName))()
	return m.Machine.Probe(ctx, probe)
}

func (m *countedMachine) begun(what string) int {
	m.rig.mu.Lock()
	defer m.rig.mu.Unlock()
	return m.switches[what]
}

// lockedBuffer takes log lines.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *lockedBuffer) has(text string) bool { return strings.Contains(b.String(), text) }
