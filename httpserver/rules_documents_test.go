package httpserver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// PROTOCOL T8, T9 and T11: how strictly documents, times and names are read.

// document is a document that a route reads.
type document struct {
	name    string
	request goodRequest
	text    string
}

// documents are the good body of every route that reads one, and an event of
// every kind.
func (h *harness) documents() []document {
	h.t.Helper()
	var list []document
	for _, r := range h.bodies() {
		if r.name != "events" {
			list = append(list, document{r.name, r, r.body})
			continue
		}
		for _, kind := range wire.EventKinds {
			text := strings.TrimSuffix(event("h1", "stable@r9", 7, eventKinds[kind.String()]), "}") + `,"signature":"s"}`
			list = append(list, document{kind.String(), r, text})
		}
	}
	return list
}

// isRead reports whether a document has got through all checks of its bytes: if
// it is refused, then by the plane.
func (a answer) isRead() bool {
	switch a.status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusNotFound, http.StatusConflict:
		return true
	default:
		return false
	}
}

func TestUnknownFieldsAreIgnoredOfAgentsAndRefusedOfOperators(t *testing.T) { // PROTOCOL T8
	h := start(t)
	agent, operator := h.agent("h1"), h.operator("anna")
	for _, d := range h.documents() {
		for i, c := range d.text {
			if c != '{' {
				continue
			}
			for _, unknown := range []string{`"x":null`, `"x":{"hostname":[1,{"at":"x"}]}`, `"":"an empty name"`, `"Ünicode":1e999`} {
				body := inserted(d.text, i, unknown)
				a := d.request.of(agent, operator).do(d.request.method, d.request.path, body)
				if d.request.role == operators {
					a.want(t, wire.WrongShape)
				} else if !a.isRead() {
					t.Errorf("%s: %s: %v", d.name, body, a)
				}
			}
		}
	}
}

func TestAFieldInTheWrongCaseIsRefused(t *testing.T) { // PROTOCOL T8
	h := start(t)
	agent, operator := h.agent("h1"), h.operator("anna")
	before := h.everything()
	for _, d := range h.documents() {
		for _, m := range members(t, d.text) {
			first := []rune(m.name)
			first[0] = unicode.ToUpper(first[0])
			for _, wrong := range []string{string(first), strings.ToUpper(m.name)} {
				a := d.request.of(agent, operator).do(d.request.method, d.request.path, m.renamed(d.text, wrong))
				a.want(t, wire.WrongShape)
				want := strings.TrimSuffix(m.path, m.name) + wrong
				if got := a.problem(t).Field; string(got) != want {
					t.Errorf("%s: the field is %q, want %q: %v", d.name, got, want, a)
				}
			}
		}
	}
	h.unchanged(before, "a field in the wrong case")
}

func TestARepeatedFieldIsRefused(t *testing.T) { // PROTOCOL T8
	h := start(t)
	agent, operator := h.agent("h1"), h.operator("anna")
	before := h.everything()
	for _, d := range h.documents() {
		for _, m := range members(t, d.text) {
			escaped := fmt.Sprintf(`\u%04x`, m.name[0]) + m.name[1:]
			for _, body := range []string{m.twice(d.text), m.renamed(m.twice(d.text), escaped)} {
				a := d.request.of(agent, operator).do(d.request.method, d.request.path, body)
				a.want(t, wire.WrongShape)
				if got := a.problem(t).Field; string(got) != m.path {
					t.Errorf("%s: the field is %q, want %q: %s", d.name, got, m.path, body)
				}
			}
		}
	}
	// Also if the first of the two is null, and if nobody knows the name.
	for _, body := range []string{
		`{"hostname":"h1","rollout_id":null,"rollout_id":"stable@r1","at":"` + noon + `"}`,
		`{"hostname":"h1","x":1,"x":1,"at":"` + noon + `"}`,
		`{"hostname":"h1","x":{"y":[{"z":1,"z":2}]},"at":"` + noon + `"}`,
	} {
		agent.do(http.MethodPost, heartbeatPath, body).want(t, wire.WrongShape)
	}
	h.unchanged(before, "a repeated field")
}

