package wire

// HeartbeatRequest is the body of POST /v1/agent/heartbeat (PROTOCOL H).
type HeartbeatRequest struct {
	Hostname Hostname
	// RolloutID is the agent's view of its outstanding rollout; empty when it
	// has none, which asks the plane for bootstrap snapshots (H3).
	RolloutID RolloutID
	// CurrentClosure is what the host runs; empty when unknown.
	CurrentClosure Closure
	// At is the agent's clock.
	At Time
}

// HeartbeatRequestSchema describes [HeartbeatRequest].
var HeartbeatRequestSchema = Schema[HeartbeatRequest]{Fields: []Field[HeartbeatRequest]{
	{"hostname", Required, func(r *HeartbeatRequest) Value { return &r.Hostname }},
	{"rollout_id", Optional, func(r *HeartbeatRequest) Value { return &r.RolloutID }},
	{"current_closure", Optional, func(r *HeartbeatRequest) Value { return &r.CurrentClosure }},
	{"at", Required, func(r *HeartbeatRequest) Value { return &r.At }},
}}

// HeartbeatResponse is the body of the 200 answer to a heartbeat.
type HeartbeatResponse struct {
	// ReceivedAt echoes the request's At; unset (null) only if the plane could
	// not process it.
	ReceivedAt Time
	// Bootstrap has a snapshot of each active record of the host, ordered by
	// rollout ID, if the request named no rollout (H3).
	Bootstrap []Snapshot
}

// HeartbeatResponseSchema describes [HeartbeatResponse].
var HeartbeatResponseSchema = Schema[HeartbeatResponse]{Fields: []Field[HeartbeatResponse]{
	{"received_at", Nullable, func(r *HeartbeatResponse) Value { return &r.ReceivedAt }},
	{"bootstrap_rollouts", Optional, func(r *HeartbeatResponse) Value { return (*snapshots)(&r.Bootstrap) }},
}}

// snapshots is the list of snapshots behind one pointer, so that the answer to
// a heartbeat, unlike a [List], is written without an allocation.
type snapshots []Snapshot

func (s *snapshots) list() List[Snapshot] {
	return List[Snapshot]{(*[]Snapshot)(s), &SnapshotSchema}
}

// DecodeValue implements [Value].
func (s *snapshots) DecodeValue(d *Decoder) error { return s.list().DecodeValue(d) }

// AppendValue implements [Value].
func (s *snapshots) AppendValue(dst []byte) []byte { return s.list().AppendValue(dst) }

// IsUnset implements [Value].
func (s *snapshots) IsUnset() bool { return len(*s) == 0 }

// Snapshot is the plane's view of one (rollout, host) record (PROTOCOL H6).
type Snapshot struct {
	RolloutID                RolloutID
	Hostname                 Hostname
	Channel                  Channel
	State                    State
	TargetClosure            Closure
	CurrentClosureAtDispatch Closure
	CurrentClosure           Closure
	DispatchedAt             Time
	DispatchAckedAt          Time
	ActivationStartedAt      Time
	ActivationCompletedAt    Time
	SoakDueAt                Time
	LastEventSeq             Seq
}

// SnapshotSchema describes [Snapshot].
var SnapshotSchema = Schema[Snapshot]{Fields: []Field[Snapshot]{
	{"rolloutId", Required, func(s *Snapshot) Value { return &s.RolloutID }},
	{"hostname", Required, func(s *Snapshot) Value { return &s.Hostname }},
	{"channel", Required, func(s *Snapshot) Value { return &s.Channel }},
	{"state", Required, func(s *Snapshot) Value { return &s.State }},
	{"targetClosure", Required, func(s *Snapshot) Value { return &s.TargetClosure }},
	{"currentClosureAtDispatch", Optional, func(s *Snapshot) Value { return &s.CurrentClosureAtDispatch }},
	{"currentClosure", Optional, func(s *Snapshot) Value { return &s.CurrentClosure }},
	{"dispatchedAt", Optional, func(s *Snapshot) Value { return &s.DispatchedAt }},
	{"dispatchAckedAt", Optional, func(s *Snapshot) Value { return &s.DispatchAckedAt }},
	{"activationStartedAt", Optional, func(s *Snapshot) Value { return &s.ActivationStartedAt }},
	{"activationCompletedAt", Optional, func(s *Snapshot) Value { return &s.ActivationCompletedAt }},
	{"soakDueAt", Optional, func(s *Snapshot) Value { return &s.SoakDueAt }},
	{"lastEventSeq", Required, func(s *Snapshot) Value { return &s.LastEventSeq }},
}}

// Dispatch is the body of the 200 answer to GET /v1/agent/dispatch
// (PROTOCOL D1).
type Dispatch struct {
	Hostname      Hostname
	RolloutID     RolloutID
	TargetClosure Closure
	// SoakDueAt is the soak deadline by the plane's clock.
	SoakDueAt Time
	// SoakSeconds is how long the host shall run the target before it may call
	// itself converged, counted from its activation (A8).
	SoakSeconds Count
	// EnqueuedAt is when the plane queued the dispatch, by the plane's clock.
	EnqueuedAt Time
	// OnHealthFailure is the rollout's policy, which the agent carries out by
	// itself (A7). Agents that do not know the field ignore it (T8).
	OnHealthFailure HealthPolicy
}

// DispatchSchema describes [Dispatch].
var DispatchSchema = Schema[Dispatch]{Fields: []Field[Dispatch]{
	{"hostname", Required, func(p *Dispatch) Value { return &p.Hostname }},
	{"rollout_id", Required, func(p *Dispatch) Value { return &p.RolloutID }},
	{"target_closure", Required, func(p *Dispatch) Value { return &p.TargetClosure }},
	{"soak_due_at", Required, func(p *Dispatch) Value { return &p.SoakDueAt }},
	{"soak_seconds", Required, func(p *Dispatch) Value { return &p.SoakSeconds }},
	{"enqueued_at", Required, func(p *Dispatch) Value { return &p.EnqueuedAt }},
	{"on_health_failure", Optional, func(p *Dispatch) Value { return &p.OnHealthFailure }},
}}

// AppendJSON implements [Document].
func (p *Dispatch) AppendJSON(dst []byte) []byte { return DispatchSchema.Append(dst, p) }
