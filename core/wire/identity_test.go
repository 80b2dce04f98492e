package wire_test

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestTheMachineIDComesFromTheCommonName(t *testing.T) { // PROTOCOL T2, T4
	const suffix = "fleet.example"
	for _, test := range []struct {
		commonName, suffix string
		operator           bool
		name               string
	}{
		{"agent-web-17.fleet.example", suffix, false, "web-17"},
		{"agent-web-17.eu.fleet.example", suffix, false, "web-17.eu"}, // dots belong to the ID
		{"agent-agent-x.fleet.example", suffix, false, "agent-x"},     // one prefix is taken off
		{"agent-a.fleet.example.fleet.example", suffix, false, "a.fleet.example"},
		{"agent-operator-x.fleet.example", suffix, false, "operator-x"}, // an agent whatever its ID says
		{"operator-ada.fleet.example", suffix, true, "ada"},
		{"operator-ada.l.fleet.example", suffix, true, "ada.l"},
		{"operator-agent-x.fleet.example", suffix, true, "agent-x"},

		// Any other name is taken whole.
		{"web-17", suffix, false, "web-17"},
		{"web-17.fleet.example", suffix, false, "web-17.fleet.example"},
		{"agent-web-17", suffix, false, "agent-web-17"},
		{"operator-ada", suffix, false, "operator-ada"},
		{"agent-web-17.other.example", suffix, false, "agent-web-17.other.example"},
		{"operator-ada.other.example", suffix, false, "operator-ada.other.example"},
		{"agent-web-17.fleet.example.", suffix, false, "agent-web-17.fleet.example."},
		{"agent-web-17fleet.example", suffix, false, "agent-web-17fleet.example"}, // no dot before the suffix
		{"agent-web-17.Fleet.example", suffix, false, "agent-web-17.Fleet.example"},
		{"Agent-web-17.fleet.example", suffix, false, "Agent-web-17.fleet.example"},
		{"OPERATOR-ada.fleet.example", suffix, false, "OPERATOR-ada.fleet.example"},
		{"operators-ada.fleet.example", suffix, false, "operators-ada.fleet.example"},
		{" operator-ada.fleet.example", suffix, false, " operator-ada.fleet.example"},
		{"agent_web-17.fleet.example", suffix, false, "agent_web-17.fleet.example"},
		{"agent-.fleet.example", suffix, false, "agent-.fleet.example"},       // an empty ID
		{"operator-.fleet.example", suffix, false, "operator-.fleet.example"}, // an empty name
		{"agent-fleet.example", suffix, false, "agent-fleet.example"},
		{".fleet.example", suffix, false, ".fleet.example"},
		{"fleet.example", suffix, false, "fleet.example"},
		{"", suffix, false, ""},

		// Without a suffix every name is taken whole.
		{"agent-web-17.fleet.example", "", false, "agent-web-17.fleet.example"},
		{"operator-ada.fleet.example", "", false, "operator-ada.fleet.example"},
		{"operator-ada.", "", false, "operator-ada."},
	} {
		got := wire.ParseIdentity(test.commonName, test.suffix)
		want := wire.Identity{CommonName: test.commonName, Operator: test.operator, Name: test.name}
		if got != want {
			t.Errorf("%q with the suffix %q: got %+v, want %+v", test.commonName, test.suffix, got, want)
		}
	}
}

func TestOnlyAgentsWithAPossibleNameHaveAHostname(t *testing.T) { // PROTOCOL T4, T11
	const suffix = "fleet.example"
	for _, test := range []struct {
		commonName string
		want       wire.Hostname
		ok         bool
	}{
		{"agent-web-17.fleet.example", "web-17", true},
		{"web-17", "web-17", true},
		{"operator-ada.fleet.example", "", false},
		{"web 17", "", false},
		{"wéb", "", false},
		{"web\x00", "", false},
		{"", "", false},
		{"agent-" + strings.Repeat("a", 253) + ".fleet.example", wire.Hostname(strings.Repeat("a", 253)), true},
		{"agent-" + strings.Repeat("a", 254) + ".fleet.example", "", false},
	} {
		got, ok := wire.ParseIdentity(test.commonName, suffix).Hostname()
		if got != test.want || ok != test.ok {
			t.Errorf("%q: got %q, %v", test.commonName, got, ok)
		}
	}
}

