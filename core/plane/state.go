package plane

import (
	"maps"
	"slices"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The state of a plane is written as lines: a word and a JSON document. Equal
// states give equal bytes; the lines are sorted, so that two states can be
// compared with a text tool.

// logLine is the place of the log.
type logLine struct{ Logged wire.Seq }

var logLineSchema = wire.Schema[logLine]{Fields: []wire.Field[logLine]{
	{Name: "logged", Presence: wire.Required, Of: func(l *logLine) wire.Value { return &l.Logged }},
}}

// rolloutLine is a rollout without its records.
type rolloutLine struct {
	ID              wire.RolloutID
	OpenedAt        wire.Time
	Serial          wire.Serial
	Signed          wire.Flag
	Policy          wire.Policy
	WavesDispatched wire.Count
	SupersededBy    wire.RolloutID
	HaltedBy        wire.Hostname
	Held            wire.Flag
	Hosts           wire.Count
	Gates           wire.Gates
	Pins            []wire.HostPin
	Unread          []Peer
	Paused, Aborted wire.Mark
}

var rolloutLineSchema = wire.Schema[rolloutLine]{Fields: []wire.Field[rolloutLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *rolloutLine) wire.Value { return &l.ID }},
	{Name: "opened_at", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.OpenedAt }},
	{Name: "serial", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.Serial }},
	{Name: "signed", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.Signed }},
	{Name: "policy", Presence: wire.Required, Of: func(l *rolloutLine) wire.Value {
		return wire.Nested[wire.Policy]{Doc: &l.Policy, Schema: &wire.PolicySchema}
	}},
	{Name: "waves_dispatched", Presence: wire.Required, Of: func(l *rolloutLine) wire.Value { return &l.WavesDispatched }},
	{Name: "superseded_by", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.SupersededBy }},
	{Name: "halted_by", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.HaltedBy }},
	{Name: "held", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.Held }},
	{Name: "hosts", Presence: wire.Required, Of: func(l *rolloutLine) wire.Value { return &l.Hosts }},
	{Name: "gates", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.Gates }},
	{Name: "pins", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value {
		return wire.List[wire.HostPin]{Items: &l.Pins, Schema: &wire.HostPinSchema}
	}},
	{Name: "unread", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value {
		return wire.List[Peer]{Items: &l.Unread, Schema: &peerSchema}
	}},
	{Name: "paused", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.Paused }},
	{Name: "aborted", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.Aborted }},
}}

func (r *rolloutState) line() rolloutLine {
	return rolloutLine{
		ID: r.id, OpenedAt: r.openedAt, Serial: r.serial, Signed: wire.Flag(r.signed), Policy: r.policy, WavesDispatched: wire.Count(r.wavesDispatched),
		SupersededBy: r.supersededBy, HaltedBy: r.haltedBy, Held: wire.Flag(r.held), Hosts: wire.Count(len(r.records)),
		Gates: r.gates, Pins: r.pins, Unread: r.unread, Paused: r.paused, Aborted: r.aborted,
	}
}

// recordLine is a record of the rollout whose line came last.
type recordLine struct {
	Record  rollout.Record
	Excused wire.Flag
	Offered wire.Flag // it may have been taken up (W1)
	Idle    wire.Flag // the host has nothing to do for it any more (W1)
}

var recordLineSchema = wire.Schema[recordLine]{Fields: []wire.Field[recordLine]{
	{Name: "record", Presence: wire.Required, Of: func(l *recordLine) wire.Value {
		return wire.Nested[rollout.Record]{Doc: &l.Record, Schema: &rollout.RecordSchema}
	}},
	{Name: "excused", Presence: wire.Optional, Of: func(l *recordLine) wire.Value { return &l.Excused }},
	{Name: "offered", Presence: wire.Optional, Of: func(l *recordLine) wire.Value { return &l.Offered }},
	{Name: "idle", Presence: wire.Optional, Of: func(l *recordLine) wire.Value { return &l.Idle }},
}}

func (r *rolloutState) recordLine(i int) *recordLine {
	return &recordLine{r.records[i], wire.Flag(r.isExcused(i)), wire.Flag(r.isOffered(i)), wire.Flag(r.isIdle(i))}
}

// retiredLine is what is left of a rollout that was retired, see [Retire].
type retiredLine struct{ ID, SupersededBy wire.RolloutID }

var retiredLineSchema = wire.Schema[retiredLine]{Fields: []wire.Field[retiredLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *retiredLine) wire.Value { return &l.ID }},
	{Name: "superseded_by", Presence: wire.Required, Of: func(l *retiredLine) wire.Value { return &l.SupersededBy }},
}}

// clockLine is the plane's clocks and what it suspects.
type clockLine struct {
	Mono, Impaired, LastTick, Credited, QuietUntil, JudgeAt wire.Nanos
	Wall                                                    wire.Time
	Suspecting, ReadOnly, Scarce                            wire.Flag
}

