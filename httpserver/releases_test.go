package httpserver

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

const (
	fleetPath     = "/v1/fleet.resolved"
	manifestsPath = "/v1/rollouts/"
)

// testRelease makes signed releases in a directory, and has the trust file for them.
type testRelease struct {
	t          testing.TB
	dir, trust string
	key        ed25519.PrivateKey
	closure    wire.Closure // of h1
	pubkey     wire.Text    // of h1; empty if it has none
	nonces     []artifact.Nonce
}

func newTestRelease(t testing.TB) *testRelease {
	t.Helper()
	r := &testRelease{
		t: t, dir: filepath.Join(t.TempDir(), "release"), trust: filepath.Join(t.TempDir(), "trust.json"),
		key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), closure: "c1",
	}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	public := base64.StdEncoding.EncodeToString(r.key.Public().(ed25519.PublicKey))
	trust := artifact.Trust{Release: artifact.Slot{Current: &artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(public)}}}
	if err := os.WriteFile(r.trust, artifact.MarshalTrust(&trust), 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

// configure has the server serve the directory.
func (r *testRelease) configure(c *Config) { c.ReleaseDir, c.TrustFile = r.dir, r.trust }

// write replaces the release by one of a commit that was signed at an instant. It
// returns the files.
func (r *testRelease) write(commit string, at time.Time) map[string][]byte {
	r.t.Helper()
	fleet := artifact.Fleet{
		Hosts:    []wire.Named[artifact.Host]{{Name: "h1", Of: artifact.Host{System: "x86_64-linux", Channel: "stable", Closure: r.closure, PublicKey: r.pubkey}}},
		Channels: []wire.Named[artifact.Channel]{{Name: "stable", Of: artifact.Channel{Policy: "p", ReconcileMinutes: 1, FreshMinutes: 60, SignMinutes: 20}}},
		Policies: []wire.Named[artifact.Policy]{{Name: "p", Of: artifact.Policy{Strategy: "staged", OnFailure: wire.Halt}}},
		Waves:    []wire.Named[[]artifact.Wave]{{Name: "stable", Of: []artifact.Wave{{Hosts: wire.Names{"h1"}}}}},
		Meta:     artifact.Meta{Commit: wire.Name(commit), SignedAt: wire.TimeOf(at)},
	}
	text := must(fleet.Marshal())(r.t)
	rollout, ok := artifact.RolloutOf(&fleet, artifact.HashOf(text), "stable")
	if !ok {
		r.t.Fatal("the fleet has no rollout")
	}
	files := map[string][]byte{
		// What is signed is the canonical form; this is not it.
		releasefile.Fleet: append([]byte(" \n"), text...), releasefile.RolloutFile(rollout.ID()): must(rollout.Marshal())(r.t),
	}
	if r.nonces != nil {
		list := artifact.Nonces{Entries: r.nonces, Meta: artifact.Meta{SignedAt: wire.TimeOf(at)}}
		files[releasefile.Nonces] = must(list.Marshal())(r.t)
	}
	for _, name := range slices.Collect(maps.Keys(files)) {
		files[name+releasefile.SignatureSuffix] = ed25519.Sign(r.key, must(wire.Canonical(files[name]))(r.t))
	}
	if err := (&releasefile.Release{Dir: r.dir, Files: files}).Write(); err != nil {
		r.t.Fatal(err)
	}
	return files
}

// PROTOCOL V1
func TestRelease_IsServedByteForByte(t *testing.T) {
	r := newTestRelease(t)
	files := r.write("00ff", testEpoch)
	h := start(t, r.configure)
	agent := h.agent("h1")
	for _, test := range []struct{ path, file, media string }{
		{fleetPath, "fleet.resolved.json", "application/json"},
		{fleetPath + "/sig", "fleet.resolved.json.sig", "application/octet-stream"},
		{manifestsPath + "stable@00ff", "rollouts/stable@00ff.json", "application/json"},
		{manifestsPath + "stable@00ff/sig", "rollouts/stable@00ff.json.sig", "application/octet-stream"},
	} {
		a := agent.do(http.MethodGet, test.path, "")
		a.want(t, wire.OK)
		if a.body != string(files[test.file]) || a.header.Get("Content-Type") != test.media {
			t.Errorf("%s: %s %q; want the file's %q", test.path, a.header.Get("Content-Type"), a.body, files[test.file])
		}
	}
	for _, path := range []string{"stable@00fe", "stable", "beta@00ff", "stable@00ff@", "..%2Ffleet.resolved"} {
		agent.do(http.MethodGet, manifestsPath+path, "").want(t, wire.UnknownRollout)
		agent.do(http.MethodGet, manifestsPath+path+"/sig", "").want(t, wire.UnknownRollout)
	}
	agent.do(http.MethodGet, manifestsPath, "").want(t, wire.NotFound)
	agent.do(http.MethodPost, fleetPath, "{}").want(t, wire.MethodNotAllowed)
	h.operator("anna").do(http.MethodGet, fleetPath, "").want(t, wire.WrongRole)
	h.stranger().do(http.MethodGet, fleetPath, "").want(t, wire.NoCertificate)
	if got, want := h.metric("refrain_release_signed_timestamp_seconds"), float64(testEpoch.Unix()); got != want {
		t.Errorf("it was signed at %v; want %v", got, want)
	}
}

// PROTOCOL V1
func TestRelease_WithoutOneEveryRouteIs503(t *testing.T) {
	for name, edit := range map[string]func(*Config){"no directory": func(*Config) {}, "an empty directory": newTestRelease(t).configure} {
		h := start(t, edit)
		for _, path := range []string{fleetPath, fleetPath + "/sig", manifestsPath + "stable@00ff", manifestsPath + "stable@00ff/sig"} {
			a := h.agent("h1").do(http.MethodGet, path, "")
			a.want(t, wire.ReleaseUnavailable)
			if got := a.header.Get("Retry-After"); got != "30" {
				t.Errorf("%s, %s: Retry-After is %q; want 30", name, path, got)
			}
		}
		h.stop()
	}
}

// A release is taken up as a whole if all of it is good; else what is held stays.
// PROTOCOL V2
func TestRelease_OnlyAGoodNewerOneIsTakenUp(t *testing.T) {
	r := newTestRelease(t)
	first := r.write("00ff", testEpoch)
	h := start(t, r.configure)
	agent := h.agent("h1")
	now := func() string { return agent.do(http.MethodGet, fleetPath, "").body }
	refused := func(what, reason string) {
		t.Helper()
		series := `refrain_release_refusals_total{reason="` + reason + `"}`
		h.eventually(what+" is refused", func() bool {
			h.clock.Add(dirSettle)
			return h.metric("refrain_release_refused") == 1 && h.metric(series) == 1
		})
		if now() != string(first["fleet.resolved.json"]) {
			t.Errorf("%s: what was held is not served any more", what)
		}
		if lines := h.logs.matching("level=ERROR", "release refused; what was held stays", "reason="+reason); len(lines) != 1 {
			t.Errorf("%s: %d lines in the log; want 1", what, len(lines))
		}
	}
	if err := os.Remove(filepath.Join(r.dir, "rollouts", "stable@00ff.json.sig")); err != nil {
		t.Fatal(err)
	}
	refused("a release without a signature", "missing")
	r.write("00ff", testEpoch.Add(-time.Second))
	refused("an older release", "older")
	files := r.write("00fe", testEpoch.Add(time.Second))
	writeFile(t, filepath.Join(r.dir, "fleet.resolved.json.sig"), string(first["fleet.resolved.json.sig"]))
	refused("a release with a signature of another", "bad_signature")
	if _, body := h.ops("/readyz?verbose"); !strings.Contains(body, "the directory is refused, and the one before is held: ") {
		t.Errorf("/readyz says %s", body)
	}
	writeFile(t, filepath.Join(r.dir, "fleet.resolved.json.sig"), string(files["fleet.resolved.json.sig"]))
	h.eventually("the newer one is served", func() bool {
		h.clock.Add(dirSettle)
		return now() == string(files["fleet.resolved.json"])
	})
	agent.do(http.MethodGet, manifestsPath+"stable@00ff", "").want(t, wire.UnknownRollout)
	agent.do(http.MethodGet, manifestsPath+"stable@00fe", "").want(t, wire.OK)
	if h.metric("refrain_release_refused") != 0 {
		t.Error("it is still counted as refused")
	}
}

// What is too old for agents is served all the same, since they judge by their own
// clocks; the plane says it.
// PROTOCOL V3
func TestRelease_AnOldOneIsServedAndReported(t *testing.T) {
	r := newTestRelease(t)
	r.write("00ff", testEpoch)
	h := start(t, r.configure)
	agent := h.agent("h1")
	ready := func() string { _, body := h.ops("/readyz?verbose"); return body }
	h.advance(releaseOld)
	if body := ready(); strings.Contains(body, "sign it again") {
		t.Errorf("/readyz says %s", body)
	}
	h.advance(time.Second)
	if status, body := h.ops("/readyz?verbose"); status != http.StatusOK || !strings.Contains(body, "signed at 2026-01-01T00:00:00Z, more than 45m0s ago: agents refuse it after 1h0m0s; sign it again") {
		t.Errorf("/readyz says %d %s", status, body)
	}
	h.advance(2 * time.Hour)
	agent.do(http.MethodGet, fleetPath, "").want(t, wire.OK)
	h.restart()
	h.agent("h1").do(http.MethodGet, fleetPath, "").want(t, wire.OK)
	r.write("00ff", h.clock.Now())
	h.eventually("the new one is taken up", func() bool {
		h.clock.Add(dirSettle)
		return !strings.Contains(ready(), "sign it again")
	})
}

// A key is replaced by replacing the trust file.
func TestRelease_TheTrustFileIsReadAgain(t *testing.T) {
	r := newTestRelease(t)
	r.write("00ff", testEpoch)
	h := start(t, r.configure)
	other := newTestRelease(t)
	other.key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	other.dir = r.dir
	files := other.write("00fe", testEpoch.Add(time.Second))
	h.eventually("it is refused", func() bool {
		h.clock.Add(dirSettle)
		return h.metric(`refrain_release_refusals_total{reason="bad_signature"}`) == 1
	})
	public := base64.StdEncoding.EncodeToString(other.key.Public().(ed25519.PublicKey))
	trust := artifact.Trust{Release: artifact.Slot{Current: &artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(public)}}}
	writeFile(t, r.trust, string(artifact.MarshalTrust(&trust)))
	h.eventually("it is taken up at the next poll", func() bool {
		h.clock.Add(dirPoll)
		return h.agent("h1").do(http.MethodGet, fleetPath, "").body == string(files["fleet.resolved.json"])
	})
	// With another key, what is held would not be taken up any more.
	writeFile(t, r.trust, strings.Replace(string(artifact.MarshalTrust(&trust)), public, "ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ=", 1))
	h.eventually("it is refused at the next poll", func() bool {
		h.clock.Add(dirPoll)
		return h.metric(`refrain_release_refusals_total{reason="bad_signature"}`) == 2
	})
	h.agent("h1").do(http.MethodGet, fleetPath, "").want(t, wire.OK)
}

func TestRelease_ConfigurationIsChecked(t *testing.T) {
	r := newTestRelease(t)
	bad := filepath.Join(t.TempDir(), "bad.json")
	writeFile(t, bad, `{"schemaVersion":2,"ciReleaseKey":{}}`)
	for _, test := range []struct{ dir, trust, want string }{
		{r.dir, "", "trust file belongs to release dir and revocations file; want it with either of them, and not without"},
		{"", r.trust, "trust file belongs to release dir"},
		{r.trust, r.trust, "which is not a directory; want one"},
		{filepath.Join(r.dir, "none"), r.trust, "release dir: stat "},
		{r.dir, filepath.Join(r.dir, "none"), "trust file: stat "},
		{r.dir, bad, "schemaVersion: is 2; want 1"},
	} {
		h := newHarness(t)
		cfg := h.cfg
		cfg.ReleaseDir, cfg.TrustFile = test.dir, test.trust
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q and %q: %v; want %s", test.dir, test.trust, err, test.want)
		}
	}
}
