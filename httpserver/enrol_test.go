package httpserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

const (
	enrolPath = "/v1/enroll"
	renewPath = "/v1/agent/renew"
)

// enrolRig is a plane that issues certificates, with a signed release in which h1 may
// enrol.
type enrolRig struct {
	*harness
	release *testRelease
	root    ed25519.PrivateKey // signs tokens
	host    ed25519.PrivateKey // h1's
	token   artifact.Token
}

func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{seed}, ed25519.SeedSize))
}

// newEnrolRig makes the files and does not start the server. The edits come last.
func newEnrolRig(t testing.TB, edits ...func(*Config)) *enrolRig {
	t.Helper()
	r := &enrolRig{release: newTestRelease(t), root: testKey(0x21), host: testKey(0x41)}
	r.trust(&artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(base64.StdEncoding.EncodeToString(r.root.Public().(ed25519.PublicKey)))})
	r.release.pubkey = sshLine(r.host)
	r.token = artifact.Token{Claims: artifact.Claims{
		Hostname: "h1", Fingerprint: artifact.Fingerprint(r.host.Public().(ed25519.PublicKey)), Nonce: "00ff",
		IssuedAt: wire.TimeOf(testEpoch), ExpiresAt: wire.TimeOf(testEpoch.Add(24 * time.Hour)),
	}}
	r.sign()
	r.release.nonces = []artifact.Nonce{{Nonce: "00ff", Hostname: "h1", ExpiresAt: r.token.Claims.ExpiresAt}}
	r.release.write("00ff", testEpoch)
	var ca *pki.Authority
	r.harness = newHarness(t, append([]func(*Config){r.release.configure, func(c *Config) {
		ca = must(pki.New(pki.Config{Suffix: testSuffix, Clock: c.Clock}))(t)
		cert := must(ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{}))(t)
		dir := t.TempDir()
		crt, key, err := pki.EncodePair(ca.Pair())
		if err != nil {
			t.Fatal(err)
		}
		c.ClientCAFile, c.CAKeyFile = filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
		writeFile(t, c.ClientCAFile, string(crt))
		if err := os.WriteFile(c.CAKeyFile, key, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Certificate, c.ClientCAs = &cert, nil
	}}, edits...)...)
	r.ca = ca
	return r
}

func startEnrolRig(t testing.TB, edits ...func(*Config)) *enrolRig {
	t.Helper()
	r := newEnrolRig(t, edits...)
	r.start()
	r.wantOpened("stable@00ff")
	return r
}

// trust writes the trust file with a root key; nil for none.
func (r *enrolRig) trust(root *artifact.Key) {
	r.release.t.Helper()
	trust := artifact.Trust{
		Release: artifact.Slot{Current: &artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(base64.StdEncoding.EncodeToString(r.release.key.Public().(ed25519.PublicKey)))}},
		OrgRoot: artifact.Slot{Current: root},
	}
	writeFile(r.release.t, r.release.trust, string(artifact.MarshalTrust(&trust)))
}

// sign signs the token.
func (r *enrolRig) sign() {
	form := must(r.token.Claims.Canonical())(r.release.t)
	r.token.Signature = wire.Name(base64.StdEncoding.EncodeToString(ed25519.Sign(r.root, form)))
}

// sshLine is a public key as a fleet has it.
func sshLine(key ed25519.PrivateKey) wire.Text {
	blob := append([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), key.Public().(ed25519.PublicKey)...)
	return wire.Text("ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob))
}

// csrOf makes a CSR in PEM.
func csrOf(t testing.TB, name string, key crypto.Signer) string {
	t.Helper()
	der := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name, Organization: []string{"ignored"}}}, key))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: csrBlock, Bytes: der}))
}

func enrolBody(t testing.TB, token *artifact.Token, csr string) string {
	t.Helper()
	return string(must(json.Marshal(map[string]any{"token": json.RawMessage(token.Marshal()), "csrPem": csr}))(t))
}

