package wire

// QuarantineEntry is a closure that is not dispatched on a channel
// (PROTOCOL R3). It is the body of POST /v1/operator/quarantine/clear, and an
// entry of the list of quarantined closures.
type QuarantineEntry struct {
	Channel Channel
	Closure Closure
	// Since is when the plane put it there, by its clock; unset in a request.
	Since Time
	// By is the rollout whose host rolled back; unset in a request.
	By RolloutID
	// Hostname is the host that rolled back; unset in a request.
	Hostname Hostname
}

// QuarantineEntrySchema describes [QuarantineEntry].
var QuarantineEntrySchema = Schema[QuarantineEntry]{Fields: []Field[QuarantineEntry]{
	{"channel", Required, func(q *QuarantineEntry) Value { return &q.Channel }},
	{"closure", Required, func(q *QuarantineEntry) Value { return &q.Closure }},
	{"since", Optional, func(q *QuarantineEntry) Value { return &q.Since }},
	{"by", Optional, func(q *QuarantineEntry) Value { return &q.By }},
	{"hostname", Optional, func(q *QuarantineEntry) Value { return &q.Hostname }},
}}

// Revocation is an entry of the list of revocations: every certificate of
// CommonName whose NotBefore is earlier than RevokedBefore is refused (PROTOCOL
// T5).
type Revocation struct {
	CommonName    CommonName
	RevokedBefore Time
}

// RevocationSchema describes [Revocation].
var RevocationSchema = Schema[Revocation]{Fields: []Field[Revocation]{
	{"common_name", Required, func(r *Revocation) Value { return &r.CommonName }},
	{"revoked_before", Optional, func(r *Revocation) Value { return &r.RevokedBefore }},
}}

// AppendJSON implements [Document].
func (r *Revocation) AppendJSON(dst []byte) []byte { return RevocationSchema.Append(dst, r) }

// RevocationRequest is the body of POST /v1/operator/revocations (PROTOCOL T5).
type RevocationRequest struct {
	CommonName CommonName
	// RevokedBefore is the revocation instant, which must not lie in the plane's
	// future. Left out it means now.
	RevokedBefore Time
	// Force revokes a name that no host and no operator has.
	Force Flag
}

// RevocationRequestSchema describes [RevocationRequest].
var RevocationRequestSchema = Schema[RevocationRequest]{Fields: []Field[RevocationRequest]{
	{"common_name", Required, func(r *RevocationRequest) Value { return &r.CommonName }},
	{"revoked_before", Optional, func(r *RevocationRequest) Value { return &r.RevokedBefore }},
	{"force", Optional, func(r *RevocationRequest) Value { return &r.Force }},
}}

// RevocationAnswer answers a [RevocationRequest] with what is in force.
type RevocationAnswer struct {
	CommonName    CommonName
	RevokedBefore Time
	// AlsoRevoked is the other spelling of the same host, which is revoked with it.
	AlsoRevoked CommonName
	// Warning says that the plane has not seen who is revoked, so that the name
	// may be wrong.
	Warning Text
}

// RevocationAnswerSchema describes [RevocationAnswer].
var RevocationAnswerSchema = Schema[RevocationAnswer]{Fields: []Field[RevocationAnswer]{
	{"common_name", Required, func(r *RevocationAnswer) Value { return &r.CommonName }},
	{"revoked_before", Optional, func(r *RevocationAnswer) Value { return &r.RevokedBefore }},
	{"also_revoked", Optional, func(r *RevocationAnswer) Value { return &r.AlsoRevoked }},
	{"warning", Optional, func(r *RevocationAnswer) Value { return &r.Warning }},
}}

// AppendJSON implements [Document].
func (r *RevocationAnswer) AppendJSON(dst []byte) []byte {
	return RevocationAnswerSchema.Append(dst, r)
}

// NoBody is the optional body of an operator's POST that needs no document:
// any JSON object.
type NoBody struct{}

// NoBodySchema describes [NoBody].
var NoBodySchema = Schema[NoBody]{}

