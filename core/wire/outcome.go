package wire

import (
	"strconv"
	"time"
)

// Code is what became of a request. Each code has one status, and each refusal
// one stable reason word (PROTOCOL T10).
type Code uint8

// The codes. The seven 503 codes come first among the refusals, in the order of
// PROTOCOL G1 and G2.
const (
	// OK is 200 with a document.
	OK Code = iota
	// Created is 201 with a document.
	Created
	// NoContent is 204: applied and durable, or already so (E2); or no work (D1).
	NoContent

	// NotStarted: the runtime is not up yet (G1).
	NotStarted
	// Saturated: the inbox, or the caller's share of it, is full (G1, G6).
	Saturated
	// Closed: the inbox is closed for shutdown (G1).
	Closed
	// DroppedReply: the reducer dropped the request without a reply (G2).
	DroppedReply
	// Timeout: no reply before the deadline (G2).
	Timeout
	// StoreUnavailable: the plane cannot make anything durable, and the request
	// needs that (G9).
	StoreUnavailable
	// OverBudget: the event budget of the record has no room for the event (G10).
	OverBudget

	// Gap is 409 with Replay-From (E6).
	Gap
	// Rejected is 409 without it (E7).
	Rejected
	// UnknownRollout is 404 for a rollout, or a (rollout, host) pair (E8).
	UnknownRollout
	// UnknownHost is 404 for a host.
	UnknownHost
	// UnknownQuarantine is 404 for a closure that is not quarantined.
	UnknownQuarantine
	// UnknownName is 422: a common name that nobody is known by (T5).
	UnknownName
	// ManifestConflict is 409: another manifest under the same ID (R1).
	ManifestConflict
	// RolloutSuperseded is 409: a superseded rollout cannot be resumed (R4).
	RolloutSuperseded
	// RolloutHeld is 409: a held rollout cannot be resumed, it is to be chosen (R6).
	RolloutHeld

	// NotFound is 404 for a path (T7).
	NotFound
	// MethodNotAllowed is 405 (T7).
	MethodNotAllowed
	// NoCertificate is 401 (T1).
	NoCertificate
	// CertificateRevoked is 401 (T5).
	CertificateRevoked
	// CertificateExpired is 401: a kept connection outlived its certificate.
	CertificateExpired
	// BadCertificate is 401: the CA signed it, but it cannot speak for a client (T1).
	BadCertificate
	// UnsupportedProtocol is 426 (T6).
	UnsupportedProtocol
	// BadProtocolHeader is 400 (T6).
	BadProtocolHeader
	// ProtocolRequired is 400, from a strict server (T6).
	ProtocolRequired
	// UnsupportedMediaType is 415 (T7).
	UnsupportedMediaType
	// UnsupportedEncoding is 415: the body is encoded (T7).
	UnsupportedEncoding
	// BodyTooLarge is 413 (T7).
	BodyTooLarge
	// NotJSON is 400 (T7).
	NotJSON
	// WrongShape is 422 (T7).
	WrongShape
	// BadQuery is 400: a parameter of the URL.
	BadQuery
	// WrongIdentity is 403: another host's name (T3).
	WrongIdentity
	// WrongRole is 403: an agent on an operator route or the reverse (T4).
	WrongRole
	// TooManyReaders is 429: as many histories are being read as may be (R5).
	TooManyReaders
	// ReleaseUnavailable is 503: the plane holds no verified release (V1).
	ReleaseUnavailable
	// Internal is 500: a defect of the plane.
	Internal
	// Accepted is 202: an opening that is under way (R1).
	Accepted
	// UnsignedManifest is 403: a manifest of no signed release, to a plane that opens
	// only those (V7).
	UnsignedManifest
	// NonceUsed is 409: the nonce of a token was used for another key (N3).
	NonceUsed
	// EnrolmentRefused is 401: the token, the host or its key do not allow it (N2, N5).
	EnrolmentRefused
	// BadCSR is 400: no certificate signing request of a host (N2, N5).
	BadCSR
	// TooManyEnrolments is 429: enrolments from this address come too often (N6).
	TooManyEnrolments
	// IssuingFailed is 500: the plane cannot issue a certificate (N2, N4).
	IssuingFailed
	// AnswerTooLarge is 413: the route has no pages, and the fleet is too large for it
	// (T14).
	AnswerTooLarge
	// RolloutAborted is 409: an operator has ended the rollout (O3).
	RolloutAborted

	// CodeCount is the number of codes.
	CodeCount int = iota
)

