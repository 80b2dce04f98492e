package artifact

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Rollout is the signed manifest of one channel of a fleet: the rollout of the commit
// that the fleet was made of. It has no failure policy, no soak times and no edges;
// those are the fleet's.
type Rollout struct {
	// DisplayName is for people only.
	DisplayName wire.Name
	Channel     wire.Channel
	Ref         wire.ChannelRef
	// FleetHash is the hash of the fleet's canonical form, as [Hash.String] writes it.
	FleetHash wire.Name
	// Hosts are the lines of the hosts, in the order of their names.
	Hosts   []RolloutHost
	Health  HealthGate
	Budgets []RolloutBudget
	Meta    Meta

	version wire.Count
}

// RolloutHost is one host's own line in a rollout.
type RolloutHost struct {
	Hostname wire.Hostname
	Wave     wire.Count
	Closure  wire.Closure
}

// RolloutBudget is a [Budget] with the hosts that it selects.
type RolloutBudget struct {
	Budget
	Hosts wire.Names
}

// ID returns the rollout's ID: the channel, '@' and the whole commit. It does not
// depend on content: two releases of one commit have the same ID.
func (r *Rollout) ID() wire.RolloutID { return wire.MakeRolloutID(r.Channel, r.Ref) }

// Host returns the line of a host, or nil.
func (r *Rollout) Host(name wire.Hostname) *RolloutHost {
	i, found := slices.BinarySearchFunc(r.Hosts, name, func(h RolloutHost, name wire.Hostname) int { return cmp.Compare(h.Hostname, name) })
	if !found {
		return nil
	}
	return &r.Hosts[i]
}

var rolloutSchema = wire.Schema[Rollout]{
	Fields: []wire.Field[Rollout]{
		{Name: "schemaVersion", Presence: wire.Required, Of: func(r *Rollout) wire.Value { return &r.version }},
		{Name: "displayName", Presence: wire.Required, Of: func(r *Rollout) wire.Value { return &r.DisplayName }},
		{Name: "channel", Presence: wire.Required, Of: func(r *Rollout) wire.Value { return &r.Channel }},
		{Name: "channelRef", Presence: wire.Required, Of: func(r *Rollout) wire.Value { return &r.Ref }},
		{Name: "fleetResolvedHash", Presence: wire.Required, Of: func(r *Rollout) wire.Value { return &r.FleetHash }},
		{Name: "hostSet", Presence: wire.Required, Of: func(r *Rollout) wire.Value { return listOf(&r.Hosts, &rolloutHostSchema) }},
		{Name: "healthGate", Presence: wire.Required, Of: func(r *Rollout) wire.Value { return wire.Nested[HealthGate]{Doc: &r.Health, Schema: &healthSchema} }},
		{Name: "disruptionBudgets", Presence: wire.Nullable, Of: func(r *Rollout) wire.Value { return listOf(&r.Budgets, &rolloutBudgetSchema) }},
		{Name: "meta", Presence: wire.Required, Of: func(r *Rollout) wire.Value { return wire.Nested[Meta]{Doc: &r.Meta, Schema: &metaSchema} }},
	},
	Check: checkRollout,
}

var rolloutHostSchema = wire.Schema[RolloutHost]{Fields: []wire.Field[RolloutHost]{
	{Name: "hostname", Presence: wire.Required, Of: func(h *RolloutHost) wire.Value { return &h.Hostname }},
	{Name: "waveIndex", Presence: wire.Required, Of: func(h *RolloutHost) wire.Value { return &h.Wave }},
	{Name: "targetClosure", Presence: wire.Required, Of: func(h *RolloutHost) wire.Value { return &h.Closure }},
}}

var rolloutBudgetSchema = wire.Schema[RolloutBudget]{Fields: []wire.Field[RolloutBudget]{
	{Name: "selector", Presence: wire.Required, Of: func(b *RolloutBudget) wire.Value {
		return wire.Nested[Selector]{Doc: &b.Selector, Schema: &selectorSchema}
	}},
	{Name: "hosts", Presence: wire.Required, Of: func(b *RolloutBudget) wire.Value { return &b.Hosts }},
	{Name: "maxInFlight", Presence: wire.Nullable, Of: func(b *RolloutBudget) wire.Value { return &b.MaxInFlight }},
	{Name: "maxInFlightPct", Presence: wire.Nullable, Of: func(b *RolloutBudget) wire.Value { return &b.MaxInFlightPct }},
}}

