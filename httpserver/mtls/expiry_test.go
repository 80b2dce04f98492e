package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

func TestExpiryOfServerAndCAIsAMetricAWarningAndANote(t *testing.T) {
	r := newRig(t)
	leafEnd, caEnd := testEpoch.Add(pki.DefaultLeafValidity), testEpoch.Add(pki.DefaultCAValidity)
	r.wantMetric("refrain_certificate_expiry_timestamp_seconds", "server", float64(leafEnd.Unix()))
	r.wantMetric("refrain_certificate_expiry_timestamp_seconds", "client_ca", float64(caEnd.Unix()))
	if notes := r.credentials.Notes(); len(notes) > 0 {
		t.Errorf("notes of good certificates: %q", notes)
	}
	r.clock.Set(leafEnd.Add(-14 * day))
	r.credentials.poll()
	warnings := func() int {
		return len(r.lines("level=WARN", "server.crt: the server's certificate expires at ", "in 14d"))
	}
	if notes := r.credentials.Notes(); len(notes) != 1 || !strings.HasSuffix(notes[0], "in 14d") || warnings() != 1 {
		t.Errorf("notes %q, log\n%s", notes, r.log)
	}
	r.clock.Add(time.Hour)
	r.credentials.poll()
	if n := len(r.lines("level=WARN")); n != 1 {
		t.Errorf("%d warnings within a day, want one\n%s", n, r.log)
	}
	r.clock.Add(23 * time.Hour)
	r.credentials.poll()
	if n := len(r.lines("level=WARN", "in 13d")); n != 1 {
		t.Errorf("no second warning after a day\n%s", r.log)
	}
	r.clock.Set(leafEnd.Add(time.Second))
	if notes := r.credentials.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "expired at ") {
		t.Errorf("notes of an expired certificate: %q", notes)
	}
}

func TestClientsThatExpireSoonAreCountedAndNotNamedInMetrics(t *testing.T) {
	r := newRig(t)
	in := func(days int) pki.Validity { return pki.Validity{NotAfter: testEpoch.Add(time.Duration(days) * day)} }
	if _, ok := r.metric("refrain_client_certificate_soonest_expiry_timestamp_seconds", ""); ok {
		t.Error("a soonest expiry before any client")
	}
	for host, days := range map[string]int{"h1": 1, "h6": 6, "h10": 10, "h20": 20, "h300": 300} {
		if got := r.get(r.client(r.agent(r.ca, host, in(days)))); got != 200 {
			t.Fatalf("%s is answered %d", host, got)
		}
	}
	want := func(first time.Time, counts ...float64) {
		t.Helper()
		r.wantMetric("refrain_client_certificate_soonest_expiry_timestamp_seconds", "", float64(first.Unix()))
		for i, within := range withins {
			r.wantMetric("refrain_client_certificates_expiring", within.word, counts[i])
		}
	}
	want(testEpoch.Add(day), 1, 2, 3, 4)
	r.credentials.poll()
	if lines := r.lines("level=WARN", `msg="client certificates have to be renewed"`, "count=3", "within=14d",
		"agent-h1.fleet.test in 24h0m0s, agent-h6.fleet.test in 6d, agent-h10.fleet.test in 10d"); len(lines) != 1 {
		t.Errorf("want one warning of three clients\n%s", r.log)
	}
	// One that was renewed is forgotten, and so is one that has expired.
	r.get(r.client(r.agent(r.ca, "h1", in(365))))
	want(testEpoch.Add(6*day), 0, 1, 2, 3)
	r.clock.Add(8 * day)
	want(testEpoch.Add(10*day), 0, 1, 2, 2)
}

func TestTheClientsThatExpireSoonestAreRemembered(t *testing.T) {
	e := newClientExpiries(nil)
	for i := range 3 * maxRemembered {
		// In an order that has both earlier and later ones at every moment.
		minutes := (i * 7919) % (3 * maxRemembered)
		e.seen(&x509.Certificate{Subject: pkix.Name{CommonName: fmt.Sprint(minutes)}, NotAfter: testEpoch.Add(time.Duration(minutes+1) * time.Minute)}, testEpoch)
	}
	if len(e.soon) != maxRemembered {
		t.Errorf("%d are remembered, want %d", len(e.soon), maxRemembered)
	}
	for minutes := range maxRemembered {
		if _, ok := e.soon[fmt.Sprint(minutes)]; !ok {
			t.Fatalf("the one that expires as number %d is forgotten", minutes+1)
		}
	}
}

// state is what a server knows of a connection.
func (r *rig) state(ca *pki.Authority, config *tls.Config) *tls.ConnectionState {
	leaf := config.Certificates[0].Leaf
	return &tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf, ca.Certificate()}},
	}
}

func TestAConnectionIsTrustedByTheCAsInUse(t *testing.T) { // PROTOCOL T1
	r := newRig(t)
	first := r.ca
	state := r.state(first, r.agent(first, "h1", pki.Validity{}))
	client := r.client(r.agent(first, "h1", pki.Validity{}))
	if got := r.get(client); got != 200 {
		t.Fatalf("answered %d", got)
	}
	second := r.newCA()
	reload := func(texts ...[]byte) {
		t.Helper()
		var all []byte
		for _, text := range texts {
			all = append(all, text...)
		}
		r.write("ca.pem", all)
		if changed, err := r.credentials.Reload(); err != nil || !changed {
			t.Fatalf("changed: %v, error: %v", changed, err)
		}
	}
	trusted := func(want bool, what string) {
		t.Helper()
		if got := r.credentials.Trusts(state, r.clock.Now()); got != want {
			t.Errorf("%s: trusted: %v", what, got)
		}
	}
	trusted(true, "the CA is in use")
	reload(r.caPEM(second), r.caPEM(first))
	trusted(true, "the CA is one of two")
	r.wantMetric("refrain_client_ca_connections", Fingerprint(first.Certificate()), 1)
	r.wantMetric("refrain_client_ca_connections", Fingerprint(second.Certificate()), 0)
	if lines := r.lines("certificates reloaded", "connections_closed=0"); len(lines) != 1 {
		t.Errorf("log:\n%s", r.log)
	}

	// A handshake that was verified by a CA that is gone, before the sweep saw it.
	reload(r.caPEM(second))
	trusted(false, "the CA is gone")
	if lines := r.lines("certificates reloaded", "connections_closed=1"); len(lines) != 1 {
		t.Errorf("log:\n%s", r.log)
	}
	if got := r.get(client); got != 0 {
		t.Errorf("the removed CA's client is answered %d", got)
	}

	// The first one again, renewed with its old key: another certificate, which verifies
	// the same leaves.
	pair := first.Pair()
	template := *first.Certificate()
	template.NotAfter = template.NotAfter.Add(day)
	r.write("ca.pem", r.sign(&template, pair))
	if _, err := r.credentials.Reload(); err != nil {
		t.Fatal(err)
	}
	trusted(true, "the CA was renewed with its old key")
	r.clock.Set(template.NotAfter.Add(time.Second))
	trusted(false, "everything has expired")
}
