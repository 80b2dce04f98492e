package sim

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEveryGeneratedScenarioReadsBackToTheSameText(t *testing.T) {
	for _, p := range Profiles() {
		t.Run(p.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := Generate(rapid.Uint64().Draw(t, "seed"), p)
				text := s.String()
				read, err := ParseScenario(text)
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				if again := read.String(); again != text {
					t.Fatalf("reads back as\n%s\nwant\n%s", again, text)
				}
			})
		})
	}
}

func TestAScenarioThatWasReadRunsToTheSameHash(t *testing.T) {
	for _, p := range Profiles() {
		for seed := uint64(1); seed <= 5; seed++ {
			s := Generate(seed, p)
			read, err := ParseScenario(s.String())
			if err != nil {
				t.Fatal(err)
			}
			drawn, err := Run(s, Options{})
			if err != nil {
				t.Fatal(err)
			}
			again, err := Run(read, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if drawn.Hash != again.Hash || drawn.Events != again.Events {
				t.Errorf("%s seed %d: %d events, hash %016x; read back: %d, %016x", p.Name, seed, drawn.Events, drawn.Hash, again.Events, again.Hash)
			}
		}
	}
}

func TestABadScenarioNamesTheLineAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"fleet", "line 1: fleet: want a value after it"},
		{"seed x", `line 1: seed "x": want a whole number`},
		{"seed 1\nfleet many", `line 2: fleet "many": want how many hosts there are`},
		{"fleet 3 intervall=60s", `line 1: "intervall=60s": unknown key; want one of interval, legacy`},
		{"fleet 3 interval=60", `line 1: "interval=60": want a duration, for instance 90s`},
		{"fleet 3\nplane capacity=lots", `line 2: "capacity=lots": want a whole number`},
		{"fleet 3\nnetwork delay=5ms", `line 2: "delay=5ms": want two durations, for instance 1ms..20ms`},
		{"fleet 3\nrollout stable@r1 waves=5", `line 2: "waves=5": want the soak time of each wave`},
		{"fleet 3\nrollout stable@r1 policy=hope", `line 2: "policy=hope": want halt or rollback-and-halt`},
		{"fleet 3\nrollout r1 target=c1", `rollout "r1": want <channel>@<channel_ref>`},
		{"fleet 3\nrollout stable@r1 target=c1 hosts=h4", `rollout stable@r1: hosts h4; want hosts from h1 to h3`},
		{"fleet 3\nat 2m reply dorp", `line 2: "reply dorp" is no fault; want one of reducer wedge`},
		{"fleet 3\nat soon reply drop", `line 2: "soon": want a duration, for instance 90s`},
		{"fleet 3\nat 2m revoke all", `line 2: "all": want hosts such as h3, h1..h5 or *`},
		{"fleet 3\nat 2m clear stable", `line 2: clear: want a channel and a closure`},
		{"fleet 3\nconverge 2h", `line 2: converge "2h": want within=DURATION`},
		{"fleet 3\nfly 2h", `line 2: "fly": want seed, fleet, plane, network, rollout, at, active or converge`},
		{"fleet 0", "fleet: hosts is 0; want 1 to 1000000"},
	} {
		_, err := ParseScenario(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}
