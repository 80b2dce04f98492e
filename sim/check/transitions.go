package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// legalMoves is the table of PROTOCOL E, written out: where an event of a kind
// is legal, and where it leads.
var legalMoves = map[wire.EventKind]struct {
	from []wire.State
	to   wire.State
}{
	wire.KindDispatchAck:           {[]wire.State{wire.Pending}, wire.Activating},
	wire.KindActivationStarted:     {[]wire.State{wire.Activating}, wire.Activating},
	wire.KindActivationCompleted:   {[]wire.State{wire.Activating, wire.Deferred}, wire.Soaking},
	wire.KindActivationDeferred:    {[]wire.State{wire.Activating}, wire.Deferred},
	wire.KindActivationFailed:      {[]wire.State{wire.Activating, wire.Deferred}, wire.Failed},
	wire.KindProbeTopologyDeclared: {[]wire.State{wire.Soaking}, wire.Soaking},
	wire.KindProbeObservedFirst:    {[]wire.State{wire.Soaking}, wire.Soaking},
	wire.KindProbeResult:           {[]wire.State{wire.Soaking}, wire.Soaking},
	wire.KindProbeFailureFirst:     {[]wire.State{wire.Soaking}, wire.Soaking},
	wire.KindFailed:                {[]wire.State{wire.Soaking}, wire.Failed},
	wire.KindRollbackComplete:      {[]wire.State{wire.Failed}, wire.Reverted},
	wire.KindConverged:             {[]wire.State{wire.Soaking}, wire.Converged},
}

// pathsTo are the states that lie on the path to each state, itself included
// (PROTOCOL E5).
var pathsTo = map[wire.State][]wire.State{
	wire.Pending:    {wire.Pending},
	wire.Activating: {wire.Pending, wire.Activating},
	wire.Deferred:   {wire.Pending, wire.Activating, wire.Deferred},
	wire.Soaking:    {wire.Pending, wire.Activating, wire.Deferred, wire.Soaking},
	wire.Converged:  {wire.Pending, wire.Activating, wire.Deferred, wire.Soaking, wire.Converged},
	wire.Failed:     {wire.Pending, wire.Activating, wire.Deferred, wire.Soaking, wire.Failed},
	wire.Reverted:   {wire.Pending, wire.Activating, wire.Deferred, wire.Soaking, wire.Failed, wire.Reverted},
}

// verdictOn is what PROTOCOL E1 and E3 to E7 say of an event: the code of the
// answer, and the record's state afterwards. Of a field agent's event (E11) a refusal
// means that it is discarded (E12).
func verdictOn(rec *rollout.Record, soak time.Duration, in *plane.Event) (wire.Code, wire.State) {
	ev, field := in.Envelope.Event, in.Dialect == wire.DialectField
	kind := ev.Body.Kind()
	move := legalMoves[kind]
	refusal := wire.Rejected // E7
	if ev.Seq > rec.LastEventSeq+1 && !atEnd(rec) {
		refusal = wire.Gap // E6
	}
	inferred := rec.State == wire.Soaking && rec.Marks.Has(rollout.MarkActivationCompletedAt)
	moves := slices.Contains(move.from, rec.State) && move.to != rec.State
	switch {
	case ev.Seq <= rec.LastEventSeq && !(field && moves): // E3, E11
		return wire.NoContent, rec.State
	case !field && begunAnew(rec, ev.Body): // E13
		return wire.NoContent, wire.Soaking
	case kind == wire.KindActivationFailed && inferred: // E5, decision 006
		return wire.NoContent, wire.Failed
	case slices.Contains(move.from, rec.State): // E4
		if body, is := ev.Body.(wire.HostConverged); is && !mayConverge(rec, soak, body, field) {
			return refusal, rec.State
		}
		return wire.NoContent, move.to
	case !isOnPath(rec.State, move.to, move.from) || !closureAgrees(rec, ev.Body):
		return refusal, rec.State
	default: // E5
		return wire.NoContent, rec.State
	}
}

