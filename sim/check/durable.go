package check

import (
	"bytes"
	"slices"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// recordKey names a record.
type recordKey struct {
	id   wire.RolloutID
	host wire.Hostname
}

// durable is S1: what the plane has told anybody survives every crash but
// the loss of its disk. A backup that is put in its place takes back what came
// after it and nothing else.
//
// It keeps by itself what the disk was given. An answer must not tell more than
// that: a 204 to an event, but also the number of a replay, a snapshot, a
// dispatch or a 201. And what is loaded after a start has to be what the whole
// log gives when it is walked again.
type durable struct {
	disk     map[recordKey]wire.Seq // the last event on the disk
	soaking  map[recordKey]bool     // something on the disk says that it is Soaking, or was
	open     map[wire.RolloutID]bool
	acked    map[recordKey]wire.Seq
	commits  uint64
	next     uint64 // the number of commits after which to compare
	loaded   []byte
	rewalked []byte
	// refused has what the refusals rest on that wait for their answer.
	refused refusalsByMessage
}

func newDurable(s *Checks) {
	c, l := &durable{acked: make(map[recordKey]wire.Seq), next: 1, refused: make(refusalsByMessage)}, s.ledger()
	c.wipe()
	c.adopt(s.World.Start())

	s.on(world.EventCommitted, c.committed)
	s.on(world.EventStepDone, func(e *world.Event) { c.refused.stepDone(e, l) })
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventPlaneDown, c.planeDown)
	s.on(world.EventPlaneStarted, c.planeStarted)
}

func (c *durable) wipe() {
	c.disk = make(map[recordKey]wire.Seq)
	c.soaking = make(map[recordKey]bool)
	c.open = make(map[wire.RolloutID]bool)
	clear(c.acked)
}

// restore knows what a backup has. What of that was acknowledged still is.
func (c *durable) restore(e *world.Event) {
	acked := c.acked
	c.acked = make(map[recordKey]wire.Seq)
	c.wipe()
	if e.World.StartOnDisk() {
		c.adopt(e.World.Start())
	}
	c.stored(e.Entries)
	for key, seq := range acked { // order-free: a map into a map
		if seq = min(seq, c.disk[key]); seq > 0 {
			c.acked[key] = seq
		}
	}
}

// stored notes entries that the disk has.
func (c *durable) stored(entries []plane.Entry) {
	for _, e := range entries {
		switch in := e.Input.(type) {
		case *plane.Event:
			key := recordKey{in.Envelope.RolloutID, in.Envelope.Hostname}
			c.disk[key] = max(c.disk[key], in.Envelope.Event.Seq)
			if in.Envelope.Event.Body.Kind() == wire.KindActivationCompleted {
				c.soaking[key] = true
			}
		case *plane.Confirm:
			c.soaking[recordKey{in.RolloutID, in.Hostname}] = true
		case *plane.OpenRollout:
			c.open[in.Manifest.ID()] = true
		}
	}
}

func (c *durable) committed(e *world.Event) {
	w := e.World
	c.stored(e.Entries)
	// What is on the disk has to give the plane, unless that has logged more
	// meanwhile. Writing both down takes long, so it is done after 1, 4, 16, 64 …
	// commits.
	c.commits++
	if p := w.Plane(); c.commits >= c.next && p != nil && p.Stats().Logged == w.Durable().Stats().Logged {
		c.next *= 4
		c.compare(w, w.Durable(), "the log up to here gives")
	}
}

// compare compares the durable state of the plane with that of another.
func (c *durable) compare(w *world.World, other *plane.Plane, what string) {
	c.loaded = w.Plane().AppendDurable(c.loaded[:0])
	c.rewalked = other.AppendDurable(c.rewalked[:0])
	if !bytes.Equal(c.loaded, c.rewalked) {
		has, gives := firstDifference(c.loaded, c.rewalked)
		w.Violate("S1", "the plane has\n\t%s\nwant, as %s,\n\t%s", has, what, gives)
	}
}

