package mtls

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// What the start refuses, a reload refuses too, and a new pair is not used beside a CA
// file that cannot be, nor the other way round.
func TestAReloadIsAllOrNothing(t *testing.T) {
	r := newRig(t)
	pairPEM := func(pair tls.Certificate, err error) (certificate, key []byte) {
		t.Helper()
		r.must(err)
		certificate, key, err = pki.EncodePair(pair)
		r.must(err)
		return certificate, key
	}
	agentCert, agentKey := pairPEM(r.ca.IssueAgent("h1", pki.Validity{}))
	expiredCert, expiredKey := pairPEM(r.ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{NotBefore: testEpoch.Add(-time.Hour), NotAfter: testEpoch.Add(-time.Second)}))
	goodCert, goodKey := pairPEM(r.ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{}))
	others, err := pki.New(pki.Config{Suffix: "other.test", Clock: r.clock})
	r.must(err)
	oldCA, newCA := r.caPEM(r.ca), r.caPEM(r.newCA())
	before := r.credentials.current.Load()
	refusals := 0
	for _, test := range []struct {
		name          string
		cert, key, ca []byte
		want          string
	}{
		{"an agent's certificate and a new CA", agentCert, agentKey, newCA, `server.crt: "CN=agent-h1.fleet.test" is the certificate of a client`},
		{"an expired certificate and a new CA", expiredCert, expiredKey, newCA, "server.crt: \"CN=127.0.0.1\" expired at"},
		{"a new certificate with the key of another", goodCert, agentKey, newCA, "server.key: not the key of"},
		{"a new certificate, and a leaf as CA", goodCert, goodKey, agentCert, "ca.pem:1: \"CN=agent-h1.fleet.test\" is not a CA"},
		{"a new certificate, and half of a bundle", goodCert, goodKey, slices.Concat(newCA, oldCA[:200]), "damaged PEM block"},
		{"a new certificate, and a CA of another suffix", goodCert, goodKey, r.caPEM(others), `for the suffix other.test; no certificate of it ends in agent cn suffix "fleet.test"`},
		{"two CAs of one other suffix", goodCert, goodKey, slices.Concat(r.caPEM(others), r.caPEM(others)), `for the suffix other.test; no certificate`},
	} {
		r.write("server.crt", test.cert)
		r.write("server.key", test.key)
		r.write("ca.pem", test.ca)
		changed, err := r.credentials.Reload()
		refusals++
		if changed || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: changed: %v, error: %v; want %q", test.name, changed, err, test.want)
		}
		if r.credentials.current.Load() != before {
			t.Fatalf("%s: another set is in use", test.name)
		}
		if notes := r.credentials.Notes(); len(notes) != 1 || !strings.Contains(notes[0], test.want) {
			t.Errorf("%s: notes %q", test.name, notes)
		}
		if lines := r.lines("level=ERROR", "the last good set stays in use"); len(lines) != refusals {
			t.Errorf("%s: %d lines, want %d\n%s", test.name, len(lines), refusals, r.log)
		}
		r.wantMetric("refrain_certificate_reloads_total", outcomeRefused, float64(refusals))
		r.wantMetric("refrain_certificate_files_refused", "", 1)
	}
	r.write("ca.pem", slices.Concat(newCA, r.caPEM(others)))
	if changed, err := r.credentials.Reload(); err != nil || !changed {
		t.Fatalf("a good set: changed: %v, error: %v", changed, err)
	}
	r.wantMetric("refrain_certificate_files_refused", "", 0)
	r.wantMetric("refrain_certificate_reloads_total", outcomeApplied, 1)
	if s := r.credentials.current.Load(); s.leaf().Equal(before.leaf()) || len(s.roots) != 2 {
		t.Error("the good set is not used as a whole")
	}
}

// Two polls have to read the same: a file that is being written is not tried.
func TestAPollWaitsForFilesToBeComplete(t *testing.T) {
	r := newRig(t)
	next := r.caPEM(r.newCA())
	r.write("ca.pem", next[:100])
	r.credentials.poll()
	r.write("ca.pem", next[:200])
	r.credentials.poll()
	r.write("ca.pem", next)
	r.credentials.poll()
	if lines := r.lines("level=ERROR"); len(lines) > 0 {
		t.Errorf("an incomplete file was tried: %v", lines)
	}
	if lines := r.lines("certificates reloaded"); len(lines) > 0 {
		t.Errorf("a file was used that was read once: %v", lines)
	}
	r.credentials.poll()
	if lines := r.lines("certificates reloaded", "client_cas_changed=true"); len(lines) != 1 {
		t.Errorf("the complete file is not used:\n%s", r.log)
	}
	// A bad one is logged once, however often it is read.
	r.write("ca.pem", next[:100])
	for range 5 {
		r.credentials.poll()
	}
	if lines := r.lines("level=ERROR"); len(lines) != 1 {
		t.Errorf("%d lines for one bad file, want one\n%s", len(lines), r.log)
	}
}
