// Package driver is everything between "a decoded, authenticated request has
// arrived" and "this answer may leave", as a pure state machine over the gate
// and the plane: admission, batches, replies that wait for the disk, polls that
// wait for work, group commit, what becomes of everything that was stepped when
// a commit fails, loading, draining.
//
// It does no I/O, starts no goroutine, takes no lock, reads no clock. Requests,
// completions and the time come in as calls; what is to be done goes out as
// answers ([Front.Answered]), an instant to set the timer to ([Front.Alarm]), a
// group to commit ([Worker.BeginCommit]) and notices. The server adds a mutex, a
// goroutine, two timers, a store and sockets; the simulator adds virtual time, a
// modelled disk and faults. Neither decides anything.
//
// # Two halves
//
// Handlers must not wait for a step of the plane. So the driver has two halves.
// The [Front] is touched by every request: production guards it with one mutex.
// The [Worker] owns the plane, its output and the commits: one goroutine runs
// it. It works in sections, and hands over in the guarded ones:
//
//	section    guarded  carried out by
//	Load                the caller loads the plane: Loaded, or LoadFailed (guarded)
//	Open       yes      Worker.Open
//	TakeOver   yes      Worker.TakeOver, then publish the revocations
//	Commit     yes      Worker.BeginCommit, then start the commit of the group
//	Storage             Worker.TellStorage
//	Tick                Worker.Tick; Front.Impaired before it (guarded)
//	Take       yes      Worker.Take
//	Step                Worker.Step
//	Park       yes      Worker.Park
//	Reply      yes      Worker.Reply
//	Hold       yes      Worker.Hold
//	Continue   yes      Worker.Continue
//	Announce   yes      Worker.Announce, then log and count its notices
//	Pause      yes      Worker.Pause
//	Discard    yes      Worker.Discard
//	Rest                wait until the worker is rung or something is due
//	End                 nothing is left to do
//
// Between any two sections anything may happen to the front: requests arrive,
// deadlines pass, the gate is closed. A simulator that carries the sections out
// one by one, with other calls between them, sees every order that the server
// can show.
//
// # The caller's duties
//
//  1. Guard the front, and the worker's guarded sections, with one lock. Before
//     it is released, deliver [Front.Answered] and obey [Front.Alarm] and
//     [Front.Rings].
//  2. Run the worker from one goroutine: ask [Worker.Next], carry that out, ask
//     again.
//  3. Hand in instants that never run backwards within one half.
//  4. One commit at a time is under way: begin it when the section Commit says
//     so, and say how it ended with [Worker.CommitEnded].
//  5. Publish [Worker.Revocations] after Loaded and TakeOver, before the next
//     section: an operator that was answered must not see the name let in.
//  6. Check certificate, identity and document before [Front.Arrive]; the driver
//     checks the certificate again only for polls that waited.
//  7. A panic of a step or a tick is a defect of the plane: call [Worker.Fail],
//     and the plane is loaded again.
//  8. To end in good order: [Front.Drain] and [Front.Release], if clients are to
//     leave one by one; then [Front.Close]; and [Front.Abandon] if the worker
//     takes too long.
//
// # The driver's loop
//
//	for {
//		switch worker.Next() {
//		case driver.Rest:
//			<-bell
//			worker.Ring()
//		case driver.Take:
//			lock()
//			worker.Take(now())
//			unlock() // answers, timer
//		case driver.Step:
//			worker.Step(now())
//		case driver.Reply:
//			lock()
//			worker.Reply(now())
//			unlock()
//		case driver.Commit:
//			lock()
//			group := worker.BeginCommit()
//			unlock()
//			go func() { ended <- store.Commit(group.Entries, group.AllRows()) }()
//		… // and so on
//		case driver.End:
//			return
//		}
//	}
//
// # The order of a commit
//
// Entries are durable before a reply that depends on them is delivered
// (PROTOCOL E2), and revocations are published before that reply. Wakes and
// notices of a batch go with its entries; those of a batch without entries go at
// once. Between two batches the worker first takes over a commit that has
// ended, then begins the next one, then ticks, then takes a batch.
//
// # When something fails
//
// A commit that failed, or a plane that panicked, leaves a plane that may be
// ahead of the disk. The worker pauses admission (not_started), waits for a
// commit that is under way (what it made durable is true, its replies are
// delivered), drops the rest of its batch and every reply that waits
// (dropped_reply), and loads the plane again, with a backoff from 100 ms to 5 s.
// If the first attempt fails, what is queued is dropped as well.
//
// After a commit that failed the plane is told that nothing can be made durable
// (Storage): it refuses what needs the disk, store_unavailable, and goes on with
// everything else from the last durable state (PROTOCOL G9). With the same
// backoff the worker commits an empty group, a trial; once one succeeds, the plane
// is told so.
//
// # Glossary
//
//	request    one request and, once it has one, its answer
//	batch      the inputs that are taken at once and stepped one after the other
//	park       let a reply wait for the disk
//	group      the entries that one commit makes durable, and what waits for them
//	news       wakes and notices
//	turn       the right of a woken poll to ask, so that many do not fill the inbox
//	trial      an empty commit, to see whether the store can write again
//	section    one indivisible piece of the worker's work
//	hold       let an opening wait for its next slice, or behind another opening
//	abandon    answer what is inside without the worker, at the end of a shutdown
//
// Stability: private; other modules should not import it (docs/architecture.md).
package driver
