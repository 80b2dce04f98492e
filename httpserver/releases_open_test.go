package httpserver

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL V4 to V7: a plane opens rollouts from the signed release that it holds.

// takenUp waits until the release that was signed at an instant is held.
func (h *harness) takenUp(at time.Time) {
	h.t.Helper()
	h.eventually("the release is taken up", func() bool {
		h.clock.Add(dirSettle)
		return h.metric("refrain_release_signed_timestamp_seconds") == float64(at.Unix())
	})
}

// offers waits until a host is offered a rollout. The time between two polls is what
// their pace asks for (PROTOCOL D3).
func (h *harness) offers(host, rollout string) {
	h.t.Helper()
	c := h.agent(host)
	h.eventually(host+" is offered "+rollout, func() bool {
		h.clock.Add(time.Second)
		a := c.poll()
		return a.status == http.StatusOK && strings.Contains(a.body, `"rollout_id":"`+rollout+`"`)
	})
}

func (h *harness) refusedRelease(reason string) {
	h.t.Helper()
	h.eventually("the release is refused as "+reason, func() bool {
		h.clock.Add(dirSettle)
		return h.metric("refrain_release_refused") == 1 && h.metric(`refrain_release_refusals_total{reason="`+reason+`"}`) == 1
	})
	if lines := h.logs.matching("level=ERROR", "release refused; what was held stays", "reason="+reason); len(lines) != 1 {
		h.t.Errorf("%d lines in the log; want 1", len(lines))
	}
}

// PROTOCOL V5, V6
func TestRelease_OpensItsRollouts(t *testing.T) {
	r := newTestRelease(t)
	r.write("00ff", testEpoch)
	h := start(t, r.configure)
	h.offers("h1", "stable@00ff")
	rollout := func() string {
		return h.operator("anna").do(http.MethodGet, "/v1/operator/rollouts/stable@00ff", "").body
	}
	if body := rollout(); !strings.Contains(body, `"signed":true,"backed":true`) || !strings.Contains(body, `"opened_at":"2026-01-01T00:00:0`) {
		t.Errorf("the rollout is %s", body)
	}
	at := h.clock.Now().Add(time.Second).Truncate(time.Second)
	h.clock.Set(at)
	opened := rollout()
	r.write("00ff", at)
	h.takenUp(at)
	if got := rollout(); got != opened {
		t.Errorf("signed again it is %s; want %s", got, opened)
	}
	// After a start nothing is offered before the release is held again, which it is
	// at once; with no release nothing is.
	h.restart()
	h.offers("h1", "stable@00ff")
	if got := h.metric("refrain_rollouts_unbacked"); got != 0 {
		t.Errorf("%v rollouts wait for a release; want none", got)
	}
	h.cfg.ReleaseDir = t.TempDir()
	h.restart()
	h.agent("h1").poll().want(t, wire.NoContent)
	if body := rollout(); !strings.Contains(body, `"signed":true`) || strings.Contains(body, "backed") {
		t.Errorf("without a release the rollout is %s", body)
	}
	if got := h.metric("refrain_rollouts_unbacked"); got != 1 {
		t.Errorf("%v rollouts wait for a release; want 1", got)
	}
}

// PROTOCOL V6: the freshness window of the channel, an hour here, ends the offers.
func TestRelease_IsOfferedWhileItIsFresh(t *testing.T) {
	r := newTestRelease(t)
	r.write("00ff", testEpoch)
	h := start(t, r.configure)
	h.offers("h1", "stable@00ff")
	h.clock.Set(testEpoch.Add(time.Hour + time.Second))
	h.agent("h1").poll().want(t, wire.NoContent)
	if got := h.metric("refrain_rollouts_unbacked"); got != 1 {
		t.Errorf("%v rollouts are withheld; want 1", got)
	}
	at := h.clock.Now().Truncate(time.Second)
	r.write("00ff", at)
	h.takenUp(at)
	h.offers("h1", "stable@00ff")
}

// A plane that is built again holds no release until it is given it.
func TestRelease_APlaneThatIsBuiltAgainHoldsIt(t *testing.T) {
	r := newTestRelease(t)
	r.write("00ff", testEpoch)
	h := start(t, r.configure)
	h.offers("h1", "stable@00ff")
	h.wantPanics = true
	h.faults.Install(Fault{Kind: Drop, Count: 1, Match: func(in plane.Input) bool {
		if ofKind[*plane.Event](in) {
			panic("on purpose")
		}
		return false
	}})
	h.agent("h1").do(http.MethodPost, eventsPath, ackBody("h1", "stable@00ff")).want(t, wire.DroppedReply)
	h.offers("h1", "stable@00ff")
}

