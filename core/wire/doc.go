// Package wire has every document of the agent protocol as a Go value: it
// reads them strictly, writes them canonically, and turns the outcome of a
// request into an HTTP answer, as data.
//
// It does no I/O, knows no clock and keeps no state. It refuses to guess: a
// body is read as what the protocol says or not at all.
//
// # Documents
//
// A document is a struct and a [Schema]: a table of its members in canonical
// order, each with its name and whether it may be missing. The one table
// serves reading and writing, so the two cannot disagree. Reading follows
// PROTOCOL T7 to T9 and T11:
//
//   - a body that is not JSON is a [*SyntaxError] (400), wherever in the body
//     it stops being JSON;
//   - JSON of another shape is a [*FieldError] (422) that names the member at
//     fault as the document spells it, for instance event.probes[2].mode;
//   - unknown members are ignored, so that an older plane reads a newer agent;
//   - a repeated member is refused, and so is one that differs from a known
//     one only in case: both would otherwise be silently lost;
//   - times are normalised to UTC, and so two spellings of an instant are
//     equal values.
//
// Writing is canonical: equal values give equal bytes, without white space,
// and what was written reads back to an equal value.
//
// Logs, states and recordings consist of such documents, one a line, each after
// a word that says what it is; [AppendLine] and [Lines] write and split them.
//
// # Outcomes
//
// An [Outcome] says what became of a request; [Outcome.Write] is the one place
// where it becomes status, headers and body. The real server and the simulator
// both call it.
//
// # The caller's duties
//
//  1. Reuse a [Decoder] for speed; never share one between goroutines.
//  2. Treat a document as garbage after an error.
//  3. Bound the size of a body before reading it; wire does not.
//
// # Glossary
//
//	member    one name and value of a JSON object
//	unset     the zero value of an optional member, which is left out
//	closure   the name of a build that a host runs
//	record    what is known of one (rollout, host) pair
//
// Stability: public (docs/architecture.md).
package wire
