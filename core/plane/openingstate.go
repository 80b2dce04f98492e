package plane

import "github.com/refrain-fleet/refrain/core/wire"

// A state that is written while a rollout is opened in slices has a line for it:
// what asked for it, when, and how far it is. The rest is made again of that.

// openingLine is the opening that is under way.
type openingLine struct {
	From FileManifest // also of an operator's
	File wire.Flag    // it is of the directory
	At   wire.Time
	By   wire.Actor
	progress
}

// progress is how far an opening is.
type progress struct {
	Counted, Attached, Dispatched, Detached wire.Count
	Sealed                                  wire.Flag
}

var openingLineSchema = wire.Schema[openingLine]{Fields: append(
	membersOf(&wire.ManifestSchema, func(l *openingLine) *wire.Manifest { return &l.From.Manifest }),
	wire.Field[openingLine]{Name: "peers", Presence: wire.Optional, Of: func(l *openingLine) wire.Value {
		return wire.List[Peer]{Items: &l.From.Peers, Schema: &peerSchema}
	}},
	wire.Field[openingLine]{Name: "signed", Presence: wire.Optional, Of: func(l *openingLine) wire.Value { return (*wire.Flag)(&l.From.Signed) }},
	wire.Field[openingLine]{Name: "file", Presence: wire.Optional, Of: func(l *openingLine) wire.Value { return &l.File }},
	wire.Field[openingLine]{Name: "at", Presence: wire.Optional, Of: func(l *openingLine) wire.Value { return &l.At }},
	wire.Field[openingLine]{Name: "by", Presence: wire.Optional, Of: func(l *openingLine) wire.Value { return &l.By }},
	wire.Field[openingLine]{Name: "counted", Presence: wire.Required, Of: func(l *openingLine) wire.Value { return &l.Counted }},
	wire.Field[openingLine]{Name: "attached", Presence: wire.Required, Of: func(l *openingLine) wire.Value { return &l.Attached }},
	wire.Field[openingLine]{Name: "dispatched", Presence: wire.Required, Of: func(l *openingLine) wire.Value { return &l.Dispatched }},
	wire.Field[openingLine]{Name: "detached", Presence: wire.Required, Of: func(l *openingLine) wire.Value { return &l.Detached }},
	wire.Field[openingLine]{Name: "sealed", Presence: wire.Optional, Of: func(l *openingLine) wire.Value { return &l.Sealed }},
)}

// line describes the opening.
func (o *opening) line() *openingLine {
	l := &openingLine{At: o.rollout.openedAt, By: o.by, progress: progress{
		Counted: wire.Count(o.counted), Attached: wire.Count(o.attached), Dispatched: wire.Count(o.dispatched),
		Detached: wire.Count(o.attached - len(o.rollout.hosts)), Sealed: wire.Flag(o.sealed),
	}}
	if file, is := o.from.(*FileManifest); is {
		l.From, l.File = *file, true
	} else {
		l.From.Manifest, l.From.sorted = o.in.Manifest, o.sorted
	}
	return l
}

// takeUp goes on with an opening where another plane in the same state was.
func (p *Plane) takeUp(l *openingLine) {
	from := &l.From
	if from.sorted == nil {
		from.Prepare()
	}
	in := &OpenRollout{Manifest: from.Manifest, Signed: from.Signed}
	o := &opening{from: in, by: l.By, in: in, sorted: from.sorted, rollout: newRollout(&in.Manifest)}
	if l.File {
		o.from = from
	}
	o.rollout.staged, o.rollout.openedAt, o.rollout.signed = true, l.At, from.Signed
	p.opening = o
	if p.countSlice(int(l.Counted)); l.Attached == 0 {
		return
	}
	p.attachSlice(int(l.Attached))
	if l.Dispatched > 0 || l.Detached > 0 {
		p.decide()
	}
	p.dispatchSlice(int(l.Dispatched))
	p.detach(int(l.Detached))
	if l.Sealed {
		p.seal(new(Output)) // it is on its way to the disk
	}
}
