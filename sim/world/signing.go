package world

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// signer is the machine that signs releases, where agents verify them: the plane has no
// key. It makes the bytes that a real one would, and keeps what it has signed.
type signer struct {
	on       bool
	trust    artifact.Trust
	releases []*SignedRelease
	newest   *SignedRelease // that lies in the plane's directory; nil before the first
	served   *SignedRelease // that the plane took up; nil if it has none since its start
	verified verifiedArtifacts
}

// SignedRelease is a release as it was signed.
type SignedRelease struct {
	SignedAt wire.Time
	Fleet    artifact.Signed
	Rollouts []SignedRollout
}

// SignedRollout is a rollout of a release: its manifest as agents get it, and what the
// plane opens it with.
type SignedRollout struct {
	ID       wire.RolloutID
	Manifest artifact.Signed
	Opened   wire.Manifest
}

// Rollout returns a rollout of the release; nil if it has none with the ID.
func (r *SignedRelease) Rollout(id wire.RolloutID) *SignedRollout {
	for i := range r.Rollouts {
		if r.Rollouts[i].ID == id {
			return &r.Rollouts[i]
		}
	}
	return nil
}

// The key of every world's releases, and one that no trust file has.
var (
	releaseKey = ed25519.NewKeyFromSeed([]byte("the key that signs the releases."))
	forgedKey  = ed25519.NewKeyFromSeed([]byte("a key that no trust file has ..."))
)

// signAgainAfter is how often the release is signed again: agents accept it for an hour.
const signAgainAfter = 30 * time.Minute

func (s *signer) init(w *World) {
	if s.on = w.scenario.Fleet.Verify; !s.on {
		return
	}
	key := artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(base64.StdEncoding.EncodeToString(releaseKey.Public().(ed25519.PublicKey)))}
	s.trust.Release.Current = &key
	s.verified = verifiedArtifacts{fleets: make(map[artifactKey]verified[artifact.Fleet]), rollouts: make(map[artifactKey]verified[artifact.Rollout])}
	w.queue.push(Timer{at: signAgainAfter, kind: dueSign, node: worldNodeID})
	w.forger.init(w)
}

// sign signs what lies in the plane's directory now.
func (s *signer) sign(w *World) {
	if s.on {
		// Two signings of one instant differ, as the plane's serials do.
		at := w.wallAt(time.Duration(w.release.version))
		s.newest = signRelease(w.release.manifests, at, releaseKey)
		s.releases = append(s.releases, s.newest)
	}
}

// signAgain signs the release again that was signed last, as a timer does.
func (w *World) signAgain() {
	w.queue.push(Timer{at: w.now + signAgainAfter, kind: dueSign, node: worldNodeID})
	if w.release.version > 0 {
		w.newRelease(w.release.last, w.release.act)
	}
}

// taken notes that the plane has taken up what lies in its directory.
func (s *signer) taken(*World) { s.served = s.newest }

// signRelease makes a release of what the plane opens rollouts with.
func signRelease(manifests []wire.Manifest, at wire.Time, key ed25519.PrivateKey) *SignedRelease {
	r := &SignedRelease{SignedAt: at}
	fleet := fleetOf(manifests, at)
	document := must(fleet.Marshal())
	r.Fleet = signWith(key, document)
	for i := range manifests {
		rollout, _ := artifact.RolloutOf(&fleet, artifact.HashOf(document), manifests[i].Channel)
		// A simulated release may have rollouts of several commits.
		rollout.Ref = manifests[i].ChannelRef
		r.Rollouts = append(r.Rollouts, SignedRollout{ID: manifests[i].ID(), Manifest: signWith(key, must(rollout.Marshal())), Opened: manifests[i]})
	}
	return r
}

func signWith(key ed25519.PrivateKey, document []byte) artifact.Signed {
	return artifact.Signed{Document: document, Signature: ed25519.Sign(key, document)}
}

// must returns the document of a value that was made here, and can be marshaled.
func must(document []byte, err error) []byte {
	if err != nil {
		panic(fmt.Sprintf("world: a release that cannot be written: %v", err))
	}
	return document
}

// fleetOf is the fleet document of which a release's manifests are. Each host is on one
// channel.
func fleetOf(manifests []wire.Manifest, at wire.Time) artifact.Fleet {
	f := artifact.Fleet{Meta: artifact.Meta{SignedAt: at, Algorithm: artifact.Ed25519}}
	for i := range manifests {
		m := &manifests[i]
		name := string(m.Channel)
		f.Meta.Commit = wire.Name(m.ChannelRef)
		f.Channels = append(f.Channels, wire.Named[artifact.Channel]{Name: name, Of: artifact.Channel{Policy: wire.Name(name), ReconcileMinutes: 5, FreshMinutes: 60, SignMinutes: 30}})
		f.Policies = append(f.Policies, wire.Named[artifact.Policy]{Name: name, Of: artifact.Policy{Strategy: "waves", OnFailure: m.Policy.OnHealthFailure}})
		waves := make([]artifact.Wave, len(m.Policy.Waves))
		for n := range waves {
			waves[n].SoakMinutes = m.Policy.Waves[n].SoakMinutes
		}
		for _, h := range m.Hosts {
			waves[h.Wave].Hosts = append(waves[h.Wave].Hosts, wire.Name(h.Hostname))
			f.Hosts = append(f.Hosts, wire.Named[artifact.Host]{Name: string(h.Hostname), Of: artifact.Host{System: "x86_64-linux", Channel: m.Channel, Closure: h.TargetClosure}})
		}
		f.Waves = append(f.Waves, wire.Named[[]artifact.Wave]{Name: name, Of: waves})
	}
	slices.SortFunc(f.Hosts, func(a, b wire.Named[artifact.Host]) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Channels, func(a, b wire.Named[artifact.Channel]) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Policies, func(a, b wire.Named[artifact.Policy]) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Waves, func(a, b wire.Named[[]artifact.Wave]) int { return cmp.Compare(a.Name, b.Name) })
	return f
}

// verifiedArtifacts remembers what was verified: every host is shown the same bytes, and
// a signature over them is good for ever (the trust file of a world does not change). What
// agents compare with their clocks is no part of it.
type verifiedArtifacts struct {
	fleets   map[artifactKey]verified[artifact.Fleet]
	rollouts map[artifactKey]verified[artifact.Rollout]
}

// artifactKey is the hash of a document, and its signature's.
type artifactKey struct{ document, signature [sha256.Size]byte }

type verified[T any] struct {
	doc *artifact.Verified[T]
	err error
}

func keyOf(s artifact.Signed) artifactKey {
	return artifactKey{sha256.Sum256(s.Document), sha256.Sum256(s.Signature)}
}

// intent is what two artifacts say of a host.
func (s *signer) intent(host wire.Hostname, f *Fetched) artifact.Intent {
	v := artifact.Verifier{Trust: &s.trust, AnyAge: true}
	fleet := remembered(s.verified.fleets, f.Fleet, v.Fleet)
	rollout := remembered(s.verified.rollouts, f.Manifest, v.Rollout)
	return artifact.IntentOf(host, fleet.doc, fleet.err, rollout.doc, rollout.err)
}

func remembered[T any](known map[artifactKey]verified[T], s artifact.Signed, verify func(artifact.Signed) (*artifact.Verified[T], error)) verified[T] {
	key := keyOf(s)
	v, found := known[key]
	if !found {
		v.doc, v.err = verify(s)
		known[key] = v
	}
	return v
}
