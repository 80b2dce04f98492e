package httpserver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL T7 and T8 on every route: whatever bytes come, the answer is the
// right refusal, it names the field, and nothing has changed.

// badBody is a body that is refused.
type badBody struct {
	name, body string
	want       wire.Code
	field      string // of a wrong shape
}

// freeTexts are the members that may hold any text.
var freeTexts = []string{"signature", "stderrTail", "failureReason", "article", "overrideReason", "reason"}

// optionalBodies are the routes that need no body, and read one.
var optionalBodies = map[string]bool{"resume_rollout": true, "choose_rollout": true,
	"pause_rollout": true, "abort_rollout": true, "skip_host": true, "cordon_host": true, "uncordon_host": true, "forget_host": true}

// mayBeMissing reports whether a member may be absent or null.
func mayBeMissing(d document, m member) bool {
	switch m.name {
	case "rollout_id", "current_closure", "signature", "since", "by", "revoked_before", "force",
		"failureReason", "subResults", "article", "effectiveMode", "overrideReason", "reason":
		return true
	default:
		return d.name == "clear_quarantine" && m.name == "hostname"
	}
}

// firstRequired is the member that is missed in an empty document.
func firstRequired(t testing.TB, d document) (path string) {
	for _, m := range members(t, d.text) {
		if !mayBeMissing(d, m) {
			return m.path
		}
	}
	return ""
}

// notJSON are bodies that are no JSON at all.
func notJSON(good string) []badBody {
	list := []badBody{
		{name: "empty", body: ""},
		{name: "only white space", body: " \r\n\t "},
		{name: "truncated at once", body: good[:1]},
		{name: "truncated in the middle", body: good[:len(good)/2]},
		{name: "truncated at the end", body: good[:len(good)-1]},
		{name: "two documents", body: good + good},
		{name: "something behind", body: good + "x"},
		{name: "a NUL behind", body: good + "\x00"},
		{name: "a byte order mark", body: "\ufeff" + good},
		{name: "a trailing comma", body: good[:len(good)-1] + ",}"},
		{name: "a comment", body: "/* */" + good},
		{name: "UTF-16", body: "{\x00}\x00"},
		{name: "single quotes", body: strings.ReplaceAll(good, `"`, `'`) + "'"},
		{name: "a form", body: "hostname=h1"},
		{name: "deep arrays", body: strings.Repeat("[", 60_000)},
		{name: "deep closed arrays", body: strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000)},
		{name: "deep objects", body: strings.Repeat(`{"a":`, 12_000)},
		{name: "deep in an unknown field", body: inserted(good, 0, `"x":`+strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000))},
	}
	for name, inside := range map[string]string{
		"a NUL in a string": "\x00", "a line feed in a string": "\n", "a stray byte in a string": "\xff", "an overlong form": "\xc0\xaf",
		"half a character": "\xe2\x82", "a surrogate in UTF-8": "\xed\xa0\x80", "an escaped surrogate": `\ud800`, "a pair the wrong way": `\udc00\ud800`,
		"no such escape": `\x41`, "half an escape": `\u00`,
	} {
		list = append(list,
			badBody{name: name, body: inserted(good, 0, `"x":"`+inside+`"`)},
			badBody{name: name + ", of a name", body: inserted(good, 0, `"x`+inside+`":1`)})
	}
	for _, value := range []string{"NaN", "Infinity", "-", "+1", "01", "1.", ".5", "0x1", "1e", "1_000", "True", "nil", "undefined", "'x'", "x"} {
		list = append(list, badBody{name: "the value " + value, body: inserted(good, 0, `"x":`+value)})
	}
	for i := range list {
		list[i].want = wire.NotJSON
	}
	return slices.DeleteFunc(list, func(b badBody) bool { return b.body == good+"'" }) // a document without quotes
}

