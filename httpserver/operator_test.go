package httpserver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestOpeningTheSameRolloutAgainChangesNothing(t *testing.T) { // PROTOCOL R1
	h := start(t)
	c := h.operator("anna")
	body := manifest("stable", "r1", "c1", "h1")
	c.do(http.MethodPost, "/v1/operator/rollouts", body).want(t, wire.Created)
	c.do(http.MethodPost, "/v1/operator/rollouts", body).want(t, wire.OK)
	c.do(http.MethodPost, "/v1/operator/rollouts", manifest("stable", "r1", "c2", "h1")).want(t, wire.ManifestConflict)
	c.do(http.MethodPost, "/v1/operator/rollouts", strings.Replace(body, `"wave":0`, `"wave":1`, 1)).want(t, wire.WrongShape)
}

func TestARolloutIDMayHaveSlashes(t *testing.T) { // PROTOCOL R5
	h := start(t)
	c := h.operator("anna")
	h.openRollout("edge/eu", "release/26.05", "c1", "h1")
	for _, path := range []string{"", "/events"} {
		c.do(http.MethodGet, "/v1/operator/rollouts/edge%2Feu@release%2F26.05"+path, "").want(t, wire.OK)
		c.do(http.MethodGet, "/v1/operator/rollouts/edge%2feu%40release%2f26.05"+path, "").want(t, wire.OK)
		c.do(http.MethodGet, "/v1/operator/rollouts/edge%2Feu@release%2F26.06"+path, "").want(t, wire.UnknownRollout)
		c.do(http.MethodGet, "/v1/operator/rollouts/no-id"+path, "").want(t, wire.UnknownRollout)
	}
	c.do(http.MethodGet, "/v1/operator/rollouts/edge/eu@release/26.05", "").want(t, wire.NotFound)
	c.do(http.MethodPost, "/v1/operator/rollouts/edge%2Feu@release%2F26.05/resume", "").want(t, wire.OK)
}

func TestPagesAreWalkedByAfterAndLimit(t *testing.T) { // PROTOCOL R5
	h := start(t)
	hosts := []string{"h1", "h2", "h3", "h4", "h5"}
	h.openRollout("stable", "r1", "c1", hosts...)
	h.openRollout("beta", "r1", "c1", "h1")
	c := h.operator("anna")
	for _, host := range hosts {
		h.agent(host).do(http.MethodPost, "/v1/agent/events", ackBody(host, "stable@r1")).want(t, wire.NoContent)
	}
	walk := func(path, item string) (items, pages int) {
		t.Helper()
		after := ""
		for {
			a := c.do(http.MethodGet, path+"?limit=2&after="+after, "")
			a.want(t, wire.OK)
			items += strings.Count(a.body, item)
			pages++
			_, next, more := strings.Cut(a.body, `"next":"`)
			if !more {
				return items, pages
			}
			after, _, _ = strings.Cut(next, `"`)
		}
	}
	for _, test := range []struct {
		path, item   string
		items, pages int
	}{
		{"/v1/operator/hosts", `"reachability"`, 5, 3},
		{"/v1/operator/rollouts", `"opened_at"`, 2, 1},
		{"/v1/operator/rollouts/stable@r1", `"wave":`, 5, 3},
		{"/v1/operator/rollouts/stable@r1/events", `"outcome"`, 6, 3},
	} {
		if items, pages := walk(test.path, test.item); items != test.items || pages != test.pages {
			t.Errorf("%s: %d items on %d pages, want %d on %d", test.path, items, pages, test.items, test.pages)
		}
	}
}

func TestABadPageNamesItsParameter(t *testing.T) { // PROTOCOL R5
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.operator("anna")
	for _, test := range []struct{ path, field string }{
		{"/v1/operator/hosts?limit=0", "limit"},
		{"/v1/operator/hosts?limit=1001", "limit"},
		{"/v1/operator/hosts?limit=", "limit"},
		{"/v1/operator/hosts?limit=1&limit=1", "limit"},
		{"/v1/operator/hosts?after=a%20b", "after"},
		{"/v1/operator/rollouts?after=nonsense", "after"},
		{"/v1/operator/rollouts/stable@r1?after=a%20b", "after"},
		{"/v1/operator/rollouts/stable@r1/events?after=-1", "after"},
		{"/v1/operator/rollouts/stable@r1/events?limit=x", "limit"},
	} {
		a := c.do(http.MethodGet, test.path, "")
		a.want(t, wire.BadQuery)
		if got := a.problem(t).Field; got != wire.Text(test.field) {
			t.Errorf("%s: the field is %q, want %q", test.path, got, test.field)
		}
	}
}

