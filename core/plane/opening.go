package plane

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// A giant manifest is opened in slices (PROTOCOL R1, decision 035), so that other
// inputs are stepped between them. Its rollout is staged meanwhile: hosts lead to
// its records, but whatever is decided or shown passes over them, and hosts that
// only it has are hidden. There are six parts:
//
//	count    the hosts that the table lacks, and room is made for them
//	attach   the records are made, and their hosts lead to them
//	decide   its place in the channel, and which waves are dispatched
//	dispatch the records of these waves are dispatched, at the instant of the input
//	seal     entry and rows go out, to become durable together; from here on the
//	         plane logs nothing, so what was decided stays right
//	publish  they are durable: the rollout can be seen
//
// What other inputs change between the slices is no part of what is attached. If
// they change what was decided (a quarantine, the rollout in force), the opening
// decides and dispatches again, so the result is that of an opening at one instant.

// opening is the rollout that is being opened.
type opening struct {
	from     Input               // what asked for it: an OpenRollout or a FileManifest
	by       wire.Actor          // the operator who did
	entry    Entry               // once it is sealed
	acts     wire.ActHead        // likewise: the head of the chain with it
	in       *OpenRollout        // with the place that was decided
	sorted   []wire.ManifestHost // its hosts by name
	rollout  *rolloutState
	counted  int // hosts that were looked for in the plane's table
	missing  int // of them, those that it does not have
	attached int // records that are made
	waves    int // to be dispatched
	// dispatched counts the records for which that is done.
	dispatched int
	added      []int32         // hosts that were hidden when they were attached
	wakes      []wire.Hostname // hosts that were dispatched
	sealed     bool
	refusal    wire.Outcome // set once it comes to nothing: it is undone
}

// beginOpening begins with an opening that was found admissible.
func (p *Plane) beginOpening(in *OpenRollout, from Input, sorted []wire.ManifestHost, out *Output) {
	r := newRollout(&in.Manifest)
	r.staged, r.openedAt, r.signed = true, p.last.Wall, in.Signed
	p.opening = &opening{from: from, by: p.by, in: in.logged(), sorted: sorted, rollout: r}
	p.unfinished(out)
}

// unfinished replies how far the opening is.
func (p *Plane) unfinished(out *Output) {
	status, _ := p.Opening()
	out.Replies = append(out.Replies, Reply{Outcome: wire.Outcome{Code: wire.Accepted, Document: status}, Unfinished: true})
}

// Opening says how far the opening is that is under way, if there is one.
func (p *Plane) Opening() (status *wire.OpeningStatus, under bool) {
	o := p.opening
	if o == nil {
		return nil, false
	}
	return &wire.OpeningStatus{
		RolloutID: o.rollout.id, Prepared: wire.Count((o.attached + o.dispatched) / 2), Hosts: wire.Count(len(o.sorted)),
	}, true
}

// continueOpening does the next slice.
func (p *Plane) continueOpening(in *ContinueOpening, out *Output) {
	o := p.opening
	switch {
	case o == nil:
		panic("plane: no opening is under way")
	case o.sealed && in.Durable:
		p.publish(out)
		return
	case o.refusal.Code != wire.OK:
		if p.detach(p.cfg.Slice); len(o.rollout.hosts) == 0 {
			p.opening = nil
			reply(out, len(out.Entries), o.refusal)
			return
		}
	case o.counted < len(o.sorted):
		p.countSlice(p.cfg.Slice)
	case o.attached < len(o.sorted):
		p.attachSlice(p.cfg.Slice)
	case o.dispatched == 0 && !p.decide():
	default:
		if p.dispatchSlice(p.cfg.Slice); o.dispatched == len(o.rollout.records) && !o.sealed {
			p.seal(out)
		}
	}
	p.unfinished(out)
}

// countSlice looks for up to n hosts in the table. When all are looked for, it makes
// room for those that it does not have: a table that grows with each of them is
// copied many times.
func (p *Plane) countSlice(n int) {
	o := p.opening
	for range min(n, len(o.sorted)-o.counted) {
		if _, there := p.table.find(o.sorted[o.counted].Hostname); !there {
			o.missing++
		}
		o.counted++
	}
	if o.counted == len(o.sorted) {
		p.table.reserve(o.missing)
	}
}

// attachSlice makes the records of up to n hosts.
func (p *Plane) attachSlice(n int) {
	o := p.opening
	for range min(n, len(o.sorted)-o.attached) {
		h := &o.sorted[o.attached]
		o.rollout.addRecord(h)
		at, there := p.table.find(h.Hostname)
		if !there {
			at = p.table.add(h.Hostname)
			p.table.vitals[at].unseen = true
			p.hidden++
		}
		if !there || p.isHidden(at) {
			o.added = append(o.added, int32(at))
		}
		p.refer(o.rollout, o.attached, at)
		o.attached++
	}
}

// decide says what the rollout's place is and which waves are dispatched. It reports
// false if the rollout is no longer admissible.
func (p *Plane) decide() bool {
	o, r := p.opening, p.opening.rollout
	if file, is := o.from.(*FileManifest); is {
		o.in.Place = p.placeOf(file)
		o.in.Unread = p.unread(file, o.in.Place)
		r.unread = o.in.Unread
	}
	refusal, good := p.admissible(o.in)
	if good && p.readOnly {
		refusal, good = wire.Unavailable(wire.StoreUnavailable, 0), false
	}
	if !good {
		o.refusal = refusal
		return false
	}
	p.excuseForgotten(r)
	r.recount()
	o.waves, o.wakes = 0, o.wakes[:0]
	for o.in.Place == Takes && o.waves < len(r.policy.Waves) && (o.waves == 0 || r.holding[o.waves-1] == 0) {
		o.waves++
	}
	return true
}

