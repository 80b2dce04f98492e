package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// whyEvery is how often every explanation is looked at. Besides, all are when the state
// of a rollout has changed, at most once in whyAfter.
const (
	whyEvery = 3 * time.Minute
	whyAfter = 20 * time.Second
)

// whyModel is what S51 and S52 share: when they look, and what somebody knows who has
// watched the requests of hosts since the plane's process loaded its log. Nothing of it
// is asked of the plane.
type whyModel struct {
	l       *ledger
	last    time.Duration // the last look
	states  map[*openedRollout]wire.RolloutState
	changed bool
	up      time.Duration // since when the plane's process has loaded
	hosts   []hostSigns
	// given are the offers that are not made again yet (D2), fielded those to field agents
	// that are not acknowledged, held those of them whose agent has started anew (D4).
	given, fielded, held map[*recordCopy]time.Duration

	onHost    []func(*world.World, int, *wire.HostWhy)
	onRollout []func(*world.World, *openedRollout, *wire.RolloutWhy)
	whys      []wire.HostWhy // of this look, by host
}

// hostSigns is what a host has shown of itself.
type hostSigns struct {
	any     bool
	at      time.Duration // its last request
	beat    wire.Time     // the instant that its last heartbeat gave
	beats   bool
	wall    wire.Time // of the plane, then
	closure wire.Closure
	field   bool // it was a field agent's
}

// why returns the model. It is made like the ledger.
func (s *Checks) why() *whyModel {
	if s.sharedWhy != nil {
		return s.sharedWhy
	}
	m := &whyModel{l: s.ledger(), hosts: make([]hostSigns, s.World.Scenario().Fleet.Hosts+1)}
	m.forget()
	s.sharedWhy = m
	s.on(world.EventPlaneStarted, func(e *world.Event) {
		m.forget()
		m.up = e.At
		for _, list := range m.l.hosts {
			for _, c := range list { // whether they were offered is not known any more
				if c.there && c.last.State == wire.Pending && c.last.DispatchedAt.IsSet() && m.l.live.inForce(c.of) {
					m.fielded[c] = e.At
				}
			}
		}
	})
	s.on(world.EventStepDone, m.stepDone)
	return m
}

func (m *whyModel) forget() {
	clear(m.hosts)
	m.states = make(map[*openedRollout]wire.RolloutState)
	m.given, m.fielded, m.held = make(map[*recordCopy]time.Duration), make(map[*recordCopy]time.Duration), make(map[*recordCopy]time.Duration)
}

func (m *whyModel) stepDone(e *world.Event) {
	m.note(e)
	for _, o := range m.l.affected {
		if state := o.state(&m.l.live); m.states[o] != state {
			m.states[o], m.changed = state, true
		}
	}
	now := e.World.Now()
	if now-m.last >= whyEvery || m.changed && now-m.last >= whyAfter {
		m.last, m.changed = now, false
		m.look(e.World)
	}
}

// note takes in what a step showed.
func (m *whyModel) note(e *world.Event) {
	now := e.World.Now()
	h := &m.hosts[m.l.host]
	if m.l.host > 0 {
		h.any, h.at = true, now
	}
	switch in := e.Input.(type) {
	case *plane.Heartbeat:
		h.field = in.Dialect == wire.DialectField
		if h.field && fieldBooted(h.beat, in.Request.At, e.World.Scenario().Fleet.Interval) {
			for _, c := range m.l.now {
				if at, offered := m.fielded[c]; offered && c.last.State == wire.Pending {
					m.held[c] = at
				}
			}
		}
		h.beats, h.beat, h.wall = true, in.Request.At, e.World.PlaneWall()
		if in.Request.CurrentClosure != "" {
			h.closure = in.Request.CurrentClosure
		}
	case *plane.Poll:
		h.field = in.Dialect == wire.DialectField
		if d, offers := e.Reply.Outcome.Document.(*wire.Dispatch); offers {
			if c := m.l.copyOf(m.l.host, d.RolloutID); c != nil && c.last.State == wire.Pending {
				m.given[c] = now
				if h.field {
					m.fielded[c] = now
				}
			}
		}
	case *plane.Tick:
		for c, at := range m.given { // order-free: each for itself
			if now-at >= offeredAgain || c.last.State != wire.Pending {
				delete(m.given, c)
			}
		}
		for c, at := range m.held { // order-free: likewise
			if now-at >= quietFor {
				delete(m.held, c)
			}
		}
	}
	for _, c := range m.l.now {
		if c.last.State != c.before.State {
			delete(m.given, c)
			delete(m.fielded, c)
			delete(m.held, c)
		}
	}
}

// look asks the plane why every host and every rollout is where it is.
func (m *whyModel) look(w *world.World) {
	p := w.Plane()
	m.whys = slices.Grow(m.whys[:0], len(m.hosts))[:len(m.hosts)]
	for n := 1; n < len(m.hosts); n++ {
		m.whys[n] = wire.HostWhy{}
		if len(m.l.hosts[n]) == 0 {
			continue
		}
		why, known := p.WhyHost(scenario.HostName(n), "")
		if !known {
			w.Violate("S51", "h%d has records, and is not known; want it explained", n)
			return
		}
		m.whys[n] = why
		for _, judge := range m.onHost {
			judge(w, n, &why)
		}
	}
	for _, o := range m.l.live.opened {
		why, known := p.WhyRollout(o.id)
		if !known {
			w.Violate("S51", "%s is open, and not known; want it explained", o.id)
			return
		}
		for _, judge := range m.onRollout {
			judge(w, o, &why)
		}
	}
}
