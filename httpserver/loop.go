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

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

// loop is the goroutine that runs the driver's worker: it asks which section
// comes next and carries it out, with the clock, the guard, the store, the
// metrics and the flight recorder around it. It decides nothing.
type loop struct {
	cfg       *Config
	clock     clock.Clock
	log       *slog.Logger
	admission *admission
	worker    *driver.Worker[*pending]
	store     store.Store
	faults    *Faults
	metrics   *metrics
	revoked   *revocations
	notices   *noticeLog
	flight    *flightLog
	health    *storeHealth

	now      time.Time // read last
	began    time.Time // of the step whose reply comes next
	kind     inputKind // of that step
	timed    bool      // that step's time is not observed yet
	stepping bool      // the plane is at work: a panic is its own
	unsaid   bool      // the plane's figures have changed since they were published
	did      section   // carried out last

	signals   atomic.Uint32 // what has happened outside, a bit each
	commitErr error         // with signalCommit
	committer *committer
	ticker    *clock.Timer
	retry     *clock.Timer

	life   context.Context // ends when the server gives the loop up
	start  context.Context // bounds the first load
	loaded chan error      // says how the first load went; nil after that
	done   chan struct{}   // closed when the loop has ended

	// replaced is called when another plane was loaded; nil if it matters to nothing.
	replaced func()
}

// section is a section that was carried out, and how many inputs it took.
type section struct {
	work driver.Work
	took int
}

// What may have happened outside.
const (
	signalCommit uint32 = 1 << iota // the commit has ended
	signalTick                      // a tick is due
	signalRetry                     // the next attempt to load is due
)

// signal notes what has happened and wakes the loop.
func (l *loop) signal(what uint32) {
	l.signals.Or(what)
	l.admission.ring()
}

// run serves until the gate is closed and drained. ctx bounds the first load
// only.
func (l *loop) run(ctx context.Context) {
	defer close(l.done)
	l.start = ctx
	l.committer = startCommitter(l.commit)
	defer l.committer.stop()
	defer func() {
		for _, t := range []*clock.Timer{l.ticker, l.retry} {
			if t != nil {
				t.Stop()
			}
		}
	}()
	for {
		err := l.sections()
		if err == nil {
			return
		}
		l.panicked(err)
	}
}

// sections carries out sections until the worker has ended. An error is a panic
// of the plane or a broken invariant.
func (l *loop) sections() (err error) {
	defer l.recovered(&err)
	for {
		l.faults.stop(Held{At: BetweenSections, Plane: l.worker.Plane(), Did: l.did.work, Took: l.did.took}, l.life.Done())
		l.collect()
		work := l.worker.Next()
		l.did = section{work: work}
		switch work {
		case driver.Rest:
			l.publish()
			<-l.admission.bell
			l.worker.Ring()
		case driver.Take:
			l.publish()
			l.guarded(func() { l.did.took = l.worker.Take(l.instant()) })
		case driver.Step:
			l.step()
		case driver.Park:
			l.guarded(l.worker.Park)
			l.stepped()
		case driver.Reply:
			l.reply()
		case driver.Hold:
			l.guarded(func() { l.worker.Hold(l.instant()) })
			l.stepped()
		case driver.Continue:
			l.guarded(func() { l.worker.Continue(l.instant()) })
		case driver.Announce:
			var notices []plane.Notice
			l.guarded(func() { notices = l.worker.Announce(l.instant()) })
			l.notices.put(notices)
		case driver.Commit:
			var group *driver.Group
			l.guarded(func() { group = l.worker.BeginCommit() })
			if group != nil {
				l.committer.begin <- group
			}
		case driver.TakeOver:
			l.takeOver()
		case driver.Storage:
			l.tellStorage()
		case driver.Tick:
			l.tick()
		case driver.Pause:
			l.guarded(l.worker.Pause)
		case driver.Discard:
			l.guarded(func() { l.worker.Discard(l.instant()) })
		case driver.Load:
			if err := l.load(); err != nil {
				l.loaded <- err
				return nil
			}
		case driver.Open:
			l.open()
		case driver.End:
			return nil
		}
		if wait, set := l.worker.Retry(); set {
			l.retry = l.clock.AfterFunc(wait, func() { l.signal(signalRetry) })
		}
	}
}

// guarded carries out a section that needs the guard. It reads the clock.
func (l *loop) guarded(section func()) {
	a := l.admission
	a.mu.Lock()
	l.now = l.clock.Now()
	section()
	rings := a.carryOut(l.now.Sub(a.start))
	a.mu.Unlock()
	if rings {
		l.worker.Ring()
	}
}

// instant is the time that was read last.
func (l *loop) instant() wire.Instant { return l.admission.instant(l.now) }

// collect hands the worker what has happened outside.
func (l *loop) collect() {
	if l.health.reserve > 0 {
		l.worker.FreeDisk(l.health.now().FreeBytes)
	}
	if l.signals.Load() == 0 {
		return
	}
	happened := l.signals.Swap(0)
	if happened&signalCommit != 0 {
		l.worker.CommitEnded(l.commitErr)
	}
	if happened&signalTick != 0 {
		l.worker.TickDue()
	}
	if happened&signalRetry != 0 {
		l.worker.RetryDue()
	}
}

// step steps an input, unless a fault drops it before. The clock is read once an
// input: what replying reads begins the next step.
func (l *loop) step() {
	p, in := l.worker.Current().For, l.worker.Input()
	l.stepping = true
	if l.faults != nil && !l.worker.Continues() {
		if l.faults.strike(BeforeStep, p.Input, l.clock, l.life.Done()) {
			l.stepping = false
			l.guarded(func() { l.worker.Skip(l.instant()) })
			return
		}
		l.now = l.clock.Now()
	}
	if l.worker.Continues() { // a batch before it may have taken its time
		l.now = l.clock.Now()
	}
	l.began, l.kind, l.timed = l.now, p.kind, true
	now := l.instant()
	l.flight.begin(now, in)
	l.worker.Step(now)
	l.stepping = false
	l.flight.end(&l.worker.Stepped().Outcome)
	l.unsaid = true
	l.check()
}

