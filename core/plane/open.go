package plane

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Opening rollouts (PROTOCOL R1, R6): which one of a channel is in force.
//
// Of the rollouts of a channel that are not superseded either one is in force,
// or all are held, because manifests of the directory came without an order and
// no operator has said yet which is the newest. A fleet is never sent to an older
// release by the order in which files happen to be read.

// Place is where a rollout comes to stand in its channel when it is opened.
type Place uint8

// The places.
const (
	// Takes: it takes the channel; what was in force or held is superseded.
	Takes Place = iota
	// Behind: its serial is lower than that of the rollout in force, or it lay unread
	// when an operator decided; it is superseded from the start.
	Behind
	// Undecided: nothing says whether it is newer than others; it is held, and so
	// is what was in force.
	Undecided
)

var placeWords = []string{"", "behind", "undecided"}

// String returns the word of the place; that of Takes is empty.
func (p Place) String() string { return wire.WordOf(placeWords, p) }

// DecodeValue implements [wire.Value].
func (p *Place) DecodeValue(d *wire.Decoder) error {
	var word wire.Name
	if err := word.DecodeValue(d); err != nil {
		return err
	}
	for _, known := range []Place{Behind, Undecided} {
		if string(word) == known.String() {
			*p = known
			return nil
		}
	}
	return fmt.Errorf("is %q; want behind or undecided", word)
}

// AppendValue implements [wire.Value].
func (p *Place) AppendValue(dst []byte) []byte {
	word := wire.Name(p.String())
	return word.AppendValue(dst)
}

// IsUnset implements [wire.Value].
func (p *Place) IsUnset() bool { return *p == Takes }

// Peer is another manifest that was found in the directory together with one.
type Peer struct {
	RolloutID wire.RolloutID
	Serial    wire.Serial
}

// Arrange puts the manifests that were found in a directory together into the
// order in which they are opened, and tells each of its peers: those of a channel
// stand beside each other, by falling serial, and those without a serial last, as
// they came. The newest is opened first, so that the older ones are superseded
// from the start.
func Arrange(found []*FileManifest) {
	first := make(map[wire.Channel]int)
	peers := make(map[wire.Channel][]Peer)
	for i, file := range found {
		channel := file.Manifest.Channel
		if _, there := first[channel]; !there {
			first[channel] = i
		}
		peers[channel] = append(peers[channel], Peer{file.Manifest.ID(), file.Manifest.Serial})
	}
	for _, file := range found {
		file.Peers = peers[file.Manifest.Channel]
	}
	slices.SortStableFunc(found, func(a, b *FileManifest) int {
		return cmp.Or(cmp.Compare(first[a.Manifest.Channel], first[b.Manifest.Channel]), cmp.Compare(b.Manifest.Serial, a.Manifest.Serial))
	})
}

// openFile opens a manifest of the directory (PROTOCOL R6).
func (p *Plane) openFile(in *FileManifest, out *Output) {
	place := p.placeOf(in)
	p.open(&OpenRollout{Manifest: in.Manifest, Place: place, Unread: p.unread(in, place), Signed: in.Signed, sorted: in.sorted}, in, out)
}

// placeOf decides where a manifest of the directory comes to stand.
func (p *Plane) placeOf(in *FileManifest) Place {
	switch m := &in.Manifest; {
	case !in.Signed && p.undecided(m.Channel):
		return Undecided
	case in.Signed && p.behind(m, true) || !in.Signed && p.outdated(m.Channel, m.Serial):
		return Behind
	case in.Signed: // who signs decides which one is the newest
		return Takes
	case p.inForce[m.Channel] != nil && p.layUnread(m.Channel, m.ID()):
		return Behind
	case !p.ordered(in):
		return Undecided
	default:
		return Takes
	}
}

// behind reports whether a manifest's serial says that it is older than the rollout
// in force. A signed one is not compared with one that is not: its serial is an
// instant.
func (p *Plane) behind(m *wire.Manifest, signed bool) bool {
	r := p.inForce[m.Channel]
	return r != nil && m.Serial != 0 && m.Serial < r.serial && (r.signed || !signed)
}

// outdated reports whether a serial of the directory is lower than that of the rollout
// in force, or of one that was superseded, for instance by an operator who opened one
// without a serial while the directory was read: the files that follow in it are not
// newer than that one. Without a rollout in force nothing is in its way.
func (p *Plane) outdated(channel wire.Channel, serial wire.Serial) bool {
	has := p.inForce[channel]
	if serial == 0 || has == nil {
		return false
	}
	for _, r := range p.rollouts {
		if r.id.Channel() == channel && (r == has || !r.signed) && serial < r.serial {
			return true
		}
	}
	return false
}

