package plane

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// replayingLine is a replay under way.
type replayingLine struct {
	RolloutID       wire.RolloutID
	Hostname        wire.Hostname
	Closure         wire.Closure
	At              wire.Time
	Asked, Progress wire.Nanos
	Again           wire.Flag
}

var replayingLineSchema = wire.Schema[replayingLine]{Fields: []wire.Field[replayingLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *replayingLine) wire.Value { return &l.RolloutID }},
	{Name: "hostname", Presence: wire.Required, Of: func(l *replayingLine) wire.Value { return &l.Hostname }},
	{Name: "closure", Presence: wire.Optional, Of: func(l *replayingLine) wire.Value { return &l.Closure }},
	{Name: "at", Presence: wire.Optional, Of: func(l *replayingLine) wire.Value { return &l.At }},
	{Name: "asked", Presence: wire.Required, Of: func(l *replayingLine) wire.Value { return &l.Asked }},
	{Name: "progress", Presence: wire.Required, Of: func(l *replayingLine) wire.Value { return &l.Progress }},
	{Name: "again", Presence: wire.Optional, Of: func(l *replayingLine) wire.Value { return &l.Again }},
}}

// roundLine is the last round of replays.
type roundLine struct {
	Round   wire.Count
	Crowded wire.Flag
	PutOff  wire.Nanos
}

var roundLineSchema = wire.Schema[roundLine]{Fields: []wire.Field[roundLine]{
	{Name: "round", Presence: wire.Required, Of: func(l *roundLine) wire.Value { return &l.Round }},
	{Name: "crowded", Presence: wire.Optional, Of: func(l *roundLine) wire.Value { return &l.Crowded }},
	{Name: "put_off", Presence: wire.Required, Of: func(l *roundLine) wire.Value { return &l.PutOff }},
}}

// appendReplaying appends the lines of the replays under way, in the order of
// asking, and that of the last round.
func (p *Plane) appendReplaying(dst []byte) []byte {
	for i := range p.replays.underWay {
		x := &p.replays.underWay[i]
		dst = wire.AppendLine(dst, "replaying", &replayingLineSchema, &replayingLine{
			RolloutID: x.ref.rollout.id, Hostname: x.ref.record().Hostname, Closure: x.closure, At: x.at,
			Asked: wire.Nanos(x.asked), Progress: wire.Nanos(x.progress), Again: wire.Flag(x.again),
		})
	}
	if r := &p.replays; r.round != 0 {
		dst = wire.AppendLine(dst, "replayround", &roundLineSchema, &roundLine{wire.Count(r.round), wire.Flag(r.crowded), wire.Nanos(r.putOff)})
	}
	return dst
}

func (p *Plane) restoreReplaying(l *replayingLine) error {
	ref, err := p.refOf(l.Hostname, l.RolloutID)
	if err != nil {
		return err
	}
	p.replays.underWay = append(p.replays.underWay, replaying{
		ref: ref, closure: l.Closure, at: l.At,
		asked: time.Duration(l.Asked), progress: time.Duration(l.Progress), again: bool(l.Again),
	})
	return nil
}

// clone returns the replays under way for a copy of the plane, whose
// rollouts are given in the order of opening.
func (r *replays) clone(rollouts []*rolloutState) replays {
	c := *r
	c.underWay = nil
	for _, x := range r.underWay {
		x.ref.rollout = rollouts[x.ref.rollout.order]
		c.underWay = append(c.underWay, x)
	}
	return c
}
