// Package check holds runs to the rules of the protocol, and compares them with
// what their scenarios expect. docs/scenarios.md lists the rules; their text is in
// sim/scenario.
//
//   - Checkers S1 to S18 and INV judge at every step. Each is a consumer of events
//     that subscribes to the kinds it judges by and reports a violation to the
//     world. They share two models, which receive every event before they do: the
//     ledger, a copy of the plane's records and of what was decided about rollouts,
//     and the inbox, as somebody knows it who watches the plane's requests.
//   - [Rest] has the liveness rules L1 to L4. The world asks it once the scenario
//     is healed.
//   - The expectations of the scenario are counted, or looked at when their instant
//     comes. [Checks.Verdict] says which of them the run did not meet.
//
// A checker shares no code with what it judges: it states the rule once more. It
// changes nothing: a run has the same hash under any checkers. It knows nothing of
// faults but what an observer could see.
//
//	w, err := world.New(s, world.Options{Rest: check.Rest})
//	if err != nil {
//		return err
//	}
//	checks := check.Attach(w, nil) // before the first step; nil: every checker
//	w.Run(0)
//	verdict := checks.Verdict()
//
// Package sim does this. A rule of one's own needs no change here: its [Checker]
// subscribes to the events of [Checks].World and goes into sim.Options.Checkers
// beside [Checkers]; package sim has an example.
//
// # Adding a checker
//
// A rule in sim/scenario/rules.go, a constructor in [Checkers], and a bug in
// sim/sabotage that it has to notice: see CONTRIBUTING.md. wedge.go is the shortest.
//
//	func newRoom(s *Checks) {
//		c := &room{s.inbox()} // a shared model
//		s.on(world.EventAdmitted, c.admitted)
//	}
//
//	func (c *room) admitted(e *world.Event) { … e.Message … e.World.Violate("S7", …) }
//
// # Glossary
//
//	checker      what judges one numbered rule
//	ledger       the shared model of records, rollouts, quarantine and revocations
//	inbox        the shared model of requests at the plane
//	verdict      the result of a run, compared with its expectations
//	expectation  something that the scenario says the run has to show
//	unmet        an expectation that the run did not show
//	at rest      nothing is left to do, and plane and agents agree
//
// Stability: public (docs/architecture.md).
package check
