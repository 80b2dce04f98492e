package attack

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// What the judgement finds, tested on results and servers that deserve it.

func TestResult_BrokenLimitsAreNamed(t *testing.T) {
	quiet := Window{Requests: 100, P99: 100}
	for name, test := range map[string]struct {
		result Result
		want   []string
	}{
		"well":          {Result{Quiet: quiet, During: Window{Requests: 100, Failed: 1, P99: 300}, Recovered: true}, nil},
		"below floor":   {Result{Quiet: Window{P99: 1}, During: Window{Requests: 9, P99: 200}, Recovered: true}, nil},
		"failures":      {Result{Quiet: quiet, During: Window{Requests: 50, Failed: 1}, Recovered: true}, []string{"2.0 % of the honest requests failed; want at most 1.0 %"}},
		"slow":          {Result{Quiet: quiet, During: Window{Requests: 50, P99: 301}, Recovered: true}, []string{"p99 was 301 ms; want at most 300 ms"}},
		"slow events":   {Result{Quiet: quiet, During: Window{EventP99: 201}, Recovered: true}, []string{"p99 of events was 201 ms; want at most 200 ms"}},
		"no recovery":   {Result{RecoverySeconds: 30}, []string{"the hosts were not answered as before within 30 s"}},
		"dead":          {Result{Dead: "the server ended", Recovered: true}, []string{"the server ended"}},
		"what is wrong": {Result{Attackers: findings{Wrong: []string{"x"}}, Recovered: true}, []string{"x"}},
	} {
		test.result.judge(DefaultLimits())
		if !slices.Equal(test.result.Problems, test.want) {
			t.Errorf("%s: got %q, want %q", name, test.result.Problems, test.want)
		}
		report := Report{Results: []Result{test.result}}
		if report.Withstood() != (test.want == nil) {
			t.Errorf("%s: withstood is %t", name, report.Withstood())
		}
	}
}

func TestLedger_AWindowHasItsRequestsOnly(t *testing.T) {
	var l ledger
	began := time.Now()
	for i := range 100 {
		cause := ""
		if i%50 == 0 {
			cause = "503 saturated"
		}
		l.add(request{at: began.Add(time.Duration(i) * time.Second), took: time.Duration(i) * time.Millisecond}, cause)
	}
	w, ended := l.window(began, began.Add(100*time.Second))
	if want := (Window{Requests: 100, Failed: 2, P50: 49, P99: 99}); w != want || !ended {
		t.Errorf("got %+v, ended %t; want %+v", w, ended, want)
	}
	if w, _ := l.window(began.Add(10*time.Second), began.Add(20*time.Second)); w.Requests != 10 || w.P99 != 19 {
		t.Errorf("a part has %+v; want 10 requests and 19 ms", w)
	}
	r := l.begin(true)
	if _, ended := l.window(r.at, r.at.Add(time.Hour)); ended {
		t.Error("a window has ended although a request has not")
	}
	l.end(r, time.Second, "")
	if w, ended := l.window(r.at, r.at.Add(time.Hour)); !ended || w.EventP99 != 1000 {
		t.Errorf("an event has %+v, ended %t; want 1000 ms of events", w, ended)
	}
	if got := l.failures()["503 saturated"]; got != 2 {
		t.Errorf("%d failures are counted by their cause, want 2", got)
	}
}

func TestAddress_OnlyTheLoopbackIsAttacked(t *testing.T) {
	for address, good := range map[string]bool{
		"127.0.0.1:0": true, "127.9.9.9:80": true, "[::1]:443": true, "[::ffff:127.0.0.1]:1": true,
		"10.0.0.1:443": false, "0.0.0.0:443": false, "[::]:0": false, "192.0.2.1:1": false, "localhost:1": false, "127.0.0.1": false, "": false,
	} {
		if err := checkLoopback(address); (err == nil) != good {
			t.Errorf("%s: got %v", address, err)
		}
		if address != "" {
			if _, err := Run(t.Context(), Config{Binary: "/nowhere", Listen: address, Attacks: []Attack{}}); (err == nil) != good {
				t.Errorf("listening on %s: got %v", address, err)
			}
		}
		line, _ := json.Marshal(plan{Attack: "idle", Address: address})
		err := runAttacker(bufio.NewReader(strings.NewReader(string(line)+"\n")), func(message) {})
		if refused := err != nil && strings.Contains(err.Error(), "the loopback"); refused == good {
			t.Errorf("attacking %s: got %v", address, err)
		}
	}
}

// bareServer is a server that refuses nothing.
func bareServer(t *testing.T) *attacker {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	authority, err := pki.New(pki.Config{Suffix: fleetSuffix})
	if err != nil {
		t.Fatal(err)
	}
	return &attacker{plan: plan{Address: server.Listener.Addr().String(), Short: true}, authority: authority}
}

func TestAttacker_NoticesWhatMustNotHappen(t *testing.T) {
	a := bareServer(t)
	pair, err := a.agent(0)
	if err != nil {
		t.Fatal(err)
	}
	want := func(text string) {
		t.Helper()
		if !slices.ContainsFunc(a.findings().Wrong, func(wrong string) bool { return strings.Contains(wrong, text) }) {
			t.Errorf("%q is not noticed, but %q", text, a.findings().Wrong)
		}
	}
	if err := a.smuggle(t.Context(), pair, ambiguities()[0]); err != nil {
		t.Fatal(err)
	}
	want("the request within it is answered 200")
	bogus, err := BogusChain("agent", 1)
	if err != nil {
		t.Fatal(err)
	}
	a.bogusHandshake(t.Context(), &bogus)
	want("a certificate that the CA did not sign is answered 200")
	l, err := a.connect(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	got, err := l.do(http.MethodPost, heartbeatPath, "{}")
	a.refusedAs("kept", got, err)
	want("over a kept connection a certificate that is no longer good is answered 200")
}

func TestReport_TableIsAligned(t *testing.T) {
	r := Report{Results: []Result{
		{Name: "idle", During: Window{Requests: 1000, P50: 1, P99: 20}, Quiet: Window{P99: 10}, Recovered: true, ResidentBytes: 40e6, Descriptors: 90, DescriptorLimit: 4096},
		{Name: "disk", During: Window{Requests: 10, Failed: 1}, Failures: map[string]int{"503 saturated": 1}, DatabaseBytes: 2e6, Problems: []string{"x"}},
	}}
	var text, page strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteMarkdown(&page); err != nil {
		t.Fatal(err)
	}
	want := `attack  requests  failed  p50 ms  p99 ms  quiet  event p99  quiet  recovery s  RSS MB  descriptors  CPU   database MB  verdict
idle    1000      0.0 %   1.0     20.0    10.0   -          -      0.0         40      90 of 4096   0.00  0.0          withstood
disk    10        10.0 %  -       -       -      -          -      none        -       -            -     2.0          BROKEN

disk  failed: 503 saturated 1
disk  BROKEN: x

BROKEN by 1 of 2 attacks
`
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
	wantPage := `| attack | requests | failed | p50 ms | p99 ms | quiet | event p99 | quiet | recovery s | RSS MB | descriptors | CPU | database MB | verdict |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|
| idle | 1000 | 0.0 % | 1.0 | 20.0 | 10.0 | - | - | 0.0 | 40 | 90 of 4096 | 0.00 | 0.0 | withstood |
| disk | 10 | 10.0 % | - | - | - | - | - | none | - | - | - | 2.0 | BROKEN |
`
	if page.String() != wantPage {
		t.Errorf("got\n%s\nwant\n%s", page.String(), wantPage)
	}
}
