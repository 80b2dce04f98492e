package plane_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestOpeningMakesAPendingRecordForEveryHost(t *testing.T) { // PROTOCOL R2
	b := started(t)
	in := open("stable@r1", "h1=c2 h2=c3", "h3=c2")
	in.Manifest.Policy.Waves[1].SoakMinutes = 7
	r := b.want(wire.Created, in)
	equal(t, "the answer", outcomeText(&r.Outcome), func() string {
		s := b.rolloutStatus("stable@r1")
		s.Hosts = nil
		o := wire.Outcome{Code: wire.Created, Document: s}
		return outcomeText(&o)
	}())
	for _, h := range in.Manifest.Hosts {
		rec := b.record("stable@r1", h.Hostname)
		equal(t, "the state", rec.Snapshot.State, wire.Pending)
		equal(t, "the target", rec.Snapshot.TargetClosure, h.TargetClosure)
		equal(t, "the wave", rec.Wave, h.Wave)
		equal(t, "dispatched", rec.Snapshot.DispatchedAt.IsSet(), h.Wave == 0)
	}
	if want := []wire.Hostname{"h1", "h2"}; !slices.Equal(b.out.Wakes, want) {
		t.Errorf("woken: %v; want %v", b.out.Wakes, want)
	}
	b.tell("h1", "stable@r1", acked, putOff)
	b.tell("h2", "stable@r1", acked, putOff)
	rec := b.record("stable@r1", "h3").Snapshot
	equal(t, "the soak deadline of the second wave", rec.SoakDueAt, rec.DispatchedAt.Add(7*interval))
}

// A plane that lost everything and is given its manifests again finds the
// histories of the agents by drift and bootstrap.
func TestAWipedPlaneFindsTheFleetAgain(t *testing.T) { // PROTOCOL R6, H2, H3, H4
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2 h3=c2"))
	soaking := b.step(heartbeat("h1", "stable@r1", "c2")) // it missed everything
	equal(t, "drift of a soaking host", soaking.Outcome.Replay, true)
	b.tell("h1", "stable@r1", acked, begun, switched)
	equal(t, "drift after the replay", b.step(heartbeat("h1", "stable@r1", "c2")).Outcome.Replay, false)

	converged := b.step(heartbeat("h2", "", "c2")) // it is done and names no rollout
	equal(t, "the bootstrap of a converged host", len(converged.Outcome.Heartbeat.Bootstrap), 1)
	equal(t, "its state", converged.Outcome.Heartbeat.Bootstrap[0].State, wire.Soaking)
	equal(t, "its number", converged.Outcome.Heartbeat.Bootstrap[0].LastEventSeq, 0)
	b.tell("h2", "stable@r1", acked, begun, switched, arrived)
	equal(t, "the converged host", b.record("stable@r1", "h2").Snapshot.State, wire.Converged)

	reverted := b.step(heartbeat("h3", "", "c1")) // it went back
	equal(t, "the state told to a reverted host", reverted.Outcome.Heartbeat.Bootstrap[0].State, wire.Pending)
	b.tell("h3", "stable@r1", acked, begun, switched, unhealthy, rolledBack)
	equal(t, "the reverted host", b.record("stable@r1", "h3").Snapshot.State, wire.Reverted)
	equal(t, "the rollout", b.rolloutStatus("stable@r1").State, wire.Halted)
}