// wrongShapes are bodies that are JSON, and not the document.
func wrongShapes(t testing.TB, d document) []badBody {
	var list []badBody
	add := func(name, body, field string) {
		list = append(list, badBody{name, body, wire.WrongShape, field})
	}
	for _, other := range []string{"null", "true", "false", "0", "-1.5e300", `"x"`, "[]", "[" + d.text + "]"} {
		add("instead of an object", other, "")
	}
	if first := firstRequired(t, d); first != "" {
		add("an empty object", "{}", first)
	}
	for _, m := range members(t, d.text) {
		replace := func(value string) { add(m.path+" is "+clipTo(value, 40), m.with(d.text, value), m.path) }
		if !mayBeMissing(d, m) {
			add(m.path+" is missing", m.without(d.text), m.path)
			replace("null")
		}
		values := map[jsontext.Kind]string{'t': "true", '0': "7", '"': `"x"`, '[': "[]", '{': "{}"}
		for kind, value := range values {
			if kind != m.kind && m.kind != 'n' {
				replace(value)
			}
		}
		switch {
		case m.kind == '0':
			for _, value := range []string{
				"1.5", "1.0", "1e0", "1e999", "-1e999", "1" + strings.Repeat("0", 400), "9223372036854775808", "18446744073709551616",
			} {
				replace(value)
			}
			if m.name != "exitCode" {
				replace("-1")
				replace("-9223372036854775808")
			}
			if m.name == "seq" {
				replace("0")
				replace("-0")
			} else {
				replace("2147483648")
			}
		case m.kind == '"' && !slices.Contains(freeTexts, m.name):
			for _, value := range []string{`""`, `"\u0000"`, `"a\nb"`, `"` + strings.Repeat("x", 600) + `"`} {
				replace(value)
			}
		}
	}
	return list
}

func TestABadBodyIsRefusedAndChangesNothing(t *testing.T) { // PROTOCOL T7, T8
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	agent, operator := h.agent("h1"), h.operator("anna")
	agent.heartbeat("h1").want(t, wire.OK)
	before := h.everything()
	for _, d := range h.documents() {
		bodies := wrongShapes(t, d)
		if !optionalBodies[d.name] && len(bodies) < 25 {
			t.Fatalf("%s: only %d wrong shapes", d.name, len(bodies))
		}
		for _, b := range append(notJSON(d.text), bodies...) {
			if b.body == "" && optionalBodies[d.name] {
				continue // this one body may be missing
			}
			a := d.request.of(agent, operator).do(d.request.method, d.request.path, b.body, "Content-Type: ", "Content-Type: application/json")
			if a.err != nil || a.status != b.want.Status() {
				t.Errorf("%s: %s: got %v, want %d %v", d.name, b.name, a, b.want.Status(), b.want)
				continue
			}
			p := a.problem(t)
			if string(p.Reason) != b.want.Reason() || string(p.Field) != b.field {
				t.Errorf("%s: %s: got %v about %q, want %v about %q: %v", d.name, b.name, p.Reason, p.Field, b.want, b.field, a)
			}
			if len(a.body) > 2<<10 {
				t.Errorf("%s: %s: the refusal has %d bytes", d.name, b.name, len(a.body))
			}
			h.unchanged(before, d.name+": "+b.name)
		}
	}
}

func TestABodyThatIsUnusualIsReadAllTheSame(t *testing.T) { // PROTOCOL T7, T8
	h := start(t)
	agent, operator := h.agent("h1"), h.operator("anna")
	for _, d := range h.documents() {
		send := func(name, body string) {
			t.Helper()
			a := d.request.of(agent, operator).do(d.request.method, d.request.path, body)
			if !a.isRead() {
				t.Errorf("%s: %s: %v", d.name, name, a)
			}
		}
		send("with white space around it", " \t\r\n"+d.text+"\r\n\r\n")
		if d.request.role == agents { // of operators they are refused
			send("with deep unknown fields", inserted(d.text, 0, `"x":`+strings.Repeat("[", 9_000)+strings.Repeat("]", 9_000)))
		}
		for _, m := range members(t, d.text) {
			if mayBeMissing(d, m) {
				send("with "+m.path+" null", m.with(d.text, "null"))
				send("without "+m.path, m.without(d.text))
			}
			if slices.Contains(freeTexts, m.name) {
				most := 60_000
				if m.name == "reason" {
					most = wire.MaxReason // of an operator's act, which is kept in the state
				}
				for _, text := range []string{`""`, `"\u0000\u001f\u007f"`, `"\ud83d\ude00 ü"`, `"` + strings.Repeat("x", most) + `"`} {
					send(m.path+" is "+clip(text), m.with(d.text, text))
				}
			}
			if m.name == "exitCode" {
				for _, code := range []string{"-2147483648", "2147483647", "-0"} {
					send(m.path+" is "+code, m.with(d.text, code))
				}
			}
			if m.name == "seq" {
				send("the largest seq", m.with(d.text, "9223372036854775807"))
			}
		}
	}
}

