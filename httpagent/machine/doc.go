// Package machine is a real NixOS host for the agent's driver: what the host runs, how
// a closure is fetched and switched to, how it goes back, and its probes.
//
// It decides nothing about rollouts (core/agent does). It decides one thing: whether
// a switch is kept. A switch is on trial until the host has reached a plane after it;
// otherwise the host goes back by itself, and needs nothing from the plane for that
// (decision 058).
//
// # A switch
//
//	fetch     the closure is realised from the configured caches, signatures checked,
//	          verified, and kept from the garbage collector together with what runs
//	contact   a plane is reached; until then nothing is switched
//	arm       the [Transition] is written to the state directory: from here on a crash
//	          ends with the previous system
//	launch    a process outside of the agent's control group takes over ([Run]); the
//	          agent waits for what the file says, also one that was restarted
//	try       switch-to-configuration test: the next boot still brings the old system
//	confirm   a new TLS connection to a plane within the deadline
//	commit    the system profile is set, switch-to-configuration boot
//	go back   otherwise: switch-to-configuration test of the previous system
//
// Where kernel, initrd or kernel modules differ from those that were booted, nothing
// is tried: profile and boot loader are set, the activation is deferred, and the trial
// is after the boot.
//
// While a transition has not ended, the host counts as running what it ran before:
// [Host.CurrentClosure] says so. So a restarted agent does not report a switch that
// may yet be undone.
//
// # Glossary
//
//	transition  one switch, from its arming to its end
//	runner      the process that carries out a transition
//	trial       the time from a switch to contact with a plane, or to the deadline
//	staged      set for the next boot, and not run yet
//
// Stability: private; other modules should not import it (docs/architecture.md).
package machine
