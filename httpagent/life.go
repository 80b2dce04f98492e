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

// life is an agent from a load of its log to its end. Its goroutine is the one
// that calls run; requests and effects have others, which ctx ends.
type life struct {
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

// begin makes the agent from what is durable and tells it that it has started.
// Nothing of what it wants is carried out yet.
func (d *Driver) begin(ctx context.Context, boot agent.Boot) (*life, error) {
	lines, err := d.cfg.Log.Load()
	if err != nil {
		return nil, fmt.Errorf("httpagent: %w cannot be loaded: %w", errLog, err)
	}
	a, err := agent.Restore(d.cfg.Agent, lines)
	if err != nil {
		return nil, fmt.Errorf("httpagent: the agent's log cannot be followed; put it back as it was, or move it away and the plane tells what it knows: %w", err)
	}
	d.size = len(lines)
	l := &life{
		Driver: d, agent: a,
		inputs:  make(chan result),
		probing: make(chan struct{}, maxProbes),
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	d.cfg.Observer.Changed(a)
	l.step(&agent.ProbesDeclared{Probes: d.cfg.Machine.Probes()})
	l.step(&agent.Started{CurrentClosure: d.cfg.Machine.CurrentClosure(), NextBoot: d.cfg.Machine.NextBoot(), Boot: boot})
	return l, nil
}

// end lets nothing of the life go on.
func (l *life) end() {
	l.cancel()
	l.running.Wait()
}

// run steps inputs and carries out what they ask for, until the life ends. It
// returns nil if ctx ended, a *downtime, an errLog, or a violated invariant.
func (l *life) run() error {
	var timer *clock.Timer
	stop := func() {
		if timer != nil {
			timer.Stop()
		}
	}
	defer func() { stop() }()
	armed := agent.NoTimer
	for {
		if err := l.carryOut(); err != nil {
			return err
		}
		l.started = true
		if next := l.out.NextTimer; next != armed || timer == nil {
			stop()
			timer, armed = l.cfg.Clock.at(next), next
		}
		var due <-chan time.Time
		if timer != nil {
			due = timer.C
		}
		if l.waiting != nil {
			l.waiting(l.agent, l.open, l.out.NextTimer)
		}
		select {
		case <-l.ctx.Done():
			return nil
		case r := <-l.restarts:
			return &downtime{r}
		case <-l.refreshes:
			l.step(&agent.ProbesDeclared{Probes: l.cfg.Machine.Probes()})
			l.step(&agent.ClosureObserved{CurrentClosure: l.cfg.Machine.CurrentClosure(), NextBoot: l.cfg.Machine.NextBoot()})
		case r := <-l.inputs:
			l.take(r)
			l.takeMore()
		case <-due:
			timer = nil
			l.step(&agent.Timer{})
		}
		if l.cfg.CheckInvariants {
			if err := l.agent.Check(); err != nil {
				return fmt.Errorf("httpagent: %w", err)
			}
		}
	}
}

// takeMore takes what waits already.
func (l *life) takeMore() {
	for range maxBatch {
		select {
		case r := <-l.inputs:
			l.take(r)
		default:
			return
		}
	}
}

// take steps the end of a request or of an effect.
func (l *life) take(r result) {
	if r.last {
		l.open--
	}
	if r.exchange.Kind != 0 {
		l.exchanged(r.exchange)
	}
	l.step(r.in)
}

func (l *life) step(in agent.Input) { l.agent.Step(l.cfg.Clock.Now(), in, &l.out) }

// deliver hands a result to the life's goroutine, unless the life is over.
func (l *life) deliver(r result) {
	select {
	case l.inputs <- r:
	case <-l.ctx.Done():
	}
}
