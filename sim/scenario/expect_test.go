package scenario

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawExpect draws an expectation of any kind, with any of the settings that
// it may have.
func drawExpect(t *rapid.T, s *Scenario) Expect {
	e := Expect{Kind: ExpectKind(rapid.IntRange(1, int(expectKindEnd)-1).Draw(t, "kind"))}
	form := &expectForms[e.Kind]
	e.Is = "c1"
	if list := form.words(); list != nil {
		e.Is = rapid.SampledFrom(list).Draw(t, "is")
	}
	honest := max(s.Fleet.Hosts-s.Fleet.Hostile, 1)
	hosts := func() Hosts {
		first := rapid.IntRange(1, honest).Draw(t, "first")
		return Hosts{first, rapid.IntRange(first, honest).Draw(t, "last")}
	}
	if form.hosts {
		e.Hosts = hosts()
	}
	if form.rollout {
		e.Rollout = s.Rollouts[0].ID
	}
	for _, set := range form.settings() {
		if !rapid.Bool().Draw(t, "has "+set.key) || e.Is == None && slices.Contains(fields("seq", "closure", "confirmed", "by"), set.key) {
			continue
		}
		switch set.key {
		case "host":
			e.Hosts = hosts()
		case "rollout":
			e.Rollout = s.Rollouts[0].ID
		case "nth":
			e.Nth = rapid.IntRange(1, 9).Draw(t, "nth")
		case "at":
			if e.At = drawBounds(t, s.Active); e.Kind.Looks() {
				e.At = Exactly(e.At.Min)
			}
		case "count":
			if e.Nth == 0 {
				e.Count = drawBounds(t, 1000)
			}
		case "confirmed":
			if e.Side != "agent" {
				e.Confirmed = "yes"
			}
		default:
			value := set.example
			if strings.Contains(value, "|") {
				value = rapid.SampledFrom(strings.Split(value, "|")).Draw(t, set.key)
			}
			if err := set.parse(&e, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	return e
}

func drawBounds[T ~int | ~int64](t *rapid.T, highest T) Bounds[T] {
	low := T(rapid.Int64Range(1, int64(highest)).Draw(t, "low"))
	switch rapid.IntRange(0, 3).Draw(t, "bounds") {
	case 0:
		return Exactly(low)
	case 1:
		return AtLeast(low)
	case 2:
		return AtMost(low)
	default:
		return Bounds[T]{true, low, T(rapid.Int64Range(int64(low), int64(highest)).Draw(t, "high"))}
	}
}

func TestEveryExpectationReadsBackToItself(t *testing.T) {
	s := Scenario{Fleet: Fleet{Hosts: 9}, Rollouts: []Rollout{{ID: "stable@r1", Target: "c1"}}, Active: time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		e := drawExpect(t, &s)
		words, _ := splitLine(e.String())
		read, _, err := parseExpect(words)
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		if read != e {
			t.Fatalf("%s reads back as %+v, want %+v", e, read, e)
		}
	})
}

func TestABadExpectationNamesThePlaceAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"expect", `1: "expect": want what is expected after it: one of violation, answer, notice`},
		{"expect anser ok", `8: "anser": nothing that can be expected; did you mean answer? want one of violation`},
		{"expect violation", `8: "violation": want CHECKER after it; it is written expect violation CHECKER [at=5m]`},
		{"expect violation S99", `18: "S99": no violation that can be expected; did you mean S9?`},
		{"expect answer dropped_replay", `15: "dropped_replay": no answer that can be expected; did you mean dropped_reply?`},
		{"expect answer 299", `15: "299": no answer that can be expected; want one of *, ok, created`},
		{"expect answer ok now", `18: "now": want key=value; it is written expect answer ANSWER [host=h1..h3]`},
		{"expect answer ok side=plane", `18: "side=plane": unknown key; want one of host, route`},
		{"expect answer ok rout=poll", `18: "rout=poll": unknown key; did you mean route?`},
		{"expect answer ok route=pol", `18: "route=pol": did you mean poll? want one of heartbeat, event, poll`},
		{"expect answer ok host=1", `18: "host=1": want hosts such as h3, h1..h5 or *`},
		{"expect answer ok host=h4", `18: "expect answer ok host=h4": host is h4; the fleet has h1 to h3`},
		{"expect answer ok count=many", `18: "count=many": want a whole number, two with .. between them, or >= or <= and one, for instance count=1`},
		{"expect answer ok count=3..2", `18: "count=3..2": want a whole number`},
		{"expect answer ok count=-1", `18: "count=-1": want a whole number`},
		{"expect answer ok count>3", `18: "count>3": want key=value`},
		{"expect answer ok took>=soon", `18: "took>=soon": want a duration, two with .. between them`},
		{"expect answer ok nth=0", `18: "nth=0": want 1 or more`},
		{"expect answer ok nth=1 count=2", `18: nth and count exclude each other`},
		{"expect answer ok at=100h", `18: "expect answer ok at=100h": at is 100h; the run is over by 3h`},
		{"expect answer ok seq=3 seq=4", `24: "seq=4": seq is given twice`},
		{"expect notice absorbt", `15: "absorbt": no notice that can be expected; did you mean absorbed?`},
		{"expect effect late", `15: "late": no effect that can be expected; did you mean late reply?`},
		{"expect effect lat reply", `15: "lat reply": no effect that can be expected; did you mean late reply?`},
		{"expect record h1 stable@r1", `8: "record": want HOSTS, ROLLOUT, STATE after it; it is written expect record HOSTS ROLLOUT STATE`},
		{"expect record h1 stable@r1 Soakin", `28: "Soakin": no record that can be expected; did you mean Soaking? want one of none, Pending`},
		{"expect record 1 stable@r1 Soaking", `15: "1": want hosts such as`},
		{"expect record h1 r1 Soaking", `18: "r1": want <channel>@<channel_ref>`},
		{"expect record h1 stable@r2 Soaking", `18: "expect record h1 stable@r2 Soaking": there is no rollout stable@r2; did you mean stable@r1?`},
		{"expect record h1..h4 stable@r1 none", `15: "expect record h1..h4 stable@r1 none": host is h1..h4; the fleet has h1 to h3`},
		{"expect record h1 stable@r1 Soaking closure=c9", `36: "expect record h1 stable@r1 Soaking closure=c9": there is no closure c9; did you mean c0? want one of c0, c1`},
		{"expect rollout stabel@r1 Halted", `16: "expect rollout stabel@r1 Halted": there is no rollout stabel@r1; did you mean stable@r1?`},
		{"expect notice opened rollout=edge@r1", `22: "expect notice opened rollout=edge@r1": there is no rollout edge@r1; want one of stable@r1`},
		{"expect closure h1 blue", `19: "expect closure h1 blue": there is no closure blue; want one of c0, c1`},
		{"expect record h1 stable@r1 Soaking at>=1m", `36: want one instant: a state is looked at, it does not happen`},
		{"expect record h1 stable@r1 Soaking side=agent confirmed=yes", `47: only the plane's record can be confirmed`},
		{"expect record h1 stable@r1 none seq=3", `1: a record that is not there has no closure`},
		{"expect record * stable@r1 Soaking", `15: "expect record * stable@r1 Soaking": a hostile host has no agent; want side=plane`},
		{"expect host h1 dead", `16: "dead": no host that can be expected; want one of reachable, unreachable, never_seen, unknown`},
		{"expect closure h1", `8: "closure": want HOSTS, CLOSURE after it`},
		{"expect violation S1\nexpect violation S2", `1: "expect violation S1": want one violation at most`},
	} {
		_, err := ParseFile("", "fleet 3 hostile=1\nrollout stable@r1 at=1m target=c1\nactive 1h\n"+c.line)
		if want := "line 4, column " + c.want; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", c.line, err, want)
		}
	}
}

