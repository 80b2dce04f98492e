// Package mutants asks whether the harness bites. It plants bugs into the
// source, one at a time, and looks who notices: the search of the simulator,
// the corpus of scenarios, the property suites, conformance with the real
// server, or only the tests of the package that was changed.
//
// A [Mutant] is a file of testdata: what it imitates, and which lines of which
// file are replaced by which. Nothing of it is ever in the shipped code. The
// changed text is handed to the Go tool by its -overlay flag, so the source
// tree stays as it is, and many mutants can be built at the same time.
//
// [Run] makes the [Scorecard]. For each mutant:
//
//  1. The lines to be replaced have to occur exactly once, else it is stale.
//  2. If the simulator runs the changed package, the program in the directory
//     hunt is built with the mutant and searches from several first seeds.
//  3. If no run broke a rule, the suites of tests follow, one after the other.
//
// The first that notices has caught it. Building is most of the cost, which is
// why hunt links little but the simulator, and why tests are built only for
// what it did not see.
//
// The same search runs once without any mutant. It must see nothing, or the
// scorecard would count bugs of the source as catches.
//
// The package refuses to change the source, to draw random bugs (a mutant says
// what it imitates, or nobody can learn from one that survives), and to let a
// catch by a later layer than the expected one pass as good.
//
// Glossary. Family: deployed mutants have a defect of the design that is in
// use today, slips are what anybody may type. Layer: one part of the harness.
// Start: a first seed from which a search begins. Run: one seed in one profile.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package mutants