// begunAnew reports whether an event of an agent of ours says that the host has activated
// the target after it had failed (PROTOCOL E13).
func begunAnew(rec *rollout.Record, body wire.EventBody) bool {
	b, is := body.(wire.ActivationCompleted)
	return is && rec.State == wire.Failed && rec.EndedAt.IsSet() && rec.EndedAt.Before(b.CompletedAt) && b.ObservedCurrentClosure == rec.TargetClosure
}

// atEnd reports whether nothing that a record lacks could make an event legal.
func atEnd(rec *rollout.Record) bool {
	return rec.State == wire.Converged || rec.State == wire.Failed || rec.State == wire.Reverted
}

// tellsNothing reports whether a record at its end has all that an absorbed event
// says: then the event is neither counted nor logged (PROTOCOL E5).
func tellsNothing(rec *rollout.Record, body wire.EventBody, to wire.State) bool {
	lacks := func(at wire.Time, mark rollout.Marks) bool { return !at.IsSet() || rec.Marks.Has(mark) }
	switch body.(type) {
	case wire.DispatchAck:
		return !lacks(rec.DispatchAckedAt, rollout.MarkDispatchAckedAt) && rec.CurrentClosureAtDispatch != ""
	case wire.ActivationStarted:
		return rec.ActivationStartedAt.IsSet()
	case wire.ActivationCompleted:
		return !lacks(rec.ActivationCompletedAt, rollout.MarkActivationCompletedAt) && !lacks(rec.SoakDueAt, rollout.MarkSoakDueAt) &&
			rec.CurrentClosure != "" && !rec.Marks.Has(rollout.MarkCurrentClosure)
	default:
		return rec.State != to || rec.EndedAt.IsSet()
	}
}

func isOnPath(at, to wire.State, from []wire.State) bool {
	path := pathsTo[at]
	for _, s := range from {
		if !slices.Contains(path, s) {
			return false
		}
	}
	return slices.Contains(path, to)
}

// closureAgrees is the second half of E5.
func closureAgrees(rec *rollout.Record, body wire.EventBody) bool {
	known := rec.CurrentClosure
	if known == "" {
		known = rec.TargetClosure
	}
	if rec.Marks.Has(rollout.MarkCurrentClosure) {
		return true // the agent's own replaces it
	}
	switch b := body.(type) {
	case wire.ActivationCompleted:
		if rec.State == wire.Reverted {
			return b.ObservedCurrentClosure == rec.TargetClosure
		}
		return b.ObservedCurrentClosure == known
	case wire.RollbackComplete:
		return b.RevertedToClosure == known
	case wire.HostConverged:
		return b.CurrentClosure == known
	default:
		return true
	}
}

// mayConverge is E1, and E11 for a field agent.
func mayConverge(rec *rollout.Record, soak time.Duration, body wire.HostConverged, field bool) bool {
	for _, p := range rec.Probes {
		if p.Mode == wire.Enforce && p.Status != wire.Pass && !(field && p.Status == 0) {
			return false
		}
	}
	due, completed := rec.SoakDueAt, rec.ActivationCompletedAt
	soaked := due.IsSet() && !body.ConvergedAt.Before(due) ||
		completed.IsSet() && !body.ConvergedAt.Before(completed.Add(soak))
	return body.CurrentClosure == rec.TargetClosure && soaked
}

// transitions is S3: a record changes its state by the table of PROTOCOL
// E, by a confirmation, and by nothing else; what an event is answered is what
// the table says; and the log gets a line for each event that is taken and each
// confirmation, and none for what was taken before.
type transitions struct {
	l *ledger
	// logged is how many entries the batch had before the step, added how many the
	// step added.
	logged, added int
	// What the event has to be answered, and where it leads.
	target *recordCopy
	code   wire.Code
	to     wire.State
	// taken: it is to be counted and logged. discarded: it is to be discarded.
	taken, discarded bool
	// elsewhere are the Activating records of field agents that keep what their hosts run
	// from confirming others, since when.
	elsewhere map[givenTo]time.Duration
}

