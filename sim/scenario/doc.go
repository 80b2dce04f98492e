// Package scenario is the scenario language: what a run of the simulator
// depends on, as values and as text. It parses, prints, formats, validates and
// fills in defaults. docs/scenarios.md is the reference for people; its tables
// are generated from the tables of this package.
//
// A [Scenario] is a fleet, the models of plane and network, rollouts, what an
// operator does ([Act]), what goes wrong ([Fault]), what the run has to show
// ([Expect]) and the seed. The same scenario gives the same run.
//
// The package has no world in it: it runs nothing, reads no clock and does no
// I/O. It imports the reducers for three reasons only: their own validation
// judges the sizes that a scenario gives them, their words are words of the
// language, and a scenario may begin with a state that a plane has written
// ([Start]). The world implements what a scenario says; the words for what may
// happen in a run ([Effect]) and for the rules that runs are held to ([Rule])
// are here, since expectations name them.
//
// # Text
//
//	f, err := scenario.ParseFile(name, text)
//	if err != nil {
//		return err // SyntaxErrors: every wrong line, with its column
//	}
//	fmt.Print(f)                   // canonical form, comments kept
//	fmt.Print(f.Scenario.Brief())  // without defaults, for people
//	fmt.Print(f.Scenario.String()) // with all defaults, to keep
//
// All three read back to a scenario that runs to the same hash. A line is
// parsed into a part of the scenario; its settings are rows of a table with a
// key, an example, a printer and a parser.
//
// # The caller's duties
//
//  1. Call [Scenario.Filled] before [Scenario.Validate], and before reading a
//     field that has a default.
//  2. Treat a scenario as a value. Its slices are shared between copies:
//     [Scenario.Clone] before changing them.
//  3. Keep the printed text, not a seed, for longer than a day: which scenario
//     a seed draws belongs to the commit.
//
// # Adding a kind of fault
//
// A constant and a row of the table in faultkind.go: its words, the fields that
// it needs and takes, what it is, and how a profile draws it. Parsing, printing,
// validation, drawing, shrinking and the reference follow from the row. What it
// does is the world's; if that is a new effect, effect.go has a row for it.
//
// # Glossary
//
//	act          something that an operator does, besides opening rollouts
//	active       the first part of a run, in which faults come and go
//	converge     the time that the fleet has after it to come to rest
//	default      what a setting is when a scenario does not give it
//	effect       something that really happened in a run, in words
//	expectation  something that a run has to show besides keeping the rules
//	field        one key=value of a fault
//	form         how a line of a kind is written
//	part         a piece of a scenario that has a line of its own
//	route        which kind of request: heartbeat, event, poll, operator, garbage
//	rule         what a checker holds runs to, by number
//	setting      one key=value of any other line
//	start        what the plane has on its disk when a run begins
//	unknown      of an act: it names on purpose what the scenario does not have
//
// Stability: public (docs/architecture.md).
package scenario
