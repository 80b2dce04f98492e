package wire_test

import (
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The generators make valid values only: everything that the rules allow and
// nothing else. Lengths are mostly short and now and then the longest allowed.

const (
	alphanumerics = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	hostnameBytes = alphanumerics + "-._"
	refBytes      = hostnameBytes + "/"
)

// closureBytes are the printable ASCII bytes without the space.
var closureBytes = func() string {
	var printable []byte
	for c := byte('!'); c <= '~'; c++ {
		printable = append(printable, c)
	}
	return string(printable)
}()

// drawBytes makes 1 to longest bytes out of alphabet.
func drawBytes(t *rapid.T, label, alphabet string, longest int) string {
	n := rapid.OneOf(rapid.IntRange(1, min(20, longest)), rapid.IntRange(1, longest), rapid.Just(longest)).Draw(t, label+" length")
	return string(rapid.SliceOfN(rapid.SampledFrom([]byte(alphabet)), n, n).Draw(t, label))
}

func drawHostname(t *rapid.T) wire.Hostname {
	return wire.Hostname(drawBytes(t, "hostname", hostnameBytes, 253))
}

func drawRolloutID(t *rapid.T) wire.RolloutID {
	channel := drawChannel(t)
	return wire.MakeRolloutID(channel, drawRef(t, channel))
}

func drawChannel(t *rapid.T) wire.Channel {
	return wire.Channel(drawBytes(t, "channel", refBytes, 510))
}

// drawRef fills up what the channel leaves of the 512 bytes of a rollout ID.
func drawRef(t *rapid.T, channel wire.Channel) wire.ChannelRef {
	return wire.ChannelRef(drawBytes(t, "ref", refBytes, 511-len(channel)))
}

func drawClosure(t *rapid.T) wire.Closure {
	return wire.Closure(drawBytes(t, "closure", closureBytes, 512))
}

func drawText(t *rapid.T) wire.Text {
	text := rapid.OneOf(rapid.StringN(1, 40, 200), rapid.Just("\x00\b\f\n\r\t\"\\/\u2028\x7f\ufffd😀<&>")).Draw(t, "text")
	return wire.Text(text)
}

func drawName(t *rapid.T) wire.Name {
	name := rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool { return r >= ' ' && r != 0x7f && utf8.ValidRune(r) }), 1, 60, 512).
		Filter(func(s string) bool { return s != "" }).Draw(t, "name")
	return wire.Name(name)
}

func drawTime(t *rapid.T) wire.Time {
	const first, last = -62_167_219_200, 253_402_300_799
	sec := rapid.OneOf(rapid.Int64Range(1.7e9, 1.9e9), rapid.Int64Range(first, last), rapid.SampledFrom([]int64{first, last})).Draw(t, "second")
	nsec := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 999_999_999)).Draw(t, "nanosecond")
	return wire.TimeOf(time.Unix(sec, nsec))
}

func drawSeq(t *rapid.T) wire.Seq {
	return wire.Seq(rapid.OneOf(rapid.Uint64Range(1, 50), rapid.Uint64Range(1, uint64(wire.MaxSeq)), rapid.Just(uint64(wire.MaxSeq))).Draw(t, "seq"))
}

func drawInt(t *rapid.T) wire.Int     { return wire.Int(rapid.Int32().Draw(t, "int")) }
func drawCount(t *rapid.T) wire.Count { return wire.Count(rapid.Int32Min(0).Draw(t, "count")) }
func drawMode(t *rapid.T) wire.Mode   { return wire.Mode(rapid.Uint8Range(1, 3).Draw(t, "mode")) }
func drawState(t *rapid.T) wire.State { return rapid.SampledFrom(wire.States[:]).Draw(t, "state") }

func drawStatus(t *rapid.T) wire.ProbeStatus {
	return wire.ProbeStatus(rapid.Uint8Range(1, 2).Draw(t, "status"))
}

func drawHealthPolicy(t *rapid.T) wire.HealthPolicy {
	return wire.HealthPolicy(rapid.Uint8Range(1, 2).Draw(t, "policy"))
}

// drawOptional makes a value, or leaves it unset.
func drawOptional[T any](t *rapid.T, draw func(*rapid.T) T) (value T) {
	if rapid.Bool().Draw(t, "set") {
		value = draw(t)
	}
	return value
}

// drawList makes a list of at least low entries; an empty one is nil.
func drawList[T any](t *rapid.T, low int, draw func(*rapid.T) T) (list []T) {
	for range rapid.IntRange(low, low+3).Draw(t, "entries") {
		list = append(list, draw(t))
	}
	return list
}

