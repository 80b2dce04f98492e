package httpserver

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// PROTOCOL T7 and T10: which refusal a request gets that earns several, and
// what every refusal looks like.

// flawed is a request that is wrong in one or more ways. The zero value is a
// good one.
type flawed struct {
	noRoute, otherMethod        bool
	noCertificate               bool
	expired, revoked            bool
	operator                    bool // who sends it
	lines                       []string
	long, noJSON, shape, host   bool
	badQuery, fullInbox, nobody bool
}

// flaw is one way of being wrong.
type flaw struct {
	check int // the place of its check in the order of T7
	name  string
	code  wire.Code
	add   func(*flawed)
}

// The flaws of a request with a body, and of one with a query, in the order of
// T7.
var (
	commonFlaws = []flaw{
		{0, "no such route", wire.NotFound, func(f *flawed) { f.noRoute = true }},
		{0, "another method", wire.MethodNotAllowed, func(f *flawed) { f.otherMethod = true }},
		{1, "no certificate", wire.NoCertificate, func(f *flawed) { f.noCertificate = true }},
		{1, "an expired certificate", wire.CertificateExpired, func(f *flawed) { f.expired = true }},
		{2, "a revoked certificate", wire.CertificateRevoked, func(f *flawed) { f.revoked = true }},
		{3, "another protocol", wire.UnsupportedProtocol, func(f *flawed) { f.lines = append(f.lines, "X-Nixfleet-Protocol: 2") }},
		{3, "an unreadable protocol", wire.BadProtocolHeader, func(f *flawed) { f.lines = append(f.lines, "X-Nixfleet-Protocol: x") }},
	}
	bodyFlaws = append(slices.Clone(commonFlaws),
		flaw{4, "another media type", wire.UnsupportedMediaType, func(f *flawed) { f.lines = append(f.lines, "Content-Type: ", "Content-Type: text/plain") }},
		flaw{4, "an encoded body", wire.UnsupportedEncoding, func(f *flawed) { f.lines = append(f.lines, "Content-Encoding: gzip") }},
		flaw{5, "a long body", wire.BodyTooLarge, func(f *flawed) { f.long = true }},
		flaw{6, "no JSON", wire.NotJSON, func(f *flawed) { f.noJSON = true }},
		flaw{7, "a missing field", wire.WrongShape, func(f *flawed) { f.shape = true }},
		flaw{8, "another host", wire.WrongIdentity, func(f *flawed) { f.host = true }},
		flaw{8, "an operator", wire.WrongRole, func(f *flawed) { f.operator = true }},
		flaw{9, "a full inbox", wire.Saturated, func(f *flawed) { f.fullInbox = true }},
		flaw{10, "an unknown rollout", wire.UnknownRollout, func(f *flawed) { f.nobody = true }},
	)
	queryFlaws = append(slices.Clone(commonFlaws),
		flaw{7, "a bad query", wire.BadQuery, func(f *flawed) { f.badQuery = true }},
		flaw{8, "an agent", wire.WrongRole, func(f *flawed) { f.operator = false }},
		flaw{9, "a full inbox", wire.Saturated, func(f *flawed) { f.fullInbox = true }},
		flaw{10, "an unknown rollout", wire.UnknownRollout, func(f *flawed) { f.nobody = true }},
	)
)

// flawedCase is a request with its flaws, and the answer of the first check
// that fails.
type flawedCase struct {
	name string
	flawed
	want wire.Code
}

// flawedCases makes a case of each flaw, of each two flaws of different checks,
// and of everything that is wrong from each check on.
func flawedCases(good flawed, flaws []flaw) []flawedCase {
	var cases []flawedCase
	combine := func(list ...flaw) {
		c := flawedCase{flawed: good, want: list[0].code}
		var names []string
		for _, f := range list {
			f.add(&c.flawed)
			names = append(names, f.name)
		}
		c.name = strings.Join(names, ", ")
		if c.noCertificate && c.revoked || slices.ContainsFunc(cases, func(other flawedCase) bool { return other.name == c.name }) {
			return // there is no certificate to be revoked
		}
		cases = append(cases, c)
	}
	for i, first := range flaws {
		combine(first)
		all := []flaw{first}
		for _, second := range flaws[i+1:] {
			if second.check > first.check {
				combine(first, second)
			}
			if second.check > all[len(all)-1].check {
				all = append(all, second)
			}
		}
		combine(all...)
	}
	return cases
}

