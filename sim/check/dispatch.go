package check

import (
	"fmt"
	"maps"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// offers is S13: a poll is answered with work that is queued for its host,
// and never with any that is quarantined, halted or superseded, nor with what
// the host was offered just before. Whose work
// comes to be offered has its waiting polls woken; and what is quarantined is
// what hosts rolled back from and nobody cleared.
type offers struct {
	l     *ledger
	named int // wakes of the batch that were there before this step
	// given are the dispatches that are not offered again yet, with the instant at
	// which they were offered (PROTOCOL D2).
	given map[givenTo]time.Duration
	// fielded are those that field agents were given and have not acknowledged, held
	// those of them whose agent has started anew since, heard those of which a heartbeat
	// came after the poll that asks, by its message, asked for the first time (D4). beats
	// are the instants of the last heartbeats.
	fielded, held map[givenTo]time.Duration
	heard         map[givenTo]bool
	asks          map[int]uint64
	beats         map[int]wire.Time
}

// givenTo is a dispatch that a host was given.
type givenTo struct {
	host int
	id   wire.RolloutID
}

// offeredAgain is how long a dispatch is not offered again.
const offeredAgain = 15 * time.Second

func newOffers(s *Checks) {
	c := &offers{
		l: s.ledger(), given: make(map[givenTo]time.Duration),
		fielded: make(map[givenTo]time.Duration), held: make(map[givenTo]time.Duration), beats: make(map[int]wire.Time),
		heard: make(map[givenTo]bool), asks: make(map[int]uint64),
	}
	s.on(world.EventPlaneStarted, func(e *world.Event) {
		clear(c.given)
		clear(c.fielded)
		clear(c.held)
		clear(c.heard)
		clear(c.asks)
		clear(c.beats)
		c.queuedBefore(e.World.Now())
	})
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventStepDone, c.stepDone)
}

// withheld says why a record's dispatch is not offered; empty if it is
// (PROTOCOL D2, R1 to R3).
func (l *ledger) withheld(r *recordCopy) string {
	switch {
	case r.before.State != wire.Pending:
		return "it is Pending no more"
	case !r.before.DispatchedAt.IsSet():
		return "it is not dispatched"
	case l.live.superseded(r.of):
		return "its rollout is superseded"
	case l.live.held[r.of]:
		return "its rollout is held until an operator says which one is the newest"
	case r.of.halted():
		return "its rollout is halted"
	case l.live.aborted[r.of]:
		return "its rollout is aborted"
	case l.live.quarantined[closureOn{r.of.channel, r.before.TargetClosure}]:
		return "its target is quarantined"
	case l.unbacked(r.of):
		return "no release that is held says the same"
	default:
		return ""
	}
}

// withheld says why a record's dispatch is not offered now.
func (c *offers) withheld(r *recordCopy) string {
	if why := c.l.withheld(r); why != "" {
		return why
	}
	if at, held := c.held[givenTo{r.host, r.of.id}]; held {
		return fmt.Sprintf("the host was offered it at %v, its agent has started anew, and the plane has not ticked since %v later", at, quietFor)
	}
	if at, given := c.given[givenTo{r.host, r.of.id}]; given {
		return fmt.Sprintf("the host was offered it at %v, and the plane has not ticked since %v later", at, offeredAgain)
	}
	if at, given := c.fielded[givenTo{r.host, r.of.id}]; given && !c.heard[givenTo{r.host, r.of.id}] {
		return fmt.Sprintf("the host was offered it at %v, and has sent no heartbeat since its poll asked first", at)
	}
	return ""
}

func (c *offers) stepping(e *world.Event) { c.named = len(e.Output.Wakes) }

