// Package gameday plays a scenario for real: a server on a listener, with its
// database, and a host's agent for each host of the fleet, over mutual TLS on
// the loopback, while the scenario's faults strike. Time is the real clock's,
// run faster by a whole factor.
//
// It looks at everything from outside, as an operator does: at the answers that
// the agents get, at the operators' routes, at the probes and metrics of the ops
// listener. It knows nothing of the server's memory, and judges by no code of
// the simulator's.
//
// It refuses to be reproducible. The same file gives the same faults at about
// the same times, and whatever the machine, its scheduler and its disk make of
// them; what has to be so whatever they make is judged, and what was expected
// and did not come is shown as not seen. A fault that cannot be played is named
// with the reason and left out, never skipped silently.
package gameday
