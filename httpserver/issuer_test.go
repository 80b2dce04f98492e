package httpserver

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// commandRig is an enrolment rig whose CA command writes what the test has put into a
// file. What the command reads is kept in another.
func commandRig(t testing.TB) (r *enrolRig, dir string) {
	t.Helper()
	dir = t.TempDir()
	r = startEnrolRig(t, func(c *Config) {
		c.CAKeyFile = ""
		c.CACommand = fmt.Sprintf(`cat > %[1]s/csr && echo "$REFRAIN_COMMON_NAME $REFRAIN_NOT_BEFORE $REFRAIN_NOT_AFTER" > %[1]s/env && cat %[1]s/crt`, dir)
	})
	return r, dir
}

func (r *enrolRig) certify(edit func(*x509.Certificate)) []byte {
	r.t.Helper()
	leaf := &x509.Certificate{DNSNames: []string{"agent-h1." + testSuffix}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	leaf.Subject.CommonName = leaf.DNSNames[0]
	leaf.NotBefore, leaf.NotAfter = r.clock.Now(), r.clock.Now().Add(time.Hour)
	leaf.SerialNumber = r.ca.Certificate().SerialNumber
	leaf.PublicKey = r.host.Public()
	edit(leaf)
	der := must(x509.CreateCertificate(nil, leaf, r.ca.Certificate(), leaf.PublicKey, r.ca.Pair().PrivateKey))(r.t)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// PROTOCOL N4
func TestCACommand_IssuesWhatItIsAsked(t *testing.T) {
	r, dir := commandRig(t)
	writeFile(t, filepath.Join(dir, "crt"), string(r.certify(func(*x509.Certificate) {})))
	leaf := r.issued(r.enrol(r.host))
	r.as(leaf).heartbeat("h1").want(t, wire.OK)
	if csr, problem := parseCSR(string(must(os.ReadFile(filepath.Join(dir, "csr")))(t))); problem != "" || csr.Subject.CommonName != "h1" {
		t.Errorf("the command read %v, %s", csr, problem)
	}
	want := "agent-h1." + testSuffix + " 2026-01-01T00:00:00Z 2026-01-31T00:00:00Z"
	if env := strings.TrimSpace(string(must(os.ReadFile(filepath.Join(dir, "env")))(t))); env != want {
		t.Errorf("its environment has %q; want %q", env, want)
	}
}

// What a CA writes is not handed out unless it is what was asked for.
// PROTOCOL N4
func TestCACommand_WhatItIssuesIsChecked(t *testing.T) {
	r, dir := commandRig(t)
	other := must(pki.New(pki.Config{Suffix: testSuffix, Clock: r.clock}))(t)
	foreign := must(other.IssueAgent("h1", pki.Validity{}))(t)
	for what, text := range map[string][]byte{
		"nothing":          nil,
		"no PEM":           []byte("hello"),
		"another CA's key": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: foreign.Certificate[0]}),
		"another key":      r.certify(func(c *x509.Certificate) { c.PublicKey = testKey(1).Public() }),
		"another name":     r.certify(func(c *x509.Certificate) { c.Subject.CommonName = "operator-h1." + testSuffix }),
		"a CA":             r.certify(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }),
		"a server's":       r.certify(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		"too long a life":  r.certify(func(c *x509.Certificate) { c.NotAfter = r.clock.Now().Add(DefaultAgentValidity + time.Second) }),
		"of the future":    r.certify(func(c *x509.Certificate) { c.NotBefore = r.clock.Now().Add(time.Minute) }),
		"too much":         []byte(strings.Repeat("x", maxIssued+1)),
	} {
		writeFile(t, filepath.Join(dir, "crt"), string(text))
		a := r.enrol(r.host)
		if a.status != wire.IssuingFailed.Status() {
			t.Errorf("%s: got %v; want %v", what, a, wire.IssuingFailed)
		}
	}
	if lines := r.logs.matching("level=ERROR", "certificate not issued", "host=h1", "request_id="); len(lines) != 10 {
		t.Errorf("the log has %d lines; want one for each, with its request ID", len(lines))
	}
	writeFile(t, filepath.Join(dir, "crt"), string(r.certify(func(*x509.Certificate) {})))
	r.issued(r.enrol(r.host)) // the token is not used up
}

// PROTOCOL N4
func TestCACommand_FailsAndTakesTooLong(t *testing.T) {
	for command, want := range map[string]string{"echo no key here >&2; exit 3": "exit status 3: no key here", "sleep 60 & sleep 60": "did not end within 100ms"} {
		r := startEnrolRig(t, func(c *Config) { c.CAKeyFile, c.CACommand, c.CATimeout = "", command, 100*time.Millisecond })
		r.enrol(r.host).want(t, wire.IssuingFailed)
		if lines := r.logs.matching("level=ERROR", "certificate not issued", want); len(lines) != 1 {
			t.Errorf("%s: the log has %q", command, r.logs.matching("not issued"))
		}
	}
}

// While the command ran the host was revoked, and what it issued is of later.
// PROTOCOL N4, T5
func TestCACommand_ARevocationMeanwhileCounts(t *testing.T) {
	dir := t.TempDir()
	gone := filepath.Join(dir, "go")
	r := startEnrolRig(t, func(c *Config) {
		c.CAKeyFile = ""
		c.CACommand = fmt.Sprintf("touch %s/asked; until test -e %s; do sleep 0.01; done; cat %s/crt", dir, gone, dir)
	})
	body := enrolBody(t, &r.token, csrOf(t, "h1", r.host))
	done := r.stranger().begin("POST", enrolPath, body)
	r.eventually("the command runs", func() bool { _, err := os.Stat(filepath.Join(dir, "asked")); return err == nil })
	r.clock.Add(10 * time.Second)
	r.revoke("agent-h1."+testSuffix, r.clock.Now())
	r.clock.Add(10 * time.Second)
	writeFile(t, filepath.Join(dir, "crt"), string(r.certify(func(*x509.Certificate) {})))
	writeFile(t, gone, "")
	(<-done).want(t, wire.EnrolmentRefused)
}

func TestIssuing_ConfigIsChecked(t *testing.T) {
	r := newEnrolRig(t)
	for want, edit := range map[string]func(*Config){
		"both set":                     func(c *Config) { c.CACommand = "true" },
		"need a release dir":           func(c *Config) { c.ReleaseDir, c.TrustFile = "", "" },
		"need a client ca file":        func(c *Config) { c.ClientCAs, c.ClientCAFile = r.ca.Pool(), "" },
		"ca timeout is -1s":            func(c *Config) { c.CATimeout = -time.Second },
		"agent validity is 1s":         func(c *Config) { c.AgentValidity = time.Second },
		"no such file":                 func(c *Config) { c.CAKeyFile += "x" },
		"has no PEM block PRIVATE KEY": func(c *Config) { _ = os.Chmod(c.ClientCAFile, 0o600); c.CAKeyFile = c.ClientCAFile },
		"is the key of no CA":          func(c *Config) { c.CAKeyFile = writeKey(t) },
		"every user can read the key":  func(c *Config) { c.CAKeyFile = writeKey(t); _ = os.Chmod(c.CAKeyFile, 0o644) },
	} {
		cfg := r.cfg
		edit(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
	}
}

// writeKey writes the key of another CA.
func writeKey(t testing.TB) string {
	t.Helper()
	_, key, err := pki.EncodePair(must(pki.New(pki.Config{Suffix: testSuffix}))(t).Pair())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "other.key")
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
