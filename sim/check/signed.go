package check

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// signedReleases is S34: a release is taken up as a whole or not at all, and never if
// it says something else than what is open, or if a signed rollout is ahead of it. A
// signed rollout is offered only while the release that was taken up last since the
// plane's start has the host's own line, with that closure; and a plane that opens
// signed rollouts only opens and offers no others (PROTOCOL V4 to V7).
//
// What is signed, and when, it learns from what was put to the plane; what is
// superseded it works out by itself.
type signedReleases struct {
	l    *ledger
	held map[wire.RolloutID]wire.Manifest // of the release; empty after a start
	only bool
	// opening is what is being opened in slices, of a message; nil if nothing is.
	opening *wire.Manifest
	opens   *world.Message
}

func newSignedReleases(s *Checks) {
	c := &signedReleases{l: s.ledger(), only: s.World.Scenario().Plane.SignedOnly}
	s.on(world.EventPlaneStarted, func(*world.Event) { c.held, c.opening, c.opens = nil, nil, nil })
	s.on(world.EventPlaneDown, func(*world.Event) { c.opening, c.opens = nil, nil })
	s.on(world.EventSection, func(e *world.Event) {
		if e.Section == driver.Step && e.Message != nil { // a slice
			c.opening, c.opens = opens(e.Message.Operator()), e.Message
		}
	})
	s.on(world.EventFinished, c.over)
	s.on(world.EventStepDone, c.stepDone)
}

// over notes that an opening is finished, or came to nothing.
func (c *signedReleases) over(e *world.Event) {
	if e.Message != nil && e.Message == c.opens {
		c.opening, c.opens = nil, nil
	}
}

func (c *signedReleases) stepDone(e *world.Event) {
	w, m := e.World, e.Message
	c.over(e)
	switch in := e.Input.(type) {
	case *plane.Release:
		c.release(e, in)
	case *plane.OpenRollout, *plane.FileManifest:
		file, _ := in.(*plane.FileManifest)
		signed := file != nil && file.Signed
		if c.only && !signed && e.Reply.Outcome.Code == wire.Created {
			w.Violate("S34", "m%d: %s is opened; want it refused: no signed release has it", m.ID(), opens(in).ID())
		}
	case *plane.Poll:
		if d, offers := e.Reply.Outcome.Document.(*wire.Dispatch); offers {
			c.offered(e, d)
		}
	}
}

// release judges whether a release was taken up rightly.
func (c *signedReleases) release(e *world.Event, in *plane.Release) {
	why := ""
	for i := range in.Manifests {
		if why == "" {
			why = c.fault(&in.Manifests[i])
		}
	}
	taken := e.Reply.Outcome.Code == wire.NoContent
	switch {
	case taken && why != "":
		e.World.Violate("S34", "m%d: %v is taken up; want it refused: %s", e.Message.ID(), in, why)
	case !taken && why == "":
		e.World.Violate("S34", "m%d: %v is answered %v; want it taken up", e.Message.ID(), in, e.Reply.Outcome.Code)
	case taken:
		c.held = make(map[wire.RolloutID]wire.Manifest)
		for _, m := range in.Manifests {
			c.held[m.ID()] = m
		}
	}
}

// fault says why a release with a manifest is to be refused; empty if it is not.
func (c *signedReleases) fault(m *wire.Manifest) string {
	d := &c.l.live
	known := d.find(m.ID())
	if c.opening != nil && c.opening.ID() == m.ID() {
		if !saysTheSame(c.opening, m) {
			return string(m.ID()) + " is being opened with something else"
		}
		return ""
	}
	if known != nil && !saysTheSame(&known.manifest, m) {
		return string(m.ID()) + " is open with something else"
	}
	for o := known; o != nil && d.superseded(o); {
		if o = d.find(d.superseder[o]); o != nil && d.signed[o] {
			return string(o.id) + ", which is signed, superseded " + string(m.ID())
		}
	}
	for _, o := range d.opened {
		if known == nil && o.channel == m.Channel && d.signed[o] && o.manifest.Serial >= m.Serial {
			return string(o.id) + " was signed no earlier"
		}
	}
	return ""
}

// saysTheSame compares two manifests but for when they were signed.
func saysTheSame(a, b *wire.Manifest) bool {
	lines := func(m *wire.Manifest) map[wire.ManifestHost]bool {
		set := make(map[wire.ManifestHost]bool)
		for _, h := range m.Hosts {
			set[h] = true
		}
		return set
	}
	one, other := lines(a), lines(b)
	for h := range one { // order-free: all of them
		if !other[h] {
			return false
		}
	}
	return len(one) == len(other) && a.Policy.OnHealthFailure == b.Policy.OnHealthFailure && slices.Equal(a.Policy.Waves, b.Policy.Waves) && a.Gates.Equal(&b.Gates)
}

// offered judges a dispatch by the host's own line.
func (c *signedReleases) offered(e *world.Event, d *wire.Dispatch) {
	o := c.l.live.find(d.RolloutID)
	if o == nil || !c.only && !c.l.live.signed[o] {
		return
	}
	if c.l.stale(o) {
		e.World.Violate("S34", "m%d: %s is offered %s at %v; want no offer: its release was fresh until %v", e.Message.ID(), d.Hostname, d.RolloutID, c.l.wall(), c.l.fresh[d.RolloutID])
	}
	m, there := c.held[d.RolloutID]
	at := slices.IndexFunc(m.Hosts, func(h wire.ManifestHost) bool { return h.Hostname == d.Hostname })
	if !there || at < 0 || m.Hosts[at].TargetClosure != d.TargetClosure {
		e.World.Violate("S34", "m%d: %s is offered %s with %s; want no offer: the release that is held does not say so", e.Message.ID(), d.Hostname, d.RolloutID, d.TargetClosure)
	}
}

// takeUp notes which rollouts the release has, and which of them are open.
func (l *ledger) takeUp(in *plane.Release) {
	before := l.fresh
	l.fresh = make(map[wire.RolloutID]wire.Time)
	for _, f := range in.Fresh {
		l.fresh[f.RolloutID] = f.Until
	}
	l.release = make(map[wire.RolloutID]bool)
	for i := range in.Manifests {
		l.release[in.Manifests[i].ID()] = true
	}
	for _, o := range l.live.opened {
		if l.release[o.id] {
			if until, limited := before[o.id]; l.backed[o] && limited && until.Before(l.wall()) && !l.stale(o) {
				l.released = append(l.released, releasedWave{o, -1})
			}
			l.back(o)
		} else {
			delete(l.backed, o)
		}
		l.affected = append(l.affected, o)
	}
}

// back notes that the release that is held says the same as a rollout.
func (l *ledger) back(o *openedRollout) {
	if !l.release[o.id] || l.backed[o] {
		return
	}
	if l.backed == nil {
		l.backed = make(map[*openedRollout]bool)
	}
	l.backed[o] = true
	l.released = append(l.released, releasedWave{o, -1})
}

// unbacked reports whether a rollout needs a release that says the same, and none is
// held.
func (l *ledger) unbacked(o *openedRollout) bool {
	return (!l.backed[o] || l.stale(o)) && (l.signedOnly || l.live.signed[o])
}

// stale reports whether the release that has a rollout is older than it may be offered.
func (l *ledger) stale(o *openedRollout) bool {
	until, limited := l.fresh[o.id]
	return limited && until.Before(l.wall())
}
