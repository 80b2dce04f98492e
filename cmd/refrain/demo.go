package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver"
)

// demo is the sequence of requests that refrain dev prints, each with its
// expected answer.
type demo struct {
	dir string // of the certificates
	url string // of the control plane
	ops string // of the ops listener
	db  string // where the state is
	// run counts the runs before this one on the same state: each has rollouts
	// of its own.
	run int
}

// demoRequest is one request of the demo. It can be printed as a command to
// paste, and sent.
type demoRequest struct {
	// Title says what the request is; Want, what the answer will be.
	Title, Want string
	// Cert is the client's certificate in the demo's directory, without its
	// ending; empty for none.
	Cert string
	// Path is the route; a body makes it a POST.
	Path, Body string
}

// ref is a name for a rollout of this run.
func (d *demo) ref(name wire.ChannelRef) wire.ChannelRef {
	if d.run == 0 {
		return name
	}
	return wire.ChannelRef(fmt.Sprintf("%s-%d", name, d.run+1))
}

// manifest is the rollout that the demo opens.
func (d *demo) manifest() *wire.Manifest {
	m := &wire.Manifest{
		Channel: "stable", ChannelRef: d.ref("demo"),
		Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{SoakMinutes: 0}, {SoakMinutes: 1}}},
	}
	for i, host := range devHosts {
		wave := wire.Count(0)
		if i == len(devHosts)-1 {
			wave = 1
		}
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(host), Wave: wave, TargetClosure: wire.Closure(host + "-new")})
	}
	return m
}

// now stands for the time in a printed body; the shell puts it in.
const demoNow = `'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'`

// devStrangerWant is what is seen of a refused certificate. With TLS 1.3 a client
// may send its request before it reads the refusal, so that curl reports the
// alert (56), a write that fails (55) or the handshake (35).
const devStrangerWant = "no answer: the server refuses the certificate, and curl ends with (56), (55) or (35)"

// requests are the demo's requests, in order.
func (d *demo) requests() []demoRequest {
	m := d.manifest()
	id, host := string(m.ID()), devHosts[0]
	agent := "agents/" + host
	heartbeat := func(hostname, rest string) string {
		return fmt.Sprintf(`{"hostname":"%s",%s"at":"%s"}`, hostname, rest, demoNow)
	}
	event := func(fields string) string {
		return fmt.Sprintf(`{"hostname":"%s","rolloutId":"%s","event":{%s}}`, host, id, fields)
	}
	return []demoRequest{
		{"a heartbeat of a host that names no rollout: the answer has what the plane knows of its work",
			"200, received_at, and a snapshot of the active record",
			agent, "/v1/agent/heartbeat", heartbeat(host, `"current_closure":"`+host+`-old",`)},
		{"the host asks for work", "200 with the dispatch",
			agent, "/v1/agent/dispatch?wait=5", ""},
		{"it acknowledges the dispatch: an event", "204, applied and durable",
			agent, "/v1/agent/events", event(fmt.Sprintf(`"kind":"DispatchAck","seq":1,"currentClosureAtDispatch":"%s-old","receivedAt":"%s"`, host, demoNow))},
		{"the same event again", "204, and nothing happens twice",
			agent, "/v1/agent/events", event(fmt.Sprintf(`"kind":"DispatchAck","seq":1,"currentClosureAtDispatch":"%s-old","receivedAt":"%s"`, host, demoNow))},
		{"drift: the host runs what the plane does not know of", "200 with X-Nixfleet-Replay-From: 1",
			agent, "/v1/agent/heartbeat", heartbeat(host, fmt.Sprintf(`"rollout_id":"%s","current_closure":"%s-new",`, id, host))},
		{"an event after one that is missing", "409 gap with X-Nixfleet-Replay-From: 1",
			agent, "/v1/agent/events", event(fmt.Sprintf(`"kind":"Converged","seq":4,"convergedAt":"%s","currentClosure":"%s-new"`, demoNow, host))},
		{"another host's certificate", "403 wrong_identity",
			"agents/" + devHosts[1], "/v1/agent/heartbeat", heartbeat(host, "")},
		{"no certificate", "401 no_certificate",
			"", "/v1/agent/heartbeat", heartbeat(host, "")},
		{"a certificate of another CA", devStrangerWant,
			devStranger + "/" + agent, "/v1/agent/heartbeat", heartbeat(host, "")},
		{"a field that is wrong", "422 wrong_shape, field at",
			agent, "/v1/agent/heartbeat", `{"hostname":"` + host + `","at":"yesterday"}`},
		{"an operator lists the fleet", "200 with the hosts and their records",
			"operators/" + devOperator, "/v1/operator/hosts", ""},
		{"an operator reads the rollout", "200 with the rollout's state and hosts",
			"operators/" + devOperator, "/v1/operator/rollouts/" + id, ""},
		{"an operator reads the rollout's history", "200 with the history",
			"operators/" + devOperator, "/v1/operator/rollouts/" + id + "/events", ""},
	}
}