func TestAnUnknownParameterIsRefusedWithTheNearestName(t *testing.T) { // PROTOCOL T8
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.operator("anna")
	for _, test := range []struct{ path, field, detail string }{
		{"/v1/operator/hosts?limit=1000&something=else", "something", "the route takes after, limit, reachability, closure, channel, state"},
		{"/v1/operator/hosts?stat=Failed", "stat", "did you mean state?"},
		{"/v1/operator/rollouts?curent=true", "curent", "did you mean current?"},
		{"/v1/operator/hosts/h1?limit=1", "limit", "the route takes none"},
		{"/v1/operator/quarantine?after=x", "after", "the route takes none"},
		{"/v1/operator/rollouts/stable@r1/events?State=Failed", "State", "the route takes after, limit"},
		{"/v1/operator/hosts?state=failed", "state", "want Pending, Activating"},
		{"/v1/operator/hosts?reachability=gone", "reachability", "want reachable, unreachable or never_seen"},
		{"/v1/operator/rollouts?current=1", "current", "want true or false"},
		{"/v1/operator/rollouts?state=", "state", "want Opening"},
	} {
		a := c.do(http.MethodGet, test.path, "")
		a.want(t, wire.BadQuery)
		if p := a.problem(t); p.Field != wire.Text(test.field) || !strings.Contains(string(p.Detail), test.detail) {
			t.Errorf("%s: %s: %s, want %s: %s", test.path, p.Field, p.Detail, test.field, test.detail)
		}
	}
	h.agent("h1").do(http.MethodGet, "/v1/agent/dispatch?wait=0&something=else", "").want(t, wire.OK)
	for path, want := range map[string]int{
		"/v1/operator/hosts?state=Pending&channel=stable": 1, "/v1/operator/hosts?state=Failed": 0, "/v1/operator/hosts?closure=c9": 0,
	} {
		if got := strings.Count(c.do(http.MethodGet, path, "").body, `"reachability"`); got != want {
			t.Errorf("%s: %d hosts, want %d", path, got, want)
		}
	}
}

func TestAnUnknownFieldOfAnOperatorIsRefused(t *testing.T) { // PROTOCOL T8
	h := start(t)
	c := h.operator("anna")
	manifest := `{"channel":"stable","channel_ref":"r1",%s"policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0%s}]},"hosts":[{"hostname":"h1","wave":0,"target_closure":"c1"}]}`
	for _, test := range []struct{ path, body, field, problem string }{
		{rolloutsPath, fmt.Sprintf(manifest, `"dry_run":true,`, ""), "dry_run", "unknown field; want channel, channel_ref, serial, policy, hosts, gates or pins"},
		{rolloutsPath, fmt.Sprintf(manifest, `"seriel":3,`, ""), "seriel", "did you mean serial?"},
		{rolloutsPath, fmt.Sprintf(manifest, "", `,"soak_minute":1`), "policy.waves[0].soak_minute", "did you mean soak_minutes?"},
		{clearPath, `{"channel":"stable","closure":"c1","all":true}`, "all", "unknown field"},
		{revocationsPath, `{"common_name":"agent-h9.fleet.test","forced":true}`, "forced", "did you mean force?"},
	} {
		a := c.do(http.MethodPost, test.path, test.body)
		a.want(t, wire.WrongShape)
		if p := a.problem(t); p.Field != wire.Text(test.field) || !strings.Contains(string(p.Detail), test.problem) {
			t.Errorf("%s: %s: %s, want %s: %s", test.body, p.Field, p.Detail, test.field, test.problem)
		}
	}
	c.do(http.MethodPost, rolloutsPath, fmt.Sprintf(manifest, "", "")).want(t, wire.Created)
	h.agent("h1").do(http.MethodPost, heartbeatPath, `{"hostname":"h1","new":1,"at":"`+noon+`"}`).want(t, wire.OK)
}

func TestTheHistoryOfARolloutIsItsLog(t *testing.T) { // PROTOCOL R5
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	h.agent("h1").do(http.MethodPost, "/v1/agent/events", ackBody("h1", "stable@r1")).want(t, wire.NoContent)
	a := h.operator("anna").do(http.MethodGet, "/v1/operator/rollouts/stable@r1/events", "")
	want := `{"events":[{"number":1,"at":"2026-01-01T00:00:00Z","kind":"opened","outcome":"applied"},` +
		`{"number":2,"at":"2026-01-01T00:00:00Z","hostname":"h1","kind":"DispatchAck","outcome":"applied",` +
		`"event":{"kind":"DispatchAck","seq":1,"currentClosureAtDispatch":"c0","receivedAt":"2026-01-01T00:00:00Z"}}]}`
	if withoutActs(a.body) != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
}

func TestResumingTakesAnObjectOrNothing(t *testing.T) { // PROTOCOL R2, R5
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.operator("anna")
	const path = "/v1/operator/rollouts/stable@r1/resume"
	c.do(http.MethodPost, path, "").want(t, wire.OK)
	c.do(http.MethodPost, path, `{}`).want(t, wire.OK)
	c.do(http.MethodPost, path, `{"why":"looked at it"}`).want(t, wire.WrongShape)
	c.do(http.MethodPost, path, `[]`).want(t, wire.WrongShape)
	c.do(http.MethodPost, path, `{`).want(t, wire.NotJSON)
	c.do(http.MethodPost, path, `{}`, "Content-Type: ").want(t, wire.UnsupportedMediaType)
	c.do(http.MethodPost, "/v1/operator/rollouts/stable@r2/resume", "").want(t, wire.UnknownRollout)
}