// RolloutStatus is what an operator sees of a rollout (PROTOCOL R4, R5).
type RolloutStatus struct {
	RolloutID RolloutID
	State     RolloutState
	OpenedAt  Time
	// WavesDispatched counts the waves dispatched so far, of Policy.Waves.
	WavesDispatched Count
	Policy          Policy
	Counts          StateCounts
	// SupersededBy is the newer rollout of the channel, if there is one.
	SupersededBy RolloutID
	// HaltedBy is the host whose failure halted the rollout.
	HaltedBy Hostname
	// Signed says that it was opened from a signed release (V5), Backed that the
	// release that the plane holds says the same (V6).
	Signed, Backed Flag
	// Gates are what holds back its dispatches beside the waves, Blocked counts the hosts
	// that they hold back now (PROTOCOL W).
	Gates   Gates
	Blocked BlockedCounts
	// Paused and Aborted say since when, and why, an operator has the rollout so
	// (PROTOCOL O2, O3).
	Paused, Aborted Mark
	// Hosts has the rollout's hosts, paged, in the answer for one rollout.
	Hosts []RecordStatus
	// Next is the value of after for the next page of Hosts.
	Next Text
}

// StateCounts counts a rollout's hosts by state.
type StateCounts struct {
	Pending, Activating, Deferred, Soaking, Converged, Failed, Reverted Count
}

// Of returns the count of one state, to read or to change.
func (c *StateCounts) Of(s State) *Count {
	return [...]*Count{
		Pending: &c.Pending, Activating: &c.Activating, Deferred: &c.Deferred, Soaking: &c.Soaking,
		Converged: &c.Converged, Failed: &c.Failed, Reverted: &c.Reverted,
	}[s]
}

var stateCountsSchema = Schema[StateCounts]{Fields: []Field[StateCounts]{
	{"pending", Required, func(c *StateCounts) Value { return &c.Pending }},
	{"activating", Required, func(c *StateCounts) Value { return &c.Activating }},
	{"deferred", Required, func(c *StateCounts) Value { return &c.Deferred }},
	{"soaking", Required, func(c *StateCounts) Value { return &c.Soaking }},
	{"converged", Required, func(c *StateCounts) Value { return &c.Converged }},
	{"failed", Required, func(c *StateCounts) Value { return &c.Failed }},
	{"reverted", Required, func(c *StateCounts) Value { return &c.Reverted }},
}}

// RolloutStatusSchema describes [RolloutStatus].
var RolloutStatusSchema = Schema[RolloutStatus]{Fields: []Field[RolloutStatus]{
	{"rollout_id", Required, func(r *RolloutStatus) Value { return &r.RolloutID }},
	{"state", Required, func(r *RolloutStatus) Value { return &r.State }},
	{"opened_at", Required, func(r *RolloutStatus) Value { return &r.OpenedAt }},
	{"waves_dispatched", Required, func(r *RolloutStatus) Value { return &r.WavesDispatched }},
	{"policy", Required, func(r *RolloutStatus) Value { return Nested[Policy]{&r.Policy, &PolicySchema} }},
	{"counts", Required, func(r *RolloutStatus) Value { return Nested[StateCounts]{&r.Counts, &stateCountsSchema} }},
	{"superseded_by", Optional, func(r *RolloutStatus) Value { return &r.SupersededBy }},
	{"halted_by", Optional, func(r *RolloutStatus) Value { return &r.HaltedBy }},
	{"signed", Optional, func(r *RolloutStatus) Value { return &r.Signed }},
	{"backed", Optional, func(r *RolloutStatus) Value { return &r.Backed }},
	{"gates", Optional, func(r *RolloutStatus) Value { return &r.Gates }},
	{"blocked", Optional, func(r *RolloutStatus) Value { return &r.Blocked }},
	{"paused", Optional, func(r *RolloutStatus) Value { return &r.Paused }},
	{"aborted", Optional, func(r *RolloutStatus) Value { return &r.Aborted }},
	{"hosts", Optional, func(r *RolloutStatus) Value { return List[RecordStatus]{&r.Hosts, &RecordStatusSchema} }},
	{"next", Optional, func(r *RolloutStatus) Value { return &r.Next }},
}}

