// Package gate is the admission gate of the control plane: the bounded inbox
// in front of the one reducer that owns all state, and with it the whole 503
// contract of PROTOCOL G. It says which requests come in, which are refused and
// why, when a caller has waited long enough, when a refused caller shall come
// back, and whether the plane is wedged.
//
// A [Gate] is a plain value. It does no I/O, reads no clock, starts nothing,
// holds no lock and draws no random number: time is an argument and every
// answer is a return value. The server guards it with one mutex, the simulator
// calls it directly, and both get the same answers.
//
// It refuses to look into a request (the payload is the driver's and is handed
// back as it came), to deliver anything, to log, and to take an input away from
// a reducer that is busy with it.
//
// # An input's way
//
//	Offer ──refused──▶ answered 503: not_started, saturated, closed
//	  │
//	  ▼ admitted: it has a slot of the inbox and a deadline
//	queued ──Take──▶ taken ──Settle──▶ Deliver: the reply goes out
//	  │                │               Refuse:  it is late, timeout goes out
//	  │                │               Discard: it is late, timeout went out
//	  │                └─────Drop────▶ Refuse:  dropped_reply, or timeout
//	  │                                Discard: timeout went out
//	  └──Flush (closed gate only)────▶ closed, unless timeout went out
//
// [Gate.Expire] answers timeout to every caller whose deadline has come. It
// does not remove the input: an expired input keeps its slot and counts against
// its caller's cap until the reducer has finished it. Otherwise a wedged plane
// would go on admitting what it cannot process.
//
// # The caller's duties
//
//  1. Guard the gate: no two calls at once.
//  2. Hand in the time since some fixed instant by a clock that never runs
//     backwards, read after the guard was taken. See [Gate] for what happens
//     otherwise.
//  3. Call Expire no later than at [Gate.NextDeadline], and look at it again
//     after every Offer, Settle, Drop, Expire and Flush.
//  4. Answer a request when, and only when, the gate says so: an Offer that
//     was refused, a Settle or Drop that says Deliver or Refuse, an element
//     that Expire or Flush returns. The gate says so exactly once (G3).
//  5. Settle or Drop every input that was taken, once. A ticket that the gate
//     does not know, or that was not taken, is a defect of the driver and a
//     panic.
//  6. Ask [Gate.Refuse] for the Retry-After of any other 503, so that it is
//     counted and has its place in the calendar.
//  7. Write the log lines of G8: error for closed, dropped_reply and a wedge,
//     warn for saturated and not_started. [Gate.Stats] has the counters.
//
// # The driver's loop
//
//	// A handler.
//	lock()
//	ticket, refusal := g.Offer(now(), gate.Host(hostname), gate.Heartbeat, request)
//	unlock()
//	if refusal.Code != wire.OK {
//		return wire.Unavailable(refusal.Code, refusal.RetryAfter)
//	}
//	return request.wait() // for the one answer
//
//	// The loop that owns the reducer.
//	lock()
//	batch = g.Take(now(), 256, batch[:0])
//	unlock()
//	for i := range batch {
//		step(batch[i].Payload)
//	}
//	commit()
//	lock()
//	for i := range batch {
//		switch disposal, refusal := g.Settle(now(), batch[i].Ticket); disposal {
//		case gate.Deliver:
//			batch[i].Payload.reply()
//		case gate.Refuse:
//			batch[i].Payload.refuse(refusal)
//		case gate.Discard: // the caller was answered already
//		}
//	}
//	unlock()
//
//	// The timer, armed for NextDeadline.
//	lock()
//	expired = g.Expire(now(), expired[:0])
//	unlock()
//	for i := range expired {
//		expired[i].Payload.refuse(expired[i].Refusal)
//	}
//
// # Shutting down
//
// Close, answer the waiting polls with Refuse, then go on taking and settling
// until Depth is 0 or the driver's shutdown timeout has passed; then Flush what
// was never taken. Of a flushed input nothing was applied, so its caller may
// trust the reason closed.
//
// # Glossary
//
//	inbox      all inputs that were admitted and are not finished
//	input      a request after its admission
//	slot       a place in the inbox
//	ticket     the name of one input
//	queued     admitted and not yet taken by the reducer
//	answered   the caller has its answer, though the input may still be inside
//	finished   settled or dropped: the reducer is done with the input
//	late       a reply at or after the input's deadline
//	reserve    slots that only heartbeats may use (G5)
//	cap        the number of inputs one caller may have inside (G6)
//	calendar   the instants at which refused callers shall come back (G4)
//	drain      the pace at which inputs finish while there are any
//	wedged     not empty, and nothing finished for longer than the reply
//	           timeout (G7)
//
// Stability: private; other modules should not import it (docs/architecture.md).
package gate
