// Package generate draws scenarios from seeds. A [Profile] says how large they
// are and what goes wrong in them; the same seed and profile give the same
// scenario, in every process.
//
// It runs nothing, and draws from no other source than the stream of the seed
// and the profile's name. A draw more anywhere changes what every seed gives:
// a seed means something for one commit only, and a scenario that is to be kept
// is kept as text.
//
// Stability: public (docs/architecture.md).
package generate