// PROTOCOL V4
func TestRelease_IsRefusedIfThePlaneKnowsBetter(t *testing.T) {
	r := newTestRelease(t)
	first := r.write("00ff", testEpoch)
	h := start(t, r.configure)
	h.offers("h1", "stable@00ff")
	served := func(what string, files map[string][]byte) {
		t.Helper()
		if got := h.agent("h1").do(http.MethodGet, fleetPath, "").body; got != string(files["fleet.resolved.json"]) {
			t.Errorf("%s: what was held is not served any more, but %s", what, got)
		}
	}
	at := h.clock.Now()
	r.closure = "c2"
	r.write("00ff", at)
	h.refusedRelease("manifest_conflict")
	served("another closure under the same ID", first)
	h.offers("h1", "stable@00ff")
	second := r.write("01aa", at)
	h.takenUp(at)
	h.offers("h1", "stable@01aa")
	at = h.clock.Now().Add(time.Second)
	h.clock.Set(at)
	r.closure = "c1"
	r.write("00ff", at)
	h.refusedRelease("superseded")
	served("an old release that was signed again", second)
	h.offers("h1", "stable@01aa")
	// The plane remembers it across a start, and holds nothing until there is a good
	// one.
	h.restart()
	h.agent("h1").poll().want(t, wire.NoContent)
	h.agent("h1").do(http.MethodGet, fleetPath, "").want(t, wire.ReleaseUnavailable)
	if _, body := h.ops("/readyz?verbose"); !strings.Contains(body, "to go back, sign a new release of another commit with the old closures") {
		t.Errorf("/readyz says %s", body)
	}
	r.write("02bb", h.clock.Now())
	h.offers("h1", "stable@02bb")
}

// What a plane has refused it refuses again, so it is not asked whenever the directory is
// read.
func TestRelease_ARefusedOneIsPutToThePlaneOnce(t *testing.T) {
	r := newTestRelease(t)
	r.write("00ff", testEpoch)
	h := start(t, r.configure)
	h.offers("h1", "stable@00ff")
	var asked atomic.Int32
	h.faults.Install(Fault{Kind: Drop, Match: func(in plane.Input) bool {
		if ofKind[*plane.Release](in) {
			asked.Add(1)
		}
		return false
	}})
	r.closure = "c2"
	r.write("00ff", h.clock.Now())
	h.refusedRelease("manifest_conflict")
	for range 3 {
		h.clock.Add(dirPoll)
	}
	at := h.clock.Now()
	r.write("01aa", at)
	h.takenUp(at)
	if n := asked.Load(); n != 2 {
		t.Errorf("the plane was asked %d times; want once about each release", n)
	}
}

// PROTOCOL V7
func TestRelease_UnsignedManifestsNeedAFlag(t *testing.T) {
	r := newTestRelease(t)
	r.write("00ff", testEpoch)
	dir := t.TempDir()
	h := start(t, r.configure, func(c *Config) { c.ManifestDir = dir })
	h.offers("h1", "stable@00ff")
	open := func() answer {
		return h.operator("anna").do(http.MethodPost, "/v1/operator/rollouts", manifest("edge", "r1", "c1", "h1"))
	}
	a := open()
	a.want(t, wire.UnsignedManifest)
	if !strings.Contains(a.body, "--allow-unsigned-manifests") {
		t.Errorf("the refusal says %s", a.body)
	}
	writeFile(t, dir+"/edge.json", manifest("edge", "r1", "c1", "h1"))
	h.eventually("the file is refused", func() bool {
		h.clock.Add(dirSettle)
		return h.metric("refrain_manifests_refused") == 1
	})
	h.cfg.AllowUnsigned = true
	h.restart()
	h.eventually("the file is opened", func() bool { return open().status == http.StatusOK })
	h.offers("h1", "edge@r1")
	h.offers("h1", "stable@00ff")
	// Without the flag it is offered no more.
	h.cfg.AllowUnsigned = false
	h.restart()
	h.offers("h1", "stable@00ff")
	h.agent("h1").poll().want(t, wire.NoContent)
}