// AppendJSON implements [Document].
func (r *RolloutStatus) AppendJSON(dst []byte) []byte { return RolloutStatusSchema.Append(dst, r) }

// RecordStatus is what an operator sees of one (rollout, host) record: the
// agent's snapshot and what only the plane knows.
type RecordStatus struct {
	Snapshot Snapshot
	Wave     Count
	// Synthesised says that the state was inferred from a heartbeat (H4) and
	// not yet reported by the agent's events.
	Synthesised Flag
	// EndedAt is when the host converged, failed or reverted, by its clock.
	EndedAt Time
	// FailingProbes are the enforce-mode probes that do not pass.
	FailingProbes Names
	// Blocked says which gate holds the host's dispatch back, if one does (PROTOCOL W).
	Blocked Blocked
	// Pin is why the host's closure is of another commit, if it is (W7).
	Pin Pin
	// Excused says that the host counts as done for the waves of the rollout, since an
	// operator lets it (R2, O4).
	Excused Flag
}

// RecordStatusSchema describes [RecordStatus].
var RecordStatusSchema = Schema[RecordStatus]{Fields: []Field[RecordStatus]{
	{"snapshot", Required, func(r *RecordStatus) Value { return Nested[Snapshot]{&r.Snapshot, &SnapshotSchema} }},
	{"wave", Required, func(r *RecordStatus) Value { return &r.Wave }},
	{"synthesised", Optional, func(r *RecordStatus) Value { return &r.Synthesised }},
	{"ended_at", Optional, func(r *RecordStatus) Value { return &r.EndedAt }},
	{"failing_probes", Optional, func(r *RecordStatus) Value { return &r.FailingProbes }},
	{"blocked", Optional, func(r *RecordStatus) Value { return &r.Blocked }},
	{"pin", Optional, func(r *RecordStatus) Value { return &r.Pin }},
	{"excused", Optional, func(r *RecordStatus) Value { return &r.Excused }},
}}

// HostStatus is what an operator sees of a host (PROTOCOL R5).
type HostStatus struct {
	Hostname     Hostname
	Reachability Reachability
	// LastHeartbeatAt is the `at` of the last heartbeat, by the host's clock
	// (H1); unset before the first one.
	LastHeartbeatAt Time
	// SilentSeconds is how long ago the host was last seen by any request, or
	// became known if it never was. Time of the plane's own impairment does not
	// count (L2).
	SilentSeconds Count
	// CurrentClosure is what the host last reported to run.
	CurrentClosure Closure
	// DuplicateIdentity are the addresses of the two machines that send heartbeats in
	// the host's name, if it looks as if there were two (L4).
	DuplicateIdentity Names
	// Discarded is what was discarded of the host's events since the plane started
	// (E12).
	Discarded DiscardStatus
	// Cordoned says since when, and why, an operator lets the host have no dispatch
	// (PROTOCOL O5).
	Cordoned Mark
	// Records are the host's records, ordered by rollout ID.
	Records []RecordStatus
}

// DiscardStatus is what was discarded of a field agent's events (PROTOCOL E12).
type DiscardStatus struct {
	Count Seq
	// LastAt is when the last was discarded, by the plane's clock, and the others say
	// what it was and why.
	LastAt    Time
	RolloutID RolloutID
	Kind      Name
	Reason    Name
}

// DiscardStatusSchema describes [DiscardStatus].
var DiscardStatusSchema = Schema[DiscardStatus]{Fields: []Field[DiscardStatus]{
	{"count", Required, func(s *DiscardStatus) Value { return &s.Count }},
	{"last_at", Optional, func(s *DiscardStatus) Value { return &s.LastAt }},
	{"rollout_id", Optional, func(s *DiscardStatus) Value { return &s.RolloutID }},
	{"kind", Optional, func(s *DiscardStatus) Value { return &s.Kind }},
	{"reason", Optional, func(s *DiscardStatus) Value { return &s.Reason }},
}}