// connectFlawed makes the client of a case: certificates named in the order of
// whether they are expired and whether they are revoked.
func (h *harness) connectFlawed(f flawed) *client {
	h.t.Helper()
	if f.noCertificate {
		return h.stranger()
	}
	validity := pki.Validity{NotBefore: testEpoch.Add(time.Second)}
	if f.revoked {
		validity.NotBefore = testEpoch
	}
	if f.expired {
		validity.NotAfter = testEpoch.Add(4 * time.Second)
	}
	issue, name := h.ca.IssueAgent, "h1"
	if f.operator {
		issue, name = h.ca.IssueOperator, "anna"
	}
	return h.connect(must(issue(name, validity))(h.t))
}

// send sends the request of a case as an event, or as a question for one.
func (f flawed) send(c *client, asEvent bool) answer {
	method, path, rollout := http.MethodGet, rolloutsPath+"/stable@r1/events", "stable@r1"
	if f.nobody {
		path, rollout = rolloutsPath+"/stable@r9/events", "stable@r9"
	}
	var body string
	if asEvent {
		method, path = http.MethodPost, eventsPath
		host := "h1"
		if f.host {
			host = "h2"
		}
		body = event(host, rollout, 1, eventKinds["DispatchAck"])
		if f.shape {
			body = members(c.h.t, body)[1].without(body)
		}
		if f.noJSON {
			body += "}"
		}
		if f.long {
			body = strings.Repeat(" ", 2<<10) + body
		}
	}
	if f.otherMethod {
		method = http.MethodPut
	}
	if f.noRoute {
		path += "/nothing"
	}
	if f.badQuery {
		path += "?limit=0"
	}
	return c.do(method, path, body, f.lines...)
}

func TestTheEarlierOfTwoChecksAnswers(t *testing.T) { // PROTOCOL T7
	for name, test := range map[string]struct {
		asEvent bool
		good    flawed
		flaws   []flaw
		want    wire.Code
	}{
		"body":  {true, flawed{}, bodyFlaws, wire.NoContent},
		"query": {false, flawed{operator: true}, queryFlaws, wire.OK},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *Config) { c.MaxBody, c.InboxCapacity = 1<<10, 4 })
			h.openRollout("stable", "r1", "c1", "h1")
			cases := flawedCases(test.good, test.flaws)
			if n := len(test.flaws); len(cases) < n*(n-1)/3 {
				t.Fatalf("only %d cases of %d flaws", len(cases), n)
			}
			clients := make([]*client, len(cases))
			h.clock.Add(time.Second)
			for i, c := range cases { // while every certificate is good
				clients[i] = h.connectFlawed(c.flawed)
				clients[i].do(http.MethodGet, "/", "").want(t, wire.NotFound)
			}
			h.clock.Add(9 * time.Second)
			h.revoke("agent-h1."+testSuffix, testEpoch.Add(time.Second))
			h.revoke("operator-anna."+testSuffix, testEpoch.Add(time.Second))
			// The unknown rollout is found out by the plane, which hears of the host.
			flawed{nobody: true}.send(h.connectFlawed(flawed{}), true).want(t, wire.UnknownRollout)
			before := h.everything()
			for _, full := range []bool{false, true} {
				var rule *FaultRule
				if full {
					h.unchanged(before, "a refused request")
					rule = h.wedge()
					h.fill()
				}
				for i, c := range cases {
					if c.fullInbox != full {
						continue
					}
					if a := c.send(clients[i], test.asEvent); a.err != nil || a.status != c.want.Status() || string(a.problem(t).Reason) != c.want.Reason() {
						t.Errorf("%s: got %v, want %d %v", c.name, a, c.want.Status(), c.want)
					}
				}
				if full {
					rule.Lift()
					h.inside(0)
				}
			}
			test.good.send(h.connectFlawed(test.good), test.asEvent).want(t, test.want)
		})
	}
}