func (c *offers) stepDone(e *world.Event) {
	w, m, in, reply := e.World, e.Message, e.Input, e.Reply
	if _, is := in.(*plane.Poll); is {
		if c.asks[c.l.host] != m.ID() {
			c.asks[c.l.host] = m.ID()
			c.hear(m.Dialect() != wire.DialectField)
		}
		c.poll(w, m, reply)
	}
	if beat, is := in.(*plane.Heartbeat); is {
		if beat.Dialect == wire.DialectField && c.beats[c.l.host].IsSet() {
			c.hear(true)
		}
		if beat.Dialect == wire.DialectField && fieldBooted(c.beats[c.l.host], beat.Request.At, w.Scenario().Fleet.Interval) {
			for _, r := range c.l.now {
				if at, offered := c.fielded[givenTo{r.host, r.of.id}]; offered && r.last.State == wire.Pending {
					c.held[givenTo{r.host, r.of.id}] = at
				}
			}
		}
		c.beats[c.l.host] = beat.Request.At
	}
	if _, is := in.(*plane.Tick); is {
		maps.DeleteFunc(c.held, func(_ givenTo, at time.Duration) bool { return w.Now()-at >= quietFor })
		maps.DeleteFunc(c.given, func(_ givenTo, at time.Duration) bool { return w.Now()-at >= offeredAgain })
	}
	for _, o := range c.l.affected {
		for _, r := range o.records {
			key := closureOn{o.channel, r.target}
			if got, want := w.Plane().Quarantined(key.channel, key.closure), c.l.live.quarantined[key]; got != want {
				w.Violate("S13", "after %v %s is quarantined on %s: %v; want %v", in, key.closure, key.channel, got, want)
			}
			if len(o.records) > smallFleet {
				break // they mostly have the same target
			}
		}
	}
	for _, wave := range c.l.released {
		c.woken(e, wave)
	}
}

// queuedBefore takes what is queued when the plane starts for offered: it does not know.
func (c *offers) queuedBefore(now time.Duration) {
	for _, list := range c.l.hosts {
		for _, r := range list {
			if r.there && r.last.State == wire.Pending && r.last.DispatchedAt.IsSet() && c.l.live.inForce(r.of) {
				c.fielded[givenTo{r.host, r.of.id}] = now
			}
		}
	}
}

// hear notes of what the host was offered whether its agent was heard of.
func (c *offers) hear(heard bool) {
	for _, r := range c.l.now {
		c.heard[givenTo{r.host, r.of.id}] = heard
	}
}

// woken judges that whoever may be offered work since this step is woken (D1).
func (c *offers) woken(e *world.Event, wave releasedWave) {
	w, in, o := e.World, e.Input, wave.of
	if o.halted() || c.l.live.aborted[o] || !c.l.live.inForce(o) || c.l.unbacked(o) {
		return
	}
	for _, name := range e.Output.Wakes[c.named:] {
		for _, r := range c.l.hosts[c.l.number(name)] {
			r.wokenAt = w.Step()
		}
	}
	for _, r := range o.records {
		if wave.wave >= 0 && r.wave != wave.wave || c.l.live.quarantined[closureOn{o.channel, r.target}] {
			continue
		}
		if rec, _ := w.Plane().Record(o.id, c.l.names[r.host]); rec.State != wire.Pending || !rec.DispatchedAt.IsSet() {
			continue
		}
		if number, _ := c.l.gateOf(r); number != "" {
			continue
		}
		if r.wokenAt != w.Step() {
			w.Violate("S13", "%v makes an offer of %s to h%d, whose waiting polls are not woken; want them woken by the same step", in, o.id, r.host)
			return
		}
	}
}

func (c *offers) poll(w *world.World, m *world.Message, reply *plane.Reply) {
	d, offers := reply.Outcome.Document.(*wire.Dispatch)
	if !offers {
		for _, r := range c.l.now {
			if c.withheld(r) == "" && r.gate == "" && (r.wasOffered || r.of.manifest.Gates.IsUnset() || !c.l.logsNothing()) {
				w.Violate("S13", "m%d: %s is queued for h%d, and its poll is answered %v; want the dispatch", m.ID(), r.of.id, r.host, reply.Outcome.Code)
			}
		}
		return
	}
	r := c.l.copyOf(c.l.host, d.RolloutID)
	if r == nil {
		w.Violate("S13", "m%d: h%d is offered %s; want no offer: the host is not in that rollout", m.ID(), c.l.host, d.RolloutID)
		return
	}
	if r.before.State == wire.Activating && m.Dialect() == wire.DialectField {
		return // S38
	}
	why := c.withheld(r)
	c.given[givenTo{r.host, r.of.id}] = w.Now()
	if m.Dialect() == wire.DialectField {
		c.fielded[givenTo{r.host, r.of.id}] = w.Now()
		c.heard[givenTo{r.host, r.of.id}] = false
	}
	if why != "" {
		w.Violate("S13", "m%d: h%d is offered %s; want no offer: %s", m.ID(), r.host, d.RolloutID, why)
	}
	due := r.before.SoakDueAt
	if c.l.logs > 0 { // S32
		due = d.SoakDueAt
	}
	want := wire.Dispatch{
		Hostname: scenario.HostName(r.host), RolloutID: r.of.id, TargetClosure: r.before.TargetClosure,
		SoakDueAt: due, SoakSeconds: wire.Count(r.of.soak(r.wave) / time.Second),
		EnqueuedAt: r.before.DispatchedAt, OnHealthFailure: r.of.manifest.Policy.OnHealthFailure,
	}
	if *d != want {
		w.Violate("S13", "m%d: h%d is offered\n\t%+v\nwant\n\t%+v", m.ID(), r.host, *d, want)
	}
}

