package check

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Which of a channel's rollouts is in force (PROTOCOL R1, R6), worked out from
// what was opened and said.

// opens is the manifest that an input opens; nil if it opens none.
func opens(in plane.Input) *wire.Manifest {
	switch in := in.(type) {
	case *plane.OpenRollout:
		return &in.Manifest
	case *plane.FileManifest:
		return &in.Manifest
	default:
		return nil
	}
}

// superseded reports whether a newer rollout is known.
func (d *decisions) superseded(o *openedRollout) bool { return d.superseder[o] != "" }

// inForce reports whether a rollout has its channel.
func (d *decisions) inForce(o *openedRollout) bool { return !d.superseded(o) && !d.held[o] }

// has returns the rollout that has a channel; nil if there is none.
func (d *decisions) has(channel wire.Channel) *openedRollout {
	for _, o := range d.opened {
		if o.channel == channel && d.inForce(o) {
			return o
		}
	}
	return nil
}

// take gives a rollout its channel: all the others are older.
func (d *decisions) take(o *openedRollout) {
	for _, other := range d.opened {
		if other != o && other.channel == o.channel && !d.superseded(other) {
			d.superseder[other] = o.id
			delete(d.held, other)
		}
	}
	delete(d.held, o)
}

// fallBehind puts a rollout behind the one that has the channel.
func (d *decisions) fallBehind(o *openedRollout) {
	for _, other := range d.opened {
		if other != o && other.channel == o.channel && d.inForce(other) {
			d.superseder[o] = other.id
		}
	}
}

// wait holds the rollouts of a channel until an operator decides.
func (d *decisions) wait(o *openedRollout) {
	for _, other := range d.opened {
		if other.channel == o.channel && !d.superseded(other) {
			d.held[other] = true
		}
	}
}

// highest is the highest serial of a channel's rollouts that are known, signed ones
// left out but for the one that has the channel.
func (d *decisions) highest(channel wire.Channel, has *openedRollout) (serial wire.Serial) {
	for _, o := range d.opened {
		if o.channel == channel && (o == has || !d.signed[o]) {
			serial = max(serial, o.manifest.Serial)
		}
	}
	return serial
}

// peersOf are manifests of a channel, as a set.
func peersOf(peers []plane.Peer) map[wire.RolloutID]bool {
	set := make(map[wire.RolloutID]bool)
	for _, peer := range peers {
		set[peer.RolloutID] = true
	}
	return set
}

// layUnread reports whether a manifest lay in the directory when a rollout of its
// channel was held: it does not take the channel from what an operator has decided since.
func (d *decisions) layUnread(id wire.RolloutID) bool {
	for _, o := range d.opened {
		if o.channel == id.Channel() && o.unread[id] {
			return true
		}
	}
	return false
}

// placeOf says what gives a rollout of the directory its place.
func (d *decisions) placeOf(in *plane.FileManifest) func(*decisions, *openedRollout) {
	channel, has := in.Manifest.Channel, d.has(in.Manifest.Channel)
	if in.Signed {
		return func(d *decisions, o *openedRollout) {
			if d.signed[o] = true; has != nil && d.signed[has] && in.Manifest.Serial < has.manifest.Serial {
				d.fallBehind(o)
			} else {
				d.take(o)
			}
		}
	}
	older := func(serial wire.Serial) bool { return has != nil && serial != 0 && serial < d.highest(channel, has) }
	fresh := map[wire.RolloutID]wire.Serial{in.Manifest.ID(): in.Manifest.Serial}
	for _, peer := range in.Peers {
		if d.find(peer.RolloutID) == nil && !older(peer.Serial) && !d.layUnread(peer.RolloutID) {
			fresh[peer.RolloutID] = peer.Serial
		}
	}
	of := map[wire.Serial]int{}
	for _, serial := range fresh { // order-free: a count
		of[serial]++
	}
	unsure := len(fresh) > 1 && (of[0] > 0 || len(of) < len(fresh))
	hold := func(d *decisions, o *openedRollout) {
		o.unread = peersOf(in.Peers)
		d.wait(o)
	}
	for o := range d.held { // order-free: any of them
		if o.channel == channel {
			return hold
		}
	}
	switch {
	case older(in.Manifest.Serial), has != nil && d.layUnread(in.Manifest.ID()):
		return (*decisions).fallBehind
	case unsure:
		return hold
	default:
		return (*decisions).take
	}
}

