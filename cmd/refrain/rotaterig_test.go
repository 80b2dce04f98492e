package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
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

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// rotation is the real binary as a process of its own, with agents that send
// heartbeats while the certificates are replaced. It has two directories: one in which
// certificates are issued, and one that is deployed: what plane and agents read.
type rotation struct {
	t        *testing.T
	issuing  string
	live     string
	url, ops string
	process  *exec.Cmd
	log      *outputWatch
	exited   chan error
	names    []string
	fleet    *fleet
	endFleet func()
	clients  []*reconnecting
}

// rotateAgents is how many agents there are: some with every test, ROTATE_AGENTS (make
// rotate) where time is taken for it.
func rotateAgents(t *testing.T) int {
	t.Helper()
	return numberFromEnvironment(t, "ROTATE_AGENTS", 20, 1000)
}

// newRotation issues the certificates, deploys them and starts the plane.
func newRotation(t *testing.T, agents int) *rotation {
	t.Helper()
	dir := t.TempDir()
	r := &rotation{t: t, issuing: filepath.Join(dir, "pki"), live: filepath.Join(dir, "live"), ops: freePort(t), names: fleetNames(agents)}
	r.must(os.MkdirAll(filepath.Join(r.live, "agents"), 0o700))
	_, err := pki.Init(r.issuing, devSuffix, atOnce())
	r.must(err)
	_, err = pki.Server(r.issuing, []string{"127.0.0.1"}, atOnce())
	r.must(err)
	_, err = pki.Agent(r.issuing, r.names, atOnce())
	r.must(err)
	r.deployServer()
	r.deployAgents()
	r.deploy("client-ca.pem", r.read("ca.crt"))
	r.deploy("ca.pem", r.read("ca.crt"))
	r.start()
	return r
}

func (r *rotation) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// read reads a file of the issuing directory.
func (r *rotation) read(name string) []byte {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.issuing, name))
	r.must(err)
	return text
}

// deploy replaces one deployed file by a rename, as a careful operator does.
func (r *rotation) deploy(name string, text []byte) {
	r.t.Helper()
	path := filepath.Join(r.live, name)
	r.must(os.WriteFile(path+".new", text, 0o600))
	r.must(os.Rename(path+".new", path))
}

func (r *rotation) deployServer() {
	r.t.Helper()
	r.deploy("server.crt", r.read("server.crt"))
	r.deploy("server.key", r.read("server.key"))
}

func (r *rotation) deployAgents() {
	r.t.Helper()
	for _, name := range r.names {
		r.deploy("agents/"+name+".crt", r.read("agents/"+name+".crt"))
		r.deploy("agents/"+name+".key", r.read("agents/"+name+".key"))
	}
}

// start starts the plane with the deployed files, and ends it with the test.
func (r *rotation) start() {
	r.t.Helper()
	self, err := os.Executable()
	r.must(err)
	file := func(name string) string { return filepath.Join(r.live, name) }
	listen := freePort(r.t)
	r.url = "https://" + listen
	r.process = exec.Command(self, "serve", "--db", "memory", "--listen", listen, "--ops-listen", r.ops, "--agent-cn-suffix", devSuffix,
		"--tls-cert", file("server.crt"), "--tls-key", file("server.key"), "--client-ca", file("client-ca.pem"), "--flight-dir", "off",
		"--drain-time", "0s")
	r.process.Args[0] = "refrain" // TestMain runs the command of this name
	out := newOutputWatch()
	r.log = newOutputWatch()
	r.process.Stdout, r.process.Stderr = out, r.log
	r.must(r.process.Start())
	r.exited = make(chan error, 1)
	go func() { r.exited <- r.process.Wait() }()
	r.t.Cleanup(func() {
		_ = r.process.Process.Signal(syscall.SIGTERM)
		if err := <-r.exited; err != nil {
			r.t.Errorf("refrain serve ended with %v\n%s", err, r.log)
		}
	})
	until(r.t, "refrain serve serves", func() bool { return strings.Contains(out.String(), "refrain serves on") })
}

// load runs the agents, each with one to four heartbeats a second, fewer if they are
// many, and a few clients that open a connection for every heartbeat.
func (r *rotation) load() {
	r.t.Helper()
	var err error
	r.fleet, err = newFleet(fleetConfig{
		URL: r.url, CAFile: filepath.Join(r.live, "ca.pem"), Dir: r.live, Names: r.names, Interval: time.Minute, Speed: max(60, min(240, 12000/len(r.names))),
		PollWait: 2 * time.Second, Seed: 1, Logger: slog.New(slog.DiscardHandler), Problems: io.Discard,
	})
	r.must(err)
	// Each for another host: the inbox has four places for one.
	for _, host := range r.names[:max(1, len(r.names)/20)] {
		r.clients = append(r.clients, &reconnecting{host: host})
	}
	r.renewClients()
	ctx, stop := context.WithCancel(r.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.fleet.run(ctx); err != nil {
			r.t.Errorf("the agents ended with %v", err)
		}
	})
	for _, c := range r.clients {
		running.Go(func() { c.run(ctx, r.url) })
	}
	r.endFleet = sync.OnceFunc(func() { stop(); running.Wait() })
	r.t.Cleanup(r.endFleet)
	until(r.t, "every agent is answered", func() bool { return r.answered(2 * int64(len(r.names))) })
}

