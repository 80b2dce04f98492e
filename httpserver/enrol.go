package httpserver

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

const (
	// maxEnrolment is the largest body of an enrolment or a renewal, in bytes.
	maxEnrolment = 16 << 10
	// maxIssuing is how many certificates are issued at a time.
	maxIssuing = 8
	// issuingRetry is the Retry-After while so many are.
	issuingRetry = 5 * time.Second
	// notReady is what an agent of NixFleet looks for in a 503 of an enrolment; it waits
	// then, and ends at any other answer.
	notReady = "control plane not ready"
)

// enrolment issues certificates to hosts (PROTOCOL N). What it judges by is the release
// that is held and the trust file; what was used is the plane's.
type enrolment struct {
	issuer  issuer
	pace    enrolPace
	issuing chan struct{}

	issued  map[string]prometheus.Counter    // by what for
	refused map[wire.Code]prometheus.Counter // by reason
}

// Certificates are issued for either.
const (
	forEnrolment = "enrolment"
	forRenewal   = "renewal"
)

// enrolmentCodes are the refusals that are counted by themselves.
var enrolmentCodes = []wire.Code{
	wire.EnrolmentRefused, wire.NonceUsed, wire.BadCSR, wire.TooManyEnrolments, wire.IssuingFailed, wire.CertificateRevoked, wire.ReleaseUnavailable,
}

func newEnrolment(cfg *Config, registry *prometheus.Registry) *enrolment {
	n := &enrolment{
		issuer: cfg.newIssuer(), pace: enrolPace{exempt: cfg.ExemptAddresses}, issuing: make(chan struct{}, maxIssuing),
		issued: make(map[string]prometheus.Counter), refused: make(map[wire.Code]prometheus.Counter),
	}
	issued := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "refrain_certificates_issued_total", Help: "Certificates of hosts issued, by what for.",
	}, []string{"for"})
	for _, what := range []string{forEnrolment, forRenewal} {
		n.issued[what] = issued.WithLabelValues(what)
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "refrain_certificates_refused_total", Help: "Enrolments and renewals refused, by reason.",
	}, []string{"reason"})
	for _, code := range enrolmentCodes {
		n.refused[code] = refused.WithLabelValues(code.Reason())
	}
	registry.MustRegister(issued, refused)
	return n
}

// registerEnrolment registers the routes of PROTOCOL N, if the plane has a CA to issue
// with.
func (s *Server) registerEnrolment(r *mux.Router) {
	if s.enrolment == nil {
		return
	}
	s.handle(r, http.MethodPost, "/v1/enroll", endpoint{
		name: "enroll", role: anybody, body: needsBody, limit: maxEnrolment, versioned: true, paced: true,
		parse: parseEnrolment, serve: serveEnrolment,
	})
	s.handle(r, http.MethodPost, "/v1/agent/renew", endpoint{
		name: "renew", role: agents, body: needsBody, limit: maxEnrolment, versioned: true,
		parse: parseRenewal, serve: serveRenewal,
	})
}

func parseEnrolment(e *exchange) bool {
	var doc artifact.Enrolment
	if !decode(e, &artifact.EnrolmentSchema, &doc) {
		return false
	}
	e.token, e.csr = &doc.Token, string(doc.CSR)
	return true
}

func parseRenewal(e *exchange) bool {
	var doc artifact.Renewal
	if !decode(e, &artifact.RenewalSchema, &doc) {
		return false
	}
	e.csr = string(doc.CSR)
	return true
}

// serveEnrolment is PROTOCOL N1 to N4.
func serveEnrolment(e *exchange) {
	claims := &e.token.Claims
	a, ready := e.admissionOf()
	if !ready {
		e.enrolmentRefused(claims.Hostname)
		return
	}
	entry, refusal, ok := a.Token(e.token)
	if !ok && !a.Genuine(e.token) { // of a stranger: the plane is not asked
		e.outcome = refusal
		e.enrolmentRefused(claims.Hostname)
		return
	}
	until := claims.ExpiresAt
	if entry != nil && until.Before(entry.ExpiresAt) {
		until = entry.ExpiresAt
	}
	var csr *x509.CertificateRequest
	if ok {
		if csr, refusal, ok = readCSR(e.csr); ok {
			refusal, ok = a.Host(claims, applicant(csr))
		}
	}
	e.hostname = claims.Hostname
	e.certify(forEnrolment, csr, &plane.Certify{
		Hostname: claims.Hostname, Since: claims.IssuedAt, Nonce: claims.Nonce, Key: claims.Fingerprint, ExpiresAt: until, Refused: !ok,
	}, refusal)
}

// serveRenewal is PROTOCOL N5.
func serveRenewal(e *exchange) {
	a, ready := e.admissionOf()
	if !ready {
		e.enrolmentRefused(e.hostname)
		return
	}
	csr, refusal, ok := readCSR(e.csr)
	if ok {
		if id := wire.ParseIdentity(csr.Subject.CommonName, e.server.cfg.AgentCNSuffix); id.Operator || id.Name != string(e.hostname) {
			refusal, ok = wire.Refuse(wire.EnrolmentRefused, "csrPem", "has the common name "+clip(csr.Subject.CommonName)+"; want "+string(e.hostname)+", which has the certificate"), false
		}
	}
	if !ok {
		e.outcome = refusal
		e.enrolmentRefused(e.hostname)
		return
	}
	by := applicant(csr)
	if refusal, ok = a.Renewal(e.hostname, keyBytes(e.leaf().RawSubjectPublicKeyInfo), by); !ok {
		e.outcome = refusal
		e.enrolmentRefused(e.hostname)
		return
	}
	e.certify(forRenewal, csr, &plane.Certify{
		Hostname: e.hostname, Since: e.certificate.NotBefore, Key: artifact.Fingerprint(by.Key),
	}, wire.Outcome{})
}

