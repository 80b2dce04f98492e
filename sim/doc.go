// Package sim runs whole fleets in virtual time: hosts, a network, an operator and
// the control plane, with faults, under every checker. The plane and the agents
// are those that production runs; what surrounds them is modelled. This package
// puts together what the packages below it have, and is where to begin:
//
//	s, err := scenario.ParseScenario("fleet 3\nat 2m plane crash for=10s\n")
//	if err != nil {
//		return err // it names the line, and what would be right
//	}
//	verdict, err := sim.Run(s, sim.Options{})
//	if err != nil {
//		return err
//	}
//	if verdict.Failed() {
//		fmt.Println(verdict.Violation, verdict.Unmet)
//	}
//
// # From a test
//
// Each of these has an example that runs (example_test.go):
//
//	run a scenario and look at its end          Example, Run
//	stop in between and look at the world       New
//	a property of scenarios that seeds draw     Example (Property)
//	a checker of one's own                      Example (Checker)
//	a failing seed as a test                    Example (FailingSeed)
//	two runs compared                           Example (Compare)
//	the plane's reducer alone, driven by hand   package core/plane, Example
//
// [Run] goes to the end, or up to a step. [New] makes a run that the caller steps
// itself; [DumpState] returns the whole state at a step. For other events than
// [Options] offer, subscribe to the world of a [Simulation] before its first step.
//
// A test that fails should print the scenario and the seed. What a seed draws holds
// for one commit; the scenario's text ([scenario.Scenario.String]) can be kept in a
// file, which refrain sim run, sim shrink and [scenario.ParseFile] read.
//
// # What is the same
//
// The same scenario gives the same verdict, hash and all: in every process, with
// any number of processors, traced or not, with checkers or without, with
// documents as values or as bytes.
//
// It has no rules and no models of its own, opens no file, and reads no clock.
//
// # Where things are
//
//	sim/scenario  what can be simulated: the language of scenarios, its words
//	sim/generate  scenarios drawn from seeds
//	sim/world     what happens: virtual time, fleet, plane, network, faults, events
//	sim/check     whether it is right: checkers, expectations, the verdict
//	sim/record    what is written down: traces, recordings, tapes, the witness
//	sim/search    many runs, the smallest scenario that fails, where two runs part
//	sim/picture   a recording as a page
//	sim/sabotage  bugs that the checkers have to notice; for tests
//	sim/repro     the command that makes a run again
//	sim/random    streams of random numbers
//
// A package imports only packages that stand above it in docs/architecture.md;
// core/rooms_test.go verifies that.
//
// # The caller's duties
//
//  1. Use a simulation from one goroutine at a time. Different ones share nothing
//     and may run side by side.
//  2. Do not change a scenario while it runs.
//  3. Call Next no more once it has reported false.
//
// # Glossary
//
//	scenario    fleet, models, rollouts, acts, faults, expectations and seed
//	run         what happens when a scenario is simulated
//	simulation  a world, and those who judge it and write it down
//	verdict     how a run ended, and what it did not show of what was expected
//	hash        a number that is equal for equal runs
//
// Stability: public (docs/architecture.md).
package sim
