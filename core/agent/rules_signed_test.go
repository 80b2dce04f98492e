package agent_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// signedRig is an agent that acts only on signed intent, and runs c0.
func signedRig(t testing.TB) *rig {
	t.Helper()
	r := newRig(t)
	r.cfg.SignedOnly = true
	r.make()
	r.start("c0", agent.ProcessStart, enforce("http"))
	return r
}

// intent is what good artifacts say that were signed ago.
func (r *rig) intent(id wire.RolloutID, closure wire.Closure, ago time.Duration) artifact.Intent {
	at := r.wall().Add(-ago)
	return artifact.Intent{
		FleetSignedAt: at, RolloutSignedAt: at, FleetHash: "f", NamedHash: "f", ID: id,
		Closure: closure, FleetClosure: closure, Policy: wire.Halt, SoakMinutes: 3,
	}
}

// fetched ends the running fetch.
func (r *rig) fetched(i artifact.Intent) {
	r.t.Helper()
	r.step(&agent.Fetched{ID: r.effect(agent.EffectFetch).ID, Status: 200, Intent: i})
}

// running lists the kinds of the effects that run.
func (r *rig) running() (kinds []agent.EffectKind) {
	for _, e := range r.effects {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestSigned_ADispatchIsTakenUpOnceItsArtifactsAllowIt(t *testing.T) { // PROTOCOL A11
	r := signedRig(t)
	r.offer(r.dispatch(r1, "c1", minute))
	if got := r.running(); !slices.Equal(got, []agent.EffectKind{agent.EffectFetch}) || len(r.log) > 0 {
		t.Fatalf("running %v with log %v; want a fetch alone", got, r.log)
	}
	r.fetched(r.intent(r1, "c1", minute))
	equal(t, "closure", r.effect(agent.EffectActivate).Closure, "c1")
	equal(t, "first entry", r.log[0].Kind, agent.EntrySeen)
	taken := r.log[1].Taken
	// The plane said rollback-and-halt and a minute; the signed fleet says halt and three.
	equal(t, "policy", taken.Policy, wire.Halt)
	equal(t, "soak", taken.Record.SoakSeconds, 180)
	equal(t, "signed", taken.SignedAt, r.wall().Add(-minute))
}

func TestSigned_WhatDoesNotAllowItIsRefused(t *testing.T) { // PROTOCOL A11
	for _, row := range []struct {
		want   string
		change func(*artifact.Intent)
	}{
		{"bad_signature", func(i *artifact.Intent) { i.FleetFault = artifact.BadSignature }},
		{"bad_signature", func(i *artifact.Intent) { i.RolloutFault = artifact.BadSignature }},
		{"wrong_rollout", func(i *artifact.Intent) { i.ID = r2 }},
		{"wrong_fleet", func(i *artifact.Intent) { i.NamedHash = "g" }},
		{"no_such_host", func(i *artifact.Intent) { i.Closure = "" }},
		{"wrong_closure", func(i *artifact.Intent) { i.Closure = "c2" }},
		{"wrong_closure", func(i *artifact.Intent) { i.FleetClosure = "c2" }},
		{"no_policy", func(i *artifact.Intent) { i.Policy = 0 }},
		{"stale", func(i *artifact.Intent) { i.FleetSignedAt = i.FleetSignedAt.Add(-62 * minute) }},
		{"stale", func(i *artifact.Intent) { i.RolloutSignedAt = i.RolloutSignedAt.Add(-62 * minute) }},
		{"from_the_future", func(i *artifact.Intent) { i.FleetSignedAt = i.FleetSignedAt.Add(3 * minute) }},
		{"from_the_future", func(i *artifact.Intent) { i.RolloutSignedAt = i.RolloutSignedAt.Add(3 * minute) }},
		{"older", func(i *artifact.Intent) { i.FleetSignedAt = i.FleetSignedAt.Add(-2 * minute) }},
	} {
		t.Run(row.want, func(t *testing.T) {
			r := signedRig(t)
			r.offer(r.dispatch(r2, "c2", minute)) // of the same channel, refused for its closure
			r.fetched(r.intent(r2, "c9", minute))
			seen := r.a.Seen("stable")
			r.offer(r.dispatch(r1, "c1", minute))
			i := r.intent(r1, "c1", minute)
			row.change(&i)
			r.fetched(i)
			last := r.notices[len(r.notices)-1]
			if last.Kind != agent.NoticeRefused || !strings.HasPrefix(last.Detail, row.want+": ") {
				t.Fatalf("notice %v; want it refused as %s", last, row.want)
			}
			if id, why := r.a.Refused(); id != r1 || why != last.Detail {
				t.Errorf("refused %s, %s; want %s, %s", id, why, r1, last.Detail)
			}
			if got := r.running(); len(got) > 0 {
				t.Errorf("running %v; want nothing", got)
			}
			if at := r.a.Seen("stable"); at.Before(seen) || row.want == "from_the_future" && r.wall().Before(at) {
				t.Errorf("seen %v; want it to stay at %v or to rise, and not by an instant of the future", at, seen)
			}
			sameAsItsClone(t, r)
			// The next offer is judged anew.
			r.offer(r.dispatch(r1, "c1", minute))
			r.fetched(r.intent(r1, "c1", 0))
			equal(t, "closure", r.effect(agent.EffectActivate).Closure, "c1")
			if id, _ := r.a.Refused(); id != "" {
				t.Errorf("%s is refused; want that over", id)
			}
		})
	}
}

func TestSigned_WithoutAnAnswerItAsksAgainLater(t *testing.T) { // PROTOCOL A11
	r := signedRig(t)
	r.offer(r.dispatch(r1, "c1", minute))
	r.step(&agent.Fetched{ID: r.effect(agent.EffectFetch).ID, Status: 503})
	_, why := r.a.Refused()
	if !strings.HasPrefix(why, "unavailable: ") {
		t.Errorf("refused because of %q; want unavailable", why)
	}
	if at := r.a.NextTimer(); at <= r.now {
		t.Errorf("the next timer is at %v; want a pause", at)
	}
	r.offer(r.dispatch(r1, "c1", minute))
	r.fetched(r.intent(r1, "c1", 0))
	r.effect(agent.EffectActivate)
}

func TestSigned_TheNewestInstantOutlivesTheProcessAndACompaction(t *testing.T) { // PROTOCOL A11
	r := signedRig(t)
	r.offer(r.dispatch(r2, "c2", minute))
	r.fetched(r.intent(r2, "c2", 0))
	r.activated()
	newest := r.a.Seen("stable")
	again, err := agent.Restore(r.cfg, r.a.AppendDurable(nil))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "seen after a compaction", again.Seen("stable"), newest)
	r.restart("c2", agent.ProcessStart)
	equal(t, "seen after a start", r.a.Seen("stable"), newest)
	r.now += minute
	r.offer(r.dispatch(r1, "c1", minute))
	r.fetched(r.intent(r1, "c1", 30*minute))
	if _, why := r.a.Refused(); !strings.HasPrefix(why, "older: ") {
		t.Errorf("refused because of %q; want older", why)
	}
	// Another channel has an instant of its own.
	r.offer(r.dispatch(e1, "c3", minute))
	r.fetched(r.intent(e1, "c3", 30*minute))
	equal(t, "closure", r.effect(agent.EffectActivate).Closure, "c3")
}

func TestSigned_AChannelThatNoSignerNamedLeavesNothing(t *testing.T) { // PROTOCOL A11
	r := signedRig(t)
	r.offer(r.dispatch("made-up@a1", "c1", minute))
	r.fetched(r.intent(r1, "c1", 0)) // good artifacts of another rollout
	equal(t, "entries", len(r.log), 0)
}

func TestSigned_ASnapshotIsTakenUpOnceItsArtifactsAllowIt(t *testing.T) { // PROTOCOL A4, A11
	r := signedRig(t)
	snapshot := wire.Snapshot{
		RolloutID: r1, Hostname: r.cfg.Hostname, Channel: "stable", State: wire.Activating, TargetClosure: "c1",
		CurrentClosureAtDispatch: "evil", DispatchedAt: epoch, DispatchAckedAt: epoch, SoakDueAt: epoch.Add(minute), LastEventSeq: 1,
	}
	r.heartbeat(ok, snapshot)
	r.fetched(r.intent(r1, "c9", 0))
	if got := r.running(); len(got) > 0 {
		t.Fatalf("running %v; want nothing", got)
	}
	r.heartbeat(ok, snapshot)
	sameAsItsClone(t, r)
	r.fetched(r.intent(r1, "c1", 0))
	equal(t, "closure", r.effect(agent.EffectActivate).Closure, "c1")
	var views []agent.View
	views = r.a.Views(views)
	equal(t, "what it would go back to", views[0].Record.CurrentClosureAtDispatch, "c0")
	equal(t, "soak", views[0].Record.SoakSeconds, 180)
}

func TestSigned_WhatWasTakenUpUnsignedIsNotActivated(t *testing.T) { // PROTOCOL A11
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", minute))
	r.effect(agent.EffectActivate)
	r.cfg.SignedOnly = true
	r.restart("c0", agent.ProcessStart)
	if got := r.running(); len(got) > 0 {
		t.Errorf("running %v; want nothing", got)
	}
	equal(t, "state", r.a.Views(nil)[0].Record.State, wire.Failed)
}

func TestSigned_NothingIsFetchedDuringAnActivation(t *testing.T) { // PROTOCOL A10, A11
	r := signedRig(t)
	r.offer(r.dispatch(r1, "c1", minute))
	r.fetched(r.intent(r1, "c1", 0))
	r.accept()
	r.offer(r.dispatch(e1, "c1", minute))
	if got := r.running(); !slices.Equal(got, []agent.EffectKind{agent.EffectActivate}) {
		t.Fatalf("running %v; want the activation alone", got)
	}
	r.activated()
	equal(t, "fetch", r.effect(agent.EffectFetch).RolloutID, e1)
}

func TestSigned_RefusalsInARowBackOff(t *testing.T) { // PROTOCOL A5, A11
	r := signedRig(t)
	begun := r.now
	for range 40 {
		r.offer(r.dispatch(r1, "c1", minute))
		r.fetched(r.intent(r1, "c9", 0))
	}
	// The bounds double up to the interval, and a draw is at least a tenth of a second.
	if r.now-begun < 5*minute {
		t.Errorf("40 offers were refused within %v; want the pauses to become longer", r.now-begun)
	}
}