// UnavailableCodes are the seven reasons of a 503 (PROTOCOL G1, G2, G9, G10).
var UnavailableCodes = [...]Code{NotStarted, Saturated, Closed, DroppedReply, Timeout, StoreUnavailable, OverBudget}

var codes = [CodeCount]struct {
	status int
	reason string
	title  string
}{
	OK:        {200, "", "OK"},
	Created:   {201, "", "Created"},
	NoContent: {204, "", "No content"},
	Accepted:  {202, "", "Accepted"},

	NotStarted:   {503, "not_started", "The plane is starting"},
	Saturated:    {503, "saturated", "The inbox is full"},
	Closed:       {503, "closed", "The plane is shutting down"},
	DroppedReply: {503, "dropped_reply", "The request was dropped without a reply"},
	Timeout:      {503, "timeout", "No reply in time"},

	StoreUnavailable: {503, "store_unavailable", "The plane cannot write to its disk"},
	OverBudget:       {503, "over_budget", "The host has sent too many events of this rollout"},

	Gap:               {409, "gap", "Events are missing before this one"},
	Rejected:          {409, "rejected", "The record does not allow this event"},
	UnknownRollout:    {404, "unknown_rollout", "No such rollout for this host"},
	UnknownHost:       {404, "unknown_host", "No such host"},
	UnknownQuarantine: {404, "unknown_quarantine", "No such quarantined closure"},
	UnknownName:       {422, "unknown_name", "No host and no operator has this name"},
	ManifestConflict:  {409, "manifest_conflict", "Another manifest has this rollout ID"},
	RolloutSuperseded: {409, "superseded", "The rollout is superseded"},
	RolloutHeld:       {409, "held", "The rollout is held"},

	NotFound:             {404, "not_found", "No such route"},
	MethodNotAllowed:     {405, "method_not_allowed", "The route does not take this method"},
	NoCertificate:        {401, "no_certificate", "A client certificate is needed"},
	CertificateRevoked:   {401, "certificate_revoked", "The certificate is revoked"},
	CertificateExpired:   {401, "certificate_expired", "The certificate is expired"},
	BadCertificate:       {401, "bad_certificate", "The certificate speaks for no client"},
	UnsupportedProtocol:  {426, "unsupported_protocol", "The plane speaks version 1 of the protocol"},
	BadProtocolHeader:    {400, "bad_protocol_header", "The protocol header is unreadable"},
	ProtocolRequired:     {400, "protocol_required", "The protocol header is needed"},
	UnsupportedMediaType: {415, "unsupported_media_type", "The body must be application/json"},
	UnsupportedEncoding:  {415, "unsupported_encoding", "The body must not be encoded"},
	BodyTooLarge:         {413, "body_too_large", "The body is too large"},
	NotJSON:              {400, "not_json", "The body is not JSON"},
	WrongShape:           {422, "wrong_shape", "The document has the wrong shape"},
	BadQuery:             {400, "bad_query", "A query parameter is wrong"},
	WrongIdentity:        {403, "wrong_identity", "The certificate is another host's"},
	WrongRole:            {403, "wrong_role", "The certificate is for other routes"},
	UnsignedManifest:     {403, "unsigned_manifest", "The manifest is not signed"},
	TooManyReaders:       {429, "too_many_readers", "Too many histories are being read"},
	ReleaseUnavailable:   {503, "release_unavailable", "No verified release is held"},
	Internal:             {500, "internal", "The plane failed"},
	NonceUsed:            {409, "nonce_used", "The nonce was used"},
	EnrolmentRefused:     {401, "enrolment_refused", "The host is not given a certificate"},
	BadCSR:               {400, "bad_csr", "The certificate signing request is wrong"},
	TooManyEnrolments:    {429, "too_many_enrolments", "Enrolments come too often"},
	AnswerTooLarge:       {413, "answer_too_large", "The answer would be too large"},
	RolloutAborted:       {409, "aborted", "The rollout is aborted"},
	IssuingFailed:        {500, "issuing_failed", "The plane cannot issue a certificate"},
}

