package plane_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// runLength is how many batches a random run has.
const runLength = 50

// TestRandomRunsReachEveryCase keeps the properties honest: what never happens
// in a run is not tested by them. The sample is the same in every test.
func TestRandomRunsReachEveryCase(t *testing.T) {
	want := []string{
		"plane wiped", "plane crashed", "plane restarted", "plane reloaded", "a later wave", "bootstrap", "drift", "dispatch", "duplicate",
		"a heartbeat that needs an earlier entry of its batch",
		"entry opened applied", "entry resumed applied", "entry chosen applied", "entry confirmed applied", "entry cleared applied", "entry revoked applied", "entry discarded discarded",
	}
	for kind := plane.NoticeReplayAsked; int(kind) < plane.NoticeKindCount; kind++ {
		want = append(want, "notice "+kind.String())
	}
	for _, code := range []wire.Code{
		wire.OK, wire.Created, wire.NoContent, wire.Gap, wire.Rejected, wire.UnknownRollout, wire.UnknownHost,
		wire.UnknownQuarantine, wire.ManifestConflict, wire.RolloutSuperseded, wire.RolloutHeld, wire.WrongShape, wire.StoreUnavailable, wire.UnknownName,
	} {
		want = append(want, "reply "+code.String())
	}
	for _, state := range wire.States {
		want = append(want, "state "+state.String())
	}
	for _, reason := range []string{"superseded", "held", "halted", "quarantined"} {
		want = append(want, "a dispatch withheld, "+reason)
	}
	for _, kind := range wire.EventKinds {
		want = append(want, "entry "+kind.String()+" applied")
	}
	for _, kind := range []wire.EventKind{
		wire.KindDispatchAck, wire.KindActivationStarted, wire.KindActivationCompleted, wire.KindActivationDeferred,
	} {
		want = append(want, "entry "+kind.String()+" absorbed")
	}

	seen := map[string]int{}
	runs := rapid.Custom(func(t *rapid.T) map[string]int {
		f := newFleet(t, watch{after: countWithheld})
		f.play(runLength)
		return f.seen
	})
	for seed := range 120 {
		for what, n := range runs.Example(seed) {
			seen[what] += n
		}
	}
	for _, what := range want {
		if seen[what] == 0 {
			t.Errorf("never in 120 runs: %s", what)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[what], what)
	}
}

// countWithheld counts polls that were answered 204 although there is a
// dispatch, by why it is withheld (PROTOCOL R1 to R3).
func countWithheld(f *fleet, now wire.Instant, in plane.Input, out *plane.Output) {
	poll, polls := in.(*plane.Poll)
	if !polls || out.Replies[0].Outcome.Code != wire.NoContent {
		return
	}
	for _, rec := range answered[*wire.HostStatus](f.t, f.plane, now, &plane.QueryHost{Hostname: poll.Hostname}).Records {
		if rec.Snapshot.State != wire.Pending || !rec.Snapshot.DispatchedAt.IsSet() {
			continue
		}
		switch answered[*wire.RolloutStatus](f.t, f.plane, now, &plane.QueryRollout{RolloutID: rec.Snapshot.RolloutID, Limit: 1}).State {
		case wire.Superseded:
			f.seen["a dispatch withheld, superseded"]++
		case wire.Held:
			f.seen["a dispatch withheld, held"]++
		case wire.Halted:
			f.seen["a dispatch withheld, halted"]++
		default:
			if f.plane.Quarantined(rec.Snapshot.RolloutID.Channel(), rec.Snapshot.TargetClosure) {
				f.seen["a dispatch withheld, quarantined"]++
			} else {
				f.seen["a dispatch withheld, offered before"]++
			}
		}
	}
}
