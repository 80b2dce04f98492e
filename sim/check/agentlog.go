package check

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// agentLog is S24: an agent comes up as what it had made durable, however often its
// log was compacted, and a compacted log says the same as the agent.
//
// It keeps the entries that the host's disk was given, never compacted, and walks
// them one by one.
type agentLog struct {
	entries [][]agent.Entry // by number of the host; of the first maxLogs
	views   [2][]agent.View
	events  [2][]wire.Event
	text    []byte
}

// maxLogs is of how many hosts the entries are kept: they are never dropped.
const maxLogs = 1000

func newAgentLog(s *Checks) {
	c := &agentLog{entries: make([][]agent.Entry, min(s.World.Scenario().Fleet.Hosts, maxLogs)+1)}
	s.on(world.EventHostAppended, c.appended)
	s.on(world.EventHostUnsynced, c.unsynced)
	s.on(world.EventHostLost, c.lost)
	s.on(world.EventHostStepped, c.stepped)
	s.on(world.EventHostCompacted, c.compacted)
	s.on(world.EventHostLoaded, c.loaded)
}

func (c *agentLog) appended(e *world.Event) {
	if e.Host < len(c.entries) {
		c.entries[e.Host] = append(c.entries[e.Host], e.Appended...)
	}
}

func (c *agentLog) unsynced(e *world.Event) {
	if e.Host < len(c.entries) {
		list := c.entries[e.Host]
		for _, entry := range list[len(list)-e.Count:] {
			if entry.Kind != agent.EntryAcknowledged {
				e.World.Violate("S24", "h%d has lost %v with its power; want it synced before anything follows from it", e.Host, entry)
			}
		}
		c.entries[e.Host] = list[:len(list)-e.Count]
	}
}

func (c *agentLog) lost(e *world.Event) {
	if e.Host < len(c.entries) {
		c.entries[e.Host] = nil
	}
}

// stepped judges the log that a compaction would write now, where that is not what
// every other would be: something was refused, renumbered or taken back.
func (c *agentLog) stepped(e *world.Event) {
	if slices.ContainsFunc(e.AgentOutput.Appends, func(entry agent.Entry) bool {
		return entry.Kind == agent.EntryRefused || entry.Kind == agent.EntryRenumbered || entry.Kind == agent.EntryReplay
	}) {
		c.text = e.World.Agent(e.Host).AppendDurable(c.text[:0])
		c.compare(e.World, e.Host, c.text)
	}
}

func (c *agentLog) compacted(e *world.Event) { c.compare(e.World, e.Host, e.Lines) }

// compare judges that a compacted log gives the agent that wrote it.
func (c *agentLog) compare(w *world.World, host int, lines []byte) {
	a := w.Agent(host)
	again, err := agent.Restore(a.Config(), lines)
	if err != nil {
		w.Violate("S24", "h%d cannot read the compacted log of its state: %v; want a log that gives the same state", host, err)
		return
	}
	if why := c.difference(again, a); why != "" {
		w.Violate("S24", "h%d: the compacted log of its state gives another: %s", host, why)
	}
}

// loaded judges that the agent is what the entries on its disk give, one by one.
func (c *agentLog) loaded(e *world.Event) {
	if e.Host >= len(c.entries) || len(c.entries[e.Host]) == 0 && len(e.Lines) == 0 {
		return
	}
	w, a := e.World, e.World.Agent(e.Host)
	walked, err := agent.New(a.Config())
	if err != nil {
		w.Violate("S24", "h%d: %v", e.Host, err)
		return
	}
	for _, entry := range c.entries[e.Host] {
		if err := walked.Apply(entry); err != nil {
			w.Violate("S24", "h%d: the entries of its log cannot be walked: %v", e.Host, err)
			return
		}
	}
	if why := c.difference(a, walked); why != "" {
		w.Violate("S24", "h%d came up as something else than it had made durable: %s", e.Host, why)
	}
}

// difference says in what an agent that was restored differs from what it should be.
func (c *agentLog) difference(is, want *agent.Agent) string {
	if has, gives := is.AppendDurable(nil), want.AppendDurable(nil); !bytes.Equal(has, gives) {
		a, b := firstDifference(has, gives)
		return fmt.Sprintf("it has\n\t%s\nwant\n\t%s", a, b)
	}
	c.views[0], c.views[1] = is.Views(c.views[0][:0]), want.Views(c.views[1][:0])
	for i := range c.views[1] {
		v, u := &c.views[0][i], &c.views[1][i] // as many, by what they make durable
		id := u.Record.RolloutID
		c.events[0], c.events[1] = is.History(id, c.events[0][:0]), want.History(id, c.events[1][:0])
		switch {
		case !sameRecord(v.Record, u.Record):
			return fmt.Sprintf("%s: %s", id, difference(v.Record, u.Record))
		case v.Superseded != u.Superseded || v.Busy != u.Busy:
			return fmt.Sprintf("%s is superseded: %v, busy: %v; want %v and %v", id, v.Superseded, v.Busy, u.Superseded, u.Busy)
		case is.Seen(id.Channel()) != want.Seen(id.Channel()):
			return fmt.Sprintf("the newest release that it has seen of %s was signed at %v; want %v", id.Channel(), is.Seen(id.Channel()), want.Seen(id.Channel()))
		case len(c.events[0]) != len(c.events[1]):
			return fmt.Sprintf("%s: %d events count; want %d", id, len(c.events[0]), len(c.events[1]))
		}
	}
	return ""
}
