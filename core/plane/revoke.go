package plane

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// revoke refuses a name's certificates from before an instant (PROTOCOL T5), and
// those of the other spelling of the same host. An instant earlier than the one in
// force changes nothing: a revocation is never taken back.
func (p *Plane) revoke(in *Revoke, out *Output) {
	now, before := p.last.Wall, in.Before
	if !before.IsSet() {
		before = now
	}
	if now.Before(before) {
		reply(out, len(out.Entries), wire.Refuse(wire.WrongShape, "revoked_before",
			fmt.Sprintf("is %v, which is in the future: it is %v by the plane's clock", before, now)))
		return
	}
	refusal, warning := p.judgeHolder(in)
	if refusal != "" {
		reply(out, len(out.Entries), wire.Refuse(wire.UnknownName, "common_name", refusal))
		return
	}
	if p.revocations[in.CommonName].Before(before) || in.Also != "" && p.revocations[in.Also].Before(before) {
		if p.withheld(out) {
			return
		}
	}
	changed := p.revokeName(in.CommonName, before, out)
	if in.Also != "" {
		changed = p.revokeName(in.Also, before, out) || changed
	}
	if changed {
		p.log(out, Entry{Input: &Revoke{CommonName: in.CommonName, Also: in.Also, Before: before}, Kind: "revoked", Outcome: "applied"})
		out.RevocationsChanged = true
		out.Notices = append(out.Notices, Notice{Kind: NoticeRevoked, Detail: string(in.CommonName)})
		if warning != "" {
			out.Notices = append(out.Notices, Notice{Kind: NoticeRevokedUnseen, Detail: string(in.CommonName) + ": " + warning})
		}
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: &wire.RevocationAnswer{
		CommonName: in.CommonName, RevokedBefore: p.revocations[in.CommonName], AlsoRevoked: in.Also, Warning: wire.Text(warning),
	}})
}

// revokeName revokes one common name, and reports whether that changed anything.
func (p *Plane) revokeName(name wire.CommonName, before wire.Time, out *Output) bool {
	if !p.revocations[name].Before(before) {
		return false
	}
	p.revocations[name] = before
	out.changedRevocation(name)
	return true
}

// judgeHolder says why a name is not to be revoked, or what to warn of. A mistyped
// name must not look like a revocation while the host works on; and an operator
// who knows better can force it.
func (p *Plane) judgeHolder(in *Revoke) (refusal, warning string) {
	h := &in.Holder
	if !h.Judge {
		return "", ""
	}
	known, seen := h.Seen, h.Seen
	if h.Hostname != "" {
		known, seen = p.knows(h.Hostname)
	}
	if _, revoked := p.revocations[in.CommonName]; seen {
		return "", ""
	} else if known {
		return "", fmt.Sprintf("%s is in a manifest, but nothing of it has ever arrived; if the host has another name, it is not revoked", h.Hostname)
	} else if h.Force || revoked {
		return "", "the plane knows no host and no operator of this name; if it is misspelt, no certificate is revoked"
	}
	const otherwise = `; correct the name, or send "force":true to revoke it all the same`
	if h.Hostname != "" {
		return fmt.Sprintf("is the name of host %s, of which the plane has seen no request since it started and has no record; want agent-<id>.<suffix> or <id> of a host in /v1/operator/hosts, or operator-<name>.<suffix>%s", h.Hostname, otherwise), ""
	}
	return "is no host's name, and no operator has used it since the plane started; want agent-<id>.<suffix>, the bare <id>, or operator-<name>.<suffix>" + otherwise, ""
}

// knows reports whether a host is known, by a request or a manifest, and whether
// anything of it has ever arrived (PROTOCOL L1).
func (p *Plane) knows(name wire.Hostname) (known, seen bool) {
	i, known := p.find(name)
	return known, known && !p.table.vitals[i].unseen
}