func newTransitions(s *Checks) {
	c := &transitions{l: s.ledger(), elsewhere: make(map[givenTo]time.Duration)}
	s.on(world.EventPlaneStarted, func(*world.Event) { clear(c.elsewhere) })
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventStepDone, c.stepDone)
}

func (c *transitions) stepping(e *world.Event) {
	in := e.Input
	c.logged = len(e.Output.Entries)
	ev, is := in.(*plane.Event)
	if !is {
		return
	}
	c.target, c.code, c.to = c.l.copyOf(c.l.host, ev.Envelope.RolloutID), wire.UnknownRollout, 0 // E8
	c.taken, c.discarded = false, false
	if r := c.target; r != nil {
		c.code, c.to = verdictOn(r.before, r.of.soak(r.wave), ev)
		c.taken = c.code == wire.NoContent && (ev.Envelope.Event.Seq > r.before.LastEventSeq || c.to != r.before.State) && (c.to != r.before.State || !isNoNews(r.before, ev.Envelope.Event.Body))
		switch {
		case !c.taken:
		case c.l.logsNothing(): // G9
			c.code, c.to, c.taken = wire.StoreUnavailable, r.before.State, false
		case c.l.scarce && c.to == r.before.State && onlyObserves(r, ev.Envelope.Event.Body): // G11
			c.code, c.taken = wire.StoreUnavailable, false
			if ev.Dialect == wire.DialectField { // its queue would stop (E12)
				c.code = wire.NoContent
			}
		}
	}
	if refused := c.code.Status(); ev.Dialect == wire.DialectField && (refused == 404 || refused == 409) { // E12
		c.code, c.discarded = wire.NoContent, !c.l.scarce
		if c.l.logsNothing() {
			c.code, c.discarded = wire.StoreUnavailable, false
		}
	}
}

func (c *transitions) stepDone(e *world.Event) {
	w, m, in, reply := e.World, e.Message, e.Input, e.Reply
	c.added = len(e.Output.Entries) - c.logged
	switch in := in.(type) {
	case *plane.Event:
		c.event(w, m, in, reply)
		if r := c.l.copyOf(c.l.host, in.Envelope.RolloutID); r != nil && !sameRecord(r.before, r.last) {
			delete(c.elsewhere, givenTo{r.host, r.of.id})
		}
	case *plane.Heartbeat:
		c.heartbeat(w, m, in)
	case *plane.Poll:
		c.lines(w, m, in, c.l.logs)
		for _, r := range c.l.now {
			if r.last.State != r.before.State {
				w.Violate("S3", "h%d in %s goes from %v to %v by %v; want no change by a poll", r.host, r.of.id, r.before.State, r.last.State, in)
			}
		}
	}
}

// isNoNews reports whether an event is absorbed by a record at its end and tells it
// nothing (PROTOCOL E5): it is answered, and not logged.
func isNoNews(rec *rollout.Record, body wire.EventBody) bool {
	move := legalMoves[body.Kind()]
	return atEnd(rec) && !slices.Contains(move.from, rec.State) && tellsNothing(rec, body, move.to)
}

func (c *transitions) event(w *world.World, m *world.Message, in *plane.Event, reply *plane.Reply) {
	ev := in.Envelope.Event
	if reply.Outcome.Code == wire.OverBudget && c.taken {
		c.code, c.to, c.taken = wire.OverBudget, c.target.before.State, false // S21 says whether rightly
	}
	if got := reply.Outcome.Code; got != c.code {
		w.Violate("S3", "m%d, %v, is answered %v; want %v for %s", m.ID(), in, got, c.code, stateOf(c.target))
		return
	}
	lines := 0
	if c.discarded {
		lines = 1
	}
	for _, r := range c.l.now {
		want, seq := r.before.State, r.before.LastEventSeq
		if r == c.target {
			want = c.to
			if c.taken {
				seq, lines = max(seq, ev.Seq), 1
			}
		}
		switch {
		case r.last.State != want:
			w.Violate("S3", "h%d in %s goes from %v to %v by %v; want %v", r.host, r.of.id, r.before.State, r.last.State, in, want)
		case r.last.LastEventSeq != seq:
			w.Violate("S3", "h%d in %s: the last event number is %d after %v; want %d", r.host, r.of.id, r.last.LastEventSeq, in, seq)
		case r.last.State == wire.Converged && r.last.CurrentClosure != r.target:
			w.Violate("S3", "h%d in %s is Converged on %s; want %s, its target", r.host, r.of.id, r.last.CurrentClosure, r.target)
		}
		if body, is := ev.Body.(wire.RollbackComplete); is && r == c.target && r.last.State == wire.Reverted && r.before.State == wire.Failed &&
			r.last.CurrentClosure != body.RevertedToClosure {
			w.Violate("S3", "h%d in %s is Reverted to %s; want %s, which it reported", r.host, r.of.id, r.last.CurrentClosure, body.RevertedToClosure)
		}
	}
	c.lines(w, m, in, lines)
}

