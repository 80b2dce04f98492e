package httpserver

import (
	"net/http"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL W1, W2, W6: an operator's manifest has gates, what they hold back is shown
// with its reason, and counted.
func TestGates_AreShownAndCounted(t *testing.T) {
	h := start(t)
	anna := h.operator("anna")
	anna.do(http.MethodPost, "/v1/operator/rollouts", `{"channel":"stable","channel_ref":"r1","policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0}]},`+
		`"hosts":[{"hostname":"h1","wave":0,"target_closure":"c2"},{"hostname":"h2","wave":0,"target_closure":"c2"}],`+
		`"gates":{"budgets":[{"name":"all","hosts":["h1","h2"],"max_in_flight":1}]},`+
		`"pins":[{"hostname":"h1","pin":{"commit":"f00dfeed","reason":"driver bug"}}]}`).want(t, wire.Created)
	h.agent("h1").poll().want(t, wire.OK)
	h.agent("h2").poll().want(t, wire.NoContent)
	body := anna.do(http.MethodGet, "/v1/operator/rollouts/stable@r1", "").body
	for _, want := range []string{
		`"gates":{"budgets":[{"name":"all","hosts":["h1","h2"],"max_in_flight":1}]}`,
		`"blocked":{"channel_edge":0,"host_edge":0,"compliance":0,"budget":1}`,
		`"blocked":{"gate":"budget","by":"all","reason":"1 hosts are in flight, and 1 may be: h1"}`,
		`"pin":{"commit":"f00dfeed","reason":"driver bug"}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the rollout is %s; want %s in it", body, want)
		}
	}
	if got := h.metric(`refrain_hosts_blocked{gate="budget"}`); got != 1 {
		t.Errorf("%v hosts are blocked by budgets; want 1", got)
	}
	anna.do(http.MethodPost, "/v1/operator/rollouts", `{"channel":"stable","channel_ref":"r2","policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0}]},`+
		`"hosts":[{"hostname":"h1","wave":0,"target_closure":"c2"}],"gates":{"edges":[{"gates":"h9","gated":"h1"}]}}`).want(t, wire.WrongShape)
}
