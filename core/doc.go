// Package core is the root of the packages that decide everything: wire,
// rollout, gate, plane and agent. It holds no code itself, only the tests that
// keep those packages what they claim to be.
//
// # What core is
//
// A deterministic heart: reducers and admission as plain functions of their
// arguments. The same inputs give the same outputs, byte for byte, in the
// server, in the simulator, on every machine and in every run.
//
// # What core refuses to do
//
//   - It does no I/O: no files, no network, no logging, no printing.
//   - It has no clock and no time zone. Time comes in as an argument; only the
//     types and the arithmetic of package time are used.
//   - It has no goroutine, channel, select, lock or atomic. A caller that
//     shares a reducer guards it.
//   - It has no randomness. A seed comes in, or is derived from identifiers.
//   - It has no state outside of its values: package variables are tables that
//     nothing writes to.
//   - No iteration over a map reaches an output in the map's order.
//
// purity_test.go enforces all of it on the source, with types, and its own
// tests show that each rule bites. rooms_test.go enforces who may import whom.
//
// # The author's duties
//
//  1. An import that is new to core needs a line in the allow-list of
//     purity_test.go that says what it is good for.
//
//  2. Walk a map over its sorted keys:
//
//     for _, k := range slices.Sorted(maps.Keys(m)) {
//
//     or collect and sort in the next statement. Where the order truly cannot
//     be seen, say why on the line before or at its end:
//
//     // order-free: counts are summed
//     for _, n := range counts {
//
//  3. Make a new time.Time UTC at once: time.Unix(sec, nsec).UTC().
//
// # Glossary
//
//	reducer      a value with one method that changes it: Step
//	room         a package of the table of docs/architecture.md
//	order-free   the same whatever order a map is walked in
package core