func checkRollout(r *Rollout) (field, problem string) {
	if err := CheckRolloutID(r.ID()); err != nil {
		return "channelRef", "and channel: " + err.Error()
	}
	if len(r.FleetHash) != 64 || strings.Trim(string(r.FleetHash), "0123456789abcdef") != "" {
		return "fleetResolvedHash", "want 64 hexadecimal digits in lower case"
	}
	for i := 1; i < len(r.Hosts); i++ {
		if r.Hosts[i-1].Hostname >= r.Hosts[i].Hostname {
			return fmt.Sprintf("hostSet[%d].hostname", i), fmt.Sprintf("%s follows %s; want each host once, in the order of names", r.Hosts[i].Hostname, r.Hosts[i-1].Hostname)
		}
	}
	return "", ""
}

// CheckRolloutID says why an ID cannot be one that agents ask for: they put it into a
// path as it is, and the planes before this one serve no other. It is stricter than
// PROTOCOL T11.
func CheckRolloutID(id wire.RolloutID) error {
	channel, ref, found := strings.Cut(string(id), "@")
	if !found || channel == "" || strings.Trim(channel, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return fmt.Errorf("the rollout ID would be %s; want a channel of lower-case letters, digits, '_' and '-' before the '@'", id)
	}
	if ref == "" || strings.Trim(ref, "0123456789abcdef") != "" {
		return fmt.Errorf("the rollout ID would be %s; want a commit of hexadecimal digits in lower case after the '@'", id)
	}
	return nil
}

// RolloutOf derives the rollout of a channel from a fleet with this hash: the hosts of
// the channel that have a closure, each in the first wave that names it. It has no
// instant of signing. ok is false if the channel has no such host, and so no rollout.
func RolloutOf(fleet *Fleet, hash Hash, channel wire.Channel) (r Rollout, ok bool) {
	first := make(map[wire.Name]wire.Count) // the first wave that names a host; 0 without one
	if waves := wire.Lookup(fleet.Waves, string(channel)); waves != nil {
		for i := len(*waves) - 1; i >= 0; i-- {
			for _, host := range (*waves)[i].Hosts {
				first[host] = wire.Count(i)
			}
		}
	}
	for i := range fleet.Hosts {
		name, host := fleet.Hosts[i].Name, &fleet.Hosts[i].Of
		if host.Channel != channel || host.Closure == "" {
			continue
		}
		r.Hosts = append(r.Hosts, RolloutHost{Hostname: wire.Hostname(name), Wave: first[wire.Name(name)], Closure: host.Closure})
	}
	commit := string(fleet.Meta.Commit)
	r.Channel, r.Ref = channel, wire.ChannelRef(commit)
	r.DisplayName = wire.Name(string(channel) + "@" + commit[:min(8, len(commit))])
	r.FleetHash = wire.Name(hash.String())
	r.Meta = Meta{Commit: fleet.Meta.Commit, Algorithm: fleet.Meta.Algorithm, SignedAt: fleet.Meta.SignedAt}
	if c := wire.Lookup(fleet.Channels, string(channel)); c != nil {
		if policy := wire.Lookup(fleet.Policies, string(c.Policy)); policy != nil {
			r.Health = policy.Health
		}
	}
	for i := range fleet.Budgets {
		r.Budgets = append(r.Budgets, RolloutBudget{Budget: fleet.Budgets[i], Hosts: fleet.Select(&fleet.Budgets[i].Selector)})
	}
	return r, len(r.Hosts) > 0
}

// Marshal returns the canonical form of the document.
func (r *Rollout) Marshal() ([]byte, error) {
	written := *r
	written.version, written.Meta.version = 1, 1
	return wire.Canonical(rolloutSchema.Append(nil, &written))
}
