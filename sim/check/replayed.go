package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// replayed is S31: what an agent is asked to send again, it sends: from the number
// on, in order, to the last event, each as soon as the one before has its answer
// (PROTOCOL A2, A3). So on a network without faults a replay takes one round trip for
// each event.
//
// What may be waited for is the end of a backoff (A5, E9), of which no more is known
// here than its bound; two other events of the host, which are all that may be under
// way; and, of a rollout that the plane does not know (E8), the next Replay-From.
//
// It is judged from what goes into the agent and comes out of it. A process that
// starts again owes what its log says, which S24 compares; nothing is owed here then.
type replayed struct {
	hosts   []hostReplays
	views   []agent.View
	history []wire.Event
}

// hostReplays is what is known of one host.
type hostReplays struct {
	heartbeat uint64         // the open one
	named     wire.RolloutID // what it said
	open      []openEvent
	rollouts  []rolloutReplay
}

// openEvent is an event without an answer.
type openEvent struct {
	id      uint64
	rollout wire.RolloutID
	seq     wire.Seq
	// earlier says that it was sent before the replay that is under way was asked for.
	earlier bool
}

// rolloutReplay is the replay of one rollout.
type rolloutReplay struct {
	id wire.RolloutID
	// from is the lowest number that was asked for, owed are the events that have to be
	// sent since then and have no final answer to that, by rising number.
	from wire.Seq
	owed []wire.Seq
	// refused are the events that the plane does not take (PROTOCOL E7).
	refused []wire.Seq
	until   time.Duration // a backoff may last
	gaps    int           // answers in a row that asked for a replay (E6)
	unknown bool
}

// eventsAtOnce is how many events of a host may be under way.
const eventsAtOnce = 2

func newReplayed(s *Checks) {
	c := &replayed{hosts: make([]hostReplays, s.World.Scenario().Fleet.Hosts)}
	s.on(world.EventHostStepped, c.hostStepped)
	s.on(world.EventHostLoaded, func(e *world.Event) { c.hosts[e.Host-1].restarted() })
	s.on(world.EventHostLost, func(e *world.Event) { c.hosts[e.Host-1] = hostReplays{} })
}

func (h *hostReplays) of(id wire.RolloutID) *rolloutReplay {
	for i := range h.rollouts {
		if h.rollouts[i].id == id {
			return &h.rollouts[i]
		}
	}
	h.rollouts = append(h.rollouts, rolloutReplay{id: id})
	return &h.rollouts[len(h.rollouts)-1]
}

func (c *replayed) hostStepped(e *world.Event) {
	w, h := e.World, &c.hosts[e.Host-1]
	if w.HostKind(e.Host) != world.FullHost {
		return
	}
	h.appended(e.AgentOutput.Appends)
	switch in := e.AgentInput.(type) {
	case *agent.HeartbeatAnswered:
		if in.ID == h.heartbeat && in.Status == 200 && in.Response.ReceivedAt.IsSet() {
			c.heartbeatAnswered(e, h, in)
		}
	case *agent.EventAnswered:
		c.eventAnswered(e, h, in)
	}
	for i := range e.AgentOutput.Requests {
		switch r := &e.AgentOutput.Requests[i]; r.Kind {
		case agent.RequestHeartbeat:
			h.heartbeat, h.named = r.ID, r.Heartbeat.RolloutID
		case agent.RequestEvent:
			h.sends(w, e.Host, r)
		}
	}
	c.judge(w, e.Host, h)
}

// restarted: of what was under way nothing is left; what was refused stays so.
func (h *hostReplays) restarted() {
	h.heartbeat, h.open = 0, nil
	for i := range h.rollouts {
		r := &h.rollouts[i]
		*r = rolloutReplay{id: r.id, refused: r.refused}
	}
}

func (h *hostReplays) appended(entries []agent.Entry) {
	for i := range entries {
		switch r := h.of(entries[i].RolloutID); entries[i].Kind {
		case agent.EntryRefused:
			r.refused = append(r.refused, entries[i].Seq)
			r.settle(entries[i].Seq)
		case agent.EntryForgotten, agent.EntryRenumbered:
			*r = rolloutReplay{id: r.id, until: r.until} // the numbers mean something else
		}
	}
}

// settle notes that an event has its final answer.
func (r *rolloutReplay) settle(seq wire.Seq) {
	r.owed = slices.DeleteFunc(r.owed, func(owed wire.Seq) bool { return owed == seq })
}

func (c *replayed) heartbeatAnswered(e *world.Event, h *hostReplays, in *agent.HeartbeatAnswered) {
	if h.named != "" {
		if in.Replay {
			c.asked(e, h, h.named, in.ReplayFrom, false)
		}
		return
	}
	for i := range in.Response.Bootstrap {
		s := &in.Response.Bootstrap[i]
		c.asked(e, h, s.RolloutID, s.LastEventSeq+1, true)
	}
}