func TestTheProtocolHeader(t *testing.T) { // PROTOCOL T6
	for _, test := range []struct {
		values       []string
		want, strict wire.Code
	}{
		{nil, wire.OK, wire.ProtocolRequired},
		{[]string{}, wire.OK, wire.ProtocolRequired},
		{[]string{"1"}, wire.OK, wire.OK},
		{[]string{"01"}, wire.OK, wire.OK}, // the number 1, oddly written
		{[]string{"0"}, wire.UnsupportedProtocol, wire.UnsupportedProtocol},
		{[]string{"2"}, wire.UnsupportedProtocol, wire.UnsupportedProtocol},
		{[]string{"10"}, wire.UnsupportedProtocol, wire.UnsupportedProtocol},
		{[]string{"18446744073709551617"}, wire.UnsupportedProtocol, wire.UnsupportedProtocol}, // 2^64+1
		{[]string{strings.Repeat("9", 5000)}, wire.UnsupportedProtocol, wire.UnsupportedProtocol},
		{[]string{""}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{" 1"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"-1"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"+1"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"1.0"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"v1"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"1, 1"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"0x1"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"１"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"1", "1"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
		{[]string{"1", "2"}, wire.BadProtocolHeader, wire.BadProtocolHeader},
	} {
		if got := wire.CheckProtocolHeader(test.values, false); got != test.want {
			t.Errorf("%.40q: got %v, want %v", test.values, got, test.want)
		}
		if got := wire.CheckProtocolHeader(test.values, true); got != test.strict {
			t.Errorf("%.40q, strict: got %v, want %v", test.values, got, test.strict)
		}
	}
}

func TestACertificateSpeaksForOneClientOrForNobody(t *testing.T) { // PROTOCOL T1, T2
	good := wire.Leaf{CommonNames: []string{"agent-h1.fleet.example"}, ClientAuth: true}
	for _, test := range []struct {
		name string
		edit func(*wire.Leaf)
		want wire.LeafFlaw
	}{
		{"good", func(*wire.Leaf) {}, 0},
		{"RSA of 2,048 bits", func(l *wire.Leaf) { l.RSABits = 2048 }, 0},
		{"no name", func(l *wire.Leaf) { l.CommonNames = nil }, wire.NoCommonName},
		{"two names", func(l *wire.Leaf) { l.CommonNames = []string{"agent-h1.fleet.example", "operator-a.fleet.example"} }, wire.SeveralCommonNames},
		{"the same name twice", func(l *wire.Leaf) { l.CommonNames = []string{"h1", "h1"} }, wire.SeveralCommonNames},
		{"a CA", func(l *wire.Leaf) { l.CA = true }, wire.CAAsLeaf},
		{"not for clients", func(l *wire.Leaf) { l.ClientAuth = false }, wire.NoClientAuth},
		{"RSA of 2,047 bits", func(l *wire.Leaf) { l.RSABits = 2047 }, wire.WeakKey},
	} {
		leaf := good
		test.edit(&leaf)
		id, flaw, refusal := leaf.Identify("fleet.example")
		if flaw != test.want {
			t.Errorf("%s: got the flaw %v, want %v", test.name, flaw, test.want)
		}
		want := wire.Identity{}
		if test.want == 0 {
			want = wire.ParseIdentity("agent-h1.fleet.example", "fleet.example")
		} else if refusal.Code != wire.BadCertificate || refusal.Field == "" || !strings.Contains(refusal.Detail, "want") {
			t.Errorf("%s: the refusal is %+v", test.name, refusal)
		}
		if id != want {
			t.Errorf("%s: speaks for %+v, want %+v", test.name, id, want)
		}
	}
}

func TestTheOtherSpellingMeansTheSameHost(t *testing.T) { // PROTOCOL T2, T5
	const suffix = "fleet.example"
	for name, want := range map[string]wire.CommonName{
		"agent-web-17.fleet.example":               "web-17",
		"web-17":                                   "agent-web-17.fleet.example",
		"web-17.eu":                                "agent-web-17.eu.fleet.example",
		"agent-web-17":                             "agent-agent-web-17.fleet.example",
		"agent-agent-x.fleet.example":              "agent-x",
		"operator-ada":                             "agent-operator-ada.fleet.example", // a host's bare name
		"agent-operator-ada.fleet.example":         "operator-ada",
		"web-17.fleet.example":                     "agent-web-17.fleet.example.fleet.example",
		"agent-web-17.fleet.example.fleet.example": "web-17.fleet.example",

		"operator-ada.fleet.example": "", // one spelling only
		"web 17":                     "", // no host's name
		"":                           "",
		// The bare name would be another host's, or an operator's.
		"agent-agent-x.fleet.example.fleet.example":      "",
		"agent-operator-ada.fleet.example.fleet.example": "",
	} {
		id := wire.ParseIdentity(name, suffix)
		got, ok := id.OtherSpelling(suffix)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", name, got, ok, want)
		}
		if !ok {
			continue
		}
		other := wire.ParseIdentity(string(got), suffix)
		if back, _ := other.OtherSpelling(suffix); other.Name != id.Name || other.Operator || string(back) != name {
			t.Errorf("%q: the other spelling %q is %+v, and its other spelling is %q", name, got, other, back)
		}
	}
	if got, ok := wire.ParseIdentity("h1", "").OtherSpelling(""); ok {
		t.Errorf("without a suffix: got %q", got)
	}
}
