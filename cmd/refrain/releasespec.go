package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// releaseSpec is what a fleet's YAML file says.
type releaseSpec struct {
	reader *specReader
	fleet  artifact.Fleet
	// revocations and nonces are nil if the file has no such list.
	revocations *artifact.Revocations
	nonces      *artifact.Nonces
}

// Defaults of channels and policies, as deploy/release.example.yaml shows them.
const (
	defaultReconcile = 30
	defaultSignEvery = 30
	defaultFreshFor  = 60
	defaultSystem    = "x86_64-linux"
	defaultStrategy  = "staged"
)

// readReleaseSpec reads a fleet's YAML file. What does not depend on other keys is
// checked here, the rest by resolve. The error is a *configError.
func readReleaseSpec(path string, text []byte) (*releaseSpec, error) {
	spec := &releaseSpec{reader: &specReader{configReader: configReader{path: path}, at: map[string]*yaml.Node{}}}
	r, fleet := spec.reader, &spec.fleet
	r.document(text,
		specText(r, "commit", &fleet.Meta.Commit, nil),
		must(specKey{name: "channels", read: spec.channels}),
		must(specKey{name: "policies", read: spec.policies}),
		must(specKey{name: "hosts", read: spec.hosts}),
		specKey{name: "edges", read: func(key string, node *yaml.Node) { spec.edges(&fleet.Edges, key, node) }},
		specKey{name: "channel-edges", read: func(key string, node *yaml.Node) { spec.edges(&fleet.ChannelEdges, key, node) }},
		specKey{name: "budgets", read: spec.budgets},
		specKey{name: "revocations", read: spec.revoked},
		specKey{name: "nonces", read: spec.allowed},
	)
	if len(r.problems) > 0 {
		return nil, &configError{path, r.problems}
	}
	return spec, nil
}

func checkHost(name string) error {
	_, err := wire.ParseHostname(name)
	return err
}

func checkChannel(name string) error {
	if artifact.CheckRolloutID(wire.MakeRolloutID(wire.Channel(name), "0")) != nil {
		return errors.New("want lower-case letters, digits, '_' and '-': the name becomes part of rollout IDs")
	}
	return nil
}

func (s *releaseSpec) channels(key string, node *yaml.Node) {
	s.reader.names(key, node, checkChannel, func(name, key string, node *yaml.Node) {
		c := artifact.Channel{ReconcileMinutes: defaultReconcile, SignMinutes: defaultSignEvery, FreshMinutes: defaultFreshFor}
		s.reader.mapping(key, node,
			must(specText(s.reader, "policy", &c.Policy, nil)),
			s.reader.minutes("reconcile-every", time.Minute, &c.ReconcileMinutes),
			s.reader.minutes("sign-every", time.Minute, &c.SignMinutes),
			s.reader.minutes("fresh-for", time.Minute, &c.FreshMinutes),
		)
		s.fleet.Channels = append(s.fleet.Channels, wire.Named[artifact.Channel]{Name: name, Of: c})
	})
}

func (s *releaseSpec) policies(key string, node *yaml.Node) {
	r := s.reader
	r.names(key, node, checkHost, func(name, key string, node *yaml.Node) {
		p := artifact.Policy{Strategy: defaultStrategy, OnFailure: wire.RollbackAndHalt}
		r.mapping(key, node,
			specText(r, "strategy", &p.Strategy, oneOf("all-at-once", "canary", "staged")),
			specKey{name: "on-health-failure", read: func(key string, node *yaml.Node) {
				var word string
				specText(r, "", &word, oneOf(wire.Halt.String(), wire.RollbackAndHalt.String())).read(key, node)
				if word == wire.Halt.String() {
					p.OnFailure = wire.Halt
				}
			}},
			r.count("max-failed-units", 0, func(n wire.Count) { p.Health.FailedUnits = &artifact.FailedUnits{Max: n} }),
			must(specKey{name: "waves", read: func(key string, node *yaml.Node) {
				r.items(key, node, func(key string, node *yaml.Node) {
					var w artifact.PolicyWave
					r.mapping(key, node, must(s.selector(&w.Selector)), r.minutes("soak", 0, &w.SoakMinutes))
					p.Waves = append(p.Waves, w)
				})
				if len(node.Content) == 0 {
					r.problem(node, key, "want at least one wave")
				}
			}}),
		)
		s.fleet.Policies = append(s.fleet.Policies, wire.Named[artifact.Policy]{Name: name, Of: p})
	})
}

// oneOf accepts some words.
func oneOf(words ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(words, text) {
			return fmt.Errorf("want one of %s, have %q", strings.Join(words, ", "), text)
		}
		return nil
	}
}

