package agent

import "github.com/refrain-fleet/refrain/core/wire"

// The lines of the volatile state. Those of the durable state are entries.

// processLine is the agent apart from its rollouts.
type processLine struct {
	Mono    wire.Nanos
	Wall    wire.Time
	Random  wire.Name
	Started wire.Flag
	Booted  wire.Flag
	Current wire.Closure
	Staged  wire.Closure
	Issued  wire.Seq

	HeartbeatOpen, PollOpen         wire.Seq
	HeartbeatSent, PollSent         wire.Nanos
	HeartbeatAt, PollAt             wire.Nanos
	HeartbeatFailures, PollFailures wire.Count

	HeartbeatStarted wire.Nanos
	HeartbeatNamed   wire.RolloutID
	HeartbeatClosure wire.Closure
	HeartbeatTurn    wire.Count
	PollHeld         wire.Flag

	SwitchID      wire.Seq
	SwitchKind    wire.Count
	SwitchRollout wire.RolloutID
	SwitchClosure wire.Closure

	RoundID wire.Seq
	RoundAt wire.Nanos
}

var processLineSchema = wire.Schema[processLine]{Fields: []wire.Field[processLine]{
	{Name: "mono", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.Mono }},
	{Name: "wall", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.Wall }},
	{Name: "random", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.Random }},
	{Name: "started", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.Started }},
	{Name: "booted", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.Booted }},
	{Name: "current_closure", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.Current }},
	{Name: "next_boot", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.Staged }},
	{Name: "issued", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.Issued }},
	{Name: "heartbeat_open", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.HeartbeatOpen }},
	{Name: "heartbeat_sent", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.HeartbeatSent }},
	{Name: "heartbeat_at", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.HeartbeatAt }},
	{Name: "heartbeat_failures", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.HeartbeatFailures }},
	{Name: "heartbeat_started", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.HeartbeatStarted }},
	{Name: "heartbeat_named", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.HeartbeatNamed }},
	{Name: "heartbeat_closure", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.HeartbeatClosure }},
	{Name: "heartbeat_turn", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.HeartbeatTurn }},
	{Name: "poll_open", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.PollOpen }},
	{Name: "poll_sent", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.PollSent }},
	{Name: "poll_at", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.PollAt }},
	{Name: "poll_failures", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.PollFailures }},
	{Name: "poll_held", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.PollHeld }},
	{Name: "switch_id", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.SwitchID }},
	{Name: "switch_kind", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.SwitchKind }},
	{Name: "switch_rollout", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.SwitchRollout }},
	{Name: "switch_closure", Presence: wire.Optional, Of: func(l *processLine) wire.Value { return &l.SwitchClosure }},
	{Name: "round_id", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.RoundID }},
	{Name: "round_at", Presence: wire.Required, Of: func(l *processLine) wire.Value { return &l.RoundAt }},
}}

// probeLine is a probe of the host, or one of the round that runs.
type probeLine struct {
	Probe wire.ProbeDeclaration
	Ended wire.Flag
}

var probeLineSchema = wire.Schema[probeLine]{Fields: []wire.Field[probeLine]{
	{Name: "probe_name", Presence: wire.Required, Of: func(l *probeLine) wire.Value { return &l.Probe.ProbeName }},
	{Name: "kind", Presence: wire.Required, Of: func(l *probeLine) wire.Value { return &l.Probe.ProbeKind }},
	{Name: "mode", Presence: wire.Required, Of: func(l *probeLine) wire.Value { return &l.Probe.Mode }},
	{Name: "ended", Presence: wire.Optional, Of: func(l *probeLine) wire.Value { return &l.Ended }},
}}

// sendingLine is what a process knows of one rollout.
type sendingLine struct {
	RolloutID                 wire.RolloutID
	ReplayFrom, ReplayTo      wire.Seq
	Open, OpenSeq             wire.Seq
	At, RollbackAt            wire.Nanos
	Failures, Gaps, Renumbers wire.Count
	Unknown, Resumed          wire.Flag
	RollbackFailures          wire.Count
	SoakBegun, SoakDeclared   wire.Flag
	SoakFresh, SoakResend     wire.Flag
	SoakSince, SoakRetryAt    wire.Nanos
	SoakAfter                 wire.Seq
	SoakRefusals              wire.Count
}

