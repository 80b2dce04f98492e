package rollout_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// soakingWith is a Soaking record that has taken the probe events.
func soakingWith(t *testing.T, probes ...wire.EventBody) rollout.Record {
	t.Helper()
	return after(t, append([]wire.EventBody{acked, completed}, probes...)...)
}

func wantProbes(t *testing.T, r *rollout.Record, want ...rollout.Probe) {
	t.Helper()
	if !reflect.DeepEqual(r.Probes, want) {
		t.Errorf("the probes are %+v, want %+v", r.Probes, want)
	}
}

func TestDeclaredProbesAreKnownBeforeTheyRun(t *testing.T) { // PROTOCOL E
	r := soakingWith(t, declare(110, map[wire.Name]wire.Mode{"http": wire.Enforce, "db": wire.Observe}))
	wantProbes(t, &r, rollout.Probe{Name: "db", Mode: wire.Observe}, rollout.Probe{Name: "http", Mode: wire.Enforce})
}

func TestANewDeclarationKeepsWhatIsKnownOfItsProbes(t *testing.T) { // PROTOCOL E
	r := soakingWith(t,
		declare(110, map[wire.Name]wire.Mode{"http": wire.Enforce, "db": wire.Observe}),
		wire.ProbeObservedFirst{ProbeName: "http", Mode: wire.Enforce, ObservedAt: at(120)},
		result("http", wire.Enforce, wire.Fail, 120),
		wire.ProbeFailureFirst{ProbeName: "http", Mode: wire.Enforce, FirstFailedAt: at(120)},
		result("mail", wire.Enforce, wire.Fail, 130),
		declare(140, map[wire.Name]wire.Mode{"http": wire.Observe, "disk": wire.Enforce}),
	)
	wantProbes(t, &r,
		rollout.Probe{Name: "disk", Mode: wire.Enforce},
		rollout.Probe{Name: "http", Mode: wire.Observe, Status: wire.Fail, FirstObservedAt: at(120), LastObservedAt: at(120), FirstFailedAt: at(120)})
}

func TestAnEmptyDeclarationLeavesNoProbe(t *testing.T) { // PROTOCOL E
	r := soakingWith(t, result("http", wire.Enforce, wire.Fail, 120), declare(130, nil))
	if r.Probes != nil {
		t.Errorf("the probes are %+v, want none", r.Probes)
	}
}

func TestOfANameDeclaredTwiceTheLaterCounts(t *testing.T) {
	r := soakingWith(t, wire.ProbeTopologyDeclared{Probes: []wire.ProbeDeclaration{
		{ProbeName: "http", Mode: wire.Enforce}, {ProbeName: "db", Mode: wire.Enforce}, {ProbeName: "http", Mode: wire.Observe},
	}, DeclaredAt: at(110)})
	wantProbes(t, &r, rollout.Probe{Name: "db", Mode: wire.Enforce}, rollout.Probe{Name: "http", Mode: wire.Observe})
}

func TestAnUndeclaredProbeIsAdded(t *testing.T) { // PROTOCOL E
	r := soakingWith(t,
		result("http", wire.Enforce, wire.Pass, 120),
		wire.ProbeObservedFirst{ProbeName: "db", Mode: wire.Observe, ObservedAt: at(125)},
		wire.ProbeFailureFirst{ProbeName: "mail", Mode: wire.Enforce, FirstFailedAt: at(130)},
	)
	wantProbes(t, &r,
		rollout.Probe{Name: "db", Mode: wire.Observe, FirstObservedAt: at(125)},
		rollout.Probe{Name: "http", Mode: wire.Enforce, Status: wire.Pass, LastObservedAt: at(120)},
		rollout.Probe{Name: "mail", Mode: wire.Enforce, FirstFailedAt: at(130)})
}

func TestAProbeIsObservedForTheFirstTimeOnce(t *testing.T) { // PROTOCOL E
	r := soakingWith(t,
		wire.ProbeObservedFirst{ProbeName: "http", Mode: wire.Enforce, ObservedAt: at(120)},
		wire.ProbeObservedFirst{ProbeName: "http", Mode: wire.Observe, ObservedAt: at(130)},
	)
	wantProbes(t, &r, rollout.Probe{Name: "http", Mode: wire.Observe, FirstObservedAt: at(120)})
}

func TestAResultReplacesTheLastOne(t *testing.T) { // PROTOCOL E
	r := soakingWith(t, result("http", wire.Enforce, wire.Pass, 120), result("http", wire.Observe, wire.Fail, 110))
	wantProbes(t, &r, rollout.Probe{Name: "http", Mode: wire.Observe, Status: wire.Fail, LastObservedAt: at(110)})
}

