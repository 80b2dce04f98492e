package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

// Epoch is the plane's wall clock at the beginning of a run.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Rig is a plane whose batches go into a store, without a server. Its inputs are
// drawn from a seed.
type Rig struct {
	Plane *plane.Plane
	Out   plane.Output // the open batch
	Now   time.Duration
	Rand  *rand.Rand

	// Hosts is how many hosts there are.
	Hosts int
	// Opened are the rollouts that were opened, in order.
	Opened []wire.RolloutID
	// Entries are all entries since the beginning.
	Entries []plane.Entry

	t testing.TB
}

// NewRig returns a rig with a new plane, which has stepped [plane.Started].
func NewRig(t testing.TB, seed uint64) *Rig {
	t.Helper()
	r := &Rig{t: t, Plane: NewPlane(t), Rand: rand.New(rand.NewPCG(seed, 1)), Hosts: 6}
	r.Step(&plane.Started{})
	r.Out.Reset()
	return r
}

// NewPlane returns a plane without any state.
func NewPlane(t testing.TB) *plane.Plane {
	t.Helper()
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Step steps one input, a second after the one before. Its output becomes part
// of the open batch.
func (r *Rig) Step(in plane.Input) {
	r.t.Helper()
	before := len(r.Out.Entries)
	r.Now += time.Second
	r.Plane.Step(wire.Instant{Mono: r.Now, Wall: r.Wall()}, in, &r.Out)
	r.Entries = append(r.Entries, r.Out.Entries[before:]...)
}

// Operator is who requests what a rig draws of operators' inputs.
var Operator = wire.Actor{Name: "operator-alice.fleet.test", Serial: "4f1c", Fingerprint: "0a1b", Request: "01J"}

// Act steps an input that [Operator] requested.
func (r *Rig) Act(in plane.Input) {
	r.t.Helper()
	r.Step(&plane.Requested{By: Operator, Input: in})
}

// Wall is the plane's wall clock.
func (r *Rig) Wall() wire.Time { return wire.TimeOf(Epoch.Add(r.Now)) }

// Batch returns the open batch and begins another.
func (r *Rig) Batch() ([]plane.Entry, []plane.Row) {
	entries := append([]plane.Entry(nil), r.Out.Entries...)
	rows := r.Plane.AppendRows(nil, r.Out.Changes)
	r.Out.Reset()
	return entries, rows
}

// Commit commits the open batch to a store.
func (r *Rig) Commit(s store.Store) {
	r.t.Helper()
	entries, rows := r.Batch()
	if err := s.Commit(entries, slices.Values(rows)); err != nil {
		r.t.Fatal(err)
	}
}

// Continue replaces the plane with one that was loaded from a store.
func (r *Rig) Continue(p *plane.Plane) {
	r.t.Helper()
	r.Plane = p
	r.Step(&plane.Started{})
}

// State returns the durable state of the plane.
func (r *Rig) State() string { return string(r.Plane.AppendDurable(nil)) }

// openRollout draws a rollout of two waves over some of the hosts.
func (r *Rig) openRollout() *plane.OpenRollout {
	m := wire.Manifest{
		Channel:    wire.Channel([]string{"stable", "edge"}[r.Rand.IntN(2)]),
		ChannelRef: wire.ChannelRef(fmt.Sprintf("r%d", 97*len(r.Opened)%1000)),
		Policy:     wire.Policy{OnHealthFailure: wire.RollbackAndHalt, Waves: []wire.Wave{{}, {}}},
	}
	for i := range r.Hosts {
		if i == 0 || r.Rand.IntN(3) > 0 {
			m.Hosts = append(m.Hosts, wire.ManifestHost{
				Hostname: Hostname(i), Wave: wire.Count(i % 2), TargetClosure: wire.Closure(fmt.Sprintf("c%d", r.Rand.IntN(3))),
			})
		}
	}
	r.Opened = append(r.Opened, m.ID())
	return &plane.OpenRollout{Manifest: m}
}

// Hostname is the name of the i-th host.
func Hostname(i int) wire.Hostname { return wire.Hostname(fmt.Sprintf("host-%03d", i)) }

// Random steps a random input. Most of them change something durable.
func (r *Rig) Random() {
	r.t.Helper()
	if len(r.Opened) == 0 || r.Rand.IntN(40) == 0 {
		if open := r.openRollout(); len(r.Opened)%2 == 0 {
			r.Step(open) // nobody's, as those of a directory are
		} else {
			r.Act(open)
		}
		return
	}
	host := Hostname(r.Rand.IntN(r.Hosts))
	switch r.Rand.IntN(30) {
	case 0:
		r.Act(&plane.Revoke{CommonName: wire.CommonName("agent-" + host + ".fleet.test")})
		return
	case 1:
		r.Act(&plane.ResumeRollout{RolloutID: r.Opened[len(r.Opened)-1]})
		r.Act(&plane.ChooseRollout{RolloutID: r.Opened[len(r.Opened)-1]})
		return
	case 2:
		r.Step(&plane.Certify{
			Hostname: host, CommonName: wire.CommonName("agent-" + host + ".fleet.test"), Since: r.Wall(),
			Nonce: wire.Name(fmt.Sprintf("nonce-%d", r.Rand.IntN(1000))), Key: "k", ExpiresAt: r.Wall().Add(time.Minute),
		})
		for _, c := range []wire.Closure{"c0", "c1", "c2"} {
			r.Act(&plane.ClearQuarantine{Channel: "stable", Closure: c})
		}
		return
	case 3:
		r.Step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: host, CurrentClosure: "c1", At: r.Wall()}})
		return
	}
	id := r.Opened[len(r.Opened)-1-r.Rand.IntN(min(len(r.Opened), 3))]
	if rec, known := r.Plane.Record(id, host); known {
		r.Step(&plane.Event{Envelope: wire.EventEnvelope{
			Hostname: host, RolloutID: id, Event: wire.Event{Seq: rec.LastEventSeq + 1, Body: r.nextEvent(rec.State, rec.TargetClosure)},
		}})
	}
}