// dispatchSlice dispatches up to n records, as far as their waves are.
func (p *Plane) dispatchSlice(n int) {
	o, r := p.opening, p.opening.rollout
	for range min(n, len(r.records)-o.dispatched) {
		rec := &r.records[o.dispatched]
		o.dispatched++
		h := &o.sorted[o.dispatched-1]
		*rec = rollout.New(r.id, rec.Hostname, h.TargetClosure, rec.Wave, rec.SoakSeconds)
		if int(rec.Wave) < o.waves && !p.quarantined(r, rec) {
			rec.Dispatch(r.openedAt)
			o.wakes = append(o.wakes, rec.Hostname)
		}
	}
}

// disturb says that something has changed that an opening of the channel may have
// been decided by.
func (p *Plane) disturb(channel wire.Channel) {
	if o := p.opening; o != nil && o.rollout.id.Channel() == channel {
		o.dispatched = 0
	}
}

// detach takes up to n records from their hosts, the last first.
func (p *Plane) detach(n int) {
	r := p.opening.rollout
	for range min(n, len(r.hosts)) {
		last := len(r.hosts) - 1
		h := &p.table.hosts[r.hosts[last]]
		h.records = slices.DeleteFunc(h.records, func(ref recordRef) bool { return ref.rollout == r })
		r.hosts = r.hosts[:last]
	}
}

// Sealed is what makes an opening durable that was prepared in slices: its entry,
// and the rows of the durable state that it changes.
type Sealed struct {
	Entry  Entry
	others []Row // of the rollouts that it takes the channel from
	opened *rolloutState
	line   rolloutLine
}

// Rows calls yield with the rows until it returns false. A row's document is
// yield's until it returns. It may be called beside the steps of the plane, until
// the [ContinueOpening] that says that they are durable.
func (s *Sealed) Rows(yield func(Row) bool) {
	for _, row := range s.others {
		if !yield(row) {
			return
		}
	}
	r := s.opened
	if !yield(Row{
		Change:   Change{Table: TableRollouts, Key: string(r.id)},
		Position: r.order, Document: rolloutLineSchema.Append(nil, &s.line),
	}) {
		return
	}
	var document []byte
	for i := range r.records {
		document = recordLineSchema.Append(document[:0], r.recordLine(i))
		if !yield(Row{Change: Change{Table: TableRecords, Key: string(r.id), Sub: string(r.records[i].Hostname)}, Document: document}) {
			return
		}
	}
}

// seal puts out the entry and the rows of an opening that is prepared.
func (p *Plane) seal(out *Output) {
	o, r := p.opening, p.opening.rollout
	o.sealed = true
	r.order, r.wavesDispatched = len(p.rollouts), o.waves
	s := &Sealed{opened: r, line: r.line()}
	s.Entry = Entry{
		Number: p.logged + 1, At: r.openedAt, Input: o.in,
		RolloutID: r.id, Kind: "opened", Outcome: "applied",
	}
	if o.acts = p.sign(&s.Entry, &o.by); s.Entry.Act != nil {
		s.others = append(s.others, Row{Change: Change{Table: TableActs, Key: headKey}, Document: wire.ActHeadSchema.Append(nil, &o.acts)})
	}
	switch o.in.Place {
	case Behind:
		s.line.SupersededBy = p.inForce[r.id.Channel()].id
	case Undecided:
		s.line.Held = true
	}
	for _, other := range p.rollouts {
		if other.id.Channel() != r.id.Channel() || other.superseded() {
			continue
		}
		line := other.line()
		switch o.in.Place {
		case Takes:
			line.Held, line.SupersededBy = false, r.id
		case Undecided:
			line.Held = true
		case Behind:
			continue
		}
		s.others = append(s.others, Row{
			Change:   Change{Table: TableRollouts, Key: string(other.id)},
			Position: other.order, Document: rolloutLineSchema.Append(nil, &line),
		})
	}
	o.entry, out.Sealed = s.Entry, s
}

// publish makes a rollout known that is durable. Nothing was logged since it was
// sealed.
func (p *Plane) publish(out *Output) {
	o, r := p.opening, p.opening.rollout
	p.opening = nil
	p.logged++
	changes := len(out.Changes)
	out.Notices = append(out.Notices, Notice{Kind: NoticeOpened, RolloutID: r.id, Count: len(r.records)})
	r.staged, r.stale = false, true
	p.place(r, o.in.Place, out)
	out.Changes = out.Changes[:changes] // they are durable
	if o.entry.Act != nil {
		p.chain(&o.entry, o.acts, out)
	}
	p.list(r)
	if r.signed {
		p.back(r, out)
	}
	for _, at := range o.added {
		if p.table.vitals[at].unseen { // else it was heard meanwhile
			p.reveal(int(at))
		}
	}
	if r.inForce() {
		p.countActive(r, 1)
	}
	p.countRecords(r)
	for wave := range o.waves {
		out.Notices = append(out.Notices, Notice{Kind: NoticeWave, RolloutID: r.id, Count: wave})
	}
	out.Wakes = append(out.Wakes, o.wakes...)
	reply(out, len(out.Entries), wire.Outcome{Code: wire.Created, Document: r.status()})
}
