package artifact

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Fleet is the document fleet.resolved: which closure each host shall run, and how
// channels proceed.
type Fleet struct {
	Hosts    []wire.Named[Host]
	Channels []wire.Named[Channel]
	// Policies are the rollout policies that channels name.
	Policies []wire.Named[Policy]
	// Waves are the waves of each channel, with the names of their hosts.
	Waves        []wire.Named[[]Wave]
	Edges        []Edge
	ChannelEdges []Edge
	Budgets      []Budget
	Meta         Meta

	version wire.Count
}

// Host is one host of a fleet.
type Host struct {
	// System is what Nix calls the platform, such as x86_64-linux.
	System  wire.Name
	Tags    wire.Names
	Channel wire.Channel
	// Closure is the base name of the store path; empty if the host was not built.
	Closure wire.Closure
	// PublicKey is the host's SSH key as one line of OpenSSH; may be empty.
	PublicKey wire.Text
	// Pin is why the host's closure is of another commit; nil for most.
	Pin *Pin
}

// Pin holds a host at a commit.
type Pin struct {
	Commit    wire.Name
	Reason    wire.Text
	ExpiresAt wire.Time
}

// Channel is how a channel proceeds. Durations are in minutes.
type Channel struct {
	Policy           wire.Name
	ReconcileMinutes wire.Count
	// FreshMinutes is how old a signature may be. Producers want at least twice
	// SignMinutes; agents of NixFleet have a window of their own.
	FreshMinutes, SignMinutes wire.Count
}

// Policy is a rollout policy.
type Policy struct {
	Strategy wire.Name
	Waves    []PolicyWave
	Health   HealthGate
	// OnFailure is what a sustained failure of a host leads to.
	OnFailure wire.HealthPolicy
}

// PolicyWave selects the hosts of one wave.
type PolicyWave struct {
	Selector    Selector
	SoakMinutes wire.Count
}

// HealthGate is what has to hold on a host after a switch.
type HealthGate struct {
	// FailedUnits limits the failed units of systemd.
	FailedUnits *FailedUnits
}

// FailedUnits is a limit of failed units.
type FailedUnits struct{ Max wire.Count }

// Wave is one wave of a channel with its hosts.
type Wave struct {
	Hosts       wire.Names
	SoakMinutes wire.Count
}

// Edge is an order between two hosts, or between two channels: Gates comes first,
// Gated waits.
type Edge struct {
	Gates, Gated wire.Name
	Reason       wire.Text

	before, after wire.Name // older names of the two
}

// Budget limits how many of the selected hosts are switched at a time.
type Budget struct {
	Selector       Selector
	MaxInFlight    Limit
	MaxInFlightPct Limit
}

// Meta is about the document itself.
type Meta struct {
	// SignedAt is unset in a document that was never signed.
	SignedAt  wire.Time
	Commit    wire.Name
	Algorithm wire.Name

	version wire.Count
}

// fleetSchema describes [Fleet]. Selectors are in selector.go.
var fleetSchema = wire.Schema[Fleet]{Fields: []wire.Field[Fleet]{
	{Name: "schemaVersion", Presence: wire.Required, Of: func(f *Fleet) wire.Value { return &f.version }},
	{Name: "hosts", Presence: wire.Required, Of: func(f *Fleet) wire.Value { return mapOf(&f.Hosts, &hostSchema) }},
	{Name: "channels", Presence: wire.Required, Of: func(f *Fleet) wire.Value { return mapOf(&f.Channels, &channelSchema) }},
	{Name: "rolloutPolicies", Presence: wire.Nullable, Of: func(f *Fleet) wire.Value { return mapOf(&f.Policies, &policySchema) }},
	{Name: "waves", Presence: wire.Required, Of: func(f *Fleet) wire.Value {
		return wire.Map[[]Wave]{Items: &f.Waves, Of: func(w *[]Wave) wire.Value { return listOf(w, &waveSchema) }}
	}},
	{Name: "edges", Presence: wire.Nullable, Of: func(f *Fleet) wire.Value { return listOf(&f.Edges, &edgeSchema) }},
	{Name: "channelEdges", Presence: wire.Nullable, Of: func(f *Fleet) wire.Value { return listOf(&f.ChannelEdges, &edgeSchema) }},
	{Name: "disruptionBudgets", Presence: wire.Nullable, Of: func(f *Fleet) wire.Value { return listOf(&f.Budgets, &budgetSchema) }},
	{Name: "meta", Presence: wire.Required, Of: func(f *Fleet) wire.Value { return wire.Nested[Meta]{Doc: &f.Meta, Schema: &metaSchema} }},
}}

