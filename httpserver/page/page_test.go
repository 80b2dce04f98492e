package page

import (
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// stopped is a clock that the test moves.
func stopped() *clock.Mock {
	c := clock.NewMock()
	c.Set(epoch)
	return c
}

// get is an answer of the page.
func (f *fleet) get(path string) *httptest.ResponseRecorder { return f.do(http.MethodGet, path) }

func (f *fleet) do(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.page.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// wantTexts fails the test for each text that a body does not have.
func wantTexts(t *testing.T, body string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("there is no %q in:\n%s", text, body)
		}
	}
}

func TestThePageIsWholeWithoutAScript(t *testing.T) {
	f := busy(t, stopped(), 200)
	w := f.get("/")
	if w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	wantTexts(t, w.Body.String(), "<dd>193</dd>", "<dd>7</dd>", "1 rollout is halted", "7 hosts are unreachable", "1 closure is quarantined",
		`<a href="rollout?id=canary%402026-01-31">canary@2026-01-31</a>`, "halted by web-00000", "wave 2 of 3 dispatched",
		"<code>saturated</code>", "12\u202f480", "37 of 1\u202f024 places taken", `<a href="host?name=web-00193">web-00193</a>`,
		`<noscript><meta http-equiv="refresh" content="5"></noscript>`)
}

func TestAnEmptyFleetSaysSo(t *testing.T) {
	f := newFleet(t, stopped())
	wantTexts(t, f.get("/").Body.String(), "No host is known yet", "No rollout is in force", "No host is under way", "No host has missed a heartbeat",
		"No closure is quarantined", "Nothing needs an operator", "None since the start")
}

// Every answer has the headers, and no answer has what the policy would refuse.
func TestEveryAnswerIsUnderTheSamePolicy(t *testing.T) {
	f := busy(t, stopped(), 200)
	forbidden := regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:|(?:src|href|action)="(?:[a-z]+:|//)`)
	for _, path := range []string{"/", "/host?name=web-00000", "/host?name=nobody", "/rollout?id=canary%402026-01-31", "/rollout?id=x", "/nothing", "/style.css", "/page.js", "/icon.svg", "/?x=1"} {
		w := f.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if found := forbidden.FindString(w.Body.String()); found != "" && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
			t.Errorf("%s has %q", path, found)
		}
	}
	for _, directive := range []string{"default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, directive) || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy is %s", policy)
		}
	}
}

func TestThePageOnlyReads(t *testing.T) {
	f := busy(t, stopped(), 20)
	state := string(f.plane.AppendState(nil))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "PROPFIND"} {
		for _, path := range []string{"/", "/host?name=web-00000", "/rollout?id=canary%402026-01-31", "/events", "/page.js"} {
			if w := f.do(method, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
	if f.asked != 0 {
		t.Errorf("the plane was asked %d times for methods that are refused", f.asked)
	}
	for _, path := range []string{"/", "/host?name=web-00000", "/rollout?id=canary%402026-01-31"} {
		f.get(path)
		f.do(http.MethodHead, path)
	}
	if got := string(f.plane.AppendState(nil)); got != state {
		t.Error("looking has changed the plane")
	}
}

func TestWhatIsNotThereIsRefusedAsAPage(t *testing.T) {
	f := busy(t, stopped(), 20)
	for _, test := range []struct {
		path   string
		status int
		text   string
	}{
		{"/host?name=nobody", 404, "no host nobody is known"},
		{"/host?name=a%20b", 400, "no hostname"},
		{"/host", 400, "no hostname"},
		{"/rollout?id=stable@r9", 404, "stable@r9"},
		{"/rollout?id=stable", 400, "no rollout"},
		{"/rollout?id=canary%402026-01-31&state=failed", 400, "want Pending"},
		{"/rollout?id=canary%402026-01-31&after=a%20b", 400, "after"},
		{"/rollout?id=canary%402026-01-31&limit=5", 400, "unknown"},
		{"/?x=%3Cscript%3E", 400, "unknown"},
		{"/host?name=a&name=b", 400, "given twice"},
		{"/index.html", 404, "no such page"},
		{"/assets/page.js", 404, "no such page"},
		{"/../page.go", 404, "no such page"},
	} {
		w := f.get(test.path)
		if w.Code != test.status {
			t.Errorf("%s: %d, want %d", test.path, w.Code, test.status)
		}
		wantTexts(t, w.Body.String(), test.text)
		if strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("%s: the text of the caller is not escaped: %s", test.path, w.Body)
		}
	}
}

func TestAHostIsShownWithWhyAndItsRecords(t *testing.T) { // PROTOCOL Y1
	f := busy(t, stopped(), 200)
	for _, name := range []wire.Hostname{"web-00000", "web-00001", "web-00050", "web-00199"} {
		body := f.get("/host?name=" + string(name)).Body.String()
		wantTexts(t, body, string(name), "<h3>Why</h3>", "The rollout is superseded: nothing goes on in it.")
		why, known := f.plane.WhyHost(name, "")
		if !known || len(why.Rollouts) == 0 {
			t.Fatalf("%s: nothing is to be explained", name)
		}
		for _, r := range why.Rollouts {
			if r.AtTarget {
				wantTexts(t, body, "It is at its target")
			}
			for _, fact := range r.Facts {
				wantTexts(t, body, template.HTMLEscapeString(string(fact.Reason)), template.HTMLEscapeString(string(fact.Next)), template.HTMLEscapeString(string(fact.Do)))
			}
		}
	}
	f.step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "alone", At: f.wall()}})
	wantTexts(t, f.get("/host?name=alone").Body.String(), "The host is in no rollout")
}

