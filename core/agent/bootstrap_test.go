package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// snapshotOf is a snapshot of r1 with target c1, dispatched a minute after the
// epoch with five minutes of soak, and all else that its state implies.
func snapshotOf(state wire.State, last wire.Seq) wire.Snapshot {
	at := func(d time.Duration) wire.Time { return epoch.Add(d) }
	s := wire.Snapshot{
		RolloutID: r1, Hostname: "h1", Channel: "stable", State: state, TargetClosure: "c1",
		DispatchedAt: at(minute), SoakDueAt: at(6 * minute), LastEventSeq: last,
	}
	if state > wire.Pending {
		s.DispatchAckedAt, s.ActivationStartedAt, s.CurrentClosureAtDispatch = at(2*minute), at(2*minute), "c0"
	}
	if state == wire.Soaking {
		s.ActivationCompletedAt, s.CurrentClosure = at(3*minute), "c1"
	}
	return s
}

// failedSnapshot is that of a record that has failed, of a plane that was restored
// (PROTOCOL H8).
func failedSnapshot(last wire.Seq, host wire.Hostname) wire.Snapshot {
	s := snapshotOf(wire.Soaking, last)
	s.State, s.Hostname = wire.Failed, host
	return s
}

// confirmed returns the snapshot as a confirmation makes it: nothing of the
// agent's own has been taken.
func confirmed(last wire.Seq) wire.Snapshot {
	s := snapshotOf(wire.Soaking, last)
	s.CurrentClosureAtDispatch, s.ActivationStartedAt = "", wire.Time{}
	return s
}

