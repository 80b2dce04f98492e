package wire

import "strings"

// Identity is who a verified client certificate speaks for (PROTOCOL T2, T4).
type Identity struct {
	// CommonName is the certificate's, whole.
	CommonName string
	// Operator tells operators from agents.
	Operator bool
	// Name is an agent's machine ID or an operator's name.
	Name string
}

// ParseIdentity reads a common name. agent-<id>.<suffix> is the agent <id>,
// operator-<name>.<suffix> is the operator <name>; every other name, and one
// with an empty id or name, is an agent whose machine ID is the whole name
// (bare names from older fleets). suffix has no leading dot and may be empty,
// in which case every name is taken whole.
func ParseIdentity(commonName, suffix string) Identity {
	id := Identity{CommonName: commonName, Name: commonName}
	if suffix == "" {
		return id
	}
	rest, found := strings.CutSuffix(commonName, "."+suffix)
	if !found {
		return id
	}
	if name, ok := strings.CutPrefix(rest, "operator-"); ok && name != "" {
		id.Operator, id.Name = true, name
	} else if name, ok := strings.CutPrefix(rest, "agent-"); ok && name != "" {
		id.Name = name
	}
	return id
}

// Hostname returns the machine ID as a hostname. It reports false for
// operators and for names that no host can have (PROTOCOL T11).
func (id Identity) Hostname() (Hostname, bool) {
	if id.Operator {
		return "", false
	}
	h, err := ParseHostname(id.Name)
	return h, err == nil
}

// OtherSpelling returns the other common name that means the same host: of
// agent-<id>.<suffix> the bare <id>, and the other way round (PROTOCOL T2). It
// reports false if there is none: for operators, for names that no host can have,
// and where the other name would mean somebody else.
func (id Identity) OtherSpelling(suffix string) (CommonName, bool) {
	host, ok := id.Hostname()
	if !ok || suffix == "" {
		return "", false
	}
	other := string(host)
	if other == id.CommonName {
		other = "agent-" + other + "." + suffix
	}
	if back := ParseIdentity(other, suffix); back.Operator || back.Name != id.Name {
		return "", false
	}
	return CommonName(other), true
}
