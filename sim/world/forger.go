package world

import (
	"bytes"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// forger is what a hostile plane does: it stands before the real one, and makes up some
// of the answers. It has every release that was ever signed, also those from before the
// scenario, and no key that agents trust.
type forger struct {
	rate   int // of a thousand answers
	stream random.Stream
}

// evil is a closure that no signer ever named.
const evil wire.Closure = "evil"

func (f *forger) init(w *World) {
	if f.rate = w.scenario.Plane.Hostile; f.rate == 0 {
		return
	}
	f.stream = random.New(w.scenario.Seed, "forger", 0)
	f.earlier(w)
}

// earlier signs releases from before the scenario: some that agents may still accept, and
// some that are too old for them.
func (f *forger) earlier(w *World) {
	s := &f.stream
	ages := []time.Duration{s.Between(61*time.Minute, 5*time.Hour), s.Between(30*time.Minute, 60*time.Minute), s.Between(time.Minute, 30*time.Minute)}
	for i, age := range ages {
		if s.Chance(300) {
			continue
		}
		var manifests []wire.Manifest
		for j := range w.scenario.Rollouts {
			o := w.scenario.Rollouts[j]
			if w.scenario.IsHostile(&o) || len(manifests) > 0 && hasChannel(manifests, o.ID.Channel()) {
				continue
			}
			o.ID = wire.MakeRolloutID(o.ID.Channel(), wire.ChannelRef("0"+string(rune('a'+i))))
			if s.Chance(700) { // otherwise what a later one says again
				o.Target, o.Own = wire.Closure("old"+string(rune('a'+i))), false
			}
			manifests = append(manifests, w.scenario.Manifest(&o))
		}
		if len(manifests) > 0 {
			w.signer.releases = append(w.signer.releases, signManifests(manifests, w.wallAt(-age), releaseKey))
		}
	}
}

func hasChannel(manifests []wire.Manifest, channel wire.Channel) bool {
	for i := range manifests {
		if manifests[i].Channel == channel {
			return true
		}
	}
	return false
}

// lies reports whether the answer to a host is made up now.
func (f *forger) lies(w *World, h *hostNode) bool {
	if f.rate == 0 || h.kind != FullHost || !f.stream.Chance(f.rate) {
		return false
	}
	w.effect(scenario.EffectForged)
	return true
}

// some is a release, and a rollout of it; nil if none was signed yet.
func (f *forger) some(w *World) (*SignedRelease, *SignedRollout) {
	releases := w.signer.releases
	if len(releases) == 0 {
		return nil, nil
	}
	r := releases[f.stream.IntN(len(releases))]
	return r, &r.Rollouts[f.stream.IntN(len(r.Rollouts))]
}

// claim is a rollout and a closure that a host is told to run: mostly what some release
// says, often not for this host or not of this rollout.
func (f *forger) claim(w *World, h *hostNode) (id wire.RolloutID, closure wire.Closure) {
	s := &f.stream
	id, closure = "stable@ff", evil
	_, o := f.some(w)
	if o == nil {
		return id, closure
	}
	if !s.Chance(100) {
		id = o.ID
	}
	switch s.IntN(8) {
	case 0:
		return id, evil
	case 1: // another host's
		return id, o.Opened.Hosts[s.IntN(len(o.Opened.Hosts))].TargetClosure
	case 2: // another release's
		if _, o = f.some(w); s.Chance(500) {
			id = wire.MakeRolloutID(o.ID.Channel(), "ff")
		}
	}
	for i := range o.Opened.Hosts {
		if line := &o.Opened.Hosts[i]; line.Hostname == scenario.HostName(h.index+1) {
			closure = line.TargetClosure
		}
	}
	return id, closure
}

// anyInstant is an instant that need not make sense.
func (f *forger) anyInstant(w *World) wire.Time {
	return w.wallAt(f.stream.Between(0, 8*time.Hour) - 4*time.Hour)
}

func (f *forger) host(h *hostNode) wire.Hostname {
	if f.stream.Chance(60) {
		return scenario.HostName(h.index + 2)
	}
	return scenario.HostName(h.index + 1)
}

// poll makes up the answer to a poll.
func (f *forger) poll(w *World, h *hostNode, in *agent.PollAnswered) {
	if !f.lies(w, h) {
		return
	}
	s := &f.stream
	in.Answer, in.Dispatch = agent.Answer{Status: 200}, wire.Dispatch{}
	switch s.IntN(12) {
	case 0: // withheld
		in.Answer = agent.Answer{Status: []int{0, 204, 503, 401}[s.IntN(4)], RetryAfter: time.Duration(s.IntN(5)) * time.Second}
		return
	}
	id, closure := f.claim(w, h)
	h.told = closure
	in.Dispatch = wire.Dispatch{
		Hostname: f.host(h), RolloutID: id, TargetClosure: closure, EnqueuedAt: f.anyInstant(w), SoakDueAt: f.anyInstant(w),
		SoakSeconds: wire.Count(s.IntN(600)), OnHealthFailure: []wire.HealthPolicy{0, wire.Halt, wire.RollbackAndHalt}[s.IntN(3)],
	}
}

// heartbeat makes up the answer to a heartbeat: a replay from anywhere, or snapshots.
func (f *forger) heartbeat(w *World, h *hostNode, m *Message, in *agent.HeartbeatAnswered) {
	if !f.lies(w, h) {
		return
	}
	s := &f.stream
	in.Answer = agent.Answer{Status: 200}
	in.Response = wire.HeartbeatResponse{ReceivedAt: m.heartbeat.Request.At}
	switch s.IntN(6) {
	case 0:
		in.Response.ReceivedAt = wire.Time{}
	case 1:
		in.Replay, in.ReplayFrom = true, f.seq()
	default:
		for range 1 + s.IntN(2) {
			in.Response.Bootstrap = append(in.Response.Bootstrap, f.snapshot(w, h))
		}
	}
}

func (f *forger) seq() wire.Seq {
	if f.stream.Chance(50) {
		return wire.MaxSeq - wire.Seq(f.stream.IntN(3))
	}
	return wire.Seq(f.stream.IntN(12))
}

func (f *forger) snapshot(w *World, h *hostNode) wire.Snapshot {
	s := &f.stream
	id, closure := f.claim(w, h)
	h.told = closure
	x := wire.Snapshot{
		RolloutID: id, Hostname: f.host(h), Channel: id.Channel(), TargetClosure: closure, LastEventSeq: f.seq(),
		State:        []wire.State{wire.Pending, wire.Activating, wire.Activating, wire.Deferred, wire.Soaking, wire.Failed}[s.IntN(6)],
		DispatchedAt: f.anyInstant(w), SoakDueAt: f.anyInstant(w),
	}
	if x.State != wire.Pending {
		x.CurrentClosureAtDispatch, x.DispatchAckedAt = evil, f.anyInstant(w)
	}
	if s.Chance(500) {
		x.ActivationStartedAt = f.anyInstant(w)
	}
	if x.State >= wire.Soaking {
		x.CurrentClosure, x.ActivationCompletedAt = closure, f.anyInstant(w)
	}
	return x
}

// event makes up the answer to an event.
func (f *forger) event(w *World, h *hostNode, in *agent.EventAnswered) {
	if !f.lies(w, h) {
		return
	}
	s := &f.stream
	in.Answer = agent.Answer{Status: []int{204, 204, 409, 404, 0, 503, 422}[s.IntN(7)]}
	if in.Status == 409 && s.Chance(500) {
		in.Replay, in.ReplayFrom = true, f.seq()
	}
}

// fetch makes up what a fetch brings: old, mixed, truncated, altered and forged
// artifacts, or none.
func (f *forger) fetch(w *World, h *hostNode, x *Fetched) {
	if !f.lies(w, h) {
		return
	}
	s := &f.stream
	r, o := f.pair(w, x.Rollout)
	if r == nil || s.Chance(50) {
		*x = Fetched{Rollout: x.Rollout, Status: []int{0, 404, 503}[s.IntN(3)]}
		return
	}
	x.Status, x.Fleet, x.Manifest = 200, r.Fleet, o.Manifest
	switch s.IntN(12) {
	default: // a release as it was signed, of whatever age
	case 0, 1: // of two releases
		other, _ := f.some(w)
		x.Fleet = other.Fleet
	case 2: // another rollout's manifest
		_, other := f.some(w)
		x.Manifest = other.Manifest
	case 3: // altered, with the signature of what it was
		x.Fleet.Document, x.Manifest.Document = f.altered(x.Fleet.Document), f.altered(x.Manifest.Document)
	case 4: // one of the two altered
		x.Manifest.Document = f.altered(x.Manifest.Document)
	case 5: // the rest of the world as well, but for the key
		fake := f.fake(w, h, x.Rollout, o)
		x.Fleet, x.Manifest = fake.Fleet, fake.Rollouts[0].Manifest
	case 6: // a manifest of the rollout that was asked for, which names a true fleet
		x.Manifest = f.fakeManifest(x.Rollout, r, o)
	case 7:
		x.Fleet, x.Manifest = f.cut(x.Fleet), f.cut(x.Manifest)
	case 8: // the signature of the other
		x.Manifest.Signature = x.Fleet.Signature
	}
}

// pair is a release with a rollout that was asked for, mostly, and that rollout.
func (f *forger) pair(w *World, id wire.RolloutID) (*SignedRelease, *SignedRollout) {
	if !f.stream.Chance(150) {
		releases := w.signer.releases
		from := f.stream.IntN(len(releases) + 1)
		for i := range releases {
			if r := releases[(from+i)%len(releases)]; r.Rollout(id) != nil {
				return r, r.Rollout(id)
			}
		}
	}
	return f.some(w)
}

func (f *forger) altered(document []byte) []byte {
	if f.stream.Chance(300) {
		at := f.stream.IntN(len(document))
		other := bytes.Clone(document)
		other[at] ^= 1 << f.stream.IntN(7)
		return other
	}
	for _, key := range []string{`"closureHash":"`, `"targetClosure":"`} {
		document = bytes.ReplaceAll(document, []byte(key), []byte(key+string(evil)))
	}
	return document
}

// fake is a release that says what the forger wants, with a key of its own.
func (f *forger) fake(w *World, h *hostNode, id wire.RolloutID, o *SignedRollout) *SignedRelease {
	m := o.Opened
	m.Channel, m.ChannelRef = id.Channel(), wire.ChannelRef(string(id)[len(id.Channel())+1:])
	m.Hosts = []wire.ManifestHost{{Hostname: scenario.HostName(h.index + 1), TargetClosure: evil}}
	if h.told != "" {
		m.Hosts[0].TargetClosure = h.told
	}
	return signManifests([]wire.Manifest{m}, w.wallAt(0), forgedKey)
}

// fakeManifest says what a true fleet says, under another ID.
func (f *forger) fakeManifest(id wire.RolloutID, r *SignedRelease, o *SignedRollout) artifact.Signed {
	fleet, err := artifact.ParseFleet(r.Fleet.Document)
	if err != nil {
		panic("world: a signed fleet that cannot be read: " + err.Error())
	}
	rollout, _ := artifact.RolloutOf(fleet, artifact.HashOf(r.Fleet.Document), o.Opened.Channel)
	rollout.Channel, rollout.Ref = id.Channel(), wire.ChannelRef(string(id)[len(id.Channel())+1:])
	return signWith(forgedKey, must(rollout.Marshal()))
}

func (f *forger) cut(x artifact.Signed) artifact.Signed {
	if f.stream.Chance(500) {
		x.Document = x.Document[:f.stream.IntN(len(x.Document))]
	} else {
		x.Signature = x.Signature[:f.stream.IntN(len(x.Signature))]
	}
	return x
}