// TestEverySnapshotIsFollowedAsTheTableSays has a row for each line of the
// table in the package comment, and for the borders between them. Each begins
// with a log and shows what a snapshot makes of it: the history afterwards, and
// what is then sent until all is acknowledged.
func TestEverySnapshotIsFollowedAsTheTableSays(t *testing.T) { // PROTOCOL A4
	const whole = "DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4 Converged#5"
	// fresh knows nothing and runs a closure; converged has finished r1.
	fresh := func(closure wire.Closure) func(testing.TB) *rig {
		return func(t testing.TB) *rig { return on(t, closure) }
	}
	staging := func(t testing.TB) *rig {
		r := newRig(t)
		r.step(&agent.Started{CurrentClosure: "c0", NextBoot: "c1"})
		return r
	}
	converged := func(t testing.TB) *rig {
		r := on(t, "c0")
		r.converged(r1, "c1")
		return r
	}
	failed := func(t testing.TB) *rig {
		r := on(t, "c0")
		r.offer(r.dispatch(r1, "c1", 0))
		r.step(&agent.ActivationEnded{ID: r.effect(agent.EffectActivate).ID, Result: agent.ActivationFailed, CurrentClosure: "c0"})
		r.accept()
		return r
	}
	reverted := func(t testing.TB) *rig {
		r := sickened(t, wire.RollbackAndHalt)
		r.step(&agent.RollbackEnded{ID: r.effect(agent.EffectRollback).ID, CurrentClosure: "c0"})
		r.accept()
		r.heartbeat(ok) // sent before the end
		return r
	}
	const wholeRevert = "DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4 " +
		"ProbeObservedFirst#5 ProbeResult#6 ProbeFailureFirst#7 Failed#8 RollbackComplete#9"
	// superseding has finished r2 and knows r1 no more.
	superseding := func(dispatched time.Duration) func(testing.TB) *rig {
		return func(t testing.TB) *rig {
			r := on(t, "c0")
			d := r.dispatch(r2, "c2", 0)
			d.EnqueuedAt, d.SoakDueAt = epoch.Add(dispatched), epoch.Add(dispatched)
			r.offer(d)
			r.activated()
			r.accept()
			return r
		}
	}
	ended := snapshotOf(wire.Soaking, 5)
	ended.State = wire.Converged
	foreign := snapshotOf(wire.Soaking, 3)
	foreign.Hostname = "h2"
	unstarted := snapshotOf(wire.Activating, 2)
	unstarted.ActivationStartedAt = wire.Time{}

	for _, row := range []struct {
		line     int
		name     string
		have     func(testing.TB) *rig
		snapshot wire.Snapshot
		history  string // of r1; "" if it is not known
		sent     string // until all is acknowledged
		state    wire.State
	}{
		{1, "an ended record", converged, ended, whole, "", wire.Converged},
		{4, "the plane was restored to before the rollback", reverted, failedSnapshot(8, "h1"), wholeRevert, "RollbackComplete#9", wire.Reverted},
		{1, "a failed record of another host", reverted, failedSnapshot(8, "h2"), wholeRevert, "", wire.Reverted},
		{1, "a failed record that is not known", fresh("c1"), failedSnapshot(8, "h1"), "", "", 0},
		{1, "a failed record of which nothing is lacking", failed, failedSnapshot(3, "h1"),
			"DispatchAck#1 ActivationStarted#2 ActivationFailed#3", "", wire.Failed},
		{3, "an earlier life has failed, and used all numbers", converged, failedSnapshot(7, "h1"),
			"DispatchAck#1 ActivationStarted#2 ActivationCompleted#8 ProbeTopologyDeclared#9 Converged#10",
			"ActivationCompleted#8 ProbeTopologyDeclared#9 Converged#10", wire.Converged},
		{4, "an earlier life has failed before it completed", converged, failedSnapshot(2, "h1"), whole,
			"ActivationCompleted#3 ProbeTopologyDeclared#4 Converged#5", wire.Converged},
		{3, "an earlier life has failed, and the rollback is not shown", reverted, failedSnapshot(9, "h1"),
			strings.Replace(wholeRevert, "#9", "#10", 1), "RollbackComplete#10", wire.Reverted},
		{1, "a failed record with a number that none has", converged, failedSnapshot(wire.MaxSeq, "h1"), whole, "", wire.Converged},
		{1, "another host's", fresh("c1"), foreign, "", "", 0},
		{3, "an earlier life used all numbers", converged, snapshotOf(wire.Activating, 9),
			"DispatchAck#1 ActivationStarted#2 ActivationCompleted#10 ProbeTopologyDeclared#11 Converged#12",
			"ActivationCompleted#10 ProbeTopologyDeclared#11 Converged#12", wire.Converged},
		{3, "the end alone is not shown", converged, snapshotOf(wire.Soaking, 5),
			"DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4 Converged#6", "Converged#6", wire.Converged},
		{3, "the completion is not shown, though the end is above", converged, snapshotOf(wire.Activating, 4),
			"DispatchAck#1 ActivationStarted#2 ActivationCompleted#6 ProbeTopologyDeclared#7 Converged#8",
			"ActivationCompleted#6 ProbeTopologyDeclared#7 Converged#8", wire.Converged},
		{3, "the start is not shown", converged, unstarted,
			"DispatchAck#1 ActivationStarted#6 ActivationCompleted#7 ProbeTopologyDeclared#8 Converged#9",
			"ActivationStarted#6 ActivationCompleted#7 ProbeTopologyDeclared#8 Converged#9", wire.Converged},
		{3, "a failure is not shown", failed, snapshotOf(wire.Activating, 3),
			"DispatchAck#1 ActivationStarted#2 ActivationFailed#4", "ActivationFailed#4", wire.Failed},
		{3, "a rollback is not shown", reverted, snapshotOf(wire.Soaking, 9),
			"DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4 " +
				"ProbeObservedFirst#5 ProbeResult#6 ProbeFailureFirst#7 Failed#10 RollbackComplete#11",
			"Failed#10 RollbackComplete#11", wire.Reverted},
		{4, "the plane was wiped", converged, snapshotOf(wire.Pending, 0), whole, whole, wire.Converged},
		{4, "the plane was wiped, and a heartbeat confirmed it", converged, confirmed(0), whole, whole, wire.Converged},
		{4, "the plane was put back to the activation", converged, snapshotOf(wire.Activating, 2), whole,
			"ActivationCompleted#3 ProbeTopologyDeclared#4 Converged#5", wire.Converged},
		{4, "the plane was put back to the soak", converged, snapshotOf(wire.Soaking, 4), whole, "Converged#5", wire.Converged},
		{4, "the plane was put back to before a failure", failed, snapshotOf(wire.Activating, 2),
			"DispatchAck#1 ActivationStarted#2 ActivationFailed#3", "ActivationFailed#3", wire.Failed},
		{4, "the plane was put back to before a rollback", reverted, snapshotOf(wire.Soaking, 7), wholeRevert,
			"Failed#8 RollbackComplete#9", wire.Reverted},
		{7, "not taken up yet", fresh("c0"), snapshotOf(wire.Pending, 0), "", "", 0},
		{8, "an older one than what is known", superseding(2 * minute), snapshotOf(wire.Soaking, 4), "", "", 0},
		{8, "one as old as what is known", superseding(minute), snapshotOf(wire.Soaking, 4), "", "", 0},
		{9, "a newer one than what is known", superseding(0), snapshotOf(wire.Activating, 2),
			"DispatchAck#1 ActivationStarted#2", "", wire.Activating},
		{9, "lost while it was activated", fresh("c0"), snapshotOf(wire.Activating, 2),
			"DispatchAck#1 ActivationStarted#2", "", wire.Activating},
		{9, "lost, with numbers of which nothing is shown", fresh("c0"), snapshotOf(wire.Activating, 7),
			"DispatchAck#6 ActivationStarted#7", "", wire.Activating},
		{9, "lost before the switch began", fresh("c0"), unstarted,
			"DispatchAck#2 ActivationStarted#3", "ActivationStarted#3", wire.Activating},
		{9, "lost, and the host got there meanwhile", fresh("c1"), snapshotOf(wire.Activating, 2),
			"DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4",
			"ActivationCompleted#3 ProbeTopologyDeclared#4", wire.Soaking},
		{10, "lost while it waited for a boot", staging, snapshotOf(wire.Deferred, 3),
			"DispatchAck#1 ActivationStarted#2 ActivationDeferred#3", "", wire.Deferred},
		{11, "lost while it soaked", fresh("c1"), snapshotOf(wire.Soaking, 8),
			"DispatchAck#6 ActivationStarted#7 ActivationCompleted#8 ProbeTopologyDeclared#9", "ProbeTopologyDeclared#9", wire.Soaking},
		{11, "lost, and known by a confirmation only", fresh("c1"), confirmed(0),
			"DispatchAck#1 ActivationCompleted#2 ProbeTopologyDeclared#3",
			"DispatchAck#1 ActivationCompleted#2 ProbeTopologyDeclared#3", wire.Soaking},
		{11, "lost, and confirmed after its acknowledgement", fresh("c1"), confirmed(1),
			"DispatchAck#1 ActivationCompleted#2 ProbeTopologyDeclared#3",
			"ActivationCompleted#2 ProbeTopologyDeclared#3", wire.Soaking},
		{12, "lost, and the next boot would not bring it", fresh("c0"), snapshotOf(wire.Deferred, 3),
			"DispatchAck#2 ActivationStarted#3", "", wire.Activating},
		{12, "lost with the closure", fresh("c0"), snapshotOf(wire.Soaking, 8),
			"DispatchAck#7 ActivationStarted#8", "", wire.Activating},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := row.have(t)
			r.heartbeat(ok, row.snapshot)
			equal(t, "history", r.history(r1), row.history)
			equal(t, "sent", strings.Join(r.accept(), " "), row.sent)
			equal(t, "state", r.state(r1), row.state)
			r.make() // and it is all in the log
			equal(t, "history after a crash", r.history(r1), row.history)
		})
	}
}