func TestTheFirstAndTheLastYearAreYears(t *testing.T) { // PROTOCOL T9
	for _, year := range []string{"0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"} {
		h := start(t)
		hosts := []string{"h1", "h2", "h3", "h4"}
		h.open(wire.Halt, []int{10}, "stable", "r1", "c1", hosts...)
		tell := func(host string, seq int, kind string) {
			t.Helper()
			text := strings.ReplaceAll(eventKinds[kind], noon, year)
			h.agent(host).tell(host, "stable@r1", seq, text).want(t, wire.NoContent)
		}
		for i, kind := range []string{"DispatchAck", "ActivationStarted", "ActivationDeferred", "ActivationCompleted", "ProbeTopologyDeclared",
			"ProbeObservedFirst", "ProbeResult", "ProbeFailureFirst", "Failed", "RollbackComplete"} {
			tell("h1", i+1, kind)
		}
		for i, kind := range []string{"DispatchAck", "ActivationFailed"} {
			tell("h2", i+1, kind)
		}
		for i, kind := range []string{"DispatchAck", "ActivationCompleted"} {
			tell("h3", i+1, kind)
		}
		// Converged keeps E1: a soak that began in the year 0000 is not over in
		// the same second.
		a := h.agent("h3").tell("h3", "stable@r1", 3, strings.ReplaceAll(eventKinds["Converged"], noon, year))
		if want := map[byte]int{'0': http.StatusConflict, '9': http.StatusNoContent}[year[0]]; a.status != want {
			t.Errorf("Converged in %s: got %v, want %d", year, a, want)
		}
		h.agent("h4").do(http.MethodPost, heartbeatPath, `{"hostname":"h4","current_closure":"c1","at":"`+year+`"}`).want(t, wire.OK)
		h.wantState("stable@r1", "h4", wire.Soaking, 0)
		if s := h.record("stable@r1", "h4").Snapshot; s.ActivationCompletedAt.String() != year {
			t.Errorf("confirmed at %v, want %s", s.ActivationCompletedAt, year)
		}
		h.reader().do(http.MethodPost, clearPath, `{"channel":"stable","closure":"c1","since":"`+year+`"}`).want(t, wire.NoContent)
		h.restart() // and they are written and read back
		h.wantState("stable@r1", "h1", wire.Reverted, 10)
		if ended := h.record("stable@r1", "h1").EndedAt.String(); ended != year {
			t.Errorf("ended at %s, want %s", ended, year)
		}
	}
}

// open opens a rollout of waves with their soak minutes; host i is in wave i,
// or in the last one if there are fewer.
func (h *harness) open(policy wire.HealthPolicy, soaks []int, channel, ref, closure string, hosts ...string) string {
	h.t.Helper()
	m := wire.Manifest{Channel: wire.Channel(channel), ChannelRef: wire.ChannelRef(ref), Policy: wire.Policy{OnHealthFailure: policy}}
	for _, minutes := range soaks {
		m.Policy.Waves = append(m.Policy.Waves, wire.Wave{SoakMinutes: wire.Count(minutes)})
	}
	for i, host := range hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{
			Hostname: wire.Hostname(host), TargetClosure: wire.Closure(closure), Wave: wire.Count(min(i, len(soaks)-1)),
		})
	}
	h.reader().do(http.MethodPost, rolloutsPath, string(m.AppendJSON(nil))).want(h.t, wire.Created)
	return channel + "@" + ref
}

func TestAnotherMediaTypeIsRefused(t *testing.T) { // PROTOCOL T7
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	agent, operator := h.agent("h1"), h.operator("anna")
	before := h.everything()
	for _, r := range h.bodies() {
		for _, media := range []string{
			"", "text/plain", "application/xml", "application/problem+json", "application/jsonp", "application/x-www-form-urlencoded", "text/json",
			"application/json, text/plain", "application/json; charset", "json", ";", "\u00e9",
		} {
			lines := []string{"Content-Type: "}
			if media != "" {
				lines = append(lines, "Content-Type: "+media)
			}
			a := r.of(agent, operator).do(r.method, r.path, r.body, lines...)
			a.want(t, wire.UnsupportedMediaType)
			if got := a.problem(t).Field; got != wire.HeaderContentType {
				t.Errorf("%s: the field is %q, want %s", r.name, got, wire.HeaderContentType)
			}
		}
	}
	h.unchanged(before, "another media type")
	for _, media := range []string{"application/json;charset=utf-8", "Application/JSON", `application/json; charset="utf-8"; x=y`} {
		agent.do(http.MethodPost, heartbeatPath, heartbeatBody("h1"), "Content-Type: ", "Content-Type: "+media).want(t, wire.OK)
	}
}

