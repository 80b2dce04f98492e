// Package fuzz has the native fuzz targets of the module: everything that
// reads bytes which a stranger may have sent, and worlds made of what anybody
// may have written.
//
// It refuses to know how a reader works. A target states what holds for all
// inputs, and where the standard library can judge the same input, it is the
// judge:
//
//   - a body is read or refused, and a refusal is one of the two that callers
//     know: not JSON, or the wrong shape (PROTOCOL T7);
//   - what the standard library takes for no JSON is never the wrong shape;
//   - what is read is written so that it reads back to the same;
//   - identifiers and times are accepted exactly when a second, independent
//     statement of their rule accepts them (PROTOCOL T9, T11);
//   - no bytes make the server fail: whatever comes with a good certificate is
//     answered below 500, and what was refused has changed nothing;
//   - no artifact verifies without a signature by a key of the trust file, and the
//     canonical form of a document is the one of RFC 8785, and its own form;
//   - a scenario is read or refused, and what is read is written so that it
//     reads back to the same;
//   - in a small world that runs a scenario, no checker's rule breaks.
//
// # Running
//
// The seeds in testdata/fuzz are inputs that once were of interest: one edge
// of one rule each, named after it. go test runs them all; so does CI.
// Searching for new ones takes one target at a time:
//
//	make fuzz FUZZTIME=10m
//	go test -run '^$' -fuzz '^FuzzEvent$' -fuzztime 10m ./fuzz
//
// The first search builds every package with counters, which takes about a minute.
// An input that reaches something new is minimized in five tries, so that searching
// goes on at once; -fuzzminimizetime changes that.
//
// A world that breaks a rule is printed, within the bounds of FuzzWorld, and
// written to a file that refrain sim run reads, in the test's artifact directory or
// in one of this run alone.
//
// # The caller's duties
//
//  1. Give an input that failed a name which says what it showed, and commit
//     it with the fix. It stays for good.
//  2. Do not weaken a property to make an input pass.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package fuzz