// enrol sends the token and a CSR for a key, as a client without a certificate.
func (r *enrolRig) enrol(key crypto.Signer) answer {
	r.t.Helper()
	return r.stranger().do(http.MethodPost, enrolPath, enrolBody(r.t, &r.token, csrOf(r.t, string(r.token.Claims.Hostname), key)), "X-Refrain-Agent: ", "X-Nixfleet-Protocol: 1")
}

func (r *enrolRig) renew(c *client, name string, key crypto.Signer) answer {
	r.t.Helper()
	body := string(must(json.Marshal(map[string]string{"csrPem": csrOf(r.t, name, key)}))(r.t))
	return c.do(http.MethodPost, renewPath, body, "X-Refrain-Agent: ", "X-Nixfleet-Protocol: 1")
}

// issued reads an answer with a certificate.
func (r *enrolRig) issued(a answer) *x509.Certificate {
	r.t.Helper()
	a.want(r.t, wire.OK)
	var doc struct {
		CertPem  string    `json:"certPem"`
		NotAfter time.Time `json:"notAfter"`
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		r.t.Fatal(err)
	}
	block, rest := pem.Decode([]byte(doc.CertPem))
	if block == nil || len(rest) > 0 {
		r.t.Fatalf("certPem is %q", doc.CertPem)
	}
	leaf := must(x509.ParseCertificate(block.Bytes))(r.t)
	if !leaf.NotAfter.Equal(doc.NotAfter) {
		r.t.Errorf("notAfter is %v; the certificate ends at %v", doc.NotAfter, leaf.NotAfter)
	}
	return leaf
}

// as connects with a certificate of h1's key.
func (r *enrolRig) as(leaf *x509.Certificate) *client {
	r.t.Helper()
	return r.connect(tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: r.host, Leaf: leaf})
}

// The whole way of a field agent, from a token to Converged, over TLS.
// PROTOCOL N1, N4
func TestEnrolment_FromATokenToConverged(t *testing.T) {
	r := startEnrolRig(t)
	leaf := r.issued(r.enrol(r.host))
	name := "agent-h1." + testSuffix
	if leaf.Subject.CommonName != name || !slices.Equal(leaf.DNSNames, []string{name}) || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) ||
		leaf.IsCA || !leaf.NotBefore.Equal(testEpoch) || !leaf.NotAfter.Equal(testEpoch.Add(DefaultAgentValidity)) {
		t.Errorf("the certificate is %v %v %v CA=%v from %v to %v", leaf.Subject, leaf.DNSNames, leaf.ExtKeyUsage, leaf.IsCA, leaf.NotBefore, leaf.NotAfter)
	}
	f := newFieldClient(r.harness, r.release)
	f.c = r.as(leaf)
	f.restart()
	if !f.poll() {
		t.Fatal("there is no dispatch")
	}
	f.switched("stable@00ff", "c1")
	f.wantDrained()
	f.beat(time.Minute)
	f.advance()
	f.wantDrained()
	r.wantState("stable@00ff", "h1", wire.Converged, 5)
	if n := r.metric(`refrain_certificates_issued_total{for="enrolment"}`); n != 1 {
		t.Errorf("%v enrolments are counted", n)
	}
	if lines := r.logs.matching("certificate issued", "host=h1", "request_id=", "serial="+leaf.SerialNumber.Text(16)); len(lines) != 1 {
		t.Errorf("the log has %q", lines)
	}
}

// PROTOCOL N3
func TestEnrolment_ALostAnswerUsesUpNoToken(t *testing.T) {
	r := startEnrolRig(t)
	first := r.issued(r.enrol(r.host))
	r.restart()
	r.wantOpened("stable@00ff")
	second := r.issued(r.enrol(r.host))
	if first.SerialNumber.Cmp(second.SerialNumber) == 0 {
		t.Error("both have one serial number")
	}
	r.as(first).heartbeat("h1").want(t, wire.OK)
	r.as(second).heartbeat("h1").want(t, wire.OK)
	if n := r.metric(`refrain_entries_logged_total{kind="enrolled"}`); n != 0 {
		t.Errorf("the second time is logged")
	}
}

