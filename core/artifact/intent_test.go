package artifact_test

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestIntent_SaysWhatTheArtifactsSayOfAHost(t *testing.T) {
	fleet, rollout := resigned(t, unchanged, unchanged)
	line := rollout.Doc.Hosts[0]
	i := artifact.IntentOf(line.Hostname, fleet, nil, rollout, nil)
	if i.FleetFault != 0 || i.RolloutFault != 0 || i.ID != rollout.Doc.ID() || i.Closure != line.Closure || i.FleetClosure != line.Closure {
		t.Errorf("intent %+v; want the line of %s: %+v", i, line.Hostname, line)
	}
	if i.NamedHash != i.FleetHash || i.FleetHash != wire.Name(fleet.Hash.String()) {
		t.Errorf("hashes %s and %s; want %s twice", i.NamedHash, i.FleetHash, fleet.Hash)
	}
	if i.Policy == 0 || !i.FleetSignedAt.IsSet() || i.FleetSignedAt != fleet.Doc.Meta.SignedAt || i.RolloutSignedAt != rollout.Doc.Meta.SignedAt {
		t.Errorf("intent %+v; want the policy of the fleet, and both instants of signing", i)
	}
	if other := artifact.IntentOf("nobody", fleet, nil, rollout, nil); other.Closure != "" || other.FleetClosure != "" {
		t.Errorf("a host without a line has %+v; want no closure", other)
	}
}

func TestIntent_HasTheFaultOfEach(t *testing.T) {
	fleet, rollout := resigned(t, unchanged, unchanged)
	bad := &artifact.Refusal{Reason: artifact.BadSignature, Detail: "no key"}
	i := artifact.IntentOf(rollout.Doc.Hosts[0].Hostname, nil, bad, rollout, nil)
	if i.FleetFault != artifact.BadSignature || i.RolloutFault != 0 || i.Detail != "the fleet document: no key" {
		t.Errorf("intent %+v; want the fault of the fleet", i)
	}
	i = artifact.IntentOf(rollout.Doc.Hosts[0].Hostname, fleet, nil, nil, bad)
	if i.FleetFault != 0 || i.RolloutFault != artifact.BadSignature || i.Closure != "" {
		t.Errorf("intent %+v; want the fault of the manifest, and nothing of it", i)
	}
}

func TestAnyAge_LeavesTheAgeToTheCaller(t *testing.T) {
	v := verifier(t)
	signed := artifactOf(t, "fleet.resolved.json")
	v.Now = v.Now.Add(1000 * artifact.AgentWindow)
	_, err := v.Fleet(signed)
	wantReason(t, "with the age", err, artifact.Stale)
	v.AnyAge = true
	if _, err := v.Fleet(signed); err != nil {
		t.Errorf("without the age: %v; want it verified", err)
	}
	v.Trust.Release.RejectBefore = v.Now
	_, err = v.Fleet(signed)
	wantReason(t, "before rejectBefore", err, artifact.RejectedBefore)
}

func unchanged(text string) string { return text }
