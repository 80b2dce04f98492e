package httpserver

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Who requests what (PROTOCOL T15): the one place where a request of an operator gets the
// operator whose act it becomes. Whatever the plane logs for it has that operator, so a
// route that changes something needs nothing of its own.

// actor is the operator whose act the request becomes, if it changes something. A request
// that reads is none.
func (e *exchange) actor() wire.Actor {
	if !e.identity.Operator || e.r.Method == http.MethodGet {
		return wire.Actor{}
	}
	leaf := e.leaf()
	sum := sha256.Sum256(leaf.Raw)
	return wire.Actor{
		// What the log has must be readable, whatever a CA has signed.
		Name:   wire.CommonName(clipTo(e.identity.CommonName, maxActorText)),
		Serial: wire.Name(clipTo(leaf.SerialNumber.Text(16), maxActorText)), Fingerprint: wire.Name(hex.EncodeToString(sum[:])),
		Request: wire.Name(e.requestID),
	}
}

// maxActorText bounds what of a certificate goes into the log, in bytes.
const maxActorText = 256

// registerActs registers the operators' route about their acts.
func (s *Server) registerActs(r *mux.Router) {
	s.handle(r, http.MethodGet, "/v1/operator/acts", endpoint{
		name: "acts", role: operators, body: noBody,
		parse: parseActs, serve: serveActs,
	})
}

func parseActs(e *exchange) bool {
	p := e.parameters()
	e.afterSeq, e.limit = p.afterSeq(), p.limit()
	return p.allKnown()
}

// serveActs reads the acts from the store, as [serveRolloutEvents] reads a history: after
// the plane has answered, so that what was acted before the request is in the store.
func serveActs(e *exchange) {
	if !e.beginReading() {
		return
	}
	e.ask(&plane.QueryStatus{}, gate.Bulk)
	if e.outcome.Code != wire.OK {
		return
	}
	page := plane.NewHistoryPage(e.limit)
	if err := e.server.cfg.Store.Acts(e.afterSeq, page.Take); err != nil {
		e.server.log.Error("cannot read the operators' acts from the store", "error", err, "request_id", e.requestID)
		e.refuse(wire.Internal, "", "the store cannot read the acts; the plane's log has details under this request ID")
		return
	}
	e.outcome = wire.Outcome{Code: wire.OK, Document: page}
	_ = http.NewResponseController(e.w).SetWriteDeadline(time.Now().Add(writeSlack))
}
