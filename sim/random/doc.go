// Package random is the simulator's only source of random numbers: streams that
// a seed, a purpose and a node determine. It is the same on every machine and
// with every version of Go. It reads no entropy and keeps no global state, and
// it is not for secrets.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package random
