package plane

import (
	"bytes"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Retire takes the rollouts out of a durable state ([Plane.AppendDurable]) that
// are finished since before an instant, and returns the state without them and
// their IDs in the order of opening. Records are most of what a plane keeps, and
// those of finished rollouts are most of the records.
//
// A rollout is finished if a newer one superseded it and none of its hosts is
// under way in it: each has ended, or never took the dispatch up, or has taken
// up a newer rollout of the channel. The instant is that of the last of these.
//
// Of a retired rollout its ID stays, so that it is not opened a second time, for
// instance from a manifest that still lies in a directory (PROTOCOL R6): that
// would supersede what is in force. Events of it are answered unknown_rollout
// from then on (E8).
func Retire(cfg Config, state []byte, before wire.Time) (kept []byte, retired []wire.RolloutID, err error) {
	p, err := Restore(cfg, state)
	if err != nil {
		return nil, nil, err
	}
	rd, err := NewRestorer(cfg)
	if err != nil {
		return nil, nil, err
	}
	// What is superseded by a retired rollout was so before that one was. Mostly
	// the superseding one was opened later, so one walk from the end does, and a
	// second one shows it.
	for more := true; more; {
		more = false
		for _, r := range slices.Backward(p.rollouts) {
			if _, there := p.retired[r.id]; !there && p.finished(r, before) {
				p.retired[r.id] = retiredLine{ID: r.id, SupersededBy: r.supersededBy}
				more = true
			}
		}
	}
	rd.plane.retired = p.retired
	next := 0 // of the rollouts, whose lines are in the order of opening
	skip := false
	for line := range bytes.Lines(state) {
		word, doc, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		switch string(word) {
		case "rollout":
			r := p.rollouts[next]
			next++
			if _, skip = p.retired[r.id]; skip {
				retired = append(retired, r.id)
			}
		case "record":
		default:
			skip = false
		}
		if skip {
			continue
		}
		if err := rd.Line(string(word), doc); err != nil {
			return nil, nil, err
		}
	}
	without, err := rd.Plane()
	if err != nil {
		return nil, nil, err
	}
	return without.AppendDurable(nil), retired, nil
}

// finished reports whether a rollout is finished since before an instant.
func (p *Plane) finished(r *rolloutState, before wire.Time) bool {
	if !r.superseded() || !r.openedAt.Before(before) {
		return false // an older one may have been opened last (R6)
	}
	_, retired := p.retired[r.supersededBy]
	if by := p.byID[r.supersededBy]; by != nil && !retired && !by.openedAt.Before(before) {
		return false
	}
	for i := range r.records {
		rec := &r.records[i]
		switch {
		case rec.State == wire.Pending:
		case !rec.State.Active():
			if rec.EndedAt.IsSet() && !rec.EndedAt.Before(before) {
				return false
			}
		case !p.movedOn(r, rec.Hostname):
			return false
		}
	}
	return true
}

// movedOn reports whether a host has taken up a newer rollout of the same
// channel: one with a higher serial, or one of those that superseded it, as the
// choice of an operator says where serials do not (PROTOCOL R6).
func (p *Plane) movedOn(r *rolloutState, name wire.Hostname) bool {
	i, known := p.table.find(name)
	if !known {
		return false
	}
	for _, ref := range p.table.hosts[i].records {
		if ref.rollout.id.Channel() == r.id.Channel() && (ref.rollout.outnumbers(r) || p.superseded(r, ref.rollout.id)) && ref.record().State != wire.Pending {
			return true
		}
	}
	return false
}

// superseded reports whether r was superseded by a rollout, or by one that it
// superseded.
func (p *Plane) superseded(r *rolloutState, by wire.RolloutID) bool {
	for next := r.supersededBy; next != ""; {
		if next == by {
			return true
		}
		if o := p.byID[next]; o != nil {
			next = o.supersededBy
		} else {
			next = p.retired[next].SupersededBy
		}
	}
	return false
}
