package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// lateness is S27: an agent reports in time what it decides by itself, whatever
// the network does: Failed when a probe that counts has failed for the limit, and
// Converged when the soak is over and every probe that counts passes, each a few
// rounds of probes later at most (PROTOCOL A7, A8).
//
// It is judged when a round ends and when a heartbeat is answered, and only while
// the agent's process runs. All instants are those of the host's monotonic clock,
// which stands while the machine is suspended. After a restart the agent knows by the wall clock since
// when something lasts; of a fleet whose clocks are wrong it is judged from the
// restart on.
type lateness struct {
	hosts  []agentDues
	clocks bool // the hosts' clocks may be wrong
	// probes are those that count; round is how long a round may take to come and
	// to end, several times over.
	probes []wire.Name
	grace  time.Duration
	views  []agent.View
}

// agentDues is what is known of one host.
type agentDues struct {
	up       time.Duration // since when its process runs
	rollouts []rolloutDues
	// results are those of the probes that count.
	results []probeDues
}

// rolloutDues is a rollout that soaks.
type rolloutDues struct {
	id        wire.RolloutID
	began     time.Duration // when its soak did
	completed wire.Time     // when its activation did, as the agent told
	// soak is how long it lasts; known is false if that came from a snapshot, or
	// the plane has refused a Converged.
	soak  time.Duration
	known bool
	// stray is when it was seen last that the host does not run its target, or is
	// being switched.
	stray time.Duration
}

// probeDues is since when a probe says what it says.
type probeDues struct {
	status wire.ProbeStatus
	since  time.Duration
}

// graceRounds is how many rounds a decision may take: one may have begun too early
// to count, and one brings the result.
const graceRounds = 2

func newLateness(s *Checks) {
	sc := s.World.Scenario()
	c := &lateness{hosts: make([]agentDues, sc.Fleet.Hosts)}
	c.clocks = slices.ContainsFunc(sc.Faults, func(f scenario.Fault) bool {
		return f.Kind == scenario.ClockSkew || f.Kind == scenario.ClockDrift
	})
	for _, p := range sc.Fleet.DeclaredProbes() {
		if p.Mode == wire.Enforce {
			c.probes = append(c.probes, p.ProbeName)
		}
	}
	c.grace = graceRounds * (sc.Fleet.ProbeInterval + 2*time.Second)
	s.on(world.EventHostStepped, c.hostStepped)
	s.on(world.EventHostLost, func(e *world.Event) { c.hosts[e.Host-1] = agentDues{} })
}

func (c *lateness) hostStepped(e *world.Event) {
	w, h, now := e.World, &c.hosts[e.Host-1], e.World.HostMono(e.Host)
	if w.HostKind(e.Host) != world.FullHost {
		return
	}
	for i := range e.AgentOutput.Appends {
		h.appended(now, &e.AgentOutput.Appends[i])
	}
	for i := range e.AgentOutput.Notices {
		if n := &e.AgentOutput.Notices[i]; n.Kind == agent.NoticeRejected {
			h.of(n.RolloutID).known = false // it may have to wait for the plane
		}
	}
	switch in := e.AgentInput.(type) {
	case *agent.Started:
		h.up = now
		for i := range h.results {
			if c.clocks {
				h.results[i].since = now
			}
		}
	case *agent.Probed:
		c.probed(now, h, in)
		c.judge(w, e.Host, h)
	case *agent.HeartbeatAnswered:
		c.judge(w, e.Host, h)
	}
}

func (h *agentDues) of(id wire.RolloutID) *rolloutDues {
	for i := range h.rollouts {
		if h.rollouts[i].id == id {
			return &h.rollouts[i]
		}
	}
	h.rollouts = append(h.rollouts, rolloutDues{id: id})
	return &h.rollouts[len(h.rollouts)-1]
}

func (h *agentDues) appended(now time.Duration, entry *agent.Entry) {
	switch entry.Kind {
	case agent.EntryForgotten:
		*h.of(entry.RolloutID) = rolloutDues{id: entry.RolloutID}
	case agent.EntryTaken:
		r := h.of(entry.RolloutID)
		r.soak, r.known = entry.Taken.Record.Soak(), !bool(entry.Taken.Recovered)
	}
	if body, is := entry.Event.Body.(wire.ActivationCompleted); is {
		if r := h.of(entry.RolloutID); r.completed != body.CompletedAt { // else it is told again (E13)
			r.began, r.completed = now, body.CompletedAt
		}
	}
}

func (c *lateness) probed(now time.Duration, h *agentDues, in *agent.Probed) {
	at := slices.Index(c.probes, in.Probe)
	if at < 0 {
		return
	}
	if h.results == nil {
		h.results = make([]probeDues, len(c.probes))
	}
	if r := &h.results[at]; r.status != in.Status {
		*r = probeDues{in.Status, now}
	}
}

// judge judges the rollouts of a host whose soak is not over by what the agent
// says.
func (c *lateness) judge(w *world.World, host int, h *agentDues) {
	a := w.Agent(host)
	if a == nil {
		return
	}
	c.views = a.Views(c.views[:0])
	for i := range c.views {
		v := &c.views[i]
		if v.Record.State != wire.Soaking || v.Superseded {
			continue
		}
		r := h.of(v.Record.RolloutID)
		if w.Runs(host) != v.Record.TargetClosure || w.Switching(host) != "" {
			r.stray = w.HostMono(host)
		}
		c.soaking(w, host, h, r)
	}
}

func (c *lateness) soaking(w *world.World, host int, h *agentDues, r *rolloutDues) {
	now, from := w.HostMono(host), max(r.began, r.stray)
	passing := max(from, h.up)
	for i, p := range c.probes {
		switch {
		case i >= len(h.results) || h.results[i].status == 0:
			passing = now // nothing is known yet
		case h.results[i].status == wire.Pass:
			passing = max(passing, h.results[i].since)
		default:
			passing = now
			due := max(max(h.results[i].since, from)+w.Scenario().Fleet.Sustained, h.up) + c.grace
			if now > due {
				w.Violate("S27", "h%d soaks in %s, and its probe %s has failed since %v; want Failed by %v: %v of failure and %v for rounds of probes, by its own clock", host, r.id, p, h.results[i].since, due, w.Scenario().Fleet.Sustained, c.grace)
			}
		}
	}
	soaked := from + r.soak
	if c.clocks {
		soaked = max(from, h.up) + r.soak
	}
	if due := max(soaked, passing) + c.grace; r.known && r.began > 0 && now > due {
		w.Violate("S27", "h%d still soaks in %s; want Converged by %v: its soak was over at %v, every probe that counts has passed since %v, and %v for rounds of probes, by its own clock, which shows %v", host, r.id, due, soaked, passing, c.grace, now)
	}
}
