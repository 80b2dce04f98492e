package wire

// Why a host or a rollout is not at its target (PROTOCOL Y).

// Cause is what a host, or a rollout, waits for.
type Cause uint8

// The causes, in the order in which they are listed.
const (
	// CausePreparing: the rollout is being opened in slices (R1).
	CausePreparing Cause = iota + 1
	// CauseSuperseded: a newer rollout of the channel is known.
	CauseSuperseded
	// CauseHeld: an operator has to choose a rollout of the channel (R6).
	CauseHeld
	// CauseHalted: a failed host halts the rollout (R2).
	CauseHalted
	// CauseAborted: an operator has ended the rollout (O3).
	CauseAborted
	// CauseWave: the wave before has hosts that are not done (R2).
	CauseWave
	// CauseQuarantine: the target is quarantined on the channel (R3).
	CauseQuarantine
	// CauseRelease: no release that is held says the same (V6, V7).
	CauseRelease
	// CauseFreshness: the release that is held is no longer fresh (V6).
	CauseFreshness
	// CauseGate: a gate holds the dispatch back (W).
	CauseGate
	// CauseStore: nothing can be made durable (G9).
	CauseStore
	// CauseRevoked: the host's certificates are refused, and it was not heard since (T5).
	CauseRevoked
	// CauseUnreachable: the host was not heard for three intervals (L1).
	CauseUnreachable
	// CauseNeverSeen: nothing of the host has ever arrived (L1).
	CauseNeverSeen
	// CauseReplay: the record may be behind the host, whose events are asked for (H8, H9).
	CauseReplay
	// CauseBusy: the host activates another rollout first (A10).
	CauseBusy
	// CausePoll: the dispatch is queued, and the host's poll has not come (D1).
	CausePoll
	// CauseAcknowledgement: the dispatch was offered and not acknowledged (D2, D4).
	CauseAcknowledgement
	// CauseActivation: the host is switching.
	CauseActivation
	// CauseReboot: the switch was deferred to the next boot.
	CauseReboot
	// CauseClosure: the host runs another closure than its target.
	CauseClosure
	// CauseProbe: an enforce-mode probe fails, or has not run (E1).
	CauseProbe
	// CauseSoak: the soak is not over (E1).
	CauseSoak
	// CauseReport: the soak is over, and the host has not reported Converged (A8).
	CauseReport
	// CauseFailed: the host has failed.
	CauseFailed
	// CauseReverted: the host has failed, and gone back.
	CauseReverted

	causeEnd
)

var causeWords = []string{"", "preparing", "superseded", "held", "halted", "aborted", "wave", "quarantine", "release", "freshness", "gate", "store",
	"revoked", "unreachable", "never_seen", "replay", "busy", "poll", "acknowledgement", "activation", "reboot", "closure", "probe", "soak",
	"report", "failed", "reverted"}

// Causes lists every cause in its order.
func Causes() (all []Cause) {
	for c := Cause(1); c < causeEnd; c++ {
		all = append(all, c)
	}
	return all
}

// String returns the stable word of the cause.
func (c Cause) String() string { return WordOf(causeWords, c) }

// ParseCause reads the word of a cause.
func ParseCause(s string) (Cause, error) { return parseWord[Cause](causeWords, s) }

// DecodeValue implements [Value].
func (c *Cause) DecodeValue(d *Decoder) error { return decodeWord(d, causeWords, c) }

// AppendValue implements [Value].
func (c *Cause) AppendValue(dst []byte) []byte { return appendWord(dst, causeWords, *c) }

// IsUnset implements [Value].
func (c *Cause) IsUnset() bool { return *c == 0 }

// Fact is one thing that a host, or a rollout, waits for (PROTOCOL Y2).
type Fact struct {
	Cause Cause
	// Gate is which gate, if the cause is one.
	Gate Gate
	// By is what blocks: hosts, rollouts, a channel, a budget, a closure or probes, as
	// the cause says.
	By HostGroup
	// Reason says it for people, Next what happens next without an operator.
	Reason, Next Text
	// Since is since when, NextAt when the next thing happens; unset if that is not
	// known. Instants of what a host has reported are by the host's clock.
	Since, NextAt Time
	// Do is the command that an operator may run; empty if none helps.
	Do Text
}

// FactSchema describes [Fact].
var FactSchema = Schema[Fact]{Fields: []Field[Fact]{
	{"cause", Required, func(f *Fact) Value { return &f.Cause }},
	{"gate", Optional, func(f *Fact) Value { return &f.Gate }},
	{"by", Optional, func(f *Fact) Value { return &f.By }},
	{"reason", Required, func(f *Fact) Value { return &f.Reason }},
	{"since", Optional, func(f *Fact) Value { return &f.Since }},
	{"next", Optional, func(f *Fact) Value { return &f.Next }},
	{"next_at", Optional, func(f *Fact) Value { return &f.NextAt }},
	{"do", Optional, func(f *Fact) Value { return &f.Do }},
}}

// RecordWhy is why a host is not at its target in one rollout.
type RecordWhy struct {
	RolloutID     RolloutID
	State         State
	Wave          Count
	TargetClosure Closure
	AtTarget      Flag
	// Facts are what has to be over, all of it; none if the host is at its target.
	Facts []Fact
}

