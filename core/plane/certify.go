package plane

import (
	"fmt"
	"maps"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// enrolmentLine is a nonce that was used to enrol, and for which key of which host.
type enrolmentLine struct {
	Nonce     wire.Name
	Hostname  wire.Hostname
	Key       wire.Name
	At        wire.Time
	ExpiresAt wire.Time
}

var enrolmentLineSchema = wire.Schema[enrolmentLine]{Fields: []wire.Field[enrolmentLine]{
	{Name: "nonce", Presence: wire.Required, Of: func(l *enrolmentLine) wire.Value { return &l.Nonce }},
	{Name: "hostname", Presence: wire.Required, Of: func(l *enrolmentLine) wire.Value { return &l.Hostname }},
	{Name: "key", Presence: wire.Required, Of: func(l *enrolmentLine) wire.Value { return &l.Key }},
	{Name: "at", Presence: wire.Optional, Of: func(l *enrolmentLine) wire.Value { return &l.At }},
	{Name: "expires_at", Presence: wire.Required, Of: func(l *enrolmentLine) wire.Value { return &l.ExpiresAt }},
}}

// certify decides whether a host may be given a certificate (PROTOCOL N3, N5). It is a
// step, so that it has a place among the revocations: a certificate whose NotBefore is
// not later than this step is refused by every revocation that comes after it.
func (p *Plane) certify(in *Certify, out *Output) {
	needs := dependsOn(out, in.Hostname)
	used, isUsed := p.enrolments[in.Nonce]
	isUsed = isUsed && in.Nonce != ""
	if isUsed { // it may be the entry of another host, and be of this batch
		needs = max(needs, dependsOn(out, used.Hostname))
	}
	if isUsed && (used.Hostname != in.Hostname || used.Key != in.Key) {
		reply(out, needs, wire.Refuse(wire.NonceUsed, "token.claims.nonce",
			fmt.Sprintf("was used at %v by %s, with another key; want a new token", used.At, used.Hostname)))
		return
	}
	for _, name := range []wire.CommonName{in.CommonName, in.Also} {
		if before, revoked := p.revocations[name]; revoked && in.Since.Before(before) {
			reply(out, needs, refuseRevoked(in, name, before))
			return
		}
	}
	if in.Nonce == "" || isUsed || in.Refused {
		reply(out, needs, wire.Outcome{Code: wire.NoContent})
		return
	}
	if p.withheld(out) {
		return
	}
	p.forgetEnrolments(out)
	p.enrolments[in.Nonce] = enrolmentLine{in.Nonce, in.Hostname, in.Key, p.last.Wall, in.ExpiresAt}
	out.changedEnrolment(in.Nonce)
	own := *in
	p.log(out, Entry{Input: &own, Hostname: in.Hostname, Kind: "enrolled", Outcome: "applied"})
	reply(out, len(out.Entries), wire.Outcome{Code: wire.NoContent})
}

func refuseRevoked(in *Certify, name wire.CommonName, before wire.Time) wire.Outcome {
	if in.Nonce == "" {
		return wire.Refuse(wire.CertificateRevoked, "", fmt.Sprintf("%s is revoked before %v", name, before))
	}
	return wire.Refuse(wire.EnrolmentRefused, "token.claims.issuedAt",
		fmt.Sprintf("is %v, and %s is revoked before %v; want a token that was issued later", in.Since, name, before))
}

// forgetEnrolments forgets the nonces that have expired: nothing accepts them.
func (p *Plane) forgetEnrolments(out *Output) {
	for _, nonce := range slices.Sorted(maps.Keys(p.enrolments)) {
		if p.enrolments[nonce].ExpiresAt.Before(p.last.Wall) {
			delete(p.enrolments, nonce)
			out.changedEnrolment(nonce)
		}
	}
}

func (o *Output) changedEnrolment(nonce wire.Name) {
	o.Changes = append(o.Changes, Change{Table: TableEnrolments, Key: string(nonce)})
}
