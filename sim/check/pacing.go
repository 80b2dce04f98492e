package check

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// pacing is S22: what one host may cost by polling. A dispatch is offered to it again
// after 15 s at the earliest (PROTOCOL D2), and its polls are admitted at their pace
// (D3). It looks at answers and admissions, and knows nothing of ticks or of buckets.
type pacing struct {
	q       *inboxModel
	offered map[givenTo]time.Duration
	// polls are when the last polls of each caller were admitted, by number of the
	// caller.
	polls [][]time.Duration
}

// keptPolls is how many polls of a host are looked at together.
const keptPolls = 64

func newPacing(s *Checks) {
	c := &pacing{
		q: s.inbox(), offered: make(map[givenTo]time.Duration), polls: make([][]time.Duration, s.World.Scenario().Fleet.Hosts+2),
	}
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventPlaneStarted, func(*world.Event) { clear(c.offered) })
	s.on(world.EventPlaneDown, func(*world.Event) { clear(c.polls) })
}

func (c *pacing) admitted(e *world.Event) {
	w, m := e.World, e.Message
	if m.Kind() != scenario.RoutePoll || c.q.now == nil || c.q.prior.place != atDoor {
		return // a poll that waited and asks again is no new one
	}
	polls := &c.polls[c.q.now.caller]
	*polls = append(*polls, w.Now())
	if len(*polls) > keptPolls {
		*polls = (*polls)[1:]
	}
	for i, first := range *polls {
		n, in := len(*polls)-i, w.Now()-first
		if limit := pollsAtOnce + int(in/time.Second); n > limit {
			w.Violate("S22", "%v, is admitted, and so are %d polls of %s in %v; the limit for one host is %d: %d, and one for each second", m, n, m.Identity().Name, in, limit, pollsAtOnce)
			return
		}
	}
}

func (c *pacing) stepDone(e *world.Event) {
	if _, polls := e.Input.(*plane.Poll); !polls {
		return
	}
	w := e.World
	d, offers := e.Reply.Outcome.Document.(*wire.Dispatch)
	if !offers {
		return
	}
	n, _ := scenario.HostNumber(d.Hostname)
	to := givenTo{n, d.RolloutID}
	if at, before := c.offered[to]; before && w.Now()-at < offeredAgain {
		w.Violate("S22", "%v, is answered with %s, which h%d was offered %v before; want it offered again after %v at the earliest", e.Message, d.RolloutID, n, w.Now()-at, offeredAgain)
	}
	c.offered[to] = w.Now()
}