// unreadableStore is a store that cannot read events.
type unreadableStore struct{ *memory.Log }

func (unreadableStore) Events(wire.RolloutID, wire.Seq, func(*wire.LoggedEvent) bool) error {
	return errors.New("bad block")
}

func TestEveryRefusalIsAProblemDocument(t *testing.T) { // PROTOCOL T10
	h := start(t, func(c *Config) { c.MaxBody, c.Store = 1<<10, unreadableStore{memory.New(0)} })
	h.openRollout("stable", "r1", "c1", "h1")
	h.openRollout("stable", "r2", "c1", "h1")
	h.clock.Add(time.Second)
	agent, operator := h.agent("h1"), h.operator("anna")
	expiring := h.connect(must(h.ca.IssueAgent("h1", pki.Validity{NotAfter: testEpoch.Add(5 * time.Second)}))(t))
	revoked := h.connect(must(h.ca.IssueAgent("h1", pki.Validity{NotBefore: testEpoch}))(t))
	for _, c := range []*client{agent, expiring, revoked} {
		c.heartbeat("h1").want(t, wire.OK)
	}
	h.clock.Add(5 * time.Second)
	h.revoke("agent-h1."+testSuffix, testEpoch.Add(time.Second))
	const beat = http.MethodPost

	refusals := map[wire.Code]func(*testing.T) answer{
		wire.Gap:               func(*testing.T) answer { return agent.tell("h1", "stable@r1", 2, eventKinds["ActivationStarted"]) },
		wire.Rejected:          func(*testing.T) answer { return agent.tell("h1", "stable@r1", 1, eventKinds["ActivationStarted"]) },
		wire.UnknownRollout:    func(*testing.T) answer { return agent.tell("h1", "stable@r9", 1, eventKinds["DispatchAck"]) },
		wire.UnknownHost:       func(*testing.T) answer { return operator.do("GET", hostsPath+"/h9", "") },
		wire.UnknownQuarantine: func(*testing.T) answer { return operator.do("POST", clearPath, `{"channel":"stable","closure":"c9"}`) },
		wire.ManifestConflict: func(*testing.T) answer {
			return operator.do("POST", rolloutsPath, manifest("stable", "r1", "c2", "h1"))
		},
		wire.UnknownName: func(*testing.T) answer {
			return operator.do("POST", revocationsPath, `{"common_name":"agent-h9.fleet.test"}`)
		},
		wire.RolloutSuperseded: func(*testing.T) answer { return operator.do("POST", rolloutsPath+"/stable@r1/resume", "") },
		wire.RolloutAborted: func(t *testing.T) answer {
			fresh := start(t)
			fresh.openRollout("stable", "r1", "c1", "h1")
			anna := fresh.operator("anna")
			anna.do("POST", rolloutsPath+"/stable@r1/abort", "").want(t, wire.OK)
			return anna.do("POST", rolloutsPath+"/stable@r1/resume", "")
		},
		wire.RolloutHeld: func(t *testing.T) answer {
			dir := writeManifests(t, map[string]string{
				"1.json": manifest("stable", "r1", "c1", "h1"), "2.json": manifest("stable", "r2", "c2", "h1"),
			})
			h := start(t, func(c *Config) { c.ManifestDir = dir })
			h.eventually("both are open", func() bool { return strings.Count(h.rollouts(), `"Held"`) == 2 })
			return h.reader().do("POST", rolloutsPath+"/stable@r1/resume", "")
		},

		wire.NotFound:           func(*testing.T) answer { return agent.do("GET", "/v1/agent", "") },
		wire.MethodNotAllowed:   func(*testing.T) answer { return agent.do("DELETE", heartbeatPath, "") },
		wire.NoCertificate:      func(*testing.T) answer { return h.stranger().heartbeat("h1") },
		wire.CertificateRevoked: func(*testing.T) answer { return revoked.heartbeat("h1") },
		wire.CertificateExpired: func(*testing.T) answer { return expiring.heartbeat("h1") },
		wire.UnsupportedProtocol: func(*testing.T) answer {
			return agent.do(beat, heartbeatPath, heartbeatBody("h1"), "X-Nixfleet-Protocol: 2")
		},
		wire.BadProtocolHeader: func(*testing.T) answer {
			return agent.do(beat, heartbeatPath, heartbeatBody("h1"), "X-Nixfleet-Protocol: x")
		},
		wire.ProtocolRequired: func(t *testing.T) answer {
			return start(t, func(c *Config) { c.StrictProtocol = true }).agent("h1").heartbeat("h1")
		},
		wire.UnsupportedMediaType: func(*testing.T) answer { return agent.do(beat, heartbeatPath, heartbeatBody("h1"), "Content-Type: ") },
		wire.BadCertificate: func(t *testing.T) answer {
			ca := newOtherCA(t)
			template := ca.template()
			template.ExtKeyUsage = nil
			return start(t, func(c *Config) { c.ClientCAs = ca.pool() }).connect(ca.sign(template, nil)).heartbeat("h1")
		},
		wire.UnsupportedEncoding: func(*testing.T) answer {
			return agent.do(beat, heartbeatPath, heartbeatBody("h1"), "Content-Encoding: gzip")
		},
		wire.BodyTooLarge:  func(*testing.T) answer { return agent.do(beat, heartbeatPath, strings.Repeat(" ", 1<<10+1)) },
		wire.NotJSON:       func(*testing.T) answer { return agent.do(beat, heartbeatPath, "{") },
		wire.WrongShape:    func(*testing.T) answer { return agent.do(beat, heartbeatPath, "{}") },
		wire.BadQuery:      func(*testing.T) answer { return agent.do("GET", dispatchPath+"?wait=x", "") },
		wire.WrongIdentity: func(*testing.T) answer { return agent.heartbeat("h2") },
		wire.WrongRole:     func(*testing.T) answer { return operator.heartbeat("h1") },
		wire.UnsignedManifest: func(t *testing.T) answer {
			return start(t, newTestRelease(t).configure).operator("anna").do("POST", rolloutsPath, manifest("stable", "r1", "c1", "h1"))
		},
		wire.TooManyReaders: func(t *testing.T) answer {
			fresh := start(t)
			for range maxHistoryReaders {
				fresh.server.historyReaders <- struct{}{}
			}
			return fresh.operator("anna").do("GET", rolloutsPath+"/stable@r1/events", "")
		},
		wire.ReleaseUnavailable: func(*testing.T) answer { return agent.do("GET", fleetPath, "") },
		wire.AnswerTooLarge:     tooLargeView,
		wire.Internal:           func(*testing.T) answer { return operator.do("GET", rolloutsPath+"/stable@r1/events", "") },
	}
	for code, refusal := range enrolmentRefusals() {
		refusals[code] = refusal
	}
	for _, code := range wire.UnavailableCodes {
		refusals[code] = func(t *testing.T) answer {
			fresh := newHarness(t, func(c *Config) { c.InboxCapacity, c.Store, c.EventBudget.Events = 4, newBrittleStore(), 2 })
			if code != wire.NotStarted {
				fresh.start()
			}
			return fresh.provoke(code)
		}
	}
	seen := make(map[string]bool)
	for code := wire.NotStarted; int(code) < wire.CodeCount; code++ {
		if code == wire.Accepted { // no refusal
			continue
		}
		t.Run(code.String(), func(t *testing.T) {
			refusal, ok := refusals[code]
			if !ok {
				t.Fatal("nothing is refused with it")
			}
			if seen[code.Reason()] {
				t.Error("another refusal has the same reason")
			}
			seen[code.Reason()] = true
			wantProblem(t, refusal(t), code)
		})
	}
}

