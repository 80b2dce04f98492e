package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// killRig is the real binary as a process of its own, serving a database on
// disk, with hosts that send events as fast as they are answered and keep a
// ledger of what was acknowledged.
type killRig struct {
	t      *testing.T
	demo   demo
	db     string
	listen string
	ops    string
	rand   *rand.Rand

	flags  []string  // in addition
	limits string    // of the process, as ulimit takes them; none if it is empty
	stderr io.Writer // of the process, if not log
	stdout io.Writer // of the process, if what it prints is not waited for

	process *exec.Cmd
	log     *outputWatch
	exited  chan error

	hosts []*ledgerHost
	count atomic.Int64 // of the events that were answered 204
}

const killRollout = wire.RolloutID("load@1")

// newKillRig makes the certificates; the database is put into dir.
func newKillRig(t *testing.T, dir string, hosts int) *killRig {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	k := &killRig{
		t: t, demo: demo{dir: t.TempDir()}, db: filepath.Join(dir, "plane.db"),
		listen: freePort(t), ops: freePort(t), rand: rand.New(rand.NewPCG(seed, 0)),
	}
	k.demo.url = "https://" + k.listen
	var names []string
	for i := range hosts {
		names = append(names, fmt.Sprintf("load-%d", i))
	}
	for _, issue := range []func() error{
		func() error { _, err := pki.Init(k.demo.dir, devSuffix, atOnce()); return err },
		func() error { _, err := pki.Server(k.demo.dir, []string{"127.0.0.1"}, atOnce()); return err },
		func() error { _, err := pki.Operator(k.demo.dir, []string{devOperator}, atOnce()); return err },
		func() error { _, err := pki.Agent(k.demo.dir, names, atOnce()); return err },
	} {
		if err := issue(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		client, err := k.demo.client("agents/" + name)
		if err != nil {
			t.Fatal(err)
		}
		k.hosts = append(k.hosts, &ledgerHost{rig: k, name: wire.Hostname(name), client: client, next: 1, count: &k.count})
	}
	t.Cleanup(func() {
		if k.process != nil {
			k.kill()
		}
		for _, h := range k.hosts {
			h.client.CloseIdleConnections()
		}
	})
	return k
}

// atOnce are options to issue certificates without the wait for the next whole
// second that pki.Agent makes: no test has revocations of an earlier moment.
func atOnce() pki.Options {
	now := clock.NewMock()
	now.Set(time.Now().Truncate(time.Second))
	return pki.Options{Clock: now}
}

// freePort returns an address of the loopback that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// The ports of freeAddress are below those that Linux and others choose from for
// the near end of a connection, or for port 0: between a look at a port and the
// start of the process that listens on it, tests beside this one open many of both.
const firstPort, portCount = 20000, 12000

var nextPort atomic.Int64

// freeAddress gives each address once, so that tests can run side by side; the
// first is drawn, so that two runs of the tests can.
func freeAddress() (string, error) {
	nextPort.CompareAndSwap(0, 1+rand.Int64N(portCount))
	var err error
	for range 100 {
		var l net.Listener
		l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+nextPort.Add(1)%portCount))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// start starts the process and waits until it serves.
func (k *killRig) start() {
	k.t.Helper()
	if err := k.tryStart(); err != nil {
		k.t.Fatalf("refrain serve: %v\n%s", err, k.log)
	}
}

// tryStart starts the process and waits until it serves; the error says how it
// ended instead.
func (k *killRig) tryStart() error {
	k.t.Helper()
	out := k.launch()
	if k.stdout != nil {
		until(k.t, "it is ready", func() bool { ready, _ := k.ready(); return ready })
		return nil
	}
	limit := time.After(patience)
	for !strings.Contains(out.String(), "refrain serves on") {
		select {
		case <-out.changed:
		case err := <-k.exited:
			k.process = nil
			return fmt.Errorf("it ended with %w", err)
		case <-limit:
			return errors.New("it does not serve")
		}
	}
	return nil
}

// launch starts the process. What it prints is in the result, unless stdout is set.
func (k *killRig) launch() *outputWatch {
	k.t.Helper()
	self, err := os.Executable()
	if err != nil {
		k.t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(k.demo.dir, name) }
	k.process = exec.Command(self, "serve", "--db", k.db, "--listen", k.listen, "--ops-listen", k.ops, "--agent-cn-suffix", devSuffix,
		"--tls-cert", file("server.crt"), "--tls-key", file("server.key"), "--client-ca", file("ca.crt"),
		"--flight-dir", "off", "--log-level", "error", "--drain-time", "0s") // but for the test of it
	k.process.Args = append(k.process.Args, k.flags...)
	k.process.Args[0] = "refrain" // TestMain runs the command of this name
	if k.limits != "" {
		link := filepath.Join(k.t.TempDir(), "refrain") // a shell passes no other name
		if err := os.Symlink(self, link); err != nil {
			k.t.Fatal(err)
		}
		k.process = exec.Command("sh", append([]string{"-c", "ulimit " + k.limits + ` && exec "$0" "$@"`, link}, k.process.Args[1:]...)...)
	}
	out := newOutputWatch()
	k.log = newOutputWatch()
	k.process.Stdout, k.process.Stderr = out, k.log
	if k.stderr != nil {
		k.process.Stderr = k.stderr
	}
	if k.stdout != nil {
		k.process.Stdout = k.stdout
	}
	if err := k.process.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.exited = make(chan error, 1)
	go func(p *exec.Cmd, exited chan error) { exited <- p.Wait() }(k.process, k.exited)
	return out
}

// stop ends the process as a service manager does, and returns how it ended.
func (k *killRig) stop() error {
	k.t.Helper()
	if err := k.process.Process.Signal(syscall.SIGTERM); err != nil {
		k.t.Fatal(err)
	}
	k.process = nil
	return <-k.exited
}

// kill ends the process as a power cut would, from its point of view.
func (k *killRig) kill() {
	k.t.Helper()
	if err := k.process.Process.Signal(syscall.SIGKILL); err != nil {
		k.t.Fatal(err)
	}
	<-k.exited
	k.process = nil
}

// stopWell ends the process as a service manager would, and wants that to go well.
func (k *killRig) stopWell() {
	k.t.Helper()
	if err := k.process.Process.Signal(syscall.SIGTERM); err != nil {
		k.t.Fatal(err)
	}
	k.wantExit()
}

// wantExit waits until the process has ended by itself, in good order.
func (k *killRig) wantExit() {
	k.t.Helper()
	select {
	case err := <-k.exited:
		k.process = nil
		if err != nil {
			k.t.Fatalf("refrain serve ended with %v\n%s", err, k.log)
		}
	case <-time.After(patience):
		k.t.Fatal("refrain serve does not end")
	}
}

// metric reads a series of the process.
func (k *killRig) metric(series string) float64 {
	k.t.Helper()
	response, err := http.Get("http://" + k.ops + "/metrics")
	if err != nil {
		k.t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				k.t.Fatal(err)
			}
			return n
		}
	}
	k.t.Fatalf("there is no series %s", series)
	return 0
}

