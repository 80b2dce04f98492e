package gameday

import (
	"context"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// injector injects faults of a kind.
type injector struct {
	// answers are those by which hosts notice it.
	answers []string
	// apply applies a fault, and reverts it at its end.
	apply func(context.Context, *Game, scenario.Fault) error
}

// injectors has every kind that a gameday plays.
var injectors = map[scenario.FaultKind]injector{
	scenario.ReducerWedge: {[]string{"timeout", "nothing"}, inLoop(func(*Game, scenario.Fault) httpserver.Fault {
		return httpserver.Fault{Kind: httpserver.Wedge}
	})},
	scenario.ReducerSlow: {[]string{"timeout", "saturated", "nothing"}, inLoop(func(g *Game, f scenario.Fault) httpserver.Fault {
		return httpserver.Fault{Kind: httpserver.Delay, For: g.plan.real(f.Each)}
	})},
	scenario.ReplyDrop: {[]string{"dropped_reply"}, inLoop(func(g *Game, f scenario.Fault) httpserver.Fault {
		return httpserver.Fault{Kind: httpserver.Drop, At: dropPoint(f), Count: f.Count, Match: g.from(f.Hosts)}
	})},
	scenario.GateCapacity: {[]string{"saturated", "nothing"}, changeCapacity},
	scenario.PlaneRestart: {[]string{"closed", "not_started", "nothing"}, restartPlane},
	scenario.PlaneCrash:   {[]string{"nothing", "not_started"}, crashPlane},
	scenario.PlaneWipe:    {[]string{"nothing", "not_started"}, crashPlane},
	scenario.PlaneLate:    {[]string{"not_started", "nothing"}, delayStart},
	scenario.DiskSlow: {[]string{"timeout"}, onDisk(
		func(g *Game, f scenario.Fault, d *disk) { d.slow += g.plan.real(f.Each) },
		func(g *Game, f scenario.Fault, d *disk) { d.slow -= g.plan.real(f.Each) })},
	scenario.DiskFail: {[]string{"dropped_reply", "not_started"}, onDisk(
		func(_ *Game, f scenario.Fault, d *disk) {
			d.fails, d.failing = d.fails+f.Count, d.failing || f.Count == 0
		},
		func(_ *Game, f scenario.Fault, d *disk) {
			if f.Count > 0 {
				d.fails = 0
			} else {
				d.failing = false
			}
		})},

	scenario.NetPartition: {[]string{"nothing"}, onHosts(
		func(_ *Game, f scenario.Fault, h *host) { h.link.block(f.Dir, 1) },
		func(_ *Game, f scenario.Fault, h *host) { h.link.block(f.Dir, -1) })},
	scenario.NetDelay: {nil, onLinks(
		func(g *Game, f scenario.Fault, l *link) { l.delay += g.plan.real(f.Each) },
		func(g *Game, f scenario.Fault, l *link) { l.delay -= g.plan.real(f.Each) })},
	scenario.NetDrop: {[]string{"nothing"}, onLinks(
		func(_ *Game, f scenario.Fault, l *link) { l.cut += f.Rate },
		func(_ *Game, f scenario.Fault, l *link) { l.cut -= f.Rate })},
	scenario.NetReset: {[]string{"nothing"}, onLinks(
		func(_ *Game, f scenario.Fault, l *link) { l.resets[resetWay(f)] = max(f.Count, 1) },
		func(_ *Game, f scenario.Fault, l *link) { l.resets[resetWay(f)] = 0 })},

	scenario.AgentCrash: {nil, func(_ context.Context, g *Game, f scenario.Fault) error {
		for _, h := range g.hostsOf(f.Hosts) {
			h.restart(agent.ProcessStart, f.For)
		}
		return nil
	}},
	scenario.HostReboot: {nil, func(_ context.Context, g *Game, f scenario.Fault) error {
		for _, h := range g.hostsOf(f.Hosts) {
			h.restart(agent.Reboot, f.For)
		}
		return nil
	}},
	scenario.AgentAmnesia: {nil, func(ctx context.Context, g *Game, f scenario.Fault) error {
		for _, h := range g.hostsOf(f.Hosts) {
			if err := h.forget(context.WithoutCancel(ctx), f.For); err != nil {
				return err
			}
		}
		return nil
	}},
	scenario.ProbeFail: {nil, onHosts(
		func(_ *Game, _ scenario.Fault, h *host) { h.script(func(h *host) { h.failing++ }) },
		func(_ *Game, _ scenario.Fault, h *host) { h.script(func(h *host) { h.failing-- }) })},
	scenario.ActivationFail:  {nil, activations(agent.ActivationFailed)},
	scenario.ActivationDefer: {nil, activations(agent.ActivationDeferred)},
}

// hold waits while a fault is in force.
func (g *Game) hold(ctx context.Context, f scenario.Fault) {
	if f.For > 0 {
		sleep(ctx, g.plan.real(f.For))
		return
	}
	<-ctx.Done() // until the scenario is healed
}

// inLoop injects a fault of the server's loop while it lasts. One that has a
// count and no end lasts until the count is used up.
func inLoop(of func(*Game, scenario.Fault) httpserver.Fault) func(context.Context, *Game, scenario.Fault) error {
	return func(ctx context.Context, g *Game, f scenario.Fault) error {
		rule := g.process.faults.Install(of(g, f))
		defer rule.Lift()
		if f.For > 0 || f.Count == 0 {
			g.hold(ctx, f)
			return nil
		}
		for rule.Hits() < f.Count && ctx.Err() == nil {
			sleep(ctx, 20*time.Millisecond)
		}
		return nil
	}
}

func dropPoint(f scenario.Fault) httpserver.FaultPoint {
	if f.After {
		return httpserver.BeforeReply
	}
	return httpserver.BeforeStep
}

// crashPlane kills the plane's process, and wipes its disk if the fault does.
func crashPlane(ctx context.Context, g *Game, f scenario.Fault) error {
	if err := g.process.crash(f.Kind == scenario.PlaneWipe); err != nil {
		return err
	}
	sleep(ctx, g.plan.real(f.For))
	return g.bringUp(context.WithoutCancel(ctx))
}

// restartPlane shuts the plane down in good order.
func restartPlane(ctx context.Context, g *Game, f scenario.Fault) error {
	if err := g.process.stop(context.WithoutCancel(ctx)); err != nil {
		g.progress("the shutdown failed: %v", err)
	}
	sleep(ctx, g.plan.real(f.For))
	return g.bringUp(context.WithoutCancel(ctx))
}

// delayStart starts the plane again, which then takes its time to load its log.
func delayStart(ctx context.Context, g *Game, f scenario.Fault) error {
	if err := g.process.crash(false); err != nil {
		return err
	}
	return g.process.up(ctx, g.plan.real(f.For))
}

// changeCapacity restarts the plane with another inbox capacity, and with its
// own when the fault ends.
func changeCapacity(ctx context.Context, g *Game, f scenario.Fault) error {
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

// onDisk changes the plane's disk while the fault lasts.
func onDisk(begin, end func(*Game, scenario.Fault, *disk)) func(context.Context, *Game, scenario.Fault) error {
	return func(ctx context.Context, g *Game, f scenario.Fault) error {
		g.process.setDisk(func(d *disk) { begin(g, f, d) })
		g.hold(ctx, f)
		g.process.setDisk(func(d *disk) { end(g, f, d) })
		return nil
	}
}

// onHosts changes hosts while the fault lasts.
func onHosts(begin, end func(*Game, scenario.Fault, *host)) func(context.Context, *Game, scenario.Fault) error {
	return func(ctx context.Context, g *Game, f scenario.Fault) error {
		hosts := g.hostsOf(f.Hosts)
		for _, h := range hosts {
			begin(g, f, h)
		}
		g.hold(ctx, f)
		for _, h := range hosts {
			end(g, f, h)
		}
		return nil
	}
}

// onLinks changes the links of hosts while the fault lasts.
func onLinks(begin, end func(*Game, scenario.Fault, *link)) func(context.Context, *Game, scenario.Fault) error {
	return onHosts(
		func(g *Game, f scenario.Fault, h *host) { h.link.set(func(l *link) { begin(g, f, l) }) },
		func(g *Game, f scenario.Fault, h *host) { h.link.set(func(l *link) { end(g, f, l) }) })
}

// resetWay is where connections are reset.
func resetWay(f scenario.Fault) int {
	if f.After {
		return down
	}
	return up
}

// activations have activations end with a result while the fault lasts.
func activations(result agent.ActivationResult) func(context.Context, *Game, scenario.Fault) error {
	return onHosts(
		func(_ *Game, _ scenario.Fault, h *host) {
			h.script(func(h *host) { h.results = append(h.results, result) })
		},
		func(_ *Game, _ scenario.Fault, h *host) {
			h.script(func(h *host) { h.results = h.results[:len(h.results)-1] })
		})
}