func TestARolloutIsShownWithWhy(t *testing.T) { // PROTOCOL Y4
	f := busy(t, stopped(), 200)
	for _, id := range []wire.RolloutID{"canary@2026-01-31", "stable@2026-01-31"} {
		body := f.get("/" + rolloutURL(id)).Body.String()
		why := f.step(&plane.QueryRolloutWhy{RolloutID: id}).Document.(*wire.RolloutWhy)
		if len(why.Facts)+len(why.Groups) == 0 {
			t.Fatalf("%s: nothing is to be explained", id)
		}
		for _, fact := range why.Facts {
			wantTexts(t, body, template.HTMLEscapeString(string(fact.Reason)))
		}
		for _, g := range why.Groups {
			wantTexts(t, body, template.HTMLEscapeString(string(g.Fact.Reason)), fmt.Sprintf("<b>%d host", g.Hosts.Count), `<a href="host?name=`+string(g.Hosts.Names[0]))
		}
	}
}

func TestARolloutIsShownWithItsHosts(t *testing.T) {
	f := busy(t, stopped(), 2000)
	body := f.get("/rollout?id=stable%402026-01-31").Body.String()
	wantTexts(t, body, "350 Converged", `rel="next"`, "web-00400", "of 3 dispatched")
	next := regexp.MustCompile(`href="([^"]*)" rel="next"`).FindStringSubmatch(body)
	if next == nil {
		t.Fatal("no next page")
	}
	body = f.get("/" + strings.ReplaceAll(next[1], "&amp;", "&")).Body.String()
	wantTexts(t, body, "web-00500")
	if strings.Contains(body, "web-00499") {
		t.Error("the next page has a host of the first")
	}
	body = f.get("/rollout?id=canary%402026-01-31&state=Reverted").Body.String()
	wantTexts(t, body, "web-00000", `aria-current="true">Reverted`)
	if strings.Contains(body, "web-00001") {
		t.Error("a host of another state is shown")
	}
}

func TestThePlaneIsAskedOnceASecondHoweverManyLook(t *testing.T) {
	clk := stopped()
	f := busy(t, clk, 20)
	for second := 1; second <= 3; second++ {
		for range 25 {
			f.get("/")
		}
		if f.asked != second || f.page.Counts().Renderings != uint64(second) {
			t.Errorf("after 25 pages in second %d the plane was asked %d times, and %d pages were rendered", second, f.asked, f.page.Counts().Renderings)
		}
		clk.Add(time.Second)
	}
}

