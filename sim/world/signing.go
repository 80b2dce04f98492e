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
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// signer is the machine that signs releases, where agents verify them: the plane has no
// key. It makes the bytes that a real one would, and keeps what it has signed.
type signer struct {
	on       bool
	trust    artifact.Trust
	releases []*SignedRelease
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

// ReleaseTrust is the trust file for every world's releases.
func ReleaseTrust() (t artifact.Trust) {
	public := base64.StdEncoding.EncodeToString(releaseKey.Public().(ed25519.PublicKey))
	t.Release.Current = &artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(public)}
	return t
}

// signAgainAfter is how often the release is signed again: agents accept it for an hour.
const signAgainAfter = 30 * time.Minute

func (s *signer) init(w *World) {
	if s.on = w.scenario.Fleet.Verify; !s.on {
		return
	}
	s.trust = ReleaseTrust()
	s.verified = verifiedArtifacts{fleets: make(map[artifactKey]verified[artifact.Fleet]), rollouts: make(map[artifactKey]verified[artifact.Rollout])}
	w.queue.push(Timer{at: signAgainAfter, kind: dueSign, node: worldNodeID})
	w.forger.init(w)
}

// sign makes the files of a release where agents verify them.
func (s *signer) sign(r *release) {
	if s.on {
		r.signed = signRelease(&r.fleet, r.manifests, releaseKey)
		s.releases = append(s.releases, r.signed)
	}
}

// signAgain signs the release again that was signed last, as a timer does.
func (w *World) signAgain() {
	w.queue.push(Timer{at: w.now + signAgainAfter, kind: dueSign, node: worldNodeID})
	if w.release.lies != nil {
		w.newRelease(w.release.last, w.release.act)
	}
}

// taken notes that the plane holds what was put to it.
func (s *signer) taken(w *World) { s.served = w.release.reading.held.signed }

// fill works out what a server would make of a release. Rollouts of several commits are
// opened likewise, though no fleet document can have them; where a scenario has a rollout
// that none could have, all manifests stay as they are.
func (r *release) fill(w *World, signedAt wire.Time) {
	r.fleet = fleetOf(r.manifests, r.fresh, signedAt)
	if w.release.unreal {
		return
	}
	opened, err := openingsOf(&r.fleet, r.manifests)
	if err != nil {
		return
	}
	r.real = true
	for i := range r.manifests {
		m := &r.manifests[i]
		r.real = r.real && m.ChannelRef == r.manifests[0].ChannelRef && artifact.FreshUntil(&r.fleet, m.Channel) == r.freshUntil(m.ID())
	}
	r.manifests = opened
}

// openingsOf are the manifests that a plane opens with a fleet in place of those that it
// was made of.
func openingsOf(fleet *artifact.Fleet, manifests []wire.Manifest) (opened []wire.Manifest, err error) {
	for i := range manifests {
		rollout, has := artifact.RolloutOf(fleet, artifact.Hash{}, manifests[i].Channel)
		if !has {
			return nil, fmt.Errorf("the fleet has no rollout of channel %s", manifests[i].Channel)
		}
		rollout.Ref = manifests[i].ChannelRef // a simulated release may have several
		opening, err := artifact.Opening(fleet, &rollout)
		if err != nil {
			return nil, err
		}
		opened = append(opened, opening)
	}
	return opened, nil
}

// isUnreal reports whether a scenario has signed rollouts that no fleet document can say:
// a wave without hosts, a host on two channels, an ID of another form.
func isUnreal(s *scenario.Scenario) bool {
	channels := make(map[wire.Hostname]wire.Channel)
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		if !o.Signed {
			continue
		}
		m := s.Manifest(o)
		for _, h := range m.Hosts {
			if of, on := channels[h.Hostname]; on && of != m.Channel {
				return true
			}
			channels[h.Hostname] = m.Channel
		}
		fleet := fleetOf([]wire.Manifest{m}, nil, scenario.Epoch)
		if _, err := openingsOf(&fleet, []wire.Manifest{m}); err != nil {
			return true
		}
	}
	return false
}

func (r *release) freshUntil(id wire.RolloutID) wire.Time {
	for i := range r.fresh {
		if r.fresh[i].RolloutID == id {
			return r.fresh[i].Until
		}
	}
	return wire.Time{}
}

