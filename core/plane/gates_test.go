package plane_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// gated opens a rollout with gates and returns its ID.
func (b *harness) gated(m wire.Manifest, gates wire.Gates) wire.RolloutID {
	b.t.Helper()
	m.Gates = gates
	b.want(wire.Created, &plane.OpenRollout{Manifest: m})
	return m.ID()
}

// polls has a host ask for work, and wants it offered or not.
func (b *harness) polls(h wire.Hostname, offered bool) {
	b.t.Helper()
	r := b.step(&plane.Poll{Hostname: h})
	if got := r.Outcome.Code == wire.OK; got != offered {
		b.t.Fatalf("%s polls and is offered a dispatch: %v; want %v", h, got, offered)
	}
}

// reports has a host report events of a rollout, from number 1 on.
func (b *harness) reports(h wire.Hostname, id wire.RolloutID, bodies ...wire.EventBody) {
	b.t.Helper()
	for i, body := range bodies {
		b.want(wire.NoContent, event(h, id, wire.Seq(i+1), body))
	}
}

func (b *harness) blocked(id wire.RolloutID, h wire.Hostname) wire.Blocked {
	b.t.Helper()
	return b.record(id, h).Blocked
}

var (
	acks      = wire.DispatchAck{CurrentClosureAtDispatch: "c1", ReceivedAt: at(1)}
	completes = wire.ActivationCompleted{ObservedCurrentClosure: "c2", CompletedAt: at(2)}
	converges = wire.HostConverged{CurrentClosure: "c2", ConvergedAt: at(9)}
	defers    = wire.ActivationDeferred{Component: "kernel", DeferredAt: at(2)}
	breaks    = wire.ActivationFailed{ExitCode: 1, FailedAt: at(2)}
)

func one(hosts ...wire.Name) wire.Gates {
	return wire.Gates{Budgets: []wire.DisruptionBudget{{Name: "one", Hosts: hosts, MaxInFlight: 1}}}
}

// PROTOCOL W1, W2: what was offered counts, also if it is not acknowledged.
func TestBudget_CountsFromTheOffer(t *testing.T) {
	b := started(t)
	id := b.gated(manifest("stable@r1", "h1=c2 h2=c2 h3=c2"), one("h1", "h2"))
	b.polls("h1", true)
	b.polls("h2", false)
	b.polls("h3", true) // of no budget
	equal(t, "the gate", b.blocked(id, "h2"), wire.Blocked{Gate: wire.GateBudget, By: "one", Reason: "1 hosts are in flight, and 1 may be: h1"})
	equal(t, "how many are blocked", b.plane.Stats().Blocked[wire.GateBudget], 1)
	equal(t, "how many are shown", b.rolloutStatus(id).Blocked[wire.GateBudget], 1)
	b.now += plane.ReofferAfter
	b.step(&plane.Tick{})
	b.polls("h1", true) // the same offer
	b.reports("h1", id, acks, completes)
	b.polls("h2", false)
	b.want(wire.NoContent, event("h1", id, 3, converges))
	equal(t, "who is woken", fmt.Sprint(b.out.Wakes), "[h2]")
	b.polls("h2", true)
}

// PROTOCOL W1: each of these ends a host's flight.
func TestBudget_ConvergedFailedAndDeferredAreNotInFlight(t *testing.T) {
	for _, end := range []wire.EventBody{defers, breaks} {
		b := started(t)
		id := b.gated(manifest("stable@r1", "h1=c2 h2=c2"), one("h1", "h2"))
		b.polls("h1", true)
		b.reports("h1", id, acks, end)
		b.want(wire.OK, &plane.ResumeRollout{RolloutID: id}) // changes nothing unless it failed
		b.polls("h2", true)
	}
}

