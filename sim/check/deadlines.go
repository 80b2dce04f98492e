package check

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// deadlines is S5: every request is answered exactly once, by its deadline.
type deadlines struct {
	q *inboxModel
	// due are the requests that were admitted, by deadline: the reply timeout
	// is the same for all.
	due  []owedAnswer
	head int
	// ended are those that the reducer finished in this event and that nobody
	// has answered yet.
	ended []owedAnswer
	// polls are callers of which a poll came in this event.
	polls []string
	// suspended says that the plane's machine was so when the event began, and
	// awake when it went on last. A suspended plane answers nobody; it does so
	// when it goes on.
	suspended bool
	awake     time.Duration
}

// owedAnswer is an admission of a request and its deadline.
type owedAnswer struct {
	r  *request
	id uint64
	at time.Duration
}

// is reports whether it is still the same request that is there.
func (d *owedAnswer) is(where place) bool { return d.r.place == where && d.r.id == d.id }

func newDeadlines(s *Checks) {
	c := &deadlines{q: s.inbox()}
	s.on(world.EventArrived, c.arrived)
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventFinished, c.finished)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventStepEnded, c.stepped)
	s.on(world.EventPlaneDown, c.planeDown)
}

func (c *deadlines) arrived(e *world.Event) {
	w, m := e.World, e.Message
	if c.q.now != nil {
		w.Violate("S5", "%v, arrives twice; want once", m)
	}
	if m.Kind() == scenario.RoutePoll && m.Wait() > 0 {
		c.polls = append(c.polls, m.Identity().Name)
	}
}

func (c *deadlines) admitted(e *world.Event) {
	w, m := e.World, e.Message
	r, was := c.q.now, &c.q.prior
	if r == nil || was.answered || was.place == inside {
		w.Violate("S5", "%v, is admitted, and was answered or is in the inbox already; want it admitted once", m)
		return
	}
	c.due = append(c.due, owedAnswer{r, m.ID(), r.deadline})
}

func (c *deadlines) finished(e *world.Event) {
	m := e.Message
	if r := c.q.now; r != nil && !r.answered {
		c.ended = append(c.ended, owedAnswer{r, m.ID(), 0})
	}
}

func (c *deadlines) answered(e *world.Event) {
	w, m := e.World, e.Message
	was := &c.q.prior
	switch {
	case c.q.now == nil || was.answered:
		w.Violate("S5", "%v, is answered %v, and was answered before or never arrived; want one answer for each request that arrives", m, m.Outcome().Code)
	case was.place == inside && w.Now() > was.deadline && !c.suspended:
		w.Violate("S5", "%v, is answered %v %v after its deadline; want an answer by then, %v after its arrival", m, m.Outcome().Code, w.Now()-was.deadline, w.Scenario().Plane.ReplyTimeout)
	case was.place == worked && was.finishedAt < w.Now() && !was.refused:
		c.waited(w, m)
	}
}

// waited judges the answer to a poll that waited (PROTOCOL D1, D3).
func (c *deadlines) waited(w *world.World, m *world.Message) {
	until := m.ArrivedAt() + m.Wait()
	switch {
	case m.Outcome().Code == wire.Closed: // S6 says whether it may be
	case m.Outcome().Code == wire.CertificateRevoked: // S10 does
	case m.Outcome().Code == wire.CertificateExpired || m.Outcome().Code == wire.NoCertificate: // S30 does
	case w.Now() > until && w.Now() > c.awake+time.Second && !c.suspended:
		w.Violate("S5", "%v, is answered %v after the end of its wait; want an answer by then, %v after its arrival", m, w.Now()-until, m.Wait())
	case w.Now() < until && !c.newer(m) && !c.q.prior.gone:
		w.Violate("S5", "%v, is answered %v too early; want an answer at the end of its wait, %v, since there is no newer poll of its host", m, until-w.Now(), m.Wait())
	}
}

// newer reports whether another poll of the caller has just come.
func (c *deadlines) newer(m *world.Message) bool {
	for _, name := range c.polls {
		if name == m.Identity().Name {
			return true
		}
	}
	return false
}

func (c *deadlines) stepped(e *world.Event) {
	w := e.World
	for i := range c.ended {
		e := &c.ended[i]
		if e.is(worked) && (e.r.m.Kind() != scenario.RoutePoll || w.Now() >= e.r.m.ArrivedAt()+e.r.m.Wait()) {
			w.Violate("S5", "the reducer is done with %v, and no answer is sent; want its reply or a 503", e.r.m)
		}
	}
	c.ended, c.polls = c.ended[:0], c.polls[:0]
	if w.PlaneSuspended() {
		c.suspended = true
		return
	}
	if c.suspended {
		c.suspended, c.awake = false, w.Now()
	}
	for c.head < len(c.due) && c.due[c.head].at < w.Now() {
		if e := &c.due[c.head]; e.is(inside) && !e.r.answered && e.r.deadline == e.at {
			w.Violate("S5", "%v, has no answer %v after its deadline; want one by the deadline, %v after its arrival", e.r.m, w.Now()-e.at, w.Scenario().Plane.ReplyTimeout)
		}
		c.head++
	}
	if 2*c.head >= len(c.due) {
		c.due, c.head = append(c.due[:0], c.due[c.head:]...), 0
	}
}

func (c *deadlines) planeDown(*world.Event) {
	c.due, c.head, c.ended = c.due[:0], 0, c.ended[:0]
}
