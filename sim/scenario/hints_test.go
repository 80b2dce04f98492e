package scenario

import (
	"strings"
	"testing"
)

// What a newcomer types who has only read docs/scenarios.md.
func TestATypicalMistakeIsToldWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"fleet hosts=3", `f:1:7: "hosts=3": want how many hosts there are, for instance fleet 3`},
		{"fleet=3", `f:1:1: "fleet=3": want "fleet 3", with a space`},
		{"fleet 3\nactive=10m", `f:2:1: "active=10m": want "active 10m", with a space`},
		{"fleet 3\n2m plane crash", `f:2:1: "2m": no line begins with a time; did you mean at 2m?`},
		{"fleet 3\n// a comment", `f:2:1: "//": no line begins with it; a comment begins with #`},
		{"fleet 3\nat 2m crash plane", `f:2:7: "crash plane" is neither a fault nor an act; did you mean plane crash?`},
		{"fleet 3\nat 2m host crash", `f:2:7: "host crash" is neither a fault nor an act; want one of plane crash, agent crash, host reboot`},
		{"fleet 3\nat 2m meteor strike", `f:2:7: "meteor strike" is neither a fault nor an act; want one of reducer wedge, reducer slow,`},
		{"fleet 3\nat 2m revoke host=h2", `f:2:14: "host=h2": want h2, without host=`},
		{"fleet 3\nat 2m resume rollout=stable@r1", `f:2:14: "rollout=stable@r1": want stable@r1, without rollout=`},
		{"fleet 3\nat 2m revoke host=web", `f:2:14: "host=web": want hosts such as h3, h1..h5 or *`},
		{"fleet 3\nrollout stable target=c1", `f:2:9: "stable": want <channel>@<channel_ref> of letters, digits, '.', '_', '-' and '/', at most 512 bytes, for instance stable@r1`},
		{"fleet 3\nrollout stable@r1", `f:2:1: rollout stable@r1 has no target; want the closure that its hosts shall run, for instance target=c1`},
		{"fleet 3\nnetwork loss=1%", `f:2:9: "loss=1%": want a whole number, for instance 10`},
		{"fleet 3\nexpect closure c1 h1", `f:2:16: "c1": want hosts such as h3, h1..h5 or *; it is written expect closure HOSTS CLOSURE`},
		{"fleet 3\nexpect effect crash", `f:2:15: "crash": no effect that can be expected; want one of plane crash, crash before commit,`},
		{"fleet 3\nat 1m net-partition host=h2", `f:2:7: "net-partition" is neither a fault nor an act; did you mean net partition?`},
		{"fleet 3\nat 1m partition host=h2 for=5m", `f:2:7: "partition" is neither a fault nor an act; did you mean net partition?`},
		{"fleet 3\nat 1m net partition for=5min", `f:2:21: "for=5min": want a duration, for instance 30s; the units are h, m, s, ms, µs and ns`},
		{"fleet 3\nactive 5min", `f:2:8: "5min": want a duration, for instance 10m; the units are`},
		{"fleet 3\nat 1m net partition host=h1,h3", `f:2:21: "host=h1,h3": want one host or one range, such as h3, h1..h5 or *; there are no lists of hosts`},
		{"fleet 3\nexpect rollout stable@r1 Converged", `f:2:26: "Converged": a state of a record, not of a rollout, which is Terminal when all its hosts have ended; want one of none, Opening,`},

		// A zero that stands for the default is not what was meant.
		{"fleet 3 probes=0", `f:1:9: "probes=0": stands for the default, 1; want another value (how many probes a host has, at most 4; -1 for none)`},
		{"fleet 3\nplane capacity=0", `f:2:7: "capacity=0": stands for the default, 256; want another value (`},
		{"fleet 3\nnetwork dup=5 delay=0s", `f:2:15: "delay=0s": stands for the default, 1ms..20ms; want another value (`},
		{"fleet 3\nat 1m plane crash\nactive 0s", `f:3:8: "0s": stands for the default, which is 1m here; want another time, or no such line`},
		{"fleet 3\nconverge within=0s", `f:2:10: "within=0s": stands for the default, 2h; want another time, or no such line`},
		{"fleet 3 legacy=0 hostile=0\nnetwork loss=0\nplane pause=0s\nactive 0s", ""},
	} {
		_, err := ParseFile("f", c.text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%q: %v\nwant %s", c.text, err, c.want)
		}
	}
}
