package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// operators is S28: what operators are answered. A page has exactly the entries
// that come after the one that it was asked for by, in order, up to its limit, and
// says how to go on if there are more: then the pages of a list together are the
// list (PROTOCOL R5). A manifest under an ID that is open is the same, or it is a
// conflict (R1). And no rollout is finished that has a host under way in it.
type operators struct {
	l    *ledger
	next uint64 // the number of commits after which to look at what is finished
	done uint64
}

func newOperators(s *Checks) {
	c := &operators{l: s.ledger(), next: 4}
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventCommitted, c.committed)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventCompacted, c.compacted)
}

func (c *operators) stepDone(e *world.Event) {
	if e.Message == nil || e.Message.Kind() != scenario.RouteOperator || e.Reply == nil {
		return
	}
	o := &e.Reply.Outcome
	switch in := e.Input.(type) {
	case *plane.OpenRollout:
		c.open(e, &in.Manifest)
	case *plane.QueryHost:
		status, is := o.Document.(*wire.HostStatus)
		if is && status.Hostname != in.Hostname {
			e.World.Violate("S28", "%v is answered with %s; want the host that was asked for", in, status.Hostname)
		}
		if is {
			c.hostShown(e, status)
		}
	case *plane.QueryHosts:
		c.hosts(e, in)
	case *plane.QueryRollouts:
		c.rollouts(e, in)
	case *plane.QueryRollout:
		c.rollout(e, in)
	case *plane.PlanRollout:
		c.plan(e, &in.Manifest)
	case *plane.QueryQuarantine:
		c.quarantine(e)
	case *plane.QueryRevocations:
		c.revocations(e)
	}
}

// open judges what a manifest is answered whose ID is open already.
func (c *operators) open(e *world.Event, m *wire.Manifest) {
	known := c.l.live.find(m.ID())
	if known == nil || e.Reply.Outcome.Code == wire.Created {
		return
	}
	want := wire.OK
	if !sameManifest(&known.manifest, m) {
		want = wire.ManifestConflict
	}
	if got := e.Reply.Outcome.Code; got != want {
		e.World.Violate("S28", "a manifest of %s, which is open, is answered %v; want %v: the same one changes nothing, and another is a conflict", m.ID(), got, want)
	}
}

// sameManifest reports whether two manifests say the same. A serial that only one
// of them has may have been given later.
func sameManifest(a, b *wire.Manifest) bool {
	byName := func(m *wire.Manifest) []wire.ManifestHost {
		return slices.SortedFunc(slices.Values(m.Hosts), func(a, b wire.ManifestHost) int { return cmp.Compare(a.Hostname, b.Hostname) })
	}
	return (a.Serial == b.Serial || a.Serial == 0 || b.Serial == 0) && a.Policy.OnHealthFailure == b.Policy.OnHealthFailure &&
		slices.Equal(a.Policy.Waves, b.Policy.Waves) && slices.Equal(byName(a), byName(b)) && a.Gates.Equal(&b.Gates)
}

// page judges the keys of a page, of all keys in order.
func (c *operators) page(e *world.Event, all, got []string, after string, limit int, next string) {
	from, _ := slices.BinarySearch(all, after)
	if from < len(all) && all[from] == after {
		from++
	}
	to := min(from+limit, len(all))
	goesOn := ""
	if to < len(all) {
		goesOn = all[to-1]
	}
	if !slices.Equal(got, all[from:to]) {
		e.World.Violate("S28", "%v is answered with the entries %v; want %v", e.Input, got, all[from:to])
	} else if next != goesOn {
		e.World.Violate("S28", "%v is answered with next %q; want %q, since there are %d entries and this page ends with number %d", e.Input, next, goesOn, len(all), to)
	}
}

func (c *operators) hosts(e *world.Event, in *plane.QueryHosts) {
	page, is := e.Reply.Outcome.Document.(*wire.Page[wire.HostStatus])
	if !is {
		return
	}
	var all, got []string
	for _, name := range c.l.names[1:] {
		if _, known := e.World.Plane().Host(name); known && c.inState(name, in.Filter.State) {
			all = append(all, string(name))
		}
	}
	slices.Sort(all)
	for i := range page.Items {
		got = append(got, string(page.Items[i].Hostname))
		c.hostShown(e, &page.Items[i])
	}
	c.page(e, all, got, string(in.After), in.Limit, page.Next)
}

// hostShown judges the records that a host is shown with.
func (c *operators) hostShown(e *world.Event, s *wire.HostStatus) {
	copies := c.l.hosts[c.l.number(s.Hostname)]
	if len(copies) != len(s.Records) {
		e.World.Violate("S28", "%v shows %d records of %s; want %d, one for each rollout that it is in", e.Input, len(s.Records), s.Hostname, len(copies))
		return
	}
	for i, r := range copies {
		c.recordShown(e, r, &s.Records[i])
	}
}

func (c *operators) recordShown(e *world.Event, r *recordCopy, s *wire.RecordStatus) {
	is := &s.Snapshot
	if is.RolloutID != r.of.id || is.Hostname != c.l.names[r.host] || is.State != r.last.State || is.LastEventSeq != r.last.LastEventSeq || is.TargetClosure != r.target || int(s.Wave) != r.wave {
		e.World.Violate("S28", "%v shows the record of %s in %s as %v, event %d, target %s, wave %d; want that of h%d in %s, %v, event %d, target %s, wave %d",
			e.Input, is.Hostname, is.RolloutID, is.State, is.LastEventSeq, is.TargetClosure, s.Wave, r.host, r.of.id, r.last.State, r.last.LastEventSeq, r.target, r.wave)
	}
}

