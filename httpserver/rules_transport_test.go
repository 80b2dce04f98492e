package httpserver

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// PROTOCOL T1 to T6: who connects, and whom the plane takes for whom.

func TestEveryRouteNeedsACertificate(t *testing.T) { // PROTOCOL T1
	h := start(t)
	c := h.stranger()
	before := h.everything()
	for _, r := range h.allRoutes() {
		a := c.do(r.method, r.path, r.body)
		a.want(t, wire.NoCertificate)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: a 401 without a challenge", r.name)
		}
	}
	h.unchanged(before, "a request without a certificate")
}

func TestACertificateThatIsNotGoodFailsTheHandshake(t *testing.T) { // PROTOCOL T1
	h := start(t)
	foreign := must(pki.New(pki.Config{Suffix: testSuffix, Clock: h.clock}))(t)
	bad := map[string]tls.Certificate{
		"an agent's of another CA":     must(foreign.IssueAgent("h1", pki.Validity{}))(t),
		"an operator's of another CA":  must(foreign.IssueOperator("anna", pki.Validity{}))(t),
		"a server's":                   must(h.ca.IssueServer([]string{"agent-h1.fleet.test"}, pki.Validity{}))(t),
		"one that is not good yet":     must(h.ca.IssueAgent("h1", pki.Validity{NotBefore: testEpoch.Add(time.Second)}))(t),
		"one that is not good anymore": must(h.ca.IssueAgent("h1", pki.Validity{NotBefore: testEpoch.Add(-time.Hour), NotAfter: testEpoch.Add(-time.Second)}))(t),
	}
	before := h.everything()
	for name, cert := range bad {
		if a := h.connect(cert).do(http.MethodGet, dispatchPath, ""); a.err == nil {
			t.Errorf("%s: got %v, want a failed handshake", name, a)
		}
	}
	h.eventually("the handshakes are counted", func() bool {
		return h.metric(`refrain_tls_handshake_errors_total{cause="unknown_ca"}`) == 2 &&
			h.metric(`refrain_tls_handshake_errors_total{cause="wrong_usage"}`) == 1 &&
			h.metric(`refrain_tls_handshake_errors_total{cause="not_yet_valid"}`) == 1 &&
			h.metric(`refrain_tls_handshake_errors_total{cause="expired"}`) == 1
	})
	h.unchanged(before, "a failed handshake")
}

// ticketCounter is a client's session cache. A client puts every ticket that
// it is sent into it.
type ticketCounter struct {
	mu      sync.Mutex
	tickets int
}

func (c *ticketCounter) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (c *ticketCounter) Put(_ string, state *tls.ClientSessionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != nil {
		c.tickets++
	}
}

func TestNoSessionTicketIsEverSent(t *testing.T) { // PROTOCOL T1
	h := start(t)
	tickets := new(ticketCounter)
	for range 3 {
		c := h.agent("h1")
		c.transport.TLSClientConfig.ClientSessionCache = tickets
		for range 2 { // a ticket would come before the first answer at the latest
			c.heartbeat("h1").want(t, wire.OK)
		}
		c.transport.CloseIdleConnections()
	}
	if tickets.tickets > 0 {
		t.Errorf("the server sent %d session tickets", tickets.tickets)
	}
}

