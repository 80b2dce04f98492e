// Package repro writes how a run is made again: the command, and the build for
// which it holds. Every report of a failure ends with such a line.
//
//	fmt.Println(repro.Again(repro.RunSeed(7, "storm")))
//	// refrain sim run --seed 7 --profile storm  # build 0123456789ab go1.26 linux/amd64
//
// It runs no scenario. Without a commit a build is named by the hash of its binary.
// It starts one process, git, and that only in tests: the
// compiler leaves the commit in a binary, but not in a test binary.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package repro
