package world

import (
	"slices"
	"time"

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
	manifests []wire.Manifest
	rollouts  []int // of the scenario, by manifest
	fresh     []plane.Freshness
	version   uint64 // counts the releases that lay there
	// last is the rollout that the release came with, and act what had it signed.
	last int
	act  *scenario.Act
	// refused are the signed rollouts that no release brought to the plane.
	refused []int
}

// releaseIdentity is whose name the directory of releases speaks in.
var releaseIdentity = wire.Identity{CommonName: "releases", Operator: true, Name: "releases"}

// newRelease makes the release that comes with a signed rollout, signs it now, and
// puts it into the directory. It has the newest signed rollout of each channel of
// when that rollout came; act is the act that has it signed again, or nil.
func (w *World) newRelease(rollout int, act *scenario.Act) {
	r := &w.release
	r.known(w, false) // of those before it only what is open already
	r.version++
	r.last, r.act = rollout, act
	r.manifests, r.rollouts, r.fresh = nil, nil, nil
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
	for i := range w.scenario.Rollouts {
		o := &w.scenario.Rollouts[i]
		if at, there := newest[o.ID.Channel()]; !there || at != i {
			continue
		}
		m := w.scenario.Manifest(o)
		if act != nil && i == rollout {
			m = w.scenario.Other(act)
		}
		// Nanoseconds since the beginning; two signings of one instant differ.
		m.Serial = wire.Serial(w.now) + wire.Serial(r.version)
		r.manifests, r.rollouts = append(r.manifests, m), append(r.rollouts, i)
		if o.Fresh > 0 {
			r.fresh = append(r.fresh, plane.Freshness{RolloutID: o.ID, Until: w.wallAt(o.Fresh)})
		}
	}
	w.signer.sign(w)
	if w.plane.opened {
		w.plane.planRelease(w, w.now, 0)
	}
}

// planRelease plans a step with the release that lies in the directory: it is put to
// the plane, and then each of its rollouts is opened.
func (p *planeNode) planRelease(w *World, at time.Duration, step int) {
	if len(w.release.manifests) > 0 {
		w.queue.push(Timer{at: at, kind: dueRelease, node: planeNodeID, epoch: p.epoch, arg: w.release.call(step)})
	}
}

// releaseSteps bounds the steps with one release.
const releaseSteps = 1 << 16

func (r *releaseNode) call(step int) uint64 { return r.version*releaseSteps + uint64(step) }

// readRelease does such a step, unless another release lies there by now.
func (p *planeNode) readRelease(w *World, call uint64) {
	if p.asleep(w, dueRelease, call) {
		return
	}
	step := int(call % releaseSteps)
	if call != w.release.call(step) {
		return
	}
	w.messages++
	m := w.pool.take()
	m.id, m.kind, m.node, m.call = w.messages, scenario.RouteOperator, releaseNodeID, call
	m.sentAt = w.now
	m.identity = &releaseIdentity
	if step == 0 {
		m.operator = &plane.Release{Manifests: slices.Clone(w.release.manifests), Fresh: slices.Clone(w.release.fresh)}
	} else {
		m.operator = &plane.FileManifest{Manifest: w.release.manifests[step-1], Signed: true}
	}
	p.receive(w, m)
	p.offer(w, m)
}

// releaseAnswered goes on with the release after an answer.
func (p *planeNode) releaseAnswered(w *World, m *Message) {
	step := int(m.call % releaseSteps)
	if m.call != w.release.call(step) {
		return // another one lies there by now
	}
	o := &m.request.Outcome
	switch {
	case o.Code.Unavailable() || o.Code == wire.Accepted:
		p.planRelease(w, w.now+o.RetryAfter, step)
		return
	case step == 0 && o.Code != wire.NoContent:
		w.release.known(w, false)
		return
	}
	if step == 0 {
		w.signer.taken(w)
	}
	if step < len(w.release.manifests) {
		p.planRelease(w, w.now, step+1)
		return
	}
	w.release.known(w, true)
}

// known notes which rollouts of the release are open, or that no more of them will be.
func (r *releaseNode) known(w *World, open bool) {
	for _, i := range r.rollouts {
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
func (r *releaseNode) has(rollout int) bool { return slices.Contains(r.rollouts, rollout) }

// Stale reports whether the release in the directory was signed too long ago for a
// rollout to be offered, by the plane's clock.
func (w *World) Stale(id wire.RolloutID) bool {
	return slices.ContainsFunc(w.release.fresh, func(f plane.Freshness) bool { return f.RolloutID == id && f.Until.Before(w.PlaneWall()) })
}