func drawHeartbeat(t *rapid.T) wire.HeartbeatRequest {
	return wire.HeartbeatRequest{
		Hostname:       drawHostname(t),
		RolloutID:      drawOptional(t, drawRolloutID),
		CurrentClosure: drawOptional(t, drawClosure),
		At:             drawTime(t),
	}
}

func drawHeartbeatResponse(t *rapid.T) wire.HeartbeatResponse {
	return wire.HeartbeatResponse{ReceivedAt: drawOptional(t, drawTime), Bootstrap: drawList(t, 0, drawSnapshot)}
}

func drawSnapshot(t *rapid.T) wire.Snapshot {
	return wire.Snapshot{
		RolloutID: drawRolloutID(t), Hostname: drawHostname(t), Channel: drawChannel(t), State: drawState(t),
		TargetClosure:            drawClosure(t),
		CurrentClosureAtDispatch: drawOptional(t, drawClosure),
		CurrentClosure:           drawOptional(t, drawClosure),
		DispatchedAt:             drawOptional(t, drawTime),
		DispatchAckedAt:          drawOptional(t, drawTime),
		ActivationStartedAt:      drawOptional(t, drawTime),
		ActivationCompletedAt:    drawOptional(t, drawTime),
		SoakDueAt:                drawOptional(t, drawTime),
		LastEventSeq:             drawOptional(t, drawSeq),
	}
}

func drawDispatch(t *rapid.T) wire.Dispatch {
	return wire.Dispatch{
		Hostname: drawHostname(t), RolloutID: drawRolloutID(t), TargetClosure: drawClosure(t),
		SoakDueAt: drawTime(t), SoakSeconds: drawCount(t), EnqueuedAt: drawTime(t),
		OnHealthFailure: drawOptional(t, drawHealthPolicy),
	}
}

func drawPolicy(t *rapid.T) wire.Policy {
	return wire.Policy{OnHealthFailure: drawHealthPolicy(t), Waves: drawList(t, 1, func(t *rapid.T) wire.Wave {
		return wire.Wave{SoakMinutes: wire.Count(rapid.Int32Range(0, wire.MaxSoakMinutes).Draw(t, "soak"))}
	})}
}

func drawManifest(t *rapid.T) wire.Manifest {
	channel := drawChannel(t)
	policy := drawPolicy(t)
	hosts := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) wire.ManifestHost {
		wave := rapid.IntRange(0, len(policy.Waves)-1).Draw(t, "wave")
		return wire.ManifestHost{Hostname: drawHostname(t), Wave: wire.Count(wave), TargetClosure: drawClosure(t)}
	}), 1, 4, func(h wire.ManifestHost) wire.Hostname { return h.Hostname }).Draw(t, "hosts")
	serial := wire.Serial(rapid.Uint64Range(0, uint64(wire.MaxSeq)).Draw(t, "serial"))
	var pins []wire.HostPin
	if rapid.Bool().Draw(t, "pinned") {
		pins = append(pins, wire.HostPin{Hostname: hosts[0].Hostname, Pin: drawPin(t)})
	}
	return wire.Manifest{Channel: channel, ChannelRef: drawRef(t, channel), Serial: serial, Policy: policy, Hosts: hosts, Gates: drawGates(t, hosts), Pins: pins}
}

// drawGates draws gates that fit these hosts, or any hosts without edges.
func drawGates(t *rapid.T, hosts []wire.ManifestHost) wire.Gates {
	var g wire.Gates
	for i := range rapid.IntRange(0, 2).Draw(t, "budgets") {
		g.Budgets = append(g.Budgets, wire.DisruptionBudget{
			Name: wire.Name("b" + string(rune('0'+i))), MaxInFlight: drawCount(t),
			Hosts: rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) wire.Name { return wire.Name(drawHostname(t)) }), 0, 3, rapid.ID[wire.Name]).Draw(t, "of"),
		})
		if len(g.Budgets[i].Hosts) == 0 {
			g.Budgets[i].Hosts = nil
		}
	}
	for i := range max(0, len(hosts)-1) {
		if hosts[i].Wave <= hosts[i+1].Wave && rapid.Bool().Draw(t, "edge") {
			g.Edges = append(g.Edges, wire.HostEdge{Gates: hosts[i].Hostname, Gated: hosts[i+1].Hostname, Reason: drawOptional(t, drawText)})
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "channels") {
		g.ChannelEdges = append(g.ChannelEdges, wire.ChannelEdge{Gates: wire.Channel("before/" + string(rune('0'+i))), Reason: drawOptional(t, drawText)})
	}
	g.Compliance = wire.Flag(rapid.Bool().Draw(t, "compliance"))
	return g
}