func TestASnapshotOfWhatIsSupersededHereIsIgnored(t *testing.T) { // PROTOCOL A4, line 2 of the table
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.accept()
	r.activated() // its events stay open
	q := r.take(agent.RequestHeartbeat)
	r.answer(q, ok)
	r.offer(r.dispatch(r2, "c1", 0)) // which is over at once
	for len(r.open(agent.RequestEvent)) > 0 {
		if q := r.take(agent.RequestEvent); q.Event.RolloutID == r2 {
			r.answer(q, accepted)
		}
	}
	for i := 0; i < 10 && r.view(r2).Unsent; i++ {
		r.event(accepted)
	}
	r.heartbeat(ok, snapshotOf(wire.Activating, 2))
	equal(t, "ignored", r.noticed(agent.NoticeIgnored), 1)
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4 Converged#5")
}

func TestASnapshotThatWasNeverDispatchedLeavesNothingUntold(t *testing.T) { // PROTOCOL A1, H4
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.event(agent.Answer{Status: 404}) // so heartbeats name nothing in their turn
	r.activated()
	s := confirmed(0)
	s.RolloutID, s.DispatchedAt = r2, wire.Time{}
	known := snapshotOf(wire.Pending, 0) // and the plane knows the older one again
	for i := 0; i < 4 && r.state(r2) == 0; i++ {
		r.heartbeat(ok, known, s)
	}
	equal(t, "r2", r.state(r2), wire.Soaking)
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4 Converged#5")
}

