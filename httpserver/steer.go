package httpserver

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// registerSteering registers the routes by which operators steer rollouts and hosts
// (PROTOCOL O).
func (s *Server) registerSteering(r *mux.Router) {
	for _, route := range []struct {
		method, path, name string
		act                plane.SteerAct
	}{
		{http.MethodPost, "/v1/operator/rollouts/{id}/pause", "pause_rollout", plane.Pause},
		{http.MethodPost, "/v1/operator/rollouts/{id}/abort", "abort_rollout", plane.Abort},
		{http.MethodPost, "/v1/operator/rollouts/{id}/hosts/{hostname}/skip", "skip_host", plane.Skip},
		{http.MethodPost, "/v1/operator/hosts/{hostname}/cordon", "cordon_host", plane.Cordon},
		{http.MethodPost, "/v1/operator/hosts/{hostname}/uncordon", "uncordon_host", plane.Uncordon},
		{http.MethodPost, "/v1/operator/hosts/{hostname}/forget", "forget_host", plane.Forget},
	} {
		s.handle(r, route.method, route.path, endpoint{
			name: route.name, role: operators, body: optionalBody,
			parse: func(e *exchange) bool { return parseSteer(e, route.act) }, serve: serveInput,
		})
	}
}

// parseSteer reads an act: the path says what it is about, and the body, if there is
// one, why.
func parseSteer(e *exchange, act plane.SteerAct) bool {
	var doc wire.SteerRequest
	if !noParameters(e) || e.readsBody() && !decode(e, &wire.SteerRequestSchema, &doc) {
		return false
	}
	in := &plane.Steer{Act: act, Reason: doc.Reason}
	if act == plane.Pause || act == plane.Abort || act == plane.Skip {
		in.RolloutID = e.rolloutID()
	}
	if act != plane.Pause && act != plane.Abort {
		in.Hostname = e.hostVariable()
	}
	e.input = in
	return true
}