func TestTheStateOfARolloutIsTheFirstThatFits(t *testing.T) { // PROTOCOL R4
	for _, c := range []struct {
		what string
		do   func(b *harness)
		want wire.RolloutState
	}{
		{"nobody has taken it up", func(b *harness) {}, wire.Opening},
		{"one has, and a wave is to come", func(b *harness) { b.tell("h1", "stable@r1", acked) }, wire.Active},
		{"every wave is out", func(b *harness) { b.tell("h1", "stable@r1", acked, putOff) }, wire.Converging},
		{"all have converged", func(b *harness) {
			b.tell("h1", "stable@r1", acked, switched, arrived)
			b.tell("h2", "stable@r1", acked, switched, arrived)
		}, wire.Terminal},
		{"all are at an end, and one failed", func(b *harness) {
			b.tell("h1", "stable@r1", acked, broken)
			b.tell("h2", "stable@r1", acked, switched, arrived)
		}, wire.Halted},
		{"all are at an end, and the failure is excused", func(b *harness) {
			b.tell("h1", "stable@r1", acked, broken)
			b.tell("h2", "stable@r1", acked, switched, arrived)
			b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
		}, wire.Terminal},
		{"a failure is excused and a host is left", func(b *harness) {
			b.tell("h1", "stable@r1", acked, switched, unhealthy, rolledBack)
			b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
		}, wire.Converging},
		{"superseded while nobody has taken it up", func(b *harness) { b.step(open("stable@r2", "h9=c2")) }, wire.Superseded},
		{"superseded while it is halted", func(b *harness) {
			b.tell("h1", "stable@r1", acked, broken)
			b.step(open("stable@r2", "h9=c2"))
		}, wire.Superseded},
		{"another channel has a newer one", func(b *harness) { b.step(open("edge@r2", "h9=c2")) }, wire.Opening},
	} {
		b := started(t)
		b.step(open("stable@r1", "h1=c2", "h2=c2"))
		c.do(b)
		equal(t, c.what, b.rolloutStatus("stable@r1").State, c.want)
	}
}

func TestResumingExcusesOnlyThoseThatHaveFailedSoFar(t *testing.T) { // PROTOCOL R2
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2", "h3=c2"))
	b.tell("h1", "stable@r1", acked, switched, unhealthy)
	b.want(wire.OK, &plane.ResumeRollout{RolloutID: "stable@r1"})
	b.tell("h1", "stable@r1", rolledBack)
	equal(t, "after an excused host has reverted", b.rolloutStatus("stable@r1").HaltedBy, "")
	equal(t, "waves while another host is at work", b.rolloutStatus("stable@r1").WavesDispatched, 1)
	b.tell("h2", "stable@r1", acked, broken)
	equal(t, "after another failure", b.rolloutStatus("stable@r1").HaltedBy, "h2")
	equal(t, "waves", b.rolloutStatus("stable@r1").WavesDispatched, 1)
	b.want(wire.OK, &plane.ResumeRollout{RolloutID: "stable@r1"})
	equal(t, "waves when both are excused", b.rolloutStatus("stable@r1").WavesDispatched, 2)
}

func TestAHostThatBeginsAnewHaltsNothing(t *testing.T) { // PROTOCOL E13, R2
	again := wire.ActivationCompleted{ObservedCurrentClosure: "c2", CompletedAt: at(900)}
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2 h4=c2", "h3=c2"))
	b.tell("h1", "stable@r1", acked, broken)
	b.tell("h2", "stable@r1", acked, broken)
	b.want(wire.NoContent, &plane.Poll{Hostname: "h4"})
	b.tell("h1", "stable@r1", again)
	equal(t, "what halts it while another host has failed", b.rolloutStatus("stable@r1").HaltedBy, "h2")
	b.want(wire.NoContent, &plane.Poll{Hostname: "h4"})
	b.want(wire.OK, &plane.ResumeRollout{RolloutID: "stable@r1"})
	b.tell("h4", "stable@r1", acked, putOff)
	b.tell("h1", "stable@r1", wire.HostConverged{ConvergedAt: at(9000), CurrentClosure: "c2"})
	equal(t, "waves once the other one is excused", b.rolloutStatus("stable@r1").WavesDispatched, 2)
	b.tell("h2", "stable@r1", again, unhealthy)
	equal(t, "what halts it after an excused host has begun anew and failed", b.rolloutStatus("stable@r1").HaltedBy, "h2")
	b.tell("h2", "stable@r1", wire.ActivationCompleted{ObservedCurrentClosure: "c2", CompletedAt: at(901)})
	equal(t, "what halts it in the end", b.rolloutStatus("stable@r1").HaltedBy, "")
	equal(t, "what is woken", strings.Join(names(b.out.Wakes), " "), "h3")
	b.want(wire.OK, &plane.Poll{Hostname: "h3"})
}

