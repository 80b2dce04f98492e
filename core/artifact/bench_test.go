package artifact_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// BenchmarkRelease verifies a fleet of one channel and its rollout, and compares the
// two: what a plane does when a release was signed again.
func BenchmarkRelease(b *testing.B) {
	for _, hosts := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			s := newSigner(5)
			key := s.key(b)
			v := &artifact.Verifier{
				Trust: &artifact.Trust{Release: artifact.Slot{Current: &key}}, Now: wire.TimeOf(signedAround), Window: artifact.AgentWindow,
			}
			fleet := &artifact.Fleet{
				Channels: []wire.Named[artifact.Channel]{{Name: "stable", Of: artifact.Channel{Policy: "p"}}},
				Meta:     artifact.Meta{Commit: "00ff", SignedAt: wire.TimeOf(signedAround)},
			}
			var wave artifact.Wave
			for i := range hosts {
				name := fmt.Sprintf("web-%06d", i)
				fleet.Hosts = append(fleet.Hosts, wire.Named[artifact.Host]{Name: name, Of: artifact.Host{
					System: "x86_64-linux", Tags: wire.Names{"web"}, Channel: "stable",
					Closure: wire.Closure("00000000000000000000000000000000-nixos-system-" + name + "-26.05"),
				}})
				wave.Hosts = append(wave.Hosts, wire.Name(name))
			}
			fleet.Waves = []wire.Named[[]artifact.Wave]{{Name: "stable", Of: []artifact.Wave{wave}}}
			text, err := fleet.Marshal()
			if err != nil {
				b.Fatal(err)
			}
			rollout, _ := artifact.RolloutOf(fleet, artifact.HashOf(text), "stable")
			manifest, err := rollout.Marshal()
			if err != nil {
				b.Fatal(err)
			}
			signed := func(document []byte) artifact.Signed {
				return artifact.Signed{Document: document, Signature: ed25519.Sign(s.private, document)}
			}
			fleetFile, rolloutFile := signed(text), signed(manifest)
			b.SetBytes(int64(len(text) + len(manifest)))
			b.ReportAllocs()
			for b.Loop() {
				f, err := v.Fleet(fleetFile)
				if err != nil {
					b.Fatal(err)
				}
				r, err := v.Rollout(rolloutFile)
				if err != nil {
					b.Fatal(err)
				}
				if err := artifact.Fits(rollout.ID(), r, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