func drawPin(t *rapid.T) wire.Pin {
	return wire.Pin{Commit: drawName(t), Reason: drawOptional(t, drawText), ExpiresAt: drawOptional(t, drawTime)}
}

func drawMark(t *rapid.T) wire.Mark {
	return wire.Mark{Since: drawTime(t), Reason: drawOptional(t, drawText)}
}

func drawBlocked(t *rapid.T) wire.Blocked {
	return wire.Blocked{Gate: wire.Gate(rapid.IntRange(1, wire.GateCount-1).Draw(t, "gate")), By: drawName(t), Reason: drawText(t)}
}

func drawQuarantineEntry(t *rapid.T) wire.QuarantineEntry {
	return wire.QuarantineEntry{
		Channel: drawChannel(t), Closure: drawClosure(t), Since: drawOptional(t, drawTime),
		By: drawOptional(t, drawRolloutID), Hostname: drawOptional(t, drawHostname),
	}
}

func drawRevocation(t *rapid.T) wire.Revocation {
	return wire.Revocation{CommonName: wire.CommonName(drawName(t)), RevokedBefore: drawOptional(t, drawTime)}
}

func drawRecordStatus(t *rapid.T) wire.RecordStatus {
	return wire.RecordStatus{
		Snapshot: drawSnapshot(t), Wave: drawCount(t), Synthesised: wire.Flag(rapid.Bool().Draw(t, "synthesised")),
		EndedAt: drawOptional(t, drawTime), FailingProbes: drawList(t, 0, drawName), Blocked: drawOptional(t, drawBlocked), Pin: drawOptional(t, drawPin),
		Excused: wire.Flag(rapid.Bool().Draw(t, "excused")),
	}
}

func drawRolloutStatus(t *rapid.T) wire.RolloutStatus {
	status := wire.RolloutStatus{
		RolloutID: drawRolloutID(t), State: wire.RolloutState(rapid.Uint8Range(1, 8).Draw(t, "state")),
		OpenedAt: drawTime(t), WavesDispatched: drawCount(t), Policy: drawPolicy(t),
		SupersededBy: drawOptional(t, drawRolloutID), HaltedBy: drawOptional(t, drawHostname),
		Signed: wire.Flag(rapid.Bool().Draw(t, "signed")), Backed: wire.Flag(rapid.Bool().Draw(t, "backed")),
		Paused: drawOptional(t, drawMark), Aborted: drawOptional(t, drawMark),
		Hosts: drawList(t, 0, drawRecordStatus), Next: drawOptional(t, drawText),
	}
	for _, state := range wire.States {
		*status.Counts.Of(state) = drawCount(t)
	}
	status.Gates = drawGates(t, nil)
	if rapid.Bool().Draw(t, "blocked") {
		for gate := 1; gate < wire.GateCount; gate++ {
			status.Blocked[gate] = drawCount(t)
		}
	}
	return status
}

func drawHostGroup(t *rapid.T) wire.HostGroup {
	return wire.HostGroup{Count: 1 + drawCount(t)/2, Names: drawList(t, 0, drawName)}
}

func drawOpeningPlan(t *rapid.T) wire.OpeningPlan {
	return wire.OpeningPlan{
		RolloutID: drawRolloutID(t), Unchanged: wire.Flag(rapid.Bool().Draw(t, "unchanged")), Supersedes: drawList(t, 0, drawName), Hosts: drawCount(t),
		Waves: drawList(t, 0, func(t *rapid.T) wire.PlannedWave {
			return wire.PlannedWave{Hosts: drawCount(t), SoakMinutes: drawCount(t)}
		}),
		Dispatched: drawOptional(t, drawHostGroup), Running: drawOptional(t, drawHostGroup), Unreachable: drawOptional(t, drawHostGroup),
		NeverSeen: drawOptional(t, drawHostGroup), Unknown: drawOptional(t, drawHostGroup),
		Quarantined: drawList(t, 0, func(t *rapid.T) wire.PlannedQuarantine {
			return wire.PlannedQuarantine{Closure: drawClosure(t), Hosts: drawCount(t)}
		}),
		CaseDiffers: drawList(t, 0, func(t *rapid.T) wire.CaseDifference {
			return wire.CaseDifference{Hostname: drawHostname(t), Known: drawHostname(t)}
		}),
	}
}

