package httpserver

import "github.com/refrain-fleet/refrain/core/driver"

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
	err := l.store.Commit(g.Entries, g.Rows)
	l.metrics.commitSeconds.Observe(l.clock.Since(started).Seconds())
	if err == nil {
		l.metrics.logged(g.Entries)
	}
	l.commitErr = err
	l.signal(signalCommit)
	l.faults.stop(Held{At: AfterCommit}, l.life.Done())
}
