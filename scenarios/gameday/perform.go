package gameday

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// scheduled is something that is done at a time of the scenario.
type scheduled struct {
	at time.Duration
	do func(context.Context)
}

// perform does everything that the scenario has, each at its time, until the
// scenario is to be healed.
func (g *Game) perform(ctx context.Context, running *sync.WaitGroup) {
	s := &g.plan.scenario
	var list []scheduled
	for i := range s.Rollouts {
		list = append(list, scheduled{s.Rollouts[i].At, func(ctx context.Context) { g.open(ctx, &s.Rollouts[i]) }})
	}
	for _, a := range g.plan.acts {
		list = append(list, scheduled{a.At, func(ctx context.Context) { g.act(ctx, a) }})
	}
	for _, f := range g.plan.faults {
		list = append(list, scheduled{f.At, func(ctx context.Context) { g.inject(ctx, f) }})
	}
	slices.SortStableFunc(list, func(a, b scheduled) int { return cmp.Compare(a.at, b.at) })
	active, over := context.WithTimeout(ctx, time.Until(g.began.Add(g.plan.real(s.Active))))
	defer over()
	var acting sync.WaitGroup
	for _, next := range list {
		sleep(active, time.Until(g.began.Add(g.plan.real(next.at))))
		if active.Err() != nil {
			break
		}
		acting.Go(func() { next.do(active) })
	}
	<-active.Done()
	acting.Wait()
}

// heal ends the faults that are still in force: the plane is up, with its own
// capacity.
func (g *Game) heal(ctx context.Context) {
	g.mu.Lock()
	g.healed = true
	g.mu.Unlock()
	if ctx.Err() == nil {
		if err := g.process.up(ctx, 0); err != nil {
			g.addViolation("gameday", fmt.Sprintf("the plane does not start: %v", err))
		}
	}
	g.progress("healed: no fault is in force from here on")
}

// act does an act of the operator.
func (g *Game) act(ctx context.Context, a scenario.Act) {
	g.progress("operator: %v", a)
	var path string
	var body []byte
	switch a.Kind {
	case scenario.ActResume:
		path = "/v1/operator/rollouts/" + url.PathEscape(string(a.Rollout)) + "/resume"
		g.mu.Lock()
		g.resumed[a.Rollout] = true
		g.mu.Unlock()
	case scenario.ActChoose:
		path = "/v1/operator/rollouts/" + url.PathEscape(string(a.Rollout)) + "/choose"
	case scenario.ActOpen:
		manifest := g.plan.scenario.Other(&a)
		path, body = "/v1/operator/rollouts", manifest.AppendJSON(nil)
	case scenario.ActClear:
		path = "/v1/operator/quarantine/clear"
		body = wire.QuarantineEntrySchema.Append(nil, &wire.QuarantineEntry{Channel: a.Channel, Closure: a.Closure})
	case scenario.ActRevoke:
		path = "/v1/operator/revocations"
		name := wire.CommonName("agent-" + string(scenario.HostName(a.Hosts.First)) + "." + suffix)
		// The operator knows that there is the host, whether the plane has heard of it or not.
		body = wire.RevocationRequestSchema.Append(nil, &wire.RevocationRequest{CommonName: name, Force: true})
	}
	status, answer, err := g.asks.postUntilAnswered(ctx, path, body)
	if err != nil {
		return
	}
	if status >= 300 {
		g.progress("operator: %v is answered %d %s", a, status, answer)
	}
	if a.Kind == scenario.ActRevoke && a.For > 0 {
		// A certificate's NotBefore has whole seconds, and has to be after the
		// revocation.
		sleep(ctx, max(g.plan.real(a.For), 1100*time.Millisecond))
		for _, h := range g.hostsOf(a.Hosts) {
			if err := h.issue(); err != nil {
				g.addViolation("gameday", err.Error())
			}
		}
	}
}

// Injection is a fault that was injected, and what the hosts were answered
// meanwhile.
type Injection struct {
	// Fault is its line.
	Fault string `json:"fault"`
	// Expected are the answers by which the fault shows, Seen how often each
	// was seen while it was in force and a little longer.
	Expected []string       `json:"expected"`
	Seen     map[string]int `json:"seen"`
	open     bool
}

// count counts an answer, if it is one of the expected ones.
func (s *Injection) count(a answer) {
	if word := cmp.Or(a.reason, a.words()); s.open && slices.Contains(s.Expected, word) {
		s.Seen[word]++
	}
}

// inject injects a fault and returns after its end.
func (g *Game) inject(ctx context.Context, f scenario.Fault) {
	injector := injectors[f.Kind]
	record := &Injection{Fault: f.String(), Expected: injector.answers, Seen: map[string]int{}, open: true}
	g.mu.Lock()
	g.injections = append(g.injections, record)
	g.mu.Unlock()
	g.progress("fault   %v", f)
	if err := injector.apply(ctx, g, f); err != nil && ctx.Err() == nil {
		g.addViolation("gameday", fmt.Sprintf("%v: %v", f, err))
	}
	if !f.Kind.Instant() || f.For > 0 {
		g.progress("over    %v", f)
	}
	// The last request that was hit ends a client timeout later.
	linger, stop := context.WithTimeout(context.WithoutCancel(ctx), g.plan.real(agent.DefaultRequestTimeout))
	defer stop()
	sleep(linger, g.plan.real(agent.DefaultRequestTimeout))
	g.mu.Lock()
	record.open = false
	g.mu.Unlock()
}

// bringUp starts the plane again, and checks it before any host connects: what
// the agents send again would soon hide what a crash has lost.
func (g *Game) bringUp(ctx context.Context) error {
	for _, h := range g.hosts {
		h.link.block(scenario.Both, 1)
		defer h.link.block(scenario.Both, -1)
	}
	if err := g.process.up(ctx, 0); err != nil {
		return err
	}
	g.watcher.lookAll(ctx)
	return nil
}

// from returns a filter for the inputs of hosts.
func (g *Game) from(hosts scenario.Hosts) func(plane.Input) bool {
	names := map[wire.Hostname]bool{}
	for _, h := range g.hostsOf(hosts) {
		names[h.name] = true
	}
	return func(in plane.Input) bool {
		switch in := in.(type) {
		case *plane.Heartbeat:
			return names[in.Request.Hostname]
		case *plane.Event:
			return names[in.Envelope.Hostname]
		case *plane.Poll:
			return names[in.Hostname]
		default:
			return false
		}
	}
}

// probe sends a request to the ops listener and returns the status; 0 if there
// is no answer.
func (g *Game) probe(ctx context.Context, path string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.process.opsURL()+path, nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
