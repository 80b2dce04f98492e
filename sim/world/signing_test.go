package world

import (
	"reflect"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What agents are shown has to be what a plane would open: the real server makes its
// manifests of the same bytes.
func TestSignedReleases_SayWhatThePlaneOpens(t *testing.T) {
	r := play(t, "fleet 4 verify=yes\nrollout stable@1 at=5s target=c1 own=yes hosts=h2..h4 waves=1m,3m signed=yes policy=rollback-and-halt\nrollout edge@2 at=1m target=c2 hosts=h1 signed=yes\n")
	r.finish()
	releases := r.w.SignedReleases()
	if len(releases) < 2 {
		t.Fatalf("%d releases; want one for each rollout", len(releases))
	}
	for _, release := range releases {
		v := artifact.Verifier{Trust: &r.w.signer.trust, Now: release.SignedAt.Add(time.Minute), Window: artifact.AgentWindow}
		fleet, err := v.Fleet(release.Fleet)
		if err != nil {
			t.Fatal(err)
		}
		for i := range release.Rollouts {
			o := &release.Rollouts[i]
			manifest, err := v.Rollout(o.Manifest)
			if err != nil {
				t.Fatal(err)
			}
			opened, err := artifact.Opening(&fleet.Doc, &manifest.Doc)
			if err != nil {
				t.Fatal(err)
			}
			if want := o.Opened; opened.ID() != o.ID || !reflect.DeepEqual(opened.Hosts, want.Hosts) || !reflect.DeepEqual(opened.Policy, want.Policy) {
				t.Errorf("%s is opened as %+v; want %+v", o.ID, opened, want)
			}
		}
	}
}

func TestSignedReleases_AreSignedAgain(t *testing.T) {
	r := play(t, "fleet 1 verify=yes\nrollout stable@1 at=5s target=c1 signed=yes\nactive 100m\n")
	r.finish()
	releases := r.w.SignedReleases()
	if len(releases) != 4 {
		t.Fatalf("%d releases within 100 minutes; want the first, and one every %v", len(releases), signAgainAfter)
	}
	for i, release := range releases[1:] {
		if !releases[i].SignedAt.Before(release.SignedAt) || release.Rollouts[0].ID != "stable@1" {
			t.Errorf("release %d has %s, signed at %v; want stable@1 again, signed later than %v", i+1, release.Rollouts[0].ID, release.SignedAt, releases[i].SignedAt)
		}
	}
}

// What is remembered is what was verified: the same document with another signature is
// verified anew, and so is another document with the same signature.
func TestVerifiedArtifacts_AreRememberedByDocumentAndSignature(t *testing.T) {
	r := play(t, "fleet 1 verify=yes\nrollout stable@1 at=5s target=c1 signed=yes\n")
	r.finish()
	s := &r.w.signer
	release := s.releases[0]
	good := Fetched{Rollout: "stable@1", Fleet: release.Fleet, Manifest: release.Rollouts[0].Manifest}
	if i := s.intent("h1", &good); i.FleetFault != 0 || i.RolloutFault != 0 || i.Closure != "c1" {
		t.Fatalf("intent %+v; want c1", i)
	}
	known := len(s.verified.fleets)
	s.intent("h1", &good)
	if len(s.verified.fleets) != known {
		t.Error("a fleet document that was verified is verified again")
	}
	other := good
	other.Fleet.Signature = good.Manifest.Signature
	if i := s.intent("h1", &other); i.FleetFault != artifact.BadSignature {
		t.Errorf("with another signature the fault is %v; want %v", i.FleetFault, artifact.BadSignature)
	}
	other = good
	other.Fleet.Document = append([]byte(" "), good.Fleet.Document[:len(good.Fleet.Document)-1]...)
	if i := s.intent("h1", &other); i.FleetFault == 0 {
		t.Error("another document with the same signature has no fault")
	}
}

func TestForger_MakesAnswersUpAndIsRefused(t *testing.T) {
	r := play(t, "fleet 2 verify=yes\nplane hostile=700\nrollout stable@1 at=5s target=c1 signed=yes\nactive 10m\n")
	refused := make(map[wire.RolloutID]bool)
	r.w.Subscribe(EventHostNoticed, func(e *Event) {
		if e.AgentNotice.Kind == agent.NoticeRefused {
			refused[e.AgentNotice.RolloutID] = true
		}
	})
	result := r.finish()
	if result.Effects[scenario.EffectForged] == 0 || result.Effects[scenario.EffectIntentRefused] == 0 || len(refused) < 2 {
		t.Errorf("%d answers were made up and %d refused, of the rollouts %v; want several of each",
			result.Effects[scenario.EffectForged], result.Effects[scenario.EffectIntentRefused], refused)
	}
	for n := 1; n <= 2; n++ {
		if r.w.Runs(n) == evil {
			t.Errorf("h%d runs what no signer ever named", n)
		}
	}
}
