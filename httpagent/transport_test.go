package httpagent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func (r *rig) heartbeats(n int) func() bool {
	return func() bool { return len(r.plane.of("heartbeat")) >= n }
}

// withoutPolls refuses polls for long, so that they keep off the connection of
// the heartbeats.
func withoutPolls(respond func(call) answer) func(call) answer {
	return func(c call) answer {
		switch {
		case c.kind == "poll":
			return unavailable(time.Hour)
		case respond != nil:
			return respond(c)
		}
		return answer{}
	}
}

func TestAHeartbeatIsPostedOverTLS13WithTheHostsCertificate(t *testing.T) { // PROTOCOL T1, T6, H
	r := newRig(t)
	r.plane.answers(withoutPolls(nil))
	r.begin()
	r.until("five heartbeats", r.heartbeats(5))
	calls := r.plane.of("heartbeat")
	c := calls[0]
	if c.tls.Version != tls.VersionTLS13 {
		t.Errorf("TLS version %x", c.tls.Version)
	}
	if got := c.tls.PeerCertificates[0].Subject.CommonName; got != "agent-h1.fleet.test" {
		t.Errorf("the certificate is that of %s", got)
	}
	if got := c.header.Values(wire.HeaderProtocol); len(got) != 1 || got[0] != "1" {
		t.Errorf("protocol header %q, want 1", got)
	}
	if got := c.header.Get(wire.HeaderContentType); got != wire.MediaJSON {
		t.Errorf("content type %q, want %q", got, wire.MediaJSON)
	}
	want := wire.HeartbeatRequest{Hostname: testHost, CurrentClosure: "c0", At: wire.TimeOf(c.at)}
	if c.heartbeat != want {
		t.Errorf("heartbeat %+v, want %+v", c.heartbeat, want)
	}
	for _, next := range calls[1:] {
		if next.remote != c.remote {
			t.Errorf("a heartbeat came from %s, the first from %s: the connection was not kept", next.remote, c.remote)
		}
	}
}

func TestHeartbeatsKeepTheirInterval(t *testing.T) { // PROTOCOL A5
	r := start(t)
	began := r.clock.Now()
	r.until("five heartbeats", r.heartbeats(5))
	calls := r.plane.of("heartbeat")
	if first := calls[0].at.Sub(began); first > 6*time.Second {
		t.Errorf("the first heartbeat came after %v, want a tenth of the interval at most", first)
	}
	for i := range calls[1:] {
		// The clock moves in steps of half a second.
		if gap := calls[i+1].at.Sub(calls[i].at); gap < 53500*time.Millisecond || gap > 66*time.Second {
			t.Errorf("%v between two heartbeats, want a minute and a tenth of it more or less", gap)
		}
	}
}

func TestAPollSaysHowLongItMayWait(t *testing.T) { // PROTOCOL D1
	r := start(t)
	r.until("a poll", func() bool { return len(r.plane.of("poll")) > 0 })
	if got, want := r.plane.of("poll")[0].path, "/v1/agent/dispatch?wait=60"; got != want {
		t.Errorf("the poll is %s, want %s", got, want)
	}
}

func TestARequestEndsAtItsClientTimeout(t *testing.T) { // PROTOCOL A6
	for _, test := range []struct {
		kind    agent.RequestKind
		timeout time.Duration
	}{{agent.RequestHeartbeat, 10 * time.Second}, {agent.RequestPoll, 70 * time.Second}} {
		t.Run(test.kind.String(), func(t *testing.T) {
			r := newRig(t)
			r.plane.answers(func(c call) answer { return answer{hold: c.kind == test.kind.String()} })
			r.begin()
			r.until("the request", func() bool { return len(r.plane.of(test.kind.String())) > 0 })
			sent := r.plane.of(test.kind.String())[0].at
			r.advance(sent.Add(test.timeout - time.Millisecond).Sub(r.clock.Now()))
			if n := len(r.exchanges(test.kind)); n != 0 {
				t.Fatalf("a millisecond before the timeout %d requests have ended", n)
			}
			r.clock.Add(time.Millisecond)
			r.settle()
			ended := r.exchanges(test.kind)
			if len(ended) != 1 || ended[0].Status != 0 || !errors.Is(ended[0].Err, errTimeout) {
				t.Fatalf("at the timeout: %+v", ended)
			}
			if ended[0].Elapsed != test.timeout {
				t.Errorf("it took %v, want %v", ended[0].Elapsed, test.timeout)
			}
			r.until("another try", func() bool { return len(r.plane.of(test.kind.String())) > 1 })
		})
	}
}