func TestTimesAreNormalised(t *testing.T) { // PROTOCOL T9
	h := start(t)
	c := h.agent("h1")
	for at, want := range map[string]string{
		"2026-01-01T00:00:00Z":                "2026-01-01T00:00:00Z",
		"2026-01-01t00:00:00z":                "2026-01-01T00:00:00Z",
		"2026-01-01T02:30:00+02:30":           "2026-01-01T00:00:00Z",
		"2025-12-31T19:00:00-05:00":           "2026-01-01T00:00:00Z",
		"2026-01-01T00:00:00-00:00":           "2026-01-01T00:00:00Z",
		"2026-01-01T23:59:59+23:59":           "2026-01-01T00:00:59Z",
		"2026-01-01T00:00:00.100Z":            "2026-01-01T00:00:00.1Z",
		"2026-01-01T00:00:00.123456789Z":      "2026-01-01T00:00:00.123456789Z",
		"2026-01-01T00:00:00.000000000Z":      "2026-01-01T00:00:00Z",
		"2024-02-29T12:00:00Z":                "2024-02-29T12:00:00Z",
		"0000-01-01T00:00:00Z":                "0000-01-01T00:00:00Z",
		"0000-01-01T01:00:00+01:00":           "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z":      "9999-12-31T23:59:59.999999999Z",
		"9999-12-31T22:59:59.999999999-01:00": "9999-12-31T23:59:59.999999999Z",
	} {
		a := c.do(http.MethodPost, heartbeatPath, `{"hostname":"h1","at":"`+at+`"}`)
		a.want(t, wire.OK)
		if got := `{"received_at":"` + want + `"}`; a.body != got {
			t.Errorf("%s: got %s, want %s", at, a.body, got)
		}
		if got := h.host("h1").LastHeartbeatAt.String(); got != want {
			t.Errorf("%s: the plane holds %s, want %s", at, got, want)
		}
	}
}

// badTimes are strings that are no times of PROTOCOL T9.
var badTimes = []string{
	"", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T00:00Z", "20260101T000000Z",
	"2026-01-01T00:00:00.1234567890Z", // ten digits
	"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00,5Z",
	"2016-12-31T23:59:60Z", "2026-01-01T00:00:60Z", // leap seconds
	"0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", // beyond the years
	"-0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "+2026-01-01T00:00:00Z",
	"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-00T00:00:00Z",
	"2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-1-1T0:0:0Z",
	"2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00UTC",
	"2026-01-01T00:00:00Z ", " 2026-01-01T00:00:00Z", "2026-01-01T00:00:00Zz", "1767225600",
}

func TestABadTimeIsRefusedWhereverItStands(t *testing.T) { // PROTOCOL T9
	h := start(t)
	agent, operator := h.agent("h1"), h.operator("anna")
	before := h.everything()
	times := 0
	for _, d := range h.documents() {
		for _, m := range members(t, d.text) {
			if value := d.text[m.value:m.end]; !strings.HasSuffix(value, `T00:00:00Z"`) {
				continue
			}
			times++
			bad := badTimes
			if d.name != "heartbeat" {
				bad = bad[times%3 : times%3+8] // one reader reads them all
			}
			for _, text := range bad {
				a := d.request.of(agent, operator).do(d.request.method, d.request.path, m.with(d.text, `"`+text+`"`))
				a.want(t, wire.WrongShape)
				if got := a.problem(t).Field; string(got) != m.path {
					t.Errorf("%s: the field is %q, want %q: %q", d.name, got, m.path, text)
				}
			}
		}
	}
	if times < 14 {
		t.Errorf("only %d times are in the documents", times)
	}
	h.unchanged(before, "a bad time")
}