// A second token of the same nonce for another key of the host is refused, also after
// the fleet has that key.
// PROTOCOL N2, N3
func TestEnrolment_ANonceIsUsedByOneKey(t *testing.T) {
	r := startEnrolRig(t)
	r.issued(r.enrol(r.host))
	other := testKey(0x42)
	r.token.Claims.Fingerprint = artifact.Fingerprint(other.Public().(ed25519.PublicKey))
	r.sign()
	r.enrol(other).want(t, wire.NonceUsed) // and not 401, although the fleet has another key
	r.release.pubkey = sshLine(other)
	r.release.write("00ff", testEpoch.Add(time.Second))
	r.clock.Add(time.Second)
	r.eventually("the release is held", func() bool {
		r.clock.Add(dirSettle)
		return r.metric("refrain_release_signed_timestamp_seconds") == float64(testEpoch.Add(time.Second).Unix())
	})
	r.enrol(other).want(t, wire.NonceUsed)
	if n := r.metric(`refrain_certificates_refused_total{reason="nonce_used"}`); n != 2 {
		t.Errorf("%v refusals are counted", n)
	}
}

// PROTOCOL N2, N4
func TestEnrolment_WhatIsRefused(t *testing.T) {
	for _, test := range []struct {
		name  string
		code  wire.Code
		spoil func(*enrolRig) (token artifact.Token, csr string)
	}{
		{"the nonce is not listed", wire.EnrolmentRefused, func(r *enrolRig) (artifact.Token, string) {
			r.token.Claims.Nonce = "aaaa"
			r.sign()
			return r.token, csrOf(r.t, "h1", r.host)
		}},
		{"another organization signed", wire.EnrolmentRefused, func(r *enrolRig) (artifact.Token, string) {
			r.root = testKey(0x22)
			r.sign()
			return r.token, csrOf(r.t, "h1", r.host)
		}},
		{"no CSR", wire.BadCSR, func(r *enrolRig) (artifact.Token, string) { return r.token, "x" }},
		{"a CSR and something else", wire.BadCSR, func(r *enrolRig) (artifact.Token, string) {
			return r.token, csrOf(r.t, "h1", r.host) + csrOf(r.t, "h1", r.host)
		}},
		{"a CSR without a name", wire.BadCSR, func(r *enrolRig) (artifact.Token, string) { return r.token, csrOf(r.t, "", r.host) }},
		{"a CSR with a broken signature", wire.BadCSR, func(r *enrolRig) (artifact.Token, string) {
			block, _ := pem.Decode([]byte(csrOf(r.t, "h1", r.host)))
			block.Bytes[len(block.Bytes)-1] ^= 1
			return r.token, string(pem.EncodeToMemory(block))
		}},
		{"a CSR of another host", wire.EnrolmentRefused, func(r *enrolRig) (artifact.Token, string) { return r.token, csrOf(r.t, "h2", r.host) }},
		{"a CSR of another key", wire.EnrolmentRefused, func(r *enrolRig) (artifact.Token, string) { return r.token, csrOf(r.t, "h1", testKey(1)) }},
		{"a key that is not ed25519", wire.BadCSR, func(r *enrolRig) (artifact.Token, string) {
			key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(r.t)
			r.token.Claims.Fingerprint = artifact.Fingerprint(keyBytes(must(x509.MarshalPKIXPublicKey(key.Public()))(r.t)))
			r.sign()
			return r.token, csrOf(r.t, "h1", key)
		}},
		{"a host that is not in the fleet", wire.EnrolmentRefused, func(r *enrolRig) (artifact.Token, string) {
			r.token.Claims.Hostname, r.token.Claims.Nonce = "h2", "00f2"
			r.sign()
			return r.token, csrOf(r.t, "h2", r.host)
		}},
		{"another key than the fleet's", wire.EnrolmentRefused, func(r *enrolRig) (artifact.Token, string) {
			r.token.Claims.Fingerprint = artifact.Fingerprint(testKey(1).Public().(ed25519.PublicKey))
			r.sign()
			return r.token, csrOf(r.t, "h1", testKey(1))
		}},
		{"no root key", wire.IssuingFailed, func(r *enrolRig) (artifact.Token, string) {
			r.trust(nil)
			return r.token, csrOf(r.t, "h1", r.host)
		}},
		{"no trust file", wire.IssuingFailed, func(r *enrolRig) (artifact.Token, string) {
			writeFile(r.t, r.release.trust, "")
			return r.token, csrOf(r.t, "h1", r.host)
		}},
		{"no key of the CA", wire.IssuingFailed, func(r *enrolRig) (artifact.Token, string) {
			if err := os.Remove(r.cfg.CAKeyFile); err != nil {
				r.t.Fatal(err)
			}
			return r.token, csrOf(r.t, "h1", r.host)
		}},
		{"the token is past", wire.EnrolmentRefused, func(r *enrolRig) (artifact.Token, string) {
			r.token.Claims.ExpiresAt = wire.TimeOf(testEpoch)
			r.sign()
			return r.token, csrOf(r.t, "h1", r.host)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newEnrolRig(t)
			r.release.nonces = append(r.release.nonces, artifact.Nonce{Nonce: "00f2", Hostname: "h2", ExpiresAt: r.token.Claims.ExpiresAt})
			r.release.write("00ff", testEpoch)
			r.start()
			r.wantOpened("stable@00ff")
			good := enrolBody(t, &r.token, csrOf(t, "h1", r.host))
			token, csr := test.spoil(r)
			a := r.stranger().do(http.MethodPost, enrolPath, enrolBody(t, &token, csr))
			a.want(t, test.code)
			if p := a.problem(t); p.Detail == "" {
				t.Errorf("%v does not say why", a)
			}
			if !a.last {
				t.Error("the connection of a stranger is kept")
			}
			if n := r.metric(`refrain_certificates_refused_total{reason="` + test.code.Reason() + `"}`); n != 1 {
				t.Errorf("%v refusals are counted", n)
			}
			if lines := r.logs.matching("certificate refused", "reason="+test.code.Reason(), "request_id="); len(lines) != 1 {
				t.Errorf("the log has %q", lines)
			}
			if test.code == wire.IssuingFailed {
				return
			}
			r.stranger().do(http.MethodPost, enrolPath, good).want(t, wire.OK) // nothing is used up
		})
	}
}