// waves is S14: a host is dispatched only when its wave's turn has come
// (PROTOCOL R2), and not while its rollout is halted or superseded or its
// target quarantined (R1, R3); and the rollout's own state is what R4 says.
//
// The plane names the hosts that it dispatches, since their polls are to be
// woken; these are judged at once. Whoever is dispatched without being named
// comes to light at the next input of its own.
type waves struct {
	l     *ledger
	named int // wakes of the batch that were there before this step
}

func newWaves(s *Checks) {
	c := &waves{l: s.ledger()}
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventPlaneStarted, c.planeStarted)
}

func (c *waves) stepping(e *world.Event) {
	w := e.World
	c.named = len(e.Output.Wakes)
	for _, r := range c.l.now {
		if r.before.DispatchedAt.IsSet() && !r.dispatchJudged && !c.l.live.turned[waveOf{r.of.id, r.wave}] {
			w.Violate("S14", "h%d in %s was dispatched, and the turn of its wave, %d, has not come; want it to wait for the hosts of other waves that are not done, by wave: %v", r.host, r.of.id, r.wave, r.of.holding)
		}
	}
}

func (c *waves) stepDone(e *world.Event) {
	w, in := e.World, e.Input
	for _, name := range e.Output.Wakes[c.named:] {
		for _, r := range c.l.hosts[c.l.number(name)] {
			c.woken(w, in, r)
		}
	}
	for _, o := range c.l.affected {
		c.state(w, in, o)
	}
}

// state judges what an operator is shown of a rollout.
func (c *waves) state(w *world.World, in plane.Input, o *openedRollout) {
	status, known := w.Plane().Rollout(o.id)
	if !known {
		w.Violate("S14", "after %v the plane does not know %s; want it open", in, o.id)
		return
	}
	if want := o.state(&c.l.live); status.State != want {
		w.Violate("S14", "after %v %s is %v; want %v", in, o.id, status.State, want)
	}
	if want := o.wavesTurned(&c.l.live); int(status.WavesDispatched) != want {
		w.Violate("S14", "after %v %d waves of %s are dispatched; want %d", in, status.WavesDispatched, o.id, want)
	}
	for _, s := range wire.States {
		if got := int(*status.Counts.Of(s)); got != o.states[s] {
			w.Violate("S14", "after %v %d hosts of %s are %v; want %d", in, got, o.id, s, o.states[s])
		}
	}
}

// planeStarted judges everybody anew, by what is durable.
func (c *waves) planeStarted(e *world.Event) {
	w := e.World
	for _, o := range c.l.live.opened {
		for _, r := range o.records {
			if r.dispatchJudged = r.last.DispatchedAt.IsSet(); r.dispatchJudged && !c.l.live.turned[waveOf{o.id, r.wave}] {
				w.Violate("S14", "after a start h%d in %s is dispatched; want it to wait for the turn of its wave, %d", r.host, o.id, r.wave)
			}
		}
	}
}

func (c *waves) woken(w *world.World, in plane.Input, r *recordCopy) {
	rec, _ := w.Plane().Record(r.of.id, c.l.names[r.host])
	if r.dispatchJudged || !rec.DispatchedAt.IsSet() {
		return
	}
	r.dispatchJudged = true
	why := ""
	switch {
	case !c.l.live.turned[waveOf{r.of.id, r.wave}]:
		why = "the turn of its wave has not come"
	case c.l.live.superseded(r.of):
		why = "the rollout is superseded"
	case c.l.live.held[r.of]:
		why = "the rollout is held"
	case r.of.halted():
		why = "the rollout is halted"
	case c.l.live.aborted[r.of]:
		why = "the rollout is aborted"
	case c.l.live.quarantined[closureOn{r.of.channel, rec.TargetClosure}]:
		why = "its target is quarantined"
	case rec.State != wire.Pending:
		why = "it is " + rec.State.String()
	}
	if why != "" {
		w.Violate("S14", "h%d in %s, wave %d, is dispatched by %v; want it to wait: %s (hosts that are not done, by wave: %v)", r.host, r.of.id, r.wave, in, why, r.of.holding)
	}
}
