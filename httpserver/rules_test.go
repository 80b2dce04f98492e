package httpserver

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The files rules_*_test.go walk through docs/protocol.md rule by rule, on a
// real server over real TLS. What every rule needs is here: each route with a
// good request, each kind of event, and the members of a document.

const (
	eventsPath      = "/v1/agent/events"
	rolloutsPath    = "/v1/operator/rollouts"
	hostsPath       = "/v1/operator/hosts"
	quarantinePath  = "/v1/operator/quarantine"
	clearPath       = "/v1/operator/quarantine/clear"
	revocationsPath = "/v1/operator/revocations"

	// noon is the time in documents whose times do not matter.
	noon = "2026-01-01T00:00:00Z"
)

// goodRequest is a request that is right in itself: what passes every check up
// to the identity, if the caller is the host h1 or an operator.
type goodRequest struct {
	name         string // the route's, see endpoint.name
	method, path string
	role         role
	body         string // empty if the route reads none
}

// goodRequests has one for every route.
var goodRequests = []goodRequest{
	{"heartbeat", "POST", heartbeatPath, agents,
		`{"hostname":"h1","rollout_id":"stable@r1","current_closure":"c1","at":"` + noon + `"}`},
	{"events", "POST", eventsPath, agents,
		`{"hostname":"h1","rolloutId":"stable@r1","event":{"kind":"DispatchAck","seq":1,"currentClosureAtDispatch":"c0","receivedAt":"` + noon + `"},"signature":"s"}`},
	{"dispatch", "GET", dispatchPath, agents, ""},
	{"fleet_resolved", "GET", "/v1/fleet.resolved", agents, ""},
	{"fleet_resolved_sig", "GET", "/v1/fleet.resolved/sig", agents, ""},
	{"release_rollout", "GET", "/v1/rollouts/stable@00ff", agents, ""},
	{"release_rollout_sig", "GET", "/v1/rollouts/stable@00ff/sig", agents, ""},
	{"open_rollout", "POST", rolloutsPath, operators,
		`{"channel":"beta","channel_ref":"r1","policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0}]},` +
			`"hosts":[{"hostname":"h1","wave":0,"target_closure":"c1"}]}`},
	{"rollouts", "GET", rolloutsPath, operators, ""},
	{"rollout", "GET", rolloutsPath + "/stable@r1", operators, ""},
	{"rollout_events", "GET", rolloutsPath + "/stable@r1/events", operators, ""},
	{"resume_rollout", "POST", rolloutsPath + "/stable@r1/resume", operators, `{}`},
	{"choose_rollout", "POST", rolloutsPath + "/stable@r1/choose", operators, `{}`},
	{"pause_rollout", "POST", rolloutsPath + "/stable@r1/pause", operators, `{"reason":"disk"}`},
	{"abort_rollout", "POST", rolloutsPath + "/beta@r1/abort", operators, `{"reason":"disk"}`},
	{"skip_host", "POST", rolloutsPath + "/stable@r1/hosts/h1/skip", operators, `{"reason":"disk"}`},
	{"cordon_host", "POST", hostsPath + "/h1/cordon", operators, `{"reason":"disk"}`},
	{"uncordon_host", "POST", hostsPath + "/h1/uncordon", operators, `{"reason":"disk"}`},
	{"rollout_why", "GET", rolloutsPath + "/stable@r1/why", operators, ""},
	{"hosts", "GET", hostsPath, operators, ""},
	{"host", "GET", hostsPath + "/h1", operators, ""},
	{"host_why", "GET", hostsPath + "/h1/why", operators, ""},
	{"forget_host", "POST", hostsPath + "/h1/forget", operators, `{"reason":"disk"}`},
	{"status", "GET", "/v1/operator/status", operators, ""},
	{"quarantine", "GET", quarantinePath, operators, ""},
	{"clear_quarantine", "POST", clearPath, operators, `{"channel":"stable","closure":"bad","since":"` + noon + `","by":"stable@r0","hostname":"h0"}`},
	{"revocations", "GET", revocationsPath, operators, ""},
	{"revoke", "POST", revocationsPath, operators, `{"common_name":"agent-h9.fleet.test","revoked_before":"2025-12-31T00:00:00Z","force":true}`},
	{"acts", "GET", "/v1/operator/acts", operators, ""},
	{"field_hosts", "GET", "/v1/hosts", operators, ""},
	{"field_channel", "GET", "/v1/channels/stable", operators, ""},
	{"field_rollouts", "GET", "/v1/rollouts", operators, ""},
	{"field_lifecycle", "GET", "/v1/rollouts/stable@r1/lifecycle", operators, ""},
	{"field_rollout_hosts", "GET", "/v1/rollouts/stable@r1/hosts", operators, ""},
	{"field_rollout_events", "GET", "/v1/rollouts/stable@r1/events", operators, ""},
	{"field_deferrals", "GET", "/v1/deferrals", operators, ""},
}

