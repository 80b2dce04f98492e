package wire

// OpeningPlan is what the opening of a manifest would do, without doing it (PROTOCOL
// R1): the answer to a manifest that is sent with dry_run=true. It is of the instant
// at which it was asked for.
type OpeningPlan struct {
	RolloutID RolloutID
	// Unchanged says that the rollout is open with this manifest already. Then the
	// opening would do nothing, and the plan says nothing more.
	Unchanged Flag
	// Supersedes are the rollouts whose channel this one would take.
	Supersedes Names
	Hosts      Count
	Waves      []PlannedWave
	// Dispatched are the hosts of the first wave that would be dispatched at once.
	Dispatched HostGroup
	// Running are those hosts that run their target already.
	Running HostGroup
	// Unreachable, NeverSeen (L1) and Unknown are the hosts that the plane has lost, has
	// had no request of, and does not know at all.
	Unreachable, NeverSeen, Unknown HostGroup
	// Quarantined are the targets that would not be dispatched (R3).
	Quarantined []PlannedQuarantine
	// CaseDiffers are unknown hosts that differ from a known one only in case.
	CaseDiffers []CaseDifference
}

// PlannedWave is a wave of an [OpeningPlan].
type PlannedWave struct{ Hosts, SoakMinutes Count }

// PlannedQuarantine is a quarantined target, and how many hosts it is meant for.
type PlannedQuarantine struct {
	Closure Closure
	Hosts   Count
}

// CaseDifference is a host of a manifest and the known one that it may mean.
type CaseDifference struct{ Hostname, Known Hostname }

// HostGroup is a number of hosts and the names of the first of them, in order.
type HostGroup struct {
	Count Count
	Names Names
}

// MaxGroupNames is how many names a [HostGroup] has at most.
const MaxGroupNames = 20

// Add counts a host.
func (g *HostGroup) Add(h Hostname) {
	if g.Count++; len(g.Names) < MaxGroupNames {
		g.Names = append(g.Names, Name(h))
	}
}

var hostGroupSchema = Schema[HostGroup]{Fields: []Field[HostGroup]{
	{"count", Required, func(g *HostGroup) Value { return &g.Count }},
	{"names", Optional, func(g *HostGroup) Value { return &g.Names }},
}}

// DecodeValue implements [Value].
func (g *HostGroup) DecodeValue(d *Decoder) error { return hostGroupSchema.Decode(d, g) }

// AppendValue implements [Value].
func (g *HostGroup) AppendValue(dst []byte) []byte { return hostGroupSchema.Append(dst, g) }

// IsUnset implements [Value]: there are no such hosts.
func (g *HostGroup) IsUnset() bool { return g.Count == 0 }

var plannedWaveSchema = Schema[PlannedWave]{Fields: []Field[PlannedWave]{
	{"hosts", Required, func(w *PlannedWave) Value { return &w.Hosts }},
	{"soak_minutes", Required, func(w *PlannedWave) Value { return &w.SoakMinutes }},
}}

var plannedQuarantineSchema = Schema[PlannedQuarantine]{Fields: []Field[PlannedQuarantine]{
	{"closure", Required, func(q *PlannedQuarantine) Value { return &q.Closure }},
	{"hosts", Required, func(q *PlannedQuarantine) Value { return &q.Hosts }},
}}

var caseDifferenceSchema = Schema[CaseDifference]{Fields: []Field[CaseDifference]{
	{"hostname", Required, func(c *CaseDifference) Value { return &c.Hostname }},
	{"known", Required, func(c *CaseDifference) Value { return &c.Known }},
}}

// OpeningPlanSchema describes [OpeningPlan].
var OpeningPlanSchema = Schema[OpeningPlan]{Fields: []Field[OpeningPlan]{
	{"rollout_id", Required, func(p *OpeningPlan) Value { return &p.RolloutID }},
	{"unchanged", Optional, func(p *OpeningPlan) Value { return &p.Unchanged }},
	{"supersedes", Optional, func(p *OpeningPlan) Value { return &p.Supersedes }},
	{"hosts", Required, func(p *OpeningPlan) Value { return &p.Hosts }},
	{"waves", Optional, func(p *OpeningPlan) Value { return List[PlannedWave]{&p.Waves, &plannedWaveSchema} }},
	{"dispatched", Optional, func(p *OpeningPlan) Value { return &p.Dispatched }},
	{"running", Optional, func(p *OpeningPlan) Value { return &p.Running }},
	{"unreachable", Optional, func(p *OpeningPlan) Value { return &p.Unreachable }},
	{"never_seen", Optional, func(p *OpeningPlan) Value { return &p.NeverSeen }},
	{"unknown", Optional, func(p *OpeningPlan) Value { return &p.Unknown }},
	{"quarantined", Optional, func(p *OpeningPlan) Value {
		return List[PlannedQuarantine]{&p.Quarantined, &plannedQuarantineSchema}
	}},
	{"case_differs", Optional, func(p *OpeningPlan) Value { return List[CaseDifference]{&p.CaseDiffers, &caseDifferenceSchema} }},
}}

// AppendJSON implements [Document].
func (p *OpeningPlan) AppendJSON(dst []byte) []byte { return OpeningPlanSchema.Append(dst, p) }