// renewClients gives the clients that reconnect what is deployed for their hosts.
func (r *rotation) renewClients() {
	r.t.Helper()
	for _, c := range r.clients {
		c.config.Store(r.material(c.host))
	}
}

// answered reports whether so many heartbeats were answered.
func (r *rotation) answered(n int64) bool {
	return r.fleet.tally.heartbeats.total() >= n
}

// goOn lets the load run until every agent has sent a few more heartbeats.
func (r *rotation) goOn() {
	r.t.Helper()
	now := r.fleet.tally.heartbeats.total()
	until(r.t, "more heartbeats", func() bool { return r.answered(now + 2*int64(len(r.names))) })
}

// wantNoFailures wants every request until now to have been answered well.
func (r *rotation) wantNoFailures(when string) {
	r.t.Helper()
	t := &r.fleet.tally
	failed := t.unanswered.Load() + t.defects.Load() + t.unauthorised.Load() + t.rejected.Load()
	var answered int64
	var errs []any
	for _, c := range r.clients {
		failed += c.failed.Load()
		answered += c.answered.Load()
		if err := c.err.Load(); err != nil {
			errs = append(errs, err)
		}
	}
	for i := range t.unavailable {
		failed += t.unavailable[i].Load()
	}
	for _, n := range t.counts(&t.refused) {
		failed += n
	}
	r.t.Logf("%s: %d agents, %d heartbeats over kept connections, %d over new ones, %d polls, failed requests: %d",
		when, len(r.names), t.heartbeats.total(), answered, t.polls.total(), failed)
	if failed > 0 {
		r.t.Errorf("%s: %d failed requests: refused %v, no answer %v, unavailable %v; new connections: %v\n%s",
			when, failed, t.counts(&t.refused), t.counts(&t.lost), &t.unavailable, errs, r.log)
	}
}

// metric reads a series of the plane.
func (r *rotation) metric(series string) float64 {
	r.t.Helper()
	for line := range strings.Lines(r.get("/metrics")) {
		if value, is := strings.CutPrefix(line, series+" "); is {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			r.must(err)
			return number
		}
	}
	return -1
}

// get asks the ops listener.
func (r *rotation) get(path string) string {
	r.t.Helper()
	response, err := http.Get("http://" + r.ops + path)
	r.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	r.must(err)
	return string(body)
}

// applied waits until the plane has applied so many changes of its files.
func (r *rotation) applied(n float64) {
	r.t.Helper()
	until(r.t, "the change is applied", func() bool { return r.metric(`refrain_certificate_reloads_total{outcome="applied"}`) >= n })
}

// material is the TLS configuration of a host with the deployed files.
func (r *rotation) material(host string) *tls.Config {
	r.t.Helper()
	stem := filepath.Join(r.live, "agents", host)
	pair, err := tls.LoadX509KeyPair(stem+".crt", stem+".key")
	r.must(err)
	text, err := os.ReadFile(filepath.Join(r.live, "ca.pem"))
	r.must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

// leaf is the certificate that the plane shows to a new connection.
func (r *rotation) leaf() *x509.Certificate {
	r.t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), r.material(r.names[0]))
	r.must(err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// reconnecting is a client that opens a connection for every heartbeat.
type reconnecting struct {
	host             string
	config           atomic.Pointer[tls.Config]
	answered, failed atomic.Int64
	err              atomic.Value
}

func (c *reconnecting) run(ctx context.Context, url string) {
	for ctx.Err() == nil {
		err := beat(&http.Client{Transport: &http.Transport{TLSClientConfig: c.config.Load().Clone(), DisableKeepAlives: true}}, url, c.host)
		if err != nil {
			c.failed.Add(1)
			c.err.Store(err.Error())
		} else {
			c.answered.Add(1)
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// beat sends a heartbeat, and reports anything but a good answer.
func beat(client *http.Client, url, host string) error {
	body := fmt.Sprintf(`{"hostname":"%s","at":"%s"}`, host, time.Now().UTC().Format(time.RFC3339))
	response, err := client.Post(url+"/v1/agent/heartbeat", wire.MediaJSON, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return err
}
