package httpserver

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// writeManifests writes files into a new directory.
func writeManifests(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "manifests")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// rollouts returns the answer to a query for all rollouts.
func (h *harness) rollouts() string {
	h.t.Helper()
	a := h.operator("anna").do(http.MethodGet, "/v1/operator/rollouts", "")
	a.want(h.t, wire.OK)
	return a.body
}

func TestTheNewestOfTheManifestsHasTheChannel(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{ // "r10" comes before "r9"
		"stable-r9.json":   numbered(9, manifest("stable", "r9", "c9", "h1")),
		"stable-r10.json":  numbered(10, manifest("stable", "r10", "c10", "h1")),
		"README.md":        "not a manifest",
		".stable-r11.json": numbered(11, manifest("stable", "r11", "c11", "h1")),
	})
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("both are open", func() bool { return strings.Count(h.rollouts(), `"rollout_id"`) == 2 })
	if r := h.rollout("stable@r9"); r.SupersededBy != "stable@r10" || r.WavesDispatched != 0 {
		t.Errorf("the older one is superseded by %q, and %d waves of it are dispatched; want stable@r10, and none", r.SupersededBy, r.WavesDispatched)
	}
	if body := h.agent("h1").poll().body; !strings.Contains(body, "stable@r10") {
		t.Errorf("the host is given %q; want the newest", body)
	}
}

func TestManifestsWithoutAnOrderWaitForTheOperator(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{
		"1.json": manifest("stable", "r1", "c1", "h1"),
		"2.json": manifest("stable", "r2", "c2", "h1"),
		"3.json": manifest("beta", "r1", "c1", "h1"),
	})
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("all are open", func() bool { return strings.Count(h.rollouts(), `"rollout_id"`) == 3 })
	for _, id := range []string{"stable@r1", "stable@r2"} {
		if got := h.rollout(id).State; got != wire.Held {
			t.Errorf("%s is %v; want Held", id, got)
		}
		if lines := h.logs.matching("level=WARN", "rollout held", id, "choose the one that shall be in force"); len(lines) != 1 {
			t.Errorf("%d log lines say that %s is held, want 1", len(lines), id)
		}
	}
	h.eventually("they are counted", func() bool { return h.metric("refrain_rollouts_held") == 2 })
	if body := h.agent("h1").poll().body; !strings.Contains(body, "beta@r1") {
		t.Errorf("the host is given %q; want what another channel has for it", body)
	}
	h.operator("anna").do(http.MethodPost, rolloutsPath+"/stable@r2/choose", "").want(t, wire.OK)
	if got := h.rollout("stable@r1"); got.State != wire.Superseded || got.SupersededBy != "stable@r2" {
		t.Errorf("stable@r1 is %v, superseded by %q; want Superseded by stable@r2", got.State, got.SupersededBy)
	}
	h.eventually("none is counted", func() bool { return h.metric("refrain_rollouts_held") == 0 })
}

func TestABadManifestIsNamedAndStopsNoOther(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{
		"1-broken.json":   `{"channel":`,
		"2-wrong.json":    strings.Replace(manifest("stable", "r1", "c1", "h1"), `"wave":0`, `"wave":7`, 1),
		"3-large.json":    manifest("large", "r1", "c1", "h1") + strings.Repeat(" ", 2<<10),
		"4-good.json":     manifest("stable", "r2", "c1", "h1"),
		"5-conflict.json": manifest("stable", "r2", "another", "h1"),
		"6-other.json":    manifest("beta", "r1", "c1", "h1"),
	})
	h := start(t, func(c *Config) { c.ManifestDir, c.MaxBody, c.MaxManifest = dir, 1<<10, 2<<10 })
	h.eventually("the last file is open", func() bool { return strings.Contains(h.rollouts(), "beta@r1") })
	h.eventually("the others are counted", func() bool { return h.metric("refrain_manifests_refused") == 4 })
	for file, want := range map[string]string{
		"1-broken.json":   "not JSON",
		"2-wrong.json":    "hosts[0].wave",
		"3-large.json":    "larger than 2048 bytes",
		"5-conflict.json": "channel_ref",
	} {
		if lines := h.logs.matching("level=ERROR", file, want); len(lines) != 1 {
			t.Errorf("%d log lines with %s and %q, want 1", len(lines), file, want)
		}
	}
	// They are not logged again while they stay as they are.
	h.clock.Add(2 * dirPoll)
	writeFile(t, filepath.Join(dir, "1-broken.json"), manifest("gamma", "r1", "c1", "h1"))
	h.eventually("the mended file is open", func() bool {
		h.clock.Add(dirSettle)
		return strings.Contains(h.rollouts(), "gamma@r1")
	})
	if lines := h.logs.matching("level=ERROR", "2-wrong.json"); len(lines) != 1 {
		t.Errorf("%d log lines about the same mistake, want 1", len(lines))
	}
}