// wantProblem fails the test unless the answer is the refusal, in every detail.
func wantProblem(t *testing.T, a answer, code wire.Code) {
	t.Helper()
	a.want(t, code)
	p := a.problem(t)
	if string(p.Reason) != code.Reason() || p.Type != wire.Text("urn:refrain:problem:"+code.Reason()) || int(p.Status) != a.status {
		t.Errorf("the document contradicts the answer: %v", a)
	}
	if p.Title == "" || p.Detail == "" || p.RequestID == "" || string(p.RequestID) != a.header.Get(wire.HeaderRequestID) {
		t.Errorf("want a title, a detail and the request ID of the header: %v", a)
	}
	for header, want := range map[string]bool{
		wire.HeaderRetryAfter: a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests,
		wire.HeaderReplayFrom: code == wire.Gap,
		"WWW-Authenticate":    a.status == http.StatusUnauthorized,
		"Allow":               a.status == http.StatusMethodNotAllowed,
		"Accept-Encoding":     code == wire.UnsupportedEncoding,
	} {
		if got := a.header.Get(header); (got != "") != want {
			t.Errorf("%s is %q", header, got)
		}
	}
}

func TestAPathIsTakenAsItIsSent(t *testing.T) { // PROTOCOL T7, T10
	h := start(t)
	c := h.agent("h1")
	before := h.everything()
	for _, path := range []string{
		"//v1/agent/heartbeat", "/v1//agent/heartbeat", "/v1/agent/heartbeat/", "/v1/agent/./heartbeat", "/v1/agent/../agent/heartbeat",
		"/v1/agent/heartbea%74", "/v1/agent%2Fheartbeat", "/v1/agent/Heartbeat", "/v1/agent/heartbeat%00", "/v1/agent/heartbeat;x", "/",
	} {
		a := c.do(http.MethodPost, path, heartbeatBody("h1"))
		a.want(t, wire.NotFound) // and no redirect to the path that was meant
		if a.header.Get("Location") != "" {
			t.Errorf("%s is redirected to %s", path, a.header.Get("Location"))
		}
		if a.header.Get(wire.HeaderRequestID) == "" {
			t.Errorf("%s: a 404 without a request ID", path)
		}
	}
	h.unchanged(before, "a path that is no route")
}

