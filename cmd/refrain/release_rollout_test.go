package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
	"github.com/refrain-fleet/refrain/internal/sample"
)

// releaseRig is the binary as a process that serves the releases of a directory, and
// a terminal that makes them.
type releaseRig struct {
	*killRig
	terminal
	served string // the directory
}

// releaseYAML is a fleet of three hosts in two waves.
const releaseYAML = `commit: %s
channels: {stable: {policy: careful}}
policies: {careful: {waves: [{select: {tags: [first]}, soak: 1m}, {select: {all: true}, soak: 2m}]}}
hosts:
  host-0001: {channel: stable, tags: [first], closure: %s-nixos-system-host-0001}
  host-0002: {channel: stable, closure: %[2]s-nixos-system-host-0002}
  host-0003: {channel: stable, closure: %[2]s-nixos-system-host-0003}
`

func newReleaseRig(t *testing.T) *releaseRig {
	r := &releaseRig{killRig: newKillRig(t, t.TempDir(), 1), terminal: terminal{t: t, dir: t.TempDir()}}
	r.served = filepath.Join(r.terminal.dir, "served")
	if err := os.Mkdir(r.served, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"release.key", "release.pub"} {
		r.file(name, scriptFile(t, "release.txtar", name))
	}
	r.succeeds("refrain release trust release.pub --out trust.json")
	r.flags = []string{"--releases", r.served, "--trust", filepath.Join(r.terminal.dir, "trust.json")}
	return r
}

func (r *releaseRig) succeeds(line string) {
	r.terminal.t.Helper()
	if text := r.run(line); strings.Contains(text, "\nrefrain: ") || strings.Contains(text, "REFUSED") {
		r.terminal.t.Fatal(text)
	}
}

// signed makes a release of a commit, in a directory of that name, and signs it as of
// so long ago.
func (r *releaseRig) signed(dir, commit, closure string, ago time.Duration) *releasefile.Release {
	t := r.terminal.t
	t.Helper()
	r.file(dir+".yaml", fmt.Sprintf(releaseYAML, commit, closure))
	r.succeeds(fmt.Sprintf("refrain release build %s.yaml --out %[1]s", dir))
	r.succeeds(fmt.Sprintf("refrain release sign %s --trust trust.json --key release.key --at %s", dir, time.Now().Add(-ago).UTC().Format(time.RFC3339Nano)))
	made, err := releasefile.Read(filepath.Join(r.terminal.dir, dir))
	if err != nil {
		t.Fatal(err)
	}
	made.Dir = r.served
	return made
}

// serve puts a release into the directory that the plane watches.
func (r *releaseRig) serve(release *releasefile.Release) {
	r.terminal.t.Helper()
	if err := release.Write(); err != nil {
		r.terminal.t.Fatal(err)
	}
}

// said is what /readyz?verbose says about releases.
func (r *releaseRig) said() string {
	t := r.terminal.t
	t.Helper()
	response, err := http.Get("http://" + r.ops + "/readyz?verbose")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var found struct {
		Checks []struct{ Name, Reason string }
	}
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		t.Fatal(err)
	}
	for _, check := range found.Checks {
		if check.Name == "release" {
			return check.Reason
		}
	}
	t.Fatal("/readyz has no check of releases")
	return ""
}