func drawFleetStatus(t *rapid.T) wire.FleetStatus {
	status := wire.FleetStatus{
		Reachable: drawCount(t), Unreachable: drawCount(t), NeverSeen: drawCount(t), DuplicateIdentities: drawCount(t),
		InForce: drawCount(t), Halted: drawCount(t), Held: drawCount(t), Unbacked: drawCount(t),
		Quarantined: drawCount(t), Revoked: drawCount(t), LastEntry: drawSeq(t),
		StoreUnavailable: wire.Flag(rapid.Bool().Draw(t, "unavailable")), DiskScarce: wire.Flag(rapid.Bool().Draw(t, "scarce")),
	}
	for _, state := range wire.States {
		*status.Records.Of(state) = drawCount(t)
	}
	return status
}

func drawHostStatus(t *rapid.T) wire.HostStatus {
	return wire.HostStatus{
		Hostname: drawHostname(t), Reachability: wire.Reachability(rapid.Uint8Range(1, 3).Draw(t, "reachability")),
		LastHeartbeatAt: drawOptional(t, drawTime), SilentSeconds: drawCount(t),
		CurrentClosure: drawOptional(t, drawClosure), Records: drawList(t, 0, drawRecordStatus),
		DuplicateIdentity: drawList(t, 0, drawName), Discarded: drawOptional(t, drawDiscardStatus), Cordoned: drawOptional(t, drawMark),
	}
}

func drawDiscardStatus(t *rapid.T) wire.DiscardStatus {
	return wire.DiscardStatus{
		Count: 1 + wire.Seq(rapid.Uint32().Draw(t, "count")), LastAt: drawOptional(t, drawTime), RolloutID: drawOptional(t, drawRolloutID),
		Kind: drawOptional(t, drawName), Reason: drawOptional(t, drawName),
	}
}

func drawLoggedEvent(t *rapid.T) wire.LoggedEvent {
	return wire.LoggedEvent{
		Number: drawSeq(t), At: drawTime(t), Hostname: drawOptional(t, drawHostname),
		Kind: drawName(t), Outcome: drawName(t),
		Event: drawOptional(t, func(t *rapid.T) wire.Event {
			return drawEvent(t, rapid.SampledFrom(wire.EventKinds[:]).Draw(t, "kind"))
		}),
		Detail: drawOptional(t, drawText), RolloutID: drawOptional(t, drawRolloutID), Act: drawOptional(t, drawAct),
	}
}

func drawActor(t *rapid.T) wire.Actor {
	return wire.Actor{
		Name: wire.CommonName(drawName(t)), Serial: drawOptional(t, drawName), Fingerprint: drawOptional(t, drawName), Request: drawOptional(t, drawName),
	}
}

func drawAct(t *rapid.T) wire.Act {
	return wire.Act{Count: drawSeq(t) | 1, Before: drawOptional(t, drawName), By: drawActor(t)}
}

func drawProblem(t *rapid.T) wire.Problem {
	return wire.Problem{
		Type: drawText(t), Title: drawText(t), Status: drawInt(t), Reason: drawName(t),
		Detail: drawOptional(t, drawText), Field: drawOptional(t, drawText), RequestID: drawOptional(t, drawText),
	}
}

func drawEnvelope(t *rapid.T, kind wire.EventKind) wire.EventEnvelope {
	return wire.EventEnvelope{
		Hostname: drawHostname(t), RolloutID: drawRolloutID(t), Event: drawEvent(t, kind), Signature: drawOptional(t, drawText),
	}
}

func drawEvent(t *rapid.T, kind wire.EventKind) wire.Event {
	return wire.Event{Seq: drawSeq(t), Body: drawEventBody(t, kind)}
}

