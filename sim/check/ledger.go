package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// ledger is what an onlooker of the plane writes down: a copy of every record
// as it was seen last, and what was decided about rollouts (see [decisions]).
// Several checkers judge by it: S3, S4, S8, S9, S10, S13 and S14.
//
// Of every input that is about a host the ledger looks at the records of that
// host after the step; and before it, if anything was logged since the host's
// last input, and at every fourth other one. It looks at no others, since that
// would be the whole fleet at every step: what an input does to another host's
// record comes to light at an input of that host.
type ledger struct {
	// hosts are the copies by number of the host, each list in the order of
	// rollout IDs.
	hosts [][]*recordCopy
	names []wire.Hostname

	live, durable decisions
	undurable     []undurable // what live has and durable has not

	// host is the number of the host that the input is about; 0 if it is about
	// none. now are the copies of its records.
	host int
	now  []*recordCopy
	seen []*rollout.Record // the plane's own, as the last look showed them

	// logged counts the steps that logged something, entries the entries that
	// the batch had before the step. looked is logged as of the last look at a
	// host, turns counts the host's inputs.
	logged  uint64
	entries int
	// lastEntry is the last entry of the log, as of the step, that is not durable;
	// 0 if all are.
	lastEntry wire.Seq
	looked    []uint64
	turns     []uint8

	// affected are the rollouts that the input did something to, released the
	// waves of which dispatches may be offered since.
	affected []*openedRollout
	released []releasedWave
	// release are the rollouts of the release that is held, backed those of which it
	// says the same (PROTOCOL V6).
	release map[wire.RolloutID]bool
	backed  map[*openedRollout]bool
	fresh   map[wire.RolloutID]wire.Time // until when those are offered that do not stay fresh
	wall    func() wire.Time
	// signedOnly: it offers no other (V7).
	signedOnly bool
	// readOnly: the plane was told that nothing can be made durable (PROTOCOL G9).
	readOnly bool
	// scarce: it was told that little disk is free (G11).
	scarce bool
	// sealing: an opening in slices becomes durable, and nothing else is logged
	// (R1). sealed is it once it is durable, until it is finished; publishing says
	// that it is being finished.
	sealing    bool
	sealed     *openedRollout
	publishing bool
	// filing says that its manifest lies in the directory.
	filing bool

	// backups are the durable decisions as they were, in the order of time, if the
	// scenario restores the plane.
	backups []decisionsAt
	older
	offersOf
	// held are the records that operators hold back before the step, if it may let them
	// go; dueNow are the soak deadlines of those that were.
	held   []*recordCopy
	dueNow map[*recordCopy]wire.Time
}

// decisionsAt are those of an instant.
type decisionsAt struct {
	at time.Duration
	decisions
}

// logsNothing reports whether the plane may log nothing.
func (l *ledger) logsNothing() bool { return l.readOnly || l.sealing }

// undurable is a decision that is durable once an entry of the log is.
type undurable struct {
	decision decision
	after    wire.Seq
}

// releasedWave is a wave of a rollout, or all of them if wave is negative.
type releasedWave struct {
	of   *openedRollout
	wave int
}

// recordCopy is a record as the plane had it when it was looked at.
type recordCopy struct {
	of     *openedRollout
	host   int
	wave   int
	target wire.Closure // by the manifest
	// before is how it was before the input that the event is about, last how it
	// was when it was looked at last. They are one and the same as long as
	// nothing changes; kept has room for both.
	before, last *rollout.Record
	kept         [2]rollout.Record
	probes       [2][]rollout.Probe
	// there is false when the plane said that it has no such record.
	there bool
	// disturbed says that it was changed since its host's last input.
	disturbed bool
	// dispatchJudged is S14's: its dispatch was judged. wokenAt is S13's: the
	// step at which its host was woken.
	dispatchJudged bool
	wokenAt        uint64
	// gate is the number of the rule that holds it back from the poll that is stepped,
	// and why; wasOffered says that it was offered before.
	gate, gateWhy string
	wasOffered    bool
}

