package artifact_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// resigned verifies the fleet and the rollout of testdata with a change in each, both
// signed again by another key.
func resigned(t *testing.T, fleetEdit, rolloutEdit func(string) string) (*artifact.Verified[artifact.Fleet], *artifact.Verified[artifact.Rollout]) {
	t.Helper()
	s := newSigner(9)
	key := s.key(t)
	v := verifier(t)
	v.Trust.Release = artifact.Slot{Current: &key}
	fleet, err := v.Fleet(s.sign(t, fleetEdit(string(file(t, "fleet.resolved.json")))))
	if err != nil {
		t.Fatal(err)
	}
	rollout, err := v.Rollout(s.sign(t, rolloutEdit(string(file(t, rolloutID+".json")))))
	if err != nil {
		t.Fatal(err)
	}
	return fleet, rollout
}

func replace(old, new string) func(string) string {
	return func(text string) string {
		if !strings.Contains(text, old) {
			panic(fmt.Sprintf("%s is not in %s", old, text))
		}
		return strings.Replace(text, old, new, 1)
	}
}

func TestFits_AManifestBelongsToOneFleet(t *testing.T) {
	same := func(text string) string { return text }
	const fleetHash = "4dbb83887d928aa0679f7dbb78f69d31fdc8640663f2a65fe0626205c9c910f4"
	for _, test := range []struct {
		name           string
		id             wire.RolloutID
		fleet, rollout func(string) string
		want           artifact.Reason
	}{
		{"as made", rolloutID, same, same, 0},
		{"another display name", rolloutID, same, replace("stable@01234567", "any"), 0},
		{"another ID asked for", wire.RolloutID("stable@" + commit[1:]), same, same, artifact.WrongRollout},
		{"another channel", rolloutID, same, replace(`"channel":"stable"`, `"channel":"canary"`), artifact.WrongRollout},
		{"a fleet that was signed again", rolloutID, replace("03:04:05Z", "03:04:06Z"), same, artifact.WrongFleet},
		{"another hash", rolloutID, same, replace(fleetHash, strings.Repeat("0", 64)), artifact.WrongFleet},
		{"another closure", rolloutID, same, replace("web-02-1", "web-02-2"), artifact.WrongClosure},
		{"another wave", rolloutID, same, replace(`"waveIndex":1`, `"waveIndex":0`), artifact.WrongFleet},
		{"another host", rolloutID, same, replace(`"hostname":"web-02"`, `"hostname":"web-03"`), artifact.WrongFleet},
		{"a host less", rolloutID, same, replace(`,{"hostname":"web-02","targetClosure":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-nixos-system-web-02-1","waveIndex":1}`, ""), artifact.WrongFleet},
	} {
		fleet, rollout := resigned(t, test.fleet, test.rollout)
		wantReason(t, test.name, artifact.Fits(test.id, rollout, fleet), test.want)
	}
	// A manifest may have the fleet's hash and another commit.
	fleet, rollout := resigned(t, same, replace(`"channelRef":"0123`, `"channelRef":"4567`))
	wantReason(t, "another commit", artifact.Fits(rollout.Doc.ID(), rollout, fleet), artifact.WrongFleet)
}

func TestRolloutOf_HostsOfTheChannelWithAClosureInTheirFirstWave(t *testing.T) {
	host := func(name string, channel wire.Channel, closure wire.Closure) wire.Named[artifact.Host] {
		return wire.Named[artifact.Host]{Name: name, Of: artifact.Host{Channel: channel, Closure: closure}}
	}
	fleet := &artifact.Fleet{
		Hosts: []wire.Named[artifact.Host]{host("a", "stable", "c1"), host("b", "stable", ""), host("c", "canary", "c1"), host("d", "stable", "c2"), host("e", "stable", "c3")},
		Waves: []wire.Named[[]artifact.Wave]{{Name: "stable", Of: []artifact.Wave{{Hosts: wire.Names{"c"}}, {Hosts: wire.Names{"a", "d"}}, {Hosts: wire.Names{"d", "a"}}}}},
		Meta:  artifact.Meta{Commit: commit},
	}
	rollout, ok := artifact.RolloutOf(fleet, artifact.Hash{}, "stable")
	want := []artifact.RolloutHost{{Hostname: "a", Wave: 1, Closure: "c1"}, {Hostname: "d", Wave: 1, Closure: "c2"}, {Hostname: "e", Wave: 0, Closure: "c3"}}
	if !ok || !slices.Equal(rollout.Hosts, want) {
		t.Errorf("the lines are %+v; want %+v", rollout.Hosts, want)
	}
	if rollout, ok := artifact.RolloutOf(fleet, artifact.Hash{}, "beta"); ok {
		t.Errorf("a channel without hosts has the rollout %+v", rollout)
	}
}

