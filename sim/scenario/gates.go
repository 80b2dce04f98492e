package scenario

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Gates are what holds back the dispatches of a rollout beside its waves (PROTOCOL W).
type Gates struct {
	Budgets []Budget
	Edges   []Edge
	// After are the channels whose rollouts come first.
	After      []wire.Channel
	Compliance bool
}

// Budget is a disruption budget: at most Max of Hosts are in flight at a time. It is
// named as it is written.
type Budget struct {
	Max   int
	Hosts Hosts
}

// Edge is an order between two hosts by number: Gated waits for Gates.
type Edge struct{ Gates, Gated int }

// String writes 1:h1..h3.
func (b Budget) String() string { return strconv.Itoa(b.Max) + ":" + b.Hosts.String() }

// String writes h1>h2.
func (e Edge) String() string { return string(HostName(e.Gates)) + ">" + string(HostName(e.Gated)) }

func (g Gates) clone() Gates {
	return Gates{slices.Clone(g.Budgets), slices.Clone(g.Edges), slices.Clone(g.After), g.Compliance}
}

// gatesOf are the gates in the manifest of a rollout.
func (s *Scenario) gatesOf(r *Rollout) (g wire.Gates) {
	for _, b := range r.Budgets {
		budget := wire.DisruptionBudget{Name: wire.Name(b.String()), MaxInFlight: wire.Count(b.Max)}
		for n := 1; n <= s.Fleet.Hosts; n++ {
			if b.Hosts.Has(n) {
				budget.Hosts = append(budget.Hosts, wire.Name(HostName(n)))
			}
		}
		g.Budgets = append(g.Budgets, budget)
	}
	for _, e := range r.Edges {
		g.Edges = append(g.Edges, wire.HostEdge{Gates: HostName(e.Gates), Gated: HostName(e.Gated)})
	}
	for _, c := range r.After {
		g.ChannelEdges = append(g.ChannelEdges, wire.ChannelEdge{Gates: c})
	}
	g.Compliance = wire.Flag(r.Compliance)
	return g
}

// gateKey is the setting that a member of a manifest comes from; empty if it is no
// gate.
func gateKey(field string) string {
	for member, key := range map[string]string{"gates.budgets": "budget", "gates.edges": "edge", "gates.channel_edges": "channel-edge"} { // order-free: at most one fits
		if strings.HasPrefix(field, member) {
			return key
		}
	}
	return ""
}

var budgetSetting = setting[Rollout]{key: "budget", example: "1:h1..h3",
	about: "disruption budgets: how many of these hosts may be in flight at a time, whatever rollout they are in flight for",
	print: func(r *Rollout) string { return joined(r.Budgets, Budget.String) },
	parse: func(r *Rollout, s string) (err error) {
		r.Budgets, err = split(s, func(item string) (b Budget, err error) {
			number, hosts, found := strings.Cut(item, ":")
			if b.Max, err = strconv.Atoi(number); err != nil || b.Max < 0 || !found {
				return b, errors.New("want a number, a colon and hosts, for instance 1:h1..h3")
			}
			b.Hosts, err = ParseHosts(hosts)
			return b, err
		})
		return err
	}}

var edgeSetting = setting[Rollout]{key: "edge", example: "h1>h2",
	about: "orders between its hosts: the second waits for the first",
	print: func(r *Rollout) string { return joined(r.Edges, Edge.String) },
	parse: func(r *Rollout, s string) (err error) {
		r.Edges, err = split(s, func(item string) (Edge, error) {
			gates, gated, _ := strings.Cut(item, ">")
			first, is := HostNumber(wire.Hostname(gates))
			second, isToo := HostNumber(wire.Hostname(gated))
			if e := (Edge{first, second}); is && isToo && e.String() == item {
				return e, nil
			}
			return Edge{}, errors.New("want two hosts with > between them, for instance h1>h2")
		})
		return err
	}}

var channelEdgeSetting = setting[Rollout]{key: "channel-edge", example: "canary",
	about: "the channels whose rollouts come first",
	print: func(r *Rollout) string { return joined(r.After, func(c wire.Channel) string { return string(c) }) },
	parse: func(r *Rollout, s string) (err error) {
		r.After, err = split(s, func(item string) (wire.Channel, error) {
			id, err := wire.ParseRolloutID(item + "@any")
			if err != nil {
				return "", errors.New("want a channel, for instance canary")
			}
			return id.Channel(), nil
		})
		return err
	}}

var complianceSetting = setting[Rollout]{key: "compliance", example: "yes",
	about: "a wave waits while an enforce-mode probe fails in an earlier one",
	print: func(r *Rollout) string {
		if r.Compliance {
			return "yes"
		}
		return ""
	},
	parse: func(r *Rollout, s string) error {
		if s != "yes" {
			return errors.New("want yes")
		}
		r.Compliance = true
		return nil
	}}

// joined writes a list with commas.
func joined[T any](list []T, print func(T) string) string {
	var words []string
	for _, item := range list {
		words = append(words, print(item))
	}
	return strings.Join(words, ",")
}

// split reads a list with commas.
func split[T any](s string, parse func(string) (T, error)) (list []T, err error) {
	for item := range strings.SplitSeq(s, ",") {
		one, err := parse(item)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// renameGates gives the hosts in the gates of a line of a state their new names. Hosts
// that a budget lists and the state does not know are left out: none of them is in
// flight.
func renameGates(line string, names map[wire.Hostname]wire.Hostname) string {
	const member = `,"gates":{`
	before, rest, has := strings.Cut(line, member)
	if !has {
		return line
	}
	var d wire.Decoder
	var of StateRollout
	_, doc, _ := strings.Cut(line, " ")
	if err := wire.DecodeDocument(&d, &stateRolloutSchema, []byte(doc), &of); err != nil {
		return line // Restore names what is wrong with it
	}
	old := string(of.Gates.AppendValue(nil))
	for i := range of.Gates.Budgets {
		var hosts wire.Names
		for _, host := range of.Gates.Budgets[i].Hosts {
			if name, known := names[wire.Hostname(host)]; known {
				hosts = append(hosts, wire.Name(name))
			}
		}
		of.Gates.Budgets[i].Hosts = hosts
	}
	for i := range of.Gates.Edges {
		e := &of.Gates.Edges[i]
		e.Gates, e.Gated = names[e.Gates], names[e.Gated]
	}
	return before + `,"gates":` + string(of.Gates.AppendValue(nil)) + strings.TrimPrefix(`{`+rest, old)
}