// releases is S19: nothing that lies in the plane's directory sends a host to an
// older release. A rollout that the plane opened from there is offered only if no
// other one that lay there when the process came up, of its channel, has a higher
// serial. An operator may go back; it takes a word of its own. And what a backup has
// was the newest when the backup was made: it may be offered until the plane has read
// the newer one that the backup lacks. And what an operator has chosen stays chosen: no
// manifest that lay there then is offered in its place.
type releases struct {
	l *ledger
	// chosen has for each channel the manifests of the directory that were not chosen.
	chosen map[wire.Channel]map[wire.RolloutID]bool
	// carried are the rollouts of the backup that was restored last.
	carried map[wire.RolloutID]bool
}

func newReleases(s *Checks) {
	c := &releases{l: s.ledger(), carried: make(map[wire.RolloutID]bool), chosen: make(map[wire.Channel]map[wire.RolloutID]bool)}
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventPlaneDown, c.planeDown)
	s.on(world.EventPlaneStarted, c.planeStarted)
}

// planeStarted: a choice that was not durable is none.
func (c *releases) planeStarted(*world.Event) {
	for channel := range c.chosen { // order-free: each for itself
		if c.l.live.has(channel) == nil {
			delete(c.chosen, channel)
		}
	}
}

// chose notes what else lay in the directory when an operator chose.
func (c *releases) chose(e *world.Event, id wire.RolloutID) {
	others := make(map[wire.RolloutID]bool)
	for _, file := range e.World.Files()[:e.World.ManifestsRead()] {
		if other := file.Manifest.ID(); other != id {
			others[other] = true
		}
	}
	c.chosen[id.Channel()] = others
}

func (c *releases) planeDown(e *world.Event) {
	if e.Wiped || e.Restored {
		clear(c.carried)
		clear(c.chosen)
	}
	if e.Restored {
		for _, o := range c.l.durable.opened {
			c.carried[o.id] = true
		}
	}
}

func (c *releases) stepDone(e *world.Event) {
	if in, is := e.Input.(*plane.ChooseRollout); is && e.Reply.Outcome.Code == wire.OK {
		c.chose(e, in.RolloutID)
	}
	if _, is := e.Input.(*plane.Poll); !is {
		return
	}
	d, offers := e.Reply.Outcome.Document.(*wire.Dispatch)
	if !offers {
		return
	}
	if o := c.l.live.find(d.RolloutID); o != nil && c.l.live.filed[o] {
		c.offered(e, d)
	}
}

func (c *releases) offered(e *world.Event, d *wire.Dispatch) {
	if c.chosen[d.RolloutID.Channel()][d.RolloutID] {
		e.World.Violate("S19", "m%d: %s is offered %s, which lay in the directory when an operator chose another one of its channel; want that one in force until an operator says otherwise", e.Message.ID(), d.Hostname, d.RolloutID)
		return
	}
	var serial, highest wire.Serial
	var newest wire.RolloutID
	for _, file := range e.World.Files()[:e.World.ManifestsRead()] {
		m := &file.Manifest
		switch id := m.ID(); {
		case id == d.RolloutID:
			serial = m.Serial
		case c.carried[d.RolloutID] && c.l.live.find(id) == nil: // not read yet
		case m.Channel == d.RolloutID.Channel() && m.Serial > highest:
			newest, highest = id, m.Serial
		}
	}
	if serial != 0 && serial < highest {
		e.World.Violate("S19", "m%d: %s is offered %s, whose serial is %d; want %s, with serial %d, which lies in the directory", e.Message.ID(), d.Hostname, d.RolloutID, serial, newest, highest)
	}
}
