package httpserver

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Group commit: while the store makes one group of entries durable, the loop
// steps on, and what it logs meanwhile is the next group. So a disk is synced
// once for all who came during the sync before, and whoever needs nothing
// durable waits for none of it (PROTOCOL E2, H4).
//
// The entries of both groups stay in the loop's output, so that a reply that
// depends on any of them says so. If a group fails, the plane is ahead of the
// disk by it and by all that was stepped since: nobody was told anything that
// depends on that, and all of it is thrown away.

// group is what one commit makes durable, and what waits for it.
type group struct {
	entries []plane.Entry
	rows    []plane.Row
	err     error

	// revoked is what to publish before any reply that needs the group; nil if
	// it revokes nothing.
	revoked map[wire.CommonName]wire.Time
	wakes   []wire.Hostname
	notices []plane.Notice
}

// reset empties the group and keeps its buffers.
func (g *group) reset() {
	clear(g.rows)
	*g = group{rows: g.rows[:0], wakes: g.wakes[:0], notices: g.notices[:0]}
}

// committer commits groups in a goroutine of its own, one at a time.
type committer struct {
	begin chan *group // has room for one
	ended chan *group // has room for one
	done  chan struct{}
}

func startCommitter(commit func(*group)) *committer {
	c := &committer{begin: make(chan *group, 1), ended: make(chan *group, 1), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for g := range c.begin {
			commit(g)
		}
	}()
	return c
}

// stop ends the committer, after the commit that is under way.
func (c *committer) stop() {
	close(c.begin)
	<-c.done
}

// commit is the committer's: it makes a group durable and tells the loop.
func (l *loop) commit(g *group) {
	started := l.clock.Now()
	g.err = l.store.Commit(g.entries, g.rows)
	l.metrics.commitSeconds.Observe(l.clock.Since(started).Seconds())
	l.committer.ended <- g
	l.admission.ring()
}

// carryOut does what comes after a batch is stepped: at once if it waits for
// nothing, or with the group that the batch is part of.
func (l *loop) carryOut() {
	if len(l.out.Entries) == 0 {
		l.waiters.wake(l.out.Wakes)
		l.notices.put(l.out.Notices)
		return
	}
	l.next.wakes = append(l.next.wakes, l.out.Wakes...)
	l.next.notices = append(l.next.notices, l.out.Notices...)
	if l.out.RevocationsChanged {
		l.next.revoked = l.plane.Revocations()
	}
}

// beginCommit hands the entries that are not durable to the committer, unless it
// is at work.
func (l *loop) beginCommit() error {
	if l.committing || len(l.out.Entries) == 0 {
		return nil
	}
	if err := l.life.Err(); err != nil {
		// The server is closing the store. Nobody was told that the entries
		// are durable, and nobody will be.
		return err
	}
	g := l.next
	n := len(l.out.Entries)
	g.entries = l.out.Entries[:n:n]
	g.rows = l.plane.AppendRows(g.rows, l.out.Changes)
	l.out.Changes = l.out.Changes[:0]
	l.next, l.spare = l.spare, nil
	l.committing = true
	l.committer.begin <- g
	return nil
}

// committed takes over a commit that has ended, if one has; wait says to wait
// for the one under way. The error is the commit's.
func (l *loop) committed(wait bool) error {
	if !l.committing {
		return nil
	}
	var g *group
	if wait {
		g = <-l.committer.ended
	} else {
		select {
		case g = <-l.committer.ended:
		default:
			return nil
		}
	}
	l.committing = false
	err := g.err
	if err == nil {
		l.durable(g)
	}
	g.reset()
	l.spare = g
	return err
}

// durable carries out what waited for a group, in the order that [plane.Output]
// states.
func (l *loop) durable(g *group) {
	l.metrics.logged(g.entries)
	if g.revoked != nil {
		l.revoked.publish(g.revoked)
	}
	last := g.entries[len(g.entries)-1].Number
	l.out.MarkDurable(len(g.entries))
	l.admission.settleParked(last, l.dropsReply)
	l.waiters.wake(g.wakes)
	l.notices.put(g.notices)
	if len(l.out.Entries) == 0 {
		// What was stepped meanwhile has logged nothing: no commit comes after
		// it for what it tells to wait for.
		l.waiters.wake(l.next.wakes)
		l.notices.put(l.next.notices)
		l.next.reset()
	}
}

// dropsReply carries out the faults that strike before a reply.
func (l *loop) dropsReply(in plane.Input) bool {
	return l.faults.strike(BeforeReply, in, l.clock, l.life.Done())
}

// The times between two attempts to build the plane again.
const (
	firstRetry   = 100 * time.Millisecond
	longestRetry = 5 * time.Second
)

// fail comes after a commit that failed or a step that panicked: the plane in
// memory may be ahead of the log, or broken. The plane is built again from the
// store, with backoff until that works. Meanwhile the plane is not up, so new
// requests are answered not_started. What is in the loop's hands is let go of,
// and if the first attempt fails so is all that is queued: the requests would
// only wait for their timeouts, and the inbox would look wedged, which a
// failing disk is not.
func (l *loop) fail(what string, cause error) {
	l.log.Error(what+"; the plane is built again from the store", "error", cause)
	l.metrics.rebuilds.Inc()
	l.admission.pause()
	// A commit that is under way is waited for: what it made durable is true,
	// and the store is not loaded meanwhile.
	if err := l.committed(true); err != nil {
		l.log.Error("the store did not take a batch", "error", err)
	}
	l.admission.dropInHand()
	l.out.Reset()
	l.next.reset()
	l.plane = nil
	for wait := firstRetry; ; wait = min(2*wait, longestRetry) {
		err := l.load(l.life)
		if err == nil {
			break
		}
		l.admission.dropAll()
		if l.life.Err() != nil || l.admission.drained() {
			return // shut down while the store fails
		}
		l.log.Error("the plane cannot be built again", "error", err, "next_attempt_in", wait)
		l.sleep(wait)
	}
	l.admission.open()
	// Hosts whose wake was lost with the batch ask again.
	l.waiters.wakeAll()
}

// sleep waits, unless the server shuts down.
func (l *loop) sleep(d time.Duration) {
	timer := l.clock.Timer(d)
	defer timer.Stop()
	for !l.admission.drained() {
		select {
		case <-timer.C:
			return
		case <-l.life.Done():
			return
		case <-l.admission.bell: // perhaps the gate was closed
		}
	}
}
