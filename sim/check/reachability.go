package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// reachability is S12: who is reachable follows PROTOCOL L1 to L3 on the
// plane's clock, and the plane says so.
//
// The model has an instant for each host, when it was heard last, and walks
// over all of them at every tick. The notices that it expects are compared with
// the plane's one by one; what an operator would be shown of a host, now and
// then. It never looks at what an agent says the time is, except to see that
// it is shown (H1).
type reachability struct {
	l *ledger
	q *inboxModel

	// clock is the time in which the plane could hear, last its last step,
	// ticked its last tick and missed what was credited since.
	credited, last, ticked, missed time.Duration
	// away: hosts were turned away since the last tick, through no fault of
	// their own (L2, decision 008).
	away bool
	// loaded is when the plane was loaded last.
	loaded time.Duration
	// rebuilding: the plane is being built again, and its process goes on.
	rebuilding bool
	// suspecting: the plane suspects itself until it judges again at judgeAt.
	suspecting bool
	judgeAt    time.Duration

	hosts    []hostHeard // by number of the host
	known    int
	expected []plane.Notice
	steps    uint64
}

// hostHeard is what is known of a host.
type hostHeard struct {
	known, gone bool
	seen        bool          // something of it has arrived
	at          time.Duration // on the clock of credited time
	said        wire.Time     // the last `at` of a heartbeat
	runs        wire.Closure  // what it said last that it runs
}

func newReachability(s *Checks) {
	c := &reachability{l: s.ledger(), q: s.inbox(), hosts: make([]hostHeard, s.World.Scenario().Fleet.Hosts+1)}
	s.on(world.EventRefused, c.refused)
	s.on(world.EventDropped, c.dropped)
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventNoticed, c.noticed)
	s.on(world.EventStepEnded, c.stepped)
	s.on(world.EventSection, c.section)
	s.on(world.EventPlaneStarted, c.planeStarted)
	s.on(world.EventPlaneDown, c.planeDown)
}

func (c *reachability) now() time.Duration { return c.last - c.credited }

func (c *reachability) expect(n plane.Notice) { c.expected = append(c.expected, n) }

// credit gives every host a time in which the plane could not hear it.
func (c *reachability) credit(d time.Duration) {
	c.credited += d
	c.missed += d
	if c.known > len(c.l.live.forgotten) {
		c.expect(plane.Notice{Kind: plane.NoticeCredited, Count: int(d / time.Second)})
	}
}

func (c *reachability) learn(host int) {
	if h := &c.hosts[host]; !h.known {
		*h = hostHeard{known: true, at: c.now()}
		c.known++
	}
}

// refused: a host is turned away because nobody is there, or because the whole
// inbox is full. One that is at its own cap has itself to blame.
func (c *reachability) refused(e *world.Event) {
	w, m := e.World, e.Message
	switch m.Outcome().Code {
	case wire.NotStarted, wire.Closed:
		c.away = c.away || !c.q.rebuilding
	case wire.Saturated:
		c.away = c.away || c.q.full(w) && c.q.count() < 4
	}
}

// dropped: what a host said is not heard, since the plane came to it too late.
func (c *reachability) dropped(e *world.Event) {
	c.away = c.away || c.q.now != nil && c.q.now.skipped
}

func (c *reachability) stepping(e *world.Event) {
	w, in := e.World, e.Input
	c.passed(w)
	switch in := in.(type) {
	case *plane.Tick:
		c.tick(w)
	default:
		c.heard(in)
	}
}

// passed: a step of any kind.
func (c *reachability) passed(w *world.World) {
	gap := w.Now() - c.last
	c.last = w.Now()
	if gap > w.Scenario().Fleet.Interval/6 { // nobody was heard, the plane stood still (L2)
		c.credit(gap)
	}
}

// heard: L1, a request of any kind.
func (c *reachability) heard(in plane.Input) {
	host := c.l.host
	if host == 0 {
		return
	}
	c.learn(host)
	h := &c.hosts[host]
	h.at, h.seen = c.now(), true
	if h.gone {
		h.gone = false
		if !c.l.live.forgotten[host] { // else it is not judged
			c.expect(plane.Notice{Kind: plane.NoticeReachable, Hostname: c.l.names[host]})
		}
	}
	if heartbeat, is := in.(*plane.Heartbeat); is {
		h.said = heartbeat.Request.At
		if heartbeat.Request.CurrentClosure != "" {
			h.runs = heartbeat.Request.CurrentClosure
		}
	}
}

func (c *reachability) tick(w *world.World) {
	if rest := c.last - c.ticked - c.missed; c.away && rest > 0 { // L2
		c.credit(rest)
		for i := range c.hosts {
			c.hosts[i].at = min(c.hosts[i].at, c.now())
		}
	}
	c.away, c.ticked, c.missed = false, c.last, 0
	c.judge(w.Scenario().Fleet.Interval)
}

