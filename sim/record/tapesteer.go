package record

import (
	"net/url"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// steerRequest is the request of an act by which an operator steers.
func steerRequest(t *TapeRequest, in *plane.Steer) {
	rollout := "/v1/operator/rollouts/" + url.PathEscape(string(in.RolloutID))
	host := "/hosts/" + url.PathEscape(string(in.Hostname))
	switch in.Act {
	case plane.Pause, plane.Abort:
		t.Path = rollout + "/" + in.Act.String()
	case plane.Skip:
		t.Path = rollout + host + "/skip"
	default:
		t.Path = "/v1/operator" + host + "/" + in.Act.String()
	}
	if in.Reason != "" {
		t.Body = wire.SteerRequestSchema.Append(nil, &wire.SteerRequest{Reason: in.Reason})
	}
}