func TestAnEncodedBodyIsRefused(t *testing.T) { // PROTOCOL T7
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	agent, operator := h.agent("h1"), h.operator("anna")
	before := h.everything()
	for _, r := range h.bodies() {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		must(io.WriteString(zip, r.body))(t)
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{r.body, packed.String()} { // whether it is true or not
			for _, lines := range [][]string{
				{"Content-Encoding: gzip"}, {"Content-Encoding: GZIP"}, {"Content-Encoding: br"}, {"Content-Encoding: identity, gzip"},
				{"Content-Encoding: identity", "Content-Encoding: deflate"}, {"Content-Encoding: x"},
			} {
				a := r.of(agent, operator).do(r.method, r.path, body, lines...)
				a.want(t, wire.UnsupportedEncoding)
				if got := a.problem(t).Field; got != "Content-Encoding" {
					t.Errorf("%s: the field is %q, want Content-Encoding", r.name, got)
				}
			}
		}
	}
	h.unchanged(before, "an encoded body")
	for _, lines := range [][]string{{"Content-Encoding: identity"}, {"Content-Encoding: Identity"}, {"Content-Encoding: identity,", "Content-Encoding: identity"}} {
		agent.do(http.MethodPost, heartbeatPath, heartbeatBody("h1"), lines...).want(t, wire.OK)
	}
	operator.do(http.MethodGet, hostsPath, "", "Content-Encoding: gzip").want(t, wire.OK) // nothing is read
}

func TestALongBodyIsRefusedOnEveryRoute(t *testing.T) { // PROTOCOL T7
	const long = 10 << 20
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	before := h.everything()
	for _, r := range h.bodies() {
		for name, body := range map[string]string{
			"JSON":    r.body + strings.Repeat(" ", long-len(r.body)),
			"no JSON": strings.Repeat("[", long),
		} {
			c := r.of(h.agent("h1"), h.operator("anna"))
			c.do(r.method, r.path, body).want(t, wire.BodyTooLarge)
			c.inChunks(r, body).want(t, wire.BodyTooLarge)
			h.unchanged(before, r.name+" with 10 MiB of "+name)
		}
		limit := int(h.server.cfg.MaxBody)
		if r.name == "open_rollout" {
			continue // its limit is tested in TestOnlyOperatorsHaveTheLimitOfManifests
		}
		c := r.of(h.agent("h1"), h.operator("anna"))
		c.do(r.method, r.path, strings.Repeat(" ", limit)).want(t, wire.NotJSON)
		c.do(r.method, r.path, strings.Repeat(" ", limit+1)).want(t, wire.BodyTooLarge)
	}
	h.unchanged(before, "a long body")
}

// inChunks sends a good request with another body, without saying how long it
// is.
func (c *client) inChunks(r goodRequest, body string) answer {
	c.h.t.Helper()
	// A reader of its own type hides the length.
	req := must(http.NewRequest(r.method, "https://"+c.h.server.Addr().String()+r.path, io.MultiReader(strings.NewReader(body))))(c.h.t)
	req.Header.Set("Content-Type", wire.MediaJSON)
	req.Header.Set(wire.HeaderAgent, wire.AgentVersion)
	return c.send(req)
}

func TestABodyWithoutALengthIsReadAllTheSame(t *testing.T) { // PROTOCOL T7
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	agent, operator := h.agent("h1"), h.operator("anna")
	for _, r := range h.bodies() {
		c := r.of(agent, operator)
		before := h.everything()
		c.inChunks(r, r.body[:len(r.body)-1]).want(t, wire.NotJSON)
		c.inChunks(r, "").want(t, wire.NotJSON)
		c.inChunks(r, "[]").want(t, wire.WrongShape)
		h.unchanged(before, r.name)
		if a := c.inChunks(r, r.body); !a.isRead() {
			t.Errorf("%s: %v", r.name, a)
		}
	}
}