// signRelease makes the files of a fleet document, and of the manifests that the plane
// opens its rollouts with.
func signRelease(fleet *artifact.Fleet, manifests []wire.Manifest, key ed25519.PrivateKey) *SignedRelease {
	r := &SignedRelease{SignedAt: fleet.Meta.SignedAt}
	document := must(fleet.Marshal())
	r.Fleet = signWith(key, document)
	for i := range manifests {
		rollout, _ := artifact.RolloutOf(fleet, artifact.HashOf(document), manifests[i].Channel)
		// A simulated release may have rollouts of several commits.
		rollout.Ref = manifests[i].ChannelRef
		r.Rollouts = append(r.Rollouts, SignedRollout{ID: manifests[i].ID(), Manifest: signWith(key, must(rollout.Marshal())), Opened: manifests[i]})
	}
	return r
}

// files are the files of a release as a server reads them; nil if there can be none.
func (r *release) files() *SignedRelease {
	if r.signed == nil && r.real {
		r.signed = signRelease(&r.fleet, r.manifests, releaseKey)
	}
	if !r.real {
		return nil
	}
	return r.signed
}

// ReleaseInDirectory is the release that lies in the plane's directory, if one does. It
// is nil if no files can say what the scenario has in it: rollouts of several commits, a
// host on two channels, a wave without hosts.
func (w *World) ReleaseInDirectory() (files *SignedRelease, lies bool) {
	if w.release.lies == nil {
		return nil, false
	}
	return w.release.lies.files(), true
}

// ReleaseRead is the release that the plane's process read last, likewise.
func (w *World) ReleaseRead() *SignedRelease { return w.release.reading.asked.files() }

// signManifests makes a release of what the plane opens rollouts with.
func signManifests(manifests []wire.Manifest, at wire.Time, key ed25519.PrivateKey) *SignedRelease {
	fleet := fleetOf(manifests, nil, at)
	return signRelease(&fleet, manifests, key)
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
// channel; fresh has the channels' freshness windows.
func fleetOf(manifests []wire.Manifest, fresh []plane.Freshness, at wire.Time) artifact.Fleet {
	f := artifact.Fleet{Meta: artifact.Meta{SignedAt: at, Algorithm: artifact.Ed25519}}
	for i := range manifests {
		m := &manifests[i]
		name := string(m.Channel)
		f.Meta.Commit = wire.Name(m.ChannelRef)
		f.Channels = append(f.Channels, wire.Named[artifact.Channel]{Name: name, Of: artifact.Channel{Policy: wire.Name(name), ReconcileMinutes: 5, FreshMinutes: freshMinutes(fresh, m.ID(), at), SignMinutes: 30}})
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
		addGates(&f, m)
	}
	slices.SortFunc(f.Hosts, func(a, b wire.Named[artifact.Host]) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Channels, func(a, b wire.Named[artifact.Channel]) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Policies, func(a, b wire.Named[artifact.Policy]) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Waves, func(a, b wire.Named[[]artifact.Wave]) int { return cmp.Compare(a.Name, b.Name) })
	return f
}

// freshMinutes is the freshness window of a rollout's channel; 0 if it has none.
func freshMinutes(fresh []plane.Freshness, id wire.RolloutID, at wire.Time) wire.Count {
	for i := range fresh {
		if fresh[i].RolloutID == id {
			return wire.Count(fresh[i].Until.Std().Sub(at.Std()) / time.Minute)
		}
	}
	return 0
}

// addGates adds the gates of a manifest. A fleet's budgets are about all channels.
func addGates(f *artifact.Fleet, m *wire.Manifest) {
	for i := range m.Gates.Budgets {
		b := &m.Gates.Budgets[i]
		budget := artifact.Budget{Selector: artifact.Selector{Hosts: b.Hosts}, MaxInFlight: artifact.Limit{Set: true, Max: b.MaxInFlight}}
		if !slices.ContainsFunc(f.Budgets, func(o artifact.Budget) bool {
			return o.MaxInFlight == budget.MaxInFlight && slices.Equal(o.Selector.Hosts, b.Hosts)
		}) {
			f.Budgets = append(f.Budgets, budget)
		}
	}
	for i := range m.Gates.Edges {
		e := &m.Gates.Edges[i]
		f.Edges = append(f.Edges, artifact.Edge{Gates: wire.Name(e.Gates), Gated: wire.Name(e.Gated), Reason: e.Reason})
	}
	for i := range m.Gates.ChannelEdges {
		e := &m.Gates.ChannelEdges[i]
		f.ChannelEdges = append(f.ChannelEdges, artifact.Edge{Gates: wire.Name(e.Gates), Gated: wire.Name(m.Channel), Reason: e.Reason})
	}
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
