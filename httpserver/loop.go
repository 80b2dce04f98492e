package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

// loop is the one goroutine that owns the plane. It takes requests from the
// gate in batches, steps them, has made durable what has to be (see group), and
// hands the replies back, in the order that [plane.Output] states.
type loop struct {
	cfg       *Config
	clock     clock.Clock
	log       *slog.Logger
	admission *admission
	store     store.Store
	faults    *Faults
	metrics   *metrics
	revoked   *revocations
	waiters   *waiters
	notices   *noticeLog
	flight    *flightLog

	plane   *plane.Plane
	out     plane.Output // its Entries are those that are not durable
	alone   plane.Output // of the driver's own inputs
	batch   []*pending
	tickDue atomic.Bool

	committer  *committer
	committing bool   // a commit is under way
	next       *group // what waits for the commit after it
	spare      *group // kept for the one after that

	life   context.Context // ends when the server gives the loop up
	loaded chan error      // tells Start how the first load went
	done   chan struct{}   // closed when the loop has ended
}

// run loads the plane, then serves until the gate is closed and drained. ctx
// bounds the first load only.
//
// The loop sleeps on one channel, the bell: requests, ticks and the shutdown
// all ring it. A select over several would cost a heartbeat more than its step.
func (l *loop) run(ctx context.Context) {
	defer close(l.done)
	l.next, l.spare = new(group), new(group)
	l.committer = startCommitter(l.commit)
	defer l.committer.stop()
	if err := l.load(ctx); err != nil {
		l.loaded <- err
		return
	}
	every := l.cfg.plane().TickEvery()
	ticker := l.clock.AfterFunc(every, l.tickNow)
	defer ticker.Stop()
	l.admission.open()
	l.loaded <- nil
	for range l.admission.bell {
		// Whoever is admitted after a batch was taken rings again, so one that
		// is not full was all there was.
		for more := true; more; {
			if l.tickDue.CompareAndSwap(true, false) {
				ticker.Reset(every)
				l.tick()
			}
			more = l.serve()
		}
		if l.admission.closed.Load() && (l.life.Err() != nil || l.admission.drained()) {
			return
		}
	}
}

// tickNow makes the loop tick. It is the timer's.
func (l *loop) tickNow() {
	l.tickDue.Store(true)
	l.admission.ring()
}

// serve works off one batch. It reports whether there may be more.
func (l *loop) serve() (more bool) {
	if err := l.advanceLog(false); err != nil {
		l.fail("the store did not take a batch", err)
		return true
	}
	if l.admission.closed.Load() && l.life.Err() != nil || l.plane == nil {
		return false
	}
	l.faults.stop(BeforeBatch, l.plane, l.life.Done())
	var now time.Time
	l.batch, now = l.admission.take(l.cfg.BatchSize, l.batch[:0])
	if len(l.batch) == 0 {
		return false
	}
	if err := l.step(now); err != nil {
		l.panicked("a step of the plane panicked", err)
		return true
	}
	l.carryOut()
	// Whoever orders what happens has it happen one after the other.
	if err := l.advanceLog(l.faults.ordered()); err != nil {
		l.fail("the store did not take a batch", err)
		return true
	}
	full := len(l.batch) == l.cfg.BatchSize
	l.finish()
	return full
}

// advanceLog takes over a commit that has ended and begins the next one. With
// wait it does so until everything is durable.
func (l *loop) advanceLog(wait bool) error {
	for {
		if err := l.committed(wait); err != nil {
			return err
		}
		if err := l.beginCommit(); err != nil {
			return err
		}
		if !wait || !l.committing {
			return nil
		}
	}
}

