package scenario

import (
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestSizesOwnAndModes_GiveEachHostItsLine(t *testing.T) {
	s, err := ParseScenario("fleet 5 probes=2 modes=enforce,observe\nrollout stable@r1 target=c1 own=yes waves=0s,1m,2m sizes=1,0\n")
	if err != nil {
		t.Fatal(err)
	}
	filled := s.Filled()
	m := filled.Manifest(&filled.Rollouts[0])
	var lines []string
	for _, h := range m.Hosts {
		lines = append(lines, string(h.TargetClosure)+" "+[]string{"first", "second", "third"}[h.Wave])
	}
	if want := []string{"c1-h1 first", "c1-h2 third", "c1-h3 third", "c1-h4 third", "c1-h5 third"}; !slices.Equal(lines, want) {
		t.Errorf("the manifest has %v; want %v", lines, want)
	}
	probes := filled.Fleet.DeclaredProbes()
	if len(probes) != 2 || probes[0].Mode != wire.Enforce || probes[1].Mode != wire.Observe {
		t.Errorf("the probes are %v; want one that counts and one that observes", probes)
	}
}

func TestWhatTheServerRefuses_TheLanguageRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"rollout stable@r1 target=c1 waves=527041m":                        "want whole minutes, at most 527040m",
		"rollout stable@r1 target=c1 waves=100000000m":                     "at most 527040m",
		"rollout stable@r1 target=c1 waves=0s,1m sizes=1,1":                "want one for each wave but the last",
		"rollout stable@r1 target=c1 waves=0s,1m sizes=9":                  "want 0 to 2, as many as the rollout has",
		"rollout stable@r1 own=yes target=" + strings.Repeat("c", 511):     "422: hosts[0].target_closure",
		"rollout stable@r1 target=c1\nat 2m open stable@r1 soak=527041m":   "at most 527040m",
		"rollout stable@r1 target=c1\nat 2m read quarantine limit=2":       "has no pages",
		"rollout stable@r1 target=c1\nat 2m read stable@r9":                "there is no rollout stable@r9",
		"rollout stable@r1 target=c1 own=yes\nat 2m clear stable c1":       "no rollout of stable has the target c1",
		"rollout stable@r1 target=c1 own=yes\nat 2m clear stable c1-h3":    "no rollout of stable has the target c1-h3",
		"rollout stable@r1 target=c1\nat 2m resume stable@r1 by=10":        "want 1 to 9",
		"rollout stable@r1 target=c1\nat 2m revoke h1 before=0s":           "want more than 0s",
		"rollout stable@r1 target=c1\nat 2m read everything":               "want one of hosts, rollouts, quarantine, revocations",
		"rollout stable@r1 target=c1 own=yes\nat 2m clear stable c1-h2 by": "want a value",
	} {
		if _, err := ParseScenario("fleet 2\n" + line + "\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", line, err, want)
		}
	}
	if _, err := ParseScenario("fleet 2\nrollout stable@r1 target=c1 own=yes\nat 2m clear stable c1-h2\n"); err != nil {
		t.Errorf("a host's own closure: %v", err)
	}
}
