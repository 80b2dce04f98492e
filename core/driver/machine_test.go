package driver_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// machine does to a driver whatever its two halves and its disk can do, in any
// order, and wants that each request is answered once, and that no answer says
// more than the disk has.
type machine struct {
	*rig
	t        *rapid.T
	requests []*request
	gone     map[*request]bool
	opened   int
	draining bool
	waiting  int // polls, while it drains
	closed   bool
}

// TestMachine_AnyOrderOfSectionsCommitsAndRequests finds what no story thinks of.
func TestMachine_AnyOrderOfSectionsCommitsAndRequests(t *testing.T) { // PROTOCOL G3, E2
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{rig: started(t, func(c *driver.Config) { c.Batch = 3 }), t: t, gone: make(map[*request]bool)}
		m.onAnswer = m.answered
		t.Repeat(map[string]func(*rapid.T){
			"heartbeat": func(t *rapid.T) { m.add(m.heartbeat(m.host())) },
			"poll": func(t *rapid.T) {
				wait := time.Duration(rapid.IntRange(0, 3).Draw(t, "wait")) * 4 * time.Second
				m.add(m.poll(m.host(), wait))
			},
			"open": func(t *rapid.T) {
				m.opened++
				m.add(m.open(fmt.Sprint("r", m.opened), "h1", "h2", "h3"))
			},
			"revoke":   func(t *rapid.T) { m.add(m.revoke(m.host())) },
			"section":  func(t *rapid.T) { m.sections(1) },
			"sections": func(t *rapid.T) { m.sections(rapid.IntRange(2, 12).Draw(t, "n")) },
			"commit ends": func(t *rapid.T) {
				if m.flying != nil {
					m.endCommit(rapid.IntRange(0, 5).Draw(t, "how"))
				}
			},
			"tick": func(t *rapid.T) { m.worker.TickDue() },
			"time passes": func(t *rapid.T) {
				m.now += time.Duration(rapid.IntRange(1, 30).Draw(t, "time")) * 100 * time.Millisecond
				m.front.Expire(m.instant())
				m.hear()
			},
			"retry": func(t *rapid.T) { m.worker.RetryDue() },
			"a client goes away": func(t *rapid.T) {
				if len(m.requests) > 0 {
					q := m.requests[rapid.IntRange(0, len(m.requests)-1).Draw(t, "which")]
					if !m.gone[q] && m.front.GiveUp(m.instant(), q) {
						m.gone[q] = true
					}
					m.hear()
				}
			},
			"a step panics": func(t *rapid.T) {
				if m.worker.Next() == driver.Step && rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					m.worker.Fail()
				}
			},
			"drain": func(t *rapid.T) {
				if !m.draining && rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					m.draining, m.waiting = true, m.front.WaitingPolls()
					m.front.Drain()
				}
			},
			"release": func(t *rapid.T) {
				if len(m.requests) > 0 && m.draining {
					q := m.requests[rapid.IntRange(0, len(m.requests)-1).Draw(t, "which")]
					if released := m.front.Release(m.instant(), q); released && q.Outcome.Code != wire.Closed {
						t.Fatalf("%s is released with %v", q.For, q.Outcome.Code)
					}
					m.hear()
				}
			},
			"": func(t *rapid.T) { m.fewerWait() },
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 19).Draw(t, "rarely") == 0 {
					m.closed = true
					m.front.Close(m.instant())
					m.hear()
				}
			},
		})
		m.finish()
	})
}

// fewerWait wants that polls only stop waiting while the driver drains. One that
// was woken may be asking in between, and does not come back.
func (m *machine) fewerWait() {
	if n := m.front.WaitingPolls(); m.draining && n > m.waiting {
		m.t.Fatalf("%d polls wait and the driver drains; there were %d", n, m.waiting)
	} else {
		m.waiting = n
	}
}

func (m *machine) host() string { return fmt.Sprint("h", rapid.IntRange(1, 4).Draw(m.t, "host")) }

func (m *machine) add(q *request) { m.requests = append(m.requests, q) }

func (m *machine) sections(n int) {
	for ; n > 0 && m.worker.Next() != driver.Rest && m.worker.Next() != driver.End; n-- {
		if m.worker.Next() == driver.Load && rapid.IntRange(0, 3).Draw(m.t, "load fails") == 0 {
			m.worker.LoadFailed(m.instant())
			m.hear()
			continue
		}
		m.section()
	}
}

// endCommit ends the commit: mostly well, else failed, and then the entries may
// be on the disk.
func (m *machine) endCommit(how int) {
	if how == 1 {
		m.disk = append(m.disk, m.flying.Entries...)
	}
	if how < 2 {
		m.commit(errDisk)
		return
	}
	m.commit(nil)
}

// answered wants that what a caller is told is on the disk.
func (m *machine) answered(q *request) {
	if m.gone[q] {
		m.t.Fatalf("%s is answered %v, and was given up", q.For, q.Outcome.Code)
	}
	switch in := q.Input.(type) {
	case *plane.OpenRollout:
		if q.Outcome.Code == wire.Created && !m.durable(func(e plane.Entry) bool {
			open, is := e.Input.(*plane.OpenRollout)
			return is && open.Manifest.ID() == in.Manifest.ID()
		}) {
			m.t.Fatalf("%s is open for its operator, and not on the disk", in.Manifest.ID())
		}
	case *plane.Revoke:
		if q.Outcome.Code == wire.OK && m.worker.Revocations()[in.CommonName].Before(in.Before) {
			m.t.Fatalf("%s is revoked for its operator, and not for the others", in.CommonName)
		}
	}
}

func (m *machine) durable(is func(plane.Entry) bool) bool {
	for _, e := range m.disk {
		if is(e) {
			return true
		}
	}
	return false
}

// finish lets everything come to an end.
func (m *machine) finish() {
	if !m.closed {
		m.front.Close(m.instant())
		m.hear()
	}
	for n := 0; m.worker.Next() != driver.End; n++ {
		if n > 1000 {
			m.t.Fatalf("the worker does not end: next is %v", m.worker.Next())
		}
		m.settle()
		m.worker.RetryDue()
		if m.flying != nil {
			m.commit(nil)
		}
	}
	for _, q := range m.requests {
		if _, answered := m.answers[q]; !answered && !m.gone[q] {
			m.t.Fatalf("%s is never answered", q.For)
		}
	}
}
