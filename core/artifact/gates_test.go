package artifact_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL W2: a percentage is rounded down, and at least 1 unless it is 0; the smaller
// of two limits counts.
func TestOpening_LimitsOfBudgets(t *testing.T) {
	for _, test := range []struct {
		limits  string // in place of at most 1 at a time; of two hosts
		want    wire.Count
		limited bool
	}{
		{`"maxInFlight":2,"maxInFlightPct":null`, 2, true},
		{`"maxInFlight":0,"maxInFlightPct":null`, 0, true},
		{`"maxInFlight":null,"maxInFlightPct":null`, 0, false},
		{`"maxInFlight":null,"maxInFlightPct":0`, 0, true},
		{`"maxInFlight":null,"maxInFlightPct":1`, 1, true},
		{`"maxInFlight":null,"maxInFlightPct":99`, 1, true},
		{`"maxInFlight":null,"maxInFlightPct":100`, 2, true},
		{`"maxInFlight":null,"maxInFlightPct":300`, 2, true},
		{`"maxInFlight":1,"maxInFlightPct":100`, 1, true},
		{`"maxInFlight":5,"maxInFlightPct":50`, 1, true},
	} {
		fleet, _ := resigned(t, replace(`"maxInFlight":1,"maxInFlightPct":null`, test.limits), func(text string) string { return text })
		rollout, _ := artifact.RolloutOf(&fleet.Doc, fleet.Hash, "stable")
		m, err := artifact.Opening(&fleet.Doc, &rollout)
		if err != nil {
			t.Fatal(err)
		}
		if limited := len(m.Gates.Budgets) == 1; limited != test.limited || limited && m.Gates.Budgets[0].MaxInFlight != test.want {
			t.Errorf("%s: %+v; want %d, limited %v", test.limits, m.Gates.Budgets, test.want, test.limited)
		}
	}
}

func TestIgnoredEdges_SaysWhy(t *testing.T) {
	host := func(channel wire.Channel, closure wire.Closure) artifact.Host {
		return artifact.Host{Channel: channel, Closure: closure}
	}
	fleet := artifact.Fleet{
		Hosts:        []wire.Named[artifact.Host]{{Name: "a", Of: host("x", "c1")}, {Name: "b", Of: host("y", "c1")}, {Name: "c", Of: host("x", "")}, {Name: "d", Of: host("x", "c1")}},
		Channels:     []wire.Named[artifact.Channel]{{Name: "x"}, {Name: "y"}},
		Edges:        []artifact.Edge{{Gates: "a", Gated: "d"}, {Gates: "a", Gated: "b"}, {Gates: "e", Gated: "a"}, {Gates: "a", Gated: "c"}},
		ChannelEdges: []artifact.Edge{{Gates: "x", Gated: "y"}, {Gates: "z", Gated: "x"}},
	}
	want := []string{
		"edges[1], a before b: a is on channel x, and b on y; want an edge between the channels",
		"edges[2], e before a: the fleet has no host e",
		"edges[3], a before c: c has no closure, and so is in no rollout",
		"channelEdges[1], z before x: the fleet has no channel z",
	}
	if got := fleet.IgnoredEdges(); !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestSelector_DescribesItself(t *testing.T) {
	for want, s := range map[string]artifact.Selector{
		"all": {All: true}, "no host": {}, "channel stable": {Channel: "stable"}, "tags web+eu": {Tags: wire.Names{"web", "eu"}},
		"any tag of web,db or hosts a": {TagsAny: wire.Names{"web", "db"}, Hosts: wire.Names{"a"}},
	} {
		if got := fmt.Sprint(s.String()); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
