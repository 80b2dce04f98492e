package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// killRounds is how often the process is killed: a few times with every test,
// KILL_ROUNDS times (make kill) where time is taken for it.
func killRounds(t *testing.T) int {
	t.Helper()
	few := 4
	if testing.Short() {
		few = 2
	}
	return numberFromEnvironment(t, "KILL_ROUNDS", few, math.MaxInt)
}

// numberFromEnvironment is how much a test does: few, unless the variable, which a make
// target sets, says otherwise.
func numberFromEnvironment(t *testing.T, variable string, few, most int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		t.Fatalf("%s is %q; want a number from 1 to %d", variable, text, most)
	}
	return n
}

// checkLedger wants every event that was acknowledged to be on the disk.
func (k *killRig) checkLedger() {
	k.t.Helper()
	last := k.logged()
	for _, h := range k.hosts {
		// One more may be there: applied and on the disk, and not answered.
		if got := last[h.name]; got < h.acked || got > h.next {
			k.t.Errorf("%s: events up to %d were acknowledged and %d was under way; on the disk are those up to %d", h.name, h.acked, h.next, got)
		}
	}
}

// TestKilledPlanesLoseNothing kills the real binary at random moments under load,
// again and again: what was answered 204 is on the disk, the tables are what the
// log gives, and the fleet converges in the end.
func TestKilledPlanesLoseNothing(t *testing.T) { // PROTOCOL E2
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 6)
	k.start()
	k.open()
	stopFleet := k.runFleet()
	var acked wire.Seq
	rounds := k.eachKill(func(round int) {
		k.wantAudited(fmt.Sprintf("round %d", round))
		k.checkLedger()
		acked = 0
		for _, h := range k.hosts {
			acked += h.acked
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	})
	t.Logf("%d rounds, %d events acknowledged", rounds, acked)
	if acked < wire.Seq(rounds) {
		t.Errorf("only %d events were acknowledged in %d rounds: no load", acked, rounds)
	}
	k.start()
	k.finish()
	stopFleet()
	k.kill()
	k.wantAudited("after the last round")
}

// finish lets every host send its Converged, and wants the rollout at its end.
func (k *killRig) finish() {
	k.t.Helper()
	for _, h := range k.hosts {
		h.finish = true
	}
	ctx, stop := context.WithTimeout(k.t.Context(), patience)
	defer stop()
	for _, h := range k.hosts {
		h.send(ctx)
		if !h.done {
			k.t.Fatalf("%s does not converge: %s", h.name, h.wrong)
		}
	}
	k.wantTerminal(killRollout)
}

// wantTerminal waits until every host of a rollout has converged.
func (k *killRig) wantTerminal(id wire.RolloutID) {
	k.t.Helper()
	until(k.t, fmt.Sprintf("%s has converged", id), func() bool {
		response, err := k.demo.send(k.t.Context(), demoRequest{Cert: "operators/" + devOperator, Path: "/v1/operator/rollouts/" + string(id)})
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		var s wire.RolloutStatus
		return err == nil && wire.DecodeDocument(new(wire.Decoder), &wire.RolloutStatusSchema, body, &s) == nil &&
			s.State == wire.Terminal && int(s.Counts.Converged) > 0 && s.Counts.Failed == 0
	})
}

// runFleet runs real agents on virtual hosts through all of it. The function
// that it returns waits until their rollout has converged.
func (k *killRig) runFleet() (stop func()) {
	k.t.Helper()
	names := []string{"web-1", "web-2", "web-3", "web-4"}
	if _, err := pki.Agent(k.demo.dir, names, atOnce()); err != nil {
		k.t.Fatal(err)
	}
	m := &wire.Manifest{Channel: "edge", ChannelRef: "1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{SoakMinutes: 1}, {SoakMinutes: 1}}}}
	for i, name := range names {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(name), Wave: wire.Count(i % 2), TargetClosure: "c7"})
	}
	if err := k.demo.open(k.t.Context(), m); err != nil {
		k.t.Fatal(err)
	}
	f, err := newFleet(fleetConfig{
		URL: k.demo.url, CAFile: filepath.Join(k.demo.dir, "ca.crt"), Dir: k.demo.dir, Names: names, Interval: time.Minute, Speed: 300,
		Seed: 1, Logger: slog.New(slog.DiscardHandler), Problems: io.Discard,
	})
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, end := context.WithCancel(k.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.run(ctx) }()
	k.t.Cleanup(end)
	return func() {
		k.t.Helper()
		k.wantTerminal(m.ID())
		end()
		if err := <-ended; err != nil {
			k.t.Errorf("the fleet ended with %v", err)
		}
	}
}
