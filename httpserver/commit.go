package httpserver

import (
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
)

// committer commits groups in a goroutine of its own, one at a time, so that the
// loop steps on meanwhile.
type committer struct {
	begin chan *driver.Group // has room for one
	done  chan struct{}
}

func startCommitter(commit func(*driver.Group)) *committer {
	c := &committer{begin: make(chan *driver.Group, 1), done: make(chan struct{})}
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

// commit is the committer's: it makes a group durable and says how that ended.
func (l *loop) commit(g *driver.Group) {
	started := l.clock.Now()
	err := l.store.Commit(g.Entries, g.AllRows())
	l.metrics.commitSeconds.Observe(l.clock.Since(started).Seconds())
	if err == nil {
		l.metrics.logged(g.Entries)
	}
	l.commitErr = err
	l.signal(signalCommit)
	l.faults.stop(Held{At: AfterCommit}, l.life.Done())
}

// tellStorage tells the plane whether anything can be made durable (PROTOCOL G9), and
// whether disk is scarce (G11).
func (l *loop) tellStorage() {
	l.now = l.clock.Now()
	now := l.instant()
	l.flight.begin(now, &plane.Storage{Unavailable: l.worker.Broken(), Scarce: l.worker.Scarce()})
	l.stepping = true
	l.worker.TellStorage(now)
	l.stepping = false
	l.flight.end(nil)
	l.health.readOnly.Store(l.worker.Broken())
	if scarce := l.worker.Scarce(); l.health.scarce.Swap(scarce) != scarce {
		l.logDisk(scarce)
	}
	l.check()
}

// takeOver takes over a commit that has ended. What it revokes is published
// before the operator is answered (PROTOCOL T5).
func (l *loop) takeOver() {
	trial := l.worker.Broken()
	var err error
	l.guarded(func() { err = l.worker.TakeOver() })
	if trial {
		l.logStore()
		if err == nil {
			l.log.Info("the store can write again")
		} else {
			l.log.Debug("the store still cannot write", "error", err)
		}
		return
	}
	if err != nil {
		l.failed("commit failed", err)
		return
	}
	l.revoked.publish(l.worker.Revocations())
}
