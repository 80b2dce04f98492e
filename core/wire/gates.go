package wire

import (
	"fmt"
	"slices"
	"strconv"
)

// Gates are what holds back the dispatches of a rollout beside its waves (PROTOCOL
// W): limits of how many hosts are disrupted at a time, and what comes first.
type Gates struct {
	Budgets []DisruptionBudget
	// Edges are orders between hosts of the rollout.
	Edges []HostEdge
	// ChannelEdges are the channels whose rollouts come before this one.
	ChannelEdges []ChannelEdge
	// Compliance: a wave waits for enforce-mode probes that fail in earlier ones.
	Compliance Flag
}

// DisruptionBudget limits how many hosts are in flight at a time (PROTOCOL W2).
type DisruptionBudget struct {
	Name Name
	// Hosts are those that it is about. They need not be hosts of the rollout.
	Hosts       Names
	MaxInFlight Count
}

// HostEdge is an order between two hosts of a rollout: Gated waits for Gates
// (PROTOCOL W3).
type HostEdge struct {
	Gates, Gated Hostname
	Reason       Text
}

// ChannelEdge is a channel whose rollout comes first (PROTOCOL W4).
type ChannelEdge struct {
	Gates  Channel
	Reason Text
}

// IsUnset implements [Value]: nothing is held back.
func (g *Gates) IsUnset() bool {
	return len(g.Budgets) == 0 && len(g.Edges) == 0 && len(g.ChannelEdges) == 0 && !bool(g.Compliance)
}

// DecodeValue implements [Value].
func (g *Gates) DecodeValue(d *Decoder) error { return GatesSchema.Decode(d, g) }

// AppendValue implements [Value].
func (g *Gates) AppendValue(dst []byte) []byte { return GatesSchema.Append(dst, g) }

// Equal reports whether two rollouts have the same gates.
func (g *Gates) Equal(o *Gates) bool {
	return g.Compliance == o.Compliance && slices.Equal(g.Edges, o.Edges) && slices.Equal(g.ChannelEdges, o.ChannelEdges) &&
		slices.EqualFunc(g.Budgets, o.Budgets, func(a, b DisruptionBudget) bool {
			return a.Name == b.Name && a.MaxInFlight == b.MaxInFlight && slices.Equal(a.Hosts, b.Hosts)
		})
}

// GatesSchema describes [Gates].
var GatesSchema = Schema[Gates]{
	Fields: []Field[Gates]{
		{"budgets", Optional, func(g *Gates) Value { return List[DisruptionBudget]{&g.Budgets, &disruptionBudgetSchema} }},
		{"edges", Optional, func(g *Gates) Value { return List[HostEdge]{&g.Edges, &hostEdgeSchema} }},
		{"channel_edges", Optional, func(g *Gates) Value { return List[ChannelEdge]{&g.ChannelEdges, &channelEdgeSchema} }},
		{"compliance", Optional, func(g *Gates) Value { return &g.Compliance }},
	},
	Check: func(g *Gates) (field, problem string) {
		for i, b := range g.Budgets {
			if at := slices.IndexFunc(g.Budgets[:i], func(o DisruptionBudget) bool { return o.Name == b.Name }); at >= 0 {
				return gateField("budgets", i, "name"), fmt.Sprintf("%s is already budgets[%d]", b.Name, at)
			}
		}
		for i, e := range g.ChannelEdges {
			if at := slices.IndexFunc(g.ChannelEdges[:i], func(o ChannelEdge) bool { return o.Gates == e.Gates }); at >= 0 {
				return gateField("channel_edges", i, "gates"), fmt.Sprintf("%s is already channel_edges[%d]", e.Gates, at)
			}
		}
		return "", ""
	},
}

