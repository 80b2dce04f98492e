package httpserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// A giant manifest is opened on a server with a database on disk, over mutual TLS,
// while hosts send heartbeats at a steady pace. The test verifies what the operator
// and the hosts are answered; how long that took it prints, since the machine that
// runs it may be busy.
//
// REFRAIN_GIANT_HOSTS is how many hosts the manifest has.

const (
	giantHostsVariable = "REFRAIN_GIANT_HOSTS"
	giantDefault       = 30_000
	// giantSenders hosts send a heartbeat every giantEvery.
	giantSenders = 8
	giantEvery   = 80 * time.Millisecond
)

func TestGiantManifest_OpensBesideHeartbeats(t *testing.T) {
	hosts := giantDefault
	if text := os.Getenv(giantHostsVariable); text != "" {
		hosts = must(strconv.Atoi(text))(t)
	}
	body := giantManifest(hosts)
	db := must(sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "plane.db")))(t)
	ca := must(pki.New(pki.Config{Suffix: testSuffix}))(t)
	cert := must(ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{}))(t)
	server := must(New(Config{
		Listen: "127.0.0.1:0", OpsListen: OpsOff, Certificate: &cert, ClientCAs: ca.Pool(), AgentCNSuffix: testSuffix,
		Logger: slog.New(slog.DiscardHandler), Store: db, FlightDir: t.TempDir(), MaxManifest: int64(len(body)),
	}))(t)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	base := "https://" + server.Addr().String()
	connect := func(cert tls.Certificate) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{cert}}}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}

	beats := newGiantBeats()
	var sending sync.WaitGroup
	stop := make(chan struct{})
	for i := range giantSenders {
		name := giantHost(i)
		client := connect(must(ca.IssueAgent(name, pki.Validity{}))(t))
		sending.Go(func() { beats.send(t, client, base, name, time.Duration(i)*giantEvery/giantSenders, stop) })
	}
	time.Sleep(time.Second)

	operator := connect(must(ca.IssueOperator("anna", pki.Validity{}))(t))
	began := time.Now()
	status, header, answer := giantAsk(t, operator, http.MethodPost, base+"/v1/operator/rollouts", body)
	answered := time.Since(began)
	location := "/v1/operator/rollouts/stable@giant"
	if status == http.StatusAccepted {
		if got := header.Get("Location"); got != location {
			t.Errorf("Location is %q, want %q", got, location)
		}
	} else if status != http.StatusCreated {
		t.Errorf("the manifest is answered %d %s; want 201 or 202", status, answer)
	}
	polls := map[int]int{}
	for {
		got, _, text := giantAsk(t, operator, http.MethodGet, base+location+"?limit=1", nil)
		polls[got]++
		var rollout struct {
			State  string
			Counts map[string]int
		}
		if err := json.Unmarshal(text, &rollout); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if got == http.StatusOK && rollout.State == "Opening" {
			if n := rollout.Counts["pending"]; n != hosts {
				t.Errorf("the rollout is open with %d of %d hosts: %s", n, hosts, text)
			}
			break
		}
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("the rollout is not open after 5 minutes; last answer: %d %s", got, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
	open := time.Since(began)
	during := beats.count()
	time.Sleep(2 * time.Second)
	close(stop)
	sending.Wait()
	t.Logf("%d hosts, %d MiB of JSON; answered %d after %.1f s; open after %.1f s; answers of GET meanwhile %v",
		hosts, len(body)>>20, status, answered.Seconds(), open.Seconds(), polls)
	t.Logf("heartbeats until then: %s", beats.figures(0, during))
	t.Logf("heartbeats 2 s after:  %s", beats.figures(during, beats.count()))
	t.Logf("memory of the process, both ends of the wire: peak %d MiB, now %d MiB", giantMemory("VmHWM:")>>10, giantMemory("VmRSS:")>>10)
	if beats.refused > 0 {
		t.Errorf("%d heartbeats were refused, the first with %s; want none", beats.refused, beats.refusal)
	}
}

func giantHost(i int) string { return fmt.Sprintf("host-%07d", i) }

// giantManifest is the body of a manifest with so many hosts, in two waves.
func giantManifest(hosts int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"channel":"stable","channel_ref":"giant","serial":1,"policy":{"on_health_failure":"halt","waves":[{"soak_minutes":5},{"soak_minutes":60}]},"hosts":[`)
	for i := range hosts {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"hostname":%q,"wave":%d,"target_closure":"/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-26.05"}`, giantHost(i), i%2)
	}
	b.WriteString("]}")
	return b.Bytes()
}

func giantAsk(t *testing.T, c *http.Client, method, url string, body []byte) (int, http.Header, []byte) {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body)))(t)
	req.Header.Set("Content-Type", wire.MediaJSON)
	resp := must(c.Do(req))(t)
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header, must(io.ReadAll(resp.Body))(t)
}

// giantMemory reads a line of this process's status, in KiB; 0 where there is none.
func giantMemory(line string) (kib int) {
	status, _ := os.ReadFile("/proc/self/status")
	for text := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(text, line); found {
			kib, _ = strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return kib
}

// giantBeats has how long each heartbeat took from when it was due, in the order of
// their answers.
type giantBeats struct {
	mu      sync.Mutex
	took    []time.Duration
	refused int
	refusal string
}

func newGiantBeats() *giantBeats { return new(giantBeats) }

// send sends the heartbeats of one host. One that is due while the one before is
// not answered waits, and its time counts from when it was due.
func (g *giantBeats) send(t *testing.T, c *http.Client, base, name string, first time.Duration, stop <-chan struct{}) {
	body := []byte(`{"hostname":"` + name + `","at":"2026-01-31T12:00:00Z"}`)
	due := time.Now().Add(first)
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Until(due)):
		}
		status, _, text := giantAsk(t, c, http.MethodPost, base+"/v1/agent/heartbeat", body)
		g.mu.Lock()
		g.took = append(g.took, time.Since(due))
		if status != http.StatusOK {
			if g.refused == 0 {
				g.refusal = strconv.Itoa(status) + " " + string(text)
			}
			g.refused++
		}
		g.mu.Unlock()
		due = due.Add(giantEvery)
	}
}

func (g *giantBeats) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.took)
}

func (g *giantBeats) figures(from, to int) string {
	g.mu.Lock()
	sorted := slices.Sorted(slices.Values(g.took[from:to]))
	g.mu.Unlock()
	at := func(p int) time.Duration {
		return sorted[min(len(sorted)*p/100, len(sorted)-1)].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("%d, p50 %v, p99 %v, longest %v", len(sorted), at(50), at(99), sorted[len(sorted)-1].Round(time.Millisecond))
}