// step steps the batch. Replies that need nothing durable go out at once, so a
// heartbeat waits neither for a disk nor for the rest of its batch (PROTOCOL
// H4). A panic of the plane is a defect: it comes back as an error, since it
// must not take the other hosts' service down; what the plane holds then is
// not to be trusted.
//
// The clock is read once an input: what settling reads begins the next step.
func (l *loop) step(now time.Time) (err error) {
	defer recovered(&err)
	l.out.BeginBatch()
	for i, p := range l.batch {
		if l.faults != nil {
			if l.faults.strike(BeforeStep, p.input, l.clock, l.life.Done()) {
				l.admission.drop(i)
				continue
			}
			now = l.clock.Now()
		}
		kind, began, reply := p.kind, now, len(l.out.Replies)
		l.flight.step(l.plane, l.instant(now), p.input, &l.out)
		l.check()
		switch r := &l.out.Replies[reply]; {
		case r.AfterEntries > 0:
			now = l.admission.park(i, l.out.Entries[r.AfterEntries-1].Number, &r.Outcome)
		case l.dropsReply(p.input):
			l.admission.drop(i)
			now = l.clock.Now()
		default:
			now = l.admission.settle(i, &r.Outcome)
		}
		l.metrics.stepSeconds[kind].Observe(now.Sub(began).Seconds())
	}
	return nil
}

// stepAlone steps an input of the driver's own, which has no reply.
func (l *loop) stepAlone(in plane.Input) (err error) {
	defer recovered(&err)
	l.alone.Reset()
	began := l.clock.Now()
	l.flight.step(l.plane, l.instant(began), in, &l.alone)
	l.check()
	l.metrics.stepSeconds[kindOf(in)].Observe(l.clock.Since(began).Seconds())
	return nil
}

func recovered(err *error) {
	switch r := recover().(type) {
	case nil:
	case violation:
		*err = fmt.Errorf("%w\n%s", r, debug.Stack())
	default:
		*err = fmt.Errorf("%v\n%s", r, debug.Stack())
	}
}

// violation is a broken invariant. It is thrown like a panic of the step, since
// the state is to be trusted no more than after one.
type violation struct{ error }

// panicked comes after a step that panicked, or broke an invariant: the last
// steps are written to a file before the plane is built again.
func (l *loop) panicked(what string, cause error) {
	reason := flightPanic
	if broken := new(violation); errors.As(cause, broken) {
		reason = flightInvariant
	}
	l.flight.tell(reason)
	l.fail(what, cause)
}

// check verifies the invariants, if that is asked for.
func (l *loop) check() {
	if !l.cfg.CheckInvariants {
		return
	}
	if err := l.plane.Check(); err != nil {
		panic(violation{err})
	}
	if err := l.admission.check(); err != nil {
		panic(violation{err})
	}
}

// finish comes after a batch, a tick or a load.
func (l *loop) finish() {
	l.metrics.publish(l.plane.Stats())
	clear(l.batch)
	l.faults.stop(AfterBatch, l.plane, l.life.Done())
}

// tick lets the plane judge liveness. It does not go through the inbox.
func (l *loop) tick() {
	if l.life.Err() != nil || l.plane == nil { // nil: given up while the store failed
		return
	}
	in := new(plane.Tick)
	l.faults.strike(BeforeStep, in, l.clock, l.life.Done())
	in.Impaired = l.admission.impaired()
	if err := l.stepAlone(in); err != nil {
		l.panicked("a tick of the plane panicked", err)
		return
	}
	l.notices.put(l.alone.Notices)
	l.finish()
}

// load builds the plane from the store and starts it.
func (l *loop) load(ctx context.Context) error {
	started := l.clock.Now()
	p, err := l.store.Load(ctx, l.cfg.plane())
	if err != nil {
		return fmt.Errorf("load the log: %w", err)
	}
	l.flight.rebuilt(p)
	l.plane = p
	l.metrics.newLife(p.Stats())
	if err := l.stepAlone(&plane.Started{}); err != nil {
		return err
	}
	l.revoked.publish(p.Revocations())
	l.notices.put(l.alone.Notices)
	l.finish()
	l.log.Info("plane loaded", "entries", uint64(p.Stats().Logged), "took", l.clock.Since(started))
	return nil
}

func (l *loop) instant(t time.Time) wire.Instant {
	return wire.Instant{Mono: t.Sub(l.admission.start), Wall: wire.TimeOf(l.faults.wall(t))}
}
