package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// realPlane is a real server on the loopback, with a directory of certificates and
// an operator. Agents that are tested against it live in fast time, and the
// tests wait for what has to happen, however long it takes.
type realPlane struct {
	t        *testing.T
	demo     demo
	server   *httpserver.Server
	listener string // its address, kept over restarts
	manifest *wire.Manifest
}

func startPlane(t *testing.T, hosts ...string) *realPlane {
	t.Helper()
	before := goleak.IgnoreCurrent()
	p := &realPlane{t: t, demo: demo{dir: t.TempDir()}, listener: "127.0.0.1:0"}
	o := atOnce()
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(pki.Init(p.demo.dir, devSuffix, o))
	check(pki.Server(p.demo.dir, []string{"127.0.0.1"}, o))
	check(pki.Operator(p.demo.dir, []string{devOperator}, o))
	if len(hosts) > 0 {
		check(pki.Agent(p.demo.dir, hosts, o))
	}
	p.start()
	t.Cleanup(func() {
		p.stop()
		goleak.VerifyNone(t, before)
	})
	return p
}

// start brings a plane up that knows nothing.
func (p *realPlane) start() {
	p.t.Helper()
	listener, err := net.Listen("tcp", p.listener)
	if err != nil {
		p.t.Fatal(err)
	}
	p.listener = listener.Addr().String()
	p.demo.url = "https://" + p.listener
	file := func(name string) string { return filepath.Join(p.demo.dir, name) }
	p.server, err = httpserver.New(httpserver.Config{
		Listener: listener, OpsListen: httpserver.OpsOff,
		CertFile: file("server.crt"), KeyFile: file("server.key"), ClientCAFile: file("ca.crt"), AgentCNSuffix: devSuffix,
		Logger: slog.New(slog.DiscardHandler), Store: memory.New(0), CheckInvariants: true,
	})
	if err == nil {
		err = p.server.Start(p.t.Context())
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *realPlane) stop() {
	if err := p.server.Shutdown(context.Background()); err != nil {
		p.t.Errorf("shutdown: %v", err)
	}
}

// open opens a rollout of two waves over hosts, half of them in each.
func (p *realPlane) open(hosts ...string) {
	p.t.Helper()
	p.manifest = &wire.Manifest{
		Channel: "edge", ChannelRef: "1",
		Policy: wire.Policy{OnHealthFailure: wire.RollbackAndHalt, Waves: []wire.Wave{{SoakMinutes: 1}, {SoakMinutes: 2}}},
	}
	for i, host := range hosts {
		p.manifest.Hosts = append(p.manifest.Hosts, wire.ManifestHost{
			Hostname: wire.Hostname(host), Wave: wire.Count(2 * i / len(hosts)), TargetClosure: "c1",
		})
	}
	p.openAgain()
}

func (p *realPlane) openAgain() {
	p.t.Helper()
	if err := p.demo.open(p.t.Context(), p.manifest); err != nil {
		p.t.Fatal(err)
	}
}

// status returns what an operator sees of the rollout.
func (p *realPlane) status() (s wire.RolloutStatus) {
	p.t.Helper()
	p.get("/v1/operator/rollouts/"+string(p.manifest.ID()), func(body []byte) error {
		return wire.DecodeDocument(new(wire.Decoder), &wire.RolloutStatusSchema, body, &s)
	})
	return s
}

func (p *realPlane) get(path string, read func(body []byte) error) {
	p.t.Helper()
	response, err := p.demo.send(p.t.Context(), demoRequest{Cert: "operators/" + devOperator, Path: path})
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != 200 {
		err = fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	if err == nil {
		err = read(body)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// patience is how long tests wait for what has to happen: only a test that would wait
// for ever ends by it, however slow the machine is.
const patience = 5 * time.Minute

// until waits for something to be so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// fleet makes a fleet for the plane.
func (p *realPlane) fleet(names []string, edits ...func(*fleetConfig)) *fleet {
	p.t.Helper()
	cfg := fleetConfig{
		URL: p.demo.url, CAFile: filepath.Join(p.demo.dir, "ca.crt"), Dir: p.demo.dir, Names: names, Interval: time.Minute, Speed: 300, Seed: 1,
		Logger: slog.New(slog.DiscardHandler), Problems: io.Discard,
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	f, err := newFleet(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

// run runs a fleet until it is stopped.
func (p *realPlane) run(f *fleet) (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.run(ctx) }()
	return func() {
		p.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("the fleet ended with %v", err)
		}
	}
}

func TestAFleetBringsARolloutToItsEnd(t *testing.T) { // PROTOCOL A, R2
	// A legacy agent keeps nothing of a rollout that is finished.
	for kind, end := range map[string]string{"full": "Converged", "legacy": "Idle"} {
		t.Run(kind, func(t *testing.T) {
			names := fleetNames(4)
			p := startPlane(t, names...)
			p.open(names...)
			f := p.fleet(names, func(c *fleetConfig) { c.Legacy = kind == "legacy" })
			stop := p.run(f)
			until(t, "the rollout is terminal", func() bool { return p.status().State == wire.Terminal })
			stop()
			if got := p.status().Counts; got != (wire.StateCounts{Converged: 4}) {
				t.Errorf("the plane counts %+v", got)
			}
			checkHeartbeatsAreNow(t, &p.demo, names)
			s := f.summary(kind)
			if s.States[end] != 4 || s.Unheard != 0 || s.Defects != 0 || s.Unauthorised != 0 || s.Events.Count < 4*7 {
				t.Errorf("the fleet says %+v", s)
			}
			if err := s.judge(); err != nil {
				t.Errorf("judged as %v", err)
			}
		})
	}
}

func TestAHostThatFailsRollsBackAndHaltsItsRollout(t *testing.T) { // PROTOCOL A7, R2, R3
	names := fleetNames(4)
	p := startPlane(t, names...)
	p.open(names...)
	f := p.fleet(names, func(c *fleetConfig) { c.Failing, c.Deferring = 1, 1 })
	stop := p.run(f)
	until(t, "one host is back and the other has booted", func() bool {
		counts := p.status().Counts
		return counts.Reverted == 1 && counts.Converged == 1
	})
	stop()
	s := p.status()
	if s.State != wire.Halted || s.HaltedBy != "host-0001" || s.Counts != (wire.StateCounts{Reverted: 1, Converged: 1, Pending: 2}) {
		t.Errorf("the plane says %+v", s)
	}
	if got := f.hosts[0].machine.CurrentClosure(); got != initialClosure {
		t.Errorf("the host that failed runs %s", got)
	}
}

func TestAPlaneThatLostEverythingLearnsItFromTheAgents(t *testing.T) { // PROTOCOL R6, A3, E6, H2
	names := fleetNames(4)
	p := startPlane(t, names...)
	p.open(names...)
	f := p.fleet(names)
	stop := p.run(f)
	until(t, "the first wave has converged", func() bool { return p.status().Counts.Converged >= 2 })
	before := p.status()
	p.stop()
	p.start()
	p.openAgain()
	until(t, "the rollout is terminal", func() bool { return p.status().State == wire.Terminal })
	stop()
	after := p.status()
	if after.Counts != (wire.StateCounts{Converged: 4}) {
		t.Errorf("the plane counts %+v", after.Counts)
	}
	for i := range before.Hosts {
		was, is := before.Hosts[i].Snapshot, after.Hosts[i].Snapshot
		if was.State == wire.Converged && (is.LastEventSeq < was.LastEventSeq || is.ActivationCompletedAt != was.ActivationCompletedAt) {
			t.Errorf("the plane knew %+v and knows %+v", was, is)
		}
	}
	if s := f.summary("full"); s.Replays == 0 && s.Refused["404 unknown_rollout"] == 0 {
		t.Errorf("no request was sent: %+v", s)
	}
}

func TestAnAgentWithALogOnDiskOutlivesItsProcess(t *testing.T) { // PROTOCOL A1, A9
	p := startPlane(t, "web-1")
	p.open("web-1")
	hostTime := httpagent.NewClock(clock.New(), 60)
	machine, err := httpagent.NewVirtualMachine(httpagent.VirtualMachineConfig{
		Closure: "c0", Probes: fleetProbes, Seed: 1, Clock: hostTime,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	path := filepath.Join(t.TempDir(), "agent.log")
	pair := filepath.Join(p.demo.dir, "agents", "web-1")
	live := func(reached func() bool) {
		t.Helper()
		log, err := httpagent.OpenFileLog(path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		driver, err := httpagent.New(httpagent.Config{
			Agent: agent.Config{Hostname: "web-1", Seed: 1}, URL: p.demo.url,
			CertFile: pair + ".crt", KeyFile: pair + ".key", CAFile: filepath.Join(p.demo.dir, "ca.crt"),
			Log: log, Machine: machine, Clock: hostTime, Logger: slog.New(slog.DiscardHandler), CheckInvariants: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- driver.Run(ctx) }()
		until(t, "the end of this life", reached)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	counts := func(of wire.State) func() bool {
		return func() bool { s := p.status(); return *s.Counts.Of(of) == 1 }
	}
	live(counts(wire.Activating))
	live(counts(wire.Soaking))
	// What a crash leaves of a line is no obstacle.
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString(`event {"rollout_id":"edge@1","ev`)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	live(counts(wire.Converged))

	var seqs []wire.Seq
	p.get("/v1/operator/rollouts/edge@1/events", func(body []byte) error {
		var page struct {
			Events []struct{ Event struct{ Seq wire.Seq } }
		}
		err := json.Unmarshal(body, &page)
		for _, e := range page.Events {
			if e.Event.Seq > 0 {
				seqs = append(seqs, e.Event.Seq)
			}
		}
		return err
	})
	for i, seq := range seqs {
		if seq != wire.Seq(i+1) {
			t.Errorf("the plane applied the events %v, want each number once", seqs)
			break
		}
	}
	if len(seqs) < 7 {
		t.Errorf("the plane applied the events %v", seqs)
	}
}

func TestAFleetThatIsRefusedSaysSo(t *testing.T) { // PROTOCOL T1, T5
	names := fleetNames(2)
	p := startPlane(t, names...)
	pair, err := tls.LoadX509KeyPair(filepath.Join(p.demo.dir, "agents", "host-0001.crt"), filepath.Join(p.demo.dir, "agents", "host-0001.key"))
	if err != nil {
		t.Fatal(err)
	}
	revoke := wire.RevocationRequest{Force: true, CommonName: wire.CommonName(pair.Leaf.Subject.CommonName), RevokedBefore: wire.TimeOf(pair.Leaf.NotBefore.Add(time.Millisecond))}
	until(t, "the revocation is no longer in the future", func() bool { return revoke.RevokedBefore.Before(wire.TimeOf(time.Now())) })
	response, err := p.demo.send(t.Context(), demoRequest{
		Cert: "operators/" + devOperator, Path: "/v1/operator/revocations", Body: string(wire.RevocationRequestSchema.Append(nil, &revoke)),
	})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	var problems bytes.Buffer
	f := p.fleet(names, func(c *fleetConfig) { c.Problems = &problems })
	stop := p.run(f)
	until(t, "both have asked", func() bool {
		return f.tally.unauthorised.Load() > 0 && f.tally.heartbeats.total() > 0 && f.tally.unheard.Load() == 1
	})
	stop()
	s := f.summary("full")
	if s.Unheard != 1 || s.Refused["401 certificate_revoked"] == 0 {
		t.Errorf("the fleet says %+v", s)
	}
	if err := s.judge(); !errors.Is(err, errUnsound) || !strings.Contains(err.Error(), "1 of 2 hosts") {
		t.Errorf("judged as %v", err)
	}
	if want := "note: host-0001: refused: 401 certificate_revoked"; strings.Count(problems.String(), want) != 1 {
		t.Errorf("told %q, want %q once", problems.String(), want)
	}
}

func TestMissingCertificatesAreIssuedIfTheKeyIsThere(t *testing.T) {
	dir := t.TempDir()
	names := fleetNames(3)
	told := func(dir string) (string, error) {
		var w bytes.Buffer
		err := ensureFleetPKI(dir, names, &w)
		return w.String(), err
	}
	want := func(err error, code int, parts ...string) {
		t.Helper()
		var command *commandError
		if !errors.As(err, &command) || command.code != code {
			t.Fatalf("got %v, want exit code %d", err, code)
		}
		for _, part := range parts {
			if text := err.Error() + command.hint; !strings.Contains(text, part) {
				t.Errorf("got %q, want %q", text, part)
			}
		}
	}
	_, err := told(dir)
	want(err, exitUsage, "3 of 3 hosts have no certificate", "host-0001", "ca.key", "refrain pki agent host-0001 --dir "+dir)
	if _, err := pki.Init(dir, "fleet.test", atOnce()); err != nil {
		t.Fatal(err)
	}
	if text, err := told(dir); err != nil || !strings.Contains(text, "issuing 3 certificates") {
		t.Errorf("told %q, %v", text, err)
	}
	if text, err := told(dir); err != nil || text != "" {
		t.Errorf("when all are there: told %q, %v", text, err)
	}
	if err := os.Remove(filepath.Join(dir, "agents", "host-0002.key")); err != nil {
		t.Fatal(err)
	}
	_, err = told(dir)
	want(err, exitFailed, "1 of 3 certificates", "host-0002", "refrain pki agent --force host-0002")
}

func TestALoadCommandSaysWhatIsWrong(t *testing.T) {
	good := loadCommand{URL: "https://plane", Hosts: 10, Interval: time.Minute, Speed: 1}
	for want, edit := range map[string]func(*loadCommand){
		"":                                  func(*loadCommand) {},
		"--url":                             func(c *loadCommand) { c.URL = "plane" },
		"--hosts is 0":                      func(c *loadCommand) { c.Hosts = 0 },
		"--hosts is 20001; want 1 to 20000": func(c *loadCommand) { c.Hosts = 20001 },
		"--interval is 999ms":               func(c *loadCommand) { c.Interval = 999 * time.Millisecond },
		"--speed is 0; want 1 to 1000":      func(c *loadCommand) { c.Speed = 0 },
		"--speed is 1001":                   func(c *loadCommand) { c.Speed = 1001 },
		"--for is -1s":                      func(c *loadCommand) { c.For = new(time.Duration); *c.For = -time.Second },
		"--for is 0s":                       func(c *loadCommand) { c.For = new(time.Duration) },
		"--failing is 6 and --deferring 5":  func(c *loadCommand) { c.Failing, c.Deferring = 6, 5 },
		"--failing is -1":                   func(c *loadCommand) { c.Failing = -1 },
	} {
		c := good
		edit(&c)
		if err := c.validate(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestALineSaysWhatChanged(t *testing.T) {
	var w bytes.Buffer
	r := fleetReporter{w: &w}
	s := fleetSample{at: time.Second}
	s.states[0] = 1000
	s.heartbeats = 17
	r.look(s) // the first
	for range steadyEvery - 1 {
		s.at += time.Second
		s.heartbeats += 17
		r.look(s) // nothing but heartbeats
	}
	s.at += time.Second
	r.look(s) // now and then
	s.at += time.Second
	s.states[0], s.states[wire.Soaking] = 400, 600
	s.events, s.unavailable[1], s.unanswered, s.replays = 3000, 7, 1, 2
	r.look(s)
	want := fleetLegend + `
   time | idle pend actv defr soak conv fail rvtd |   hb/s   ev/s | start  full close  drop  late  disk  budg |  lost replays
   0:01 | 1000    0    0    0    0    0    0    0 |   17.0    0.0 |     0     0     0     0     0     0     0 |     0       0
   0:11 | 1000    0    0    0    0    0    0    0 |   15.3    0.0 |     0     0     0     0     0     0     0 |     0       0
   0:12 |  400    0    0    0  600    0    0    0 |    0.0 3000.0 |     0     7     0     0     0     0     0 |     1       2
`
	if w.String() != want {
		t.Errorf("got\n%swant\n%s", w.String(), want)
	}
}

func TestLatenciesAreKnownToAQuarter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(int64(time.Microsecond), int64(time.Hour)).Draw(t, "latency"))
		b := bucketOf(d)
		if end := endOf(b); d >= end || float64(end) > 1.25*float64(d)+2*float64(time.Microsecond) {
			t.Fatalf("%v is in bucket %d, which ends at %v", d, b, end)
		}
		if b > 0 && d < endOf(b-1).Truncate(time.Microsecond)-time.Microsecond {
			t.Fatalf("%v is in bucket %d, and the one before ends at %v", d, b, endOf(b-1))
		}
	})
	var l latencies
	if l.quantile(0.99) != 0 {
		t.Errorf("of none: %v", l.quantile(0.99))
	}
	for i := range 100 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	for share, want := range map[float64]time.Duration{0: time.Millisecond, 0.5: 51 * time.Millisecond, 0.99: 100 * time.Millisecond, 1: 100 * time.Millisecond} {
		if got := l.quantile(share); got < want || float64(got) > 1.26*float64(want) {
			t.Errorf("quantile %v is %v, want %v", share, got, want)
		}
	}
}

func TestACauseDoesNotDifferFromHostToHost(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	d := demo{dir: t.TempDir(), url: "https://" + listener.Addr().String()}
	if _, err := pki.Init(d.dir, "fleet.test", atOnce()); err != nil {
		t.Fatal(err)
	}
	_, err = d.send(t.Context(), demoRequest{Path: "/"})
	if got, want := causeOf(err), "dial: connect: connection refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheFirstHostsOfAFleetTakeSwitchesBadly(t *testing.T) {
	cfg := fleetConfig{Failing: 1, Deferring: 2}
	var got []httpagent.Script
	for i := range 4 {
		got = append(got, cfg.script(i))
	}
	deferring := httpagent.Script{Result: agent.ActivationDeferred}
	if want := []httpagent.Script{{Failing: -1}, deferring, deferring, {}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
