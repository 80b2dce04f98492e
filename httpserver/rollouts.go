package httpserver

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// registerRollouts registers the operators' routes about rollouts
// (PROTOCOL R1, R2, R5).
func (s *Server) registerRollouts(r *mux.Router) {
	s.handle(r, http.MethodPost, "/v1/operator/rollouts", endpoint{
		name: "open_rollout", role: operators, body: needsBody, limit: s.cfg.MaxManifest,
		parse: parseManifest, serve: serveInput,
	})
	s.handle(r, http.MethodGet, "/v1/operator/rollouts", endpoint{
		name: "rollouts", role: operators, body: noBody,
		parse: parseRollouts, serve: serveInput,
	})
	s.handle(r, http.MethodGet, "/v1/operator/rollouts/{id}", endpoint{
		name: "rollout", role: operators, body: noBody,
		parse: parseRollout, serve: serveInput,
	})
	s.handle(r, http.MethodGet, "/v1/operator/rollouts/{id}/events", endpoint{
		name: "rollout_events", role: operators, body: noBody,
		parse: parseRolloutEvents, serve: serveRolloutEvents,
	})
	s.handle(r, http.MethodGet, "/v1/operator/rollouts/{id}/why", endpoint{
		name: "rollout_why", role: operators, body: noBody,
		parse: parseRolloutWhy, serve: serveInput,
	})
	s.handle(r, http.MethodPost, "/v1/operator/rollouts/{id}/resume", endpoint{
		name: "resume_rollout", role: operators, body: optionalBody,
		parse: parseResume, serve: serveInput,
	})
	s.handle(r, http.MethodPost, "/v1/operator/rollouts/{id}/choose", endpoint{
		name: "choose_rollout", role: operators, body: optionalBody,
		parse: parseChoose, serve: serveInput,
	})
}

// serveInput sends the plane the input that parse has made of the request.
func serveInput(e *exchange) { e.ask(e.input, gate.Bulk) }

func parseManifest(e *exchange) bool {
	p := e.parameters()
	if dryRun := p.flag("dry_run"); p.allKnown() && dryRun {
		in := new(plane.PlanRollout)
		e.input = in
		return decode(e, &wire.ManifestSchema, &in.Manifest)
	}
	in := new(plane.OpenRollout)
	e.input = in
	if !p.ok() || !decode(e, &wire.ManifestSchema, &in.Manifest) {
		return false
	}
	in.Prepare()
	return true
}

func parseRollouts(e *exchange) bool {
	p := e.parameters()
	e.input = &plane.QueryRollouts{After: after(p, wire.ParseRolloutID), Limit: p.limit(), Filter: plane.RolloutFilter{
		Channel: word(p, "channel", wire.ParseChannel),
		State:   word(p, "state", wire.ParseRolloutState),
		Current: p.flag("current"),
	}}
	return p.allKnown()
}

func parseRollout(e *exchange) bool {
	p := e.parameters()
	e.input = &plane.QueryRollout{RolloutID: e.rolloutID(), After: after(p, wire.ParseHostname), Limit: p.limit(), State: word(p, "state", wire.ParseState)}
	return p.allKnown()
}

func parseRolloutWhy(e *exchange) bool {
	e.input = &plane.QueryRolloutWhy{RolloutID: e.rolloutID()}
	return noParameters(e)
}

func parseResume(e *exchange) bool {
	e.input = &plane.ResumeRollout{RolloutID: e.rolloutID()}
	return noDocument(e)
}

func parseChoose(e *exchange) bool {
	e.input = &plane.ChooseRollout{RolloutID: e.rolloutID()}
	return noDocument(e)
}

// noDocument reads a body that says nothing, if there is one.
func noDocument(e *exchange) bool {
	return noParameters(e) && (!e.readsBody() || decode(e, &wire.NoBodySchema, new(wire.NoBody)))
}

// rolloutID returns the rollout that the path names. A text that is not a rollout
// ID is passed on clipped: no rollout has it, so the plane answers 404.
func (e *exchange) rolloutID() wire.RolloutID {
	s := e.variable("id")
	if id, err := wire.ParseRolloutID(s); err == nil {
		return id
	}
	return wire.RolloutID(clip(s))
}

func parseRolloutEvents(e *exchange) bool {
	p := e.parameters()
	e.rollout, e.afterSeq, e.limit = e.rolloutID(), p.afterSeq(), p.limit()
	return p.allKnown()
}

const (
	// maxHistoryReaders is how many histories are read and sent at a time. Each
	// costs about two pages until its reader has taken its answer.
	maxHistoryReaders = 8
	// historyRetry is the Retry-After of a reader too many.
	historyRetry = 5 * time.Second
)

// serveRolloutEvents reads a rollout's history from the store, since the plane
// keeps none. It asks the plane first whether it knows the rollout; that answer
// waits until what it says is durable, so the store has at least that.
//
// The page is encoded while it is read, up to its limit, and sent after the store
// is done: a reader that is slow costs memory for one page, and no transaction.
func serveRolloutEvents(e *exchange) {
	if !e.beginReading() {
		return
	}
	e.ask(&plane.QueryRollout{RolloutID: e.rollout, Limit: 1}, gate.Bulk)
	if e.outcome.Code != wire.OK {
		return
	}
	page := plane.NewHistoryPage(e.limit)
	err := e.server.cfg.Store.Events(e.rollout, e.afterSeq, page.Take)
	if err != nil {
		e.server.log.Error("cannot read a rollout's events from the store", "rollout", string(e.rollout), "error", err, "request_id", e.requestID)
		e.refuse(wire.Internal, "", "the store cannot read the events; the plane's log has details under this request ID")
		return
	}
	e.outcome = wire.Outcome{Code: wire.OK, Document: page}
	_ = http.NewResponseController(e.w).SetWriteDeadline(time.Now().Add(writeSlack))
}

// beginReading takes one of the places of those that read much; it is given back when the
// answer was sent, see [exchange.end].
func (e *exchange) beginReading() bool {
	select {
	case e.server.historyReaders <- struct{}{}:
		e.readsHistory = true
		return true
	default:
		e.refuse(wire.TooManyReaders, "", fmt.Sprintf("%d histories are being read; try again a little later", maxHistoryReaders))
		e.outcome.RetryAfter = historyRetry
		return false
	}
}
