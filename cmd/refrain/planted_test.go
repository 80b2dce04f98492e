package main

import (
	"fmt"
	"os"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/world"
)

// mainWithABug is refrain with a bug in every simulated run, which PLANT names.
// A bug "second-…" is only in a second process, which a search gives GOMAXPROCS.
func mainWithABug() {
	bug := os.Getenv("PLANT")
	second := os.Getenv("GOMAXPROCS") != ""
	switch {
	case bug == "no-second":
		secondFile = func() (string, error) { return "/nowhere/refrain", nil }
	case bug == "endless":
		planted = plantAt(30, func(*world.World) {
			for { // never yields
			}
		})
	case bug == "violation":
		planted = plantAt(30, func(w *world.World) { w.Violate("S0", "made up") })
	case bug == "never-crashes": // so the probe is never hit
		planted = func(o sim.Options) sim.Options { o.Until = 1; return o }
	case !second:
	case bug == "second-violates":
		planted = plantAt(30, func(w *world.World) { w.Violate("S0", "made up") })
	case bug == "second-dies":
		planted = plantAt(30, func(*world.World) {
			fmt.Fprintln(os.Stderr, "out of luck")
			os.Exit(7)
		})
	case bug == "second-differs":
		planted = func(o sim.Options) sim.Options { o.Until = 30; return o }
	case bug == "second-does-not-end":
		planted = plantAt(30, func(*world.World) {
			for {
			}
		})
	}
	main()
}

// plantAt has something happen after a step of every run.
func plantAt(step uint64, do func(*world.World)) func(sim.Options) sim.Options {
	return func(o sim.Options) sim.Options {
		o.Checkers = append(check.Checkers(), check.Checker{Number: "S0", New: func(c *check.Checks) {
			c.World.Subscribe(world.EventStepEnded, func(e *world.Event) {
				if e.Step == step {
					do(e.World)
				}
			})
		}})
		return o
	}
}