// allRoutes returns goodRequests, and fails the test if the server has a route
// that is not among them: then no rule would be tested on it. The routes that are for
// more than one role have tests of their own (PROTOCOL T13).
func (h *harness) allRoutes() []goodRequest {
	h.t.Helper()
	listed := make(map[string]bool)
	for _, r := range goodRequests {
		listed[r.name] = true
	}
	walked := 0
	err := h.server.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		if route.GetHandler().(*endpoint).role >= anyClient {
			return nil
		}
		walked++
		if !listed[route.GetName()] {
			h.t.Errorf("the route %s has no good request", route.GetName())
		}
		return nil
	})
	if err != nil || walked != len(goodRequests) {
		h.t.Fatalf("the server has %d routes (%v), and there are %d good requests", walked, err, len(goodRequests))
	}
	return goodRequests
}

// bodies returns those of allRoutes that read a body.
func (h *harness) bodies() []goodRequest {
	h.t.Helper()
	return slices.DeleteFunc(slices.Clone(h.allRoutes()), func(g goodRequest) bool { return g.body == "" })
}

// of picks the client of a request.
func (g goodRequest) of(agent, operator *client) *client {
	if g.role == operators {
		return operator
	}
	return agent
}

// eventKinds has an event of every kind, without its number, as the agent that
// runs the target c1 would tell it. The names are those of the protocol's table.
var eventKinds = map[string]string{
	"DispatchAck":         `"kind":"DispatchAck","currentClosureAtDispatch":"c0","receivedAt":"` + noon + `"`,
	"ActivationStarted":   `"kind":"ActivationStarted","startedAt":"` + noon + `","switchMethod":"switch"`,
	"ActivationCompleted": `"kind":"ActivationCompleted","observedCurrentClosure":"c1","exitCode":0,"completedAt":"` + noon + `"`,
	"ActivationDeferred":  `"kind":"ActivationDeferred","component":"kernel","deferredAt":"` + noon + `"`,
	"ActivationFailed":    `"kind":"ActivationFailed","exitCode":1,"stderrTail":"no space left","failedAt":"` + noon + `"`,
	"ProbeTopologyDeclared": `"kind":"ProbeTopologyDeclared","probes":[{"probeName":"web","kind":"http","mode":"enforce"},` +
		`{"probeName":"disk","kind":"exec","mode":"observe"}],"declaredAt":"` + noon + `"`,
	"ProbeObservedFirst": `"kind":"ProbeObservedFirst","probeName":"web","mode":"enforce","observedAt":"` + noon + `"`,
	"ProbeResult": `"kind":"ProbeResult","probeName":"web","mode":"enforce","status":"fail","observedAt":"` + noon + `","failureReason":"502",` +
		`"subResults":[{"controlId":"ac-2","status":"fail","framework":"nist","article":"a","effectiveMode":"enforce","overrideReason":"o"}]`,
	"ProbeFailureFirst": `"kind":"ProbeFailureFirst","probeName":"web","mode":"enforce","firstFailedAt":"` + noon + `"`,
	"Failed":            `"kind":"Failed","failedAt":"` + noon + `","sustainedDurationSecs":120,"failingProbes":["web"],"policyApplied":"halt"`,
	"RollbackComplete":  `"kind":"RollbackComplete","revertedToClosure":"c0","exitCode":0,"completedAt":"` + noon + `"`,
	"Converged":         `"kind":"Converged","convergedAt":"` + noon + `","currentClosure":"c1"`,
}

// passing is a ProbeResult that passes.
const passing = `"kind":"ProbeResult","probeName":"web","mode":"enforce","status":"pass","observedAt":"` + noon + `"`

// event makes the body of an event. text is what eventKinds has.
func event(host, rollout string, seq int, text string) string {
	return fmt.Sprintf(`{"hostname":%q,"rolloutId":%q,"event":{%s,"seq":%d}}`, host, rollout, text, seq)
}

// tell sends an event. The client must be the host's.
func (c *client) tell(host, rollout string, seq int, text string) answer {
	c.h.t.Helper()
	return c.do(http.MethodPost, eventsPath, event(host, rollout, seq, text))
}