func TestTheBodyOfAQuestionIsIgnored(t *testing.T) { // PROTOCOL T7
	release := newTestRelease(t)
	release.write("00ff", testEpoch)
	h := start(t, release.configure, func(c *Config) { c.AllowUnsigned = true })
	h.eventually("the release is opened", func() bool { return strings.Contains(h.rollouts(), "stable@00ff") })
	h.openRollout("stable", "r1", "c1", "h1")
	for _, r := range h.allRoutes() {
		if r.method != http.MethodGet {
			continue
		}
		c := r.of(h.agent("h1"), h.operator("anna"))
		for _, body := range []string{"{", "\x00\xff", strings.Repeat("x", 1<<20)} {
			if a := c.do(r.method, r.path, body, "Content-Type: "); !a.isRead() {
				t.Errorf("%s: %v", r.name, a)
			}
			if a := c.inChunks(r, body); !a.isRead() {
				t.Errorf("%s in chunks: %v", r.name, a)
			}
		}
	}
}

func TestABadQueryIsRefusedAndNamed(t *testing.T) { // PROTOCOL T7, R5
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	agent, operator := h.agent("h1"), h.operator("anna")
	numbers := []string{"", "x", "-1", "1.5", "1e3", "0x10", "１", "99999999999999999999", "%00", "%ff", "1%00", " 1", "null"}
	limits := append([]string{"0", "1001", "-0", "%2B5", "007"}, numbers...)
	names := []string{"a%20b", "a%00b", "%ff", "%c3%28", strings.Repeat("x", 600), "a%2Fb%40", "'%22%3B--"}
	for _, test := range []struct {
		path, parameter string
		values          []string
	}{
		{dispatchPath, "wait", []string{"", "x", "1.5", "1e3", "0x10", "%00", "1s", "1%00", "%2B"}},
		{hostsPath, "limit", limits},
		{hostsPath, "after", names},
		{rolloutsPath, "limit", limits},
		{rolloutsPath, "after", append([]string{"stable", "@", "a@b@c"}, names...)},
		{rolloutsPath + "/stable@r1", "limit", limits},
		{rolloutsPath + "/stable@r1", "after", names},
		{rolloutsPath + "/stable@r1/events", "limit", limits},
		{rolloutsPath + "/stable@r1/events", "after", append([]string{"9223372036854775808", "007"}, numbers[1:]...)},
	} {
		c := operator
		if test.path == dispatchPath {
			c = agent
		}
		before := h.everything()
		for _, value := range test.values {
			a := c.do(http.MethodGet, test.path+"?"+test.parameter+"="+strings.ReplaceAll(value, " ", "+"), "")
			if a.status != http.StatusBadRequest || string(a.problem(t).Field) != test.parameter {
				t.Errorf("%s?%s=%s: got %v, want a bad query that names it", test.path, test.parameter, clip(value), a)
			}
		}
		good := map[string]string{"wait": "0", "limit": "1", "after": "a@b"}[test.parameter]
		a := c.do(http.MethodGet, test.path+"?"+test.parameter+"="+good+"&"+test.parameter+"="+good, "")
		if a.status != http.StatusBadRequest || string(a.problem(t).Field) != test.parameter {
			t.Errorf("%s with %s twice: got %v", test.path, test.parameter, a)
		}
		for _, unreadable := range []string{"%zz", "%", test.parameter + "=%4", "a;b"} {
			c.do(http.MethodGet, test.path+"?"+unreadable, "").want(t, wire.BadQuery)
		}
		h.unchanged(before, "a bad query")
	}
}

func TestAnythingMayStandInAPath(t *testing.T) { // PROTOCOL T11, R5
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.operator("anna")
	before := h.everything()
	for _, name := range []string{
		"%00", "%ff%fe", "%0d%0aX-Evil:%201", "%22%7D", "..", "%2e%2e", "%2F", "%2F%2F", "a@b@c", "@", "%25zz", "-", "h1%20", "H1", "stable@r1%00",
		strings.Repeat("x", 10_000), strings.Repeat("%f0%9f%98%80", 500), "💥", "<script>", "*",
	} {
		for path, want := range map[string]wire.Code{
			hostsPath + "/" + name:                wire.UnknownHost,
			rolloutsPath + "/" + name:             wire.UnknownRollout,
			rolloutsPath + "/" + name + "/events": wire.UnknownRollout,
		} {
			a := c.do(http.MethodGet, path, "")
			a.want(t, want)
			if p := a.problem(t); len(p.Detail) > 500 || a.header.Get("X-Evil") != "" {
				t.Errorf("%s: the refusal echoes too much: %v", clip(path), a)
			}
		}
		c.do(http.MethodPost, rolloutsPath+"/"+name+"/resume", "").want(t, wire.UnknownRollout)
	}
	h.unchanged(before, "a strange path")
}