func (c *operators) rollouts(e *world.Event, in *plane.QueryRollouts) {
	page, is := e.Reply.Outcome.Document.(*wire.Page[wire.RolloutStatus])
	if !is {
		return
	}
	var all, got []string
	for _, o := range c.l.live.opened {
		all = append(all, string(o.id))
	}
	slices.Sort(all)
	for i := range page.Items {
		got = append(got, string(page.Items[i].RolloutID))
		c.rolloutShown(e, &page.Items[i])
	}
	c.page(e, all, got, string(in.After), in.Limit, page.Next)
}

func (c *operators) rolloutShown(e *world.Event, s *wire.RolloutStatus) {
	o := c.l.live.find(s.RolloutID)
	if o == nil {
		return // it is not one of the list
	}
	if want := o.state(&c.l.live); s.State != want || !slices.Equal(s.Policy.Waves, o.manifest.Policy.Waves) {
		e.World.Violate("S28", "%v shows %s as %v with waves %v; want %v with %v", e.Input, o.id, s.State, s.Policy.Waves, want, o.manifest.Policy.Waves)
	}
	for _, state := range wire.States {
		if got := int(*s.Counts.Of(state)); got != o.states[state] {
			e.World.Violate("S28", "%v shows %d hosts of %s as %v; want %d", e.Input, got, o.id, state, o.states[state])
		}
	}
}

func (c *operators) rollout(e *world.Event, in *plane.QueryRollout) {
	s, is := e.Reply.Outcome.Document.(*wire.RolloutStatus)
	o := c.l.live.find(in.RolloutID)
	if is != (o != nil) {
		e.World.Violate("S28", "%v is answered %v; want unknown_rollout exactly if it is not open", in, e.Reply.Outcome.Code)
	}
	if !is || o == nil {
		return
	}
	c.rolloutShown(e, s)
	var all, got []string
	for _, r := range o.records {
		if in.State == 0 || r.last.State == in.State {
			all = append(all, string(c.l.names[r.host]))
		}
	}
	slices.Sort(all)
	for i := range s.Hosts {
		name := s.Hosts[i].Snapshot.Hostname
		got = append(got, string(name))
		if r := c.l.copyOf(c.l.number(name), o.id); r != nil {
			c.recordShown(e, r, &s.Hosts[i])
		}
	}
	c.page(e, all, got, string(in.After), in.Limit, string(s.Next))
}

func (c *operators) quarantine(e *world.Event) {
	page, is := e.Reply.Outcome.Document.(*wire.Page[wire.QuarantineEntry])
	if !is {
		return
	}
	var all, got []string
	for key, there := range c.l.live.quarantined {
		if there {
			all = append(all, string(key.channel)+" "+string(key.closure))
		}
	}
	slices.Sort(all)
	for i := range page.Items {
		got = append(got, string(page.Items[i].Channel)+" "+string(page.Items[i].Closure))
	}
	slices.Sort(got) // by channel and closure, which is not the order of the joined texts
	c.page(e, all, got, "", len(all), page.Next)
}

func (c *operators) revocations(e *world.Event) {
	page, is := e.Reply.Outcome.Document.(*wire.Page[wire.Revocation])
	if !is {
		return
	}
	var all, got []string
	for name, before := range c.l.live.revoked {
		all = append(all, fmt.Sprintf("%s before %v", name, before))
	}
	slices.Sort(all)
	for i := range page.Items {
		got = append(got, fmt.Sprintf("%s before %v", page.Items[i].CommonName, page.Items[i].RevokedBefore))
	}
	slices.SortFunc(all, strings.Compare)
	slices.Sort(got)
	c.page(e, all, got, "", len(all), page.Next)
}

// committed has what is on the disk retired, on a copy, as if all of it were long
// past, and judges what that takes away: after 4, 16, 64 … commits.
func (c *operators) committed(e *world.Event) {
	if c.done++; c.done < c.next {
		return
	}
	c.next *= 4
	w := e.World
	later := w.PlaneWall().Add(1000 * 24 * 3600e9)
	_, retired, err := plane.Retire(w.Scenario().PlaneConfig(), w.Durable().AppendDurable(nil), later)
	if err != nil {
		w.Violate("S28", "what is on the disk cannot be retired: %v; want it readable", err)
		return
	}
	for _, id := range retired {
		c.retired(w, id)
	}
}

// retired judges a rollout that would be taken away.
func (c *operators) retired(w *world.World, id wire.RolloutID) {
	o := c.l.durable.find(id)
	if o == nil || !c.l.durable.superseded(o) {
		w.Violate("S28", "%s would be retired; want only rollouts that are superseded", id)
		return
	}
	for _, r := range o.records {
		rec, _ := w.Durable().Record(id, c.l.names[r.host])
		if rec.State == wire.Pending || !isActive(rec.State) {
			continue
		}
		moved := false
		for _, other := range c.l.durable.opened {
			taken, there := w.Durable().Record(other.id, c.l.names[r.host])
			moved = moved || there && other != o && other.channel == o.channel && taken.State != wire.Pending
		}
		if !moved {
			w.Violate("S28", "%s would be retired, and h%d is %v in it and has taken up no other of the channel; want it kept", id, r.host, rec.State)
		}
	}
}