// stepped observes how long the step took whose reply has been parked or given.
func (l *loop) stepped() {
	if l.timed {
		l.timed = false
		l.metrics.stepSeconds[l.kind].Observe(l.now.Sub(l.began).Seconds())
	}
}

// reply delivers a reply, unless a fault drops it.
func (l *loop) reply() {
	l.stepping = true // a fault that panics plays a step that does
	dropped := l.faults.strike(BeforeReply, l.worker.Current().Input, l.clock, l.life.Done())
	l.stepping = false
	l.guarded(func() {
		if dropped {
			l.worker.DropReply(l.instant())
		} else {
			l.worker.Reply(l.instant())
		}
	})
	l.stepped()
}

// tick lets the plane judge liveness. It does not go through the inbox.
func (l *loop) tick() {
	l.logStore()
	in := new(plane.Tick)
	l.faults.strike(BeforeStep, in, l.clock, l.life.Done())
	l.ticker.Reset(l.cfg.plane().TickEvery())
	l.guarded(func() { in.Impaired = l.admission.front.Impaired() })
	now := l.instant()
	l.flight.begin(now, in)
	l.stepping = true
	l.worker.Tick(now, in.Impaired)
	l.stepping = false
	l.flight.end(nil)
	l.metrics.stepSeconds[kindTick].Observe(l.clock.Since(l.now).Seconds())
	l.unsaid = true
	l.check()
}

// load loads the plane from the store. An error ends the loop: the first load
// has failed.
func (l *loop) load() error {
	first := l.loaded != nil && l.ticker == nil
	ctx := l.life
	if first {
		ctx = l.start
	}
	started := l.clock.Now()
	p, err := l.store.Load(ctx, l.cfg.plane())
	if err == nil {
		err = l.begin(p)
	}
	if err != nil {
		err = fmt.Errorf("load the log: %w", err)
		if first {
			return err
		}
		l.guarded(func() { l.worker.LoadFailed(l.instant()) })
		l.log.Error("the plane cannot be rebuilt", "error", err)
		return nil
	}
	l.log.Info("plane loaded", "entries", uint64(p.Stats().Logged), "took", l.clock.Since(started))
	l.logStore()
	return nil
}

// begin hands the worker a plane that was loaded. An error is a panic of it.
func (l *loop) begin(p *plane.Plane) (err error) {
	defer l.recovered(&err)
	l.flight.rebuilt(p)
	l.metrics.newLife(p.Stats())
	l.now = l.clock.Now()
	now := l.instant()
	l.flight.begin(now, &plane.Started{})
	l.stepping = true
	l.worker.Loaded(now, p)
	l.stepping = false
	l.flight.end(nil)
	l.metrics.stepSeconds[kindStarted].Observe(l.clock.Since(l.now).Seconds())
	l.unsaid = true
	if l.replaced != nil {
		l.replaced()
	}
	return nil
}

// open lets requests in: the plane is up.
func (l *loop) open() {
	l.revoked.publish(l.worker.Plane().Revocations())
	l.guarded(func() { l.worker.Open(l.instant()) })
	l.publish()
	if l.ticker == nil {
		l.ticker = l.clock.AfterFunc(l.cfg.plane().TickEvery(), func() { l.signal(signalTick) })
		l.loaded <- nil
	}
}

// publish publishes the plane's figures, if they may have changed.
func (l *loop) publish() {
	if p := l.worker.Plane(); l.unsaid && p != nil {
		l.unsaid = false
		l.metrics.publish(p.Stats())
	}
}

// check verifies the invariants, if that is asked for.
func (l *loop) check() {
	if !l.cfg.CheckInvariants {
		return
	}
	if err := l.worker.Plane().Check(); err != nil {
		panic(violation{err})
	}
	l.admission.mu.Lock()
	err := l.admission.front.Check(l.worker)
	l.admission.mu.Unlock()
	if err != nil {
		panic(violation{err})
	}
}

// violation is a broken invariant. It is thrown like a panic of the step, since
// the state is to be trusted no more than after one.
type violation struct{ error }

// recovered makes an error of a panic of the plane, which must not take the other
// hosts' service down, and of a broken invariant. Any other panic is a defect of
// the driver, which loading the plane again does not mend.
func (l *loop) recovered(err *error) {
	r := recover()
	broken, isViolation := r.(violation)
	switch {
	case r == nil:
	case isViolation:
		*err = fmt.Errorf("%w\n%s", broken, debug.Stack())
	case l.stepping:
		*err = fmt.Errorf("%v\n%s", r, debug.Stack())
	default:
		panic(r)
	}
	l.stepping, l.timed = false, false
}

// panicked comes after a step that panicked, or broke an invariant: the last
// steps are written to a file before the plane is loaded again.
func (l *loop) panicked(cause error) {
	reason := flightPanic
	if broken := new(violation); errors.As(cause, broken) {
		reason = flightInvariant
	}
	l.flight.tell(reason)
	l.failed("a step of the plane panicked", cause)
	l.worker.Fail()
}

// failed says that the plane is discarded, and why. Until the store can write
// again the plane goes on with what needs no disk.
func (l *loop) failed(what string, cause error) {
	l.log.Error(what+"; the plane is rebuilt from the store", "error", cause)
	l.metrics.rebuilds.Inc()
}