// tellAll sends events of the kinds, numbered from 1, which must be taken.
func (c *client) tellAll(host, rollout string, kinds ...string) {
	c.h.t.Helper()
	for i, kind := range kinds {
		c.tell(host, rollout, i+1, eventKinds[kind]).want(c.h.t, wire.NoContent)
	}
}

// toState are the events that bring a Pending record into each state.
var toState = map[wire.State][]string{
	wire.Pending:    nil,
	wire.Activating: {"DispatchAck"},
	wire.Deferred:   {"DispatchAck", "ActivationDeferred"},
	wire.Soaking:    {"DispatchAck", "ActivationCompleted"},
	wire.Converged:  {"DispatchAck", "ActivationCompleted", "Converged"},
	wire.Failed:     {"DispatchAck", "ActivationFailed"},
	wire.Reverted:   {"DispatchAck", "ActivationFailed", "RollbackComplete"},
}

// withoutActs is a history without the operators whose acts its entries are: certificates
// and requests have other numbers in every run.
func withoutActs(body string) string {
	return regexp.MustCompile(`,"act":\{"count":\d+(,"before":"[^"]*")?,"by":\{[^}]*\}\}`).ReplaceAllString(body, "")
}

// read asks as an operator and reads the document of the answer.
func read[T any](h *harness, schema *wire.Schema[T], path string) T {
	h.t.Helper()
	a := h.reader().do(http.MethodGet, path, "")
	a.want(h.t, wire.OK)
	var doc T
	if err := wire.DecodeDocument(new(wire.Decoder), schema, []byte(a.body), &doc); err != nil {
		h.t.Fatalf("%s: %v in %s", path, err, a.body)
	}
	return doc
}

// reader is the operator who looks at things, always on the same connection.
func (h *harness) reader() *client {
	h.t.Helper()
	if h.looker == nil {
		h.looker = h.operator("reader")
	}
	return h.looker
}

// host is what an operator sees of a host.
func (h *harness) host(name string) wire.HostStatus {
	h.t.Helper()
	return read(h, &wire.HostStatusSchema, hostsPath+"/"+name)
}

// rollout is what an operator sees of a rollout.
func (h *harness) rollout(id string) wire.RolloutStatus {
	h.t.Helper()
	return read(h, &wire.RolloutStatusSchema, rolloutsPath+"/"+strings.ReplaceAll(id, "/", "%2F"))
}

// record is what an operator sees of a host in a rollout.
func (h *harness) record(id, host string) wire.RecordStatus {
	h.t.Helper()
	for _, r := range h.rollout(id).Hosts {
		if string(r.Snapshot.Hostname) == host {
			return r
		}
	}
	h.t.Fatalf("%s has no host %s", id, host)
	return wire.RecordStatus{}
}

// wantState fails the test unless the record is in the state and has taken so
// many events.
func (h *harness) wantState(id, host string, state wire.State, seq wire.Seq) {
	h.t.Helper()
	if s := h.record(id, host).Snapshot; s.State != state || s.LastEventSeq != seq {
		h.t.Fatalf("%s in %s is %v at event %d, want %v at event %d", host, id, s.State, s.LastEventSeq, state, seq)
	}
}

// durable is the durable state, as the store gives it back.
func (h *harness) durable() string {
	h.t.Helper()
	return string(must(h.cfg.Store.Load(h.t.Context(), h.cfg.plane()))(h.t).AppendDurable(nil))
}

// everything is all that a request could have changed: the durable state, and
// what an operator sees of the hosts.
func (h *harness) everything() string {
	h.t.Helper()
	a := h.reader().do(http.MethodGet, hostsPath+"?limit=1000", "")
	a.want(h.t, wire.OK)
	return h.durable() + "\n" + a.body
}

// unchanged fails the test if something is not as it was.
func (h *harness) unchanged(before, what string) {
	h.t.Helper()
	if after := h.everything(); after != before {
		h.t.Fatalf("%s changed something: it was\n%s\nand is\n%s", what, before, after)
	}
}

// member is a member of a JSON document, by its place in the text.
type member struct {
	path, name        string        // event.probes[0].mode, mode
	kind              jsontext.Kind // of the value
	start, value, end int           // where name, value and what comes after them begin
}