// PROTOCOL W2: budgets are about hosts, whatever rollout they switch for.
func TestBudget_CountsOtherChannelsAndSupersededRollouts(t *testing.T) {
	b := started(t)
	first := b.gated(manifest("edge@r1", "h1=c2"), one("h1", "h2"))
	b.polls("h1", true)
	b.gated(manifest("stable@r1", "h2=c2"), one("h1", "h2"))
	b.polls("h2", false)
	b.reports("h1", first, acks, completes)
	b.gated(manifest("edge@r2", "h1=c2 h3=c2"), one("h1", "h2"))
	b.polls("h2", false) // h1 still soaks for the one before
	b.polls("h1", true)  // it is disrupted already
	b.polls("h2", false)
	b.want(wire.NoContent, event("h1", first, 3, converges))
	b.polls("h2", false) // it was offered the newer one
	b.reports("h1", "edge@r2", acks, completes, converges)
	b.polls("h2", true)
}

// PROTOCOL W1: an offer is durable, and ends with a heartbeat that shows that it was
// not taken up.
func TestBudget_OffersOutliveARestart(t *testing.T) {
	b := started(t)
	id := b.gated(manifest("stable@r1", "h1=c2 h2=c2"), one("h1", "h2"))
	b.now = time.Minute
	b.polls("h1", true)
	offer := b.out.Entries[0]
	equal(t, "the entry", offer.Kind, "offered")
	equal(t, "the reply waits for it", b.out.Replies[0].AfterEntries, 1)

	loaded, err := plane.Restore(plane.Config{}, b.plane.AppendDurable(nil))
	if err != nil {
		t.Fatal(err)
	}
	b.plane = loaded
	b.step(&plane.Started{})
	b.polls("h2", false)
	idle := &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "h1", CurrentClosure: "c1", At: at(60)}}
	b.want(wire.OK, idle)
	b.polls("h2", false) // the answer may be under way
	b.now += plane.TakeUpWithin
	b.want(wire.OK, &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "h1", RolloutID: id, At: at(180)}})
	b.polls("h2", false) // it is at work
	b.want(wire.OK, idle)
	equal(t, "the entry", b.out.Entries[0].Kind, "offer_ended")
	equal(t, "who is woken", fmt.Sprint(b.out.Wakes), "[h2]")
	b.polls("h2", true)
	b.polls("h1", false)
}

// PROTOCOL W1: what is held back does not soak meanwhile.
func TestOffer_SetsTheSoakDeadline(t *testing.T) {
	b := started(t)
	m := manifest("stable@r1", "h1=c2")
	m.Policy.Waves[0].SoakMinutes = 5
	id := b.gated(m, one("h1"))
	b.now = time.Hour
	b.polls("h1", true)
	equal(t, "the deadline", b.record(id, "h1").Snapshot.SoakDueAt, at(3600+300))
}

// PROTOCOL G9, W1: an offer that cannot be made durable is not made, and its host is
// woken once it can.
func TestOffer_WaitsForTheDisk(t *testing.T) {
	b := started(t)
	b.gated(manifest("stable@r1", "h1=c2 h2=c2"), one("h1"))
	b.polls("h2", true)
	b.step(&plane.Storage{Unavailable: true})
	b.polls("h1", false)
	b.step(&plane.Storage{})
	equal(t, "who is woken", fmt.Sprint(b.out.Wakes), "[h1]")
	b.polls("h1", true)
}

// PROTOCOL W3.
func TestEdge_HoldsBackUntilTheFirstIsDone(t *testing.T) {
	for _, c := range []struct {
		name  string
		ends  []wire.EventBody
		done  bool
		again bool // resumed
	}{
		{"pending", nil, false, false},
		{"soaking", []wire.EventBody{acks, completes}, false, false},
		{"converged", []wire.EventBody{acks, completes, converges}, true, false},
		{"deferred", []wire.EventBody{acks, defers}, true, false},
		{"failed", []wire.EventBody{acks, breaks}, false, false},
		{"failed and resumed", []wire.EventBody{acks, breaks}, true, true},
	} {
		b := started(t)
		id := b.gated(manifest("stable@r1", "db=c2 web=c2 cdn=c2"), wire.Gates{Edges: []wire.HostEdge{{Gates: "db", Gated: "web", Reason: "schema"}}})
		b.polls("cdn", true)
		b.polls("web", false)
		equal(t, "the gate", b.blocked(id, "web"), wire.Blocked{Gate: wire.GateHostEdge, By: "db", Reason: "db comes first, and is Pending: schema"})
		b.reports("db", id, c.ends...)
		if c.again {
			b.want(wire.OK, &plane.ResumeRollout{RolloutID: id})
		}
		r := b.step(&plane.Poll{Hostname: "web"})
		equal(t, c.name, r.Outcome.Code == wire.OK, c.done)
	}
}