// admissionOf is what a host is judged by now. Without a verified release it sets the
// outcome.
func (e *exchange) admissionOf() (*artifact.Admission, bool) {
	held := e.server.releases.held.Load()
	if held == nil {
		e.refuse(wire.ReleaseUnavailable, "", notReady+": no verified release is held yet; the plane's log says why one was refused")
		e.outcome.RetryAfter = releaseRetry
		return nil, false
	}
	// The trust file is read anew: a release that a new one refuses stays held, and a
	// key that was taken out must not admit anybody.
	text, err := releasefile.ReadRegular(e.server.cfg.TrustFile)
	var trust *artifact.Trust
	if err == nil {
		trust, err = artifact.ParseTrust(text)
	}
	if err != nil {
		e.refuse(wire.IssuingFailed, "", "the plane's trust file cannot be read; its log has details under this request ID")
		e.server.log.Error("certificate not issued", "error", err, "file", e.server.cfg.TrustFile, "request_id", e.requestID)
		return nil, false
	}
	return &artifact.Admission{Trust: trust, Nonces: held.nonces, Fleet: held.fleet, Now: wire.TimeOf(e.server.cfg.wall())}, true
}

func readCSR(text string) (*x509.CertificateRequest, wire.Outcome, bool) {
	csr, problem := parseCSR(text)
	if csr == nil {
		return nil, wire.Refuse(wire.BadCSR, "csrPem", problem), false
	}
	return csr, wire.Outcome{}, true
}

func applicant(csr *x509.CertificateRequest) *artifact.Applicant {
	key, is := csr.PublicKey.(ed25519.PublicKey)
	by := &artifact.Applicant{CommonName: csr.Subject.CommonName, Key: key, Ed25519: is && len(key) == ed25519.PublicKeySize}
	if !is {
		by.Key = keyBytes(csr.RawSubjectPublicKeyInfo)
	}
	return by
}

// certify asks the plane and issues the certificate. If the input is one that is refused
// whatever the plane says, refusal is the answer, unless the nonce was used.
func (e *exchange) certify(what string, csr *x509.CertificateRequest, in *plane.Certify, refusal wire.Outcome) {
	defer func() {
		if e.outcome.Code != wire.OK {
			e.enrolmentRefused(in.Hostname)
		}
	}()
	s := e.server
	name, err := pki.AgentCommonName(string(in.Hostname), s.cfg.AgentCNSuffix)
	if err != nil {
		e.outcome = wire.Refuse(wire.IssuingFailed, "", "no certificate can have this host's name: "+err.Error())
		return
	}
	in.CommonName = wire.CommonName(name)
	in.Also, _ = wire.ParseIdentity(name, s.cfg.AgentCNSuffix).OtherSpelling(s.cfg.AgentCNSuffix)
	select {
	case s.enrolment.issuing <- struct{}{}:
		defer func() { <-s.enrolment.issuing }()
	default:
		e.tooMany(issuingRetry)
		return
	}
	decided := s.cfg.wall()
	if e.ask(in, gate.Bulk); e.outcome.Code != wire.NoContent {
		return
	}
	if in.Refused {
		e.outcome = refusal
		return
	}
	o := &order{commonName: name, csr: csr, notBefore: decided, notAfter: decided.Add(s.cfg.AgentValidity)}
	text, err := s.enrolment.issuer.issue(context.WithoutCancel(e.r.Context()), o)
	var leaf *x509.Certificate
	if err == nil {
		leaf, err = s.cfg.checkIssued(text, o)
	}
	if err != nil {
		e.refuse(wire.IssuingFailed, "", "the certificate could not be issued; the plane's log has details under this request ID")
		s.log.Error("certificate not issued", "host", string(in.Hostname), "for", what, "error", err, "request_id", e.requestID)
		return
	}
	if leaf.NotBefore.After(decided) {
		// The host may have been revoked in between, and the certificate would be one
		// of later.
		again := *in
		if e.ask(&again, gate.Bulk); e.outcome.Code != wire.NoContent {
			return
		}
	}
	s.enrolment.issued[what].Inc()
	s.log.Info("certificate issued", "host", string(in.Hostname), "for", what, "common_name", name, "serial", leaf.SerialNumber.Text(16),
		"not_after", leaf.NotAfter.UTC().Format(time.RFC3339), "address", e.r.RemoteAddr, "request_id", e.requestID)
	e.outcome = wire.Outcome{Code: wire.OK, Document: &artifact.Certificate{Certificate: wire.Text(text), NotAfter: wire.TimeOf(leaf.NotAfter)}}
}

// enrolmentRefused counts and logs a refusal. host is whose name the request has, which
// may be anybody's.
func (e *exchange) enrolmentRefused(host wire.Hostname) {
	o := &e.outcome
	if o.Code.Status() == http.StatusServiceUnavailable && o.Code.Unavailable() {
		o.Detail = notReady + ": " + o.Detail // it is logged and counted as every 503
		return
	}
	s := e.server
	if counter := s.enrolment.refused[o.Code]; counter != nil {
		counter.Inc()
	}
	if suppressed, ok, _ := s.throttle.Allow("certificate refused: " + o.Code.Reason()); ok {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "certificate refused", slog.String("host", string(host)), slog.String("route", e.endpoint.name),
			slog.String("reason", o.Code.Reason()), slog.String("field", o.Field), slog.String("detail", clipTo(o.Detail, 300)),
			slog.String("address", e.r.RemoteAddr), slog.String("request_id", e.requestID), slog.Uint64("suppressed", suppressed))
	}
}
