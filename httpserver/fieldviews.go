package httpserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// What the tools of NixFleet read (PROTOCOL T14): the same queries as an operator's, in the
// form of its documents. Nothing is kept for them.

// maxFieldItems is how many hosts or records an answer has at most: it has no pages.
const maxFieldItems = 50_000

// registerFieldViews registers the routes that only tools for operators read.
func (s *Server) registerFieldViews(r *mux.Router) {
	for _, view := range []struct {
		name, path string
		of         func(*exchange) any
	}{
		{"field_hosts", "/v1/hosts", fieldHosts},
		{"field_channel", "/v1/channels/{name}", fieldChannel},
		{"field_rollouts", "/v1/rollouts", fieldRollouts},
		{"field_lifecycle", "/v1/rollouts/{id}/lifecycle", fieldLifecycle},
		{"field_rollout_hosts", "/v1/rollouts/{id}/hosts", fieldRolloutHosts},
		{"field_rollout_events", "/v1/rollouts/{id}/events", fieldRolloutEvents},
		{"field_deferrals", "/v1/deferrals", fieldDeferrals},
	} {
		s.handle(r, http.MethodGet, view.path, endpoint{
			name: view.name, role: operators, body: noBody, parse: parseFieldView, serve: func(e *exchange) { e.serveFieldView(view.of) },
		})
	}
}

// parseFieldView reads the one parameter that one of the routes has.
func parseFieldView(e *exchange) bool {
	p := e.parameters()
	e.limit = plane.MaxLimit // the tool's default
	if text := p.text("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			p.wrong("limit", fmt.Sprintf("want a whole number from 1 to %d; more is taken as that", plane.MaxLimit))
		}
		e.limit = min(n, plane.MaxLimit)
	}
	return p.ok()
}

// serveFieldView answers with what of makes, unless it has refused the request. It is one
// of the readers that are bounded: its answer is large.
func (e *exchange) serveFieldView(of func(*exchange) any) {
	if !e.beginReading() {
		return
	}
	doc := of(e)
	if doc == nil {
		return
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err) // structs of texts and numbers
	}
	e.outcome = wire.Outcome{Code: wire.OK, Document: &wire.File{Media: wire.MediaJSON, Bytes: text}}
	_ = http.NewResponseController(e.w).SetWriteDeadline(time.Now().Add(writeSlack))
}

// query asks the plane. It reports false if that has refused the request.
func query[T any](e *exchange, in plane.Input) (doc T, ok bool) {
	if e.ask(in, gate.Bulk); e.outcome.Code != wire.OK {
		return doc, false
	}
	doc, ok = e.outcome.Document.(T)
	if !ok { // a rollout that is being opened
		e.refuse(wire.UnknownRollout, "id", "the rollout is not open yet")
	}
	return doc, ok
}

// tooManyItems reports whether an answer would have more than n items, and refuses it then.
func (e *exchange) tooManyItems(n int) bool {
	if n <= e.server.fieldItems {
		return false
	}
	e.refuse(wire.AnswerTooLarge, "", fmt.Sprintf("the answer would have more than %d items and this route has no pages; read /v1/operator/hosts or /v1/operator/rollouts, page by page", e.server.fieldItems))
	return true
}

// allRollouts are the rollouts that are known, without their hosts, by ID.
func (e *exchange) allRollouts() (list []wire.RolloutStatus, ok bool) {
	in := &plane.QueryRollouts{Limit: plane.MaxLimit}
	for {
		page, ok := query[*wire.Page[wire.RolloutStatus]](e, in)
		if !ok || e.tooManyItems(len(list)+len(page.Items)) {
			return nil, false
		}
		list = append(list, page.Items...)
		if page.Next == "" {
			return list, true
		}
		in = &plane.QueryRollouts{After: wire.RolloutID(page.Next), Limit: plane.MaxLimit}
	}
}

// rolloutWhole is a rollout with all of its hosts.
func (e *exchange) rolloutWhole(id wire.RolloutID) (*wire.RolloutStatus, bool) {
	var whole *wire.RolloutStatus
	var after wire.Hostname
	for {
		status, ok := query[*wire.RolloutStatus](e, &plane.QueryRollout{RolloutID: id, After: after, Limit: plane.MaxLimit})
		if !ok {
			return nil, false
		}
		if whole == nil {
			whole = status
		} else {
			whole.Hosts = append(whole.Hosts, status.Hosts...)
		}
		if e.tooManyItems(len(whole.Hosts)) {
			return nil, false
		}
		if after = wire.Hostname(status.Next); after == "" {
			return whole, true
		}
	}
}

// heldFleet is the fleet of the release that is held; nil without one.
func (e *exchange) heldFleet() *artifact.Fleet {
	if l := e.server.releases; l != nil {
		if held := l.held.Load(); held != nil {
			return held.fleet
		}
	}
	return nil
}

// orNull is a value that is null when it is empty.
func orNull[T ~string](v T) *T {
	if v == "" {
		return nil
	}
	return &v
}

// timeOrNull is a time, or null if there is none.
func timeOrNull(t wire.Time) *string {
	if !t.IsSet() {
		return nil
	}
	text := t.String()
	return &text
}

// fieldRolloutState is a rollout's state in the words of NixFleet, which knows no halt: a host
// that failed is the state of its rollout.
func fieldRolloutState(r *wire.RolloutStatus) string {
	counts := &r.Counts
	switch {
	case r.State == wire.Superseded:
		return "Superseded"
	case counts.Failed > 0:
		return "Failed"
	case counts.Reverted > 0:
		return "Reverted"
	case r.State == wire.Held:
		return "Opening"
	case r.State == wire.Aborted:
		return "Terminal"
	}
	return r.State.String()
}

// shown reports whether a rollout is in the list of rollouts.
func shown(r *wire.RolloutStatus) bool {
	state := fieldRolloutState(r)
	return state != "Superseded" && state != "Terminal"
}
