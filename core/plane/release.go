package plane

import (
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Signed releases (PROTOCOL V4 to V7). The driver verifies a release; the plane
// decides whether it fits what is known, and offers a dispatch of a signed rollout
// only while the release that it holds says the same. Which release that is, is no
// durable state: the driver steps it again after every [Started], so that a plane
// never offers by a release that its driver does not have.

// takeUpRelease takes up a release as a whole or not at all (V4).
func (p *Plane) takeUpRelease(in *Release, out *Output) {
	for i := range in.Manifests {
		sorted := sortedHosts(&in.Manifests[i])
		if in.sorted != nil {
			sorted = in.sorted[i]
		}
		if refusal, good := p.judgeSigned(&in.Manifests[i], sorted); !good {
			reply(out, len(out.Entries), refusal)
			return
		}
	}
	var stale []*rolloutState
	for _, r := range p.rollouts {
		if r.backed && p.unbacked(r) {
			stale = append(stale, r)
		}
	}
	p.release, p.freshUntil = p.release[:0:0], nil
	for i := range in.Fresh {
		p.keepFresh(in.Fresh[i].RolloutID, in.Fresh[i].Until)
	}
	for i := range in.Manifests {
		p.release = append(p.release, in.Manifests[i].ID())
	}
	slices.Sort(p.release)
	for _, r := range p.rollouts {
		if !p.releaseHas(r.id) {
			r.backed = false
		} else { // it was compared
			p.back(r, out)
		}
	}
	for _, r := range stale {
		p.wakeOffered(r, out)
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.NoContent})
}

// judgeSigned refuses a signed manifest that says something else than the rollout of
// its ID, and one that a signed rollout is ahead of: to sign an old release again
// does not make it the newest.
func (p *Plane) judgeSigned(m *wire.Manifest, sorted []wire.ManifestHost) (wire.Outcome, bool) {
	id := m.ID()
	older := func(by wire.RolloutID) (wire.Outcome, bool) {
		return wire.Refuse(wire.RolloutSuperseded, "channelRef", fmt.Sprintf(
			"%s is older than %s, which was signed first; to go back, sign a new release of another commit with the old closures", id, by)), false
	}
	r := p.byID[id]
	staged := p.opening != nil && p.opening.rollout.id == id
	if r != nil && !r.same(m, sorted, true) || staged && !p.opening.same(m, sorted) {
		return wire.Refuse(wire.ManifestConflict, "hostSet", fmt.Sprintf(
			"%s is open with other hosts, waves or closures; give each content a commit of its own", id)), false
	}
	line, retired := p.retired[id]
	switch {
	case r != nil:
		if by := p.signedAhead(r.supersededBy); by != "" {
			return older(by)
		}
	case retired:
		if by := p.signedAhead(line.SupersededBy); by != "" {
			return older(by)
		}
	case staged:
	default:
		for _, other := range p.rollouts {
			if !other.signed || other.id.Channel() != m.Channel || other.serial < m.Serial {
				continue
			}
			if other.serial == m.Serial {
				return wire.Refuse(wire.ManifestConflict, "meta.signedAt", fmt.Sprintf(
					"%s was signed at the same instant as %s; sign the newer of the two again", id, other.id)), false
			}
			return older(other.id)
		}
	}
	return wire.Outcome{}, true
}

// signedAhead is the signed rollout that superseded one, directly or not; empty if
// only others did.
func (p *Plane) signedAhead(by wire.RolloutID) wire.RolloutID {
	for by != "" {
		r := p.byID[by]
		if r == nil {
			by = p.retired[by].SupersededBy
			continue
		}
		if r.signed {
			return by
		}
		by = r.supersededBy
	}
	return ""
}

// same reports whether a manifest is the one that is being opened.
func (o *opening) same(m *wire.Manifest, sorted []wire.ManifestHost) bool {
	opens := &o.in.Manifest.Policy
	return m.Policy.OnHealthFailure == opens.OnHealthFailure && slices.Equal(m.Policy.Waves, opens.Waves) && slices.Equal(sorted, o.sorted) && m.Gates.Equal(&o.in.Manifest.Gates)
}