// Status returns the HTTP status of the code.
func (c Code) Status() int { return codes[c].status }

// Reason returns the stable word of a refusal; empty for a success.
func (c Code) Reason() string { return codes[c].reason }

// Unavailable reports whether the code is one of the seven 503 reasons.
func (c Code) Unavailable() bool { return NotStarted <= c && c <= OverBudget }

// String returns the reason, or "ok", "created",
// "no_content", "accepted".
func (c Code) String() string {
	switch c {
	case OK:
		return "ok"
	case Created:
		return "created"
	case NoContent:
		return "no_content"
	case Accepted:
		return "accepted"
	default:
		return codes[c].reason
	}
}

// Document is a JSON document that an answer carries.
type Document interface {
	// AppendJSON appends the document's canonical JSON.
	AppendJSON(dst []byte) []byte
}

// File is a document that is answered as it was received, byte for byte, such as one
// that is signed.
type File struct {
	Media string // the media type
	Bytes []byte
}

// AppendJSON implements [Document]. The bytes may be no JSON.
func (f *File) AppendJSON(dst []byte) []byte { return append(dst, f.Bytes...) }

// Outcome is what became of one request, before it is put on a wire. The zero
// value is a 200 to a heartbeat without a receipt.
type Outcome struct {
	Code Code
	// Replay says that the answer carries X-Nixfleet-Replay-From: ReplayFrom.
	Replay     bool
	ReplayFrom Seq
	// RetryAfter is the Retry-After of a 503 (G4, V1), a 429 (R5, N6) or a 202. It is written in whole
	// seconds, rounded up, at least one.
	RetryAfter time.Duration
	// Heartbeat is the body of a 200 without a Document.
	Heartbeat HeartbeatResponse
	// Document is the body of any other 200, 201 or 202.
	Document Document
	// Field is the member, header or parameter that a refusal is about.
	Field string
	// Detail says in one sentence what was wrong and what would be right.
	Detail string
	// Allow lists the methods of the route, for a 405.
	Allow string
}

// Refuse makes the outcome of a refusal.
func Refuse(code Code, field, detail string) Outcome {
	return Outcome{Code: code, Field: field, Detail: detail}
}

// Unavailable makes one of the seven 503 outcomes, with its Retry-After.
func Unavailable(code Code, retryAfter time.Duration) Outcome {
	return Outcome{Code: code, RetryAfter: retryAfter, Detail: unavailableDetails[code]}
}

var unavailableDetails = [CodeCount]string{
	NotStarted:   "nothing was applied; the plane is not up yet",
	Saturated:    "nothing was applied; come back in the slot given by Retry-After",
	Closed:       "nothing was applied; the plane is shutting down",
	DroppedReply: "the input may have been applied; sending it again is harmless",
	Timeout:      "the input may have been applied; sending it again is harmless",

	StoreUnavailable: "nothing was applied; the plane goes on with what needs no disk, and takes this once it can write again",
	OverBudget:       "nothing was applied; the event budget of this host and rollout is used up, and has room again after Retry-After",
}

// HeaderField is one header of an answer.
type HeaderField struct{ Name, Value string }

// Answer is a whole HTTP answer as data. Its slices are reused by
// [Outcome.Write].
type Answer struct {
	Status int
	Header []HeaderField
	Body   []byte
}

