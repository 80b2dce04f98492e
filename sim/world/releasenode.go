package world

import (
	"maps"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// releaseNode is the plane's directory of signed releases, and what its process does
// with it. What a signature is good for is no part of the simulation: each release
// here is one that was verified. It is put to the reducer when it comes, and at each
// start of the plane, and then its rollouts are opened one after the other (PROTOCOL
// V4, V5).
type releaseNode struct {
	lies    *release // in the directory; nil before the first
	version uint64   // counts the releases that lay there
	// last is the rollout that the release came with, and act what had it signed.
	last int
	act  *scenario.Act
	// refused are the signed rollouts that no release brought to the plane.
	refused []int
	reading releaseReading
	unreal  bool // the scenario has signed rollouts that no release can have
}

// release is a release as it lies in the directory.
type release struct {
	manifests []wire.Manifest
	rollouts  []int // of the scenario, by manifest
	fresh     []plane.Freshness
	// signed is the release in its files; nil if neither agents nor a server need them.
	signed *SignedRelease
	// real says that a fleet document can say it: the manifests are what a server makes
	// of that.
	real  bool
	fleet artifact.Fleet
}

// releaseReading is what a process of the plane does with the directory: one thing
// after the other.
type releaseReading struct {
	asked, held *release
	busy        bool
	again       bool // to be looked at once more when that is done
	first       bool // the process asks for the first time
	opened      bool // the rollouts of what is held were opened, or refused
	// loads counts the planes that were loaded, given is the one that was given what
	// is held, and refusedBy the one that refused refused.
	// loading is the one that was loaded when the release was put to the plane.
	loads, loading, given, refusedBy int
	refused                          *release
}

// releaseIdentity is whose name the directory of releases speaks in.
var releaseIdentity = wire.Identity{CommonName: "releases", Operator: true, Name: "releases"}

// newRelease makes the release that comes with a signed rollout, signs it now, and
// puts it into the directory. It has the newest signed rollout of each channel of
// when that rollout came; act is the act that has it signed again, or nil.
func (w *World) newRelease(rollout int, act *scenario.Act) {
	r := &w.release
	if before := r.lies; before != nil && (!r.reading.busy || r.reading.asked != before) {
		r.known(w, before, false) // of those before it only what is open already
	}
	r.version++
	r.last, r.act = rollout, act
	newest := map[wire.Channel]int{}
	for i := range w.scenario.Rollouts {
		o := &w.scenario.Rollouts[i]
		if !o.Signed || o.At > w.scenario.Rollouts[rollout].At {
			continue
		}
		if at, there := newest[o.ID.Channel()]; !there || w.scenario.Rollouts[at].At <= o.At {
			newest[o.ID.Channel()] = i
		}
	}
	newest[w.scenario.Rollouts[rollout].ID.Channel()] = rollout
	now := &release{}
	// A server opens the rollouts of a release by their channels' names.
	for _, channel := range slices.Sorted(maps.Keys(newest)) {
		now.rollouts = append(now.rollouts, newest[channel])
	}
	// Two signings of one instant differ.
	signedAt := w.wallAt(time.Duration(r.version))
	for _, i := range now.rollouts {
		o := &w.scenario.Rollouts[i]
		m := w.scenario.Manifest(o)
		if act != nil && i == rollout {
			m = w.scenario.Other(act)
		}
		m.Serial = wire.Serial(signedAt.Std().UnixNano())
		now.manifests = append(now.manifests, m)
		if o.Fresh > 0 {
			now.fresh = append(now.fresh, plane.Freshness{RolloutID: o.ID, Until: signedAt.Add(o.Fresh)})
		}
	}
	r.lies = now
	now.fill(w, signedAt)
	w.signer.sign(now)
	if w.plane.opened {
		w.plane.readReleases(w)
	}
}

// readReleases has the process look at the directory, as soon as it is done with what it
// read before: a release that is new, or the one that is held for a plane that was loaded
// since, is put to the plane, and then the rollouts of the one that is held are opened.
func (p *planeNode) readReleases(w *World) {
	x := &w.release.reading
	if x.busy {
		x.again = true
		return
	}
	switch lies := w.release.lies; {
	case lies != nil && lies != x.held && (lies != x.refused || x.refusedBy != x.loads):
		x.asked = lies
	case x.held != nil && x.given != x.loads:
		x.asked = x.held
	default:
		x.first = false
		p.openReleased(w)
		return
	}
	x.busy, x.loading = true, x.loads
	p.planRelease(w, w.now, 0)
}

// openReleased has the rollouts of the release that is held opened, once.
func (p *planeNode) openReleased(w *World) {
	x := &w.release.reading
	if x.busy = x.held != nil && !x.opened; !x.busy {
		return
	}
	x.asked = x.held
	p.planRelease(w, w.now, 1)
}

// planRelease plans a step with the release that the process has read: it is put to the
// plane, or its rollout number step, from 1, is opened.
func (p *planeNode) planRelease(w *World, at time.Duration, step int) {
	w.queue.push(Timer{at: at, kind: dueRelease, node: planeNodeID, epoch: p.epoch, arg: uint64(step)})
}

// readRelease does such a step.
func (p *planeNode) readRelease(w *World, step uint64) {
	if p.asleep(w, dueRelease, step) {
		return
	}
	asked := w.release.reading.asked
	w.messages++
	m := w.pool.take()
	m.id, m.kind, m.node, m.call = w.messages, scenario.RouteOperator, releaseNodeID, step
	m.sentAt = w.now
	m.identity = &releaseIdentity
	if step == 0 {
		m.operator = &plane.Release{Manifests: slices.Clone(asked.manifests), Fresh: slices.Clone(asked.fresh)}
	} else {
		m.operator = &plane.FileManifest{Manifest: asked.manifests[step-1], Signed: true}
	}
	p.receive(w, m)
	p.offer(w, m)
}

// releaseAnswered goes on with the release after an answer.
func (p *planeNode) releaseAnswered(w *World, m *Message) {
	x, step := &w.release.reading, int(m.call)
	o := &m.request.Outcome
	first := x.first
	x.first = false
	unavailable := o.Code.Unavailable() || o.Code == wire.Accepted
	switch {
	case unavailable && first: // the start does not wait
	case unavailable:
		p.planRelease(w, w.now+o.RetryAfter, step)
		return
	case step == 0 && o.Code != wire.NoContent:
		x.refused, x.refusedBy = x.asked, x.loading
		if x.asked == x.held {
			x.given = x.loading
		}
		w.release.known(w, x.asked, false)
	case step == 0:
		x.given = x.loading
		if x.held != x.asked {
			x.held, x.opened = x.asked, false
		}
		w.signer.taken(w)
	case step < len(x.asked.manifests):
		p.planRelease(w, w.now, step+1)
		return
	default:
		x.opened = true
		w.release.known(w, x.asked, true)
	}
	if x.busy = false; !first {
		if p.openReleased(w); x.busy || !x.again {
			return
		}
	}
	x.again = false
	p.readReleases(w)
}

// restart is a new process, which has read nothing.
func (r *releaseNode) restart(w *World) {
	if x := &r.reading; x.busy && x.asked != r.lies {
		r.known(w, x.asked, false)
	}
	r.reading = releaseReading{first: true}
}

// known notes which rollouts of a release are open, or that no more of them will be.
func (r *releaseNode) known(w *World, of *release, open bool) {
	for _, i := range of.rollouts {
		switch {
		case slices.Contains(w.operator.opened, i):
		case open:
			w.operator.opened = append(w.operator.opened, i)
			r.refused = slices.DeleteFunc(r.refused, func(n int) bool { return n == i })
		case !slices.Contains(r.refused, i):
			r.refused = append(r.refused, i)
		}
	}
}

// has reports whether the release that lies in the directory has a rollout of the
// scenario.
func (r *releaseNode) has(rollout int) bool {
	return r.lies != nil && slices.Contains(r.lies.rollouts, rollout)
}

// Stale reports whether the release in the directory was signed too long ago for a
// rollout to be offered, by the plane's clock.
func (w *World) Stale(id wire.RolloutID) bool {
	return w.release.lies != nil && slices.ContainsFunc(w.release.lies.fresh, func(f plane.Freshness) bool { return f.RolloutID == id && f.Until.Before(w.PlaneWall()) })
}
