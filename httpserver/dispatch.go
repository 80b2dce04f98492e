package httpserver

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/gate"
)

// maxWait is the longest a poll waits (PROTOCOL D1).
const maxWait = 60 * time.Second

// registerDispatch registers the route of PROTOCOL D.
func (s *Server) registerDispatch(r *mux.Router) {
	s.handle(r, http.MethodGet, "/v1/agent/dispatch", endpoint{
		name: "dispatch", role: agents, body: noBody,
		parse: parseDispatch, serve: serveDispatch,
	})
}

func parseDispatch(e *exchange) bool {
	p := e.parameters()
	e.wait = p.wait()
	return p.ok()
}

// wait reads how long a poll waits: whole seconds, clamped to 0 to 60
// (PROTOCOL D1). Without the parameter it does not wait.
func (p *parameters) wait() time.Duration {
	s := p.text("wait")
	if len(p.values["wait"]) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && !isOutOfRange(err) {
		p.wrong("wait", "want a whole number of seconds; it is clamped to 0 to 60")
		return 0
	}
	// Out of range, n is the end of the range on that side.
	return time.Duration(max(0, min(n, int64(maxWait/time.Second)))) * time.Second
}

// serveDispatch is a long poll. The driver asks the plane, and if there is no
// work lets the poll wait outside the inbox (PROTOCOL D3) until there may be
// some, or the time is up.
func serveDispatch(e *exchange) {
	poll := &e.pending.poll
	poll.Hostname, poll.Dialect = e.hostname, e.dialect
	if e.wait == 0 {
		e.ask(poll, gate.Bulk)
		return
	}
	// The read timeout of the connection would look like a client that went
	// away. An error means that there is none to lift.
	control := http.NewResponseController(e.w)
	_ = control.SetReadDeadline(time.Time{})
	if e.r.ContentLength != 0 {
		// Nothing reads the body of a GET, but before it answers net/http wants
		// it out of the way. What has not come by then is not waited for: there
		// is no deadline any more that would end the waiting.
		defer func() { _ = control.SetReadDeadline(time.Now()) }()
	}
	e.askPoll()
}

func isOutOfRange(err error) bool { return errors.Is(err, strconv.ErrRange) }
