package record

import (
	"net/url"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// tapeWriter is a consumer of events that writes what happens at the plane on a
// tape. Like a trace it is never part of the hash.
type tapeWriter struct {
	tape  *Tape
	every time.Duration

	onTape map[*world.Message]int  // of each message, the index in tape.Requests of its last request
	asked  map[*world.Message]bool // the gate has said something about it
	stated time.Duration           // the instant of the last state
	began  bool                    // there is a state
	failed bool                    // the commit that comes next is the one that failed
	last   bool                    // the tape ends with the next tick
	ended  bool
	// release is the one that was noted last.
	release *world.SignedRelease
}

// newTapeWriter subscribes a tape.
func newTapeWriter(w *world.World, tape *Tape, every time.Duration) *tapeWriter {
	r := &tapeWriter{tape: tape, every: every, onTape: make(map[*world.Message]int), asked: make(map[*world.Message]bool)}
	on := func(kind world.EventKind, write func(*world.Event)) {
		w.Subscribe(kind, func(e *world.Event) {
			if !r.ended {
				write(e)
			}
		})
	}
	on(world.EventFaultBegan, r.faultBegan)
	on(world.EventHandshakeRefused, func(e *world.Event) { r.request(e, TapeHandshake) })
	on(world.EventArrived, r.arrived)
	on(world.EventAdmitted, func(e *world.Event) { r.offered(e, 1) })
	on(world.EventRefused, func(e *world.Event) { r.offered(e, 0) })
	on(world.EventDeadline, func(e *world.Event) { r.note(e, TapeExpire) })
	on(world.EventAnswered, r.answered)
	on(world.EventClientGone, r.clientGone)
	on(world.EventTickDue, func(e *world.Event) { r.note(e, TapeTickDue) })
	on(world.EventRetryDue, func(e *world.Event) { r.note(e, TapeRetryDue) })
	on(world.EventSection, r.section)
	on(world.EventSkipped, func(e *world.Event) { r.work(e, driver.Step, 1) })
	on(world.EventStepDone, r.stepDone)
	on(world.EventReplied, r.replied)
	on(world.EventCommitted, r.committed)
	on(world.EventCommitFailed, r.commitFailed)
	on(world.EventRebuildFailed, func(e *world.Event) { r.work(e, driver.Load, 0) })
	on(world.EventPlaneUp, r.planeUp)
	on(world.EventPlaneClosing, func(e *world.Event) { r.note(e, TapeClose).Drain = e.For })
	on(world.EventDrainOver, func(e *world.Event) { r.note(e, TapeDrainOver) })
	on(world.EventPlaneDown, r.planeDown)
	on(world.EventPlaneClock, func(e *world.Event) { r.note(e, TapeClock).For = e.For })
	return r
}

// note adds a step.
func (r *tapeWriter) note(e *world.Event, k TapeKind) *TapeStep {
	r.tape.Steps = append(r.tape.Steps, TapeStep{At: e.At, Kind: k, Step: e.Step, Request: -1})
	return &r.tape.Steps[len(r.tape.Steps)-1]
}

// number notes something with a number.
func (r *tapeWriter) number(e *world.Event, k TapeKind, n int) {
	s := r.note(e, k)
	s.N, s.Depth = n, e.World.InboxDepth()
}

// about notes something about a request.
func (r *tapeWriter) about(e *world.Event, k TapeKind, n int) {
	s := r.note(e, k)
	s.Request, s.N = r.onTape[e.Message], n
}

// faultBegan: the tape ends before a certificate expires or its CA is trusted no more.
// A player's certificates are good for as long as it plays, and its CA is one.
func (r *tapeWriter) faultBegan(e *world.Event) {
	r.ended = r.ended || e.Fault.Kind == scenario.CertExpire || e.Fault.Kind == scenario.CertUntrust
}

// arrived notes a request at the plane. The tape ends before a manifest that came
// into the directory while the process was up: when a process sees that is the
// file system's to say.
func (r *tapeWriter) arrived(e *world.Event) {
	if _, put := e.Message.Operator().(*plane.Release); put && e.Message.FromReleases() {
		r.released(e, e.World.ReleaseRead())
	}
	if r.ended {
		return
	}
	if m := e.Message; m.FromManifests() && int(m.Call()) >= e.World.ManifestsRead() {
		r.ended = true
		return
	}
	r.request(e, TapeArrive)
}

// released notes the release that a process reads. The tape ends before one that no
// files can have, and before one that the plane's clock takes for one of the future.
func (r *tapeWriter) released(e *world.Event, files *world.SignedRelease) {
	if files == nil || e.World.PlaneWall().Add(artifact.Skew).Before(files.SignedAt) {
		r.ended = true
		return
	}
	if files != r.release {
		r.release = files
		r.note(e, TapeRelease).Release = files
	}
}

func (r *tapeWriter) request(e *world.Event, k TapeKind) {
	r.onTape[e.Message], r.asked[e.Message] = len(r.tape.Requests), false
	r.tape.Requests = append(r.tape.Requests, tapeRequest(e.Message))
	r.about(e, k, 0)
}

// offered notes what the gate said. A poll that waited asks again in the middle
// of a section, which the section says enough of.
func (r *tapeWriter) offered(e *world.Event, admitted int) {
	if !r.asked[e.Message] {
		r.asked[e.Message] = true
		r.about(e, TapeOffer, admitted)
	}
}

// work notes a section.
func (r *tapeWriter) work(e *world.Event, section driver.Work, n int) {
	s := r.note(e, TapeWork)
	s.Work, s.N, s.Depth = section, n, e.World.InboxDepth()
	if e.Message != nil {
		s.Request = r.onTape[e.Message]
	}
}

// section notes a section; a first Load is the start of the process. A batch of
// none is none: how often the loop looks for one is no part of the tape,
// unless that and the slices of an opening take turns.
func (r *tapeWriter) section(e *world.Event) {
	if e.Section == driver.Take && e.Count == 0 && !e.World.HoldsOpening() {
		return
	}
	if files, lies := e.World.ReleaseInDirectory(); lies && e.Section == driver.Open {
		if r.released(e, files); r.ended {
			return
		}
	}
	starts := e.Section == driver.Load && !e.World.PlaneOpened()
	if starts {
		r.note(e, TapeStart)
	}
	r.work(e, e.Section, e.Count)
	if starts {
		r.state(e)
	}
}

// answered notes an answer. The reducer may not be done with the request yet, so
// its place on the tape stays known until the message is used again.
func (r *tapeWriter) answered(e *world.Event) {
	var a wire.Answer
	e.Message.Outcome().Write("", &a)
	request := &r.tape.Requests[r.onTape[e.Message]]
	request.Answer, request.AnsweredAt = &a, e.At
	r.about(e, TapeAnswer, 0)
	if _, put := e.Message.Operator().(*plane.Release); put && e.Message.Outcome().Code == wire.NoContent {
		r.note(e, TapeServed).Release = e.World.ReleaseRead()
	}
}

// clientGone notes that the client of a poll is gone.
func (r *tapeWriter) clientGone(e *world.Event) {
	waited := 1
	if e.Answered {
		waited = 0
	}
	r.about(e, TapeGone, waited)
}

// stepDone notes a step, or a tick and after it, now and then, the state.
func (r *tapeWriter) stepDone(e *world.Event) {
	if e.Message != nil {
		r.work(e, driver.Step, 0)
		return
	}
	if in, told := e.Input.(*plane.Storage); told {
		scarce := 0
		if in.Scarce {
			scarce = 1
		}
		r.work(e, driver.Storage, scarce)
		return
	}
	r.work(e, driver.Tick, 0)
	if r.last || !r.began || e.At-r.stated >= r.every {
		r.state(e)
		r.ended = r.last
	}
}

func (r *tapeWriter) state(e *world.Event) {
	r.began, r.stated = true, e.At
	r.note(e, TapeState).State = e.World.Plane().AppendState(nil)
}

func (r *tapeWriter) replied(e *world.Event) {
	n := 0
	if e.ReplyLost {
		n = 1
	}
	r.work(e, driver.Reply, n)
}

func (r *tapeWriter) commitFailed(e *world.Event) {
	r.number(e, TapeCommitFailed, e.Count)
	r.tape.Steps[len(r.tape.Steps)-1].Stored = e.Stored
	r.failed = e.Stored // what follows is no other commit
}

func (r *tapeWriter) committed(e *world.Event) {
	if r.failed {
		r.failed = false
		return
	}
	k := TapeCommit
	if e.ReplyLost {
		k = TapeCommitLost
	}
	r.number(e, k, len(e.Entries))
}

// planeUp notes that the process listens, and the manifests that it finds.
func (r *tapeWriter) planeUp(e *world.Event) {
	w := e.World
	s := r.note(e, TapeUp)
	s.N = w.Capacity()
	if w.Scenario().Plane.NoManifests {
		return
	}
	for _, i := range w.Opened() {
		if w.Scenario().Rollouts[i].Signed {
			continue
		}
		m := w.Scenario().Manifest(&w.Scenario().Rollouts[i])
		s.Manifests = append(s.Manifests, wire.ManifestSchema.Append(nil, &m))
	}
}

func (r *tapeWriter) planeDown(e *world.Event) {
	switch e.Ending {
	case world.Crashed:
		r.note(e, TapeCrash)
	case world.Closed:
		r.note(e, TapeDown)
	}
	if e.Wiped {
		r.note(e, TapeWipe)
	}
	if e.Restored {
		r.note(e, TapeRestore).Entries = e.Entries
	}
}

// tapeRequest is a message as an HTTP request.
func tapeRequest(m *world.Message) TapeRequest {
	t := TapeRequest{
		Message:     m.ID(),
		Certificate: TapeCertificate{m.Identity().CommonName, m.NotBefore()},
		Method:      "POST",
	}
	if m.Dialect() != wire.DialectField {
		t.Header = []wire.HeaderField{
			{Name: wire.HeaderProtocol, Value: strconv.Itoa(wire.ProtocolVersion)}, {Name: wire.HeaderAgent, Value: wire.AgentVersion},
		}
	}
	switch m.Kind() {
	case scenario.RouteHeartbeat:
		t.Path = "/v1/agent/heartbeat"
		t.Body = wire.HeartbeatRequestSchema.Append(nil, &m.Heartbeat().Request)
	case scenario.RouteEvent:
		t.Path = "/v1/agent/events"
		t.Body = wire.EventEnvelopeSchema.Append(nil, &m.Event().Envelope)
	case scenario.RouteGarbage:
		t.Path = "/v1/agent/heartbeat"
		t.Body = []byte(m.Garbage())
	case scenario.RoutePoll:
		t.Method, t.Path = "GET", "/v1/agent/dispatch"
		t.Query = "wait=" + strconv.Itoa(int(m.Wait()/time.Second))
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
func operatorRequest(t *TapeRequest, m *world.Message) {
	switch in := m.Operator().(type) {
	case *plane.OpenRollout:
		t.Path = "/v1/operator/rollouts"
		t.Body = wire.ManifestSchema.Append(nil, &in.Manifest)
	case *plane.PlanRollout:
		t.Path, t.Query = "/v1/operator/rollouts", "dry_run=true"
		t.Body = wire.ManifestSchema.Append(nil, &in.Manifest)
	case *plane.FileManifest:
		t.Body = wire.ManifestSchema.Append(nil, &in.Manifest)
		t.Manifest, t.Release = !in.Signed, in.Signed
	case *plane.Release:
		t.Release = true
	case *plane.ChooseRollout:
		t.Path = "/v1/operator/rollouts/" + url.PathEscape(string(in.RolloutID)) + "/choose"
	case *plane.ResumeRollout:
		t.Path = "/v1/operator/rollouts/" + url.PathEscape(string(in.RolloutID)) + "/resume"
	case *plane.Steer:
		steerRequest(t, in)
	case *plane.ClearQuarantine:
		t.Path = "/v1/operator/quarantine/clear"
		t.Body = wire.QuarantineEntrySchema.Append(nil, &wire.QuarantineEntry{Channel: in.Channel, Closure: in.Closure})
	case *plane.Revoke:
		t.Path = "/v1/operator/revocations"
		t.Body = wire.RevocationRequestSchema.Append(nil, &wire.RevocationRequest{
			CommonName: in.CommonName, RevokedBefore: in.Before, Force: wire.Flag(in.Holder.Force),
		})
	default:
		operatorQuery(t, m.Operator())
		if of := m.History(); of.Limit > 0 {
			t.Path += "/events"
			t.Query = url.Values{"after": {strconv.FormatUint(uint64(of.After), 10)}, "limit": {strconv.Itoa(of.Limit)}}.Encode()
		}
	}
}

// operatorQuery is the request by which an operator reads.
func operatorQuery(t *TapeRequest, in plane.Input) {
	page := url.Values{}
	limited := func(after string, limit int) {
		if after != "" {
			page.Set("after", after)
		}
		page.Set("limit", strconv.Itoa(limit))
	}
	inState := func(state wire.State) {
		if state != 0 {
			page.Set("state", state.String())
		}
	}
	t.Method, t.Path = "GET", "/v1/operator/"
	switch in := in.(type) {
	case *plane.QueryHost:
		t.Path += "hosts/" + url.PathEscape(string(in.Hostname))
	case *plane.QueryHosts:
		t.Path += "hosts"
		limited(string(in.After), in.Limit)
		inState(in.Filter.State)
	case *plane.QueryRollout:
		t.Path += "rollouts/" + url.PathEscape(string(in.RolloutID))
		limited(string(in.After), in.Limit)
		inState(in.State)
	case *plane.QueryRollouts:
		t.Path += "rollouts"
		limited(string(in.After), in.Limit)
	case *plane.QueryQuarantine:
		t.Path += "quarantine"
	case *plane.QueryRevocations:
		t.Path += "revocations"
	default:
		panic("record: no request for the input of an operator")
	}
	t.Query = page.Encode()
}
