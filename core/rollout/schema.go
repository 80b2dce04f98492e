package rollout

import "github.com/refrain-fleet/refrain/core/wire"

// ProbeSchema describes [Probe].
var ProbeSchema = wire.Schema[Probe]{Fields: []wire.Field[Probe]{
	{Name: "probeName", Of: func(p *Probe) wire.Value { return &p.Name }},
	{Name: "mode", Of: func(p *Probe) wire.Value { return &p.Mode }},
	{Name: "status", Presence: wire.Optional, Of: func(p *Probe) wire.Value { return &p.Status }},
	{Name: "firstObservedAt", Presence: wire.Optional, Of: func(p *Probe) wire.Value { return &p.FirstObservedAt }},
	{Name: "lastObservedAt", Presence: wire.Optional, Of: func(p *Probe) wire.Value { return &p.LastObservedAt }},
	{Name: "firstFailedAt", Presence: wire.Optional, Of: func(p *Probe) wire.Value { return &p.FirstFailedAt }},
}}

// RecordSchema describes the whole [Record], for stores, hashes and
// comparisons. Its members are those of a snapshot (PROTOCOL H6) and what only
// this side knows. Decoding verifies the invariants of [Record.Check].
var RecordSchema = wire.Schema[Record]{
	Fields: []wire.Field[Record]{
		{Name: "rolloutId", Of: func(r *Record) wire.Value { return &r.RolloutID }},
		{Name: "hostname", Of: func(r *Record) wire.Value { return &r.Hostname }},
		{Name: "wave", Of: func(r *Record) wire.Value { return &r.Wave }},
		{Name: "soakSeconds", Of: func(r *Record) wire.Value { return &r.SoakSeconds }},
		{Name: "state", Of: func(r *Record) wire.Value { return &r.State }},
		{Name: "targetClosure", Of: func(r *Record) wire.Value { return &r.TargetClosure }},
		{Name: "currentClosureAtDispatch", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.CurrentClosureAtDispatch }},
		{Name: "currentClosure", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.CurrentClosure }},
		{Name: "dispatchedAt", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.DispatchedAt }},
		{Name: "dispatchAckedAt", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.DispatchAckedAt }},
		{Name: "activationStartedAt", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.ActivationStartedAt }},
		{Name: "activationCompletedAt", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.ActivationCompletedAt }},
		{Name: "soakDueAt", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.SoakDueAt }},
		{Name: "endedAt", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.EndedAt }},
		{Name: "lastEventSeq", Of: func(r *Record) wire.Value { return &r.LastEventSeq }},
		{Name: "synthesised", Presence: wire.Optional, Of: func(r *Record) wire.Value { return &r.Marks }},
		{Name: "probes", Presence: wire.Optional, Of: func(r *Record) wire.Value {
			return wire.List[Probe]{Items: &r.Probes, Schema: &ProbeSchema}
		}},
	},
	Check: (*Record).firstBroken,
}

// AppendJSON implements [wire.Document]: equal records give equal bytes.
func (r *Record) AppendJSON(dst []byte) []byte { return RecordSchema.Append(dst, r) }