// raw sends bytes over a TLS connection of its own, says that no more follow,
// and returns the answers.
func (c *client) raw(request string) []*http.Response {
	t := c.h.t
	t.Helper()
	conn := must(tls.Dial("tcp", c.h.server.Addr().String(), withName(c.transport.TLSClientConfig)))(t)
	defer conn.Close()
	// The server may answer and close before it has read everything.
	_, _ = io.WriteString(conn, request)
	_ = conn.CloseWrite()
	var answers []*http.Response
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		answers = append(answers, resp)
	}
}

func TestBytesThatAreNoRequestAreRefused(t *testing.T) { // PROTOCOL T7
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.agent("h1")
	c.heartbeat("h1").want(t, wire.OK)
	before := h.everything()
	const post = "POST /v1/agent/heartbeat HTTP/1.1\r\nHost: plane\r\nContent-Type: application/json\r\n"
	body := heartbeatBody("h1")
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	for name, test := range map[string]struct {
		request string
		want    int
	}{
		"no HTTP":                    {"hello\r\n\r\n", 400},
		"no version":                 {"GET /\r\n\r\n", 400},
		"HTTP/2 without being asked": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404},
		"a version that is none":     {"GET / HTTP/9.9\r\nHost: plane\r\n\r\n", 505},
		"a bad escape in the path":   {"GET /v1/operator/hosts/%zz HTTP/1.1\r\nHost: plane\r\n\r\n", 400},
		"a NUL in the path":          {"GET /v1/\x00 HTTP/1.1\r\nHost: plane\r\n\r\n", 400},
		"no host":                    {"GET / HTTP/1.1\r\n\r\n", 400},
		"a header without a colon":   {post + "nonsense\r\n\r\n", 400},
		"a header with a NUL":        {post + "X: a\x00b\r\n\r\n", 400},
		"a folded header":            {post + " X: y\r\n" + length + "\r\n" + body, 415},
		"a negative length":          {post + "Content-Length: -1\r\n\r\n" + body, 400},
		"two lengths":                {post + length + "Content-Length: 1\r\n\r\n" + body, 400},
		"a length that is none":      {post + "Content-Length: x\r\n\r\n" + body, 400},
		"an unknown coding":          {post + "Transfer-Encoding: gzip\r\n\r\n" + body, 501},
		"an unknown expectation":     {post + "Expect: the best\r\n" + length + "\r\n" + body, 417},
		"a bad chunk":                {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body, 400},
		"an unfinished chunk":        {post + "Transfer-Encoding: chunked\r\n\r\nff\r\n" + body, 400},
		"a short body":               {post + "Content-Length: 1000\r\n\r\n" + body, 400},
		"long headers":               {post + "X-Padding: " + strings.Repeat("x", 64<<10) + "\r\n" + length + "\r\n" + body, 431},
		"many headers":               {post + strings.Repeat("X-Padding: x\r\n", 8<<10) + length + "\r\n" + body, 431},
		"a long path":                {"GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: plane\r\n\r\n", 431},
		"a tunnel":                   {"CONNECT plane:443 HTTP/1.1\r\nHost: plane:443\r\n\r\n", 404},
		"the server itself":          {"OPTIONS * HTTP/1.1\r\nHost: plane\r\n\r\n", 404},
	} {
		answers := c.raw(test.request)
		if len(answers) == 0 || answers[0].StatusCode != test.want {
			status := 0
			if len(answers) > 0 {
				status = answers[0].StatusCode
			}
			t.Errorf("%s: got %d, want %d", name, status, test.want)
		} else if a := answers[0]; a.Header.Get(wire.HeaderRequestID) != "" && a.Header.Get(wire.HeaderContentType) != wire.MediaProblem {
			t.Errorf("%s: an answer of the plane's own is %q, want a problem document", name, a.Header.Get(wire.HeaderContentType))
		}
		h.unchanged(before, name)
	}
	// The exceptions of T10: what net/http answers by itself, before a route is
	// looked for. Every other answer above is a problem document.
	for name, test := range map[string]struct {
		request string
		status  int
		body    string
	}{
		"no HTTP":                {"hello\r\n\r\n", 400, "400 Bad Request"},
		"no host":                {"GET / HTTP/1.1\r\n\r\n", 400, "400 Bad Request: missing required Host header"},
		"two hosts":              {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "400 Bad Request"},
		"a bad host":             {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "400 Bad Request: malformed Host header"},
		"a bad header name":      {"GET / HTTP/1.1\r\nHost: a\r\nb c: d\r\n\r\n", 400, "400 Bad Request: invalid header name"},
		"a bad length":           {post + "Content-Length: x\r\n\r\n" + body, 400, "400 Bad Request"},
		"two lengths":            {post + length + "Content-Length: 1\r\n\r\n" + body, 400, "400 Bad Request"},
		"an unknown coding":      {post + "Transfer-Encoding: gzip\r\n\r\n" + body, 501, "Unsupported transfer encoding"},
		"two codings":            {post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + body, 501, "Unsupported transfer encoding"},
		"an unknown expectation": {post + "Expect: the best\r\n" + length + "\r\n" + body, 417, ""},
		"long headers":           {post + "X-Padding: " + strings.Repeat("x", 64<<10) + "\r\n" + length + "\r\n" + body, 431, "431 Request Header Fields Too Large"},
		"another version":        {"GET / HTTP/9.9\r\nHost: plane\r\n\r\n", 505, "505 HTTP Version Not Supported: unsupported protocol version"},
	} {
		answers := c.raw(test.request)
		if len(answers) != 1 {
			t.Errorf("%s: %d answers, want 1 and the connection closed", name, len(answers))
			continue
		}
		text := string(must(io.ReadAll(answers[0].Body))(t))
		if got := answers[0]; got.StatusCode != test.status || text != test.body || got.Header.Get(wire.HeaderRequestID) != "" {
			t.Errorf("%s: got %d %q (request ID %q), want %d %q and no request ID", name, got.StatusCode, text, got.Header.Get(wire.HeaderRequestID), test.status, test.body)
		}
	}
	// Plain HTTP on the TLS port.
	resp, err := http.Get("http://" + h.server.Addr().String() + heartbeatPath)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: got %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	c.heartbeat("h1").want(t, wire.OK)
}