func TestTheMachineIDComesFromTheCommonName(t *testing.T) { // PROTOCOL T2
	h := start(t)
	for commonName, want := range map[string]string{
		"agent-h1.fleet.test":            "h1",
		"agent-a.b-c_D.fleet.test":       "a.b-c_D",
		"agent-agent-h1.fleet.test":      "agent-h1",
		"agent-operator-h1.fleet.test":   "operator-h1",
		"agent-h1.fleet.test.fleet.test": "h1.fleet.test",
		// Any other name, and one with an empty id, is taken whole.
		"agent-.fleet.test":        "agent-.fleet.test",
		"operator-.fleet.test":     "operator-.fleet.test",
		"h1.fleet.test":            "h1.fleet.test",
		"h1":                       "h1",
		"agent-h1":                 "agent-h1",
		"agent-h1.other.test":      "agent-h1.other.test",
		"operator-anna.other.test": "operator-anna.other.test",
		"Agent-h1.fleet.test":      "Agent-h1.fleet.test",
		"agent-h1.Fleet.test":      "agent-h1.Fleet.test",
		"agent-h1fleet.test":       "agent-h1fleet.test",
	} {
		c := h.connect(must(h.ca.IssueClient(commonName, pki.Validity{}))(t))
		c.heartbeat(want).want(t, wire.OK)
		for _, other := range []string{"h1", commonName} {
			if other != want {
				c.heartbeat(other).want(t, wire.WrongIdentity)
			}
		}
	}
	// A name that no host can have is nobody's.
	for _, commonName := range []string{"no host", "agent-a/b.fleet.test", strings.Repeat("x", 254)} {
		c := h.connect(must(h.ca.IssueClient(commonName, pki.Validity{}))(t))
		c.do(http.MethodGet, dispatchPath, "").want(t, wire.WrongIdentity)
		c.heartbeat("h1").want(t, wire.WrongIdentity)
	}
}

func TestABodyWithAnotherHostnameChangesNothing(t *testing.T) { // PROTOCOL T3
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1", "h2", "H1")
	c := h.agent("h1")
	before := h.everything()
	for _, other := range []string{"h2", "H1", "h1.", "h", "agent-h1.fleet.test", "unknown"} {
		for path, body := range map[string]string{
			heartbeatPath: `{"hostname":"` + other + `","current_closure":"c1","at":"` + noon + `"}`,
			eventsPath:    event(other, "stable@r1", 1, eventKinds["DispatchAck"]),
		} {
			a := c.do(http.MethodPost, path, body)
			a.want(t, wire.WrongIdentity)
			if got := a.problem(t).Field; got != "hostname" {
				t.Errorf("%s as %s: the field is %q, want hostname", path, other, got)
			}
		}
	}
	h.unchanged(before, "another host's name")
}

func TestEachRoleHasItsRoutes(t *testing.T) { // PROTOCOL T4
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	agent, operator := h.agent("h1"), h.operator("anna")
	other := h.agent("anna") // an operator's name does not make an operator
	before := h.everything()
	for _, r := range h.allRoutes() {
		r.of(operator, agent).do(r.method, r.path, r.body).want(t, wire.WrongRole)
		if r.role == operators {
			other.do(r.method, r.path, r.body).want(t, wire.WrongRole)
		}
	}
	h.unchanged(before, "a certificate of the other role")
}

func TestARevocationHitsWhatWasIssuedBeforeItsInstant(t *testing.T) { // PROTOCOL T5
	issued := testEpoch.Add(time.Second)
	for offset, want := range map[time.Duration]wire.Code{
		-time.Nanosecond: wire.OK,
		0:                wire.OK, // not earlier than the instant
		time.Nanosecond:  wire.CertificateRevoked,
		time.Second:      wire.CertificateRevoked,
	} {
		h := start(t)
		h.clock.Set(issued)
		first, second, other := h.agent("h1"), h.agent("h1"), h.agent("h2")
		older := h.connect(must(h.ca.IssueAgent("h1", pki.Validity{NotBefore: testEpoch}))(t))
		for _, c := range []*client{first, second, older} {
			c.heartbeat("h1").want(t, wire.OK)
		}
		h.clock.Add(2 * time.Second)
		h.revoke("agent-h1."+testSuffix, issued.Add(offset))
		first.heartbeat("h1").want(t, want)
		second.heartbeat("h1").want(t, want) // every certificate of the name
		older.heartbeat("h1").want(t, wire.CertificateRevoked)
		other.heartbeat("h2").want(t, wire.OK)
	}
}

// revoke revokes the certificates of a name that were issued before an instant.
func (h *harness) revoke(commonName string, before time.Time) {
	h.t.Helper()
	h.reader().do(http.MethodPost, revocationsPath,
		fmt.Sprintf(`{"common_name":%q,"revoked_before":%q,"force":true}`, commonName, before.Format(time.RFC3339Nano))).want(h.t, wire.OK)
}