// rollout is what an operator sees of a rollout; nothing if it is not open.
func (r *releaseRig) rollout(commit string) (s wire.RolloutStatus) {
	t := r.terminal.t
	t.Helper()
	response, err := r.demo.send(t.Context(), demoRequest{Cert: "operators/" + devOperator, Path: "/v1/operator/rollouts/stable@" + commit})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode == http.StatusOK {
		err = wire.DecodeDocument(new(wire.Decoder), &wire.RolloutStatusSchema, body, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Instants differ from run to run.
var volatileInstant = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z|\d+h\d+m\d+s|\b[0-9a-f]{64}\b`)

// From a YAML file to a rollout that has converged, and what becomes of releases that
// are not what they should be. docs/releases.md shows the table.
// PROTOCOL V2 to V5
func TestDocumentation_AReleaseBecomesARollout(t *testing.T) {
	t.Parallel()
	const first, second = "4f1c2a90d1b3a7e5c6f8091a2b3c4d5e6f708192", "5a1c2a90d1b3a7e5c6f8091a2b3c4d5e6f708192"
	const closure, other = "00000000000000000000000000000001", "00000000000000000000000000000002"
	names := fleetNames(3)
	r := newReleaseRig(t)
	early := r.signed("early", first, closure, 50*time.Minute)
	r.serve(early)
	r.start()
	if err := ensureFleetPKI(r.demo.dir, names, io.Discard); err != nil {
		t.Fatal(err)
	}
	f, err := newFleet(fleetConfig{
		URL: r.demo.url, CAFile: filepath.Join(r.demo.dir, "ca.crt"), Dir: r.demo.dir, Names: names, Interval: time.Minute, Speed: 300, Seed: 1,
		Logger: slog.New(slog.DiscardHandler), Problems: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	plane := &realPlane{t: t}
	stop := plane.run(f)
	until(t, "the rollout is terminal", func() bool { return r.rollout(first).State == wire.Terminal })
	stop()
	switch s := r.rollout(first); {
	case s.Counts != (wire.StateCounts{Converged: 3}), !bool(s.Signed), !bool(s.Backed), len(s.Policy.Waves) != 2, s.Policy.Waves[1].SoakMinutes != 2:
		t.Errorf("the rollout is %s", s.AppendJSON(nil))
	}
	if err := r.demo.open(t.Context(), &wire.Manifest{
		Channel: "edge", ChannelRef: "1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}},
		Hosts: []wire.ManifestHost{{Hostname: "host-0001", TargetClosure: "c1"}},
	}); err == nil || !strings.Contains(err.Error(), "--allow-unsigned-manifests") {
		t.Errorf("a manifest that is not signed: %v; want it refused", err)
	}

	table := "| in the directory | `reason` | `/readyz?verbose` |\n|---|---|---|\n"
	line := func(what, reason, says string) {
		says = strings.ReplaceAll(says, r.served, "/var/lib/refrain-releases")
		table += fmt.Sprintf("| %s | %s | %s |\n", what, reason, volatileInstant.ReplaceAllString(says, "…"))
	}
	line("a good one that was signed more than 45 minutes ago", "–", r.said())
	good := r.signed("good", first, closure, 10*time.Minute)
	r.serve(good)
	until(t, "the release that was signed again is taken up", func() bool { return r.said() == "" })

	mixed := r.signed("mixed", first, closure, 5*time.Minute)
	for _, name := range []string{releasefile.RolloutFile("stable@" + first), releasefile.RolloutFile("stable@"+first) + releasefile.SignatureSuffix} {
		mixed.Files[name] = good.Files[name]
	}
	forged := r.signed("forged", first, closure, 5*time.Minute)
	forged.Files[releasefile.Fleet] = []byte(strings.Replace(string(forged.Files[releasefile.Fleet]), closure, other, 1))
	newer := r.signed("newer", second, other, 3*time.Minute)
	for _, bad := range []struct {
		what, reason, says string
		release            *releasefile.Release
	}{
		{"one that is stale: signed more than 30 days ago", "stale", ": stale: ", r.signed("stale", first, closure, 40*24*time.Hour)},
		{"an older one than the one that is held", "older", ": older: ", early},
		{"a forged one: a closure was changed", "bad_signature", ": bad_signature: ", forged},
		{"a mixed one: the fleet of one signing, the manifest of another", "wrong_fleet", ": wrong_fleet: ", mixed},
		{"one that has another closure under the same commit", "manifest_conflict", "with other hosts, waves or closures", r.signed("conflict", first, other, 4*time.Minute)},
		{"a newer one of another commit", "", "", newer},
		{"the commit before, signed again", "superseded", "which was signed first", r.signed("again", first, closure, time.Minute)},
	} {
		r.serve(bad.release)
		if bad.reason == "" {
			until(t, bad.what+" is taken up", func() bool { return r.rollout(second).State == wire.Opening && r.said() == "" })
			line(bad.what, "–", "nothing: the check is `ok`, and the new rollout is open")
			continue
		}
		until(t, bad.what+" is refused", func() bool {
			return strings.Contains(r.said(), bad.says) && r.metric(`refrain_release_refusals_total{reason="`+bad.reason+`"}`) > 0 &&
				strings.Contains(r.log.String(), "reason="+bad.reason+" ")
		})
		line(bad.what, "`"+bad.reason+"`", r.said())
	}
	if old, now := r.rollout(first), r.rollout(second); old.State != wire.Superseded || now.State != wire.Opening || !bool(now.Backed) {
		t.Errorf("the rollouts are\n%s\n%s", old.AppendJSON(nil), now.AppendJSON(nil))
	}
	r.stopWell()
	sample.Check(t, docs+"releases.md", "the plane", map[string]string{"refused": table})
}