// ordered reports whether serials say which is the newest of a manifest and those
// of its peers that are new to the plane as well and could take the channel.
func (p *Plane) ordered(in *FileManifest) bool {
	id, serials := in.Manifest.ID(), map[wire.Serial]bool{in.Manifest.Serial: true}
	count := 1
	for _, peer := range in.Peers {
		if peer.RolloutID == id || p.known(peer.RolloutID) || p.outdated(in.Manifest.Channel, peer.Serial) || p.layUnread(in.Manifest.Channel, peer.RolloutID) {
			continue
		}
		serials[peer.Serial] = true
		count++
	}
	return count == 1 || len(serials) == count && !serials[0]
}

// undecided reports whether the channel's rollouts are held.
func (p *Plane) undecided(channel wire.Channel) bool {
	for _, r := range p.rollouts {
		if r.held && r.id.Channel() == channel {
			return true
		}
	}
	return false
}

// open opens a rollout (PROTOCOL R1). The same manifest again changes nothing. from
// is the input that asks for it.
func (p *Plane) open(in *OpenRollout, from Input, out *Output) {
	m := &in.Manifest
	id := m.ID()
	sorted := in.sorted
	if sorted == nil {
		sorted = sortedHosts(m)
	}
	if r := p.byID[id]; r != nil {
		if r.same(m, sorted, in.Signed) {
			if in.Signed {
				p.back(r, out)
			}
			reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: r.status()})
		} else {
			reply(out, len(out.Entries), manifestConflict(r))
		}
		return
	}
	if refusal, good := p.admissible(in); !good {
		reply(out, len(out.Entries), refusal)
		return
	}
	if p.opening != nil { // its driver lets others wait
		reply(out, len(out.Entries), wire.Unavailable(wire.StoreUnavailable, 0))
		return
	}
	if p.withheld(out) {
		return
	}
	if len(m.Hosts) > p.cfg.Slice && !p.walking {
		p.beginOpening(in, from, sorted, out)
		return
	}
	r := newRollout(m)
	for i := range sorted {
		r.addRecord(&sorted[i])
	}
	r.openedAt, r.signed, r.unread = p.last.Wall, in.Signed, in.Unread
	p.excuseForgotten(r)
	p.log(out, Entry{Input: in.logged(), RolloutID: id, Kind: "opened", Outcome: "applied"})
	out.Notices = append(out.Notices, Notice{Kind: NoticeOpened, RolloutID: id, Count: len(r.records)})
	p.place(r, in.Place, out)
	p.install(r)
	if in.Signed {
		p.back(r, out)
	}
	out.changedRollout(r)
	for i := range r.records {
		out.changedRecordAt(r, i)
	}
	p.advance(r, out)
	reply(out, len(out.Entries), wire.Outcome{Code: wire.Created, Document: r.status()})
}

// manifestConflict refuses another manifest under the ID of a rollout.
func manifestConflict(r *rolloutState) wire.Outcome {
	return wire.Refuse(wire.ManifestConflict, "channel_ref", fmt.Sprintf("%s is open with another manifest; choose a new channel_ref", r.id))
}

// admissible refuses a new rollout that was retired, whose serial another one of
// the channel has, or that would take the channel from a newer one.
func (p *Plane) admissible(in *OpenRollout) (wire.Outcome, bool) {
	m := &in.Manifest
	id := m.ID()
	if p.cfg.SignedOnly && !in.Signed && !p.walking {
		return wire.Refuse(wire.UnsignedManifest, "",
			"this plane opens rollouts from signed releases; put the rollout into the release, or start the plane with --allow-unsigned-manifests"), false
	}
	if line, there := p.retired[id]; there {
		return wire.Refuse(wire.RolloutSuperseded, "channel_ref",
			fmt.Sprintf("%s was superseded by %s and is retired; choose a new channel_ref", id, line.SupersededBy)), false
	}
	if circle := p.circleOf(m); circle != "" && !in.Signed && in.Place == Takes {
		return wire.Refuse(wire.ManifestConflict, "gates.channel_edges", circle), false
	}
	if m.Serial == 0 || in.Place == Undecided {
		return wire.Outcome{}, true
	}
	for _, r := range p.rollouts {
		if r.serial == m.Serial && r.id.Channel() == m.Channel && r.signed == in.Signed {
			return wire.Refuse(wire.ManifestConflict, "serial",
				fmt.Sprintf("is %d, and so is that of %s; the newer of the two needs a higher one", m.Serial, r.id)), false
		}
	}
	if r := p.inForce[m.Channel]; in.Place == Takes && p.behind(m, in.Signed) {
		return wire.Refuse(wire.RolloutSuperseded, "serial",
			fmt.Sprintf("is %d, and %s with serial %d is in force; to go back to an older release, give it a new channel_ref and a serial above %d", m.Serial, r.id, r.serial, r.serial)), false
	}
	return wire.Outcome{}, true
}