var disruptionBudgetSchema = Schema[DisruptionBudget]{
	Fields: []Field[DisruptionBudget]{
		{"name", Required, func(b *DisruptionBudget) Value { return &b.Name }},
		{"hosts", Required, func(b *DisruptionBudget) Value { return &b.Hosts }},
		{"max_in_flight", Required, func(b *DisruptionBudget) Value { return &b.MaxInFlight }},
	},
	Check: func(b *DisruptionBudget) (field, problem string) {
		there := make(map[Name]bool, len(b.Hosts))
		for i, host := range b.Hosts {
			if _, err := ParseHostname(string(host)); err != nil {
				return "hosts[" + strconv.Itoa(i) + "]", err.Error()
			}
			if there[host] {
				return "hosts[" + strconv.Itoa(i) + "]", fmt.Sprintf("%s is there twice; want each host once", host)
			}
			there[host] = true
		}
		return "", ""
	},
}

var hostEdgeSchema = Schema[HostEdge]{Fields: []Field[HostEdge]{
	{"gates", Required, func(e *HostEdge) Value { return &e.Gates }},
	{"gated", Required, func(e *HostEdge) Value { return &e.Gated }},
	{"reason", Optional, func(e *HostEdge) Value { return &e.Reason }},
}}

var channelEdgeSchema = Schema[ChannelEdge]{Fields: []Field[ChannelEdge]{
	{"gates", Required, func(e *ChannelEdge) Value { return &e.Gates }},
	{"reason", Optional, func(e *ChannelEdge) Value { return &e.Reason }},
}}

// gateField names a member of a gate.
func gateField(list string, i int, member string) string {
	return list + "[" + strconv.Itoa(i) + "]." + member
}

// checkGates refuses edges that would hold a host back for ever. wave has the wave
// of each host of the manifest.
func checkGates(m *Manifest, wave func(Hostname) (Count, bool)) (field, problem string) {
	for i, e := range m.Gates.ChannelEdges {
		if e.Gates == m.Channel {
			return "gates." + gateField("channel_edges", i, "gates"), fmt.Sprintf("is %s, the rollout's own channel; want another one", e.Gates)
		}
	}
	for i, e := range m.Gates.Edges {
		gates, has := wave(e.Gates)
		if !has {
			return "gates." + gateField("edges", i, "gates"), fmt.Sprintf("is %s, which is no host of the rollout; want one that is", e.Gates)
		}
		gated, has := wave(e.Gated)
		switch {
		case !has:
			return "gates." + gateField("edges", i, "gated"), fmt.Sprintf("is %s, which is no host of the rollout; want one that is", e.Gated)
		case gates > gated:
			return "gates." + gateField("edges", i, "gates"), fmt.Sprintf("is %s of wave %d, and %s of wave %d waits for it; want the host that comes first in no later wave", e.Gates, gates, e.Gated, gated)
		}
	}
	if circle := Circle(m.Gates.Edges); circle != "" {
		return "gates.edges", circle
	}
	return "", ""
}

// Circle describes hosts that wait for each other in a circle, so that none is ever
// dispatched; empty if there are none.
func Circle(edges []HostEdge) string {
	waitsFor := make(map[Hostname][]Hostname, len(edges))
	for _, e := range edges {
		waitsFor[e.Gated] = append(waitsFor[e.Gated], e.Gates)
	}
	const under, done = 1, 2
	seen := make(map[Hostname]int, len(waitsFor))
	for _, e := range edges {
		// A walk along what waits for what; path is where it is.
		path, next := []Hostname{e.Gated}, []int{0}
		if seen[e.Gated] == done {
			continue
		}
		seen[e.Gated] = under
		for len(path) > 0 {
			top := len(path) - 1
			list := waitsFor[path[top]]
			if next[top] == len(list) {
				seen[path[top]] = done
				path, next = path[:top], next[:top]
				continue
			}
			host := list[next[top]]
			next[top]++
			switch seen[host] {
			case done:
			case under:
				return describeCircle(path[slices.Index(path, host):])
			default:
				seen[host] = under
				path, next = append(path, host), append(next, 0)
			}
		}
	}
	return ""
}

func describeCircle(hosts []Hostname) string {
	text := string(hosts[0])
	for _, host := range hosts[1:] {
		text += " waits for " + string(host) + ", which"
	}
	return text + " waits for " + string(hosts[0]) + "; want edges without a circle"
}
