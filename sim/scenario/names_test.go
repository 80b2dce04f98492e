package scenario

import (
	"strings"
	"testing"
	"time"
)

const namedFile = "fleet 3\nrollout stable@r1 target=c1\nrollout edge@r2 at=1m target=c2\nat 2m "

func TestAnActNamesWhatTheScenarioHas(t *testing.T) {
	for _, c := range []struct{ act, want string }{
		{"resume stable@r9", `f:4:14: act "at 2m resume stable@r9": there is no rollout stable@r9; did you mean stable@r1? want one of stable@r1, edge@r2; or unknown=yes, if that is meant`},
		{"open stable@r2", `f:4:12: act "at 2m open stable@r2": there is no line rollout stable@r2; did you mean stable@r1?`},
		{"open stable@r9 unknown=yes", `f:4:22: "unknown=yes": unknown key; want one of soak, by`},
		{"clear stabel c1", `f:4:13: act "at 2m clear stabel c1": there is no channel stabel; did you mean stable? want one of stable, edge; or unknown=yes`},
		{"clear stable c9", `f:4:20: act "at 2m clear stable c9": no rollout of stable has the target c9; did you mean c1?`},
		{"clear stable c2", `f:4:20: act "at 2m clear stable c2": no rollout of stable has the target c2; did you mean c1?`},
		{"revoke h4", `f:4:14: act "at 2m revoke h4": host is h4; the fleet has h1 to h3; or unknown=yes, if that is meant`},
		{"revoke h4 reissue=1m unknown=yes", `f:4:17: act "at 2m revoke h4 reissue=1m unknown=yes": a host that the scenario does not have is given no certificate`},
		{"send heartbeat h1 rollout=stable@r9", `f:4:25: act "at 2m send heartbeat h1 rollout=stable@r9": there is no rollout stable@r9`},
		{"send heartbeat h1 closure=c7", `f:4:25: act "at 2m send heartbeat h1 closure=c7": there is no closure c7; did you mean c0? want one of c0, c1, c2; or unknown=yes`},
		{"send heartbeat h1 as=h7", `f:4:25: act "at 2m send heartbeat h1 as=h7": host is h7; the fleet has h1 to h3; or unknown=yes`},
		{"send event h1 rollout=other@r1 event=Converged seq=1", `f:4:21: act "at 2m send event h1 rollout=other@r1 event=Converged seq=1": there is no rollout other@r1; want one of`},
		{"resume stable@r1 unknown=yes", `f:4:24: act "at 2m resume stable@r1 unknown=yes": the scenario has everything that the act names; want no unknown=yes`},
		{"resume stable@r9 unknown=no", `f:4:24: "unknown=no": want yes`},
		{"resume stable@r9 unknown=yes", ""},
		{"clear stable c9 unknown=yes", ""},
		{"clear beta c1 unknown=yes", ""},
		{"revoke h4 unknown=yes", ""},
		{"send heartbeat h1 rollout=stable@r9 closure=c7 unknown=yes\nexpect answer unknown_rollout rollout=stable@r9 count=0", ""},
		{"send heartbeat h1 as=h7 unknown=yes", ""},
		{"open stable@r1", ""},
		{"clear edge c2", ""},
		{"send heartbeat h1 closure=c0", ""},
	} {
		f, err := ParseFile("f", namedFile+c.act)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v\nwant %s", c.act, err, c.want)
		}
		if err == nil && !strings.HasSuffix(f.String(), c.act+"\n") {
			t.Errorf("%s is formatted as\n%s", c.act, f)
		}
	}
}

// An act that no text could give is judged as well.
func TestOnlySomeActsMayNameTheUnknown(t *testing.T) {
	s := Scenario{Fleet: Fleet{Hosts: 1}, Acts: []Act{{At: time.Minute, Kind: ActOpen, Rollout: "stable@r1", Unknown: true}}}.Filled()
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "open has no unknown; it is written open ROLLOUT") {
		t.Errorf("got %v", err)
	}
}

// What the state of a plane has may be named, as what a line has.
func TestAnActNamesWhatTheStateHas(t *testing.T) {
	s := Scenario{Fleet: Fleet{Hosts: 1}, Start: Start{State: []string{`quarantine {"channel":"stable","closure":"bad","rollout_id":"stable@r1","hostname":"h1","since":"2026-01-01T00:00:00Z"}`}}}
	for act, want := range map[*Act]string{
		{Kind: ActClear, Channel: "stable", Closure: "bad"}:   "",
		{Kind: ActClear, Channel: "stable", Closure: "worse"}: "no rollout of stable has the target worse",
	} {
		s.Acts = []Act{*act}
		filled := s.Filled()
		if err := filled.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", act, err, want)
		}
	}
}

func TestStrayActsAreDropped(t *testing.T) {
	f := mustParseFile(t, namedFile+"resume edge@r2\nat 3m clear edge c2\nat 4m resume other@r1 unknown=yes\nat 5m clear stable c1\nat 6m revoke h2\n")
	s := f.Scenario.Clone()
	s.Rollouts, s.Fleet.Hosts = s.Rollouts[:1], 1
	s.DropStrayActs()
	const want = "at 4m resume other@r1 unknown=yes\nat 5m clear stable c1\n"
	if got := s.Brief(); !strings.HasSuffix(got, "target=c1\n"+want) {
		t.Errorf("it is\n%swant\n%s", got, want)
	}
	filled := s.Filled()
	if err := filled.Validate(); err != nil {
		t.Error(err)
	}
}
