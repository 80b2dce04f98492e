package httpserver

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// actList is what GET /v1/operator/acts answers.
type actList struct {
	events []wire.LoggedEvent
	next   wire.Text
}

var actListSchema = wire.Schema[actList]{Fields: []wire.Field[actList]{
	{Name: "events", Presence: wire.Optional, Of: func(l *actList) wire.Value {
		return wire.List[wire.LoggedEvent]{Items: &l.events, Schema: &wire.LoggedEventSchema}
	}},
	{Name: "next", Presence: wire.Optional, Of: func(l *actList) wire.Value { return &l.next }},
}}

// PROTOCOL T15: every act is in the log with the operator's certificate and the request,
// also when another request of another caller came over the same buffers before.
func TestActs_HaveOperatorCertificateAndRequest(t *testing.T) {
	h := start(t)
	certificate := must(h.ca.IssueOperator("alice", pki.Validity{}))(t)
	alice := h.connect(certificate)
	var requests []string
	do := func(path, body string, want wire.Code) {
		a := alice.do(http.MethodPost, path, body)
		a.want(t, want)
		requests = append(requests, a.header.Get(wire.HeaderRequestID))
	}
	do(rolloutsPath, `{"channel":"stable","channel_ref":"r1","policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0}]},"hosts":[{"hostname":"h1","wave":0,"target_closure":"c1"}]}`, wire.Created)
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	do(revocationsPath, `{"common_name":"agent-h1.fleet.test"}`, wire.OK)
	alice.do(http.MethodPost, clearPath, `{"channel":"stable","closure":"c1"}`).want(t, wire.UnknownQuarantine) // no act
	h.agent("h2").heartbeat("h2").want(t, wire.OK)

	list := read(h, &actListSchema, "/v1/operator/acts")
	if len(list.events) != len(requests) || list.next != "" {
		t.Fatalf("%d acts, next %q; want %d", len(list.events), list.next, len(requests))
	}
	sum := sha256.Sum256(certificate.Certificate[0])
	for i, e := range list.events {
		want := wire.Actor{
			Name: "operator-alice.fleet.test", Serial: wire.Name(certificate.Leaf.SerialNumber.Text(16)),
			Fingerprint: wire.Name(hex.EncodeToString(sum[:])), Request: wire.Name(requests[i]),
		}
		if e.Act.By != want || e.Act.Count != wire.Seq(i+1) || (e.Act.Before == "") != (i == 0) {
			t.Errorf("act %d is %+v; want %+v", i+1, e.Act, want)
		}
	}
	if e := list.events; e[0].RolloutID != "stable@r1" || e[0].Kind != "opened" || e[1].Kind != "revoked" || e[1].Detail == "" {
		t.Errorf("the acts are %+v", e)
	}
	if page := read(h, &actListSchema, "/v1/operator/acts?limit=1"); len(page.events) != 1 || page.next != "1" {
		t.Errorf("a page of one: %d, next %q", len(page.events), page.next)
	}
	head := read(h, &wire.FleetStatusSchema, "/v1/operator/status").Acts
	if head.Count != 2 || len(head.Hash) != 64 {
		t.Errorf("the head is %v; want that of act 2", head)
	}
	if got := h.metric(`refrain_operator_acts_info{count="2",hash="` + string(head.Hash) + `"}`); got != 1 {
		t.Errorf("the metric of the head is %v; want 1", got)
	}
}