var hostSchema = wire.Schema[Host]{Fields: []wire.Field[Host]{
	{Name: "system", Presence: wire.Required, Of: func(h *Host) wire.Value { return &h.System }},
	{Name: "tags", Presence: wire.Required, Of: func(h *Host) wire.Value { return &h.Tags }},
	{Name: "channel", Presence: wire.Required, Of: func(h *Host) wire.Value { return &h.Channel }},
	{Name: "closureHash", Presence: wire.Nullable, Of: func(h *Host) wire.Value { return orNull{&h.Closure} }},
	{Name: "pubkey", Presence: wire.Nullable, Of: func(h *Host) wire.Value { return orNull{&h.PublicKey} }},
	{Name: "pin", Presence: wire.Optional, Of: func(h *Host) wire.Value { return optional[Pin]{&h.Pin, &pinSchema} }},
}}

var pinSchema = wire.Schema[Pin]{Fields: []wire.Field[Pin]{
	{Name: "commit", Presence: wire.Required, Of: func(p *Pin) wire.Value { return &p.Commit }},
	{Name: "reason", Presence: wire.Required, Of: func(p *Pin) wire.Value { return &p.Reason }},
	{Name: "expiresAt", Presence: wire.Optional, Of: func(p *Pin) wire.Value { return &p.ExpiresAt }},
}}

var channelSchema = wire.Schema[Channel]{Fields: []wire.Field[Channel]{
	{Name: "rolloutPolicy", Presence: wire.Required, Of: func(c *Channel) wire.Value { return &c.Policy }},
	{Name: "reconcileIntervalMinutes", Presence: wire.Required, Of: func(c *Channel) wire.Value { return &c.ReconcileMinutes }},
	{Name: "freshnessWindow", Presence: wire.Required, Of: func(c *Channel) wire.Value { return &c.FreshMinutes }},
	{Name: "signingIntervalMinutes", Presence: wire.Required, Of: func(c *Channel) wire.Value { return &c.SignMinutes }},
}}

var policySchema = wire.Schema[Policy]{Fields: []wire.Field[Policy]{
	{Name: "strategy", Presence: wire.Required, Of: func(p *Policy) wire.Value { return &p.Strategy }},
	{Name: "waves", Presence: wire.Required, Of: func(p *Policy) wire.Value { return listOf(&p.Waves, &policyWaveSchema) }},
	{Name: "healthGate", Presence: wire.Nullable, Of: func(p *Policy) wire.Value { return wire.Nested[HealthGate]{Doc: &p.Health, Schema: &healthSchema} }},
	{Name: "onHealthFailure", Presence: wire.Required, Of: func(p *Policy) wire.Value { return &p.OnFailure }},
}}

var policyWaveSchema = wire.Schema[PolicyWave]{
	Fields: []wire.Field[PolicyWave]{
		{Name: "selector", Presence: wire.Required, Of: func(w *PolicyWave) wire.Value {
			return wire.Nested[Selector]{Doc: &w.Selector, Schema: &selectorSchema}
		}},
		{Name: "soakMinutes", Presence: wire.Required, Of: func(w *PolicyWave) wire.Value { return &w.SoakMinutes }},
	},
	Check: func(w *PolicyWave) (field, problem string) { return checkSoak(w.SoakMinutes) },
}

