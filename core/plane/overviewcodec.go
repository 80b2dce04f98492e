package plane

import (
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// No route answers with an overview; the flight recorder compares replies by their JSON.

var queryOverviewSchema = wire.Schema[QueryOverview]{Fields: []wire.Field[QueryOverview]{
	{Name: "from", Presence: wire.Required, Of: func(in *QueryOverview) wire.Value { return &in.From }},
}}

var overviewSchema = wire.Schema[Overview]{Fields: []wire.Field[Overview]{
	{Name: "at", Presence: wire.Optional, Of: func(v *Overview) wire.Value { return &v.At }},
	{Name: "fleet", Presence: wire.Required, Of: func(v *Overview) wire.Value {
		return wire.Nested[wire.FleetStatus]{Doc: &v.Fleet, Schema: &wire.FleetStatusSchema}
	}},
	{Name: "blocked", Presence: wire.Optional, Of: func(v *Overview) wire.Value { return &v.Blocked }},
	{Name: "rollouts", Presence: wire.Required, Of: func(v *Overview) wire.Value {
		return wire.List[RolloutOverview]{Items: &v.Rollouts, Schema: &rolloutOverviewSchema}
	}},
	{Name: "more_rollouts", Presence: wire.Required, Of: func(v *Overview) wire.Value { return &v.MoreRollouts }},
	{Name: "silent", Presence: wire.Required, Of: func(v *Overview) wire.Value {
		return wire.List[SilentHost]{Items: &v.Silent, Schema: &silentHostSchema}
	}},
	{Name: "slow", Presence: wire.Required, Of: func(v *Overview) wire.Value { return wire.List[SlowHost]{Items: &v.Slow, Schema: &slowHostSchema} }},
	{Name: "quarantine", Presence: wire.Required, Of: func(v *Overview) wire.Value {
		return wire.List[wire.QuarantineEntry]{Items: &v.Quarantine, Schema: &wire.QuarantineEntrySchema}
	}},
	{Name: "next", Presence: wire.Required, Of: func(v *Overview) wire.Value { return &v.Next }},
}}

var rolloutOverviewSchema = wire.Schema[RolloutOverview]{Fields: []wire.Field[RolloutOverview]{
	{Name: "status", Presence: wire.Required, Of: func(r *RolloutOverview) wire.Value {
		return wire.Nested[wire.RolloutStatus]{Doc: &r.Status, Schema: &wire.RolloutStatusSchema}
	}},
	{Name: "waves", Presence: wire.Required, Of: func(r *RolloutOverview) wire.Value {
		return wire.List[wire.StateCounts]{Items: &r.Waves, Schema: &waveCountsSchema}
	}},
}}

var waveCountsSchema = wire.Schema[wire.StateCounts]{Fields: countsByState()}

func countsByState() (fields []wire.Field[wire.StateCounts]) {
	for _, state := range wire.States {
		fields = append(fields, wire.Field[wire.StateCounts]{
			Name: strings.ToLower(state.String()), Presence: wire.Required, Of: func(c *wire.StateCounts) wire.Value { return c.Of(state) },
		})
	}
	return fields
}

var silentHostSchema = wire.Schema[SilentHost]{Fields: []wire.Field[SilentHost]{
	{Name: "hostname", Presence: wire.Required, Of: func(h *SilentHost) wire.Value { return &h.Hostname }},
	{Name: "reachability", Presence: wire.Required, Of: func(h *SilentHost) wire.Value { return &h.Reachability }},
	{Name: "seconds", Presence: wire.Required, Of: func(h *SilentHost) wire.Value { return &h.Seconds }},
}}

var slowHostSchema = wire.Schema[SlowHost]{Fields: []wire.Field[SlowHost]{
	{Name: "hostname", Presence: wire.Required, Of: func(h *SlowHost) wire.Value { return &h.Hostname }},
	{Name: "rollout_id", Presence: wire.Required, Of: func(h *SlowHost) wire.Value { return &h.RolloutID }},
	{Name: "state", Presence: wire.Required, Of: func(h *SlowHost) wire.Value { return &h.State }},
	{Name: "since", Presence: wire.Required, Of: func(h *SlowHost) wire.Value { return &h.Since }},
	{Name: "blocked", Presence: wire.Optional, Of: func(h *SlowHost) wire.Value { return &h.Blocked }},
}}

// AppendJSON implements [wire.Document].
func (v *Overview) AppendJSON(dst []byte) []byte { return overviewSchema.Append(dst, v) }
