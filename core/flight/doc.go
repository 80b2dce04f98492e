// Package flight is a flight recorder of the control plane: it keeps the last
// inputs of the reducer with their instants and answers and the state before
// them, writes them as a recording, and plays a recording to the reducer again.
// So what happened in production can be repeated, step by step, on any machine,
// and every answer compared byte for byte.
//
// It does no I/O and reads no clock: a [Recorder] is filled by the driver that
// steps the plane, and a recording is bytes. It does not record what is outside
// the reducer: the caller, its connection, how long it waited. The reducer is
// deterministic, so one state, the inputs and their instants determine
// everything else.
//
// # The state before the ring
//
// A ring that drops its oldest step must know the state after it. So the
// recorder has a plane of its own, the base, which trails the real one by as
// many steps as the ring has: a step that leaves the ring is stepped there. It
// doubles the memory of the plane and costs about one more step per step; in
// return no step ever waits for a snapshot.
//
// # The driver's duties
//
//  1. Call [Recorder.Rebuilt] whenever the plane was built, before its first
//     step, with an independent plane in the same state.
//  2. Call [Recorder.Begin] before and [Recorder.End] after every step.
//  3. Guard the recorder: it has one caller at a time.
//
// # A recording
//
// It is text, one thing a line: a word and what belongs to it.
//
//	flight {…}                    what it is: build, reason, instant, the plane's configuration
//	log …, rollout …, host …      the state before the first step, as plane.AppendState writes it
//	step MONO WALL INPUT          a step: the instant on both clocks, and the input's line
//	answer STATUS REPLAY BODY     what it answered; REPLAY is the number of Replay-From, or -
//	rebuilt                       the plane was rebuilt; its state follows
//	end {…}                       how many steps there were: a recording without it was cut off
//
// # Glossary
//
//	base      the state before the first step that is kept
//	unanswered a step that began and did not return: the plane was inside it,
//	          or panicked
//
// Stability: private; other modules should not import it (docs/architecture.md).
package flight