// An expectation that was made by a program and not read is judged as well.
func TestAnExpectationThatNoTextCouldGiveIsRefused(t *testing.T) {
	for _, c := range []struct {
		expect Expect
		want   string
	}{
		{Expect{}, "kind is 0; want one that there is"},
		{Expect{Kind: expectKindEnd}, "kind is 12; want one that there is"},
		{Expect{Kind: ExpectAnswer}, `"": no answer`},
		{Expect{Kind: ExpectClosure, Hosts: Hosts{1, 1}}, "want a closure"},
		{Expect{Kind: ExpectRollout, Is: "Halted"}, "want a rollout"},
		{Expect{Kind: ExpectHost, Is: "reachable", Count: Exactly(1)}, "expect host has no count; it is written expect host HOSTS REACHABILITY [at=5m]"},
		{Expect{Kind: ExpectAnswer, Is: "ok", Nth: -1}, "want 1 or more"},
	} {
		if err := c.expect.check(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.expect, err, c.want)
		}
	}
}

func TestEveryFormIsAnExpectation(t *testing.T) {
	for k := ExpectKind(1); k < expectKindEnd; k++ {
		form := &expectForms[k]
		for _, set := range form.settings() {
			e := Expect{Kind: k, Is: "c1", Rollout: "stable@r1"}
			if list := form.words(); list != nil {
				e.Is = list[len(list)-1]
			}
			if !form.rollout {
				e.Rollout = ""
			}
			value, _, _ := strings.Cut(set.example, "|")
			if err := set.parse(&e, value); err != nil {
				t.Errorf("%s %s: the example is wrong: %v", form.what, set.key, err)
			}
			if err := e.check(); err != nil {
				t.Errorf("%s: %v", e, err)
			}
		}
	}
}

func TestEveryRuleHasATextAndANumberOfItsOwn(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range Rules() {
		if r.Number == "" || seen[r.Number] || RuleText(r.Number) != r.Text || r.Text == "" {
			t.Errorf("%+v is empty, or there twice", r)
		}
		seen[r.Number] = true
	}
	if text := RuleText("S99"); text != "" {
		t.Errorf("S99 has the text %q", text)
	}
}