func newLedger(s *Checks) *ledger {
	w := s.World
	n := w.Scenario().Fleet.Hosts
	l := &ledger{hosts: make([][]*recordCopy, n+1), names: make([]wire.Hostname, n+1), looked: make([]uint64, n+1), turns: make([]uint8, n+1), dueNow: make(map[*recordCopy]wire.Time), offersOf: offersOf{given: make(map[*recordCopy]time.Duration)}, wall: w.PlaneWall, live: newDecisions(), durable: newDecisions(), signedOnly: w.Scenario().Plane.SignedOnly}
	for i := 1; i <= n; i++ {
		l.names[i] = scenario.HostName(i)
	}
	l.adopt(w.Start())
	l.backUp(w)
	s.on(world.EventStepping, l.stepping)
	s.on(world.EventStepDone, l.stepDone)
	s.on(world.EventSection, l.section)
	s.on(world.EventCommitted, l.committed)
	s.on(world.EventPlaneDown, l.planeDown)
	s.on(world.EventPlaneStarted, l.planeStarted)
	return l
}

// number returns the number of a host by its name; 0 if the fleet has no such
// host.
func (l *ledger) number(name wire.Hostname) int {
	n := 0
	for i := 1; i < len(name); i++ {
		if n = 10*n + int(name[i]-'0'); n >= len(l.names) {
			return 0
		}
	}
	if l.names[n] != name {
		return 0
	}
	return n
}

// copyOf returns the copy of a host's record; nil if there is none.
func (l *ledger) copyOf(host int, id wire.RolloutID) *recordCopy {
	for _, c := range l.hosts[host] {
		if c.of.id == id {
			return c
		}
	}
	return nil
}

func (l *ledger) stepping(e *world.Event) {
	w, in := e.World, e.Input
	l.host, l.now = l.number(world.AboutHost(in)), nil
	l.affected, l.released, l.logs = l.affected[:0], l.released[:0], 0
	l.entries = len(e.Output.Entries)
	l.letting(w, in)
	if l.host == 0 {
		return
	}
	l.now = l.hosts[l.host]
	l.turns[l.host]++
	if l.looked[l.host] == l.logged && l.turns[l.host]%4 != 0 {
		for _, c := range l.now {
			c.before, c.disturbed = c.last, false
		}
		l.gating(in)
		return
	}
	l.look(w)
	for i, c := range l.now {
		rec := l.planes(i, c)
		c.before = c.last
		if c.disturbed = !sameRecord(rec, c.last); c.disturbed {
			c.before = c.copy(rec, c.last)
		}
	}
	l.gating(in)
}

func (l *ledger) stepDone(e *world.Event) {
	w, in, r := e.World, e.Input, e.Reply
	l.lastEntry = 0
	if n := len(e.Output.Entries); n > 0 {
		l.lastEntry = e.Output.Entries[n-1].Number
	}
	if l.host > 0 {
		l.look(w)
	}
	for i, c := range l.now {
		rec := l.planes(i, c)
		c.last = c.before
		if !sameRecord(rec, c.before) {
			c.last = c.copy(rec, c.before)
		}
		if c.last.State != c.before.State {
			l.moved(c, c.before.State)
		}
	}
	l.noteOffers(w, in, r)
	if told, is := in.(*plane.Storage); is {
		l.readOnly, l.scarce = told.Unavailable, told.Scarce
	}
	l.comeBack(in)
	l.decide(w, in, r)
	l.letGo(w)
	l.older.stepDone(l, in, r)
	if len(e.Output.Entries) > l.entries || r != nil && r.Outcome.Code == wire.Created {
		l.logged++
	}
	l.looked[l.host] = l.logged
}

// look takes a look at the records of the host that the input is about.
func (l *ledger) look(w *world.World) { l.seen = w.Plane().Look(l.names[l.host], l.seen[:0]) }

// planes is the plane's own record of the i-th copy, in the last look; an empty
// one if it has none.
func (l *ledger) planes(i int, c *recordCopy) *rollout.Record {
	c.there = i < len(l.seen) && l.seen[i].RolloutID == c.of.id
	if !c.there {
		return &rollout.Record{}
	}
	return l.seen[i]
}