func (c *durable) answered(e *world.Event) {
	w, m := e.World, e.Message
	o := m.Outcome()
	c.refusal(w, m)
	switch {
	case m.Kind() == scenario.RouteEvent && o.Code == wire.NoContent && m.Dialect() == wire.DialectField:
		// It may be discarded, or have an old number: S37.
	case m.Kind() == scenario.RouteEvent && o.Code == wire.NoContent && endedOnDisk(w, m):
		// The number need not be there (E5); that the record is at its end is.
	case m.Kind() == scenario.RouteEvent && o.Code == wire.NoContent:
		c.tells(w, m, m.Event().Envelope.RolloutID, m.Event().Envelope.Hostname, m.Event().Envelope.Event.Seq)
		key := recordKey{m.Event().Envelope.RolloutID, m.Event().Envelope.Hostname}
		c.acked[key] = max(c.acked[key], m.Event().Envelope.Event.Seq)
	case m.Kind() == scenario.RouteEvent && o.Code == wire.Gap:
		c.tells(w, m, m.Event().Envelope.RolloutID, m.Event().Envelope.Hostname, o.ReplayFrom)
	case m.Kind() == scenario.RouteHeartbeat && o.Code == wire.OK:
		c.heartbeat(w, m)
	case m.Kind() == scenario.RoutePoll && o.Code == wire.OK:
		if d, is := o.Document.(*wire.Dispatch); is {
			c.dispatched(w, m, d.RolloutID, d.Hostname, d.EnqueuedAt)
		}
	case o.Code == wire.Created:
		if in := opens(m.Operator()); in != nil && !c.open[in.ID()] {
			w.Violate("S1", "m%d is told that %s is open, and that is not on the disk; want it durable first", m.ID(), in.ID())
		}
	}
}

// endedOnDisk reports whether the record that an event is about is at its end by
// what is on the disk, and has all that the event says but its number.
func endedOnDisk(w *world.World, m *world.Message) bool {
	env := &m.Event().Envelope
	rec, known := w.Durable().Record(env.RolloutID, env.Hostname)
	move := legalMoves[env.Event.Body.Kind()]
	return known && atEnd(&rec) && rec.LastEventSeq < env.Event.Seq &&
		!slices.Contains(move.from, rec.State) && tellsNothing(&rec, env.Event.Body, move.to) &&
		(m.Event().Dialect == wire.DialectField || !begunAnew(&rec, env.Event.Body))
}

func (c *durable) heartbeat(w *world.World, m *world.Message) {
	o := m.Outcome()
	req := m.Heartbeat().Request
	if o.Replay {
		c.tells(w, m, req.RolloutID, req.Hostname, o.ReplayFrom)
	}
	for i := range o.Heartbeat.Bootstrap {
		s := &o.Heartbeat.Bootstrap[i]
		c.tells(w, m, s.RolloutID, s.Hostname, s.LastEventSeq)
		if s.State == wire.Soaking && !c.soaking[recordKey{s.RolloutID, s.Hostname}] {
			w.Violate("S1", "m%d is told that %s is Soaking in %s, and that is not on the disk; want it durable first", m.ID(), s.Hostname, s.RolloutID)
		}
		if m.Dialect() != wire.DialectField { // S38
			c.dispatched(w, m, s.RolloutID, s.Hostname, s.DispatchedAt)
		}
	}
}

// dispatched judges an answer that tells of a rollout, and of a dispatch if at
// is set: what the log gives so far has to have both.
func (c *durable) dispatched(w *world.World, m *world.Message, id wire.RolloutID, host wire.Hostname, at wire.Time) {
	if !c.open[id] {
		w.Violate("S1", "m%d is told of %s, and its opening is not on the disk; want it durable first", m.ID(), id)
		return
	}
	if rec, _ := w.Durable().Record(id, host); at.IsSet() && rec.DispatchedAt != at {
		w.Violate("S1", "m%d is told of a dispatch of %s at %v; want %v, as the log gives", m.ID(), id, at, rec.DispatchedAt)
	}
}

// tells judges an answer that tells of events up to seq.
func (c *durable) tells(w *world.World, m *world.Message, id wire.RolloutID, host wire.Hostname, seq wire.Seq) {
	if has := c.disk[recordKey{id, host}]; has < seq {
		w.Violate("S1", "m%d is answered %v, which acknowledges event %d of %s in %s; the disk has those up to %d; want them durable first", m.ID(), m.Outcome().Code, seq, host, id, has)
	}
}

