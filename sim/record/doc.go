// Package record writes down what happens in a world: consumers of its events
// that people and programs read later. None of them changes the run, its hash
// included, and none of them judges it.
//
//	text trace  one line for most of what happens, for people ([Text])
//	JSON trace  one object for each event, for programs ([JSON])
//	change log  one line for each change of a state ([Changes])
//	recording   all that a picture of the run needs ([Recorder], [Recording])
//	tape        what the plane was asked and answered, to be played to a real
//	            server ([NewTape], [Tape])
//	witness     what could be seen from outside ([Witness])
//	progress    the last steps, for another goroutine to look at ([Progress])
//
// A consumer reads the event, and what the world and the message show. It keeps
// copies: an event and all that it points to is good only until the consumer
// returns.
//
//	recorder := record.NewRecorder(record.Limits{})
//	recorder.Attach(w) // before the world's first step
//	// run the world
//	recording := recorder.Recording(verdict)
//
// The formats are documented in docs/simulation.md and docs/conformance.md. What a
// writer makes of its lines is the caller's to know: a trace that cannot be
// written does not change the run.
//
// Stability: public (docs/architecture.md).
package record
