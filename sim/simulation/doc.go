// Package simulation runs scenarios: a whole fleet in virtual time, with faults,
// under every checker. It puts together what the packages around it have, and is
// where to begin:
//
//	s, err := scenario.ParseScenario("fleet 3\nat 2m plane crash for=10s\n")
//	if err != nil {
//		return err // it names the line, and what would be right
//	}
//	verdict, err := simulation.Run(s, simulation.Options{})
//	if err != nil {
//		return err
//	}
//	if verdict.Failed() {
//		fmt.Println(verdict.Violation, verdict.Unmet)
//	}
//
// [Run] goes to the end, or up to a step. [New] makes a run that the caller steps
// itself, to look at the world in between; [DumpState] returns the whole state at
// a step. Whoever wants other events than [Options] offer subscribes to the world
// of a [Simulation] before its first step.
//
// The same scenario gives the same verdict, hash and all: in every process, with
// any number of processors, traced or not, with checkers or without, with
// documents as values or as bytes.
//
// It has no rules and no models of its own, writes to no file, and reads no clock.
//
// # The caller's duties
//
//  1. Use a simulation from one goroutine at a time. Different ones share nothing
//     and may run side by side.
//  2. Do not change a scenario while it runs.
//  3. Call Next no more once it has reported false.
package simulation
