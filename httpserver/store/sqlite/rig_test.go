package sqlite

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// epoch is the plane's wall clock at the beginning of a run.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// rig is a plane whose batches go into a store, without a server.
type rig struct {
	t     testing.TB
	plane *plane.Plane
	out   plane.Output
	now   time.Duration
	rand  *rand.Rand

	hosts   int
	opened  []wire.RolloutID
	entries []plane.Entry // all there ever were
}

func newRig(t testing.TB, seed uint64) *rig {
	t.Helper()
	r := &rig{t: t, plane: newPlane(t), rand: rand.New(rand.NewPCG(seed, 1)), hosts: 6}
	r.step(&plane.Started{})
	r.out.Reset()
	return r
}

func newPlane(t testing.TB) *plane.Plane {
	t.Helper()
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// step takes an input into the batch that is open.
func (r *rig) step(in plane.Input) {
	r.t.Helper()
	before := len(r.out.Entries)
	r.now += time.Second
	r.plane.Step(wire.Instant{Mono: r.now, Wall: wire.TimeOf(epoch.Add(r.now))}, in, &r.out)
	r.entries = append(r.entries, r.out.Entries[before:]...)
}

// batch returns the open batch and begins another.
func (r *rig) batch() ([]plane.Entry, []plane.Row) {
	entries := append([]plane.Entry(nil), r.out.Entries...)
	rows := r.plane.AppendRows(nil, r.out.Changes)
	r.out.Reset()
	return entries, rows
}

// commit commits the open batch.
func (r *rig) commit(s *DB) {
	r.t.Helper()
	entries, rows := r.batch()
	if err := s.Commit(entries, rows); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) state() string { return string(r.plane.AppendDurable(nil)) }

// manifest opens a rollout of two waves over some of the hosts.
func (r *rig) manifest() *plane.OpenRollout {
	m := wire.Manifest{
		Channel:    wire.Channel([]string{"stable", "edge"}[r.rand.IntN(2)]),
		ChannelRef: wire.ChannelRef(fmt.Sprintf("r%d", 97*len(r.opened)%1000)),
		Policy:     wire.Policy{OnHealthFailure: wire.RollbackAndHalt, Waves: []wire.Wave{{}, {}}},
	}
	for i := range r.hosts {
		if i == 0 || r.rand.IntN(3) > 0 {
			m.Hosts = append(m.Hosts, wire.ManifestHost{
				Hostname: hostname(i), Wave: wire.Count(i % 2), TargetClosure: wire.Closure(fmt.Sprintf("c%d", r.rand.IntN(3))),
			})
		}
	}
	r.opened = append(r.opened, m.ID())
	return &plane.OpenRollout{Manifest: m}
}

func hostname(i int) wire.Hostname { return wire.Hostname(fmt.Sprintf("host-%03d", i)) }

// random takes a random input, most of which change something durable.
func (r *rig) random() {
	r.t.Helper()
	if len(r.opened) == 0 || r.rand.IntN(40) == 0 {
		r.step(r.manifest())
		return
	}
	host := hostname(r.rand.IntN(r.hosts))
	switch r.rand.IntN(30) {
	case 0:
		r.step(&plane.Revoke{CommonName: wire.CommonName("agent-" + host + ".fleet.test")})
		return
	case 1:
		r.step(&plane.ResumeRollout{RolloutID: r.opened[len(r.opened)-1]})
		return
	case 2:
		for _, c := range []wire.Closure{"c0", "c1", "c2"} {
			r.step(&plane.ClearQuarantine{Channel: "stable", Closure: c})
		}
		return
	case 3:
		r.step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: host, CurrentClosure: "c1", At: r.at()}})
		return
	}
	id := r.opened[len(r.opened)-1-r.rand.IntN(min(len(r.opened), 3))]
	if rec, known := r.plane.Record(id, host); known {
		r.step(&plane.Event{Envelope: wire.EventEnvelope{
			Hostname: host, RolloutID: id, Event: wire.Event{Seq: rec.LastEventSeq + 1, Body: r.next(rec.State, rec.TargetClosure)},
		}})
	}
}

func (r *rig) at() wire.Time { return wire.TimeOf(epoch.Add(r.now)) }

// next is an event that a record in a state may take.
func (r *rig) next(s wire.State, target wire.Closure) wire.EventBody {
	odd := r.rand.IntN(4) == 0
	switch s {
	case wire.Pending:
		return wire.DispatchAck{CurrentClosureAtDispatch: "c9", ReceivedAt: r.at()}
	case wire.Activating, wire.Deferred:
		if odd {
			return wire.ActivationDeferred{Component: "kernel", DeferredAt: r.at()}
		}
		return wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: r.at()}
	case wire.Soaking:
		switch r.rand.IntN(4) {
		case 0:
			return wire.ProbeResult{ProbeName: "http", Mode: wire.Enforce, Status: wire.Pass, ObservedAt: r.at()}
		case 1:
			return wire.HealthFailed{FailedAt: r.at(), SustainedDurationSecs: 120, PolicyApplied: wire.RollbackAndHalt}
		default:
			return wire.HostConverged{ConvergedAt: r.at(), CurrentClosure: target}
		}
	default:
		return wire.RollbackComplete{RevertedToClosure: "c9", CompletedAt: r.at()}
	}
}

// open opens the store of a test.
func open(t testing.TB, path string) *DB {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func fresh(t testing.TB) *DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "plane.db"))
}

// loaded is the durable state of the plane that a store loads.
func loaded(t testing.TB, s *DB) string {
	t.Helper()
	p, err := s.Load(t.Context(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return string(p.AppendDurable(nil))
}

// same compares two states and names the first line that differs.
func same(t testing.TB, what, got, want string) {
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
