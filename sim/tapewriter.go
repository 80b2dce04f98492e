package sim

import (
	"net/url"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// tapeWriter is a consumer of events that writes what happens at the plane on a
// tape. Like a trace it is never part of the hash.
type tapeWriter struct {
	tape  *Tape
	every time.Duration

	onTape map[*Message]int // of each message, the index in tape.Requests of its last request
	stated time.Duration    // the instant of the last state
	began  bool             // there is a state
	last   bool             // the tape ends with the next tick
	ended  bool
}

// newTapeWriter subscribes a tape. The plane's process is up already.
func newTapeWriter(w *World, tape *Tape, every time.Duration) *tapeWriter {
	r := &tapeWriter{tape: tape, every: every, onTape: make(map[*Message]int)}
	on := func(kind EventKind, write func(*Event)) {
		w.Subscribe(kind, func(e *Event) {
			if !r.ended {
				write(e)
			}
		})
	}
	about := func(kind EventKind, k TapeKind, n int) {
		on(kind, func(e *Event) { r.about(e, k, n) })
	}
	on(EventHandshakeRefused, func(e *Event) { r.request(e, TapeHandshake) })
	on(EventArrived, r.arrived)
	about(EventAdmitted, TapeOffer, 1)
	about(EventRefused, TapeOffer, 0)
	about(EventPollRefused, TapeOffer, 0)
	on(EventDeadline, func(e *Event) { r.note(e, TapeExpire) })
	on(EventAnswered, r.answered)
	on(EventTaken, func(e *Event) { r.number(e, TapeTake, e.Count) })
	about(EventSkipped, TapeDropped, 0)
	on(EventStepping, r.stepping)
	on(EventStepDone, r.stepDone)
	on(EventReplied, r.replied)
	on(EventCommitted, r.committed)
	on(EventCommitFailed, func(e *Event) { r.number(e, TapeCommitFailed, e.Count) })
	on(EventRebuildFailed, func(e *Event) { r.number(e, TapeRebuild, 0) })
	on(EventPlaneUp, r.planeUp)
	on(EventPlaneStarted, r.planeStarted)
	on(EventPlaneClosing, func(e *Event) { r.note(e, TapeClose).Drain = e.For })
	on(EventDrainOver, func(e *Event) { r.note(e, TapeDrainOver) })
	on(EventPlaneDown, r.planeDown)
	on(EventPlaneClock, func(e *Event) { r.note(e, TapeClock).For = e.For })
	r.planeUp(&Event{Kind: EventPlaneUp, World: w})
	return r
}

// note adds a step.
func (r *tapeWriter) note(e *Event, k TapeKind) *TapeStep {
	r.tape.Steps = append(r.tape.Steps, TapeStep{At: e.At, Kind: k, Step: e.Step, Request: -1})
	return &r.tape.Steps[len(r.tape.Steps)-1]
}

// number notes something with a number.
func (r *tapeWriter) number(e *Event, k TapeKind, n int) {
	s := r.note(e, k)
	s.N, s.Depth = n, e.World.InboxDepth()
}

// about notes something about a request.
func (r *tapeWriter) about(e *Event, k TapeKind, n int) {
	s := r.note(e, k)
	s.Request, s.N = r.onTape[e.Message], n
}

// arrived notes a request at the plane. The tape ends before a manifest that came
// into the directory while the process was up: when a process sees that is the
// file system's to say.
func (r *tapeWriter) arrived(e *Event) {
	if m := e.Message; m.node == manifestNodeID && int(m.call) >= e.World.plane.manifests {
		r.ended = true
		return
	}
	r.request(e, TapeArrive)
}

func (r *tapeWriter) request(e *Event, k TapeKind) {
	r.onTape[e.Message] = len(r.tape.Requests)
	r.tape.Requests = append(r.tape.Requests, tapeRequest(e.Message))
	r.about(e, k, 0)
}

// answered notes an answer. The reducer may not be done with the request yet, so
// its place on the tape stays known until the message is used again.
func (r *tapeWriter) answered(e *Event) {
	var a wire.Answer
	e.Message.outcome.Write("", &a)
	request := &r.tape.Requests[r.onTape[e.Message]]
	request.Answer, request.AnsweredAt = &a, e.At
	r.about(e, TapeAnswer, 0)
}

func (r *tapeWriter) stepping(e *Event) {
	if e.Message == nil {
		r.note(e, TapeTick)
		return
	}
	r.about(e, TapeStepped, 0)
}

// stepDone notes, after a tick, now and then the state.
func (r *tapeWriter) stepDone(e *Event) {
	if e.Message == nil && (r.last || !r.began || e.At-r.stated >= r.every) {
		r.state(e)
		r.ended = r.last
	}
}

func (r *tapeWriter) state(e *Event) {
	r.began, r.stated = true, e.At
	r.note(e, TapeState).State = e.World.plane.plane.AppendState(nil)
}

func (r *tapeWriter) replied(e *Event) {
	n := 0
	if e.ReplyLost {
		n = 1
	}
	r.about(e, TapeReplied, n)
}

func (r *tapeWriter) committed(e *Event) {
	k := TapeCommit
	if e.ReplyLost {
		k = TapeCommitLost
	}
	r.number(e, k, len(e.Entries))
}

// planeUp notes that the process listens, and the manifests that it finds.
func (r *tapeWriter) planeUp(e *Event) {
	w := e.World
	s := r.note(e, TapeUp)
	s.N = w.Capacity()
	if w.scenario.Plane.NoManifests {
		return
	}
	for _, i := range w.operator.opened {
		m := w.scenario.Manifest(&w.scenario.Rollouts[i])
		s.Manifests = append(s.Manifests, wire.ManifestSchema.Append(nil, &m))
	}
}

// planeStarted notes that the process has loaded its log, or the reducer was
// rebuilt.
func (r *tapeWriter) planeStarted(e *Event) {
	if e.Rebuilt {
		r.number(e, TapeRebuild, 1)
		return
	}
	r.note(e, TapeStart)
	r.state(e)
}

func (r *tapeWriter) planeDown(e *Event) {
	switch e.Ending {
	case Crashed:
		r.note(e, TapeCrash)
	case Closed:
		r.note(e, TapeDown)
	}
	if e.Wiped {
		r.note(e, TapeWipe)
	}
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
	case scenario.RouteHeartbeat:
		t.Path = "/v1/agent/heartbeat"
		t.Body = wire.HeartbeatRequestSchema.Append(nil, &m.heartbeat.Request)
	case scenario.RouteEvent:
		t.Path = "/v1/agent/events"
		t.Body = wire.EventEnvelopeSchema.Append(nil, &m.event.Envelope)
	case scenario.RouteGarbage:
		t.Path = "/v1/agent/heartbeat"
		t.Body = []byte(garbageBody(m.garbage))
	case scenario.RoutePoll:
		t.Method, t.Path = "GET", "/v1/agent/dispatch"
		t.Query = "wait=" + strconv.Itoa(int(m.wait/time.Second))
		return t
	case scenario.RouteOperator:
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