func names(list []wire.Hostname) (words []string) {
	for _, h := range list {
		words = append(words, string(h))
	}
	return words
}

// What was decided survives a restart: the excuse is durable.
func TestAnExcuseSurvivesARestart(t *testing.T) { // PROTOCOL R2, E2
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2", "h3=c2"))
	b.tell("h1", "stable@r1", acked, switched, unhealthy)
	b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
	b.plane = restored(t, plane.Config{}, b.plane.AppendDurable(nil))
	b.step(&plane.Started{})
	b.tell("h1", "stable@r1", rolledBack)
	equal(t, "what halts the rollout", b.rolloutStatus("stable@r1").HaltedBy, "")
	b.tell("h2", "stable@r1", acked, putOff)
	equal(t, "waves", b.rolloutStatus("stable@r1").WavesDispatched, 2)
}

func TestAQuarantineIsOfOneChannel(t *testing.T) { // PROTOCOL R3
	b := started(t)
	b.step(open("edge@r1", "h1=c2"))
	b.tell("h1", "edge@r1", acked, switched, unhealthy, rolledBack)
	b.step(open("stable@r1", "h1=c2 h2=c3"))
	b.step(open("edge@r2", "h2=c2 h3=c3"))
	for _, c := range []struct {
		host wire.Hostname
		id   wire.RolloutID
	}{{"h1", "stable@r1"}, {"h2", "stable@r1"}, {"h3", "edge@r2"}} {
		d, offered := b.step(&plane.Poll{Hostname: c.host}).Outcome.Document.(*wire.Dispatch)
		if !offered || d.RolloutID != c.id {
			t.Errorf("%s is offered %v; want %s", c.host, d, c.id)
		}
	}
	b.tell("h2", "stable@r1", acked)
	b.want(wire.NoContent, &plane.Poll{Hostname: "h2"}) // c2 is quarantined on edge
}

func TestAQuarantineSurvivesARestart(t *testing.T) { // PROTOCOL R3, E2
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	b.tell("h1", "stable@r1", acked, switched, unhealthy, rolledBack)
	b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
	b.plane = restored(t, plane.Config{}, b.plane.AppendDurable(nil))
	b.step(&plane.Started{})
	b.want(wire.NoContent, &plane.Poll{Hostname: "h2"})
	b.want(wire.NoContent, &plane.ClearQuarantine{Channel: "stable", Closure: "c2"})
	b.want(wire.OK, &plane.Poll{Hostname: "h2"})
}

func TestAFileThatWasUnreadAtTheChoiceIsBehind(t *testing.T) { // PROTOCOL R6, E2
	var peers []plane.Peer
	for _, id := range []wire.RolloutID{"stable@r1", "stable@r2", "stable@r3", "stable@r4"} {
		peers = append(peers, plane.Peer{RolloutID: id})
	}
	file := func(i int, peers []plane.Peer) *plane.FileManifest {
		return &plane.FileManifest{Manifest: manifest(peers[i].RolloutID, "h1=c2"), Peers: peers}
	}
	b := started(t)
	b.want(wire.Created, file(0, peers[:3]))
	b.want(wire.OK, &plane.ChooseRollout{RolloutID: "stable@r1"})
	b.plane = restored(t, plane.Config{}, b.plane.AppendDurable(nil))
	b.step(&plane.Started{})
	b.want(wire.OK, file(0, peers)) // r4 is new in the directory
	b.want(wire.Created, file(1, peers))
	equal(t, "stable@r2, which lay there", b.rolloutStatus("stable@r2").SupersededBy, "stable@r1")
	b.want(wire.Created, file(3, peers))
	equal(t, "stable@r4, which came later", b.rolloutStatus("stable@r4").State, wire.Opening)
	b.want(wire.Created, file(2, peers))
	equal(t, "stable@r3, which lay there", b.rolloutStatus("stable@r3").SupersededBy, "stable@r4")
}
