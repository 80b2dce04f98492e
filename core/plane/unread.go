package plane

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// A held rollout of the directory keeps which manifests lay there with it and were
// not read yet (PROTOCOL R6). They were known to no operator who chose one of those that
// were, so none of them takes the channel afterwards.

// unread lists the peers of a manifest that are not known and that no rollout of the
// channel keeps yet, if it is to be held.
func (p *Plane) unread(in *FileManifest, place Place) (unread []Peer) {
	if place != Undecided {
		return nil
	}
	for _, peer := range in.Peers {
		if peer.RolloutID != in.Manifest.ID() && !p.known(peer.RolloutID) && !p.layUnread(in.Manifest.Channel, peer.RolloutID) {
			unread = append(unread, peer)
		}
	}
	return unread
}

// known reports whether a rollout is open or was retired.
func (p *Plane) known(id wire.RolloutID) bool {
	_, retired := p.retired[id]
	return retired || p.byID[id] != nil
}

// layUnread reports whether a manifest lay in the directory when a rollout of its
// channel was held.
func (p *Plane) layUnread(channel wire.Channel, id wire.RolloutID) bool {
	return slices.ContainsFunc(p.rollouts, func(r *rolloutState) bool {
		return r.id.Channel() == channel && slices.ContainsFunc(r.unread, func(peer Peer) bool { return peer.RolloutID == id })
	})
}