// judge carries out L1 and L3.
func (c *reachability) judge(interval time.Duration) {
	now := c.now()
	if c.suspecting && now < c.judgeAt {
		return
	}
	var silent []wire.Hostname
	soon, recent, judged := 0, 0, 0
	for i := range c.hosts {
		h := &c.hosts[i]
		if !h.known || h.gone || c.l.live.forgotten[i] {
			continue
		}
		judged++
		if now-h.at < interval {
			recent++
		}
		if now-h.at >= 2*interval {
			soon++ // within one interval it will have been three
		}
		if now-h.at >= 3*interval {
			silent = append(silent, c.l.names[i])
		}
	}
	tooMany := soon >= 10 && float64(soon) > 0.2*float64(c.known-len(c.l.live.forgotten))
	if len(silent) > 0 && tooMany && !(c.suspecting && recent > judged-recent) {
		if !c.suspecting {
			c.expect(plane.Notice{Kind: plane.NoticeObserverSuspect, Count: soon})
		}
		c.suspecting, c.judgeAt = true, now+interval
		return
	}
	c.suspecting = false
	slices.SortFunc(silent, func(a, b wire.Hostname) int { return strings.Compare(string(a), string(b)) })
	for _, name := range silent {
		c.hosts[c.l.number(name)].gone = true
		c.expect(plane.Notice{Kind: plane.NoticeUnreachable, Hostname: name})
	}
}

func (c *reachability) stepDone(e *world.Event) {
	w, in, r := e.World, e.Input, e.Reply
	if m := opens(in); m != nil && r.Outcome.Code == wire.Created {
		for _, h := range m.Hosts {
			c.learn(c.l.number(h.Hostname))
		}
		for _, h := range m.Hosts { // those that are new are never seen, for a short time
			c.shown(w, c.l.number(h.Hostname))
		}
	}
	if c.steps++; c.steps%128 == 0 {
		c.shown(w, 1+int(c.steps/128)%(len(c.hosts)-1))
	}
}

// shown compares what an operator would be shown of a host.
func (c *reachability) shown(w *world.World, host int) {
	h := &c.hosts[host]
	status, known := w.Plane().Host(c.l.names[host])
	if want := h.known && !c.l.live.forgotten[host]; known != want {
		w.Violate("S12", "h%d is known to the plane: %v; want %v", host, known, want)
		return
	}
	if !known {
		return
	}
	silent := wire.Count((c.now() - h.at) / time.Second)
	want := wire.NeverSeen
	switch {
	case h.gone:
		want = wire.Unreachable
	case h.seen:
		want = wire.Reachable
	}
	if status.Reachability != want || status.SilentSeconds != silent || status.LastHeartbeatAt != h.said || status.CurrentClosure != h.runs {
		w.Violate("S12", "h%d is shown as %v, silent for %d s, heard at %v, on %q; want %v, %d s, %v and %q", host,
			status.Reachability, status.SilentSeconds, status.LastHeartbeatAt, status.CurrentClosure, want, silent, h.said, h.runs)
	}
}

func (c *reachability) noticed(e *world.Event) {
	w, n := e.World, *e.Notice
	switch n.Kind {
	case plane.NoticeUnreachable, plane.NoticeReachable, plane.NoticeObserverSuspect, plane.NoticeCredited:
	default:
		return
	}
	if len(c.expected) == 0 || c.expected[0] != n {
		w.Violate("S12", "the plane reports %v; want %s", n, expectedNotices(c.expected))
		return
	}
	c.expected = c.expected[1:]
	if len(c.expected) == 0 {
		c.expected = nil
	}
}

func (c *reachability) stepped(e *world.Event) {
	w := e.World
	if len(c.expected) > 0 && w.PlaneIdle() {
		w.Violate("S12", "the plane does not report %v; want it by now", c.expected[0])
	}
}

// expectedNotices writes the notices that are due.
func expectedNotices(list []plane.Notice) string {
	if len(list) == 0 {
		return "no notice"
	}
	return fmt.Sprint(list)
}

// planeStarted: nobody knows how long the plane was down, so every host has a
// whole silence from now on (L2). It remembers those that have a record, and
// that they were seen if a record is no longer as it was opened (L1). If the
// process went on, so did its inbox, and who was turned away since the last
// tick still counts.
func (c *reachability) section(e *world.Event) {
	switch e.Section {
	case driver.Load:
		c.loaded = e.At
	case driver.Step: // a slice of an opening
		c.passed(e.World)
	case driver.Discard:
		c.expected, c.rebuilding = nil, true
	}
}

func (c *reachability) planeStarted(e *world.Event) {
	*c = reachability{
		l: c.l, q: c.q, hosts: c.hosts, last: c.loaded, ticked: c.loaded, steps: c.steps, away: c.away && c.rebuilding, loaded: c.loaded,
	}
	clear(c.hosts)
	for _, o := range c.l.live.opened {
		for _, r := range o.records {
			c.learn(r.host)
			h := &c.hosts[r.host]
			h.seen = h.seen || r.last.State != wire.Pending
		}
	}
	for host := range c.hosts {
		if c.l.live.cordoned[host] || c.l.live.forgotten[host] {
			c.learn(host)
		}
	}
}

func (c *reachability) planeDown(*world.Event) { c.expected, c.rebuilding = nil, false }