// PROTOCOL W4.
func TestChannelEdge_HoldsBackUntilTheChannelIsDone(t *testing.T) {
	b := started(t)
	after := wire.Gates{ChannelEdges: []wire.ChannelEdge{{Gates: "canary"}}}
	b.gated(manifest("stable@r1", "h3=c2"), after)
	b.polls("h3", true) // there is no such rollout
	first := b.gated(manifest("canary@r1", "h1=c2 h2=c2"), wire.Gates{})
	id := b.gated(manifest("stable@r2", "h3=c2"), after)
	b.polls("h3", false)
	equal(t, "the gate", b.blocked(id, "h3"), wire.Blocked{Gate: wire.GateChannelEdge, By: "canary", Reason: "canary@r1 comes first, and 2 of its hosts are not done"})
	b.reports("h1", first, acks, breaks)
	b.reports("h2", first, acks, defers)
	equal(t, "the reason", b.blocked(id, "h3").Reason, "canary@r1 comes first, and is halted by h1")
	b.want(wire.OK, &plane.ResumeRollout{RolloutID: first})
	equal(t, "who is woken", fmt.Sprint(b.out.Wakes), "[h3]")
	b.polls("h3", true)

	circle := manifest("canary@r2", "h1=c2")
	circle.Gates = wire.Gates{ChannelEdges: []wire.ChannelEdge{{Gates: "stable"}}}
	r := b.want(wire.ManifestConflict, &plane.OpenRollout{Manifest: circle})
	equal(t, "why", r.Outcome.Detail, "canary waits for stable, which waits for canary; want channels in no circle")
}

// PROTOCOL W4: a release is opened one rollout after the other.
func TestChannelEdge_WaitsForARolloutOfTheReleaseThatIsNotOpenYet(t *testing.T) {
	b := started(t)
	stable, canary := manifest("stable@00ff", "h2=c2"), manifest("canary@00ff", "h1=c2")
	stable.Serial, canary.Serial = 7, 7
	stable.Gates = wire.Gates{ChannelEdges: []wire.ChannelEdge{{Gates: "canary"}}}
	b.want(wire.NoContent, &plane.Release{Manifests: []wire.Manifest{stable, canary}})
	b.want(wire.Created, &plane.FileManifest{Manifest: stable, Signed: true})
	b.polls("h2", false)
	equal(t, "the reason", b.blocked("stable@00ff", "h2").Reason, "canary@00ff comes first, and is not open yet")
	b.want(wire.Created, &plane.FileManifest{Manifest: canary, Signed: true})
	b.polls("h2", false)
	b.reports("h1", "canary@00ff", acks, completes, converges)
	b.polls("h2", true)
}

// PROTOCOL W5: a host that was deferred lets the next wave go, and holds it back when
// it has booted and its probes fail, until they pass.
func TestCompliance_HoldsBackLaterWavesUntilTheProbePasses(t *testing.T) {
	for _, mode := range []wire.Mode{wire.Enforce, wire.Observe} {
		b := started(t)
		id := b.gated(manifest("stable@r1", "h1=c2", "h2=c2 h3=c2"), wire.Gates{Compliance: true})
		b.reports("h1", id, acks, defers)
		b.polls("h2", true)
		b.reports("h2", id, acks)
		probe := func(seq wire.Seq, status wire.ProbeStatus) {
			b.want(wire.NoContent, event("h1", id, seq, wire.ProbeResult{ProbeName: "web", Mode: mode, Status: status, ObservedAt: at(int(seq))}))
		}
		b.want(wire.NoContent, event("h1", id, 3, completes))
		probe(4, wire.Fail)
		b.polls("h3", mode != wire.Enforce)
		if mode == wire.Enforce {
			equal(t, "the gate", b.blocked(id, "h3"), wire.Blocked{Gate: wire.GateCompliance, By: "h1", Reason: "a probe of mode enforce fails on h1, in wave 0"})
			probe(5, wire.Pass)
			equal(t, "who is woken", fmt.Sprint(b.out.Wakes), "[h3]")
			b.polls("h3", true)
		}
	}
}