func TestAFailureIsStampedOnceUntilAPass(t *testing.T) { // PROTOCOL E, A7
	failing := func(s int) wire.EventBody {
		return wire.ProbeFailureFirst{ProbeName: "http", Mode: wire.Enforce, FirstFailedAt: at(s)}
	}
	r := soakingWith(t, result("http", wire.Enforce, wire.Fail, 120), failing(120), failing(125))
	equal(t, "firstFailedAt", r.Probes[0].FirstFailedAt, at(120))
	take(t, &r, result("http", wire.Enforce, wire.Fail, 130))
	equal(t, "firstFailedAt after another failure", r.Probes[0].FirstFailedAt, at(120))
	take(t, &r, result("http", wire.Enforce, wire.Pass, 140))
	equal(t, "firstFailedAt after a pass", r.Probes[0].FirstFailedAt, wire.Time{})
	take(t, &r, failing(120))
	equal(t, "firstFailedAt of a probe that passes", r.Probes[0].FirstFailedAt, wire.Time{})
	take(t, &r, result("http", wire.Enforce, wire.Fail, 150))
	take(t, &r, failing(150))
	equal(t, "firstFailedAt of the second failure", r.Probes[0].FirstFailedAt, at(150))
}

func TestFailingProbesAreTheEnforcedOnesWithoutAPass(t *testing.T) { // PROTOCOL E1
	r := soakingWith(t)
	if r.FailingProbes() != nil {
		t.Error("a record without probes has failing ones")
	}
	r = soakingWith(t,
		declare(110, map[wire.Name]wire.Mode{"http": wire.Enforce, "db": wire.Enforce, "disk": wire.Observe, "mail": wire.Enforce}),
		result("mail", wire.Enforce, wire.Fail, 120), result("db", wire.Enforce, wire.Pass, 120), result("disk", wire.Observe, wire.Fail, 120))
	equal(t, "the failing probes", fmt.Sprint(r.FailingProbes()), "[http mail]")
}

func TestAnEndedRecordLearnsNothingMoreOfItsProbes(t *testing.T) { // PROTOCOL E5
	late := []wire.EventBody{
		result("http", wire.Enforce, wire.Pass, 500), declare(500, map[wire.Name]wire.Mode{"db": wire.Enforce}),
		wire.ProbeObservedFirst{ProbeName: "db", Mode: wire.Enforce, ObservedAt: at(500)},
		wire.ProbeFailureFirst{ProbeName: "db", Mode: wire.Enforce, FirstFailedAt: at(500)},
	}
	failed := soakingWith(t, result("http", wire.Enforce, wire.Fail, 120), unhealthy)
	reverted := failed.Clone()
	take(t, &reverted, rolledBack)
	converged := soakingWith(t, result("http", wire.Enforce, wire.Pass, 120), convergedE)
	for _, r := range []rollout.Record{failed, reverted, converged} {
		before := r.Clone()
		for _, body := range late {
			want(t, &r, next(&r, body), rollout.Absorbed)
		}
		before.LastEventSeq = r.LastEventSeq
		equal(t, "the record", text(&r), text(&before))
	}
	equal(t, "the failing probes of the Failed record", fmt.Sprint(failed.FailingProbes()), "[http]")
	equal(t, "the failing probes of the Reverted record", fmt.Sprint(reverted.FailingProbes()), "[http]")
	if converged.Probes != nil {
		t.Error("a Converged record keeps probes that pass by definition")
	}
}

func TestNoHostGrowsARecordWithoutBound(t *testing.T) {
	named := func(i int) wire.Name { return wire.Name(fmt.Sprintf("probe-%05d", i)) }
	list := func(n int) wire.ProbeTopologyDeclared {
		b := wire.ProbeTopologyDeclared{DeclaredAt: at(110)}
		for i := range n {
			b.Probes = append(b.Probes, wire.ProbeDeclaration{ProbeName: named(i), Mode: wire.Observe})
		}
		return b
	}
	r := soakingWith(t)
	detail := want(t, &r, next(&r, list(rollout.MaxProbes+1)), rollout.Rejected)
	equal(t, "the detail", detail, "ProbeTopologyDeclared has 1025 probes; want at most 1024")
	want(t, &r, wire.Event{Seq: r.LastEventSeq + 9, Body: list(rollout.MaxProbes + 1)}, rollout.Rejected)
	take(t, &r, list(rollout.MaxProbes-1))
	take(t, &r, result(named(rollout.MaxProbes), wire.Observe, wire.Pass, 120))
	equal(t, "the number of probes", len(r.Probes), rollout.MaxProbes)
	for _, body := range []wire.EventBody{
		result("one more", wire.Observe, wire.Pass, 130),
		wire.ProbeObservedFirst{ProbeName: "one more", Mode: wire.Observe, ObservedAt: at(130)},
		wire.ProbeFailureFirst{ProbeName: "one more", Mode: wire.Observe, FirstFailedAt: at(130)},
	} {
		detail := want(t, &r, next(&r, body), rollout.Rejected)
		if !strings.HasPrefix(detail, body.Kind().String()+" is about one probe more than the 1024 ") {
			t.Errorf("the detail is %q", detail)
		}
		want(t, &r, wire.Event{Seq: r.LastEventSeq + 2, Body: body}, rollout.Rejected)
	}
	take(t, &r, result(named(3), wire.Enforce, wire.Fail, 140))
	take(t, &r, wire.ProbeFailureFirst{ProbeName: named(3), Mode: wire.Enforce, FirstFailedAt: at(140)})
	take(t, &r, wire.ProbeObservedFirst{ProbeName: named(3), Mode: wire.Enforce, ObservedAt: at(140)})
	take(t, &r, list(rollout.MaxProbes))
	take(t, &r, list(2))
	equal(t, "the number of probes", len(r.Probes), 2)
}
