package page

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// epoch is what the clock of a fleet shows at first.
var epoch = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// fleet is a real plane with hosts that the test moves, behind a page.
type fleet struct {
	t    testing.TB
	page *Page

	mu      sync.Mutex // guards what follows
	plane   *plane.Plane
	now     time.Duration
	asked   int
	refuse  *wire.Outcome // what the plane's answers are replaced by
	stuck   chan struct{} // no question is answered until it is closed
	inbox   Inbox
	allowed bool
	seqs    map[wire.Hostname]wire.Seq
}

func newFleet(t testing.TB, clk clock.Clock) *fleet {
	t.Helper()
	p, err := plane.New(plane.Config{Slice: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, plane: p, allowed: true, seqs: make(map[wire.Hostname]wire.Seq), inbox: Inbox{Capacity: 1024}}
	for _, code := range wire.UnavailableCodes {
		f.inbox.Refused = append(f.inbox.Refused, Refused{Reason: code.Reason()})
	}
	f.step(&plane.Started{})
	f.page = New(Config{
		Title: "fleet.example.com", Build: "a build", Clock: clk, MaxViewers: 12,
		Inbox: func() Inbox {
			f.mu.Lock()
			defer f.mu.Unlock()
			in := f.inbox
			in.Refused = append([]Refused(nil), in.Refused...)
			return in
		},
		Ask:     f.ask,
		Allowed: func(*http.Request) bool { f.mu.Lock(); defer f.mu.Unlock(); return f.allowed },
	})
	t.Cleanup(f.page.Close)
	return f
}

// ask is the plane's answer to a query of the page.
func (f *fleet) ask(in plane.Input) wire.Outcome {
	f.mu.Lock()
	f.asked++
	refused, stuck := f.refuse, f.stuck
	f.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	if refused != nil {
		return *refused
	}
	return f.step(in)
}

// step takes an input and returns the outcome of its reply, if it has one.
func (f *fleet) step(in plane.Input) wire.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out plane.Output
	f.plane.Step(wire.Instant{Mono: f.now, Wall: wire.TimeOf(epoch.Add(f.now))}, in, &out)
	for r := out.Replies; len(r) > 0 && r[len(r)-1].Unfinished; r = out.Replies {
		durable := out.Sealed != nil
		out.Reset()
		f.plane.Step(wire.Instant{Mono: f.now, Wall: wire.TimeOf(epoch.Add(f.now))}, &plane.ContinueOpening{Durable: durable}, &out)
	}
	if len(out.Replies) == 0 {
		return wire.Outcome{}
	}
	return out.Replies[len(out.Replies)-1].Outcome
}

// edit changes what the page is given.
func (f *fleet) edit(change func()) { f.mu.Lock(); defer f.mu.Unlock(); change() }

// pass lets time pass, with ticks.
func (f *fleet) pass(d time.Duration) {
	for ; d > 0; d -= 5 * time.Second {
		f.edit(func() { f.now += min(d, 5*time.Second) })
		f.step(&plane.Tick{})
	}
}

// host is the name of host i.
func host(i int) wire.Hostname { return wire.Hostname(fmt.Sprintf("web-%05d", i)) }

const before = "0k1q7y0q1xk2v3v7n8yq2s0gq5m0b2a9-nixos-system-web-26.05.20260117.old"

const closureOf = "0c5kq1y0q1xk2v3v7n8yq2s0gq5m0b2a-nixos-system-web-26.05.20260131.%s"

// targetOf is the closure of a rollout.
func targetOf(id wire.RolloutID) wire.Closure {
	_, ref, _ := strings.Cut(string(id), "@")
	return wire.Closure(fmt.Sprintf(closureOf, ref))
}

// open opens a rollout over hosts from one to another, in waves of these sizes; what is
// left is the last wave.
func (f *fleet) open(channel wire.Channel, ref wire.ChannelRef, from, to int, sizes ...int) wire.RolloutID {
	f.t.Helper()
	m := wire.Manifest{Channel: channel, ChannelRef: ref, Policy: wire.Policy{OnHealthFailure: wire.RollbackAndHalt}}
	wave, left := 0, 0
	if len(sizes) > 0 {
		left = sizes[0]
	}
	for i := from; i < to; i++ {
		if wave < len(sizes) && left == 0 {
			if wave++; wave < len(sizes) {
				left = sizes[wave]
			}
		}
		left--
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: host(i), Wave: wire.Count(wave), TargetClosure: wire.Closure(fmt.Sprintf(closureOf, ref))})
	}
	for range wave + 1 {
		m.Policy.Waves = append(m.Policy.Waves, wire.Wave{SoakMinutes: 10})
	}
	if o := f.step(&plane.OpenRollout{Manifest: m}); o.Code != wire.Created {
		f.t.Fatalf("open %s: %v %s", m.ID(), o.Code, o.Detail)
	}
	return m.ID()
}