func TestGates_AreTheSameAfterAWalkARestoreAndAClone(t *testing.T) {
	b := started(t)
	id := b.gated(manifest("stable@r1", "h1=c2 h2=c2 h3=c2"), one("h1", "h2"))
	log := slices.Clone(b.out.Entries)
	b.polls("h1", true)
	log = append(log, b.out.Entries...)
	walked, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range log {
		if err := walked.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "walked", string(walked.AppendDurable(nil)), b.durable())
	restored, err := plane.Restore(plane.Config{}, b.plane.AppendState(nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*plane.Plane{"walked": walked, "restored": restored, "cloned": b.plane.Clone()} {
		equal(t, name, p.Blocked(id, "h2"), b.plane.Blocked(id, "h2"))
		if name != "walked" {
			equal(t, name, string(p.AppendState(nil)), string(b.plane.AppendState(nil)))
		}
	}
}

func TestManifest_GatesThatNothingGetsThroughAreRefused(t *testing.T) {
	for _, c := range []struct {
		gates wire.Gates
		want  string
	}{
		{wire.Gates{Edges: []wire.HostEdge{{Gates: "h9", Gated: "h2"}}}, "is h9, which is no host of the rollout; want one that is"},
		{wire.Gates{Edges: []wire.HostEdge{{Gates: "h1", Gated: "h9"}}}, "is h9, which is no host of the rollout; want one that is"},
		{wire.Gates{Edges: []wire.HostEdge{{Gates: "h3", Gated: "h1"}}}, "is h3 of wave 1, and h1 of wave 0 waits for it; want the host that comes first in no later wave"},
		{wire.Gates{Edges: []wire.HostEdge{{Gates: "h1", Gated: "h2"}, {Gates: "h2", Gated: "h1"}}}, "h2 waits for h1, which waits for h2; want edges without a circle"},
		{wire.Gates{ChannelEdges: []wire.ChannelEdge{{Gates: "stable"}}}, "is stable, the rollout's own channel; want another one"},
		{wire.Gates{Budgets: []wire.DisruptionBudget{{Name: "a"}, {Name: "a"}}}, "a is already budgets[0]"},
		{one("h1", "h1"), "h1 is there twice; want each host once"},
	} {
		m := manifest("stable@r1", "h1=c2 h2=c2", "h3=c2")
		m.Gates = c.gates
		var d wire.Decoder
		var read wire.Manifest
		err, _ := wire.DecodeDocument(&d, &wire.ManifestSchema, m.AppendJSON(nil), &read).(*wire.FieldError)
		if err == nil || err.Problem != c.want {
			t.Errorf("%+v: %v; want %s", c.gates, err, c.want)
		}
	}
}

// PROTOCOL V6: a signed rollout is offered while its release is fresh, and its hosts are
// woken when that was signed again.
func TestRelease_IsOfferedWhileItIsFresh(t *testing.T) {
	b := started(t)
	m := manifest("stable@00ff", "h1=c2 h2=c2")
	m.Serial = 7
	release := func(until int) *plane.Release {
		return &plane.Release{Manifests: []wire.Manifest{m}, Fresh: []plane.Freshness{{RolloutID: m.ID(), Until: at(until)}}}
	}
	b.want(wire.NoContent, release(60))
	b.want(wire.Created, &plane.FileManifest{Manifest: m, Signed: true})
	b.now = time.Minute
	b.polls("h1", true) // the last instant
	b.now++
	b.polls("h2", false)
	equal(t, "rollouts that are withheld", b.plane.Stats().Unbacked, 1)
	restored, err := plane.Restore(plane.Config{}, b.plane.AppendState(nil))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "restored", string(restored.AppendState(nil)), string(b.plane.AppendState(nil)))
	b.want(wire.NoContent, release(600))
	equal(t, "who is woken", fmt.Sprint(b.out.Wakes), "[h1 h2]")
	b.polls("h2", true)
}