// asked notes that the events of a rollout are to be sent again from a number on.
// While a replay is under way a later number asks for nothing new, unless again, or
// unless the agent says that it follows it: it may if it had no answer to take back so
// far. What is owed already stays so in any case, but what is before the number and
// has its answer is not owed again.
func (c *replayed) asked(e *world.Event, h *hostReplays, id wire.RolloutID, from wire.Seq, again bool) {
	for i := range e.AgentOutput.Appends {
		switch entry := &e.AgentOutput.Appends[i]; {
		case entry.RolloutID != id:
		case entry.Kind == agent.EntryTaken || entry.Kind == agent.EntryRenumbered:
			return // taken up just now, or sent under other numbers
		case entry.Kind == agent.EntryReplay:
			again = true
		}
	}
	a := e.World.Agent(e.Host)
	c.views = a.Views(c.views[:0])
	at := slices.IndexFunc(c.views, func(v agent.View) bool { return v.Record.RolloutID == id })
	if at < 0 || c.views[at].Superseded {
		return
	}
	r := h.of(id)
	r.unknown = false
	if len(r.owed) == 0 {
		r.from = from
	} else if from >= r.from && !again {
		return
	}
	r.from = min(r.from, from)
	r.owed = slices.DeleteFunc(r.owed, func(owed wire.Seq) bool { return owed >= from })
	c.history = a.History(id, c.history[:0])
	for i := range c.history {
		if seq := c.history[i].Seq; seq >= from && !slices.Contains(r.refused, seq) {
			r.owed = append(r.owed, seq)
		}
	}
	for i := range h.open {
		h.open[i].earlier = h.open[i].earlier || h.open[i].rollout == id
	}
}

func (c *replayed) eventAnswered(e *world.Event, h *hostReplays, in *agent.EventAnswered) {
	at := slices.IndexFunc(h.open, func(o openEvent) bool { return o.id == in.ID })
	if at < 0 {
		return
	}
	o, now, interval := h.open[at], e.World.HostMono(e.Host), e.World.Scenario().Fleet.Interval
	h.open = slices.Delete(h.open, at, at+1)
	r := h.of(o.rollout)
	r.until = now
	switch {
	case in.Status >= 200 && in.Status < 300:
		r.gaps = 0
		// An answer to an earlier request is one only to the event that comes next.
		if !o.earlier || len(r.owed) > 0 && r.owed[0] == o.seq {
			r.settle(o.seq)
		}
	case in.Status == 404:
		r.unknown = true
	case in.Status == 409 && in.Replay:
		if slices.Contains(r.refused, o.seq) {
			return // there is nothing to send again before it
		}
		c.asked(e, h, o.rollout, in.ReplayFrom, true)
		if r.gaps++; r.gaps > 1 {
			r.until = now + interval
		}
	case in.Status == 400 || in.Status == 409 || in.Status == 413 || in.Status == 422:
		r.settle(o.seq) // it is refused
	default:
		r.until = now + max(interval+interval/10, in.RetryAfter)
	}
}

// sends judges that the events of a replay are sent in order.
func (h *hostReplays) sends(w *world.World, host int, req *agent.Request) {
	r, seq := h.of(req.Event.RolloutID), req.Event.Event.Seq
	if len(r.owed) > 0 && seq > r.owed[0] && !r.thinned(w, host) {
		w.Violate("S31", "h%d sends event %d of %s; want event %d sent first, since it was asked for those from %d on", host, seq, r.id, r.owed[0], r.from)
	}
	r.unknown = false
	h.open = append(h.open, openEvent{id: req.ID, rollout: r.id, seq: seq})
}

// thinned takes away what is owed first as long as the agent's log no longer has it:
// of a long log it keeps only the newest results of probes.
func (r *rolloutReplay) thinned(w *world.World, host int) bool {
	history := w.Agent(host).History(r.id, nil)
	before := len(r.owed)
	r.owed = slices.DeleteFunc(r.owed, func(seq wire.Seq) bool {
		return !slices.ContainsFunc(history, func(e wire.Event) bool { return e.Seq == seq })
	})
	return len(r.owed) < before
}

// judge judges that the next event of every replay is under way.
func (c *replayed) judge(w *world.World, host int, h *hostReplays) {
	if len(h.open) >= eventsAtOnce {
		return
	}
	for i := range h.rollouts {
		r := &h.rollouts[i]
		switch {
		case len(r.owed) == 0, r.unknown, w.HostMono(host) < r.until:
		case slices.ContainsFunc(h.open, func(o openEvent) bool { return o.rollout == r.id }):
		case r.thinned(w, host) && len(r.owed) == 0:
		default:
			w.Violate("S31", "h%d was asked for the events of %s from %d on, and event %d is not sent; want it sent at once: no event of the rollout is under way, and no backoff lasts, by its own clock, which shows %v", host, r.id, r.from, r.owed[0], w.HostMono(host))
		}
	}
}
