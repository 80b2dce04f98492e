// Package sabotage breaks worlds on purpose: for every checker it has bugs that
// the checker has to notice. A checker that was never seen to fire is not known to
// work. The tests of checkers and of shrinking use it, and nothing else does.
//
// A [Bug] names the rule that it breaks, and has a story, which is a scenario in
// which the bug shows, and a [Saboteur], which subscribes to events and changes
// the world when they come:
//
//	for _, bug := range sabotage.All() {
//		w, err := sim.New(bug.Story(), sim.Options{Rest: check.Rest})
//		...
//		bug.By().Attach(w) // before the checkers
//		check.Attach(w, nil)
//		w.Run(0) // w.Violation() is one of bug.Checker
//	}
//
// Every story passes every checker while no saboteur is attached. What a bug needs
// of a world that consumers do not is in [world.Tamper].
//
// Stability: private; other modules should not import it (docs/architecture.md).
package sabotage
