package rollout_test

import (
	"testing"
	"unsafe"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestANewRecordIsPending(t *testing.T) { // PROTOCOL R2
	r := rollout.New(id, host, target, 2, 600)
	sound(t, &r)
	equal(t, "the record", text(&r),
		`{"rolloutId":"stable@r1","hostname":"h1","wave":2,"soakSeconds":600,"state":"Pending","targetClosure":"c2","lastEventSeq":0}`)
}

func TestDispatchSetsTheSoakDeadlineOnce(t *testing.T) { // PROTOCOL D1, D2
	r := fresh()
	r.Dispatch(at(0))
	r.Dispatch(at(50))
	sound(t, &r)
	equal(t, "dispatchedAt", r.DispatchedAt, at(0))
	equal(t, "soakDueAt", r.SoakDueAt, at(soakSeconds))
	equal(t, "the state", r.State, wire.Pending)
}

func TestDispatchTouchesPendingRecordsOnly(t *testing.T) { // PROTOCOL D2
	for _, state := range wire.States[1:] {
		r := fresh()
		for _, body := range ways[state] {
			take(t, &r, body)
		}
		before := text(&r)
		r.Dispatch(at(0))
		equal(t, "the "+state.String()+" record", text(&r), before)
	}
}

func TestDriftIsAClosureThatTheRecordDoesNotHave(t *testing.T) { // PROTOCOL H2
	activating := after(t, acked)
	equal(t, "drift while the closure is unset", activating.Drifted(target), true)
	equal(t, "drift of no closure against none", activating.Drifted(""), true)
	soaking := after(t, ways[wire.Soaking]...)
	equal(t, "drift on the record's closure", soaking.Drifted(target), false)
	equal(t, "drift on another closure", soaking.Drifted(other), true)
	reverted := after(t, ways[wire.Reverted]...)
	equal(t, "drift on the closure gone back to", reverted.Drifted(was), false)
	equal(t, "drift on the target after a revert", reverted.Drifted(target), true)
}

func TestASnapshotHasWhatTheProtocolLists(t *testing.T) { // PROTOCOL H6
	r := after(t, ways[wire.Soaking]...)
	got := r.Snapshot()
	equal(t, "the snapshot", got, wire.Snapshot{
		RolloutID: id, Hostname: host, Channel: "stable", State: wire.Soaking, TargetClosure: target,
		CurrentClosureAtDispatch: was, CurrentClosure: target, DispatchedAt: at(0), DispatchAckedAt: at(10),
		ActivationStartedAt: at(20), ActivationCompletedAt: at(100), SoakDueAt: at(soakSeconds), LastEventSeq: 3,
	})
}

func TestAnAgentGoesOnFromItsSnapshot(t *testing.T) { // PROTOCOL A4
	for _, state := range wire.States {
		r := after(t, ways[state]...)
		again := rollout.FromSnapshot(r.Snapshot(), 0, soakSeconds)
		sound(t, &again)
		r.EndedAt = wire.Time{} // the one thing of an ordinary record that a snapshot lacks
		equal(t, "the "+state.String()+" record", text(&again), text(&r))
	}
	r := after(t, ways[wire.Soaking]...)
	again := rollout.FromSnapshot(r.Snapshot(), 3, 60)
	equal(t, "wave", again.Wave, 3)
	equal(t, "soakSeconds", again.SoakSeconds, 60)
	want(t, &again, wire.Event{Seq: 4, Body: wire.HostConverged{ConvergedAt: at(160), CurrentClosure: target}}, rollout.Applied)
}

func TestASnapshotWithoutADeadlineGetsOne(t *testing.T) { // PROTOCOL A4, A8
	r := fresh()
	for _, body := range ways[wire.Soaking] {
		take(t, &r, body)
	}
	s := r.Snapshot()
	s.SoakDueAt = wire.Time{}
	again := rollout.FromSnapshot(s, 0, soakSeconds)
	sound(t, &again)
	equal(t, "soakDueAt after the activation", again.SoakDueAt, at(100+soakSeconds))
	s.DispatchedAt = at(0)
	again = rollout.FromSnapshot(s, 0, soakSeconds)
	equal(t, "soakDueAt after the dispatch", again.SoakDueAt, at(soakSeconds))
}

func TestASnapshotThatContradictsItselfFailsTheCheck(t *testing.T) { // PROTOCOL A4
	r := after(t, ways[wire.Soaking]...)
	s := r.Snapshot()
	s.CurrentClosure = ""
	again := rollout.FromSnapshot(s, 0, soakSeconds)
	if again.Check() == nil {
		t.Error("a Soaking snapshot without a current closure was accepted")
	}
}

func TestACloneSharesNothing(t *testing.T) {
	r := after(t, acked, completed, result("http", wire.Enforce, wire.Fail, 110))
	c := r.Clone()
	equal(t, "the clone", text(&c), text(&r))
	before := text(&c)
	take(t, &r, result("http", wire.Enforce, wire.Pass, 120))
	equal(t, "the clone after a change of the original", text(&c), before)
	pending := fresh()
	if c := pending.Clone(); c.Probes != nil {
		t.Error("the clone of a record without probes has an empty set of them")
	}
}

func TestARecordDescribesItselfInOneLine(t *testing.T) {
	r := fresh()
	equal(t, "Pending", r.String(), "stable@r1 h1 Pending seq=0 target=c2")
	r.Confirm(target, at(0))
	equal(t, "confirmed", r.String(), "stable@r1 h1 Soaking* seq=0 target=c2 current=c2")
	r = after(t, acked, completed, result("http", wire.Enforce, wire.Fail, 110), result("db", wire.Enforce, wire.Pass, 110))
	equal(t, "Soaking", r.String(), "stable@r1 h1 Soaking seq=4 target=c2 current=c2 failing=1/2")
}

// The plane of the architecture's sizes keeps one finished rollout per host in
// 600 bytes, names and indices included.
func TestARecordIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(rollout.Record{}); size > 224 {
		t.Errorf("a record is %d bytes; want at most 224", size)
	}
	if size := unsafe.Sizeof(rollout.Probe{}); size > 72 {
		t.Errorf("a probe is %d bytes; want at most 72", size)
	}
}

func TestARecordKeepsEachClosureNameOnce(t *testing.T) {
	// Names that arrive in events are copies of their own.
	fromWire := func(c wire.Closure) wire.Closure { return wire.Closure([]byte(c)) }
	r := after(t,
		wire.DispatchAck{CurrentClosureAtDispatch: fromWire(was), ReceivedAt: at(10)},
		wire.ActivationCompleted{ObservedCurrentClosure: fromWire(target), CompletedAt: at(100)})
	same := func(a, b wire.Closure) bool { return unsafe.StringData(string(a)) == unsafe.StringData(string(b)) }
	equal(t, "sharing of the target", same(r.CurrentClosure, r.TargetClosure), true)
	take(t, &r, unhealthy)
	take(t, &r, wire.RollbackComplete{RevertedToClosure: fromWire(was), CompletedAt: at(260)})
	equal(t, "sharing of the closure gone back to", same(r.CurrentClosure, r.CurrentClosureAtDispatch), true)
	equal(t, "the closure gone back to", r.CurrentClosure, was)
}