// PROTOCOL N1
func TestEnrolment_WithoutAReleaseAgentsWait(t *testing.T) {
	r := newEnrolRig(t)
	for _, entry := range must(os.ReadDir(r.release.dir))(t) {
		if err := os.RemoveAll(filepath.Join(r.release.dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	waits := func(code wire.Code) {
		t.Helper()
		a := r.enrol(r.host)
		a.want(t, code)
		if !strings.Contains(a.body, notReady) || a.header.Get("Retry-After") == "" {
			t.Errorf("the agent ends at %v", a)
		}
	}
	r.listen()
	waits(wire.ReleaseUnavailable)
	r.start()
	waits(wire.ReleaseUnavailable)
	r.release.write("00ff", testEpoch)
	r.eventually("the release is held", func() bool { r.clock.Add(dirSettle); return r.server.releases.held.Load() != nil })
	rule := r.faults.Install(Fault{Kind: Drop, Count: 1})
	waits(wire.DroppedReply)
	rule.Lift()
	r.issued(r.enrol(r.host))
}

// PROTOCOL N1
func TestEnrolment_WithoutACAThereIsNoRoute(t *testing.T) {
	r := startEnrolRig(t, func(c *Config) { c.CAKeyFile = "" })
	r.enrol(r.host).want(t, wire.NotFound)
	r.renew(r.agent("h1"), "h1", r.host).want(t, wire.NotFound)
}

// PROTOCOL N5
func TestRenewal_GivesTheSameHostAndKeyALaterCertificate(t *testing.T) {
	r := startEnrolRig(t)
	first := r.issued(r.enrol(r.host))
	r.clock.Add(10 * time.Second)
	for _, name := range []string{"h1", "agent-h1." + testSuffix} {
		second := r.issued(r.renew(r.as(first), name, r.host))
		if want := first.NotAfter.Add(10 * time.Second); second.Subject.CommonName != "agent-h1."+testSuffix || !second.NotAfter.Equal(want) || !second.NotBefore.Equal(testEpoch.Add(10*time.Second)) {
			t.Errorf("the certificate is %v from %v to %v", second.Subject, second.NotBefore, second.NotAfter)
		}
		r.as(second).heartbeat("h1").want(t, wire.OK)
	}
	if n := r.metric(`refrain_certificates_issued_total{for="renewal"}`); n != 2 {
		t.Errorf("%v renewals are counted", n)
	}
}

// PROTOCOL N5
func TestRenewal_WhatIsRefused(t *testing.T) {
	r := startEnrolRig(t)
	c := r.as(r.issued(r.enrol(r.host)))
	for _, test := range []struct {
		what string
		code wire.Code
		a    func() answer
	}{
		{"the name of another host", wire.EnrolmentRefused, func() answer { return r.renew(c, "h2", r.host) }},
		{"the name of an operator", wire.EnrolmentRefused, func() answer { return r.renew(c, "operator-h1."+testSuffix, r.host) }},
		{"another key", wire.EnrolmentRefused, func() answer { return r.renew(c, "h1", testKey(1)) }},
		{"a key that is not ed25519", wire.BadCSR, func() answer { return r.renew(c, "h1", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)) }},
		{"no CSR", wire.BadCSR, func() answer { return c.do(http.MethodPost, renewPath, `{"csrPem":""}`) }},
		{"a certificate of another key than the fleet's", wire.EnrolmentRefused, func() answer {
			key := testKey(9)
			leaf := must(pki.Certify(r.ca.Certificate(), r.ca.Pair().PrivateKey.(crypto.Signer), "h1", key.Public(), r.clock.Now(), r.clock.Now().Add(time.Hour)))(t)
			return r.renew(r.connect(tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}), "h1", key)
		}},
		{"a host that the fleet does not have", wire.EnrolmentRefused, func() answer {
			leaf := must(pki.Certify(r.ca.Certificate(), r.ca.Pair().PrivateKey.(crypto.Signer), "h2", r.host.Public(), r.clock.Now(), r.clock.Now().Add(time.Hour)))(t)
			return r.renew(r.as(leaf), "h2", r.host)
		}},
		{"no certificate", wire.NoCertificate, func() answer { return r.renew(r.stranger(), "h1", r.host) }},
		{"an operator's", wire.WrongRole, func() answer { return r.renew(r.operator("o"), "h1", r.host) }},
	} {
		a := test.a()
		if a.status != test.code.Status() || a.problem(t).Reason != wire.Name(test.code.Reason()) {
			t.Errorf("%s: got %v, want %v", test.what, a, test.code)
		}
	}
}

// A revoked host gets a new certificate neither by the one that it has nor by the token
// that it had, but by a token of later.
// PROTOCOL N3, N5
func TestEnrolment_ARevokedHostIsGivenNoCertificate(t *testing.T) {
	r := startEnrolRig(t)
	c := r.as(r.issued(r.enrol(r.host)))
	r.clock.Add(10 * time.Second)
	r.revoke("h1", r.clock.Now())
	r.renew(c, "h1", r.host).want(t, wire.CertificateRevoked)
	r.enrol(r.host).want(t, wire.EnrolmentRefused)
	r.token.Claims.IssuedAt = wire.TimeOf(r.clock.Now())
	r.sign()
	r.clock.Add(time.Second)
	r.as(r.issued(r.enrol(r.host))).heartbeat("h1").want(t, wire.OK)
}

// PROTOCOL N6, T7
func TestEnrolment_IsBounded(t *testing.T) {
	r := startEnrolRig(t)
	c := r.stranger()
	c.do(http.MethodPost, enrolPath, `{"csrPem":"`+strings.Repeat("x", maxEnrolment)+`"}`).want(t, wire.BodyTooLarge)
	c.do(http.MethodPost, enrolPath, `{`).want(t, wire.NotJSON)
	c.do(http.MethodPost, enrolPath, `{}`).want(t, wire.WrongShape)
	c.do(http.MethodPost, enrolPath, `{}`, "X-Nixfleet-Protocol: 2").want(t, wire.UnsupportedProtocol)
	c.do(http.MethodPost, enrolPath, `{}`, "Content-Type: text/plain").want(t, wire.UnsupportedMediaType)
	c.do(http.MethodGet, enrolPath, "").want(t, wire.MethodNotAllowed)
	refused := 0
	for range enrolBurst {
		if a := c.do(http.MethodPost, enrolPath, `{}`); a.status == http.StatusTooManyRequests {
			a.want(t, wire.TooManyEnrolments)
			if a.header.Get("Retry-After") == "" {
				t.Fatal("there is no Retry-After")
			}
			refused++
		}
	}
	if refused != 5 { // five were admitted before
		t.Errorf("%d of %d are refused; want the 5 beyond the burst", refused, enrolBurst+5)
	}
	r.clock.Add(enrolInterval)
	c.do(http.MethodPost, enrolPath, `{}`).want(t, wire.WrongShape)
}

// PROTOCOL T6
func TestEnrolment_AStrictServerWantsTheVersion(t *testing.T) {
	r := newEnrolRig(t, func(c *Config) { c.StrictProtocol = true })
	r.start() // and with it a release is held
	c := r.as(r.issued(r.enrol(r.host)))
	r.issued(r.renew(c, "h1", r.host))
	r.stranger().do(http.MethodPost, enrolPath, `{}`, "X-Nixfleet-Protocol: ").want(t, wire.ProtocolRequired)
	c.do(http.MethodPost, renewPath, `{}`, "X-Refrain-Agent: ", "X-Nixfleet-Protocol: ").want(t, wire.ProtocolRequired)
}

func TestEnrolPace_ForgetsAddressesThatAreAtRest(t *testing.T) { // PROTOCOL N6
	var p enrolPace
	now := testEpoch
	for i := range maxEnrolAddresses {
		if _, ok := p.admit(addressOf(i), now); !ok {
			t.Fatalf("address %d is refused", i)
		}
	}
	if wait, ok := p.admit(addressOf(maxEnrolAddresses), now); ok || wait <= 0 {
		t.Errorf("one address more is admitted, %v", wait)
	}
	now = now.Add(enrolInterval)
	if _, ok := p.admit(addressOf(maxEnrolAddresses), now); !ok || len(p.whole) != 1 {
		t.Errorf("admitted: %v, and %d addresses are remembered", ok, len(p.whole))
	}
}

// addressOf is the i-th of many addresses.
func addressOf(i int) string { return fmt.Sprintf("10.0.%d.%d:1", i/250, i%250) }

// enrolmentRefusals has a request for each refusal that only enrolments and renewals are
// given.
func enrolmentRefusals() map[wire.Code]func(*testing.T) answer {
	return map[wire.Code]func(*testing.T) answer{
		wire.NonceUsed: func(t *testing.T) answer {
			r := startEnrolRig(t)
			r.issued(r.enrol(r.host))
			r.token.Claims.Fingerprint = "another"
			r.sign()
			return r.enrol(r.host)
		},
		wire.EnrolmentRefused: func(t *testing.T) answer { return startEnrolRig(t).enrol(testKey(1)) },
		wire.BadCSR: func(t *testing.T) answer {
			r := startEnrolRig(t)
			return r.stranger().do(http.MethodPost, enrolPath, enrolBody(t, &r.token, ""))
		},
		wire.TooManyEnrolments: func(t *testing.T) answer {
			r := startEnrolRig(t)
			for range maxIssuing {
				r.server.enrolment.issuing <- struct{}{}
			}
			return r.enrol(r.host)
		},
		wire.IssuingFailed: func(t *testing.T) answer {
			r := startEnrolRig(t)
			r.trust(nil)
			return r.enrol(r.host)
		},
	}
}