func TestEveryOtherMethodIsRefused(t *testing.T) { // PROTOCOL T7, T10
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	takes := make(map[string][]string)
	for _, r := range h.allRoutes() {
		takes[r.path] = append(takes[r.path], r.method)
	}
	c := h.agent("h1")
	before := h.everything()
	for path, methods := range takes {
		slices.Sort(methods)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post"} {
			if slices.Contains(methods, method) {
				continue
			}
			a := c.do(method, path, "")
			if a.status != http.StatusMethodNotAllowed || a.header.Get("Content-Type") != wire.MediaProblem {
				t.Errorf("%s %s: got %v", method, path, a)
			}
			if got, want := a.header.Get("Allow"), strings.Join(methods, ", "); got != want {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, got, want)
			}
			if a.header.Get(wire.HeaderRequestID) == "" {
				t.Errorf("%s %s: a 405 without a request ID", method, path)
			}
		}
	}
	h.unchanged(before, "a method that the route does not take")
}

func TestWhatIsRefusedNeverReachesThePlane(t *testing.T) { // PROTOCOL T7
	h := start(t)
	rule := h.faults.Install(Fault{Kind: Drop, Match: func(in plane.Input) bool {
		_, query := in.(*plane.QueryHosts)
		return !query
	}})
	agent, operator := h.agent("h1"), h.operator("anna")
	agent.heartbeat("h2").want(t, wire.WrongIdentity)
	agent.do("POST", heartbeatPath, "{}").want(t, wire.WrongShape)
	agent.do("POST", heartbeatPath, "{").want(t, wire.NotJSON)
	agent.do("GET", dispatchPath+"?wait=x", "").want(t, wire.BadQuery)
	operator.do("GET", dispatchPath, "").want(t, wire.WrongRole)
	if rule.Hits() != 0 {
		t.Errorf("%d inputs reached the plane", rule.Hits())
	}
	if offered := h.server.admission.look().stats.Offered; offered != 0 {
		t.Errorf("%d requests were offered to the gate", offered)
	}
}