// logged is the copy of an opening that the log has.
func (in *OpenRollout) logged() *OpenRollout {
	return &OpenRollout{Manifest: in.Manifest, Place: in.Place, Unread: in.Unread, Signed: in.Signed, hash: in.hash}
}

// place makes room for a new rollout at its place in the channel.
func (p *Plane) place(r *rolloutState, place Place, out *Output) {
	older := p.inForce[r.id.Channel()]
	switch {
	case place == Behind:
		r.supersededBy = older.id
		out.Notices = append(out.Notices, Notice{Kind: NoticeSuperseded, RolloutID: r.id, Detail: string(older.id)})
	case place == Undecided:
		if older != nil {
			p.hold(older, out)
		}
		r.held = true
		out.Notices = append(out.Notices, Notice{Kind: NoticeHeld, RolloutID: r.id})
	case older != nil:
		p.supersede(older, r.id, out)
	default:
		p.supersedeHeld(r, out)
	}
}

// supersedeHeld gives a channel whose rollouts are held to r.
func (p *Plane) supersedeHeld(r *rolloutState, out *Output) {
	for _, other := range p.rollouts {
		if other.held && other != r && other.id.Channel() == r.id.Channel() {
			p.supersede(other, r.id, out)
		}
	}
}

// supersede gives a rollout's channel to a newer one (PROTOCOL R1).
func (p *Plane) supersede(r *rolloutState, by wire.RolloutID, out *Output) {
	if r.inForce() {
		p.countActive(r, -1)
	}
	r.held, r.supersededBy, r.stale = false, by, true
	p.forgetReplays(r)
	out.changedRollout(r)
	out.Notices = append(out.Notices, Notice{Kind: NoticeSuperseded, RolloutID: r.id, Detail: string(by)})
}

// hold takes the channel from the rollout in force, until an operator decides
// (R6).
func (p *Plane) hold(r *rolloutState, out *Output) {
	p.countActive(r, -1)
	r.held, r.stale = true, true
	delete(p.inForce, r.id.Channel())
	out.changedRollout(r)
	out.Notices = append(out.Notices, Notice{Kind: NoticeHeld, RolloutID: r.id})
}

// choose puts a held rollout in force; the others of its channel are superseded
// (PROTOCOL R6). Choosing the one that is in force changes nothing, so an operator
// may send it again.
func (p *Plane) choose(id wire.RolloutID, out *Output) {
	r := p.byID[id]
	switch {
	case r == nil:
		reply(out, len(out.Entries), p.unknownRollout(id))
		return
	case r.superseded():
		reply(out, len(out.Entries), wire.Refuse(wire.RolloutSuperseded, "id",
			fmt.Sprintf("%s is superseded by %s; to go back to an older release, open it under a new channel_ref", id, r.supersededBy)))
		return
	case !r.held:
		reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: r.status()})
		return
	}
	if p.withheld(out) {
		return
	}
	p.supersedeHeld(r, out)
	r.held, r.stale = false, true
	p.disturb(id.Channel())
	p.inForce[id.Channel()] = r
	p.countActive(r, 1)
	out.changedRollout(r)
	p.log(out, Entry{Input: &ChooseRollout{id}, RolloutID: id, Kind: "chosen", Outcome: "applied"})
	out.Notices = append(out.Notices, Notice{Kind: NoticeChosen, RolloutID: id})
	p.goOn(r, out)
}

// countActive counts the active records of a rollout in or out at their hosts.
func (p *Plane) countActive(r *rolloutState, by int32) {
	for i := range r.records {
		if r.records[i].State.Active() {
			p.table.vitals[r.hosts[i]].active += by
		}
	}
}

// install makes a rollout known: to its hosts, to its channel, to the counts.
func (p *Plane) install(r *rolloutState) {
	p.list(r)
	p.attach(r)
	r.recount()
	p.countRecords(r)
}

// list makes a rollout the last of those that are known.
func (p *Plane) list(r *rolloutState) {
	r.order = len(p.rollouts)
	if r.gated() {
		p.gated++
	}
	p.rollouts = append(p.rollouts, r)
	p.byID[r.id] = r
	if r.inForce() {
		p.inForce[r.id.Channel()] = r
	}
}

func (p *Plane) countRecords(r *rolloutState) {
	for s, n := range r.counts {
		p.stats.Records[s] += n
	}
}