func TestNamesKeepTheirLimits(t *testing.T) { // PROTOCOL T11
	h := start(t)
	long := func(n int) string { return strings.Repeat("x", n) }
	beat := func(host, rollout, closure string) string {
		return fmt.Sprintf(`{"hostname":%q,"rollout_id":%q,"current_closure":%q,"at":%q}`, host, rollout, closure, noon)
	}
	const every = "ABCXYZabcxyz0123456789-._"
	for _, host := range []string{"h", "-", ".", "_", every, long(253)} {
		c := h.connect(must(h.ca.IssueClient(host, pki.Validity{}))(t))
		c.do(http.MethodPost, heartbeatPath, beat(host, "a@b", "c")).want(t, wire.OK)
	}
	c := h.agent("h1")
	const printable = "!\\\"#$%&'()*+,-./0123456789:;<=>?@[]^_`{|}~"
	for _, good := range []string{
		beat("h1", every+"/@"+every+"/", "c"), beat("h1", "a@"+long(510), "c"), beat("h1", long(510)+"@b", "c"), beat("h1", "a/b@/", "c"),
		`{"hostname":"h1","rollout_id":"a@b","current_closure":"` + printable + `","at":"` + noon + `"}`,
		beat("h1", "a@b", long(512)), beat("h1", "a@b", "c"),
	} {
		c.do(http.MethodPost, heartbeatPath, good).want(t, wire.OK)
	}
	before := h.everything()
	for _, test := range []struct{ field, body string }{
		{"hostname", beat("", "a@b", "c")},
		{"hostname", beat(long(254), "a@b", "c")},
		{"hostname", beat("h 1", "a@b", "c")},
		{"hostname", beat("h1/", "a@b", "c")},
		{"hostname", beat("h1:443", "a@b", "c")},
		{"hostname", beat("höst", "a@b", "c")},
		{"hostname", `{"hostname":"h1\u0000","at":"` + noon + `"}`},
		{"rollout_id", beat("h1", "", "c")},
		{"rollout_id", beat("h1", "a", "c")},
		{"rollout_id", beat("h1", "@", "c")},
		{"rollout_id", beat("h1", "a@", "c")},
		{"rollout_id", beat("h1", "@b", "c")},
		{"rollout_id", beat("h1", "a@b@c", "c")},
		{"rollout_id", beat("h1", "a b@c", "c")},
		{"rollout_id", beat("h1", "a@b:c", "c")},
		{"rollout_id", beat("h1", "ä@b", "c")},
		{"rollout_id", beat("h1", "a@"+long(511), "c")},
		{"current_closure", beat("h1", "a@b", "")},
		{"current_closure", beat("h1", "a@b", long(513))},
		{"current_closure", beat("h1", "a@b", "c c")},
		{"current_closure", beat("h1", "a@b", "c\tc")},
		{"current_closure", strings.Replace(beat("h1", "a@b", "c?"), "?", "\x7f", 1)},
		{"current_closure", beat("h1", "a@b", "clôture")},
	} {
		a := c.do(http.MethodPost, heartbeatPath, test.body)
		a.want(t, wire.WrongShape)
		if got := a.problem(t).Field; string(got) != test.field {
			t.Errorf("the field is %q, want %q: %s", got, test.field, test.body)
		}
	}
	h.unchanged(before, "a bad name")
	// The two sides of an ID have to fit together.
	operator := h.operator("anna")
	operator.do(http.MethodPost, rolloutsPath, manifest(long(256), long(255), "c", "h1")).want(t, wire.Created)
	a := operator.do(http.MethodPost, rolloutsPath, manifest(long(256), long(256), "c", "h1"))
	a.want(t, wire.WrongShape)
	if got := a.problem(t).Field; got != "channel_ref" {
		t.Errorf("the field is %q, want channel_ref", got)
	}
	if hosts := read(h, &wire.RolloutStatusSchema, rolloutsPath+"/"+long(256)+"@"+long(255)).Hosts; len(hosts) != 1 {
		t.Errorf("the longest ID has %d hosts, want 1", len(hosts))
	}
}
