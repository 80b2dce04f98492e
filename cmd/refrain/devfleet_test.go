package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestTheLivingHostsGoThroughTheirWaves(t *testing.T) { // PROTOCOL R2
	story, out := startDevAnd(t, "--fleet-speed", "300")
	for _, ref := range []wire.ChannelRef{devRef, devNextRef} {
		m := story.edgeManifest(ref)
		if ref == devNextRef {
			next := story.openRequest(m)
			if !strings.Contains(out.String(), story.curl(next)) {
				t.Error("the next rollout is not printed as a command")
			}
			response, err := story.send(t.Context(), next)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != 201 {
				t.Errorf("the next rollout: %s", response.Status)
			}
		}
		end := string(m.ID()) + "   the rollout has converged"
		printed := out.await(t, end)
		position := func(format string, args ...any) int {
			t.Helper()
			pattern := `(?m)^ +\d+\.\ds  ` + string(m.ID()) + ` +` + fmt.Sprintf(format, args...) + `$`
			where := regexp.MustCompile(pattern).FindAllStringIndex(printed, -1)
			if len(where) != 1 {
				t.Fatalf("%d lines match %s in\n%s", len(where), pattern, printed)
			}
			return where[0][0]
		}
		last := 0
		for i, h := range m.Hosts {
			first := position(`wave %d  %s +Pending → Activating`, h.Wave, h.Hostname)
			soaking := position(`wave %d  %s +Activating → Soaking`, h.Wave, h.Hostname)
			converged := position(`wave %d  %s +Soaking → Converged`, h.Wave, h.Hostname)
			wave := position(`wave %d has converged`, h.Wave)
			if !(last < first && first < soaking && soaking < converged && converged < wave) {
				t.Errorf("the lines of %s are out of order in\n%s", h.Hostname, printed)
			}
			if i%2 == 1 {
				last = wave // the next wave comes after this line
			}
		}
		if strings.Index(printed, "Ctrl-C ends it") > strings.Index(printed, "Pending → Activating") {
			t.Error("the living hosts' lines come before the commands")
		}
	}
	checkHeartbeatsAreNow(t, story, devFleetHosts)
	if n := strings.Count(out.String(), "another rollout for them"); n != 1 {
		t.Errorf("the next rollout is proposed %d times, want once", n)
	}
}

// The hosts' time runs 300 times as fast, and yet they date their heartbeats by
// the time that an operator has.
func checkHeartbeatsAreNow(t *testing.T, story *demo, names []string) {
	t.Helper()
	response, err := story.send(t.Context(), demoRequest{Cert: "operators/" + devOperator, Path: "/v1/operator/hosts"})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Hosts []struct {
			Hostname        string    `json:"hostname"`
			LastHeartbeatAt time.Time `json:"last_heartbeat_at"`
		} `json:"hosts"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, h := range answer.Hosts {
		if !slices.Contains(names, h.Hostname) || h.LastHeartbeatAt.IsZero() {
			continue
		}
		seen++
		if ahead := time.Until(h.LastHeartbeatAt); ahead > time.Second {
			t.Errorf("the last heartbeat of %s is %v in the future", h.Hostname, ahead)
		}
	}
	if seen != len(names) {
		t.Errorf("%d virtual hosts have sent a heartbeat, want %d", seen, len(names))
	}
}

func TestTheDemoRunsWithoutLivingHostsToo(t *testing.T) {
	story, printed := startDev(t, "--no-fleet")
	if strings.Contains(printed, devFleetHosts[0]) {
		t.Errorf("it speaks of living hosts:\n%s", printed)
	}
	response, err := story.send(t.Context(), demoRequest{
		Cert: "operators/" + devOperator, Path: "/v1/operator/rollouts/" + string(story.edgeManifest(devRef).ID()),
	})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 404 {
		t.Errorf("their rollout: %s, want 404", response.Status)
	}
}

func TestTheLogLeavesOutWhatTheStoryTells(t *testing.T) {
	var w bytes.Buffer
	log := slog.New(quietLog{slog.NewTextHandler(&w, &slog.HandlerOptions{Level: slog.LevelDebug})})
	log.Info("told", "rollout", "edge@demo")
	log.Info("other", "rollout", "stable@demo")
	log.Info("none")
	log.With("a", 1).WithGroup("g").Info("told", "rollout", "edge@next")
	log.Warn("loud", "rollout", "edge@demo")
	log.DebugContext(context.Background(), "quiet", "rollout", "edge@demo")
	for _, word := range []string{"other", "none", "loud", "quiet"} {
		if !strings.Contains(w.String(), "msg="+word) {
			t.Errorf("no line %s in\n%s", word, w.String())
		}
	}
	if strings.Contains(w.String(), "told") {
		t.Errorf("got\n%s", w.String())
	}
}
