package httpagent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/agent"
)

const (
	// maxBatch is how many inputs are stepped before the output is carried out.
	maxBatch = 64
	// maxProbes is how many probes of a host run at a time.
	maxProbes = 8
)

// session runs an agent from a load of its log to its end. Its goroutine is the
// one that calls run; requests and effects have others, which ctx ends.
type session struct {
	*Driver
	agent *agent.Agent
	out   agent.Output

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	inputs  chan result
	probing chan struct{} // a token per probe that runs
	open    int           // requests, probes and switches whose end was not stepped
	failing [agent.RequestPoll + 1]bool
	started bool // what the start asked for is durable and carried out
}

// result is an input that ends a request or an effect.
type result struct {
	in agent.Input
	// exchange is set for a request.
	exchange Exchange
	// last says that the request or the effect has ended.
	last bool
}

// begin restores the agent from what is durable and steps [agent.Started].
// Nothing of its output is carried out yet.
func (d *Driver) begin(ctx context.Context, boot agent.Boot) (*session, error) {
	lines, err := d.cfg.Log.Load()
	if err != nil {
		return nil, fmt.Errorf("httpagent: %w cannot be loaded: %w", errLog, err)
	}
	a, err := agent.Restore(d.cfg.Agent, lines)
	if err != nil {
		return nil, fmt.Errorf("httpagent: the agent's log is not consistent; restore the file, or move it away and the agent starts from the plane's snapshots: %w", err)
	}
	d.size = len(lines)
	s := &session{
		Driver: d, agent: a,
		inputs:  make(chan result),
		probing: make(chan struct{}, maxProbes),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	d.cfg.Observer.Changed(a)
	s.step(&agent.ProbesDeclared{Probes: d.cfg.Machine.Probes()})
	s.step(&agent.Started{CurrentClosure: d.cfg.Machine.CurrentClosure(), NextBoot: d.cfg.Machine.NextBoot(), Boot: boot})
	return s, nil
}

// end cancels everything of the session and waits until it has ended.
func (s *session) end() {
	s.cancel()
	s.running.Wait()
}

// run steps inputs and carries out what they ask for, until the session ends. It
// returns nil if ctx ended, a *downtime, an errLog, or a violated invariant.
func (s *session) run() error {
	var timer *clock.Timer
	stop := func() {
		if timer != nil {
			timer.Stop()
		}
	}
	defer func() { stop() }()
	armed := agent.NoTimer
	for {
		if err := s.carryOut(); err != nil {
			return err
		}
		s.started = true
		if next := s.out.NextTimer; next != armed || timer == nil {
			stop()
			timer, armed = s.cfg.Clock.at(next), next
		}
		var due <-chan time.Time
		if timer != nil {
			due = timer.C
		}
		if s.waiting != nil {
			s.waiting(s.agent, s.open, s.out.NextTimer)
		}
		select {
		case <-s.ctx.Done():
			return nil
		case r := <-s.restarts:
			return &downtime{r}
		case <-s.refreshes:
			s.step(&agent.ProbesDeclared{Probes: s.cfg.Machine.Probes()})
			s.step(&agent.ClosureObserved{CurrentClosure: s.cfg.Machine.CurrentClosure(), NextBoot: s.cfg.Machine.NextBoot()})
		case r := <-s.inputs:
			s.take(r)
			s.takeMore()
		case <-due:
			timer = nil
			s.step(&agent.Timer{})
		}
		if s.cfg.CheckInvariants {
			if err := s.agent.Check(); err != nil {
				return fmt.Errorf("httpagent: %w", err)
			}
		}
	}
}

// takeMore takes the results that wait already.
func (s *session) takeMore() {
	for range maxBatch {
		select {
		case r := <-s.inputs:
			s.take(r)
		default:
			return
		}
	}
}

// take steps the end of a request or of an effect.
func (s *session) take(r result) {
	if r.last {
		s.open--
	}
	if r.exchange.Kind != 0 {
		s.logExchange(r.exchange)
	}
	s.step(r.in)
}

func (s *session) step(in agent.Input) { s.agent.Step(s.cfg.Clock.Now(), in, &s.out) }

// deliver hands a result to the session's goroutine, unless the session is over.
func (s *session) deliver(r result) {
	select {
	case s.inputs <- r:
	case <-s.ctx.Done():
	}
}