// lines judges how many lines a step adds to the log (PROTOCOL E2, E3, H4).
func (c *transitions) lines(w *world.World, m *world.Message, in plane.Input, want int) {
	if c.added != want {
		w.Violate("S3", "m%d, %v, adds %d entries to the log; want %d", m.ID(), in, c.added, want)
	}
}

// heartbeat judges confirmations (PROTOCOL H4, H5).
func (c *transitions) heartbeat(w *world.World, m *world.Message, in *plane.Heartbeat) {
	req, lines := &in.Request, c.l.logs
	for i, r := range c.l.now {
		confirms := !c.l.logsNothing() && (req.RolloutID == "" || in.Dialect == wire.DialectField) && req.CurrentClosure != "" && req.CurrentClosure == r.before.TargetClosure &&
			c.l.live.inForce(r.of) &&
			(r.before.State == wire.Pending || r.before.State == wire.Activating || r.before.State == wire.Deferred) &&
			!(in.Dialect == wire.DialectField && c.switchesElsewhere(w.Now(), i))
		want := r.before.State
		if confirms {
			want = wire.Soaking
			lines++
		}
		switch marks := r.last.Marks; {
		case r.last.State != want:
			w.Violate("S3", "h%d in %s goes from %v to %v by m%d, %v; want %v", r.host, r.of.id, r.before.State, r.last.State, m.ID(), in, want)
		case r.last.LastEventSeq != r.before.LastEventSeq:
			w.Violate("S3", "h%d in %s: the last event number is %d after a heartbeat; want %d, as before", r.host, r.of.id, r.last.LastEventSeq, r.before.LastEventSeq)
		case confirms && !(marks.Has(rollout.MarkActivationCompletedAt) && marks.Has(rollout.MarkCurrentClosure)):
			w.Violate("S3", "h%d in %s is confirmed by m%d; want its activation and its closure marked as inferred", r.host, r.of.id, m.ID())
		}
	}
	c.lines(w, m, in, lines)
}

// switchesElsewhere reports whether a field agent may be switching its host to
// something else, for another of its records (H4). Those before it in the list have
// been confirmed, if they were to be.
func (c *transitions) switchesElsewhere(now time.Duration, i int) (elsewhere bool) {
	r := c.l.now[i]
	begun := r.before.State == wire.Activating && r.before.ActivationStartedAt.IsSet()
	for j, o := range c.l.now {
		record := o.before
		if j < i {
			record = o.last
		}
		at, of := record.ActivationStartedAt, givenTo{o.host, o.of.id}
		switch {
		case j == i || o.target == r.target:
		case record.State == wire.Activating && (!begun || at.IsSet() && r.before.ActivationStartedAt.Before(at)):
			if _, counted := c.elsewhere[of]; !counted {
				c.elsewhere[of] = now
			}
			elsewhere = elsewhere || now-c.elsewhere[of] < quietFor
		case record.State == wire.Deferred && !begun:
			elsewhere = true
		}
	}
	return elsewhere
}

func stateOf(r *recordCopy) string {
	if r == nil {
		return "no record"
	}
	return "a record that is " + r.before.State.String()
}