// releaseHas reports whether the release that is held has a rollout.
func (p *Plane) releaseHas(id wire.RolloutID) bool {
	_, has := slices.BinarySearch(p.release, id)
	return has
}

// back notes that a signed manifest says what a rollout does, if the release that is
// held has it, and wakes the polls of the hosts that are offered it now.
func (p *Plane) back(r *rolloutState, out *Output) {
	if r.backed || !p.releaseHas(r.id) {
		return
	}
	r.backed = true
	p.wakeOffered(r, out)
}

// wakeOffered wakes the polls of the hosts that a rollout is offered to.
func (p *Plane) wakeOffered(r *rolloutState, out *Output) {
	for i := range r.records {
		if rec := &r.records[i]; p.offered(r, rec) {
			out.Wakes = append(out.Wakes, rec.Hostname)
		}
	}
}

// forgetRelease is a start: the driver has verified no release yet.
func (p *Plane) forgetRelease() {
	p.release, p.freshUntil = nil, nil
	for _, r := range p.rollouts {
		r.backed = false
	}
}

// unbacked reports whether a rollout's dispatches are withheld because no release
// that is held says the same (V6).
func (p *Plane) unbacked(r *rolloutState) bool {
	return (!r.backed || p.stale(r)) && (r.signed || p.cfg.SignedOnly)
}

// stale reports whether the release that has a rollout was signed longer ago than the
// freshness window of its channel. It is by the wall clock, as signatures are: the poll
// that asks next notices it, and one that is signed again wakes the polls.
func (p *Plane) stale(r *rolloutState) bool {
	until, limited := p.freshUntil[r.id]
	return limited && until.Before(p.last.Wall)
}

func (p *Plane) keepFresh(id wire.RolloutID, until wire.Time) {
	if p.freshUntil == nil {
		p.freshUntil = make(map[wire.RolloutID]wire.Time)
	}
	p.freshUntil[id] = until
}

// releaseLine is a rollout of the release that is held.
type releaseLine struct {
	RolloutID  wire.RolloutID
	Backed     wire.Flag
	FreshUntil wire.Time
}

var releaseLineSchema = wire.Schema[releaseLine]{Fields: []wire.Field[releaseLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *releaseLine) wire.Value { return &l.RolloutID }},
	{Name: "backed", Presence: wire.Optional, Of: func(l *releaseLine) wire.Value { return &l.Backed }},
	{Name: "fresh_until", Presence: wire.Optional, Of: func(l *releaseLine) wire.Value { return &l.FreshUntil }},
}}

// appendRelease appends the lines of the release that is held, by ID.
func (p *Plane) appendRelease(dst []byte) []byte {
	for _, id := range p.release {
		r := p.byID[id]
		dst = wire.AppendLine(dst, "release", &releaseLineSchema, &releaseLine{id, wire.Flag(r != nil && r.backed), p.freshUntil[id]})
	}
	return dst
}

func (p *Plane) restoreRelease(l *releaseLine) error {
	if last := len(p.release) - 1; last >= 0 && p.release[last] >= l.RolloutID {
		return fmt.Errorf("the release has %s before %s; want each rollout once, by ID", p.release[last], l.RolloutID)
	}
	p.release = append(p.release, l.RolloutID)
	if l.FreshUntil.IsSet() {
		p.keepFresh(l.RolloutID, l.FreshUntil)
	}
	if r := p.byID[l.RolloutID]; r != nil {
		r.backed = bool(l.Backed)
	} else if l.Backed {
		return fmt.Errorf("the release backs %s, which is not known", l.RolloutID)
	}
	return nil
}

// checkBacked verifies P12.
func (p *Plane) checkBacked() error {
	for _, r := range p.rollouts {
		if r.backed && !p.releaseHas(r.id) {
			return fmt.Errorf("P12: %s is backed, and the release has %v", r.id, p.release)
		}
	}
	return nil
}