// While the plane does not answer, the page shows what the server knows.
func TestAPlaneThatDoesNotAnswerIsShownAsItWas(t *testing.T) {
	clk := stopped()
	f := busy(t, clk, 200)
	f.get("/")
	f.edit(func() {
		f.stuck, f.inbox.Depth, f.inbox.Problems = make(chan struct{}), 1024, []string{"wedged: see /livez"}
	})
	for look := range 3 {
		clk.Add(time.Second)
		body := make(chan string)
		go func() { body <- f.get("/").Body.String() }()
		var text string
		for text == "" {
			select {
			case text = <-body:
			case <-time.After(time.Millisecond):
				clk.Add(patience)
			}
		}
		wantTexts(t, text, "the plane has not answered yet", "is of <time>2026-01-31", "wedged: see /livez", "<dd>193</dd>", "1\u202f024 of 1\u202f024 places taken")
		if f.asked != 2 {
			t.Errorf("look %d: the plane was asked %d times, want one question under way", look, f.asked)
		}
	}
	close(f.stuck)
	f.edit(func() { f.stuck = nil })
	for range 5 { // the answer that was late, then one of now
		clk.Add(time.Second)
		if !strings.Contains(f.get("/").Body.String(), "Not current") {
			return
		}
	}
	t.Error("the page does not recover")
}

func TestARefusalOfThePlaneIsShown(t *testing.T) {
	clk := stopped()
	f := busy(t, clk, 20)
	refusal := wire.Unavailable(wire.Saturated, 7*time.Second)
	f.edit(func() { f.refuse = &refusal })
	wantTexts(t, f.get("/").Body.String(), "the plane refused to answer: saturated", "Nothing is known of the hosts yet")
	w := f.get("/host?name=web-00000")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "7" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	f.edit(func() { f.refuse = nil })
	clk.Add(time.Second)
	if body := f.get("/").Body.String(); strings.Contains(body, "Not current") {
		t.Error(body)
	}
}

func TestRefusalsOfTheLastMinuteAreCounted(t *testing.T) {
	clk := stopped()
	f := newFleet(t, clk)
	row := func() string {
		return regexp.MustCompile(`<code>saturated</code>.*?</tr>`).FindString(f.get("/").Body.String())
	}
	f.edit(func() { f.inbox.Refused[1].Count = 5 })
	wantTexts(t, row(), `<td class="n">0</td><td class="n">5</td>`)
	for range 50 {
		clk.Add(time.Second)
		f.edit(func() { f.inbox.Refused[1].Count++ })
		f.get("/")
	}
	wantTexts(t, row(), `<td class="n">50</td><td class="n">55</td>`)
	for range 61 {
		clk.Add(time.Second)
		f.get("/")
	}
	wantTexts(t, row(), `<td class="n">0</td><td class="n">55</td>`)
}

// A large fleet is looked at in pieces: what the last whole round has found is shown.
func TestTheHostsOfAWholeRoundAreShown(t *testing.T) {
	var k knowledge
	answer := func(next wire.Count, names ...string) {
		v := &plane.Overview{Next: next}
		for i, name := range names {
			v.Silent = append(v.Silent, plane.SilentHost{Hostname: wire.Hostname(name), Reachability: wire.Unreachable, Seconds: wire.Count(300 - 100*i)})
		}
		k.take(wire.Outcome{Code: wire.OK, Document: v})
	}
	shown := func() string {
		var names []string
		for _, h := range k.shown.silent {
			names = append(names, string(h.Hostname))
		}
		return strings.Join(names, " ")
	}
	for _, step := range []struct {
		next  wire.Count
		names []string
		want  string
	}{
		{100, []string{"a", "b"}, "a b"}, {200, []string{"c"}, "a c b"}, {0, nil, "a c b"},
		{100, []string{"d"}, "a c b"}, {200, nil, "a c b"}, {0, []string{"e"}, "d e"},
	} {
		answer(step.next, step.names...)
		if got := shown(); got != step.want || k.from != step.next {
			t.Errorf("shown are %q, and the next query is from %d; want %q and %d", got, k.from, step.want, step.next)
		}
	}
}