var sendingLineSchema = wire.Schema[sendingLine]{Fields: []wire.Field[sendingLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.RolloutID }},
	{Name: "replay_from", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.ReplayFrom }},
	{Name: "replay_to", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.ReplayTo }},
	{Name: "open", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.Open }},
	{Name: "open_seq", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.OpenSeq }},
	{Name: "at", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.At }},
	{Name: "failures", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.Failures }},
	{Name: "gaps", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.Gaps }},
	{Name: "renumbers", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.Renumbers }},
	{Name: "unknown", Presence: wire.Optional, Of: func(l *sendingLine) wire.Value { return &l.Unknown }},
	{Name: "resumed", Presence: wire.Optional, Of: func(l *sendingLine) wire.Value { return &l.Resumed }},
	{Name: "rollback_at", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.RollbackAt }},
	{Name: "rollback_failures", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.RollbackFailures }},
	{Name: "soak_begun", Presence: wire.Optional, Of: func(l *sendingLine) wire.Value { return &l.SoakBegun }},
	{Name: "soak_since", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.SoakSince }},
	{Name: "soak_after", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.SoakAfter }},
	{Name: "soak_declared", Presence: wire.Optional, Of: func(l *sendingLine) wire.Value { return &l.SoakDeclared }},
	{Name: "soak_fresh", Presence: wire.Optional, Of: func(l *sendingLine) wire.Value { return &l.SoakFresh }},
	{Name: "soak_retell", Presence: wire.Optional, Of: func(l *sendingLine) wire.Value { return &l.SoakResend }},
	{Name: "soak_retry_at", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.SoakRetryAt }},
	{Name: "soak_refusals", Presence: wire.Required, Of: func(l *sendingLine) wire.Value { return &l.SoakRefusals }},
}}

// orphanLine is what is left of the sending of a rollout that was forgotten.
type orphanLine struct {
	RolloutID wire.RolloutID
	Open      wire.Seq
	At        wire.Nanos
	Failures  wire.Count
}

var orphanLineSchema = wire.Schema[orphanLine]{Fields: []wire.Field[orphanLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *orphanLine) wire.Value { return &l.RolloutID }},
	{Name: "open", Presence: wire.Required, Of: func(l *orphanLine) wire.Value { return &l.Open }},
	{Name: "at", Presence: wire.Required, Of: func(l *orphanLine) wire.Value { return &l.At }},
	{Name: "failures", Presence: wire.Required, Of: func(l *orphanLine) wire.Value { return &l.Failures }},
}}

// failingLine is a probe that fails.
type failingLine struct {
	RolloutID wire.RolloutID
	Probe     wire.Name
	Since     wire.Nanos
}

var failingLineSchema = wire.Schema[failingLine]{Fields: []wire.Field[failingLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *failingLine) wire.Value { return &l.RolloutID }},
	{Name: "probe_name", Presence: wire.Required, Of: func(l *failingLine) wire.Value { return &l.Probe }},
	{Name: "since", Presence: wire.Required, Of: func(l *failingLine) wire.Value { return &l.Since }},
}}

// askingLine is the fetch that runs, and the last refusal.
type askingLine struct {
	Open      wire.Seq
	RolloutID wire.RolloutID
	Snapshot  *wire.Snapshot
	Refused   wire.RolloutID
	Why       wire.Text
}

var askingLineSchema = wire.Schema[askingLine]{Fields: []wire.Field[askingLine]{
	{Name: "open", Presence: wire.Required, Of: func(l *askingLine) wire.Value { return &l.Open }},
	{Name: "rollout_id", Presence: wire.Optional, Of: func(l *askingLine) wire.Value { return &l.RolloutID }},
	{Name: "snapshot", Presence: wire.Optional, Of: func(l *askingLine) wire.Value { return snapshotOrNone{&l.Snapshot} }},
	{Name: "refused", Presence: wire.Optional, Of: func(l *askingLine) wire.Value { return &l.Refused }},
	{Name: "why", Presence: wire.Optional, Of: func(l *askingLine) wire.Value { return &l.Why }},
}}

// snapshotOrNone is a snapshot that may be missing.
type snapshotOrNone struct{ snapshot **wire.Snapshot }

func (s snapshotOrNone) DecodeValue(d *wire.Decoder) error {
	*s.snapshot = new(wire.Snapshot)
	return wire.SnapshotSchema.Decode(d, *s.snapshot)
}
func (s snapshotOrNone) AppendValue(dst []byte) []byte {
	return wire.SnapshotSchema.Append(dst, *s.snapshot)
}
func (s snapshotOrNone) IsUnset() bool { return *s.snapshot == nil }