// halfway returns a rig that has lost the end of its log (its disk was put
// back, say): it knows of two events, and the heartbeat that is open was sent
// before it knew of anything.
func halfway(t testing.TB, closure wire.Closure) (*rig, agent.Request) {
	t.Helper()
	r := on(t, closure)
	q := r.take(agent.RequestHeartbeat)
	r.offer(r.dispatch(r1, "c1", 5*minute))
	r.accept()
	return r, q
}

func TestStepsThatTheSnapshotIsAheadAreTakenFromIt(t *testing.T) { // PROTOCOL A4, line 5 of the table
	r, q := halfway(t, "c0")
	e := r.effect(agent.EffectActivate)
	// It runs the target, but wants a reboot.
	r.step(&agent.ActivationEnded{ID: e.ID, Result: agent.ActivationDeferred, CurrentClosure: "c1", Component: "kernel"})
	r.accept()
	r.answerWith(q, snapshotOf(wire.Soaking, 8)) // and has been confirmed (H4)
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationDeferred#3 ActivationCompleted#8 ProbeTopologyDeclared#9")
	equal(t, "sent", strings.Join(r.accept(), " "), "ProbeTopologyDeclared#9")
}

func TestASoakThatTheHostDoesNotConfirmIsNotTakenFromASnapshot(t *testing.T) { // PROTOCOL A4, line 5 of the table
	r, q := halfway(t, "c0")
	e := r.effect(agent.EffectActivate)
	r.step(&agent.ActivationEnded{ID: e.ID, Result: agent.ActivationDeferred, CurrentClosure: "c0", Component: "kernel"})
	r.accept()
	r.answerWith(q, snapshotOf(wire.Soaking, 8))
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationDeferred#3")
	r.restart("c1", agent.Reboot)
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationDeferred#3 ActivationCompleted#9 ProbeTopologyDeclared#10")
}

func TestASnapshotDoesNotDisturbARunningActivation(t *testing.T) { // PROTOCOL A4, line 6 of the table
	r, q := halfway(t, "c0")
	r.answerWith(q, snapshotOf(wire.Soaking, 8))
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2")
	equal(t, "effects", len(r.effects), 1)
	r.activated()
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationCompleted#9 ProbeTopologyDeclared#10")
}

// answerWith answers a heartbeat that was taken before.
func (r *rig) answerWith(q agent.Request, snapshots ...wire.Snapshot) {
	r.t.Helper()
	r.step(&agent.HeartbeatAnswered{ID: q.ID, Answer: ok, Response: wire.HeartbeatResponse{ReceivedAt: q.Heartbeat.At, Bootstrap: snapshots}})
}

func TestSnapshotsInAnAnswerToAHeartbeatThatNamedARolloutAreNotFollowed(t *testing.T) { // PROTOCOL H3
	r := soaking(t)
	s := snapshotOf(wire.Activating, 2)
	s.RolloutID, s.Channel = e1, "edge"
	r.heartbeat(ok, s)
	equal(t, "edge", r.state(e1), 0)
}