func TestARevocationIsFeltOnEveryRouteOfAKeptConnection(t *testing.T) { // PROTOCOL T5
	release := newTestRelease(t)
	release.write("00ff", testEpoch)
	h := start(t, release.configure, func(c *Config) { c.AllowUnsigned = true })
	h.eventually("the release is opened", func() bool { return strings.Contains(h.rollouts(), "stable@00ff") })
	h.openRollout("stable", "r1", "c1", "h1")
	// A connection for each route, since it is closed with its 401.
	agentPair, operatorPair := must(h.ca.IssueAgent("h1", pki.Validity{}))(t), must(h.ca.IssueOperator("anna", pki.Validity{}))(t)
	kept := make(map[string]*client)
	var clients []*client
	for _, r := range h.allRoutes() {
		c := r.of(h.connect(agentPair), h.connect(operatorPair))
		kept[r.name], clients = c, append(clients, c)
	}
	dials := countDials(clients...)
	for _, r := range h.allRoutes() {
		if a := kept[r.name].do(r.method, r.path, r.body); a.status == http.StatusUnauthorized {
			t.Errorf("%s: %v", r.name, a)
		}
	}
	h.clock.Add(time.Second)
	for _, name := range []string{"agent-h1.", "operator-anna."} {
		h.revoke(name+testSuffix, h.clock.Now())
	}
	before := h.everything()
	for _, r := range h.allRoutes() {
		a := kept[r.name].do(r.method, r.path, r.body)
		a.want(t, wire.CertificateRevoked)
		if !a.last {
			t.Errorf("%s: a 401 that keeps its connection", r.name)
		}
	}
	h.unchanged(before, "a revoked certificate")
	if got := dials(); got != len(clients) {
		t.Errorf("%d connections were made, want the %d that were kept", got, len(clients))
	}
	// The re-issued ones work.
	for _, r := range h.allRoutes() {
		if a := r.of(h.agent("h1"), h.operator("anna")).do(r.method, r.path, r.body); a.status >= 400 && a.status != http.StatusNotFound {
			t.Errorf("%s with a newer certificate: %v", r.name, a)
		}
	}
}

