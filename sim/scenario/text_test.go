package scenario

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestABadScenarioNamesThePlaceAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `f:1:1: there is no fleet; want a line such as fleet 3`},
		{"fleet", `f:1:1: "fleet": want how many hosts there are after it`},
		{"seed x", `f:1:6: "x": want a whole number`},
		{"seed", `f:1:1: "seed": want a value after it, for instance seed 7`},
		{"seed 1 2", `f:1:8: "2": want nothing more on this line`},
		{"seed 1\nfleet many", `f:2:7: "many": want how many hosts there are`},
		{"fleet 3\n fleet 3", `f:2:2: "fleet": is given twice, first in line 1`},
		{"fleet 3 intervall=60s", `f:1:9: "intervall=60s": unknown key; did you mean interval? want one of interval, legacy`},
		{"fleet 3 interval", `f:1:9: "interval": want a value, for instance interval=1m`},
		{"fleet 3 quickly", `f:1:9: "quickly": want key=value; want one of interval, legacy`},
		{"fleet 3 interval=60", `f:1:9: "interval=60": want a duration, for instance 1m`},
		{"fleet 3 interval=1m interval=2m", `f:1:21: "interval=2m": interval is given twice`},
		{"fleet 3 legacy=1 interval=1500ms", `f:1:18: fleet: interval is 1.5s; want whole seconds`},
		{"fleet 3\nplane capacity=lots", `f:2:7: "capacity=lots": want a whole number`},
		{"fleet 3\nplane manifests=maybe", `f:2:7: "manifests=maybe": want yes or no`},
		{"fleet 3\nnetwork delay=5", `f:2:9: "delay=5": want a duration, or the smaller and the larger of two, for instance 1ms..20ms`},
		{"fleet 3\nnetwork delay=5ms..1ms", `f:2:9: "delay=5ms..1ms": want a duration, or the smaller`},
		{"fleet 3\nrollout", `f:2:1: "rollout": want its ID after it`},
		{"fleet 3\nrollout stable@r1 waves=5", `f:2:19: "waves=5": want the soak time of each wave`},
		{"fleet 3\nrollout stable@r1 policy=hope", `f:2:19: "policy=hope": want halt or rollback-and-halt`},
		{"fleet 3\nrollout r1 target=c1", `f:2:9: "r1": want <channel>@<channel_ref>`},
		{"fleet 3\nrollout stable@r1 target=c1 hosts=h4", `f:2:29: rollout stable@r1: hosts h4; want hosts from h1 to h3`},
		{"fleet 3\nat 2m", `f:2:1: "at": want a time and a fault or an act after it`},
		{"fleet 3\nat 2m reply dorp", `f:2:7: "reply dorp" is neither a fault nor an act; did you mean reply drop?`},
		{"fleet 3\nat soon reply drop", `f:2:4: "soon": want a duration, for instance 90s`},
		{"fleet 3\nat 2m reply drop host=h4", `f:2:18: fault "at 2m reply drop host=h4": host is h4; the fleet has h1 to h3`},
		{"fleet 3\nat 2m net drop rate=1001", `f:2:16: rate is 1001; want 1 to 1000, of a thousand`},
		{"fleet 3\nat 2m revoke all", `f:2:14: "all": want hosts such as h3, h1..h5 or *`},
		{"fleet 3\nat soon revoke h1", `f:2:4: "soon": want a duration`},
		{"fleet 3\nat 2m revoke h1 reissue=soon", `f:2:17: "reissue=soon": want a duration, for instance 1m`},
		{"fleet 3\nat 2m clear stable", `f:2:7: "clear": want CHANNEL and CLOSURE after it; it is written clear CHANNEL CLOSURE`},
		{"fleet 3\nat 2m resume stable@r1 now", `f:2:24: "now": want key=value; want one of by, unknown`},
		{"fleet 3\nat 2m open stable@r1", `f:2:12: act "at 2m open stable@r1": there is no line rollout stable@r1, nor any other`},
		{"fleet 3\nconverge 2h", `f:2:10: "2h": want within=DURATION`},
		{"fleet 3\nactive soon", `f:2:8: "soon": want a duration, for instance 10m`},
		{"fleet 3\nfly 2h", `f:2:1: "fly": no line begins with it; want one of seed, fleet, plane, network, epoch, state, rollout, at, active, converge, expect`},
		{"fleet 3\nexpext answer ok", `f:2:1: "expext": no line begins with it; did you mean expect?`},
		{"fleet 0", "f:1:1: fleet: hosts is 0; want 1 to 1000000"},
		{"# ü is one character\nfleet 3 \tintervall=60s", `f:2:10: "intervall=60s": unknown key`},
		{"fleet 3 #intervall=60s\nfly", `f:2:1: "fly"`},
	} {
		_, err := ParseFile("f", c.text)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestEverythingThatIsWrongWithAScenarioIsToldAtOnce(t *testing.T) {
	_, err := ParseScenario("fly\nfleet 3\nplane capacity=lots\nexpect nothing\n")
	var list SyntaxErrors
	if !errors.As(err, &list) || len(list) != 3 || list[0].Line != 1 || list[1].Line != 3 || list[2].Line != 4 {
		t.Errorf("got %v, want errors in lines 1, 3 and 4", err)
	}
	if want := "line 1, column 1: "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want it to begin with %s", err, want)
	}
	_, err = ParseScenario("fleet 3\nat 2m reply drop host=h4\nrollout stable@r1\nat 3m resume stable@r1\nexpect host h9 reachable\n")
	if !errors.As(err, &list) || len(list) != 3 {
		t.Errorf("got %v, want errors in lines 2, 3 and 5", err)
	}
}