func TestRequestsMayFollowEachOtherWithoutWaiting(t *testing.T) { // PROTOCOL G3
	h := start(t)
	body := heartbeatBody("h1")
	request := fmt.Sprintf("POST /v1/agent/heartbeat HTTP/1.1\r\nHost: plane\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	bad := strings.Replace(request, heartbeatPath, "/nothing/here/at/all", 1)
	var got []int
	for _, resp := range h.agent("h1").raw(request + bad + request) {
		got = append(got, resp.StatusCode)
	}
	if !slices.Equal(got, []int{200, 404, 200}) {
		t.Errorf("answered %v, want 200, 404, 200", got)
	}
}

// What follows the chunks of a request may have been meant as a part of its body.
func TestRequest_NothingFollowsChunks(t *testing.T) { // PROTOCOL T1
	h := start(t)
	body := heartbeatBody("h1")
	const post = "POST /v1/agent/heartbeat HTTP/1.1\r\nHost: plane\r\nContent-Type: application/json\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	hidden := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(body), body)
	for name, lines := range map[string]string{
		"a length before": fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n", len(chunked)+len(hidden)),
		"a length after":  fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n", len(chunked)),
		"a folded line":   fmt.Sprintf("Transfer-Encoding:\r\n chunked\r\nContent-Length: %d\r\n\r\n", len(chunked)),
		"no length":       "Transfer-Encoding: chunked\r\n\r\n",
	} {
		answers := h.agent("h1").raw(post + lines + chunked + hidden)
		if len(answers) != 1 || answers[0].StatusCode != http.StatusOK || !answers[0].Close {
			t.Errorf("%s: %d answers (%v); want one 200 that closes the connection", name, len(answers), answers)
		}
	}
}