func TestRetryAfterIsAFloor(t *testing.T) { // PROTOCOL A5, G4
	r := newRig(t)
	r.plane.answers(func(c call) answer {
		if c.kind == "heartbeat" {
			return unavailable(37 * time.Second)
		}
		return answer{}
	})
	r.begin()
	r.until("four heartbeats", r.heartbeats(4))
	calls := r.plane.of("heartbeat")
	for i := range calls[1:] {
		if gap := calls[i+1].at.Sub(calls[i].at); gap < 37*time.Second {
			t.Errorf("heartbeat %d came %v after the one before, want 37s at least", i+1, gap)
		}
	}
	x := r.exchanges(agent.RequestHeartbeat)[0]
	if x.Status != 503 || x.Reason != "saturated" || x.Err != nil {
		t.Errorf("seen as %+v", x)
	}
}

func TestAFastAgentKeepsThePlanesTimes(t *testing.T) { // PROTOCOL A6, G4
	r := newRig(t)
	r.cfg.Clock = NewClock(r.clock, 100)
	r.machine.Machine.(*VirtualMachine).cfg.Clock = r.cfg.Clock
	first := true
	r.plane.answers(withoutPolls(func(c call) answer {
		if first {
			first = false
			return answer{hold: true}
		}
		return unavailable(7 * time.Second)
	}))
	r.begin()
	r.until("three heartbeats", r.heartbeats(3))
	if ended := r.exchanges(agent.RequestHeartbeat); !errors.Is(ended[0].Err, errTimeout) || ended[0].Elapsed != 10*time.Second {
		t.Errorf("the first ended with %v after %v, want the timeout of 10s", ended[0].Err, ended[0].Elapsed)
	}
	calls := r.plane.of("heartbeat")
	if gap := calls[2].at.Sub(calls[1].at); gap < 7*time.Second || gap > 8*time.Second {
		t.Errorf("%v after a Retry-After of 7s", gap)
	}
	// At the agent's own pace, between a tenth of a second and ten.
	if got := calls[1].heartbeat.At.Std().Sub(calls[0].heartbeat.At.Std()); got < 1000*time.Second {
		t.Errorf("the agent's clock shows %v in 10s, want a hundred times as much", got)
	}
}

