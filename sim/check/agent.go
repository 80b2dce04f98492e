package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// conduct is S17: what a full agent asks for and tells keeps PROTOCOL A2, A5,
// A7 to A10, E8 and E9, as far as that is to be seen from outside: when it sends
// what, when it begins a switch, and when it says that it has converged.
//
// All of it is by the host's monotonic clock, which stands while it is suspended.
//
// Jitter is drawn to the nanosecond. One draw may come out even; two in a row
// that do were not drawn.
type conduct struct{ hosts []agentHabits }

// agentHabits is what is known of the process that runs on a host.
type agentHabits struct {
	started   time.Duration
	heartbeat beat
	poll      time.Duration // before this instant no poll may go (A5)
	rollouts  []rolloutHabits
	switching bool
	probed    bool // a probe has run in this process
	// failing are the enforce-mode probes whose last result in this process was a
	// failure.
	failing []wire.Name
}

// beat is the heartbeat.
type beat struct {
	id     uint64 // of the open one
	sent   time.Duration
	answer agent.Answer // to the last one
	heard  time.Duration
	any    bool // one was answered
	even   int  // draws in a row without jitter
}

// rolloutHabits is the sending of one rollout's events.
type rolloutHabits struct {
	id      wire.RolloutID
	open    uint64
	not     time.Duration // before this instant none may go (E9)
	unknown bool          // the plane does not know it, and has not asked since (E8)
	earlier bool          // the open event is of an earlier life of the rollout
	// soakOver is when the soak is over that began in this process; 0 if none
	// did, or its length is not known.
	soak, soakOver time.Duration
	completed      wire.Time // when the activation did
}

func newConduct(s *Checks) {
	c := &conduct{hosts: make([]agentHabits, s.World.Scenario().Fleet.Hosts)}
	s.on(world.EventHostStepped, c.hostStepped)
}

func (h *agentHabits) of(id wire.RolloutID) *rolloutHabits {
	for i := range h.rollouts {
		if h.rollouts[i].id == id {
			return &h.rollouts[i]
		}
	}
	h.rollouts = append(h.rollouts, rolloutHabits{id: id})
	return &h.rollouts[len(h.rollouts)-1]
}

func (c *conduct) hostStepped(e *world.Event) {
	w, out := e.World, e.AgentOutput
	if w.HostKind(e.Host) != world.FullHost {
		return
	}
	h := &c.hosts[e.Host-1]
	h.hear(w, e.Host, e.AgentInput)
	for i := range out.Requests {
		switch r := &out.Requests[i]; r.Kind {
		case agent.RequestHeartbeat:
			h.beats(w, e.Host, r)
		case agent.RequestPoll:
			if w.HostMono(e.Host) < h.poll {
				w.Violate("S17", "h%d polls %v too early; want no poll before the end of its Retry-After, at %v (A5)", e.Host, h.poll-w.HostMono(e.Host), h.poll)
			}
		case agent.RequestEvent:
			h.tells(w, e.Host, r)
		}
	}
	h.rollsBack(e)
	for i := range out.Appends {
		h.appends(w, e.Host, &out.Appends[i])
	}
	for i := range out.Effects {
		if k := out.Effects[i].Kind; k == agent.EffectActivate || k == agent.EffectRollback {
			if h.switching {
				w.Violate("S17", "h%d begins %v while another switch runs; want one at a time (A9, A10)", e.Host, &out.Effects[i])
			}
			h.switching = true
		}
	}
}

// rollsBack judges that a host which has to go back does so at once: it needs
// nothing from the plane (A7).
func (h *agentHabits) rollsBack(e *world.Event) {
	if h.switching {
		return
	}
	due := false
	for i := range e.AgentOutput.Appends {
		switch body := e.AgentOutput.Appends[i].Event.Body.(type) {
		case wire.HealthFailed:
			due = due || body.PolicyApplied == wire.RollbackAndHalt
		case wire.RollbackComplete:
			due = false
		}
	}
	if due && !slices.ContainsFunc(e.AgentOutput.Effects, func(e agent.Effect) bool { return e.Kind == agent.EffectRollback }) {
		e.World.Violate("S17", "h%d has failed and does not roll back; want a rollback at once (A7)", e.Host)
	}
}

// appends judges that a host converges only once it has soaked, and on what its
// probes say to this process (A8).
func (h *agentHabits) appends(w *world.World, host int, entry *agent.Entry) {
	if entry.Kind == agent.EntryForgotten {
		// Taken up anew, it is another rollout, but the sender is the same.
		r := h.of(entry.RolloutID)
		*r = rolloutHabits{id: r.id, open: r.open, not: r.not, earlier: r.open != 0}
	}
	if entry.Kind == agent.EntryTaken && !bool(entry.Taken.Recovered) {
		h.of(entry.RolloutID).soak = entry.Taken.Record.Soak()
	}
	switch body := entry.Event.Body.(type) {
	case wire.ActivationCompleted:
		// One that is told again after a refusal begins no soak (E13).
		if r := h.of(entry.RolloutID); r.soak > 0 && r.completed != body.CompletedAt {
			r.soakOver, r.completed = w.HostMono(host)+r.soak, body.CompletedAt
		}
	case wire.HealthFailed:
		if body.SustainedDurationSecs > 0 && len(h.failing) == 0 {
			w.Violate("S17", "h%d has failed by its probes, and none that counts fails; want only those of mode enforce to fail a host (A7)", host)
		}
	case wire.HostConverged:
		r := h.of(entry.RolloutID)
		if w.HostMono(host) < r.soakOver {
			w.Violate("S17", "h%d converges %v too early; want it to soak until %v (A8)", host, r.soakOver-w.HostMono(host), r.soakOver)
		}
		if !h.probed && w.Scenario().Fleet.Runs() {
			w.Violate("S17", "h%d converges, and no probe has run since its process started; want one first (A8)", host)
		}
	}
}

