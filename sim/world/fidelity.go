package world

import (
	"bytes"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// In wire fidelity every document is encoded as it would be on the wire, read
// back strictly, and compared: what comes out has to be what went in. The
// hash of a run is the same in both fidelities.

// overTheWire puts a request's document on the wire and takes it off again.
func (w *World) overTheWire(m *Message) {
	switch m.kind {
	case scenario.RouteHeartbeat:
		m.heartbeat.Request = roundTrip(w, "a heartbeat", &wire.HeartbeatRequestSchema, m.heartbeat.Request)
	case scenario.RouteEvent:
		m.event.Envelope = roundTrip(w, "an event", &wire.EventEnvelopeSchema, m.event.Envelope)
	case scenario.RouteOperator:
		m.operator = w.operatorOverTheWire(m.operator)
	}
}

// operatorOverTheWire does the same with the document of an operator, or of the
// directory of manifests.
func (w *World) operatorOverTheWire(in plane.Input) plane.Input {
	switch in := in.(type) {
	case *plane.OpenRollout:
		return &plane.OpenRollout{Manifest: roundTrip(w, "a manifest", &wire.ManifestSchema, in.Manifest), Place: in.Place}
	case *plane.FileManifest:
		return &plane.FileManifest{Manifest: roundTrip(w, "a manifest of the directory", &wire.ManifestSchema, in.Manifest), Peers: in.Peers, Signed: in.Signed}
	case *plane.ClearQuarantine:
		q := roundTrip(w, "a quarantine to clear", &wire.QuarantineEntrySchema, wire.QuarantineEntry{Channel: in.Channel, Closure: in.Closure})
		return &plane.ClearQuarantine{Channel: q.Channel, Closure: q.Closure}
	case *plane.Steer:
		read := *in
		read.Reason = roundTrip(w, "an act of steering", &wire.SteerRequestSchema, wire.SteerRequest{Reason: in.Reason}).Reason
		return &read
	case *plane.Revoke:
		r := roundTrip(w, "a revocation", &wire.RevocationRequestSchema, wire.RevocationRequest{CommonName: in.CommonName, RevokedBefore: in.Before, Force: wire.Flag(in.Holder.Force)})
		read := *in
		read.CommonName, read.Before, read.Holder.Force = r.CommonName, r.RevokedBefore, bool(r.Force)
		return &read
	default:
		return in // it has no body
	}
}

// roundTrip encodes a document, decodes it and encodes it again.
func roundTrip[T any](w *World, what string, s *wire.Schema[T], doc T) T {
	encoded := s.Append(nil, &doc)
	var d wire.Decoder
	var decoded T
	if err := wire.DecodeDocument(&d, s, encoded, &decoded); err != nil {
		w.Violate("WIRE", "%s does not decode: %v\n%s", what, err, encoded)
		return doc
	}
	if again := s.Append(nil, &decoded); !bytes.Equal(again, encoded) {
		w.Violate("WIRE", "%s changes on the wire:\n%s\n%s", what, encoded, again)
	}
	return decoded
}

// answerOverTheWire makes the plane's outcome an HTTP answer and reads from it
// what an agent reads.
func (w *World) answerOverTheWire(m *Message, a *agent.Answer) {
	var answer wire.Answer
	m.request.Outcome.Write("", &answer)
	read := agent.Answer{Status: answer.Status}
	if text := answer.Get(wire.HeaderReplayFrom); text != "" {
		from, err := wire.ParseSeq(text)
		if err != nil {
			w.Violate("WIRE", "Replay-From: %v", err)
		}
		read.Replay, read.ReplayFrom = true, from
	}
	if text := answer.Get(wire.HeaderRetryAfter); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 {
			w.Violate("G4", "Retry-After is %q", text)
		}
		read.RetryAfter = time.Duration(seconds) * time.Second
	}
	if read != *a {
		w.Violate("WIRE", "an answer changes on the wire: %+v, was %+v", read, *a)
	}
	if answer.Status != 200 {
		return
	}
	switch m.kind {
	case scenario.RouteHeartbeat:
		m.request.Outcome.Heartbeat = decodeBody(w, &wire.HeartbeatResponseSchema, answer.Body)
	case scenario.RoutePoll:
		dispatch := decodeBody(w, &wire.DispatchSchema, answer.Body)
		m.request.Outcome.Document = &dispatch
	}
}

// operatorAnswerOverTheWire reads what an operator is answered from the wire.
func (w *World) operatorAnswerOverTheWire(m *Message) {
	var answer wire.Answer
	m.request.Outcome.Write("", &answer)
	if answer.Status != m.request.Outcome.Code.Status() {
		w.Violate("WIRE", "an operator's answer changes on the wire: %d, was %d", answer.Status, m.request.Outcome.Code.Status())
	}
	same := func(again wire.Document) {
		if got := again.AppendJSON(nil); !bytes.Equal(got, answer.Body) {
			w.Violate("WIRE", "an operator's answer changes on the wire:\n%s\n%s", answer.Body, got)
		}
	}
	switch m.request.Outcome.Document.(type) {
	case *wire.RolloutStatus:
		read := decodeBody(w, &wire.RolloutStatusSchema, answer.Body)
		same(&read)
	case *wire.HostStatus:
		read := decodeBody(w, &wire.HostStatusSchema, answer.Body)
		same(&read)
	case *wire.RevocationAnswer:
		read := decodeBody(w, &wire.RevocationAnswerSchema, answer.Body)
		same(&read)
	}
}

func decodeBody[T any](w *World, s *wire.Schema[T], body []byte) T {
	var d wire.Decoder
	var doc T
	if err := wire.DecodeDocument(&d, s, body, &doc); err != nil {
		w.Violate("WIRE", "an answer does not decode: %v\n%s", err, body)
	}
	return doc
}

// garbageBodies are what hostile hosts send in place of documents.
var garbageBodies = []string{
	``, `{`, `null`, `[]`, `"h1"`, `{"hostname":"h1"`, `{"hostname":"h1","hostname":"h2","at":"2026-01-01T00:00:00Z"}`,
	`{"hostname":"h1","at":"yesterday"}`, `{"Hostname":"h1","at":"2026-01-01T00:00:00Z"}`, "{\"hostname\":\"h\x00\"}",
	"{\"hostname\":\"\xff\"}", `{"hostname":7,"at":"2026-01-01T00:00:00Z"}`, `{"hostname":"h1","at":"2026-01-01T00:00:00Z"}}`,
}

// garbageBody is the body of a garbage message.
func garbageBody(n uint64) string { return garbageBodies[n%uint64(len(garbageBodies))] }

// garbageRefusal is the refusal that a garbage body is answered with.
func garbageRefusal(n uint64) wire.Outcome {
	var d wire.Decoder
	var req wire.HeartbeatRequest
	switch err := wire.DecodeDocument(&d, &wire.HeartbeatRequestSchema, []byte(garbageBody(n)), &req).(type) {
	case *wire.SyntaxError:
		return wire.Refuse(wire.NotJSON, "", err.Error())
	case *wire.FieldError:
		return wire.Refuse(wire.WrongShape, err.Field, err.Problem)
	default:
		panic("world: garbage that is a heartbeat")
	}
}