// tell sends events of a host.
func (f *fleet) tell(name wire.Hostname, id wire.RolloutID, bodies ...wire.EventBody) {
	f.t.Helper()
	for _, body := range bodies {
		f.seqs[name]++
		o := f.step(&plane.Event{Envelope: wire.EventEnvelope{Hostname: name, RolloutID: id, Event: wire.Event{Seq: f.seqs[name], Body: body}}})
		if o.Code.Status() > 299 {
			f.t.Fatalf("%s in %s: %T: %v %s", name, id, body, o.Code, o.Detail)
		}
	}
}

func (f *fleet) wall() wire.Time { return wire.TimeOf(epoch.Add(f.now)) }

// converge lets hosts of a rollout come to their end.
func (f *fleet) converge(id wire.RolloutID, from, to int) {
	target := targetOf(id)
	for i := from; i < to; i++ {
		f.switched(id, i)
		f.tell(host(i), id, wire.HostConverged{ConvergedAt: f.wall().Add(11 * time.Minute), CurrentClosure: target})
	}
}

// switched lets a host switch, so that it soaks.
func (f *fleet) switched(id wire.RolloutID, i int) {
	target := targetOf(id)
	f.acked(id, i)
	f.tell(host(i), id, wire.ActivationStarted{StartedAt: f.wall(), SwitchMethod: "switch"}, wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: f.wall()})
}

func (f *fleet) acked(id wire.RolloutID, i int) {
	f.tell(host(i), id, wire.DispatchAck{CurrentClosureAtDispatch: before, ReceivedAt: f.wall()})
}

func (f *fleet) beat(from, to int) {
	for i := from; i < to; i++ {
		f.step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: host(i), At: f.wall()}})
	}
}

// busy is a fleet with something of everything: n hosts, rollouts under way and halted, a
// quarantine, unreachable and never seen hosts, refusals.
func busy(t testing.TB, clk clock.Clock, n int) *fleet {
	f := newFleet(t, clk)
	if n == 0 {
		return f
	}
	f.beat(0, n-max(1, n/50)) // some are never seen
	old := f.open("stable", "2026-01-24", 0, n)
	_ = old
	f.pass(10 * time.Second)
	edge := max(1, n/5)
	id := f.open("stable", "2026-01-31", edge, n, max(1, n/20), max(1, n/4))
	first := max(1, n/20)
	f.converge(id, edge, edge+first)
	for i := edge + first; i < min(n, edge+first+n/8); i++ {
		f.converge(id, i, i+1)
	}
	for i := min(n, edge+first+n/8); i < min(n, edge+first+n/6); i++ {
		f.switched(id, i)
	}
	canary := f.open("canary", "2026-01-31", 0, edge, max(1, edge/10))
	f.acked(canary, 0)
	if edge > 4 {
		f.converge(canary, 1, max(2, edge/20))
		f.tell(host(0), canary, wire.ActivationStarted{StartedAt: f.wall(), SwitchMethod: "switch"}, wire.ActivationFailed{ExitCode: 4, FailedAt: f.wall()},
			wire.RollbackComplete{RevertedToClosure: before, CompletedAt: f.wall()})
	}
	f.pass(40 * time.Second)
	beating := n - n/100 - 1 - max(1, n/50)
	f.beat(0, beating)
	f.pass(50 * time.Second)
	f.beat(0, beating)
	f.pass(50 * time.Second)
	f.beat(0, beating)
	f.pass(60 * time.Second)
	f.beat(0, beating)
	f.edit(func() {
		f.inbox.Depth, f.inbox.Oldest, f.inbox.Polls = 37, 1200*time.Millisecond, n
		f.inbox.Refused[1].Count, f.inbox.Refused[4].Count = 12480, 3
	})
	return f
}