// DecodeValue implements [Value].
func (s *DiscardStatus) DecodeValue(d *Decoder) error { return DiscardStatusSchema.Decode(d, s) }

// AppendValue implements [Value].
func (s *DiscardStatus) AppendValue(dst []byte) []byte { return DiscardStatusSchema.Append(dst, s) }

// IsUnset implements [Value]: nothing was discarded.
func (s *DiscardStatus) IsUnset() bool { return s.Count == 0 }

// HostStatusSchema describes [HostStatus].
var HostStatusSchema = Schema[HostStatus]{Fields: []Field[HostStatus]{
	{"hostname", Required, func(h *HostStatus) Value { return &h.Hostname }},
	{"reachability", Required, func(h *HostStatus) Value { return &h.Reachability }},
	{"last_heartbeat_at", Optional, func(h *HostStatus) Value { return &h.LastHeartbeatAt }},
	{"silent_seconds", Required, func(h *HostStatus) Value { return &h.SilentSeconds }},
	{"current_closure", Optional, func(h *HostStatus) Value { return &h.CurrentClosure }},
	{"duplicate_identity", Optional, func(h *HostStatus) Value { return &h.DuplicateIdentity }},
	{"events_discarded", Optional, func(h *HostStatus) Value { return &h.Discarded }},
	{"cordoned", Optional, func(h *HostStatus) Value { return &h.Cordoned }},
	{"records", Optional, func(h *HostStatus) Value { return List[RecordStatus]{&h.Records, &RecordStatusSchema} }},
}}

// AppendJSON implements [Document].
func (h *HostStatus) AppendJSON(dst []byte) []byte { return HostStatusSchema.Append(dst, h) }

// LoggedEvent is one entry of a rollout's history (PROTOCOL R5).
type LoggedEvent struct {
	// Number is the entry's place in the plane's log; after pages by it.
	Number Seq
	// At is when the plane took it, by its clock.
	At       Time
	Hostname Hostname
	// RolloutID is what it is about, in a list that is not of one rollout.
	RolloutID RolloutID
	// Kind is an event's kind, or the plane's word for what else changed the
	// rollout: opened, confirmed, resumed, superseded.
	Kind Name
	// Outcome is what became of it: applied, absorbed, discarded.
	Outcome Name
	// Event is the event itself, where there is one.
	Event Event
	// Detail says why an event was discarded (E12).
	Detail Text
	// Act is set if an operator requested it (T15).
	Act Act
}

// LoggedEventSchema describes [LoggedEvent].
var LoggedEventSchema = Schema[LoggedEvent]{Fields: []Field[LoggedEvent]{
	{"number", Required, func(e *LoggedEvent) Value { return &e.Number }},
	{"at", Required, func(e *LoggedEvent) Value { return &e.At }},
	{"hostname", Optional, func(e *LoggedEvent) Value { return &e.Hostname }},
	{"rollout_id", Optional, func(e *LoggedEvent) Value { return &e.RolloutID }},
	{"kind", Required, func(e *LoggedEvent) Value { return &e.Kind }},
	{"outcome", Required, func(e *LoggedEvent) Value { return &e.Outcome }},
	{"event", Optional, func(e *LoggedEvent) Value { return &e.Event }},
	{"detail", Optional, func(e *LoggedEvent) Value { return &e.Detail }},
	{"act", Optional, func(e *LoggedEvent) Value { return &e.Act }},
}}

// Page is one page of a list (PROTOCOL R5): {"<name>": […], "next": "…"}.
type Page[T any] struct {
	// Name is the list's member: hosts, rollouts, events and the like.
	Name   string
	Schema *Schema[T]
	Items  []T
	// Next is the value of after for the page that follows; empty on the last.
	Next string
}

// AppendJSON implements [Document].
func (p *Page[T]) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{', '"')
	dst = append(dst, p.Name...)
	dst = append(dst, '"', ':')
	dst = List[T]{&p.Items, p.Schema}.AppendValue(dst)
	if p.Next != "" {
		dst = append(dst, `,"next":`...)
		dst = appendString(dst, p.Next)
	}
	return append(dst, '}')
}
