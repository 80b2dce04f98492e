package artifact_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// A rollout is opened with its own lines, and with the waves and the failure policy
// that the fleet has for its channel. PROTOCOL V4
func TestOpening_HasWhatFleetAndRolloutSay(t *testing.T) {
	same := func(text string) string { return text }
	fleet, rollout := resigned(t, same, same)
	got, err := artifact.Opening(&fleet.Doc, &rollout.Doc)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"channel":"stable","channel_ref":"0123456789abcdef0123456789abcdef01234567","serial":1767323045000000000,` +
		`"policy":{"on_health_failure":"rollback-and-halt","waves":[{"soak_minutes":5},{"soak_minutes":10}]},` +
		`"hosts":[{"hostname":"web-01","wave":0,"target_closure":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nixos-system-web-01-1"},` +
		`{"hostname":"web-02","wave":1,"target_closure":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-nixos-system-web-02-1"}],` +
		`"gates":{"budgets":[{"name":"all","hosts":["web-01","web-02"],"max_in_flight":1}],` +
		`"edges":[{"gates":"web-01","gated":"web-02","reason":"db first"}],"compliance":true},` +
		`"pins":[{"hostname":"web-02","pin":{"commit":"f00dfeed","reason":"driver bug","expires_at":"2026-06-01T00:00:00Z"}}]}`
	if text := string(got.AppendJSON(nil)); text != want {
		t.Errorf("the opening is\n%s\nwant\n%s", text, want)
	}
	if at := wire.TimeOf(instant(t, "2026-01-02T03:04:05Z").Std()); int64(got.Serial) != at.Std().UnixNano() {
		t.Errorf("the serial is %d; want the instant of signing, %v", got.Serial, at)
	}
}

// What a plane could not bring to an end is refused by name.
func TestOpening_RefusesWhatIsNeverOver(t *testing.T) {
	for _, test := range []struct {
		name, old, new string
		want           artifact.Reason
		says           string
	}{
		{"no waves", `"waves":{"stable":[{"hosts":["web-01"],"soakMinutes":5},{"hosts":["web-02"],"soakMinutes":10}]}`, `"waves":{}`, 0, ""},
		{"an empty wave", `"waves":{"stable":[{"hosts":["web-01"],`, `"waves":{"stable":[{"hosts":["web-01"],"soakMinutes":1},{"hosts":[],`, artifact.WaveGap, "waves.stable[1]"},
		{"a wave of hosts that an earlier one has", `{"hosts":["web-02"],"soakMinutes":10}`, `{"hosts":["web-01"],"soakMinutes":1},{"hosts":["web-02"],"soakMinutes":10}`, artifact.WaveGap, "waves.stable[1]"},
		{"a host in no wave", `{"hosts":["web-01"],"soakMinutes":5},{"hosts":["web-02"],"soakMinutes":10}`, `{"hosts":["web-01"],"soakMinutes":5}`, artifact.NoWave, "web-02"},
		{"a host without a closure in a wave", `"closureHash":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-nixos-system-web-02-1"`, `"closureHash":null`, artifact.NoClosure, "web-02"},
		{"a host of another channel in a wave", `{"hosts":["web-02"],"soakMinutes":10}`, `{"hosts":["web-02"],"soakMinutes":10},{"hosts":["other"],"soakMinutes":1}`, artifact.WaveGap, "waves.stable[2]"},
		{"an edge in a circle", `"edges":[`, `"edges":[{"gated":"web-02","gates":"web-02","reason":null},`, artifact.EdgeCircle, "web-02 waits for web-02"},
		{"an edge against the waves", `"edges":[`, `"edges":[{"gated":"web-01","gates":"web-02","reason":null},`, artifact.EdgeAgainstWaves, "web-01 of wave 0 waits for web-02 of wave 1"},
		{"an edge to a host that is not there", `"edges":[`, `"edges":[{"gated":"web-01","gates":"web-09","reason":null},`, 0, ""},
		{"channels in a circle", `"channelEdges":[]`, `"channelEdges":[{"gated":"stable","gates":"stable","reason":null}]`, artifact.EdgeCircle, "stable waits for stable"},
		{"an unknown policy", `"rolloutPolicy":"careful"`, `"rolloutPolicy":"other"`, artifact.NoPolicy, "other"},
		{"no such channel", `"channels":{"stable":`, `"channels":{"beta":`, artifact.NoPolicy, "stable"},
	} {
		fleetEdit := replace(test.old, test.new)
		fleet, _ := resigned(t, fleetEdit, func(text string) string { return text })
		rollout, ok := artifact.RolloutOf(&fleet.Doc, fleet.Hash, "stable")
		if !ok {
			t.Fatalf("%s: no rollout", test.name)
		}
		_, err := artifact.Opening(&fleet.Doc, &rollout)
		wantReason(t, test.name, err, test.want)
		if err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v; want it to name %s", test.name, err, test.says)
		}
	}
}

// An opening that is not refused has each line of the rollout once, in a wave that
// has hosts, and a manifest of it can be read.
func TestOpening_CarriesEachLineOver(t *testing.T) {
	opened := 0
	rapid.Check(t, func(t *rapid.T) {
		fleet := drawFleet(t)
		for _, id := range fleet.RolloutIDs() {
			rollout, _ := artifact.RolloutOf(fleet, artifact.Hash{}, id.Channel())
			m, err := artifact.Opening(fleet, &rollout)
			if err != nil {
				continue
			}
			opened++
			var read wire.Manifest
			if err := wire.DecodeDocument(new(wire.Decoder), &wire.ManifestSchema, m.AppendJSON(nil), &read); err != nil {
				t.Fatalf("%s: %v", m.AppendJSON(nil), err)
			}
			if m.ID() != id || len(m.Hosts) != len(rollout.Hosts) {
				t.Fatalf("%s has %d hosts; want %s with %d", m.ID(), len(m.Hosts), id, len(rollout.Hosts))
			}
			for i, h := range m.Hosts {
				if line := rollout.Hosts[i]; line.Hostname != h.Hostname || line.Wave != h.Wave || line.Closure != h.TargetClosure {
					t.Fatalf("the opening has %v; the rollout %v", h, line)
				}
			}
		}
	})
	if opened == 0 {
		t.Error("no fleet that was drawn has a rollout that can be opened")
	}
}