var clockLineSchema = wire.Schema[clockLine]{Fields: []wire.Field[clockLine]{
	{Name: "mono", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.Mono }},
	{Name: "wall", Presence: wire.Optional, Of: func(l *clockLine) wire.Value { return &l.Wall }},
	{Name: "impaired", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.Impaired }},
	{Name: "last_tick", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.LastTick }},
	{Name: "credited", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.Credited }},
	{Name: "quiet_until", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.QuietUntil }},
	{Name: "judge_at", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.JudgeAt }},
	{Name: "suspecting", Presence: wire.Optional, Of: func(l *clockLine) wire.Value { return &l.Suspecting }},
	{Name: "read_only", Presence: wire.Optional, Of: func(l *clockLine) wire.Value { return &l.ReadOnly }},
	{Name: "scarce", Presence: wire.Optional, Of: func(l *clockLine) wire.Value { return &l.Scarce }},
}}

// hostLine is a host's volatile state.
type hostLine struct {
	Hostname        wire.Hostname
	LastHeartbeatAt wire.Time
	Closure         wire.Closure
	Heard           wire.Nanos
	Gone            wire.Flag
	NeverSeen       wire.Flag   // a line without it, as older planes wrote, is of a host that was seen
	Sender          wire.Serial // a fingerprint, 0 for none
	ReplayRound     wire.Serial // a number that is left out when it is 0
	Field           wire.Flag
}

var hostLineSchema = wire.Schema[hostLine]{Fields: []wire.Field[hostLine]{
	{Name: "hostname", Presence: wire.Required, Of: func(l *hostLine) wire.Value { return &l.Hostname }},
	{Name: "last_heartbeat_at", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.LastHeartbeatAt }},
	{Name: "closure", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.Closure }},
	{Name: "heard", Presence: wire.Required, Of: func(l *hostLine) wire.Value { return &l.Heard }},
	{Name: "gone", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.Gone }},
	{Name: "never_seen", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.NeverSeen }},
	{Name: "sender", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.Sender }},
	{Name: "replay_round", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.ReplayRound }},
	{Name: "field", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.Field }},
}}

// AppendDurable appends the canonical bytes of the durable state: what a walk
// over the log gives again. Hosts are in it by their records only.
func (p *Plane) AppendDurable(dst []byte) []byte {
	dst = wire.AppendLine(dst, "log", &logLineSchema, &logLine{p.logged})
	for _, r := range p.rollouts {
		line := r.line()
		dst = wire.AppendLine(dst, "rollout", &rolloutLineSchema, &line)
		for i := range r.records {
			dst = wire.AppendLine(dst, "record", &recordLineSchema, r.recordLine(i))
		}
	}
	for _, key := range p.quarantineKeys() {
		entry := p.quarantine[key]
		dst = wire.AppendLine(dst, "quarantine", &wire.QuarantineEntrySchema, &entry)
	}
	for _, name := range slices.Sorted(maps.Keys(p.revocations)) {
		dst = wire.AppendLine(dst, "revocation", &wire.RevocationSchema, &wire.Revocation{CommonName: name, RevokedBefore: p.revocations[name]})
	}
	for _, id := range slices.Sorted(maps.Keys(p.retired)) {
		line := p.retired[id]
		dst = wire.AppendLine(dst, "retired", &retiredLineSchema, &line)
	}
	for _, nonce := range slices.Sorted(maps.Keys(p.enrolments)) {
		line := p.enrolments[nonce]
		dst = wire.AppendLine(dst, "enrolment", &enrolmentLineSchema, &line)
	}
	if p.acts.Count > 0 {
		dst = wire.AppendLine(dst, "acts", &wire.ActHeadSchema, &p.acts)
	}
	for _, key := range p.holdKeys() {
		dst = wire.AppendLine(dst, "hold", &holdLineSchema, &holdLine{key.host, key.hold, p.holds[key]})
	}
	return dst
}

// AppendState appends the canonical bytes of the whole state, liveness
// included. It is also the snapshot that [Restore] reads.
func (p *Plane) AppendState(dst []byte) []byte {
	dst = p.AppendDurable(dst)
	l := &p.liveness
	dst = wire.AppendLine(dst, "clock", &clockLineSchema, &clockLine{
		Mono: wire.Nanos(p.last.Mono), Wall: p.last.Wall, Impaired: wire.Nanos(l.impaired),
		LastTick: wire.Nanos(l.lastTick), Credited: wire.Nanos(l.credited), QuietUntil: wire.Nanos(l.quietUntil),
		JudgeAt: wire.Nanos(l.judgeAt), Suspecting: wire.Flag(l.suspecting), ReadOnly: wire.Flag(p.readOnly), Scarce: wire.Flag(p.scarce),
	})
	for _, i := range p.hostsByName() {
		h, v := &p.table.hosts[i], &p.table.vitals[i]
		dst = wire.AppendLine(dst, "host", &hostLineSchema, &hostLine{
			Hostname: h.name, LastHeartbeatAt: v.lastHeartbeatAt, Closure: h.closure,
			Heard: wire.Nanos(v.heard), Gone: wire.Flag(v.gone), NeverSeen: wire.Flag(v.unseen), Sender: wire.Serial(v.sender), ReplayRound: wire.Serial(v.replayRound), Field: wire.Flag(v.field),
		})
	}
	dst = p.appendRelease(p.appendReplaying(p.appendReplays(dst)))
	if p.opening != nil {
		dst = wire.AppendLine(dst, "opening", &openingLineSchema, p.opening.line())
	}
	dst = p.appendSenders(p.appendBudgets(p.appendOffers(dst)))
	return p.appendDiscards(p.appendGiven(p.appendRetakes(dst)))
}
