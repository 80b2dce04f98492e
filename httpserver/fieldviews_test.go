package httpserver

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// view reads a route as an operator and compares the answer, whatever the order of its
// members.
func (h *harness) view(path, want string) {
	h.t.Helper()
	a := h.reader().do(http.MethodGet, path, "", "X-Refrain-Agent: ")
	a.want(h.t, wire.OK)
	var got, wanted any
	if err := json.Unmarshal([]byte(withoutActs(a.body)), &got); err != nil {
		h.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		h.t.Fatal(err)
	}
	if !reflect.DeepEqual(got, wanted) {
		h.t.Errorf("%s is\n%s\nwant\n%s", path, a.body, want)
	}
}

// PROTOCOL T14
func TestFieldViews_OfARolloutUnderWay(t *testing.T) {
	h := start(t)
	h.clock.Add(time.Second)
	id := string(h.openRollout("stable", "00ff", "c1", "h1", "h2"))
	const opened = `"2026-01-01T00:00:01Z"`
	h.agent("h1").do(http.MethodPost, eventsPath, ackBody("h1", id)).want(t, wire.NoContent)
	h.agent("h1").do(http.MethodPost, heartbeatPath, `{"hostname":"h1","rollout_id":"`+id+`","current_closure":"c0","at":"2026-01-01T00:00:01Z"}`).want(t, wire.OK)
	h.view("/v1/hosts", `{"hosts":[
		{"hostname":"h1","channel":"stable","declaredClosureHash":"c1","currentClosureHash":"c0","pendingClosureHash":"c1","lastCheckinAt":"2026-01-01T00:00:01Z",
		 "lastRolloutId":"stable@00ff","converged":false,"outstandingComplianceFailures":0,"outstandingRuntimeGateErrors":0,"verifiedEventCount":1,"lastUptimeSecs":null,
		 "rolloutState":"Activating","pendingReboot":false,"quarantinedClosure":null,"pin":null,"outstandingHealthFailures":0},
		{"hostname":"h2","channel":"stable","declaredClosureHash":"c1","currentClosureHash":null,"pendingClosureHash":"c1","lastCheckinAt":null,
		 "lastRolloutId":"stable@00ff","converged":false,"outstandingComplianceFailures":0,"outstandingRuntimeGateErrors":0,"verifiedEventCount":0,"lastUptimeSecs":null,
		 "rolloutState":"Pending","pendingReboot":false,"quarantinedClosure":null,"pin":null,"outstandingHealthFailures":0}]}`)
	h.view("/v1/rollouts", `{"rollouts":[{"rolloutId":"stable@00ff","channel":"stable","currentWave":0,"createdAt":`+opened+`,"hostStates":{"h1":"Activating","h2":"Pending"}}]}`)
	h.view("/v1/rollouts/stable@00ff/lifecycle", `{"rolloutId":"stable@00ff","state":"Converging","supersededAt":null,"supersededBy":null,"terminalAt":null}`)
	h.view("/v1/rollouts/stable@00ff/hosts", `{"rollout_id":"stable@00ff","hosts":[
		{"host":"h1","channel":"stable","wave":0,"targetClosureHash":"c1","targetChannelRef":"stable@00ff","dispatchedAt":`+opened+`,"terminalState":null,"terminalAt":null},
		{"host":"h2","channel":"stable","wave":0,"targetClosureHash":"c1","targetChannelRef":"stable@00ff","dispatchedAt":`+opened+`,"terminalState":null,"terminalAt":null}]}`)
	h.view("/v1/rollouts/stable@00ff/events", `{"rollout_id":"stable@00ff","events":[
		{"seq":1,"ts":`+opened+`,"kind":"rollout_event","host":null,"payload":{"number":1,"at":`+opened+`,"kind":"opened","outcome":"applied"}},
		{"seq":2,"ts":`+opened+`,"kind":"agent_event","host":"h1","payload":{"kind":"DispatchAck","seq":1,"currentClosureAtDispatch":"c0","receivedAt":"2026-01-01T00:00:00Z"}}]}`)
	h.view("/v1/rollouts/stable@00ff/events?limit=1", `{"rollout_id":"stable@00ff","events":[
		{"seq":1,"ts":`+opened+`,"kind":"rollout_event","host":null,"payload":{"number":1,"at":`+opened+`,"kind":"opened","outcome":"applied"}}]}`)
	h.view("/v1/deferrals", `{"deferrals":[]}`)
}

