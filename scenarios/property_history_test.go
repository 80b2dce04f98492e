package scenarios_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// place is one (rollout, host) pair.
type place struct {
	rollout wire.RolloutID
	host    int
}

// standing is how far the plane's record of a place is.
type standing struct {
	state wire.State
	seq   wire.Seq
}

// standings collects where the plane's records have stood, to be compared with
// what the hosts' own histories say. It is the reading of "whole or not at all"
// that a host can check: whatever was dropped, refused, torn or replayed, the
// plane never stands where no prefix of the history leads.
type standings struct {
	seen map[place]map[standing]bool
	now  map[place]standing
}

const laterWave = "a host of a later wave was given its dispatch"

// look notes where the records of whoever was seen stand now, and verifies that
// nobody was given a dispatch before the wave before was done (PROTOCOL R2).
func (c *standings) look(v *verdict, w *world.World, sights []record.Sight) {
	if c.seen == nil {
		c.seen, c.now = make(map[place]map[standing]bool), make(map[place]standing)
	}
	for _, sight := range sights {
		if sight.Exchange == nil || sight.Exchange.Host <= 0 {
			continue
		}
		s := *w.Scenario()
		if x := sight.Exchange; sight.Kind == record.SightAnswered && x.Kind == scenario.RoutePoll && x.Outcome.Code == wire.OK {
			inTurn(v, w, &s.Rollouts[0], x.Host)
		}
		for i := range s.Rollouts {
			at := place{s.Rollouts[i].ID, sight.Exchange.Host}
			rec := recordOf(w, at.rollout, at.host)
			if rec == nil || rec.Synthesised() {
				continue
			}
			now := standing{rec.State, rec.LastEventSeq}
			c.now[at] = now
			if c.seen[at] == nil {
				c.seen[at] = make(map[standing]bool)
			}
			c.seen[at][now] = true
		}
	}
}

// inTurn verifies that a host which is given its dispatch comes after a wave
// that is done. It is for scenarios of one rollout that nobody resumes.
func inTurn(v *verdict, w *world.World, r *scenario.Rollout, host int) {
	s := *w.Scenario()
	hosts := s.Manifest(r).Hosts
	own := slices.IndexFunc(hosts, func(h wire.ManifestHost) bool { return h.Hostname == scenario.HostName(host) })
	for _, h := range hosts {
		if h.Wave != hosts[own].Wave-1 {
			continue
		}
		v.reach(laterWave)
		if rec := recordOf(w, r.ID, hostNumber(h.Hostname)); rec == nil || rec.State != wire.Converged && rec.State != wire.Deferred {
			v.errorf("at %v h%d of wave %d was given its dispatch, and %s of the wave before is %v", w.Now(), host, hosts[own].Wave, h.Hostname, rec)
		}
	}
}

// leadsTo is the state that an event leaves its record in (PROTOCOL E), for
// those that move it.
var leadsTo = map[wire.EventKind]wire.State{
	wire.KindDispatchAck:         wire.Activating,
	wire.KindActivationCompleted: wire.Soaking,
	wire.KindActivationDeferred:  wire.Deferred,
	wire.KindActivationFailed:    wire.Failed,
	wire.KindFailed:              wire.Failed,
	wire.KindRollbackComplete:    wire.Reverted,
	wire.KindConverged:           wire.Converged,
}

// compare verifies that each standing is one that a prefix of the host's own
// history leads to. It is for agents that kept their disks.
func (c *standings) compare(v *verdict, w *world.World) {
	var found unordered
	defer func() { found.tell(v) }()
	for at, seen := range c.seen {
		a := w.Agent(at.host)
		if a == nil {
			continue
		}
		state, may := wire.Pending, map[standing]bool{{wire.Pending, 0}: true}
		for _, e := range a.History(at.rollout, nil) {
			if next, moves := leadsTo[e.Body.Kind()]; moves {
				state = next
			}
			may[standing{state, e.Seq}] = true
		}
		for s := range seen {
			if !may[s] {
				found.errorf("the plane's record of h%d in %s once was %v with %d as the last event; no prefix of the host's history leads there: %v",
					at.host, at.rollout, s.state, s.seq, kinds(a.History(at.rollout, nil)))
			}
		}
	}
}

func kinds(events []wire.Event) []string {
	var list []string
	for _, e := range events {
		list = append(list, fmt.Sprintf("%d %s", e.Seq, e.Body.Kind()))
	}
	return list
}

// loggedOnce verifies that no event of a host has had an effect twice: the
// plane's log has at most one line of it. It is for planes that kept their
// disks.
func (r *run) loggedOnce(v *verdict) {
	lines := make(map[key]int)
	for _, e := range r.Entries {
		in, is := e.Input.(*plane.Event)
		if !is {
			continue
		}
		k := key{place{e.RolloutID, hostNumber(e.Hostname)}, in.Envelope.Event.Seq}
		if lines[k]++; lines[k] == 2 {
			v.errorf("the plane's log has event %d of %s in %s twice, the second time as %s", k.seq, e.Hostname, e.RolloutID, e.Outcome)
		}
	}
}

// hostNumber is the number in a host's name.
func hostNumber(name wire.Hostname) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(string(name), "h"))
	return n
}
