package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Fetched is what a fetch of signed artifacts brings (PROTOCOL V1): both, if Status is
// 200, or else nothing.
type Fetched struct {
	Rollout         wire.RolloutID // that was asked for
	Status          int
	Fleet, Manifest artifact.Signed
}

// fetching is the fetch of artifacts that runs on a host; fetchID is 0 if none does. The
// four requests are modelled as one: they take no place in the plane's inbox and no time
// of its reducer, and agents accept only what belongs together.
type fetching struct {
	fetchID uint64
	fetchOf wire.RolloutID
	fetches random.Stream
	told    wire.Closure // what a forger has claimed last that the host shall run
}

// fetch begins a fetch.
func (h *hostNode) fetch(w *World, e *agent.Effect) {
	h.fetchID, h.fetchOf = e.ID, e.RolloutID
	d := w.scenario.Network.Delay
	takes := 4 * h.fetches.Between(d.Min, d.Max)
	if more := w.faults.each(scenario.NetDelay, h.index+1, scenario.RoutePoll); more > 0 {
		takes += more
	}
	w.queue.push(Timer{at: w.now + max(takes, time.Millisecond), kind: dueFetched, node: int32(h.index), epoch: h.epoch, arg: e.ID})
}

// fetched ends it.
func (h *hostNode) fetched(w *World, id uint64) {
	if h.fetchID != id {
		return
	}
	h.fetchID = 0
	f := Fetched{Rollout: h.fetchOf, Status: w.answersFetch(h)}
	if served := w.signer.served; f.Status == 200 {
		rollout := served.Rollout(f.Rollout)
		if f.Fleet = served.Fleet; rollout == nil {
			f = Fetched{Rollout: f.Rollout, Status: 404}
		} else {
			f.Manifest = rollout.Manifest
		}
	}
	w.forger.fetch(w, h, &f)
	in := &agent.Fetched{ID: id, Status: f.Status}
	if f.Status == 200 {
		in.Intent = w.signer.intent(scenario.HostName(h.index+1), &f)
	}
	w.emit(Event{Kind: EventHostFetched, Host: h.index + 1, Fetched: &f})
	h.step(w, in)
}

// answersFetch is the status that the real plane gives to a fetch, before it looks for
// the rollout; 0 if nothing comes back.
func (w *World) answersFetch(h *hostNode) int {
	n := h.index + 1
	switch {
	case !w.plane.up || w.plane.suspended,
		w.faults.partitioned(n, scenario.RoutePoll, scenario.Up), w.faults.partitioned(n, scenario.RoutePoll, scenario.Down),
		h.fetches.Chance(2 * (w.scenario.Network.Loss + w.faults.rate(scenario.NetDrop, n, scenario.RoutePoll))):
		return 0
	case w.signer.served == nil:
		return 503 // V1: release_unavailable
	}
	return 200
}
