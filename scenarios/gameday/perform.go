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
	"github.com/refrain-fleet/refrain/httpserver"
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
	for _, a := range s.Acts {
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
	case scenario.ActClear:
		path = "/v1/operator/quarantine/clear"
		body = wire.QuarantineEntrySchema.Append(nil, &wire.QuarantineEntry{Channel: a.Channel, Closure: a.Closure})
	case scenario.ActRevoke:
		path = "/v1/operator/revocations"
		name := wire.CommonName("agent-" + string(scenario.HostName(a.Hosts.First)) + "." + suffix)
		body = wire.RevocationSchema.Append(nil, &wire.Revocation{CommonName: name})
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

// known are the answers by which hosts notice a fault.
var known = map[scenario.FaultKind][]string{
	scenario.ReducerWedge: {"timeout", "nothing"}, scenario.ReducerSlow: {"timeout", "saturated", "nothing"}, scenario.ReplyDrop: {"dropped_reply"},
	scenario.GateCapacity: {"saturated", "nothing"}, scenario.PlaneRestart: {"closed", "not_started", "nothing"},
	scenario.PlaneCrash: {"nothing", "not_started"}, scenario.PlaneWipe: {"nothing", "not_started"}, scenario.PlaneLate: {"not_started", "nothing"},
	scenario.DiskSlow: {"timeout"}, scenario.DiskFail: {"dropped_reply", "not_started"},
	scenario.NetDrop: {"nothing"}, scenario.NetPartition: {"nothing"}, scenario.NetReset: {"nothing"},
}

// inject injects a fault and returns after its end.
func (g *Game) inject(ctx context.Context, f scenario.Fault) {
	record := &Injection{Fault: f.String(), Expected: known[f.Kind], Seen: map[string]int{}, open: true}
	g.mu.Lock()
	g.injections = append(g.injections, record)
	g.mu.Unlock()
	g.progress("fault   %v", f)
	if err := g.apply(ctx, f); err != nil && ctx.Err() == nil {
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

// hold waits while a fault is in force.
func (g *Game) hold(ctx context.Context, f scenario.Fault) {
	if f.For > 0 {
		sleep(ctx, g.plan.real(f.For))
		return
	}
	<-ctx.Done() // until the scenario is healed
}

// apply applies a fault and reverts it at its end.
func (g *Game) apply(ctx context.Context, f scenario.Fault) error {
	p := g.process
	each := g.plan.real(f.Each)
	switch f.Kind {
	case scenario.ReducerWedge:
		g.loopFault(ctx, f, httpserver.Fault{Kind: httpserver.Wedge})
	case scenario.ReducerSlow:
		g.loopFault(ctx, f, httpserver.Fault{Kind: httpserver.Delay, For: each})
	case scenario.ReplyDrop:
		g.loopFault(ctx, f, httpserver.Fault{Kind: httpserver.Drop, At: dropPoint(f), Count: f.Count, Match: g.from(f.Hosts)})
	case scenario.PlaneCrash, scenario.PlaneWipe:
		if err := p.crash(f.Kind == scenario.PlaneWipe); err != nil {
			return err
		}
		sleep(ctx, g.plan.real(f.For))
		return g.bringUp(context.WithoutCancel(ctx))
	case scenario.PlaneRestart:
		if err := p.stop(context.WithoutCancel(ctx)); err != nil {
			g.progress("the shutdown failed: %v", err)
		}
		sleep(ctx, g.plan.real(f.For))
		return g.bringUp(context.WithoutCancel(ctx))
	case scenario.PlaneLate:
		if err := p.crash(false); err != nil {
			return err
		}
		return p.up(ctx, g.plan.real(f.For))
	case scenario.GateCapacity:
		return g.changeCapacity(ctx, f)
	case scenario.DiskSlow:
		p.setDisk(func(d *disk) { d.slow += each })
		g.hold(ctx, f)
		p.setDisk(func(d *disk) { d.slow -= each })
	case scenario.DiskFail:
		if f.Count > 0 {
			p.setDisk(func(d *disk) { d.fails += f.Count })
			g.hold(ctx, f)
			p.setDisk(func(d *disk) { d.fails = 0 })
			return nil
		}
		p.setDisk(func(d *disk) { d.failing = true })
		g.hold(ctx, f)
		p.setDisk(func(d *disk) { d.failing = false })
	default:
		return g.applyToHosts(ctx, f, each)
	}
	return nil
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

func dropPoint(f scenario.Fault) httpserver.FaultPoint {
	if f.After {
		return httpserver.BeforeReply
	}
	return httpserver.BeforeStep
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

// loopFault installs a fault of the server's loop while it lasts. One that has
// a count and no end lasts until the count is used up.
func (g *Game) loopFault(ctx context.Context, f scenario.Fault, fault httpserver.Fault) {
	rule := g.process.faults.Install(fault)
	defer rule.Lift()
	if f.For > 0 || f.Count == 0 {
		g.hold(ctx, f)
		return
	}
	for rule.Hits() < f.Count && ctx.Err() == nil {
		sleep(ctx, 20*time.Millisecond)
	}
}

// changeCapacity restarts the plane with another inbox capacity, and with its
// own when the fault ends.
func (g *Game) changeCapacity(ctx context.Context, f scenario.Fault) error {
	again := func(size int) error {
		if err := g.process.crash(false); err != nil {
			return err
		}
		g.process.mu.Lock()
		g.process.capacity = size
		g.process.mu.Unlock()
		return g.bringUp(context.WithoutCancel(ctx))
	}
	if err := again(f.Size); err != nil {
		return err
	}
	g.hold(ctx, f)
	return again(g.plan.scenario.Plane.Capacity)
}

// applyToHosts applies faults of links and hosts.
func (g *Game) applyToHosts(ctx context.Context, f scenario.Fault, each time.Duration) error {
	hosts := g.hostsOf(f.Hosts)
	during := func(begin, end func(*host)) {
		for _, h := range hosts {
			begin(h)
		}
		g.hold(ctx, f)
		for _, h := range hosts {
			end(h)
		}
	}
	links := func(begin, end func(*link)) {
		during(func(h *host) { h.link.set(begin) }, func(h *host) { h.link.set(end) })
	}
	switch f.Kind {
	case scenario.NetPartition:
		during(func(h *host) { h.link.block(f.Dir, 1) }, func(h *host) { h.link.block(f.Dir, -1) })
	case scenario.NetDelay:
		links(func(l *link) { l.delay += each }, func(l *link) { l.delay -= each })
	case scenario.NetDrop:
		links(func(l *link) { l.cut += f.Rate }, func(l *link) { l.cut -= f.Rate })
	case scenario.NetReset:
		way, count := up, max(f.Count, 1)
		if f.After {
			way = down
		}
		links(func(l *link) { l.resets[way] = count }, func(l *link) { l.resets[way] = 0 })
	case scenario.AgentCrash, scenario.HostReboot:
		boot := agent.ProcessStart
		if f.Kind == scenario.HostReboot {
			boot = agent.Reboot
		}
		for _, h := range hosts {
			h.restart(boot, f.For)
		}
	case scenario.AgentAmnesia:
		for _, h := range hosts {
			if err := h.forget(context.WithoutCancel(ctx), f.For); err != nil {
				return err
			}
		}
	case scenario.ProbeFail:
		during(func(h *host) { h.script(func(h *host) { h.failing++ }) }, func(h *host) { h.script(func(h *host) { h.failing-- }) })
	case scenario.ActivationFail, scenario.ActivationDefer:
		result := agent.ActivationFailed
		if f.Kind == scenario.ActivationDefer {
			result = agent.ActivationDeferred
		}
		during(func(h *host) { h.script(func(h *host) { h.results = append(h.results, result) }) },
			func(h *host) { h.script(func(h *host) { h.results = h.results[:len(h.results)-1] }) })
	default:
		return fmt.Errorf("a %v is neither played nor left out", f.Kind)
	}
	return nil
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
