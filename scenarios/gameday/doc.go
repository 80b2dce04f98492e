// Package gameday plays a scenario with real processes: a server on a listener,
// with its database, and an agent for each host of the fleet, over mutual TLS
// on the loopback, while the scenario's faults are injected. Time is the real
// clock's, run faster by a whole factor.
//
// It observes from outside, as an operator does: the answers that the agents
// get, the operators' routes, the probes and metrics of the ops listener. It
// does not read the server's memory, and judges by no code of the simulator.
//
// It is not reproducible. The same file gives the same faults at about the same
// times, and the rest depends on the machine, its scheduler and its disk. What
// has to hold in any case is judged; what was expected and did not happen is
// shown as not seen. A fault that cannot be played is reported with the reason,
// never skipped silently.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package gameday
