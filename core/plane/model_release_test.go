package plane_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The rules of signed releases (PROTOCOL V4 to V6), written out naively.

// ahead reports whether a signed rollout superseded one, directly or not.
func (m *model) ahead(id wire.RolloutID) bool {
	for by := m.by[id]; by != ""; by = m.by[by] {
		if m.signed[by] {
			return true
		}
	}
	return false
}

// fits is what a manifest of a release is refused with; OK if it is not.
func (m *model) fits(manifest wire.Manifest) wire.Code {
	id := manifest.ID()
	if r := m.rollouts[id]; r != nil {
		switch {
		case !sameManifest(r.manifest, manifest, true):
			return wire.ManifestConflict
		case m.ahead(id):
			return wire.RolloutSuperseded
		}
		return wire.OK
	}
	for _, other := range m.order {
		if other.Channel() != id.Channel() || !m.signed[other] {
			continue
		}
		switch signed := m.serial(other); {
		case signed == manifest.Serial:
			return wire.ManifestConflict
		case signed > manifest.Serial:
			return wire.RolloutSuperseded
		}
	}
	return wire.OK
}

// takeUp is PROTOCOL V4.
func (m *model) takeUp(in *plane.Release) wire.Outcome {
	for _, manifest := range in.Manifests {
		if code := m.fits(manifest); code != wire.OK {
			return wire.Outcome{Code: code}
		}
	}
	clear(m.release)
	had := m.backed
	m.backed = map[wire.RolloutID]bool{}
	for _, manifest := range in.Manifests {
		id := manifest.ID()
		m.release[id] = true
		m.backed[id] = m.rollouts[id] != nil || had[id]
	}
	return wire.Outcome{Code: wire.NoContent}
}

// openSigned is PROTOCOL V5.
func (m *model) openSigned(now wire.Time, manifest wire.Manifest) wire.Outcome {
	id := manifest.ID()
	if r := m.rollouts[id]; r != nil {
		if !sameManifest(r.manifest, manifest, true) {
			return wire.Outcome{Code: wire.ManifestConflict}
		}
		m.backed[id] = m.release[id]
		return wire.Outcome{Code: wire.OK, Document: m.status(id, false)}
	}
	place := plane.Takes
	if has := m.has[id.Channel()]; m.signed[has] && manifest.Serial < m.serial(has) {
		place = plane.Behind
	}
	for _, other := range m.order {
		if other.Channel() == id.Channel() && m.signed[other] && m.serial(other) == manifest.Serial {
			return wire.Outcome{Code: wire.ManifestConflict}
		}
	}
	if m.readOnly {
		return wire.Outcome{Code: wire.StoreUnavailable}
	}
	m.signed[id], m.backed[id] = true, m.release[id]
	return m.opened(now, manifest, place)
}

// release takes up a release and opens its rollouts. It is a new one, or one before it
// that was signed again, perhaps with other closures, or that somebody kept.
func (f *fleet) release() []request {
	if f.watch.noReleases {
		return f.open()
	}
	f.signings++
	in := &plane.Release{}
	kind := rapid.IntRange(0, 5).Draw(f.t, "which release")
	if kind >= 3 && len(f.releases) > 0 {
		in.Manifests = slices.Clone(rapid.SampledFrom(f.releases).Draw(f.t, "an earlier release").Manifests)
	} else {
		for range rapid.IntRange(1, 2).Draw(f.t, "rollouts") {
			m := f.manifest()
			if !slices.ContainsFunc(in.Manifests, func(o wire.Manifest) bool { return o.Channel == m.Channel }) {
				in.Manifests = append(in.Manifests, m)
				f.opened = append(f.opened, m)
			}
		}
		f.releases = append(f.releases, in)
	}
	for i := range in.Manifests {
		m := &in.Manifests[i]
		switch kind {
		case 4: // as it was signed then
		case 5:
			m.Hosts = slices.Clone(m.Hosts)
			m.Hosts[0].TargetClosure += "x"
			fallthrough
		default:
			m.Serial = wire.Serial(1000 * f.signings)
		}
	}
	list := []request{{in: in}}
	for _, m := range in.Manifests {
		list = append(list, request{in: &plane.FileManifest{Manifest: m, Signed: true}})
	}
	return list
}
