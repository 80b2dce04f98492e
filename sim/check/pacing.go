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
// And whether two machines use a host's name is noticed when it is so, and not when
// it is not (L4).
type pacing struct {
	q       *inboxModel
	offered map[givenTo]time.Duration
	// polls are when the last polls of each caller were admitted, by number of the
	// caller.
	polls [][]time.Duration
	// senders are the addresses that the heartbeats of each host came from since the
	// plane started.
	senders map[wire.Hostname]*addresses
}

// addresses are those of one host.
type addresses struct {
	from map[string]*cadence
	// noticed: the plane has reported two of them.
	noticed bool
	// beats are the last heartbeats, with their addresses.
	beats []heardBeat
}

type heardBeat struct {
	at   time.Duration
	from string
}

// turns is how many turns in a row the heartbeats end with: each comes from another
// address than the one before it, and within an interval and a quarter of the one before
// it from there.
func (s *addresses) turns(interval time.Duration) (n int) {
	for i := len(s.beats) - 1; i > 0; i-- {
		b := s.beats[i]
		if b.from == s.beats[i-1].from {
			continue
		}
		j := i - 1
		for j >= 0 && s.beats[j].from != b.from {
			j--
		}
		if j < 0 || b.at-s.beats[j].at > interval+interval/4 {
			break
		}
		n++
	}
	return n
}

// cadence is how heartbeats come from one address: since when never more than an
// interval and a tenth apart.
type cadence struct{ since, last time.Duration }

// keptPolls is how many polls of a host are looked at together.
const keptPolls = 64

func newPacing(s *Checks) {
	c := &pacing{
		q: s.inbox(), offered: make(map[givenTo]time.Duration), polls: make([][]time.Duration, s.World.Scenario().Fleet.Hosts+2),
		senders: make(map[wire.Hostname]*addresses),
	}
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventPlaneStarted, func(*world.Event) { clear(c.offered); clear(c.senders) })
	s.on(world.EventNoticed, c.noticed)
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
	if in, beats := e.Input.(*plane.Heartbeat); beats {
		c.heard(e.World, in)
		return
	}
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

// turnsToNotice is how many turns in a row say that there are two machines (L4).
const turnsToNotice = 4

// noticedWithin is for how many intervals two machines may send heartbeats all the time
// before they are noticed.
const noticedWithin = 6

func (c *pacing) heard(w *world.World, in *plane.Heartbeat) {
	s := c.senders[in.Request.Hostname]
	if s == nil {
		s = &addresses{from: make(map[string]*cadence)}
		c.senders[in.Request.Hostname] = s
	}
	interval := w.Scenario().Fleet.Interval
	apart := interval + interval/10
	own := s.from[in.From]
	if own == nil || w.Now()-own.last > apart {
		own = &cadence{since: w.Now()}
		s.from[in.From] = own
	}
	own.last = w.Now()
	if s.beats = append(s.beats, heardBeat{w.Now(), in.From}); len(s.beats) > keptPolls {
		s.beats = s.beats[1:]
	}
	if s.noticed || len(s.from) != 2 {
		return
	}
	for _, other := range s.from { // order-free: of two, the one that is not own
		if other != own && w.Now()-other.last <= apart && w.Now()-max(other.since, own.since) > noticedWithin*interval {
			w.Violate("S22", "heartbeats of %s have come from two addresses for %v, and the plane has not noticed it; want that within %d intervals", in.Request.Hostname, w.Now()-max(other.since, own.since), noticedWithin)
		}
	}
}

func (c *pacing) noticed(e *world.Event) {
	if e.Notice.Kind != plane.NoticeDuplicateIdentity {
		return
	}
	s := c.senders[e.Notice.Hostname]
	if s == nil || len(s.from) < 2 {
		e.World.Violate("S22", "the plane reports two machines of %s, whose heartbeats came from one address; want no notice", e.Notice.Hostname)
		return
	}
	s.noticed = true
	if n := s.turns(e.World.Scenario().Fleet.Interval); n < turnsToNotice {
		e.World.Violate("S22", "the plane reports two machines of %s after %d turns of its two addresses in a row; want %d, or no notice: one machine with two ways out makes none", e.Notice.Hostname, n, turnsToNotice)
	}
}