// PROTOCOL T14
func TestFieldViews_OfRolloutsThatAreOver(t *testing.T) {
	h := start(t)
	failed := string(h.openRollout("stable", "0001", "c1", "h1"))
	c := h.agent("h1")
	c.do(http.MethodPost, eventsPath, ackBody("h1", failed)).want(t, wire.NoContent)
	c.tell("h1", failed, 2, `"kind":"ActivationFailed","exitCode":1,"stderrTail":"","failedAt":"2026-01-01T00:00:09Z"`).want(t, wire.NoContent)
	h.view("/v1/rollouts/"+failed+"/lifecycle", `{"rolloutId":"stable@0001","state":"Failed","supersededAt":null,"supersededBy":null,"terminalAt":null}`)
	h.view("/v1/rollouts/"+failed+"/hosts", `{"rollout_id":"stable@0001","hosts":[
		{"host":"h1","channel":"stable","wave":0,"targetClosureHash":"c1","targetChannelRef":"stable@0001","dispatchedAt":"2026-01-01T00:00:00Z","terminalState":"failed","terminalAt":"2026-01-01T00:00:09Z"}]}`)
	h.clock.Add(time.Minute)
	next := string(h.openRollout("stable", "0002", "c2", "h1"))
	h.view("/v1/rollouts/"+failed+"/lifecycle", `{"rolloutId":"stable@0001","state":"Superseded","supersededAt":"2026-01-01T00:01:00Z","supersededBy":"stable@0002","terminalAt":null}`)
	c.do(http.MethodPost, heartbeatPath, `{"hostname":"h1","current_closure":"c2","at":"2026-01-01T00:01:00Z"}`).want(t, wire.OK)
	c.tell("h1", next, 1, `"kind":"Converged","convergedAt":"2026-01-01T00:01:10Z","currentClosure":"c2"`).want(t, wire.NoContent)
	h.view("/v1/rollouts/"+next+"/lifecycle", `{"rolloutId":"stable@0002","state":"Terminal","supersededAt":null,"supersededBy":null,"terminalAt":"2026-01-01T00:01:10Z"}`)
	h.view("/v1/rollouts", `{"rollouts":[]}`)
	if a := h.reader().do(http.MethodGet, "/v1/hosts", ""); strings.Contains(a.body, failed) || !strings.Contains(a.body, `"converged":true`) {
		t.Errorf("the hosts are %s; want one entry, of the rollout that is not superseded", a.body)
	}
}

// PROTOCOL T14
func TestFieldViews_WhatHoldsADispatchBack(t *testing.T) {
	h := start(t)
	h.reader().do(http.MethodPost, rolloutsPath, `{"channel":"stable","channel_ref":"00ff","policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0},{"soak_minutes":0}]},
		"hosts":[{"hostname":"h1","wave":0,"target_closure":"c1"},{"hostname":"h2","wave":1,"target_closure":"c1"}]}`).want(t, wire.Created)
	deferral := func(by, reason string) string {
		return `{"deferrals":[{"host":"h2","rollout":"stable@00ff","blockedBy":"` + by + `","reason":"` + reason + `","observedAt":"2026-01-01T00:00:00Z"}]}`
	}
	h.view("/v1/deferrals", deferral("wave-promotion", "a host of an earlier wave is neither Converged nor Deferred (R2)"))
	c := h.agent("h1")
	c.do(http.MethodPost, eventsPath, ackBody("h1", "stable@00ff")).want(t, wire.NoContent)
	c.tell("h1", "stable@00ff", 2, `"kind":"ActivationFailed","exitCode":1,"stderrTail":"","failedAt":"2026-01-01T00:00:09Z"`).want(t, wire.NoContent)
	h.view("/v1/deferrals", deferral("halt", "the rollout is halted by h1 (R2)"))
	c.tell("h1", "stable@00ff", 3, `"kind":"RollbackComplete","revertedToClosure":"c0","exitCode":0,"completedAt":"2026-01-01T00:00:09Z"`).want(t, wire.NoContent)
	h.view("/v1/deferrals", deferral("quarantine", "the closure is quarantined on the channel (R3)"))
}

// PROTOCOL T14
func TestFieldViews_OfASignedRelease(t *testing.T) {
	h, _, _ := fieldRollout(t)
	h.view("/v1/channels/stable", `{"name":"stable","declared_ci_commit":"00ff","signed_at":"2026-01-01T00:00:00Z","freshness_window_minutes":60}`)
	h.reader().do(http.MethodGet, "/v1/channels/other", "").want(t, wire.NotFound)
	h.view("/v1/deferrals", `{"deferrals":[]}`)
}

// PROTOCOL T14, T4
func TestFieldViews_AreForOperators(t *testing.T) {
	h := start(t)
	h.openRollout("stable", "00ff", "c1", "h1")
	for _, path := range []string{
		"/v1/hosts", "/v1/channels/stable", "/v1/rollouts", "/v1/rollouts/stable@00ff/lifecycle", "/v1/rollouts/stable@00ff/hosts",
		"/v1/rollouts/stable@00ff/events", "/v1/deferrals",
	} {
		h.agent("h1").do(http.MethodGet, path, "").want(t, wire.WrongRole)
		h.stranger().do(http.MethodGet, path, "").want(t, wire.NoCertificate)
		h.reader().do(http.MethodGet, path+"?limit=0", "").want(t, wire.BadQuery)
	}
	h.reader().do(http.MethodGet, manifestsPath+"stable@00ff", "").want(t, wire.WrongRole) // it is the agents'
	h.reader().do(http.MethodGet, "/v1/channels/stable", "").want(t, wire.ReleaseUnavailable)
	for _, last := range []string{"/lifecycle", "/hosts", "/events"} {
		h.reader().do(http.MethodGet, "/v1/rollouts/stable@00ee"+last, "").want(t, wire.UnknownRollout)
	}
	for range maxHistoryReaders {
		h.server.historyReaders <- struct{}{}
	}
	h.reader().do(http.MethodGet, "/v1/hosts", "").want(t, wire.TooManyReaders)
	for range maxHistoryReaders {
		<-h.server.historyReaders
	}
}

// tooLargeView asks a route without pages about more than it answers.
func tooLargeView(t *testing.T) answer {
	h := start(t)
	h.server.fieldItems = 1
	h.openRollout("stable", "00ff", "c1", "h1", "h2")
	h.reader().do(http.MethodGet, "/v1/rollouts", "").want(t, wire.AnswerTooLarge)
	h.reader().do(http.MethodGet, "/v1/rollouts/stable@00ff/hosts", "").want(t, wire.AnswerTooLarge)
	h.reader().do(http.MethodGet, "/v1/rollouts/stable@00ff/events", "").want(t, wire.OK)
	return h.reader().do(http.MethodGet, "/v1/hosts", "")
}
