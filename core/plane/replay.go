package plane

import (
	"fmt"
	"maps"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// RequestReplays marks the records of which the plane may have lost what their
// hosts had reported: the state is older than what was acknowledged (PROTOCOL
// H8). These are the records that can still change, of rollouts that are not
// superseded. The mark of a record is gone once its host was asked, unless the record
// is Failed. It is no durable state: a driver calls this after each load of such a state.
func (p *Plane) RequestReplays() {
	for _, r := range p.rollouts {
		for i := range r.records {
			if state := r.records[i].State; !r.superseded() && state != wire.Converged && state != wire.Reverted {
				p.markForReplay(recordRef{r, i})
			}
		}
	}
}

func (p *Plane) markForReplay(ref recordRef) {
	if p.toReplay == nil {
		p.toReplay = make(map[recordRef]struct{})
	}
	p.toReplay[ref] = struct{}{}
}

// marked reports whether a record is, of a rollout that is not superseded.
func (p *Plane) marked(ref recordRef) bool {
	_, marked := p.toReplay[ref]
	return marked && !ref.rollout.superseded()
}

// replayLine is the mark of a record.
type replayLine struct {
	RolloutID wire.RolloutID
	Hostname  wire.Hostname
}

var replayLineSchema = wire.Schema[replayLine]{Fields: []wire.Field[replayLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *replayLine) wire.Value { return &l.RolloutID }},
	{Name: "hostname", Presence: wire.Required, Of: func(l *replayLine) wire.Value { return &l.Hostname }},
}}

// appendReplays appends the lines of the marks.
func (p *Plane) appendReplays(dst []byte) []byte {
	marked := slices.SortedFunc(maps.Keys(p.toReplay), func(a, b recordRef) int {
		if a.rollout != b.rollout {
			return a.rollout.order - b.rollout.order
		}
		return a.index - b.index
	})
	for _, ref := range marked {
		dst = wire.AppendLine(dst, "replay", &replayLineSchema, &replayLine{ref.rollout.id, ref.record().Hostname})
	}
	return dst
}

func (p *Plane) restoreReplay(l *replayLine) error {
	ref, err := p.refOf(l.Hostname, l.RolloutID)
	if err == nil {
		p.markForReplay(ref)
	}
	return err
}

// refOf finds the record of a state's line.
func (p *Plane) refOf(name wire.Hostname, id wire.RolloutID) (recordRef, error) {
	if ref, known := p.refTo(name, id); known {
		return ref, nil
	}
	return recordRef{}, fmt.Errorf("no record of %s in %s comes before this line", name, id)
}

// cloneReplays returns the marks for a copy of the plane, whose rollouts are given
// in the order of opening.
func (p *Plane) cloneReplays(rollouts []*rolloutState) map[recordRef]struct{} {
	if len(p.toReplay) == 0 {
		return nil
	}
	c := make(map[recordRef]struct{}, len(p.toReplay))
	for ref := range p.toReplay { // order-free: a map into a map
		c[recordRef{rollouts[ref.rollout.order], ref.index}] = struct{}{}
	}
	return c
}
