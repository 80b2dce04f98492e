package gameday

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// lookEvery is the time between two checks, by the real clock.
const lookEvery = 200 * time.Millisecond

// watch checks the plane from outside until ctx ends, for rules that hold in
// any case.
func (g *Game) watch(ctx context.Context) {
	alive := true
	for {
		sleep(ctx, lookEvery)
		if ctx.Err() != nil {
			return
		}
		if live := g.probe(ctx, "/livez"); live != 0 && (live == http.StatusOK) != alive {
			alive = live == http.StatusOK
			g.progress("/livez answers %d", live)
		}
		g.watcher.lookAll(ctx)
	}
}

type recordOf struct {
	id   wire.RolloutID
	host wire.Hostname
}

type waveOf struct {
	id   wire.RolloutID
	wave wire.Count
}

// watcher keeps what was seen.
type watcher struct {
	game *Game

	mu         sync.Mutex
	wipes      int
	last       map[recordOf]wire.Seq
	dispatched map[waveOf]bool
}

func newWatcher(g *Game) *watcher {
	return &watcher{game: g, last: map[recordOf]wire.Seq{}, dispatched: map[waveOf]bool{}}
}

// lookAll checks every rollout that was opened.
func (w *watcher) lookAll(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.game.rollouts() {
		w.look(ctx, id)
	}
}

func (g *Game) rollouts() []wire.RolloutID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.opened)
}

// look checks one rollout. The acknowledged numbers are read from the agents
// before the plane is queried, so the plane must know at least as much; a check
// during which the plane lost its disk is ignored.
func (w *watcher) look(ctx context.Context, id wire.RolloutID) {
	g := w.game
	acked := map[wire.Hostname]wire.Seq{}
	_, wipes := g.process.epoch()
	for _, h := range g.hosts {
		acked[h.name] = h.acknowledged(id)
	}
	status, err := g.asks.rollout(ctx, id)
	if _, after := g.process.epoch(); err != nil || after != wipes {
		return
	}
	if wipes != w.wipes {
		w.wipes = wipes
		clear(w.last)
		clear(w.dispatched)
	}
	if wipes > 0 {
		acked = nil // from before the wipe, perhaps
	}
	if status == nil {
		if wipes == 0 {
			g.addViolation("S1", fmt.Sprintf("%s was opened, and the plane does not know it", id))
		}
		return
	}
	for i := range status.Hosts {
		s := &status.Hosts[i].Snapshot
		key := recordOf{id, s.Hostname}
		if s.LastEventSeq < w.last[key] {
			g.addViolation("S2", fmt.Sprintf("%s in %s: the last event number fell from %d to %d", s.Hostname, id, w.last[key], s.LastEventSeq))
		}
		w.last[key] = s.LastEventSeq
		if s.LastEventSeq < acked[s.Hostname] {
			g.addViolation("S1", fmt.Sprintf("%s in %s: event %d was acknowledged, and the plane has those up to %d", s.Hostname, id, acked[s.Hostname], s.LastEventSeq))
		}
	}
	w.waves(status)
}

// waves checks that no wave is dispatched before the one before it is done
// (PROTOCOL R2). A host that was Deferred when its wave was done may be Soaking
// at the next check, and one whose failure was excused may be in any state; so
// a wave is judged only when it is first seen dispatched, by hosts that have
// not begun.
func (w *watcher) waves(status *wire.RolloutStatus) {
	pending := map[wire.Count]wire.Hostname{}
	for i := range status.Hosts {
		r := &status.Hosts[i]
		if s := r.Snapshot.State; s == wire.Pending || s == wire.Activating {
			pending[r.Wave] = r.Snapshot.Hostname
		}
	}
	for i := range status.Hosts {
		r := &status.Hosts[i]
		key := waveOf{status.RolloutID, r.Wave}
		if r.Wave == 0 || !r.Snapshot.DispatchedAt.IsSet() || w.dispatched[key] {
			continue
		}
		w.dispatched[key] = true
		if host, holds := pending[r.Wave-1]; holds {
			w.game.addViolation("S14", fmt.Sprintf("%s of wave %d of %s is dispatched, and %s of the wave before has not begun to soak",
				r.Snapshot.Hostname, r.Wave, status.RolloutID, host))
		}
	}
}

// settle waits until the fleet has settled, or the scenario's budget is used
// up. why says what has not settled then.
func (g *Game) settle(ctx context.Context) (settled bool, why string) {
	s := &g.plan.scenario
	budget, over := context.WithTimeout(ctx, time.Until(g.began.Add(g.plan.real(s.Active+s.Converge))))
	defer over()
	for {
		if why = g.unsettled(budget); why == "" {
			g.progress("at rest")
			return true, ""
		}
		sleep(budget, lookEvery)
		if budget.Err() != nil {
			return false, why
		}
	}
}

// unsettled says what has not settled; empty if everything has.
func (g *Game) unsettled(ctx context.Context) string {
	if status := g.probe(ctx, "/readyz"); status != http.StatusOK {
		return fmt.Sprintf("L3: /readyz answers %d", status)
	}
	for _, h := range g.hosts {
		host, err := g.asks.host(ctx, h.name)
		if err != nil {
			return fmt.Sprintf("L3: an operator's query about %s: %v", h.name, err)
		}
		if host == nil || host.Reachability != wire.Reachable {
			return fmt.Sprintf("L4: %s is not known as reachable", h.name)
		}
	}
	opened := g.rollouts()
	if len(opened) < len(g.plan.scenario.Rollouts) {
		return "L1: a rollout is not open yet"
	}
	for _, id := range opened {
		status, err := g.asks.rollout(ctx, id)
		switch {
		case err != nil:
			return fmt.Sprintf("L3: an operator's query about %s: %v", id, err)
		case status == nil:
			return fmt.Sprintf("L1: the plane does not know %s", id)
		case status.State == wire.Superseded:
			continue
		}
		for i := range status.Hosts {
			if why := g.disagreement(status, &status.Hosts[i]); why != "" {
				return why
			}
		}
	}
	return ""
}

// disagreement says what of a record is unfinished, or differs between plane
// and agent. Records of legacy agents are not compared, since they may wait for
// ever (docs/findings.md).
func (g *Game) disagreement(status *wire.RolloutStatus, r *wire.RecordStatus) string {
	s := &r.Snapshot
	for _, h := range g.hosts {
		if h.name != s.Hostname || h.number > g.plan.played()-g.plan.scenario.Fleet.Legacy {
			continue
		}
		v, known := h.view(status.RolloutID)
		switch {
		case !known && !s.State.Active():
		case !known && s.State == wire.Pending && (!s.DispatchedAt.IsSet() || status.State == wire.Halted):
		case !known:
			return fmt.Sprintf("L1: %s: %s is %v at the plane, and the agent has not taken it up", h.name, status.RolloutID, s.State)
		case v.busy:
			return fmt.Sprintf("L1: %s: %s is %v at the agent, %v at the plane: unfinished", h.name, status.RolloutID, v.state, s.State)
		case v.unsent:
			return fmt.Sprintf("L1: %s: %s: events wait to be sent", h.name, status.RolloutID)
		case v.state != s.State:
			return fmt.Sprintf("L1: %s: %s is %v at the agent, %v at the plane", h.name, status.RolloutID, v.state, s.State)
		}
	}
	return ""
}