// RecordWhySchema describes [RecordWhy].
var RecordWhySchema = Schema[RecordWhy]{Fields: []Field[RecordWhy]{
	{"rollout_id", Required, func(r *RecordWhy) Value { return &r.RolloutID }},
	{"state", Required, func(r *RecordWhy) Value { return &r.State }},
	{"wave", Required, func(r *RecordWhy) Value { return &r.Wave }},
	{"target_closure", Required, func(r *RecordWhy) Value { return &r.TargetClosure }},
	{"at_target", Required, func(r *RecordWhy) Value { return &r.AtTarget }},
	{"facts", Optional, func(r *RecordWhy) Value { return List[Fact]{&r.Facts, &FactSchema} }},
}}

// HostWhy answers why a host is not at its target (PROTOCOL Y1).
type HostWhy struct {
	Hostname     Hostname
	At           Time // the plane's clock
	Reachability Reachability
	// CurrentClosure is what the host last reported to run.
	CurrentClosure Closure
	// AtTarget says that every rollout that is not superseded has the host at its target,
	// or, in an answer for one rollout, that one.
	AtTarget Flag
	// Rollouts are those rollouts, by ID.
	Rollouts []RecordWhy
}

// HostWhySchema describes [HostWhy].
var HostWhySchema = Schema[HostWhy]{Fields: []Field[HostWhy]{
	{"hostname", Required, func(h *HostWhy) Value { return &h.Hostname }},
	{"at", Required, func(h *HostWhy) Value { return &h.At }},
	{"reachability", Required, func(h *HostWhy) Value { return &h.Reachability }},
	{"current_closure", Optional, func(h *HostWhy) Value { return &h.CurrentClosure }},
	{"at_target", Required, func(h *HostWhy) Value { return &h.AtTarget }},
	{"rollouts", Optional, func(h *HostWhy) Value { return List[RecordWhy]{&h.Rollouts, &RecordWhySchema} }},
}}

// AppendJSON implements [Document].
func (h *HostWhy) AppendJSON(dst []byte) []byte { return HostWhySchema.Append(dst, h) }

// WhyGroup are hosts of a rollout that wait for the same: their first facts have the
// same cause, gate and By.
type WhyGroup struct {
	// Fact is that of the first of them.
	Fact Fact
	// Wave is the earliest wave that has one of them.
	Wave  Count
	Hosts HostGroup
}

// WhyGroupSchema describes [WhyGroup].
var WhyGroupSchema = Schema[WhyGroup]{Fields: []Field[WhyGroup]{
	{"fact", Required, func(g *WhyGroup) Value { return Nested[Fact]{&g.Fact, &FactSchema} }},
	{"wave", Required, func(g *WhyGroup) Value { return &g.Wave }},
	{"hosts", Required, func(g *WhyGroup) Value { return &g.Hosts }},
}}

// HostFact is a fact about one host.
type HostFact struct {
	Hostname Hostname
	Fact     Fact
}

// HostFactSchema describes [HostFact].
var HostFactSchema = Schema[HostFact]{Fields: []Field[HostFact]{
	{"hostname", Required, func(h *HostFact) Value { return &h.Hostname }},
	{"fact", Required, func(h *HostFact) Value { return Nested[Fact]{&h.Fact, &FactSchema} }},
}}

// DecodeValue implements [Value].
func (h *HostFact) DecodeValue(d *Decoder) error { return HostFactSchema.Decode(d, h) }

// AppendValue implements [Value].
func (h *HostFact) AppendValue(dst []byte) []byte { return HostFactSchema.Append(dst, h) }

// IsUnset implements [Value].
func (h *HostFact) IsUnset() bool { return h.Hostname == "" }

// RolloutWhy answers why a rollout is not at its target (PROTOCOL Y4).
type RolloutWhy struct {
	RolloutID RolloutID
	At        Time // the plane's clock
	State     RolloutState
	AtTarget  Flag
	// Hosts counts the rollout's hosts, Waiting those that are not at their target.
	Hosts, Waiting Count
	// Waves counts the waves. Wave is the first that is not done, from 0, if WaveOpen
	// says that there is one.
	Waves, Wave Count
	WaveOpen    Flag
	// Facts are about the rollout as a whole.
	Facts []Fact
	// Groups are its hosts by what they wait for, those of the first wave that is not done
	// first. A superseded rollout has none.
	Groups []WhyGroup
	// Last is the host of that wave that has the most before it, and what comes last for
	// it; unset if there is no such wave.
	Last HostFact
}

// RolloutWhySchema describes [RolloutWhy].
var RolloutWhySchema = Schema[RolloutWhy]{Fields: []Field[RolloutWhy]{
	{"rollout_id", Required, func(r *RolloutWhy) Value { return &r.RolloutID }},
	{"at", Required, func(r *RolloutWhy) Value { return &r.At }},
	{"state", Required, func(r *RolloutWhy) Value { return &r.State }},
	{"at_target", Required, func(r *RolloutWhy) Value { return &r.AtTarget }},
	{"hosts", Required, func(r *RolloutWhy) Value { return &r.Hosts }},
	{"waiting", Required, func(r *RolloutWhy) Value { return &r.Waiting }},
	{"waves", Required, func(r *RolloutWhy) Value { return &r.Waves }},
	{"wave", Required, func(r *RolloutWhy) Value { return &r.Wave }},
	{"wave_open", Optional, func(r *RolloutWhy) Value { return &r.WaveOpen }},
	{"facts", Optional, func(r *RolloutWhy) Value { return List[Fact]{&r.Facts, &FactSchema} }},
	{"groups", Optional, func(r *RolloutWhy) Value { return List[WhyGroup]{&r.Groups, &WhyGroupSchema} }},
	{"last", Optional, func(r *RolloutWhy) Value { return &r.Last }},
}}

// AppendJSON implements [Document].
func (r *RolloutWhy) AppendJSON(dst []byte) []byte { return RolloutWhySchema.Append(dst, r) }
