package field

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The agent's own constants.
const (
	handshakeTimeout = 30 * time.Second
	requestTimeout   = 10 * time.Second
	pollWait         = 60 * time.Second
	pollTimeout      = 65 * time.Second
	retryPause       = 5 * time.Second  // of heartbeats and polls
	queueEvery       = 15 * time.Second // between two passes
	advanceEvery     = 5 * time.Second
	sustained        = 120 * time.Second // that a failure lasts
	minProbeInterval = 5 * time.Second
)

// Config is what an agent is configured with.
type Config struct {
	Hostname wire.Hostname
	// Interval is the time between heartbeats; 60 s in the field.
	Interval time.Duration
	// ProbeInterval is the time between rounds of probes.
	ProbeInterval time.Duration
	// Policy returns the failure policy of a rollout, as the signed fleet has it.
	Policy func(wire.RolloutID) wire.HealthPolicy
	// FirstID is the ID after which this process numbers its requests and effects.
	FirstID uint64
}

// Agent is one process.
type Agent struct {
	cfg  Config
	disk *Disk
	last wire.Instant
	ids  uint64

	running wire.Closure
	probes  []wire.ProbeDeclaration
	known   []*Rollout // in the order of becoming known

	started   bool // the handshake is over
	begun     time.Duration
	handshake uint64 // the open request, 0 for none
	heartbeat uint64
	beatAt    time.Duration
	poll      uint64
	pollAt    time.Duration
	sending   uint64
	pass      []key // what of the pass is still to be sent; the first is on its way
	again     bool  // an event was queued meanwhile
	queueAt   time.Duration
	advanceAt time.Duration

	waiting    []*Rollout // activations that are to be begun
	activation effect
	rollback   effect
	prober     prober
}

// effect is a switch that this process has begun.
type effect struct {
	id uint64
	of *Rollout
	at wire.Time // its beginning
}

// prober runs the probes, for one rollout at a time.
type prober struct {
	of      *Rollout
	running uint64
	at      time.Duration
	seen    []wire.Name // of this set of tickers: they have run
	failed  []wire.Name // their last run failed
}

// New makes the process of an agent that finds a disk.
func New(cfg Config, disk *Disk) *Agent { return &Agent{cfg: cfg, disk: disk, ids: cfg.FirstID} }

// Rollouts returns what the agent knows of its rollouts, to be read only.
func (a *Agent) Rollouts() []*Rollout { return a.known }

// Step takes one input.
func (a *Agent) Step(now wire.Instant, in agent.Input, out *agent.Output) {
	a.last = now
	switch in := in.(type) {
	case *agent.ProbesDeclared:
		a.probes = slices.Clone(in.Probes)
	case *agent.Started:
		a.running = in.CurrentClosure
		a.handshake = a.sendHeartbeat(handshakeTimeout, out)
	case *agent.HeartbeatAnswered:
		a.heartbeatAnswered(in, out)
	case *agent.PollAnswered:
		a.pollAnswered(in, out)
	case *agent.EventAnswered:
		a.eventAnswered(in, out)
	case *agent.ActivationEnded:
		a.activationEnded(in, out)
	case *agent.RollbackEnded:
		a.rollbackEnded(in, out)
	case *agent.Probed:
		a.probed(in, out)
	case *agent.ClosureObserved:
		a.running = in.CurrentClosure
	}
	if a.started {
		a.due(out)
	}
	out.NextTimer = a.next()
}

func (a *Agent) id() uint64 {
	a.ids++
	return a.ids
}

func (a *Agent) sendHeartbeat(timeout time.Duration, out *agent.Output) uint64 {
	id := a.id()
	out.Requests = append(out.Requests, agent.Request{ID: id, Kind: agent.RequestHeartbeat, Timeout: timeout,
		Heartbeat: wire.HeartbeatRequest{Hostname: a.cfg.Hostname, CurrentClosure: a.running, At: a.last.Wall}})
	return id
}

// heartbeatAnswered takes every snapshot. The handshake's status is not looked at: what
// is no heartbeat's answer has none.
func (a *Agent) heartbeatAnswered(in *agent.HeartbeatAnswered, out *agent.Output) {
	switch in.ID {
	case a.handshake:
		a.handshake, a.started, a.begun = 0, true, a.last.Mono
		a.beatAt, a.pollAt, a.queueAt, a.advanceAt = a.begun, a.begun, a.begun, a.begun+advanceEvery
	case a.heartbeat:
		a.heartbeat = 0
		from := a.last.Mono
		if in.Status != 200 {
			from += retryPause
		}
		a.beatAt = a.begun + ((from-a.begun)/a.cfg.Interval+1)*a.cfg.Interval
	default:
		return
	}
	if in.Status == 200 {
		for i := range in.Response.Bootstrap {
			a.overwrite(&in.Response.Bootstrap[i], out)
		}
	}
}

func (a *Agent) pollAnswered(in *agent.PollAnswered, out *agent.Output) {
	if in.ID != a.poll {
		return
	}
	a.poll, a.pollAt = 0, a.last.Mono
	switch in.Status {
	case 200:
		if in.Dispatch.Hostname != a.cfg.Hostname { // as when its certificate is another host's
			a.pollAt += retryPause
			return
		}
		a.dispatched(&in.Dispatch, out)
	case 204:
	default:
		a.pollAt += retryPause
	}
}

// due does what is due.
func (a *Agent) due(out *agent.Output) {
	now := a.last.Mono
	if a.heartbeat == 0 && now >= a.beatAt {
		a.heartbeat = a.sendHeartbeat(requestTimeout, out)
	}
	if now >= a.advanceAt {
		a.advance(out)
		a.advanceAt = a.begun + ((now-a.begun)/advanceEvery+1)*advanceEvery
	}
	a.probe(out)
	a.begin(out)
	if a.sending == 0 && (a.again || now >= a.queueAt) {
		a.beginPass(out)
	}
	if a.poll == 0 && now >= a.pollAt {
		a.poll = a.id()
		out.Requests = append(out.Requests, agent.Request{ID: a.poll, Kind: agent.RequestPoll, Timeout: pollTimeout, Wait: pollWait})
	}
}

// next is when the next timer goes off. What would do nothing needs none.
func (a *Agent) next() time.Duration {
	if !a.started {
		return agent.NoTimer
	}
	at := agent.NoTimer
	if a.heartbeat == 0 {
		at = min(at, a.beatAt)
	}
	if a.poll == 0 {
		at = min(at, a.pollAt)
	}
	if a.sending == 0 && len(a.disk.Queue) > 0 {
		at = min(at, a.queueAt)
	}
	if slices.ContainsFunc(a.known, func(r *Rollout) bool { return r.State == wire.Soaking }) {
		at = min(at, a.advanceAt)
	}
	if p := &a.prober; p.of != nil && p.running == 0 && len(a.probes) > 0 {
		at = min(at, p.at)
	}
	return at
}
