package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/mtls"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// TestRotationsUnderLoadFailNoRequest replaces the certificates of the real binary and
// of its agents while these send heartbeats: a new leaf, a bad file, a new CA as the
// runbook in docs/operations.md has it. No request fails.
func TestRotationsUnderLoadFailNoRequest(t *testing.T) { // PROTOCOL T1
	t.Parallel()
	r := newRotation(t, rotateAgents(t))
	r.load()
	r.rotateLeaf()
	r.badFile()
	r.rotateCA()
	r.endFleet()
	r.wantNoFailures("at the end")
}

// rotateLeaf renews the server's certificate.
func (r *rotation) rotateLeaf() {
	r.t.Helper()
	before := r.leaf()
	_, err := pki.Renew(r.issuing, []string{"server"}, atOnce())
	r.must(err)
	r.deployServer()
	r.applied(1)
	if after := r.leaf(); after.Equal(before) {
		r.t.Errorf("the plane shows serial %x still", after.SerialNumber)
	}
	r.goOn()
	r.wantNoFailures("a new leaf")
}

// badFile damages the new leaf and the CA file, one after the other, and puts them
// right again.
func (r *rotation) badFile() {
	r.t.Helper()
	before := r.leaf()
	for _, name := range []string{"server.crt", "client-ca.pem"} {
		good, err := os.ReadFile(filepath.Join(r.live, name))
		r.must(err)
		r.deploy(name, append([]byte("-----BEGIN CERTIFICATE-----\nMII!\n-----END CERTIFICATE-----\n"), good...))
		until(r.t, "the bad file is refused", func() bool { return r.metric("refrain_certificate_files_refused") == 1 })
		r.goOn()
		if !r.leaf().Equal(before) {
			r.t.Error("another certificate is shown after a bad file")
		}
		if body := r.get("/readyz?verbose"); !strings.Contains(body, `{"ready":true,`) || !strings.Contains(body, `{"name":"certificates","state":"warning","reason":"certificate files refused since `) || !strings.Contains(body, name+":1: damaged PEM block") {
			r.t.Errorf("/readyz says %q", body)
		}
		if log := r.log.String(); !strings.Contains(log, "level=ERROR msg=\"the certificate files are refused; the last good set stays in use\"") || !strings.Contains(log, name+":1: damaged") {
			r.t.Errorf("no line in the log:\n%s", log)
		}
		r.deploy(name, good)
		until(r.t, "the good file is noticed", func() bool { return r.metric("refrain_certificate_files_refused") == 0 })
		if body := r.get("/readyz?verbose"); !strings.Contains(body, `{"name":"certificates","state":"ok"}`) {
			r.t.Errorf("/readyz says %q", body)
		}
	}
	r.wantNoFailures("bad files")
}

// rotateCA introduces a new CA and removes the old one.
func (r *rotation) rotateCA() {
	r.t.Helper()
	oldCA := r.read("ca.crt")
	old, err := pki.Inventory(r.issuing, time.Now())
	r.must(err)
	force := atOnce()
	force.Force = true
	_, err = pki.Init(r.issuing, devSuffix, force)
	r.must(err)

	// Both are trusted, by the plane and by the agents.
	bundle := slices.Concat(r.read("ca.crt"), oldCA)
	r.deploy("client-ca.pem", bundle)
	r.deploy("ca.pem", bundle)
	r.applied(2)
	r.goOn()

	// A host that is never given a new certificate.
	late := &http.Client{Transport: &http.Transport{TLSClientConfig: r.material(r.names[0])}}
	defer late.CloseIdleConnections()
	r.must(beat(late, r.url, r.names[0]))

	// Everybody else has a certificate of the new CA.
	names := []string{"server"}
	for _, name := range r.names {
		names = append(names, "agents/"+name)
	}
	_, err = pki.Renew(r.issuing, names, atOnce())
	r.must(err)
	r.deployServer()
	r.deployAgents()
	r.renewClients()
	r.applied(3)
	byOld := `refrain_client_ca_connections{ca="` + mtls.Fingerprint(old[0].Leaf) + `"}`
	until(r.t, "only the late host uses the old CA", func() bool { return r.metric(byOld) == 1 })
	r.must(beat(late, r.url, r.names[0]))

	// Nobody trusts the old one.
	r.deploy("client-ca.pem", r.read("ca.crt"))
	r.deploy("ca.pem", r.read("ca.crt"))
	r.applied(4)
	r.goOn()
	r.wantNoFailures("a new CA")
	until(r.t, "the kept connection is closed", func() bool { return r.metric(byOld) <= 0 })
	if !strings.Contains(r.log.String(), "connections_closed=1") {
		r.t.Errorf("no line about the connection that was closed:\n%s", r.log)
	}
	if err := beat(late, r.url, r.names[0]); err == nil {
		r.t.Error("a certificate of the removed CA is served")
	}
	until(r.t, "the refused handshake is counted", func() bool {
		return r.metric(`refrain_tls_handshake_errors_total{cause="unknown_ca"}`) >= 1
	})
}

