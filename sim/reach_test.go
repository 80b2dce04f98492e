package sim

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// reachable is a fleet in which a fault of every kind finds something to do.
const reachable = `fleet 3 activation=10s
rollout stable@r1 at=30s target=c1 hosts=h1
`

func runText(t *testing.T, text string) check.Verdict {
	t.Helper()
	s, err := scenario.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Violation != nil && r.Violation.Checker != "L1" {
		t.Fatal(r.Violation)
	}
	return r
}

func TestAFaultOfEveryKindCountsThatItTookEffect(t *testing.T) {
	lines := map[scenario.FaultKind]string{
		scenario.ReducerWedge: "at 1m reducer wedge for=20s", scenario.ReducerSlow: "at 1m reducer slow each=1s for=1m",
		scenario.ReplyDrop: "at 30s reply drop count=1", scenario.GateCapacity: "at 20s gate capacity size=1 for=5m\nat 1m reducer wedge for=20s\nat 1m2s send heartbeat *",
		scenario.PlaneRestart: "at 1m plane restart for=5s", scenario.PlaneCrash: "at 1m plane crash for=5s", scenario.PlaneWipe: "at 1m plane wipe for=5s", scenario.PlaneRestore: "at 1m plane restore back=20s for=5s",
		scenario.PlaneSuspend: "at 1m plane suspend for=30s", scenario.PlaneClock: "at 1m plane clock each=1h", scenario.PlaneLate: "at 1m plane late for=10s",
		scenario.DiskSlow: "at 30s disk slow each=1s for=1m", scenario.DiskFail: "at 30s disk fail for=20s", scenario.DiskScarce: "at 30s disk scarce for=20s", scenario.NetDrop: "at 1m net drop rate=500 for=2m",
		scenario.NetDup: "at 1m net dup rate=500 for=2m", scenario.NetDelay: "at 1m net delay each=1s for=2m", scenario.NetReorder: "at 1m net reorder each=1s for=2m",
		scenario.NetPartition: "at 1m net partition for=2m", scenario.NetReset: "at 1m net reset count=1", scenario.NetRoam: "at 1m net roam for=3m", scenario.AgentCompact: "at 1m agent compact for=5s", scenario.AgentCrash: "at 1m agent crash for=5s",
		scenario.HostReboot: "at 1m host reboot for=5s", scenario.AgentAmnesia: "at 1m agent amnesia for=5s", scenario.HostSuspend: "at 1m host suspend for=2m", scenario.AgentDisk: "at 30s agent disk-full for=1m", scenario.ClockSkew: "at 1m clock skew each=1h for=2m",
		scenario.ClockDrift: "at 1m clock drift rate=1000 for=2m", scenario.CertWrong: "at 1m cert wrong count=1", scenario.CertExpire: "at 1m cert expire for=2m", scenario.CertUntrust: "at 1m cert untrust for=2m", scenario.ActivationFail: "at 30s activation fail count=1",
		scenario.ActivationDefer: "at 30s activation defer count=1", scenario.ActivationSlow: "at 30s activation slow each=10s for=1m", scenario.ProbeFail: "at 1m probe fail for=1m",
	}
	for _, k := range scenario.FaultKinds() {
		line, there := lines[k]
		if !there {
			t.Errorf("%v: a new kind: add a line for it", k)
			continue
		}
		r := runText(t, reachable+line+"\nactive 6m\n")
		if r.Reached[0] == 0 {
			t.Errorf("%s: it is not counted that it took effect", line)
		}
		// At an end of the run where nothing is left to strike, it does not.
		if k.Instant() || k == scenario.PlaneSuspend || k == scenario.HostSuspend || k == scenario.PlaneLate {
			continue
		}
		first, _, _ := strings.Cut(line, "\n")
		_, rest, _ := strings.Cut(strings.TrimPrefix(first, "at "), " ")
		late := "at 5m59.999999999s " + rest
		if r := runText(t, reachable+late+"\nactive 6m\n"); r.Reached[0] != 0 {
			t.Errorf("%s: it is counted %d times that it took effect in a nanosecond", late, r.Reached[0])
		}
	}
}

func TestAFaultThatFindsNothingToDoDoesNotTakeEffect(t *testing.T) {
	for _, lines := range []string{
		"at 2m net partition host=h3 route=event for=1m",
		"at 2m activation fail host=h2 for=1m",
		"at 2m probe fail host=h2 for=1m",
		"at 2m agent crash host=h2 for=1s after=yes",
		"at 2m plane crash for=1s phase=after-commit\nat 1m plane wipe for=4m",
		"at 2m10s agent crash host=h1 for=1s\nat 2m host reboot host=h1 for=1m",
		"at 2m10s host reboot host=h1 for=1s\nat 2m host reboot host=h1 for=1m",
		"at 2m10s plane restart for=1s\nat 2m plane crash for=1m",
		"at 2m10s plane crash for=1s\nat 2m plane crash for=1m",
		"at 2m10s plane late for=10s\nat 2m plane crash for=1m",
		"at 2m gate capacity size=200 for=1m",
	} {
		if r := runText(t, reachable+lines+"\nactive 4m\n"); r.Reached[0] != 0 {
			t.Errorf("%s: it is counted %d times that the first took effect", lines, r.Reached[0])
		}
	}
}

// PROTOCOL G2
func TestAFaultWithARouteHitsNothingElse(t *testing.T) {
	for _, route := range []string{"heartbeat", "event", "poll", "operator"} {
		r := runText(t, reachable+"at 0s reply drop route="+route+" count=2\nactive 5m\n"+
			"expect answer dropped_reply count=2\nexpect answer dropped_reply count=2 route="+route+"\n")
		if r.Failed() || r.Reached[0] != 2 {
			t.Errorf("%s: dropped %d times, want 2; %v", route, r.Reached[0], r.Unmet)
		}
	}
}

// PROTOCOL T3, T7, E8, D3
func TestWhatIsSentBesideAnAgentIsAnsweredAndHeardByNobody(t *testing.T) {
	r := runText(t, `fleet 2 legacy=1 interval=5m probes=-1
network delay=10ms
rollout stable@r1 at=10m target=c1 hosts=h1
at 1m send heartbeat h2 closure=c7 unknown=yes
at 1m1s send heartbeat h2 as=h1
at 1m2s send event h2 as=h1 rollout=stable@r1 event=DispatchAck seq=1
at 1m3s send event h2 rollout=stable@r1 event=Converged seq=1 closure=c1
at 1m4s send event h2 rollout=stable@r2 event=ActivationCompleted seq=1 unknown=yes
at 1m5s send event h2 rollout=stable@r2 event=RollbackComplete seq=1 unknown=yes
at 1m6s send poll h2 wait=1s
at 1m7.5s send garbage h2 count=13
active 12m
expect answer ok host=h2 route=heartbeat at=1m0.01s..1m0.02s count=1
expect answer wrong_identity host=h2 route=heartbeat at=1m1.01s count=1
expect answer wrong_identity host=h2 event=DispatchAck at=1m2.01s count=1
expect answer unknown_rollout host=h2 event=Converged at=1m3s..1m3.1s count=1
expect answer unknown_rollout host=h2 event=ActivationCompleted at=1m4s..1m4.1s count=1
expect answer unknown_rollout host=h2 event=RollbackComplete at=1m5s..1m5.1s count=1
expect answer no_content host=h2 route=poll at=1m6s..1m6.1s
expect answer * host=h2 route=garbage at=1m7.51s count=13
expect answer 400 route=garbage count>=1
expect answer 422 route=garbage count>=1
`)
	if r.Failed() {
		t.Error(r.Unmet)
	}
}