var healthSchema = wire.Schema[HealthGate]{Fields: []wire.Field[HealthGate]{
	{Name: "systemdFailedUnits", Presence: wire.Optional, Of: func(h *HealthGate) wire.Value { return optional[FailedUnits]{&h.FailedUnits, &failedUnitsSchema} }},
}}

var failedUnitsSchema = wire.Schema[FailedUnits]{Fields: []wire.Field[FailedUnits]{
	{Name: "max", Presence: wire.Required, Of: func(u *FailedUnits) wire.Value { return &u.Max }},
}}

var waveSchema = wire.Schema[Wave]{
	Fields: []wire.Field[Wave]{
		{Name: "hosts", Presence: wire.Required, Of: func(w *Wave) wire.Value { return &w.Hosts }},
		{Name: "soakMinutes", Presence: wire.Required, Of: func(w *Wave) wire.Value { return &w.SoakMinutes }},
	},
	Check: func(w *Wave) (field, problem string) { return checkSoak(w.SoakMinutes) },
}

func checkSoak(minutes wire.Count) (field, problem string) {
	if minutes > wire.MaxSoakMinutes {
		return "soakMinutes", fmt.Sprintf("is %d; want at most %d (a year)", minutes, wire.MaxSoakMinutes)
	}
	return "", ""
}

var edgeSchema = wire.Schema[Edge]{
	Fields: []wire.Field[Edge]{
		{Name: "gates", Presence: wire.Optional, Of: func(e *Edge) wire.Value { return &e.Gates }},
		{Name: "gated", Presence: wire.Optional, Of: func(e *Edge) wire.Value { return &e.Gated }},
		{Name: "before", Presence: wire.Optional, Of: func(e *Edge) wire.Value { return &e.before }},
		{Name: "after", Presence: wire.Optional, Of: func(e *Edge) wire.Value { return &e.after }},
		{Name: "reason", Presence: wire.Nullable, Of: func(e *Edge) wire.Value { return orNull{&e.Reason} }},
	},
	Check: func(e *Edge) (field, problem string) {
		if e.Gates != "" && e.before != "" || e.Gated != "" && e.after != "" {
			return "gates", "is named twice: before and after are older names of gates and gated"
		}
		e.Gates, e.Gated = e.Gates+e.before, e.Gated+e.after
		e.before, e.after = "", ""
		switch {
		case e.Gates == "":
			return "gates", "is missing"
		case e.Gated == "":
			return "gated", "is missing"
		}
		return "", ""
	},
}

var budgetSchema = wire.Schema[Budget]{Fields: []wire.Field[Budget]{
	{Name: "selector", Presence: wire.Required, Of: func(b *Budget) wire.Value { return wire.Nested[Selector]{Doc: &b.Selector, Schema: &selectorSchema} }},
	{Name: "maxInFlight", Presence: wire.Nullable, Of: func(b *Budget) wire.Value { return &b.MaxInFlight }},
	{Name: "maxInFlightPct", Presence: wire.Nullable, Of: func(b *Budget) wire.Value { return &b.MaxInFlightPct }},
}}

var metaSchema = wire.Schema[Meta]{Fields: []wire.Field[Meta]{
	{Name: "schemaVersion", Presence: wire.Required, Of: func(m *Meta) wire.Value { return &m.version }},
	{Name: "signedAt", Presence: wire.Nullable, Of: func(m *Meta) wire.Value { return &m.SignedAt }},
	{Name: "ciCommit", Presence: wire.Nullable, Of: func(m *Meta) wire.Value { return orNull{&m.Commit} }},
	{Name: "signatureAlgorithm", Presence: wire.Optional, Of: func(m *Meta) wire.Value { return &m.Algorithm }},
}}

// Marshal returns the canonical form of the document.
func (f *Fleet) Marshal() ([]byte, error) {
	written := *f
	written.version, written.Meta.version = 1, 1
	return wire.Canonical(fleetSchema.Append(nil, &written))
}