// open opens the rollout of the hosts.
func (k *killRig) open() {
	k.t.Helper()
	m := &wire.Manifest{Channel: "load", ChannelRef: "1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
	for _, h := range k.hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: h.name, TargetClosure: "c1"})
	}
	if err := k.demo.open(k.t.Context(), m); err != nil {
		k.t.Fatal(err)
	}
}

// ready asks the process's readiness probe.
func (k *killRig) ready() (ready bool, why string) { return k.probe("/readyz") }

func (k *killRig) probe(path string) (good bool, body string) {
	response, err := http.Get("http://" + k.ops + path)
	if err != nil {
		return false, err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode == http.StatusOK, string(text)
}

// load lets every host send events while f runs.
func (k *killRig) load(f func()) {
	ctx, stop := context.WithCancel(k.t.Context())
	var sending sync.WaitGroup
	for _, h := range k.hosts {
		sending.Go(func() { h.send(ctx) })
	}
	f()
	stop()
	sending.Wait()
	for _, h := range k.hosts {
		if h.wrong != "" {
			k.t.Fatalf("%s: %s", h.name, h.wrong)
		}
	}
}

// eachKill kills the process at a random moment under load and calls check,
// killRounds times. It starts the process where it does not run. The moment counts
// from the first event that is acknowledged: on a busy machine the hosts need longer
// for their first connections than the process has to live.
func (k *killRig) eachKill(check func(round int)) (rounds int) {
	k.t.Helper()
	rounds = killRounds(k.t)
	for round := range rounds {
		if k.process == nil {
			k.start()
		}
		before := k.count.Load()
		k.load(func() {
			until(k.t, "an event is acknowledged", func() bool { return k.count.Load() > before })
			time.Sleep(time.Duration(k.rand.IntN(300)) * time.Millisecond)
			k.kill()
		})
		check(round)
	}
	return rounds
}

// tryAudit audits the file as the last process left it.
func (k *killRig) tryAudit() (report sqlite.Report, err error) {
	reader, err := sqlite.OpenReader(k.t.Context(), k.db)
	if err != nil {
		return report, err
	}
	defer reader.Close()
	return reader.Audit(k.t.Context(), nil)
}

// wantAudited wants the tables of the file to be what its log gives.
func (k *killRig) wantAudited(when string) {
	k.t.Helper()
	switch report, err := k.tryAudit(); {
	case err != nil:
		k.t.Fatalf("%s: %v", when, err)
	case report.Difference != nil:
		k.t.Fatalf("%s: %v", when, report.Difference)
	}
}

// logged reads how far the log has the events of each host.
func (k *killRig) logged() map[wire.Hostname]wire.Seq {
	k.t.Helper()
	s, err := sqlite.Open(k.t.Context(), k.db)
	if err != nil {
		k.t.Fatal(err)
	}
	defer s.Close()
	p, err := s.Load(k.t.Context(), plane.Config{})
	if err != nil {
		k.t.Fatal(err)
	}
	last := map[wire.Hostname]wire.Seq{}
	for _, h := range k.hosts {
		if rec, there := p.Record(killRollout, h.name); there {
			last[h.name] = rec.LastEventSeq
		}
	}
	return last
}