func (c *durable) planeDown(e *world.Event) {
	if e.Wiped {
		c.wipe()
	}
	if e.Restored {
		c.restore(e)
	}
	clear(c.refused)
}

func (c *durable) planeStarted(e *world.Event) {
	w := e.World
	for _, key := range sortedKeys(c.acked) {
		rec, there := w.Plane().Record(key.id, key.host)
		if !there || rec.LastEventSeq < c.acked[key] {
			w.Violate("S1", "event %d of %s in %s was answered 204, and after the start the plane has those up to %d; want all that was answered 204", c.acked[key], key.host, key.id, rec.LastEventSeq)
		}
	}
	walk := w.NewWalk()
	for _, e := range w.Log() {
		if err := walk.Apply(e); err != nil {
			w.Violate("S1", "the log cannot be walked again: %v", err)
			return
		}
	}
	c.compare(w, walk, "the log gives")
}

// firstDifference returns the first lines in which two states differ.
func firstDifference(a, b []byte) (inA, inB []byte) {
	for {
		inA, a, _ = bytes.Cut(a, []byte("\n"))
		inB, b, _ = bytes.Cut(b, []byte("\n"))
		if !bytes.Equal(inA, inB) || len(a) == 0 && len(b) == 0 {
			return inA, inB
		}
	}
}

// sequence is S2: a record's last event number never falls, except by the
// loss of the disk or a backup in its place, or by a start of the plane, and then to no less than what
// was acknowledged.
type sequence struct {
	l     *ledger
	acked map[recordKey]wire.Seq
}

func newSequence(s *Checks) {
	c := &sequence{l: s.ledger(), acked: make(map[recordKey]wire.Seq)}
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventPlaneDown, c.planeDown)
	s.on(world.EventPlaneStarted, c.planeStarted)
}

func (c *sequence) stepDone(e *world.Event) {
	w := e.World
	for _, r := range c.l.now {
		switch {
		case !r.there:
			w.Violate("S2", "the plane has lost the record of h%d in %s; want every record kept, but for the loss of the disk", r.host, r.of.id)
		case r.last.LastEventSeq < r.before.LastEventSeq:
			w.Violate("S2", "h%d in %s: the last event number falls from %d to %d; want it never to fall", r.host, r.of.id, r.before.LastEventSeq, r.last.LastEventSeq)
		}
	}
}

func (c *sequence) answered(e *world.Event) {
	m := e.Message
	if m.Kind() == scenario.RouteEvent && m.Outcome().Code == wire.NoContent && m.Dialect() != wire.DialectField && !endedOnDisk(e.World, m) {
		key := recordKey{m.Event().Envelope.RolloutID, m.Event().Envelope.Hostname}
		c.acked[key] = max(c.acked[key], m.Event().Envelope.Event.Seq)
	}
}

func (c *sequence) planeDown(e *world.Event) {
	if e.Wiped {
		clear(c.acked)
	}
	if e.Restored { // to no less than the backup has of what was acknowledged
		for key, seq := range c.acked { // order-free: each for itself
			rec, _ := e.World.Durable().Record(key.id, key.host)
			c.acked[key] = min(seq, rec.LastEventSeq)
		}
	}
}

func (c *sequence) planeStarted(e *world.Event) {
	w := e.World
	for _, key := range sortedKeys(c.acked) {
		rec, _ := w.Plane().Record(key.id, key.host)
		if rec.LastEventSeq < c.acked[key] {
			w.Violate("S2", "%s in %s: the last event number falls to %d by a start; want at least %d, which was acknowledged", key.host, key.id, rec.LastEventSeq, c.acked[key])
		}
	}
}

// adopt lets S1 begin with what a state says.
func (c *durable) adopt(a *scenario.State) {
	for i := range a.Rollouts {
		r := &a.Rollouts[i]
		c.open[r.ID] = true
		for j := range r.Records {
			rec := &r.Records[j].Record
			key := recordKey{r.ID, rec.Hostname}
			c.disk[key] = rec.LastEventSeq
			c.soaking[key] = rec.State > wire.Deferred
		}
	}
}