// hear takes over what an input says.
func (h *agentHabits) hear(w *world.World, host int, in agent.Input) {
	switch in := in.(type) {
	case *agent.Started:
		*h = agentHabits{started: w.HostMono(host)}
	case *agent.ActivationEnded, *agent.RollbackEnded:
		h.switching = false
	case *agent.Probed:
		h.probed = true
		h.observes(w, in)
	case *agent.HeartbeatAnswered:
		if in.ID == h.heartbeat.id {
			h.heartbeat.answer, h.heartbeat.heard, h.heartbeat.any = in.Answer, w.HostMono(host), true
			h.asked(in.Status)
		}
	case *agent.PollAnswered:
		h.poll = 0
		if unavailable(in.Status) {
			h.poll = w.HostMono(host) + in.RetryAfter
		}
		h.asked(in.Status)
	case *agent.EventAnswered:
		for i := range h.rollouts {
			if r := &h.rollouts[i]; r.open == in.ID {
				r.open, r.not = 0, 0
				if unavailable(in.Status) {
					r.not = w.HostMono(host) + in.RetryAfter
				}
				r.unknown = in.Status == 404 && !r.earlier
				r.earlier = false
			}
		}
	}
}

// observes notes what a probe has come to, if it counts.
func (h *agentHabits) observes(w *world.World, in *agent.Probed) {
	at := slices.Index(h.failing, in.Probe)
	switch failed := in.Status == wire.Fail; {
	case failed && at < 0 && slices.ContainsFunc(w.Probes(), func(p wire.ProbeDeclaration) bool { return p.ProbeName == in.Probe && p.Mode == wire.Enforce }):
		h.failing = append(h.failing, in.Probe)
	case !failed && at >= 0:
		h.failing = slices.Delete(h.failing, at, at+1)
	}
}

// asked: whatever the plane answers to a heartbeat or a poll may show that it
// knows a rollout.
func (h *agentHabits) asked(status int) {
	if status != 200 {
		return
	}
	for i := range h.rollouts {
		h.rollouts[i].unknown = false
	}
}

func unavailable(status int) bool { return status == 503 }

// beats judges when a heartbeat is sent (A5).
func (h *agentHabits) beats(w *world.World, host int, r *agent.Request) {
	b := &h.heartbeat
	interval := w.Scenario().Fleet.Interval
	even := false
	switch {
	case !b.any:
		since := w.HostMono(host) - h.started
		if since > interval/10 {
			w.Violate("S17", "h%d sends its first heartbeat %v after it started; want at most %v (A5)", host, since, interval/10)
		}
		even = since == 0
	case b.answer.Status == 200:
		since := w.HostMono(host) - b.sent
		if since < interval-interval/10 || w.HostMono(host) > max(b.sent+interval+interval/10, b.heard) {
			w.Violate("S17", "h%d sends a heartbeat %v after the last; want %v, a tenth more or less: from %v to %v (A5)", host, since, interval, interval-interval/10, interval+interval/10)
		}
		even = since == interval
	case unavailable(b.answer.Status) || b.answer.Status == 0:
		since := w.HostMono(host) - b.heard
		if since < b.answer.RetryAfter || since > max(interval, b.answer.RetryAfter) {
			w.Violate("S17", "h%d sends a heartbeat %v after an answer %d; want at least the Retry-After, %v, and at most %v (A5)", host, since,
				b.answer.Status, b.answer.RetryAfter, max(interval, b.answer.RetryAfter))
		}
		even = since%time.Second == 0 && since != b.answer.RetryAfter
	}
	if b.even++; !even {
		b.even = 0
	}
	if b.even >= 2 || even && !b.any {
		w.Violate("S17", "h%d does not jitter its heartbeats: they come exactly at the instants without any; want a random one within a tenth of the interval (A5)", host)
	}
	b.id, b.sent = r.ID, w.HostMono(host)
}

// tells judges when an event is sent (A2, E8, E9).
func (h *agentHabits) tells(w *world.World, host int, r *agent.Request) {
	s := h.of(r.Event.RolloutID)
	switch {
	case s.open != 0:
		w.Violate("S17", "h%d sends event %d of %s while another is on its way; want one at a time (A2)", host, r.Event.Event.Seq, s.id)
	case w.HostMono(host) < s.not:
		w.Violate("S17", "h%d sends event %d of %s %v too early; want no event before the end of its Retry-After, at %v (E9)", host, r.Event.Event.Seq, s.id, s.not-w.HostMono(host), s.not)
	case s.unknown:
		w.Violate("S17", "h%d sends event %d of %s, which the plane does not know; want no event until the plane asks (E8)", host, r.Event.Event.Seq, s.id)
	}
	s.open = r.ID
}
