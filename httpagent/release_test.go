package httpagent

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

const signedID = wire.RolloutID("stable@0123abcd")

// release is what a plane serves of a signed release, by path.
type release map[string][]byte

var signingKey = ed25519.NewKeyFromSeed([]byte("a key that this test signs with."))

// newRelease signs a release in which h1 runs a closure.
func newRelease(t testing.TB, closure wire.Closure, at time.Time) release {
	t.Helper()
	fleet := artifact.Fleet{
		Hosts:    []wire.Named[artifact.Host]{{Name: "h1", Of: artifact.Host{System: "x86_64-linux", Channel: "stable", Closure: closure}}},
		Channels: []wire.Named[artifact.Channel]{{Name: "stable", Of: artifact.Channel{Policy: "all", FreshMinutes: 60, SignMinutes: 30}}},
		Policies: []wire.Named[artifact.Policy]{{Name: "all", Of: artifact.Policy{Strategy: "waves", OnFailure: wire.Halt}}},
		Meta:     artifact.Meta{SignedAt: wire.TimeOf(at), Commit: "0123abcd", Algorithm: artifact.Ed25519},
	}
	document := must(fleet.Marshal())(t)
	rollout, _ := artifact.RolloutOf(&fleet, artifact.HashOf(document), "stable")
	manifest := must(rollout.Marshal())(t)
	return release{
		"/v1/fleet.resolved":                        document,
		"/v1/fleet.resolved/sig":                    ed25519.Sign(signingKey, document),
		"/v1/rollouts/" + string(signedID):          manifest,
		"/v1/rollouts/" + string(signedID) + "/sig": ed25519.Sign(signingKey, manifest),
	}
}

// trustFile writes the trust file of the key.
func trustFile(t testing.TB) string {
	t.Helper()
	key := artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(base64.StdEncoding.EncodeToString(signingKey.Public().(ed25519.PublicKey)))}
	path := filepath.Join(t.TempDir(), "trust.json")
	if err := os.WriteFile(path, artifact.MarshalTrust(&artifact.Trust{Release: artifact.Slot{Current: &key}}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// offersSigned is a plane that offers the rollout until it is acknowledged, and serves a
// release.
func offersSigned(r *rig, closure wire.Closure, files func() release) func(call) answer {
	acknowledged, offeredAt := false, time.Time{}
	return func(c call) answer {
		switch {
		case c.kind == "release":
			body, found := files()[c.path]
			return answer{raw: func(w http.ResponseWriter) {
				if !found {
					w.WriteHeader(http.StatusNotFound)
				}
				_, _ = w.Write(body)
			}}
		case c.kind == "event":
			acknowledged = true
			return noContent()
		case c.kind == "poll" && !acknowledged && c.at.Sub(offeredAt) >= 15*time.Second:
			offeredAt = c.at
			d := wire.Dispatch{Hostname: testHost, RolloutID: signedID, TargetClosure: closure, EnqueuedAt: wire.TimeOf(c.at), SoakDueAt: wire.TimeOf(c.at), OnHealthFailure: wire.Halt}
			return answer{Outcome: wire.Outcome{Code: wire.OK, Document: &d}}
		}
		return answer{}
	}
}

// lastRefusal is the detail of the last refusal; empty if there was none.
func (r *rig) lastRefusal() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.notices) - 1; i >= 0; i-- {
		if r.notices[i].Kind == agent.NoticeRefused {
			return r.notices[i].Detail
		}
	}
	return ""
}

func TestRelease_ASignedDispatchIsTakenUp(t *testing.T) { // PROTOCOL A11
	r := newRig(t, func(c *Config) { c.TrustFile = trustFile(t) })
	files := newRelease(t, "c1", r.clock.Now())
	r.plane.answers(offersSigned(r, "c1", func() release { return files }))
	r.begin()
	r.until("the host runs c1", func() bool { return r.machine.begun("activate c1") == 1 })
	if why := r.lastRefusal(); why != "" {
		t.Errorf("refused: %s; want it taken up", why)
	}
	for _, c := range r.plane.of("release") {
		if c.header.Get(wire.HeaderAgent) != wire.AgentVersion {
			t.Errorf("%s came without %s", c.path, wire.HeaderAgent)
		}
	}
}

func TestRelease_WhatIsNotSignedIsRefused(t *testing.T) { // PROTOCOL A11
	for _, row := range []struct {
		name, want string
		change     func(*rig, release)
	}{
		{"another closure", "wrong_closure: ", func(*rig, release) {}},
		{"another signature", "bad_signature: ", func(_ *rig, files release) {
			files["/v1/fleet.resolved/sig"] = make([]byte, artifact.SignatureSize)
		}},
		{"an altered manifest", "bad_signature: ", func(_ *rig, files release) {
			path := "/v1/rollouts/" + string(signedID)
			files[path] = []byte(strings.Replace(string(files[path]), "c1", "c2", 1))
		}},
		{"no manifest", "unavailable: ", func(_ *rig, files release) { delete(files, "/v1/rollouts/"+string(signedID)) }},
		{"a signature that is too long", "unavailable: ", func(_ *rig, files release) {
			files["/v1/fleet.resolved/sig"] = make([]byte, artifact.SignatureSize+1)
		}},
		{"no trust file any more", "no_trust_roots: ", func(r *rig, _ release) {
			if err := os.Remove(r.cfg.TrustFile); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.TrustFile = trustFile(t) })
			files := newRelease(t, "c1", r.clock.Now())
			r.plane.answers(offersSigned(r, "c2", func() release { return files }))
			r.driver = must(New(r.cfg))(t) // while the trust file is there
			row.change(r, files)
			r.run()
			r.until("it is refused", func() bool { return r.lastRefusal() != "" })
			if why := r.lastRefusal(); !strings.HasPrefix(why, row.want) {
				t.Errorf("refused: %s; want %s …", why, row.want)
			}
			if n := r.machine.begun("activate c2"); n > 0 {
				t.Errorf("c2 is activated %d times; want never", n)
			}
			r.until("it is offered, and refused, again", func() bool { return r.noticed(agent.NoticeRefused) > 2 })
		})
	}
}

func TestRelease_TheConfigurationNamesWhatIsWrong(t *testing.T) {
	r := newRig(t)
	r.cfg.Agent.SignedOnly = true
	if _, err := New(r.cfg); err == nil || !strings.Contains(err.Error(), "trust file is missing; want one") {
		t.Errorf("without a trust file: %v; want that it is missing", err)
	}
	r.cfg.TrustFile = filepath.Join(t.TempDir(), "none.json")
	if _, err := New(r.cfg); err == nil || !strings.Contains(err.Error(), "trust file: open ") {
		t.Errorf("with none there: %v; want that it cannot be opened", err)
	}
}