func TestHeadersThatAnAgentFollows(t *testing.T) { // PROTOCOL H2, G4
	long := strings.Repeat("9", 30)
	for _, test := range []struct {
		name   string
		header http.Header
		want   agent.Answer
		err    string
	}{
		{"none", nil, agent.Answer{}, ""},
		{"a replay from 0", http.Header{"X-Nixfleet-Replay-From": {"0"}}, agent.Answer{Replay: true}, ""},
		{"a replay", http.Header{"X-Nixfleet-Replay-From": {"17"}}, agent.Answer{Replay: true, ReplayFrom: 17}, ""},
		{"no number", http.Header{"X-Nixfleet-Replay-From": {"+17"}}, agent.Answer{}, `is "+17"; want a whole number`},
		{"empty", http.Header{"X-Nixfleet-Replay-From": {""}}, agent.Answer{}, `is ""`},
		{"two of them", http.Header{"X-Nixfleet-Replay-From": {"1", "2"}}, agent.Answer{}, "is given 2 times"},
		{"seconds", http.Header{"Retry-After": {"7"}}, agent.Answer{RetryAfter: 7 * time.Second}, ""},
		{"a day at most", http.Header{"Retry-After": {"86401"}}, agent.Answer{RetryAfter: 24 * time.Hour}, ""},
		{"beyond all numbers", http.Header{"Retry-After": {long}}, agent.Answer{RetryAfter: 24 * time.Hour}, ""},
		{"a date", http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, agent.Answer{}, ""},
		{"the past", http.Header{"Retry-After": {"-1"}}, agent.Answer{}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.Status = 409
			if test.err != "" {
				test.want.Status = 0
			}
			got, err := readHeader(&http.Response{StatusCode: 409, Header: test.header})
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

func TestWhatCannotBeReadIsADefectAndTriedAgain(t *testing.T) {
	for _, test := range []struct {
		name   string
		write  func(w http.ResponseWriter)
		status int
		defect bool
	}{
		{"no JSON", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") }, 200, true},
		{"another shape", func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"received_at":7}`) }, 200, true},
		{"an unreadable header", func(w http.ResponseWriter) {
			w.Header().Set(wire.HeaderReplayFrom, "soon")
			_, _ = io.WriteString(w, `{"received_at":null}`)
		}, 0, true},
		{"half a body", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"received_at":`)
		}, 0, false},
		{"too much", func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, maxAnswer+1)) }, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.plane.answers(func(c call) answer {
				if c.kind == "heartbeat" && len(r.plane.calls) <= 2 {
					return answer{raw: test.write}
				}
				return answer{}
			})
			r.begin()
			r.until("another heartbeat", r.heartbeats(3))
			x := r.exchanges(agent.RequestHeartbeat)[0]
			if x.Status != test.status || x.Defect != test.defect || x.Err == nil {
				t.Errorf("seen as %+v", x)
			}
			if got := r.logs.has("could not be read"); got != test.defect {
				t.Errorf("logged as a defect: %v\n%s", got, r.logs)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	r := newRig(t)
	r.plane.answers(func(c call) answer {
		return answer{raw: func(w http.ResponseWriter) {
			w.Header().Set("Location", "/v1/elsewhere") // the fake plane knows no such path
			w.WriteHeader(http.StatusTemporaryRedirect)
		}}
	})
	r.begin()
	r.until("a heartbeat", func() bool { return len(r.exchanges(agent.RequestHeartbeat)) > 0 })
	if x := r.exchanges(agent.RequestHeartbeat)[0]; x.Status != http.StatusTemporaryRedirect {
		t.Errorf("seen as %+v", x)
	}
}

func TestAPlaneOfAnotherCAIsNotTrusted(t *testing.T) { // PROTOCOL T1
	r := newRig(t)
	r.cfg.RootCAs = newAuthority(t).pool()
	r.begin()
	r.until("failures", func() bool {
		return len(r.exchanges(agent.RequestHeartbeat)) > 1 && len(r.exchanges(agent.RequestPoll)) > 1
	})
	x := r.exchanges(agent.RequestHeartbeat)[0]
	var unknown x509.UnknownAuthorityError
	if !errors.As(x.Err, &unknown) || x.Status != 0 {
		t.Errorf("seen as %+v", x)
	}
	if n := strings.Count(r.logs.String(), "a request failed"); n != 2 {
		t.Errorf("%d lines of failures, want one a kind\n%s", n, r.logs)
	}
}

func TestAnOlderTLSIsNotSpoken(t *testing.T) { // PROTOCOL T1
	r := newRig(t)
	r.plane.maxTLS = tls.VersionTLS12
	r.begin()
	r.until("a failure", func() bool { return len(r.exchanges(agent.RequestHeartbeat)) > 0 })
	if x := r.exchanges(agent.RequestHeartbeat)[0]; x.Err == nil || !strings.Contains(x.Err.Error(), "protocol version") {
		t.Errorf("seen as %+v", x)
	}
}

func TestAStopCutsOffWhatIsUnderWay(t *testing.T) {
	r := newRig(t)
	machine := new(hangingMachine)
	r.machine.Machine = machine
	r.plane.answers(func(c call) answer {
		switch {
		case c.kind == "heartbeat":
			return answer{hold: true}
		case c.kind == "event":
			return noContent()
		case len(r.plane.calls) < 3:
			return dispatch("edge@1", "c1", 0)
		}
		return answer{}
	})
	r.begin()
	r.until("an activation", func() bool { return r.machine.begun("activate c1") > 0 && len(r.plane.of("heartbeat")) > 0 })
	if err := r.halt(); err != nil {
		t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy != 0 {
		t.Errorf("%d calls into the machine are under way after the stop", r.busy)
	}
}

// hangingMachine does nothing until it is told to stop.
type hangingMachine struct{}

func (m *hangingMachine) CurrentClosure() wire.Closure { return "c0" }
func (m *hangingMachine) NextBoot() wire.Closure       { return "" }

func (m *hangingMachine) Probes() []wire.ProbeDeclaration { return testProbes }

func (m *hangingMachine) Activate(ctx context.Context, closure wire.Closure) agent.ActivationEnded {
	<-ctx.Done()
	return agent.ActivationEnded{}
}

func (m *hangingMachine) RollBack(ctx context.Context, closure wire.Closure) agent.RollbackEnded {
	<-ctx.Done()
	return agent.RollbackEnded{}
}

func (m *hangingMachine) Probe(ctx context.Context, probe wire.ProbeDeclaration) agent.Probed {
	<-ctx.Done()
	return agent.Probed{Status: wire.Pass} // not looked at
}