func TestAReplayFromBeyondWhatItShouldShowRenumbers(t *testing.T) { // PROTOCOL A4, H2
	r := soaking(t)
	r.heartbeat(replayFrom(200, 7)) // the plane has seven events, and does not know the closure
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationCompleted#8 ProbeTopologyDeclared#9")
	for i := range wire.Seq(5) { // and says so for ever
		r.heartbeat(replayFrom(200, 100*(i+1)))
		r.accept()
	}
	equal(t, "renumbered", r.noticed(agent.NoticeRenumbered), 3)
}

func TestNumbersThatThePlaneHasUsedAreNotUsedAgain(t *testing.T) { // PROTOCOL A4
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 5*minute))
	r.accept()
	r.heartbeat(replayFrom(200, 6))
	r.accept()
	r.activated()
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationCompleted#7 ProbeTopologyDeclared#8")
}

func TestAnAgentThatLostItsDiskConvergesByTheSnapshotsSoak(t *testing.T) { // PROTOCOL A8
	r := newRig(t)
	r.now = 4 * minute
	r.off = -time.Hour // and its clock is behind the plane's
	r.start("c1", agent.ProcessStart)
	s := snapshotOf(wire.Soaking, 4)
	s.ActivationCompletedAt = r.wall() // told by this very clock, in an earlier life
	r.heartbeat(ok, s)
	taken := r.now
	for i := 0; i < 3600 && r.state(r1) != wire.Converged; i++ {
		r.advance(time.Second)
	}
	equal(t, "state", r.state(r1), wire.Converged)
	if soaked := r.now - taken; soaked < 4*minute || soaked > 5*minute+time.Second {
		t.Fatalf("it soaks for %v; the dispatch and the deadline are five minutes apart", soaked)
	}
}

func TestWithoutASoakTimeTheSoakIsOverWhenItsDeadlineHasPassed(t *testing.T) { // PROTOCOL A8
	r := newRig(t)
	r.now = 4 * minute
	r.start("c0", agent.ProcessStart)
	s := snapshotOf(wire.Activating, 2)
	s.DispatchedAt = wire.Time{} // so nothing tells the soak time
	s.SoakDueAt = epoch.Add(20 * minute)
	r.heartbeat(ok, s)
	r.activated()
	for i := 0; i < 3600 && r.state(r1) != wire.Converged; i++ {
		r.advance(time.Second)
	}
	equal(t, "state", r.state(r1), wire.Converged)
	equal(t, "converged", r.now.Round(time.Second), 20*minute)
}

func TestTheDeadlineOfASnapshotCountsAsWell(t *testing.T) { // PROTOCOL A8
	r := newRig(t)
	r.now = 5*minute + 50*time.Second
	r.start("c0", agent.ProcessStart)
	r.heartbeat(ok, snapshotOf(wire.Activating, 2))
	r.activated() // five minutes of soak would end long after the deadline
	for i := 0; i < 3600 && r.state(r1) != wire.Converged; i++ {
		r.advance(time.Second)
	}
	equal(t, "state", r.state(r1), wire.Converged)
	equal(t, "converged", r.now.Round(time.Second), 6*minute)
}

func TestWithoutAPolicyAHostHalts(t *testing.T) { // PROTOCOL A7
	r := on(t, "c1", enforce("p"))
	r.heartbeat(ok, snapshotOf(wire.Soaking, 4))
	r.probing(121*time.Second, wire.Fail)
	equal(t, "state", r.state(r1), wire.Failed)
	equal(t, "rollbacks", r.noticed(agent.NoticeRollback), 0)
}

func TestSeveralSnapshotsAreFollowed(t *testing.T) { // PROTOCOL A4, A10
	r := on(t, "c0")
	edge := snapshotOf(wire.Activating, 2)
	edge.RolloutID, edge.Channel, edge.TargetClosure = e1, "edge", "c2"
	r.heartbeat(ok, edge, snapshotOf(wire.Activating, 2))
	equal(t, "activations", len(r.effects), 1) // one at a time
	equal(t, "first", r.effects[0].RolloutID, e1)
	r.activated()
	equal(t, "second", r.effect(agent.EffectActivate).RolloutID, r1)
}