// print prints the requests as commands to paste.
func (d *demo) print(w io.Writer) {
	m := d.manifest()
	fmt.Fprintf(w, "refrain dev: the control plane is on %s, its health and metrics on %s\n", d.url, d.ops)
	if strings.HasPrefix(d.ops, "http") {
		fmt.Fprintf(w, "The live page of the fleet, for a browser on this machine: %s/page/\n", d.ops)
	}
	fmt.Fprintf(w, "Rollout %s is open: %s in wave 0, %s in wave 1. None of them exists; send their requests:\n",
		m.ID(), strings.Join(devHosts[:len(devHosts)-1], " and "), devHosts[len(devHosts)-1])
	for _, r := range d.requests() {
		fmt.Fprintf(w, "\n# %s → %s\n%s\n", r.Title, r.Want, d.curl(r))
	}
	fmt.Fprintf(w, "\n# the seven reasons of a 503, counted → refrain_unavailable_total, all zero so far\ncurl -sS %s/metrics | grep refrain_unavailable_total\n", curlOps(d.ops))
	fmt.Fprintf(w, "\nCertificates are in %s. Ctrl-C ends it; %s.\n", d.dir, describeDB(d.db))
}

// curl is the request as a command for a POSIX shell.
func (d *demo) curl(r demoRequest) string {
	words := []string{"curl -sS -i -w '\\n' --cacert " + shellWord(filepath.Join(d.dir, "ca.crt"))}
	if r.Cert != "" {
		path := filepath.Join(d.dir, filepath.FromSlash(r.Cert))
		words = append(words, "--cert "+shellWord(path+".crt"), "--key "+shellWord(path+".key"))
	}
	if strings.HasPrefix(r.Path, "/v1/agent/") {
		words = append(words, "-H '"+wire.HeaderAgent+": "+wire.AgentVersion+"'")
	}
	if r.Body != "" {
		words = append(words, "-H 'Content-Type: application/json'", "-d '"+r.Body+"'")
	}
	return strings.Join(append(words, shellWord(d.url+r.Path)), " ")
}

// send sends the request as its command would. The caller closes the body.
func (d *demo) send(ctx context.Context, r demoRequest) (*http.Response, error) {
	client, err := d.client(r.Cert)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	method, body := http.MethodGet, strings.ReplaceAll(r.Body, demoNow, time.Now().UTC().Format(time.RFC3339))
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, d.url+r.Path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set(wire.HeaderContentType, wire.MediaJSON)
	request.Header.Set(wire.HeaderAgent, wire.AgentVersion)
	return client.Do(request)
}

func (d *demo) client(cert string) (*http.Client, error) {
	pem, err := os.ReadFile(filepath.Join(d.dir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca.crt is no certificate")
	}
	if cert != "" {
		path := filepath.Join(d.dir, filepath.FromSlash(cert))
		pair, err := tls.LoadX509KeyPair(path+".crt", path+".key")
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}, nil
}

// openRequest is the request that opens a rollout.
func (d *demo) openRequest(m *wire.Manifest) demoRequest {
	return demoRequest{Cert: "operators/" + devOperator, Path: "/v1/operator/rollouts", Body: string(m.AppendJSON(nil))}
}

// begin opens the demo's rollout: the first that no run before has opened.
func (d *demo) begin(ctx context.Context) error {
	for {
		err := d.open(ctx, d.manifest())
		if !errors.Is(err, errOpenAlready) {
			return err
		}
		d.run++
	}
}

// errOpenAlready says that a rollout was opened before.
var errOpenAlready = errors.New("the rollout was opened before")

// open opens a rollout as an operator.
func (d *demo) open(ctx context.Context, m *wire.Manifest) error {
	response, err := d.send(ctx, d.openRequest(m))
	var broken *url.Error
	if errors.As(err, &broken) {
		return fmt.Errorf("%w; is %s of this directory's CA?", err, filepath.Join(d.dir, "server.crt"))
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusOK {
		return errOpenAlready
	}
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("the plane answered %s: %s", response.Status, answer)
	}
	return nil
}

// curlOps is how curl is told where the ops listener is.
func curlOps(url string) string {
	if path, unix := strings.CutPrefix(url, httpserver.OpsUnix); unix {
		return "--unix-socket " + shellWord(path) + " http://localhost"
	}
	return url
}