func TestManifests_YAMLFilesAreNamedAsIgnoredOnce(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{
		"1.yaml":       "channel: stable\n",
		"2.yml":        "channel: stable\n",
		".3.yaml":      "channel: stable\n",
		"4.yaml.json":  manifest("stable", "r1", "c1", "h1"),
		"notes.txt":    "not a manifest",
		"5.yaml.draft": "channel: stable\n",
	})
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("the manifest is open", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
	h.clock.Add(2 * dirPoll)
	writeFile(t, filepath.Join(dir, "6.json"), manifest("beta", "r1", "c1", "h1"))
	h.eventually("the directory was read again", func() bool {
		h.clock.Add(dirSettle)
		return strings.Contains(h.rollouts(), "beta@r1")
	})
	for _, file := range []string{"1.yaml", "2.yml"} {
		if lines := h.logs.matching("level=WARN", filepath.Join(dir, file), "file ignored: a manifest is JSON, in a file whose name ends in .json"); len(lines) != 1 {
			t.Errorf("%d log lines about %s, want 1", len(lines), file)
		}
	}
	if lines := h.logs.matching("file ignored"); len(lines) != 2 {
		t.Errorf("%d log lines about ignored files, want 2: %v", len(lines), lines)
	}
	if refused := h.metric("refrain_manifests_refused"); refused != 0 {
		t.Errorf("%v manifests are counted as refused, want none", refused)
	}
}

func TestAChangedDirectoryIsReadAgain(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{"1.json": manifest("stable", "r1", "c1", "h1")})
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("the first is open", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
	writeFile(t, filepath.Join(dir, "2.json"), manifest("stable", "r2", "c1", "h1"))
	h.eventually("the second is open", func() bool {
		h.clock.Add(dirSettle)
		return strings.Contains(h.rollouts(), "stable@r2")
	})
	// Removing a file changes nothing.
	before := h.rollouts()
	if err := os.Remove(filepath.Join(dir, "2.json")); err != nil {
		t.Fatal(err)
	}
	h.clock.Add(2 * dirPoll)
	if after := h.rollouts(); after != before {
		t.Errorf("after a removal: %s\nwant %s", after, before)
	}
}

func TestADirectoryThatIsASymlinkMayBeTurned(t *testing.T) { // PROTOCOL R6
	one := writeManifests(t, map[string]string{"1.json": manifest("stable", "r1", "c1", "h1")})
	two := writeManifests(t, map[string]string{"1.json": manifest("stable", "r2", "c1", "h1")})
	link := filepath.Join(t.TempDir(), "manifests")
	if err := os.Symlink(one, link); err != nil {
		t.Fatal(err)
	}
	h := start(t, func(c *Config) { c.ManifestDir = link })
	h.eventually("the first is open", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
	if err := os.Symlink(two, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	h.eventually("the second is open", func() bool {
		h.clock.Add(dirSettle)
		return strings.Contains(h.rollouts(), "stable@r2")
	})
}

func TestAManifestIsTriedUntilItIsTaken(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{"1.json": manifest("stable", "r1", "c1", "h1")})
	h := newHarness(t, func(c *Config) { c.ManifestDir = dir })
	rule := h.faults.Install(Fault{Kind: Drop, Count: 3})
	h.start()
	h.eventually("it is open", func() bool {
		h.clock.Add(DefaultReplyTimeout)
		return rule.Hits() == 3 && h.server.InboxDepth() == 0 && strings.Contains(h.rollouts(), "stable@r1")
	})
}

func TestAPlaneThatLostItsLogFindsItsRolloutsAgain(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{"1.json": manifest("stable", "r1", "c1", "h1")})
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("it is open", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
	h.restart()
	h.eventually("it was open already", func() bool { return len(h.logs.matching("manifest already open")) == 1 })
	h.cfg.Store = memory.New(0)
	h.restart()
	h.eventually("it is open again", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
}
