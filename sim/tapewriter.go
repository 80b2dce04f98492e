package sim

import (
	"net/url"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// tapeWriter writes what happens at the plane on a tape. A nil one writes
// nothing. Like a trace it is never part of the hash.
type tapeWriter struct {
	tape     *Tape
	every    time.Duration
	capacity int

	stated time.Duration // the instant of the last state
	began  bool          // there is a state
	last   bool          // the tape ends with the next tick
	ended  bool
}

// note adds a step.
func (r *tapeWriter) note(w *World, k TapeKind) *TapeStep {
	if r.ended {
		return new(TapeStep)
	}
	r.tape.Steps = append(r.tape.Steps, TapeStep{At: w.now, Kind: k, Step: w.step, Request: -1})
	return &r.tape.Steps[len(r.tape.Steps)-1]
}

// plain notes something that has no details.
func (r *tapeWriter) plain(w *World, k TapeKind) {
	if r != nil {
		r.note(w, k)
	}
}

// number notes something with a number.
func (r *tapeWriter) number(w *World, k TapeKind, n int) {
	if r != nil {
		s := r.note(w, k)
		s.N, s.Depth = n, w.plane.gate.Depth()
	}
}

// about notes something about a request.
func (r *tapeWriter) about(w *World, k TapeKind, m *message, n int) {
	if r != nil {
		s := r.note(w, k)
		s.Request, s.N = m.onTape, n
	}
}

// arrived notes a request at the door, or one that does not come as far. The
// tape ends before a manifest that came into the directory while the process was
// up: when a process sees that is the file system's to say.
func (r *tapeWriter) arrived(w *World, k TapeKind, m *message) {
	if r == nil {
		return
	}
	if r.ended = r.ended || m.node == manifestNodeID && int(m.call) >= w.plane.manifests; r.ended {
		return
	}
	m.onTape = len(r.tape.Requests)
	r.tape.Requests = append(r.tape.Requests, tapeRequest(m))
	r.about(w, k, m, 0)
}

// answered notes an answer.
func (r *tapeWriter) answered(w *World, m *message) {
	if r == nil {
		return
	}
	if r.ended {
		return
	}
	var a wire.Answer
	m.outcome.Write("", &a)
	r.tape.Requests[m.onTape].Answer = &a
	r.tape.Requests[m.onTape].AnsweredAt = w.now
	r.about(w, TapeAnswer, m, 0)
}

// up notes that the process listens, and the manifests that it finds.
func (r *tapeWriter) up(w *World) {
	if r == nil {
		return
	}
	s := r.note(w, TapeUp)
	s.N = w.plane.capacity
	if w.scenario.Plane.NoManifests {
		return
	}
	for _, i := range w.operator.opened {
		m := w.scenario.Manifest(&w.scenario.Rollouts[i])
		s.Manifests = append(s.Manifests, wire.ManifestSchema.Append(nil, &m))
	}
}

// clock notes how far the plane's wall clock is off.
func (r *tapeWriter) clock(w *World) {
	if r != nil {
		r.note(w, TapeClock).For = w.plane.wallOffset
	}
}

// closing notes the beginning of a shutdown.
func (r *tapeWriter) closing(w *World, drain time.Duration) {
	if r != nil {
		r.note(w, TapeClose).Drain = drain
	}
}

// ticked notes a tick, or a load, and now and then the state after it.
func (r *tapeWriter) ticked(w *World, load bool) {
	if r == nil {
		return
	}
	if !load && !r.last && r.began && w.now-r.stated < r.every {
		return
	}
	r.began, r.stated = true, w.now
	r.note(w, TapeState).State = w.plane.plane.AppendState(nil)
	r.ended = r.ended || r.last && !load
}

// tapeRequest is a message as an HTTP request.
func tapeRequest(m *message) TapeRequest {
	t := TapeRequest{
		Message:     m.id,
		Certificate: TapeCertificate{m.identity.CommonName, m.notBefore},
		Header:      []wire.HeaderField{{Name: wire.HeaderProtocol, Value: strconv.Itoa(wire.ProtocolVersion)}},
		Method:      "POST",
	}
	switch m.kind {
	case MsgHeartbeat:
		t.Path = "/v1/agent/heartbeat"
		t.Body = wire.HeartbeatRequestSchema.Append(nil, &m.heartbeat.Request)
	case MsgEvent:
		t.Path = "/v1/agent/events"
		t.Body = wire.EventEnvelopeSchema.Append(nil, &m.event.Envelope)
	case MsgGarbage:
		t.Path = "/v1/agent/heartbeat"
		t.Body = []byte(garbageBody(m.garbage))
	case MsgPoll:
		t.Method, t.Path = "GET", "/v1/agent/dispatch"
		t.Query = "wait=" + strconv.Itoa(int(m.wait/time.Second))
		return t
	case MsgOperator:
		operatorRequest(&t, m)
		if t.Body == nil {
			return t
		}
	}
	t.Header = append(t.Header, wire.HeaderField{Name: wire.HeaderContentType, Value: wire.MediaJSON})
	return t
}

// operatorRequest is the request of an operator's input.
func operatorRequest(t *TapeRequest, m *message) {
	switch in := m.operator.(type) {
	case *plane.OpenRollout:
		t.Path = "/v1/operator/rollouts"
		t.Body = wire.ManifestSchema.Append(nil, &in.Manifest)
		t.Manifest = m.node == manifestNodeID
	case *plane.ResumeRollout:
		t.Path = "/v1/operator/rollouts/" + url.PathEscape(string(in.RolloutID)) + "/resume"
	case *plane.ClearQuarantine:
		t.Path = "/v1/operator/quarantine/clear"
		t.Body = wire.QuarantineEntrySchema.Append(nil, &wire.QuarantineEntry{Channel: in.Channel, Closure: in.Closure})
	case *plane.Revoke:
		t.Path = "/v1/operator/revocations"
		t.Body = wire.RevocationSchema.Append(nil, &wire.Revocation{CommonName: in.CommonName, RevokedBefore: in.Before})
	default:
		panic("sim: no request for the input of an operator")
	}
}
