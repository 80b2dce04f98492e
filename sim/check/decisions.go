package check

import (
	"maps"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// decisions is what was decided about rollouts, by the operator's inputs and
// by what was seen to happen to records: PROTOCOL R1 to R3 and T5 as sets.
type decisions struct {
	opened      []*openedRollout // in the order of opening
	superseder  map[*openedRollout]wire.RolloutID
	held        map[*openedRollout]bool
	signed      map[*openedRollout]bool
	filed       map[*openedRollout]bool // opened from the directory, without an operator's word since
	excused     map[*recordCopy]bool
	offered     map[*recordCopy]bool // dispatches of rollouts with gates that may have been taken up
	idle        map[*recordCopy]bool // of superseded rollouts: their hosts have nothing to do for them
	turned      map[waveOf]bool
	quarantined map[closureOn]bool
	revoked     map[wire.CommonName]wire.Time
	steering
}

// decision is one change of them.
type decision func(*decisions)

// waveOf is a wave of a rollout, closureOn a closure on a channel.
type (
	waveOf struct {
		id   wire.RolloutID
		wave int
	}
	closureOn struct {
		channel wire.Channel
		closure wire.Closure
	}
)

func newDecisions() decisions {
	return decisions{
		superseder: make(map[*openedRollout]wire.RolloutID), held: make(map[*openedRollout]bool),
		signed: make(map[*openedRollout]bool), filed: make(map[*openedRollout]bool),
		excused: make(map[*recordCopy]bool), offered: make(map[*recordCopy]bool), idle: make(map[*recordCopy]bool), turned: make(map[waveOf]bool),
		quarantined: make(map[closureOn]bool), revoked: make(map[wire.CommonName]wire.Time),
		steering: newSteering(),
	}
}

func (d *decisions) clone() decisions {
	return decisions{
		opened: slices.Clone(d.opened), superseder: maps.Clone(d.superseder), held: maps.Clone(d.held), signed: maps.Clone(d.signed), filed: maps.Clone(d.filed), excused: maps.Clone(d.excused), offered: maps.Clone(d.offered), idle: maps.Clone(d.idle), turned: maps.Clone(d.turned),
		quarantined: maps.Clone(d.quarantined), revoked: maps.Clone(d.revoked),
		steering: d.steering.clone(),
	}
}

// find returns a rollout by its ID; nil if it is not open.
func (d *decisions) find(id wire.RolloutID) *openedRollout {
	for _, o := range d.opened {
		if o.id == id {
			return o
		}
	}
	return nil
}

// openedRollout is a rollout that was opened, and what follows from the states
// of its records.
type openedRollout struct {
	id       wire.RolloutID
	channel  wire.Channel
	manifest wire.Manifest
	records  []*recordCopy
	// unread are the manifests that lay in the directory when it was held (R6).
	unread map[wire.RolloutID]bool

	failed  int                    // Failed or Reverted, and not excused
	holding []int                  // by wave: hosts that hold back the next one
	states  [wire.Reverted + 1]int // hosts by state
}

// halted reports whether a failed host halts the rollout (R2).
func (o *openedRollout) halted() bool { return o.failed > 0 }

// state is the rollout's own state (R4).
func (o *openedRollout) state(d *decisions) wire.RolloutState {
	n := len(o.records)
	switch {
	case d.superseded(o):
		return wire.Superseded
	case d.held[o]:
		return wire.Held
	case d.aborted[o]:
		return wire.Aborted
	case o.halted():
		return wire.Halted
	case o.states[wire.Converged]+o.states[wire.Failed]+o.states[wire.Reverted]+o.skipped(d) == n:
		return wire.Terminal
	case o.states[wire.Pending] == n:
		return wire.Opening
	case o.wavesTurned(d) == len(o.holding):
		return wire.Converging
	default:
		return wire.Active
	}
}

// wavesTurned counts the waves whose turn has come.
func (o *openedRollout) wavesTurned(d *decisions) int {
	n := 0
	for n < len(o.holding) && d.turned[waveOf{o.id, n}] {
		n++
	}
	return n
}

// soak is the soak time of a wave.
func (o *openedRollout) soak(wave int) time.Duration {
	return time.Duration(o.manifest.Policy.Waves[wave].SoakMinutes) * time.Minute
}

// recount counts what follows from the records.
func (o *openedRollout) recount(d *decisions) {
	o.failed, o.states = 0, [wire.Reverted + 1]int{}
	o.holding = make([]int, len(o.manifest.Policy.Waves))
	for _, c := range o.records {
		o.count(c, c.last.State, d.excused[c], 1)
	}
}

// count counts a record of a state in, or out with -1 (R2).
func (o *openedRollout) count(c *recordCopy, s wire.State, excused bool, by int) {
	o.states[s] += by
	if excused || s == wire.Converged || s == wire.Deferred {
		return
	}
	o.holding[c.wave] += by
	if s == wire.Failed || s == wire.Reverted {
		o.failed += by
	}
}

// do decides something. It is durable with the commit that follows; an opening in
// slices is so already when it is finished (R1).
func (l *ledger) do(d decision) {
	d(&l.live)
	if l.publishing {
		return
	}
	l.undurable = append(l.undurable, undurable{d, l.lastEntry})
}

// moved notes that a record has another state.
func (l *ledger) moved(c *recordCopy, from wire.State) {
	l.affected = append(l.affected, c.of)
	l.notOffered(c)
	halted := c.of.halted()
	c.of.count(c, from, l.live.excused[c], -1)
	if from == wire.Failed && isActive(c.last.State) && l.live.excused[c] { // E13: it was excused for another failure
		l.do(func(d *decisions) { delete(d.excused, c) })
	}
	c.of.count(c, c.last.State, l.live.excused[c], 1)
	if halted && !c.of.halted() {
		l.released = append(l.released, releasedWave{c.of, -1})
	}
	if c.last.State == wire.Reverted {
		key := closureOn{c.of.channel, c.last.TargetClosure}
		l.do(func(d *decisions) { d.quarantined[key] = true })
	}
	l.turn(c.of)
}

// turn notes the waves whose turn has come: the first at once, each other one
// when no host of the wave before holds it back, and none while the rollout is
// halted or superseded (R2).
func (l *ledger) turn(o *openedRollout) {
	if o.halted() || l.live.aborted[o] || !l.live.inForce(o) {
		return
	}
	for wave := range o.holding {
		if wave > 0 && o.holding[wave-1] > 0 && !l.live.turned[waveOf{o.id, wave}] {
			return
		}
		if key := (waveOf{o.id, wave}); !l.live.turned[key] {
			l.do(func(d *decisions) { d.turned[key] = true })
			l.released = append(l.released, releasedWave{o, wave})
		}
	}
}

// decide notes what an operator's input decides, if the plane has taken it.
func (l *ledger) decide(w *world.World, in plane.Input, r *plane.Reply) {
	switch in := in.(type) {
	case *plane.OpenRollout:
		l.sealing = false
		if r.Outcome.Code == wire.Created {
			l.open(&in.Manifest, (*decisions).take)
		} else if o := l.live.find(in.Manifest.ID()); o != nil && l.live.filed[o] {
			l.do(func(d *decisions) { delete(d.filed, o) })
		}
	case *plane.FileManifest:
		l.sealing = false
		if r.Outcome.Code == wire.Created {
			place := l.live.placeOf(in)
			l.open(&in.Manifest, func(d *decisions, o *openedRollout) {
				d.filed[o] = true
				place(d, o)
			})
		}
		if o := l.live.find(in.Manifest.ID()); o != nil && in.Signed && r.Outcome.Code.Status() < 300 {
			l.back(o)
		}
	case *plane.Release:
		if r.Outcome.Code == wire.NoContent {
			l.takeUp(in)
		}
	case *plane.ResumeRollout:
		if o := l.live.find(in.RolloutID); o != nil && r.Outcome.Code == wire.OK && (o.halted() || l.live.paused[o]) {
			l.resume(o)
		}
	case *plane.ChooseRollout:
		if o := l.live.find(in.RolloutID); o != nil && r.Outcome.Code == wire.OK && l.live.held[o] {
			l.do(func(d *decisions) {
				d.take(o)
				delete(d.filed, o)
			})
			l.touchChannel(o.channel)
			l.released = append(l.released, releasedWave{o, -1}) // what waited while it was held
			l.turn(o)
		}
	case *plane.Steer:
		l.steer(in, r)
	case *plane.ClearQuarantine:
		if r.Outcome.Code == wire.NoContent {
			key := closureOn{in.Channel, in.Closure}
			l.do(func(d *decisions) { delete(d.quarantined, key) })
			for _, o := range l.live.opened {
				l.affected = append(l.affected, o) // those of other channels show that nothing else was cleared
				if o.channel == in.Channel {
					l.released = append(l.released, releasedWave{o, -1})
				}
			}
		}
	case *plane.Revoke:
		if r.Outcome.Code == wire.OK {
			l.revoke(w, in)
		}
	}
}

// open notes a rollout that was opened, with what gives it its place.
func (l *ledger) open(m *wire.Manifest, place func(*decisions, *openedRollout)) {
	o := l.sealed
	if l.publishing = o != nil && o.id == m.ID(); !l.publishing {
		o = l.rolloutOf(m)
	}
	l.sealed = nil
	l.install(o)
	l.do(func(d *decisions) {
		d.opened = append(d.opened, o)
		d.skipForgotten(o)
		place(d, o)
	})
	l.touchChannel(o.channel)
	o.recount(&l.live)
	l.turn(o)
	l.publishing = false
}

// rolloutOf is the rollout of a manifest that is opened.
func (l *ledger) rolloutOf(m *wire.Manifest) *openedRollout {
	o := &openedRollout{id: m.ID(), channel: m.Channel, manifest: *m}
	for _, h := range m.Hosts {
		c := &recordCopy{of: o, host: l.number(h.Hostname), wave: int(h.Wave), target: h.TargetClosure, there: true}
		c.last = &c.kept[0]
		*c.last = rollout.Record{
			RolloutID: o.id, Hostname: h.Hostname, TargetClosure: h.TargetClosure,
			Wave: h.Wave, SoakSeconds: wire.Count(o.soak(c.wave) / time.Second), State: wire.Pending,
		}
		c.before = c.last
		o.records = append(o.records, c)
	}
	return o
}

// becameDurable notes an opening in slices that is on the disk: its process may die
// before it is finished.
func (l *ledger) becameDurable(in *plane.OpenRollout) {
	o, d := l.rolloutOf(&in.Manifest), &l.durable
	l.sealed = o
	d.opened = append(d.opened, o)
	d.skipForgotten(o)
	if in.Signed {
		d.signed[o] = true
	}
	if l.filing {
		d.filed[o] = true
	}
	switch in.Place {
	case plane.Takes:
		d.take(o)
	case plane.Behind:
		d.fallBehind(o)
	case plane.Undecided:
		o.unread = peersOf(in.Unread)
		d.wait(o)
	}
	o.recount(d)
	for wave := range o.holding {
		if !d.inForce(o) || wave > 0 && o.holding[wave-1] > 0 {
			break
		}
		d.turned[waveOf{o.id, wave}] = true
	}
}

// touchChannel has the rollouts of a channel judged: what they may do has changed.
func (l *ledger) touchChannel(channel wire.Channel) {
	for _, o := range l.live.opened {
		if o.channel == channel {
			l.affected = append(l.affected, o)
		}
	}
}

func (l *ledger) resume(o *openedRollout) {
	l.affected = append(l.affected, o)
	l.released = append(l.released, releasedWave{o, -1})
	l.do(func(d *decisions) { delete(d.paused, o) })
	for _, c := range o.records {
		if s := c.last.State; (s == wire.Failed || s == wire.Reverted) && !l.live.excused[c] {
			l.do(func(d *decisions) { d.excused[c] = true })
		}
	}
	o.recount(&l.live)
	l.turn(o)
}

// revoke notes a revocation. An earlier one takes nothing back (T5).
func (l *ledger) revoke(w *world.World, in *plane.Revoke) {
	before := in.Before
	if !before.IsSet() {
		before = w.PlaneWall()
	}
	for _, name := range []wire.CommonName{in.CommonName, in.Also} {
		if name != "" && l.live.revoked[name].Before(before) {
			l.do(func(d *decisions) { d.revoked[name] = before })
		}
	}
}