func TestQuarantineIsListedAndCleared(t *testing.T) { // PROTOCOL R3, R5
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	agent, c := h.agent("h1"), h.operator("anna")
	for seq, event := range []string{
		`"kind":"DispatchAck","currentClosureAtDispatch":"c0","receivedAt":"2026-01-01T00:00:00Z"`,
		`"kind":"ActivationFailed","exitCode":1,"stderrTail":"","failedAt":"2026-01-01T00:00:00Z"`,
		`"kind":"RollbackComplete","revertedToClosure":"c0","exitCode":0,"completedAt":"2026-01-01T00:00:00Z"`,
	} {
		body := fmt.Sprintf(`{"hostname":"h1","rolloutId":"stable@r1","event":{%s,"seq":%d}}`, event, seq+1)
		agent.do(http.MethodPost, "/v1/agent/events", body).want(t, wire.NoContent)
	}
	a := c.do(http.MethodGet, "/v1/operator/quarantine", "")
	if !strings.Contains(a.body, `"channel":"stable","closure":"c1"`) {
		t.Fatalf("quarantined: %s", a.body)
	}
	c.do(http.MethodPost, "/v1/operator/quarantine/clear", `{"channel":"stable","closure":"c1"}`).want(t, wire.NoContent)
	c.do(http.MethodPost, "/v1/operator/quarantine/clear", `{"channel":"stable","closure":"c1"}`).want(t, wire.UnknownQuarantine)
	if a := c.do(http.MethodGet, "/v1/operator/quarantine", ""); a.body != `{"quarantine":[]}` {
		t.Errorf("quarantined: %s", a.body)
	}
}

func TestRevocationsAreListed(t *testing.T) { // PROTOCOL T5
	h := start(t)
	c := h.operator("anna")
	c.do(http.MethodPost, "/v1/operator/revocations", `{"common_name":"agent-h1.fleet.test","revoked_before":"2027-01-01T00:00:00Z"}`).want(t, wire.WrongShape)
	c.do(http.MethodPost, "/v1/operator/revocations", `{"common_name":"agent-h1.fleet.test","revoked_before":"2025-12-31T00:00:00Z","force":true}`).want(t, wire.OK)
	want := `{"revocations":[{"common_name":"agent-h1.fleet.test","revoked_before":"2025-12-31T00:00:00Z"},{"common_name":"h1","revoked_before":"2025-12-31T00:00:00Z"}]}`
	if a := c.do(http.MethodGet, "/v1/operator/revocations", ""); a.body != want {
		t.Errorf("got %s, want %s", a.body, want)
	}
}

func TestAHostThatNobodyKnows(t *testing.T) { // PROTOCOL R5
	h := start(t)
	c := h.operator("anna")
	c.do(http.MethodGet, "/v1/operator/hosts/nobody", "").want(t, wire.UnknownHost)
	a := c.do(http.MethodGet, "/v1/operator/hosts/"+strings.Repeat("x%0a", 200), "")
	a.want(t, wire.UnknownHost)
	if len(a.body) > 1000 {
		t.Errorf("the answer echoes %d bytes", len(a.body))
	}
}

func TestADryRunOpensNothing(t *testing.T) { // PROTOCOL R1
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.operator("anna")
	before := h.everything()
	a := c.do(http.MethodPost, rolloutsPath+"?dry_run=true", manifest("stable", "r2", "c2", "h1"))
	a.want(t, wire.OK)
	if !strings.Contains(a.body, `"supersedes":["stable@r1"]`) || !strings.Contains(a.body, `"dispatched":{"count":1,"names":["h1"]}`) {
		t.Errorf("the plan is %s", a.body)
	}
	c.do(http.MethodPost, rolloutsPath+"?dry_run=true", manifest("stable", "r1", "c2", "h1")).want(t, wire.ManifestConflict)
	for query, field := range map[string]string{"?dry_run=yes": "dry_run", "?dry-run=true": "dry-run", "?dry_run": "dry_run"} {
		a := c.do(http.MethodPost, rolloutsPath+query, manifest("stable", "r2", "c2", "h1"))
		a.want(t, wire.BadQuery)
		if got := string(a.problem(t).Field); got != field {
			t.Errorf("%s: about %q, want %q", query, got, field)
		}
	}
	c.do(http.MethodPost, rolloutsPath+"/stable@r1/resume?dry_run=true", "").want(t, wire.BadQuery)
	h.unchanged(before, "a dry run")
	c.do(http.MethodPost, rolloutsPath+"?dry_run=false", manifest("stable", "r2", "c2", "h1")).want(t, wire.Created)
}