func TestTheWordThatWasMeantIsFound(t *testing.T) {
	words := []string{"reply drop", "plane crash", "heartbeat", "event", "h"}
	for got, want := range map[string]string{
		"reply dorp": "reply drop", "plane crush": "plane crash", "hearbeat": "heartbeat", "evnet": "event", "evemt": "event",
		"events": "event", "": "", "completely different": "", "eve": "", "x": "", "xyz": "", strings.Repeat("event", 1_000_000): "",
	} {
		if near := nearest(got, words); near != want {
			t.Errorf("%q is taken for %q, want %q", got, near, want)
		}
	}
}

func TestTheBriefTextHasNoDefaults(t *testing.T) {
	s := Scenario{
		Fleet: Fleet{Hosts: 3, Interval: time.Minute, Probes: -1},
		Plane: PlaneModel{Capacity: 256, Batch: 1},
		Rollouts: []Rollout{{ID: "stable@r1", Target: "c1"},
			{At: time.Minute, ID: "stable@r2", Target: "c2", Waves: []time.Duration{5 * time.Minute}, Targets: Hosts{1, 2}}},
		Faults:   []Fault{{At: 2 * time.Minute, Kind: ReducerWedge, For: 12 * time.Second}},
		Active:   132 * time.Second,
		Converge: 2 * time.Hour,
	}
	const want = `fleet 3 probes=-1
plane batch=1
rollout stable@r1 target=c1
rollout stable@r2 at=1m target=c2 hosts=h1..h2
at 2m reducer wedge for=12s
`
	if got := s.Brief(); got != want {
		t.Errorf("it is\n%swant\n%s", got, want)
	}
	s.Seed, s.Active, s.Converge = 9, 3*time.Minute, time.Hour
	if got := s.Brief(); !strings.HasPrefix(got, "seed 9\n") || !strings.HasSuffix(got, "active 3m\nconverge within=1h\n") {
		t.Errorf("it is\n%s", got)
	}
}

func TestOnlyTheFirstErrorsAreWrittenOut(t *testing.T) {
	for _, bad := range []string{"fly\n", "at 2m resume stable@r9\n"} {
		const lines = 20_000
		_, err := ParseFile("f", "fleet 3\n"+strings.Repeat(bad, lines))
		var list SyntaxErrors
		if !errors.As(err, &list) || len(list) != lines {
			t.Fatalf("%q: got %d errors, want %d", bad, len(list), lines)
		}
		text := strings.Split(err.Error(), "\n")
		if len(text) != 21 || text[20] != "f: and 19980 more wrong lines; mend these first" {
			t.Errorf("%q: got %d lines, the last is %s", bad, len(text), text[len(text)-1])
		}
		if got := list[:20].Error(); strings.Count(got, "\n") != 19 || strings.Contains(got, "more") {
			t.Errorf("20 errors are written as %s", got)
		}
	}
	for _, long := range []string{strings.Repeat("x", 1_000_000), "at 1m " + strings.Repeat("ü", 1_000_000) + " y"} {
		if _, err := ParseFile("f", "fleet 3\n"+long); len(err.Error()) > 1000 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
}

func TestAFileMayComeFromWindows(t *testing.T) {
	const text = "# What it shows.\nfleet 3  # some\nrollout stable@r1 at=30s target=c1\n"
	windows := byteOrderMark + strings.ReplaceAll(text, "\n", "\r\n")
	f := mustParseFile(t, windows)
	if f.String() != text || f.Intent() != "What it shows." {
		t.Errorf("it reads as %q, about %q", f, f.Intent())
	}
	for _, c := range []struct{ text, want string }{
		{byteOrderMark + "flete 3\r\n", `f:1:1: "flete": no line begins with it; did you mean fleet?`},
		{"fleet 3\r\nflete 3\r\n", `f:2:1: "flete": no line begins`},
		{"\xff\xfef\x00l\x00", "f:1:1: the text is UTF-16; want UTF-8"},
	} {
		if _, err := ParseFile("f", c.text); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}