func (s *releaseSpec) selector(into *artifact.Selector) specKey {
	return specKey{name: "select", read: func(key string, node *yaml.Node) {
		s.reader.mapping(key, node,
			s.reader.texts("tags", &into.Tags, nil),
			s.reader.texts("tags-any", &into.TagsAny, nil),
			s.reader.texts("hosts", &into.Hosts, checkHost),
			specText(s.reader, "channel", &into.Channel, checkChannel),
			s.reader.flag("all", &into.All),
		)
	}}
}

func (s *releaseSpec) hosts(key string, node *yaml.Node) {
	r := s.reader
	r.names(key, node, checkHost, func(name, key string, node *yaml.Node) {
		h := artifact.Host{System: defaultSystem}
		r.mapping(key, node,
			must(specText(r, "channel", &h.Channel, checkChannel)),
			specText(r, "system", &h.System, nil),
			r.texts("tags", &h.Tags, nil),
			specKey{name: "closure", read: func(key string, node *yaml.Node) {
				var text string
				specText(r, "", &text, nil).read(key, node)
				closure, err := baseOfClosure(text)
				if err != nil && text != "" {
					r.problem(node, key, "%v", err)
				}
				h.Closure = closure
			}},
			specText(r, "public-key", &h.PublicKey, checkHostKey),
			specKey{name: "pin", read: func(key string, node *yaml.Node) {
				h.Pin = new(artifact.Pin)
				r.mapping(key, node, must(specText(r, "commit", &h.Pin.Commit, nil)),
					must(specText(r, "reason", &h.Pin.Reason, nil)), r.instant("expires", &h.Pin.ExpiresAt))
			}},
		)
		s.fleet.Hosts = append(s.fleet.Hosts, wire.Named[artifact.Host]{Name: name, Of: h})
	})
}

// baseOfClosure takes a store path or its base name, and returns the base name, which
// is what agents compare.
func baseOfClosure(text string) (wire.Closure, error) {
	base := strings.TrimPrefix(text, "/nix/store/")
	hash, name, found := strings.Cut(base, "-")
	const nix32 = "0123456789abcdfghijklmnpqrsvwxyz"
	if !found || len(hash) != 32 || strings.Trim(hash, nix32) != "" || name == "" || strings.ContainsAny(base, "/ ") {
		return "", fmt.Errorf("want a store path /nix/store/HASH-NAME or its base name, HASH of 32 characters, have %q", text)
	}
	return wire.ParseClosure(base)
}

// checkHostKey accepts the line of an ed25519 key, as ssh-keygen writes it.
func checkHostKey(line string) error {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || key.Type() != ssh.KeyAlgoED25519 || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return fmt.Errorf("want one line of an OpenSSH key of ed25519, such as that of /etc/ssh/ssh_host_ed25519_key.pub, have %q", line)
	}
	return nil
}

func (s *releaseSpec) edges(into *[]artifact.Edge, key string, node *yaml.Node) {
	s.reader.items(key, node, func(key string, node *yaml.Node) {
		var e artifact.Edge
		s.reader.mapping(key, node, must(specText(s.reader, "first", &e.Gates, nil)), must(specText(s.reader, "then", &e.Gated, nil)), specText(s.reader, "reason", &e.Reason, nil))
		*into = append(*into, e)
	})
}

func (s *releaseSpec) budgets(key string, node *yaml.Node) {
	s.reader.items(key, node, func(key string, node *yaml.Node) {
		var b artifact.Budget
		s.reader.mapping(key, node, must(s.selector(&b.Selector)),
			must(s.reader.count("max-in-flight", 1, func(n wire.Count) { b.MaxInFlight = artifact.Limit{Set: true, Max: n} })))
		s.fleet.Budgets = append(s.fleet.Budgets, b)
	})
}

func (s *releaseSpec) revoked(key string, node *yaml.Node) {
	r := s.reader
	s.revocations = new(artifact.Revocations)
	r.items(key, node, func(key string, node *yaml.Node) {
		var e artifact.Revocation
		var instant wire.Time
		r.mapping(key, node, must(specText(r, "host", &e.Hostname, checkHost)), must(r.instant("issued-before", &instant)),
			specText(r, "reason", &e.Reason, nil), specText(r, "by", &e.RevokedBy, nil))
		e.NotBefore = instant
		s.revocations.Entries = append(s.revocations.Entries, e)
	})
}

func (s *releaseSpec) allowed(key string, node *yaml.Node) {
	r := s.reader
	s.nonces = new(artifact.Nonces)
	r.items(key, node, func(key string, node *yaml.Node) {
		var n artifact.Nonce
		r.mapping(key, node, must(specText(r, "nonce", &n.Nonce, nil)), must(specText(r, "host", &n.Hostname, checkHost)),
			must(r.instant("expires", &n.ExpiresAt)), r.instant("minted", &n.MintedAt), specText(r, "by", &n.MintedBy, nil))
		s.nonces.Entries = append(s.nonces.Entries, n)
	})
}