// members lists the members of a JSON document without white space, outer ones
// before inner ones.
func members(t testing.TB, document string) []member {
	t.Helper()
	d := jsontext.NewDecoder(strings.NewReader(document))
	list := appendMembers(t, d, "", nil)
	for _, m := range list {
		if !strings.HasPrefix(document[m.start:], `"`+m.name+`":`) {
			t.Fatalf("%s is not at %d of %s", m.path, m.start, document)
		}
	}
	return list
}

func appendMembers(t testing.TB, d *jsontext.Decoder, path string, list []member) []member {
	open := must(d.ReadToken())(t).Kind()
	for i := 0; open == '{' && d.PeekKind() != '}' || open == '[' && d.PeekKind() != ']'; i++ {
		if open == '[' {
			list = appendMembers(t, d, fmt.Sprintf("%s[%d]", path, i), list)
			continue
		}
		name := must(d.ReadToken())(t).String()
		m := member{path: name, name: name, start: int(d.InputOffset()) - len(name) - 2, value: int(d.InputOffset()) + 1, kind: d.PeekKind()}
		if path != "" {
			m.path = path + "." + name
		}
		at := len(list)
		list = appendMembers(t, d, m.path, append(list, m))
		list[at].end = int(d.InputOffset())
	}
	if open == '{' || open == '[' {
		must(d.ReadToken())(t)
	}
	return list
}

// with returns the document with another value of the member.
func (m member) with(document, value string) string {
	return document[:m.value] + value + document[m.end:]
}

// without returns the document without the member.
func (m member) without(document string) string {
	before, after := document[:m.start], document[m.end:]
	if strings.HasSuffix(before, ",") {
		before = before[:len(before)-1]
	} else {
		after = strings.TrimPrefix(after, ",")
	}
	return before + after
}

// twice returns the document with the member repeated.
func (m member) twice(document string) string {
	return document[:m.end] + "," + document[m.start:m.end] + document[m.end:]
}

// renamed returns the document with another name of the member.
func (m member) renamed(document, name string) string {
	return document[:m.start] + `"` + name + document[m.start+1+len(m.name):]
}

// inserted returns the document with a member more at the front of the object
// that begins at i.
func inserted(document string, i int, member string) string {
	if document[i+1] != '}' {
		member += ","
	}
	return document[:i+1] + member + document[i+1:]
}

func TestTheMembersOfADocumentAreFound(t *testing.T) {
	const document = `{"a":1,"b":[{"c":"x","d":null},{"c":"y"}],"e":{}}`
	var got []string
	for _, m := range members(t, document) {
		got = append(got, m.path+"="+document[m.value:m.end])
	}
	want := `a=1 b=[{"c":"x","d":null},{"c":"y"}] b[0].c="x" b[0].d=null b[1].c="y" e={}`
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	c := members(t, document)[2]
	for name, test := range map[string]struct{ got, want string }{
		"with":    {c.with(document, "7"), `{"a":1,"b":[{"c":7,"d":null},{"c":"y"}],"e":{}}`},
		"without": {c.without(document), `{"a":1,"b":[{"d":null},{"c":"y"}],"e":{}}`},
		"twice":   {c.twice(document), `{"a":1,"b":[{"c":"x","c":"x","d":null},{"c":"y"}],"e":{}}`},
		"renamed": {c.renamed(document, "C"), `{"a":1,"b":[{"C":"x","d":null},{"c":"y"}],"e":{}}`},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", name, test.got, test.want)
		}
	}
}

func TestTheRequestsOfTheRulesAreGood(t *testing.T) { // PROTOCOL T7
	release := newTestRelease(t)
	release.write("00ff", testEpoch)
	h := start(t, release.configure, func(c *Config) { c.AllowUnsigned = true })
	h.eventually("the release is opened", func() bool { return strings.Contains(h.rollouts(), "stable@00ff") })
	h.openRollout("stable", "r1", "c1", "h1")
	agent, operator := h.agent("h1"), h.operator("anna")
	for _, r := range h.allRoutes() {
		a := r.of(agent, operator).do(r.method, r.path, r.body)
		if a.status >= 300 && r.name != "clear_quarantine" || r.name == "clear_quarantine" && a.status != http.StatusNotFound {
			t.Errorf("%s: %v", r.name, a)
		}
	}
	for kind, text := range eventKinds {
		// Nobody knows the rollout, so each gets as far as the plane.
		if a := agent.tell("h1", "stable@r9", 1, text); a.status != http.StatusNotFound {
			t.Errorf("%s: %v", kind, a)
		}
	}
	if len(eventKinds) != len(wire.EventKinds) {
		t.Errorf("there are events of %d kinds, want %d", len(eventKinds), len(wire.EventKinds))
	}
}
