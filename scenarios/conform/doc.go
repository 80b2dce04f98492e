// Package conform asks whether the simulator lies. It takes the tape of a run
// (record.Tape: the requests that reached the plane, and what the gate, the loop,
// the disk and the process did) and makes a real server do the same: the real router,
// TLS 1.3 with a client certificate for each host, connections over the loopback,
// the real loop, and a clock that stands until the tape says otherwise. Every
// answer and the plane's canonical state have to be those of the simulator.
//
// It decides nothing about what is right: of a difference it says what both did.
// It sends what is on the tape and nothing else, reads no clock but to give up,
// and never sleeps to wait for the server: it waits until the server has come to
// where the tape says it comes.
//
// # How a tape is played
//
// The server runs with [httpserver.Faults] that hold everybody at every point of
// an input's way: before the gate, after it, the loop before a batch, a step, a
// reply, and after a batch; the store holds the loop in every commit and load. So
// the server is a set of stopped goroutines. A step of the tape says who goes on
// next, and the player waits until that one has stopped again. Virtual time moves
// only between steps, when everybody stands still.
//
//	tape, err := record.NewTape(s, record.TapeOptions{Requests: 400})
//	difference, err := conform.Play(tape, fleet)
//
// A nil difference says that the server did all of it and answered the same. An
// error says that the tape could not be played, which is no verdict.
//
// docs/conformance.md lists what is compared, what is not, and why.
//
// # Glossary
//
//	tape        what happened at the plane of a simulated run
//	player      plays a tape to a server
//	life        of the server's process: from TapeUp to its end
//	position    where the loop stands: a hold, a commit or a load
//	difference  what simulator and server did, at a step of the tape
//
// Stability: private; other modules should not import it (docs/architecture.md).
package conform