// countDials counts the connections that the clients make.
func countDials(clients ...*client) (count func() int) {
	var mu sync.Mutex
	n := 0
	for _, c := range clients {
		cfg := c.transport.TLSClientConfig
		cfg.VerifyConnection = func(tls.ConnectionState) error {
			mu.Lock()
			defer mu.Unlock()
			n++
			return nil
		}
	}
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func TestWorkIsNotHandedToAPollWhoseCertificateExpiredMeanwhile(t *testing.T) { // PROTOCOL T1, D1
	h := start(t)
	c := h.connect(must(h.ca.IssueAgent("h1", pki.Validity{NotAfter: testEpoch.Add(5 * time.Second)}))(t))
	done := c.beginPoll()
	h.waiting(1)
	h.clock.Add(5*time.Second + 1)
	h.openRollout("stable", "r1", "c1", "h1")
	(<-done).want(t, wire.CertificateExpired)
	h.waiting(0)
	// The work is there for a newer certificate of the name.
	h.agent("h1").poll().dispatched(t, "stable@r1")
}

func TestARevocationLeavesPollsOfNewerCertificatesAlone(t *testing.T) { // PROTOCOL T5, D1
	h := start(t)
	done := h.agent("h1").beginPoll()
	h.waiting(1)
	h.revoke("agent-h1."+testSuffix, testEpoch)
	h.openRollout("stable", "r1", "c1", "h1")
	(<-done).dispatched(t, "stable@r1")
}

func TestACertificateOfTheSameSecondAsTheRevocationIsRefused(t *testing.T) { // PROTOCOL T5
	h := start(t)
	h.clock.Add(500 * time.Millisecond)
	h.reader().do(http.MethodPost, revocationsPath, `{"common_name":"agent-h1.fleet.test","force":true}`).want(t, wire.OK)
	h.agent("h1").heartbeat("h1").want(t, wire.CertificateRevoked)
	h.clock.Add(499 * time.Millisecond)
	h.agent("h1").heartbeat("h1").want(t, wire.CertificateRevoked)
	h.clock.Add(time.Millisecond)
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
}

func TestARevocationIsNeverTakenBack(t *testing.T) { // PROTOCOL T5
	h := start(t)
	c := h.agent("h1")
	c.heartbeat("h1").want(t, wire.OK)
	h.clock.Add(4 * time.Second)
	const name = "agent-h1.fleet.test"
	h.revoke(name, testEpoch.Add(2*time.Second))
	before := h.everything()
	for _, earlier := range []string{"2025-12-31T00:00:00Z", "2026-01-01T00:00:02Z", "0000-01-01T00:00:00Z"} {
		a := h.reader().do(http.MethodPost, revocationsPath, `{"common_name":"`+name+`","revoked_before":"`+earlier+`"}`)
		a.want(t, wire.OK)
		if want := `{"common_name":"` + name + `","revoked_before":"2026-01-01T00:00:02Z","also_revoked":"h1"}`; a.body != want {
			t.Errorf("revoked before %s: got %s, want %s", earlier, a.body, want)
		}
		h.unchanged(before, "an earlier revocation")
		c.heartbeat("h1").want(t, wire.CertificateRevoked)
	}
	// A later one counts.
	h.revoke(name, testEpoch.Add(3*time.Second))
	h.connect(must(h.ca.IssueAgent("h1", pki.Validity{NotBefore: testEpoch.Add(2 * time.Second)}))(t)).heartbeat("h1").want(t, wire.CertificateRevoked)
}

func TestARevocationInTheFutureIsRefused(t *testing.T) { // PROTOCOL T5
	h := start(t)
	before := h.everything()
	for _, future := range []string{"2026-01-01T00:00:00.000000001Z", "9999-12-31T23:59:59Z"} {
		a := h.reader().do(http.MethodPost, revocationsPath, `{"common_name":"agent-h1.fleet.test","revoked_before":"`+future+`"}`)
		a.want(t, wire.WrongShape)
		if got := a.problem(t).Field; got != "revoked_before" {
			t.Errorf("the field is %q, want revoked_before", got)
		}
	}
	h.unchanged(before, "a revocation in the future")
	h.revoke("agent-h1.fleet.test", testEpoch) // now is not the future
}

func TestAMistypedNameIsNotRevoked(t *testing.T) { // PROTOCOL T5
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h2")
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	h.operator("bert").do(http.MethodGet, hostsPath, "").want(t, wire.OK)
	operator := h.operator("anna")
	revoke := func(name, rest string) answer {
		return operator.do(http.MethodPost, revocationsPath, fmt.Sprintf(`{"common_name":%q%s}`, name, rest))
	}
	before := h.everything()
	for _, name := range []string{
		"agent-h9.fleet.test", "h9", "agent-H1.fleet.test", "agent-h1.fleet.tset", "agent_h1.fleet.test", "h1.fleet.test", "no host",
		"operator-claus.fleet.test", "operator-bert.fleet.tset", "bert",
	} {
		a := revoke(name, "")
		wantProblem(t, a, wire.UnknownName)
		if p := a.problem(t); p.Field != "common_name" || !strings.Contains(string(p.Detail), `"force":true`) {
			t.Errorf("%s: the refusal does not say what would be right: %v", name, a)
		}
		revoke(name, `,"force":false`).want(t, wire.UnknownName)
	}
	h.unchanged(before, "a refused revocation")

	for _, test := range []struct{ name, rest, warning string }{
		{"agent-h1.fleet.test", "", ""},
		{"agent-h2.fleet.test", "", "h2 is in a manifest, but nothing of it has ever arrived"},
		{"operator-bert.fleet.test", "", ""},
		{"agent-h9.fleet.test", `,"force":true`, "the plane knows no host and no operator of this name"},
		{"operator-claus.fleet.test", `,"force":true`, "the plane knows no host and no operator of this name"},
	} {
		a := revoke(test.name, test.rest)
		a.want(t, wire.OK)
		if got := strings.Contains(a.body, `"warning":"`); got != (test.warning != "") || !strings.Contains(a.body, test.warning) {
			t.Errorf("%s: got %s, want the warning %q", test.name, a.body, test.warning)
		}
		if test.warning != "" {
			h.eventually("the warning is in the log", func() bool {
				return len(h.logs.matching("level=WARN", "holder the plane has not seen", test.name)) == 1
			})
		}
	}
	// Whoever asks can revoke himself: he has been seen.
	revoke("operator-anna.fleet.test", "").want(t, wire.OK)
}

func TestBothNamesOfAHostAreRevokedTogether(t *testing.T) { // PROTOCOL T2, T5
	for _, name := range []string{"agent-h1.fleet.test", "h1"} {
		h := start(t)
		full := h.agent("h1")
		bare := h.connect(must(h.ca.IssueClient("h1", pki.Validity{}))(t))
		other := h.agent("h2")
		for _, c := range []*client{full, bare} {
			c.heartbeat("h1").want(t, wire.OK)
		}
		h.clock.Add(time.Second)
		h.reader().do(http.MethodPost, revocationsPath, `{"common_name":"`+name+`"}`).want(t, wire.OK)
		for _, c := range []*client{full, bare} {
			c.heartbeat("h1").want(t, wire.CertificateRevoked)
		}
		other.heartbeat("h2").want(t, wire.OK)
		h.restart()
		full.heartbeat("h1").want(t, wire.CertificateRevoked)
		bare.heartbeat("h1").want(t, wire.CertificateRevoked)
	}
}

func TestTheProtocolHeaderIsOneReadableOne(t *testing.T) { // PROTOCOL T6
	for _, strict := range []bool{false, true} {
		h := start(t, func(c *Config) { c.StrictProtocol = strict })
		missing := wire.OK
		if strict {
			missing = wire.ProtocolRequired
		}
		c := h.agent("h1")
		for _, test := range []struct {
			lines []string
			want  wire.Code
		}{
			{nil, missing},
			{[]string{"X-Nixfleet-Protocol: 1"}, wire.OK},
			{[]string{"x-nixfleet-protocol: 1"}, wire.OK}, // names of headers have no case
			{[]string{"X-Nixfleet-Protocol: 0"}, wire.UnsupportedProtocol},
			{[]string{"X-Nixfleet-Protocol: 2"}, wire.UnsupportedProtocol},
			{[]string{"X-Nixfleet-Protocol: 99999999999999999999999"}, wire.UnsupportedProtocol},
			{[]string{"X-Nixfleet-Protocol: -1"}, wire.BadProtocolHeader},
			{[]string{"X-Nixfleet-Protocol: 1.0"}, wire.BadProtocolHeader},
			{[]string{"X-Nixfleet-Protocol: one"}, wire.BadProtocolHeader},
			{[]string{"X-Nixfleet-Protocol: 1, 1"}, wire.BadProtocolHeader},
			{[]string{"X-Nixfleet-Protocol: 1", "X-Nixfleet-Protocol: 1"}, wire.BadProtocolHeader},
		} {
			a := c.do(http.MethodPost, heartbeatPath, heartbeatBody("h1"), test.lines...)
			a.want(t, test.want)
			if test.want == wire.OK {
				continue
			}
			if got := a.problem(t).Field; got != wire.HeaderProtocol {
				t.Errorf("%q: the field is %q, want %s", test.lines, got, wire.HeaderProtocol)
			}
			if test.want == wire.UnsupportedProtocol && a.header.Get(wire.HeaderProtocol) != "1" {
				t.Errorf("%q: the answer does not say which protocol is spoken", test.lines)
			}
		}
		// An empty value is unreadable as well; [client.do] cannot send one.
		req := must(http.NewRequest(http.MethodGet, "https://"+h.server.Addr().String()+dispatchPath, nil))(t)
		req.Header.Set(wire.HeaderProtocol, "")
		c.send(req).want(t, wire.BadProtocolHeader)
		if strict {
			for _, r := range h.allRoutes() {
				r.of(c, h.reader()).do(r.method, r.path, r.body).want(t, wire.ProtocolRequired)
			}
		}
	}
}
