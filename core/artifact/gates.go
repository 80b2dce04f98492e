package artifact

import (
	"fmt"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// gatesOf are the gates of a rollout: those of the fleet that are about its hosts and
// its channel (PROTOCOL W). Edges that hold a host or a channel back for ever are
// refused; those of [IgnoredEdges] are left out.
func (f *Fleet) gatesOf(m *wire.Manifest) (g wire.Gates, refusal *Refusal) {
	g.Compliance = true
	names := make(map[wire.Name]int)
	for i := range f.Budgets {
		b := &f.Budgets[i]
		hosts := f.Select(&b.Selector)
		limit, limited := b.limit(len(hosts))
		if !limited {
			continue
		}
		name := wire.Name(b.Selector.String())
		if names[name]++; names[name] > 1 {
			name += wire.Name(fmt.Sprintf(" (%d)", names[name]))
		}
		g.Budgets = append(g.Budgets, wire.DisruptionBudget{Name: name, Hosts: hosts, MaxInFlight: limit})
	}
	wave := make(map[wire.Name]wire.Count, len(m.Hosts))
	for i := range m.Hosts {
		wave[wire.Name(m.Hosts[i].Hostname)] = m.Hosts[i].Wave
	}
	for i := range f.Edges {
		e := &f.Edges[i]
		first, has := wave[e.Gates]
		second, hasToo := wave[e.Gated]
		switch {
		case !has || !hasToo:
			continue
		case first > second:
			return g, &Refusal{Reason: EdgeAgainstWaves, Field: fmt.Sprintf("edges[%d]", i),
				Detail: fmt.Sprintf("%s of wave %d waits for %s of wave %d, so it is never dispatched; want the host that comes first in no later wave", e.Gated, second, e.Gates, first)}
		}
		g.Edges = append(g.Edges, wire.HostEdge{Gates: wire.Hostname(e.Gates), Gated: wire.Hostname(e.Gated), Reason: e.Reason})
	}
	if circle := wire.Circle(g.Edges); circle != "" {
		return g, &Refusal{Reason: EdgeCircle, Field: "edges", Detail: circle}
	}
	channels := make([]wire.HostEdge, 0, len(f.ChannelEdges)) // a circle of names is one, whatever they name
	for i := range f.ChannelEdges {
		e := &f.ChannelEdges[i]
		if f.ignoredChannel(e) != "" {
			continue
		}
		channels = append(channels, wire.HostEdge{Gates: wire.Hostname(e.Gates), Gated: wire.Hostname(e.Gated)})
		if e.Gated == wire.Name(m.Channel) && !namesChannel(g.ChannelEdges, wire.Channel(e.Gates)) {
			g.ChannelEdges = append(g.ChannelEdges, wire.ChannelEdge{Gates: wire.Channel(e.Gates), Reason: e.Reason})
		}
	}
	if circle := wire.Circle(channels); circle != "" {
		return g, &Refusal{Reason: EdgeCircle, Field: "channelEdges", Detail: circle}
	}
	return g, nil
}

func namesChannel(edges []wire.ChannelEdge, channel wire.Channel) bool {
	for _, e := range edges {
		if e.Gates == channel {
			return true
		}
	}
	return false
}

// limit is how many of so many hosts may be in flight; limited is false if any number
// may. A percentage is rounded down, and at least 1 unless it is 0. Of a number and a
// percentage the smaller one counts.
func (b *Budget) limit(hosts int) (limit wire.Count, limited bool) {
	if b.MaxInFlightPct.Set {
		pct := int64(b.MaxInFlightPct.Max)
		limit, limited = wire.Count(min(int64(hosts), int64(hosts)*pct/100)), true
		if limit == 0 && pct > 0 {
			limit = 1
		}
	}
	if b.MaxInFlight.Set && (!limited || b.MaxInFlight.Max < limit) {
		limit, limited = b.MaxInFlight.Max, true
	}
	return limit, limited
}

// String describes a selector in a few words, such as all, or tags web+front.
func (s *Selector) String() string {
	var parts []string
	list := func(word string, names wire.Names, join string) {
		const most = 8
		if len(names) == 0 {
			return
		}
		var texts []string
		for _, n := range names[:min(most, len(names))] {
			texts = append(texts, string(n))
		}
		if len(names) > most {
			texts = append(texts, "…")
		}
		parts = append(parts, word+" "+strings.Join(texts, join))
	}
	if s.All {
		parts = append(parts, "all")
	}
	if s.Channel != "" {
		parts = append(parts, "channel "+string(s.Channel))
	}
	list("tags", s.Tags, "+")
	list("any tag of", s.TagsAny, ",")
	list("hosts", s.Hosts, ",")
	text := strings.Join(parts, " or ")
	if text == "" {
		return "no host"
	}
	const longest = 256
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// IgnoredEdges names the edges of a fleet that hold nothing back, and says why: a plane
// leaves them out. They are no fault by themselves, since a fleet may be a part of a
// larger one, but mostly a name is wrong.
func (f *Fleet) IgnoredEdges() []string {
	var list []string
	for i := range f.Edges {
		if why := f.ignoredHost(&f.Edges[i]); why != "" {
			list = append(list, fmt.Sprintf("edges[%d], %s before %s: %s", i, f.Edges[i].Gates, f.Edges[i].Gated, why))
		}
	}
	for i := range f.ChannelEdges {
		if why := f.ignoredChannel(&f.ChannelEdges[i]); why != "" {
			list = append(list, fmt.Sprintf("channelEdges[%d], %s before %s: %s", i, f.ChannelEdges[i].Gates, f.ChannelEdges[i].Gated, why))
		}
	}
	return list
}

func (f *Fleet) ignoredHost(e *Edge) string {
	var of [2]*Host
	for i, name := range []wire.Name{e.Gates, e.Gated} {
		host := wire.Lookup(f.Hosts, string(name))
		switch {
		case host == nil:
			return fmt.Sprintf("the fleet has no host %s", name)
		case host.Closure == "":
			return fmt.Sprintf("%s has no closure, and so is in no rollout", name)
		}
		of[i] = host
	}
	if of[0].Channel != of[1].Channel {
		return fmt.Sprintf("%s is on channel %s, and %s on %s; want an edge between the channels", e.Gates, of[0].Channel, e.Gated, of[1].Channel)
	}
	return ""
}

func (f *Fleet) ignoredChannel(e *Edge) string {
	for _, name := range []wire.Name{e.Gates, e.Gated} {
		if wire.Lookup(f.Channels, string(name)) == nil {
			return fmt.Sprintf("the fleet has no channel %s", name)
		}
	}
	return ""
}