// nextEvent draws an event that a record in a state accepts.
func (r *Rig) nextEvent(s wire.State, target wire.Closure) wire.EventBody {
	odd := r.Rand.IntN(4) == 0
	switch s {
	case wire.Pending:
		return wire.DispatchAck{CurrentClosureAtDispatch: "c9", ReceivedAt: r.Wall()}
	case wire.Activating, wire.Deferred:
		if odd {
			return wire.ActivationDeferred{Component: "kernel", DeferredAt: r.Wall()}
		}
		return wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: r.Wall()}
	case wire.Soaking:
		switch r.Rand.IntN(4) {
		case 0:
			return wire.ProbeResult{ProbeName: "http", Mode: wire.Enforce, Status: wire.Pass, ObservedAt: r.Wall()}
		case 1:
			return wire.HealthFailed{FailedAt: r.Wall(), SustainedDurationSecs: 120, PolicyApplied: wire.RollbackAndHalt}
		default:
			return wire.HostConverged{ConvergedAt: r.Wall(), CurrentClosure: target}
		}
	default:
		return wire.RollbackComplete{RevertedToClosure: "c9", CompletedAt: r.Wall()}
	}
}

// Loaded returns the durable state of the plane that a store loads.
func Loaded(t testing.TB, s store.Store) string {
	t.Helper()
	p, err := s.Load(t.Context(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return string(p.AppendDurable(nil))
}

// Same fails the test if two states differ, and names the first line that does.
func Same(t testing.TB, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		line := func(l []string) string {
			if i < len(l) {
				return l[i]
			}
			return "nothing"
		}
		if line(g) != line(w) {
			t.Fatalf("%s: line %d is\n\t%s\nwant\n\t%s", what, i+1, line(g), line(w))
		}
	}
}