func drawEventBody(t *rapid.T, kind wire.EventKind) wire.EventBody {
	switch kind {
	case wire.KindDispatchAck:
		return wire.DispatchAck{CurrentClosureAtDispatch: drawClosure(t), ReceivedAt: drawTime(t)}
	case wire.KindActivationStarted:
		return wire.ActivationStarted{StartedAt: drawTime(t), SwitchMethod: drawName(t)}
	case wire.KindActivationCompleted:
		return wire.ActivationCompleted{ObservedCurrentClosure: drawClosure(t), ExitCode: drawInt(t), CompletedAt: drawTime(t)}
	case wire.KindActivationDeferred:
		return wire.ActivationDeferred{Component: drawName(t), DeferredAt: drawTime(t)}
	case wire.KindActivationFailed:
		return wire.ActivationFailed{ExitCode: drawInt(t), StderrTail: drawText(t), FailedAt: drawTime(t)}
	case wire.KindProbeTopologyDeclared:
		return wire.ProbeTopologyDeclared{DeclaredAt: drawTime(t), Probes: drawList(t, 0, func(t *rapid.T) wire.ProbeDeclaration {
			return wire.ProbeDeclaration{ProbeName: drawName(t), ProbeKind: drawName(t), Mode: drawMode(t)}
		})}
	case wire.KindProbeObservedFirst:
		return wire.ProbeObservedFirst{ProbeName: drawName(t), Mode: drawMode(t), ObservedAt: drawTime(t)}
	case wire.KindProbeResult:
		return wire.ProbeResult{
			ProbeName: drawName(t), Mode: drawMode(t), Status: drawStatus(t), ObservedAt: drawTime(t),
			FailureReason: drawOptional(t, drawText),
			SubResults: drawList(t, 0, func(t *rapid.T) wire.SubResult {
				return wire.SubResult{
					ControlID: drawName(t), Status: drawStatus(t), Framework: drawName(t), Article: drawOptional(t, drawText),
					EffectiveMode: drawMode(t), OverrideReason: drawOptional(t, drawText),
				}
			}),
		}
	case wire.KindProbeFailureFirst:
		return wire.ProbeFailureFirst{ProbeName: drawName(t), Mode: drawMode(t), FirstFailedAt: drawTime(t)}
	case wire.KindFailed:
		return wire.HealthFailed{
			FailedAt: drawTime(t), SustainedDurationSecs: drawCount(t),
			FailingProbes: drawList(t, 0, drawName), PolicyApplied: drawHealthPolicy(t),
		}
	case wire.KindRollbackComplete:
		return wire.RollbackComplete{RevertedToClosure: drawClosure(t), ExitCode: drawInt(t), CompletedAt: drawTime(t)}
	case wire.KindConverged:
		return wire.HostConverged{ConvergedAt: drawTime(t), CurrentClosure: drawClosure(t)}
	default:
		panic("no such kind")
	}
}

func drawFact(t *rapid.T) wire.Fact {
	return wire.Fact{
		Cause: rapid.SampledFrom(wire.Causes()).Draw(t, "cause"), Gate: drawOptional(t, func(t *rapid.T) wire.Gate { return drawBlocked(t).Gate }),
		By: drawOptional(t, drawHostGroup), Reason: drawText(t), Next: drawOptional(t, drawText),
		Since: drawOptional(t, drawTime), NextAt: drawOptional(t, drawTime), Do: drawOptional(t, drawText),
	}
}

func drawFacts(t *rapid.T) []wire.Fact { return drawList(t, 0, drawFact) }

func drawRecordWhy(t *rapid.T) wire.RecordWhy {
	return wire.RecordWhy{
		RolloutID: drawRolloutID(t), State: drawState(t), Wave: drawCount(t), TargetClosure: drawClosure(t),
		AtTarget: wire.Flag(rapid.Bool().Draw(t, "at target")), Facts: drawFacts(t),
	}
}

func drawHostWhy(t *rapid.T) wire.HostWhy {
	return wire.HostWhy{
		Hostname: drawHostname(t), At: drawTime(t), Reachability: wire.Reachability(rapid.Uint8Range(1, 3).Draw(t, "reachability")),
		CurrentClosure: drawOptional(t, drawClosure), AtTarget: wire.Flag(rapid.Bool().Draw(t, "at target")), Rollouts: drawList(t, 0, drawRecordWhy),
	}
}

func drawWhyGroup(t *rapid.T) wire.WhyGroup {
	return wire.WhyGroup{Fact: drawFact(t), Wave: drawCount(t), Hosts: drawHostGroup(t)}
}

func drawHostFact(t *rapid.T) wire.HostFact {
	return wire.HostFact{Hostname: drawHostname(t), Fact: drawFact(t)}
}

func drawRolloutWhy(t *rapid.T) wire.RolloutWhy {
	return wire.RolloutWhy{
		RolloutID: drawRolloutID(t), At: drawTime(t), State: wire.RolloutState(rapid.Uint8Range(1, 7).Draw(t, "state")),
		AtTarget: wire.Flag(rapid.Bool().Draw(t, "at target")), Hosts: drawCount(t), Waiting: drawCount(t), Waves: drawCount(t), Wave: drawCount(t),
		WaveOpen: wire.Flag(rapid.Bool().Draw(t, "open")), Facts: drawFacts(t), Groups: drawList(t, 0, drawWhyGroup), Last: drawOptional(t, drawHostFact),
	}
}