// copy keeps a copy of a record, in the place that other does not have. The
// probes are copied too, since the plane goes on with its own.
func (c *recordCopy) copy(rec, other *rollout.Record) *rollout.Record {
	k := 0
	if other == &c.kept[0] {
		k = 1
	}
	c.probes[k] = append(c.probes[k][:0], rec.Probes...)
	c.kept[k] = *rec
	c.kept[k].Probes = c.probes[k]
	return &c.kept[k]
}

// committed: what was decided up to the last of these entries is durable.
func (l *ledger) committed(e *world.Event) {
	if len(e.Entries) == 0 {
		return // a trial
	}
	last := e.Entries[len(e.Entries)-1].Number
	n := 0
	for ; n < len(l.undurable) && l.undurable[n].after <= last; n++ {
		l.undurable[n].decision(&l.durable)
	}
	l.undurable = append(l.undurable[:0], l.undurable[n:]...)
	defer l.backUp(e.World)
	for i := range e.Entries {
		if in, is := e.Entries[i].Input.(*plane.OpenRollout); is && l.live.find(in.Manifest.ID()) == nil {
			l.becameDurable(in)
		}
	}
}

// section: the last slice of an opening is done.
func (l *ledger) section(e *world.Event) {
	if e.Section == driver.Step && e.Count == world.Sealed {
		l.sealing = true
		_, l.filing = e.Message.Operator().(*plane.FileManifest)
	}
}

func (l *ledger) planeDown(e *world.Event) {
	l.sealing, l.sealed = false, nil
	if e.Wiped {
		l.durable = newDecisions()
		l.backUp(e.World)
	}
	if e.Restored {
		l.restore(e)
	}
	l.older.planeDown(e)
	l.undurable = l.undurable[:0]
	l.host, l.now = 0, nil
}

// planeStarted: the plane has what was durable, so everything is looked at
// anew.
func (l *ledger) planeStarted(e *world.Event) {
	w := e.World
	l.undurable = l.undurable[:0]
	l.host, l.now = 0, nil
	l.readOnly, l.scarce = false, false // until the plane is told otherwise
	l.sealing, l.sealed = false, nil
	l.live = l.durable.clone()
	l.release, l.backed, l.fresh = nil, nil, nil
	for i := range l.hosts {
		l.hosts[i] = nil
	}
	for _, o := range l.live.opened {
		l.install(o)
		for _, c := range o.records {
			rec, there := w.Plane().Record(o.id, l.names[c.host])
			c.there = there
			c.last = c.copy(&rec, nil)
			c.before = c.last
		}
		o.recount(&l.live)
	}
	clear(l.given)
	clear(l.dueNow)
	for c := range l.live.offered { // order-free: each for itself
		l.given[c] = w.Now()
	}
	l.older.planeStarted(l, e)
}

// install makes the records of a rollout known to their hosts.
func (l *ledger) install(o *openedRollout) {
	for _, c := range o.records {
		list := l.hosts[c.host]
		at := 0
		for at < len(list) && list[at].of.id < o.id {
			at++
		}
		l.hosts[c.host] = slices.Insert(list, at, c)
	}
}

// sameRecord reports whether two copies are alike.
func sameRecord(a, b *rollout.Record) bool {
	return a.State == b.State && a.LastEventSeq == b.LastEventSeq && a.Marks == b.Marks &&
		a.DispatchedAt == b.DispatchedAt && a.SoakDueAt == b.SoakDueAt &&
		a.DispatchAckedAt == b.DispatchAckedAt && a.ActivationStartedAt == b.ActivationStartedAt &&
		a.ActivationCompletedAt == b.ActivationCompletedAt && a.EndedAt == b.EndedAt &&
		a.CurrentClosure == b.CurrentClosure && a.CurrentClosureAtDispatch == b.CurrentClosureAtDispatch &&
		a.TargetClosure == b.TargetClosure && a.Wave == b.Wave && a.SoakSeconds == b.SoakSeconds &&
		slices.Equal(a.Probes, b.Probes)
}

// isActive reports whether a host has something to do by PROTOCOL H3.
func isActive(s wire.State) bool {
	return s == wire.Pending || s == wire.Activating || s == wire.Deferred || s == wire.Soaking
}