// TestCertificatesAreReloadedOnSIGHUPAndThroughSymbolicLinks replaces a set as
// Kubernetes does, and asks for a reload.
func TestCertificatesAreReloadedOnSIGHUPAndThroughSymbolicLinks(t *testing.T) {
	t.Parallel()
	r := newRotation(t, 1)
	hangUp := func(want string) {
		t.Helper()
		r.must(r.process.Process.Signal(syscall.SIGHUP))
		until(t, want, func() bool { return strings.Contains(r.log.String(), want) })
	}
	hangUp("certificates not reloaded: the files are those in use")

	// A set of another CA, with its server's certificate: both are used, or none.
	first := r.leaf()
	other := filepath.Join(t.TempDir(), "pki")
	_, err := pki.Init(other, devSuffix, atOnce())
	r.must(err)
	_, err = pki.Server(other, []string{"127.0.0.1"}, atOnce())
	r.must(err)
	_, err = pki.Agent(other, r.names, atOnce())
	r.must(err)
	versions := filepath.Join(r.live, "versions")
	for version, dir := range map[string]string{"v1": r.issuing, "v2": other} {
		r.must(os.MkdirAll(filepath.Join(versions, version), 0o700))
		for to, from := range map[string]string{"server.crt": "server.crt", "server.key": "server.key", "client-ca.pem": "ca.crt"} {
			text, err := os.ReadFile(filepath.Join(dir, from))
			r.must(err)
			r.must(os.WriteFile(filepath.Join(versions, version, to), text, 0o600))
		}
	}
	point := func(version string) {
		t.Helper()
		r.must(os.Symlink(filepath.Join("versions", version), filepath.Join(r.live, "..new")))
		r.must(os.Rename(filepath.Join(r.live, "..new"), filepath.Join(r.live, "..data")))
	}
	point("v1")
	for _, name := range []string{"server.crt", "server.key", "client-ca.pem"} {
		r.must(os.Symlink(filepath.Join("..data", name), filepath.Join(r.live, name+".new")))
		r.must(os.Rename(filepath.Join(r.live, name+".new"), filepath.Join(r.live, name)))
	}
	hangUp("certificates not reloaded")
	point("v2")
	r.applied(1)
	r.issuing = other
	r.deploy("ca.pem", r.read("ca.crt"))
	r.deployAgents()
	if r.leaf().Equal(first) {
		t.Error("the first certificate is shown still")
	}

	// SIGHUP says why a set is refused, every time.
	r.must(os.Remove(filepath.Join(versions, "v2", "client-ca.pem")))
	until(t, "refused", func() bool { return r.metric("refrain_certificate_files_refused") == 1 })
	lines := strings.Count(r.log.String(), "client-ca.pem: no such file")
	r.must(r.process.Process.Signal(syscall.SIGHUP))
	until(t, "another line", func() bool { return strings.Count(r.log.String(), "client-ca.pem: no such file") > lines })
	if got := r.metric(`refrain_certificate_reloads_total{outcome="refused"}`); got != 1 {
		t.Errorf("%v refusals counted, want 1", got)
	}
	// A new pair beside a CA that is gone is not used half.
	_, err = pki.Renew(other, []string{"server"}, atOnce())
	r.must(err)
	shown := r.leaf()
	r.deployServer()
	until(t, "a second refusal", func() bool {
		r.must(r.process.Process.Signal(syscall.SIGHUP))
		return strings.Count(r.log.String(), "client-ca.pem: no such file") > lines+1
	})
	if !r.leaf().Equal(shown) {
		t.Error("the new pair is used without its CA")
	}
	r.deploy("client-ca.pem", r.read("ca.crt"))
	r.applied(2)
	if r.leaf().Equal(shown) {
		t.Error("the new pair is not used")
	}
}