func TestAllows_TheHostsOwnLine(t *testing.T) {
	rollout, err := artifact.ParseRollout(file(t, rolloutID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, "its closure", rollout.Allows("web-01", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nixos-system-web-01-1"), 0)
	wantReason(t, "another host's closure", rollout.Allows("web-01", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-nixos-system-web-02-1"), artifact.WrongClosure)
	wantReason(t, "another host", rollout.Allows("web-03", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nixos-system-web-01-1"), artifact.NoSuchHost)
}

func TestRollout_RefusesIDsAndHashesThatAgentsCannotUse(t *testing.T) {
	for _, test := range []struct{ old, new, field string }{
		{`"channel":"stable"`, `"channel":"eu/stable"`, "channelRef"},
		{`"channel":"stable"`, `"channel":"Stable"`, "channelRef"},
		{`"channelRef":"` + commit, `"channelRef":"main`, "channelRef"},
		{`"fleetResolvedHash":"4`, `"fleetResolvedHash":"`, "fleetResolvedHash"},
		{`"fleetResolvedHash":"4d`, `"fleetResolvedHash":"4D`, "fleetResolvedHash"},
		{`"hostname":"web-02"`, `"hostname":"web-01"`, "hostSet[1].hostname"},
		{`"hostname":"web-02"`, `"hostname":"web-00"`, "hostSet[1].hostname"},
	} {
		_, err := artifact.ParseRollout([]byte(replace(test.old, test.new)(string(file(t, rolloutID+".json")))))
		wantReason(t, test.new, err, artifact.WrongShape)
		if refusal, ok := err.(*artifact.Refusal); ok && refusal.Field != test.field {
			t.Errorf("%s: the field is %q; want %q", test.new, refusal.Field, test.field)
		}
	}
}

func TestSelector_AnyPartSelects(t *testing.T) {
	host := artifact.Host{Channel: "stable", Tags: wire.Names{"web", "eu"}}
	for _, test := range []struct {
		name     string
		selector artifact.Selector
		want     bool
	}{
		{"nothing", artifact.Selector{}, false},
		{"all", artifact.Selector{All: true}, true},
		{"by name", artifact.Selector{Hosts: wire.Names{"a", "b"}}, true},
		{"by another name", artifact.Selector{Hosts: wire.Names{"b"}}, false},
		{"by channel", artifact.Selector{Channel: "stable"}, true},
		{"by another channel", artifact.Selector{Channel: "canary"}, false},
		{"by all tags", artifact.Selector{Tags: wire.Names{"eu", "web"}}, true},
		{"by a tag too many", artifact.Selector{Tags: wire.Names{"eu", "db"}}, false},
		{"by any tag", artifact.Selector{TagsAny: wire.Names{"db", "web"}}, true},
		{"by none of these tags", artifact.Selector{TagsAny: wire.Names{"db"}}, false},
		{"by one part of two", artifact.Selector{Tags: wire.Names{"db"}, Channel: "stable"}, true},
	} {
		if got := test.selector.Selects("a", &host); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
}

func TestTrust_SaysWhatIsWrong(t *testing.T) {
	text := string(file(t, "trust.json"))
	const p256 = "vVcUucIEAEEfHlHb/2NkfwXR1wtV/CAMbK0QwvRhTcHlBIVi9zH1RXPAQiTZc6kWpZ9SaoJoB2/Bz6kqXxQ/GQ=="
	for _, test := range []struct{ old, new, want string }{
		{`"schemaVersion":1`, `"schemaVersion":2`, "schemaVersion: is 2; want 1"},
		{`"ciReleaseKey"`, `"ciReleaseKeys"`, "ciReleaseKey: is missing"},
		{`"ciReleaseKey"`, `"cireleasekey"`, "cireleasekey: field names are case-sensitive: want ciReleaseKey"},
		{`"algorithm":"ed25519",`, ``, "ciReleaseKey.current.algorithm: is missing"},
		{`ebVWLo/m`, ``, "ciReleaseKey.current.public: is not a key: has 26 bytes; want 32"},
		{`ebVWLo/mVPl`, `*`, "ciReleaseKey.current.public: is not a key: want base64 with padding"},
		{p256, p256[:84] + "AA==", "ciReleaseKey.previous.public: is not a key: is no point on P-256"},
		{p256, "AAAA", "ciReleaseKey.previous.public: is not a key: has 3 bytes; want the 64 bytes X and Y"},
		{`"2026-01-01T00:00:00Z"`, `"soon"`, "ciReleaseKey.rejectBefore: want an RFC 3339 time"},
		{`"cacheKeys":[]`, `"releaseSigners":{"required":2,"keys":[]}`, "releaseSigners.required: is 2; want 1 to 1"},
		{`"cacheKeys":[]`, `"releaseSigners":{"required":0,"keys":[]}`, "releaseSigners.required: is 0; want 1 to 1"},
		{`"cacheKeys":[]`, `"releaseSigners":{"required":1,"keys":[{"algorithm":"x","public":"AAAA"},{"algorithm":"x","public":"AAAA"}]}`, "releaseSigners.keys[1]: is keys[0] again"},
	} {
		_, err := artifact.ParseTrust([]byte(replace(test.old, test.new)(text)))
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v; want %s", test.new, err, test.want)
		}
	}
	for _, signers := range []string{"", `"releaseSigners":{"required":2,"keys":[{"algorithm":"ed25519","public":"5/FioQvsVZr+oZXk3OhLaVaNXSywlj60RsBoXisX8vA="}]},`} {
		trust := trustOf(t, []byte(replace(`"cacheKeys":[],`, signers)(text)))
		again := trustOf(t, artifact.MarshalTrust(trust))
		if again.Signers.Required != trust.Signers.Required || *again.Release.Current != *trust.Release.Current || len(again.Signers.Keys) != len(trust.Signers.Keys) {
			t.Errorf("%s: reads back as %+v", signers, again)
		}
	}
}
