package artifact_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

var signedAround = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// drawFleet makes a fleet of two channels whose parts may be missing.
func drawFleet(t *rapid.T) *artifact.Fleet {
	channels := []wire.Channel{"canary", "stable"}
	tags := wire.Names{"web", "db", "é<&>", `"quoted"`}
	drawTags := func(name string) wire.Names {
		var some wire.Names
		for _, tag := range tags {
			if rapid.Bool().Draw(t, name) {
				some = append(some, tag)
			}
		}
		return some
	}
	drawSelector := func() artifact.Selector {
		return artifact.Selector{
			Tags: drawTags("tags"), TagsAny: drawTags("any"),
			Channel: rapid.SampledFrom([]wire.Channel{"", "canary"}).Draw(t, "selected"), All: wire.Flag(rapid.Bool().Draw(t, "all")),
		}
	}
	minutes := func(name string) wire.Count { return wire.Count(rapid.IntRange(0, 1000).Draw(t, name)) }
	limit := func(name string) artifact.Limit {
		if !rapid.Bool().Draw(t, name) {
			return artifact.Limit{}
		}
		return artifact.Limit{Set: true, Max: minutes(name)}
	}
	fleet := &artifact.Fleet{Meta: artifact.Meta{
		Commit: "00ff", Algorithm: artifact.Ed25519,
		SignedAt: wire.TimeOf(signedAround.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "at")))),
	}}
	for i := range rapid.IntRange(0, 6).Draw(t, "hosts") {
		host := artifact.Host{
			System: "x86_64-linux", Tags: drawTags("tags"), Channel: rapid.SampledFrom(channels).Draw(t, "channel"),
			Closure: rapid.SampledFrom([]wire.Closure{"", "aaaa-one", "bbbb-two"}).Draw(t, "closure"),
		}
		if rapid.Bool().Draw(t, "pinned") {
			host.Pin = &artifact.Pin{Commit: "00", Reason: "a reason"}
		}
		fleet.Hosts = append(fleet.Hosts, wire.Named[artifact.Host]{Name: fmt.Sprintf("h%d", i), Of: host})
	}
	for _, channel := range channels {
		fleet.Channels = append(fleet.Channels, wire.Named[artifact.Channel]{Name: string(channel), Of: artifact.Channel{
			Policy: "p", ReconcileMinutes: minutes("reconcile"), FreshMinutes: minutes("fresh"), SignMinutes: minutes("sign"),
		}})
		var waves []artifact.Wave
		for range rapid.IntRange(0, 3).Draw(t, "waves") {
			var hosts wire.Names
			for i := range fleet.Hosts {
				if rapid.Bool().Draw(t, "in the wave") {
					hosts = append(hosts, wire.Name(fleet.Hosts[i].Name))
				}
			}
			waves = append(waves, artifact.Wave{Hosts: hosts, SoakMinutes: minutes("soak")})
		}
		fleet.Waves = append(fleet.Waves, wire.Named[[]artifact.Wave]{Name: string(channel), Of: waves})
	}
	policy := artifact.Policy{Strategy: "staged", OnFailure: wire.Halt}
	if rapid.Bool().Draw(t, "gate") {
		policy.Health.FailedUnits = &artifact.FailedUnits{Max: minutes("units")}
	}
	policy.Waves = []artifact.PolicyWave{{Selector: drawSelector(), SoakMinutes: minutes("soak")}}
	fleet.Policies = []wire.Named[artifact.Policy]{{Name: "p", Of: policy}}
	if rapid.Bool().Draw(t, "budget") {
		fleet.Budgets = []artifact.Budget{{Selector: drawSelector(), MaxInFlight: limit("max"), MaxInFlightPct: limit("percent")}}
	}
	if rapid.Bool().Draw(t, "edges") {
		fleet.Edges = []artifact.Edge{{Gates: "h0", Gated: "h1"}}
		fleet.ChannelEdges = []artifact.Edge{{Gates: "canary", Gated: "stable", Reason: "in this order"}}
	}
	return fleet
}

// What is written reads back as the same, and the rollouts that are derived from a
// fleet fit it, and no other; together they have each host with a closure once.
func TestFleet_ItsRolloutsFitItAndNoOther(t *testing.T) {
	s := newSigner(5)
	key := s.key(t)
	v := &artifact.Verifier{
		Trust: &artifact.Trust{Release: artifact.Slot{Current: &key}}, Now: wire.TimeOf(signedAround), Window: artifact.AgentWindow,
	}
	sign := func(t *rapid.T, document []byte, err error) artifact.Signed {
		if err != nil {
			t.Fatal(err)
		}
		return artifact.Signed{Document: document, Signature: ed25519.Sign(s.private, document)}
	}
	rapid.Check(t, func(t *rapid.T) {
		drawn := drawFleet(t)
		text, err := drawn.Marshal()
		fleet, err := v.Fleet(sign(t, text, err))
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if again, err := fleet.Doc.Marshal(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%s is written again as %s (%v)", text, again, err)
		}
		changed := *drawn
		changed.Meta.SignedAt = wire.TimeOf(signedAround.Add(2 * time.Second))
		text, err = changed.Marshal()
		other, err := v.Fleet(sign(t, text, err))
		if err != nil {
			t.Fatal(err)
		}
		lines := make(map[wire.Hostname]wire.Closure)
		for _, id := range fleet.Doc.RolloutIDs() {
			derived, ok := artifact.RolloutOf(&fleet.Doc, fleet.Hash, id.Channel())
			if !ok || derived.ID() != id {
				t.Fatalf("the rollout %s is derived as %s", id, derived.ID())
			}
			text, err := derived.Marshal()
			rollout, err := v.Rollout(sign(t, text, err))
			if err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			if err := artifact.Fits(id, rollout, fleet); err != nil {
				t.Fatal(err)
			}
			if refusal, is := artifact.Fits(id, rollout, other).(*artifact.Refusal); !is || refusal.Reason != artifact.WrongFleet {
				t.Fatalf("with another fleet: %v; want wrong_fleet", refusal)
			}
			for _, line := range rollout.Doc.Hosts {
				if _, twice := lines[line.Hostname]; twice {
					t.Fatalf("%s has two lines", line.Hostname)
				}
				lines[line.Hostname] = line.Closure
			}
		}
		want := make(map[wire.Hostname]wire.Closure)
		for _, host := range drawn.Hosts {
			if host.Of.Closure != "" {
				want[wire.Hostname(host.Name)] = host.Of.Closure
			}
		}
		if !reflect.DeepEqual(lines, want) {
			t.Fatalf("the lines are %v; want %v", lines, want)
		}
	})
}
