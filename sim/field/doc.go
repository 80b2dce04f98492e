// Package field is an agent of NixFleet v0.2 as a state machine: what a deployed
// agent does, with its timers and its defects, in virtual time. It follows none of
// PROTOCOL A.
//
// It takes the inputs and makes the outputs of package agent, so that the simulator
// drives both kinds alike; of an output it uses requests, effects and the next timer.
// What it keeps over a restart is its [Disk], and nothing else.
//
//   - Boot: one heartbeat whose answer is waited for, then at once another one, a poll
//     and a pass of the queue.
//   - Heartbeats every interval without jitter, never with a rollout; 5 s of pause after
//     one that failed.
//   - Every snapshot of every answer overwrites what it knows of the rollout, the number
//     of the last event included, and begins the probes anew.
//   - One poll is always open; it asks again at once after 204 and 200, after 5 s else,
//     and after a dispatch that is for another host.
//   - The queue is sent every 15 s and after each new event, in the order of numbers
//     whatever the rollout, and stops at the first answer that is not 2xx.
//   - Every 5 s it looks whether a rollout has soaked, or failed for 120 s.
//   - A deferred activation is reported to nobody. Instants of an activation are those
//     of its beginning. A rollback goes back one generation.
//
// It refuses to do anything about signed releases: it takes every dispatch for
// verified, and the failure policy from its configuration. Whatever a plane may not
// rely on is in docs/findings.md.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package field