// Write turns the outcome into an answer: the only place where an outcome
// becomes status, headers and body. requestID goes into problem documents and
// may be empty.
func (o *Outcome) Write(requestID string, a *Answer) {
	a.Status = o.Code.Status()
	a.Header = a.Header[:0]
	a.Body = a.Body[:0]
	if o.Replay {
		a.set(HeaderReplayFrom, strconv.FormatUint(uint64(o.ReplayFrom), 10))
	}
	switch {
	case o.Code == NoContent:
	case o.Code.Reason() == "":
		media := MediaJSON
		if f, is := o.Document.(*File); is {
			media = f.Media
		}
		a.set(HeaderContentType, media)
		if opening, is := o.Document.(*OpeningStatus); is && o.Code == Accepted {
			a.set("Location", opening.Location())
			a.set(HeaderRetryAfter, strconv.FormatInt(retryAfterSeconds(o.RetryAfter), 10))
		}
		if o.Document != nil {
			a.Body = o.Document.AppendJSON(a.Body)
		} else {
			a.Body = HeartbeatResponseSchema.Append(a.Body, &o.Heartbeat)
		}
	default:
		o.writeProblem(requestID, a)
	}
}

func (o *Outcome) writeProblem(requestID string, a *Answer) {
	a.set(HeaderContentType, MediaProblem)
	switch {
	case o.Code.Unavailable(), o.Code.Status() == 429, o.Code == ReleaseUnavailable:
		a.set(HeaderRetryAfter, strconv.FormatInt(retryAfterSeconds(o.RetryAfter), 10))
	case o.Code.Status() == 401:
		// RFC 9110, 11.6.1 wants a challenge with every 401; the scheme is
		// ours, since the certificate is not an HTTP authentication scheme.
		a.set("WWW-Authenticate", "Certificate")
	case o.Code == UnsupportedProtocol:
		a.set("Connection", "Upgrade") // RFC 9110, 7.8
		a.set("Upgrade", "nixfleet/1") // RFC 9110, 15.5.22
		a.set(HeaderProtocol, strconv.Itoa(ProtocolVersion))
	case o.Code == UnsupportedEncoding:
		a.set("Accept-Encoding", "identity") // RFC 9110, 15.5.16
	case o.Code == MethodNotAllowed:
		a.set("Allow", o.Allow)
	}
	p := Problem{
		Type:   Text("urn:refrain:problem:" + o.Code.Reason()),
		Title:  Text(codes[o.Code].title),
		Status: Int(o.Code.Status()), Reason: Name(o.Code.Reason()),
		Detail: Text(o.Detail), Field: Text(o.Field), RequestID: Text(requestID),
	}
	a.Body = ProblemSchema.Append(a.Body, &p)
}

// retryAfterSeconds rounds up, since no caller may come back earlier, and gives
// at least one (PROTOCOL G4).
func retryAfterSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return max(seconds, 1)
}

func (a *Answer) set(name, value string) { a.Header = append(a.Header, HeaderField{name, value}) }

// Get returns the value of a header of the answer, or "".
func (a *Answer) Get(name string) string {
	for _, h := range a.Header {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// Problem is the body of every refusal (RFC 9457, PROTOCOL T10).
type Problem struct {
	Type      Text
	Title     Text
	Status    Int
	Reason    Name
	Detail    Text
	Field     Text
	RequestID Text
}

// ProblemSchema describes [Problem].
var ProblemSchema = Schema[Problem]{Fields: []Field[Problem]{
	{"type", Required, func(p *Problem) Value { return &p.Type }},
	{"title", Required, func(p *Problem) Value { return &p.Title }},
	{"status", Required, func(p *Problem) Value { return &p.Status }},
	{"reason", Required, func(p *Problem) Value { return &p.Reason }},
	{"detail", Optional, func(p *Problem) Value { return &p.Detail }},
	{"field", Optional, func(p *Problem) Value { return &p.Field }},
	{"request_id", Optional, func(p *Problem) Value { return &p.RequestID }},
}}
