package world

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// faultStories has for every kind of fault the smallest scenario in which it
// strikes, and the effects that it has there and would not have without it.
var faultStories = map[scenario.FaultKind][]struct {
	fault   string
	effects []scenario.Effect
}{
	scenario.ReducerWedge:    {{"at 2m reducer wedge for=12s", []scenario.Effect{scenario.EffectWedged, scenario.EffectTimeout, scenario.EffectLateReply}}},
	scenario.ReducerSlow:     {{"at 2m reducer slow for=1m each=500ms", []scenario.Effect{scenario.EffectSlowStep}}},
	scenario.ReplyDrop:       {{"at 2m reply drop count=3", []scenario.Effect{scenario.EffectDroppedReply}}, {"at 2m reply drop count=3 after=yes", []scenario.Effect{scenario.EffectDroppedReply, scenario.EffectAppliedNotReplied}}},
	scenario.GateCapacity:    {{"at 2m gate capacity for=2m size=1", []scenario.Effect{scenario.EffectPlaneCrash, scenario.EffectSaturated}}},
	scenario.PlaneRestart:    {{"at 2m plane restart for=5s each=1s", []scenario.Effect{scenario.EffectPlaneRestart, scenario.EffectClosed, scenario.EffectRefusedConnection}}},
	scenario.PlaneCrash:      {{"at 2m plane crash for=10s", []scenario.Effect{scenario.EffectPlaneCrash, scenario.EffectRefusedConnection}}, {"at 1s plane crash for=3s phase=before-commit", []scenario.Effect{scenario.EffectCrashBeforeCommit, scenario.EffectPlaneCrash}}, {"at 1s plane crash for=3s phase=inside-commit", []scenario.Effect{scenario.EffectCrashInsideCommit, scenario.EffectPlaneCrash}}, {"at 1s plane crash for=3s phase=after-commit", []scenario.Effect{scenario.EffectCrashAfterCommit, scenario.EffectPlaneCrash}}},
	scenario.PlaneWipe:       {{"at 2m plane wipe for=5s", []scenario.Effect{scenario.EffectPlaneCrash, scenario.EffectPlaneWipe, scenario.EffectReplayAsked}}, {"at 40s plane wipe for=5s phase=after-commit", []scenario.Effect{scenario.EffectCrashAfterCommit, scenario.EffectPlaneWipe}}},
	scenario.PlaneRestore:    {{"at 3m plane restore back=2m for=5s", []scenario.Effect{scenario.EffectPlaneCrash, scenario.EffectPlaneRestore}}},
	scenario.PlaneSuspend:    {{"at 2m plane suspend for=30s", []scenario.Effect{scenario.EffectSuspended, scenario.EffectCredited}}},
	scenario.PlaneClock:      {{"at 2m plane clock each=-1h", []scenario.Effect{scenario.EffectPlaneClock}}, {"at 2m plane clock each=-721h", []scenario.Effect{scenario.EffectPlaneClock, scenario.EffectRefusedHandshake}}},
	scenario.PlaneLate:       {{"at 2m plane late for=20s", []scenario.Effect{scenario.EffectNotStarted}}},
	scenario.DiskSlow:        {{"at 10s disk slow for=2m each=1s", []scenario.Effect{scenario.EffectSlowDisk}}},
	scenario.DiskScarce:      {{"at 10s disk scarce for=5m", []scenario.Effect{scenario.EffectDiskScarce}}},
	scenario.DiskFail:        {{"at 10s disk fail count=2", []scenario.Effect{scenario.EffectDiskFailed, scenario.EffectRebuilt, scenario.EffectDroppedReply}}, {"at 10s disk fail for=1m unreadable=yes", []scenario.Effect{scenario.EffectDiskFailed, scenario.EffectRebuilt, scenario.EffectNotStarted}}, {"at 10s disk fail for=1m", []scenario.Effect{scenario.EffectDiskFailed, scenario.EffectRebuilt, scenario.EffectStoreUnavailable}}},
	scenario.NetDrop:         {{"at 2m net drop for=1m rate=500", []scenario.Effect{scenario.EffectLost}}},
	scenario.NetDup:          {{"at 2m net dup for=1m rate=500", []scenario.Effect{scenario.EffectDuplicated}}},
	scenario.NetDelay:        {{"at 2m net delay for=1m each=11s", []scenario.Effect{scenario.EffectDelayed, scenario.EffectClientTimeout, scenario.EffectArrivedGivenUp}}, {"at 2m net delay for=1m each=15s route=poll", []scenario.Effect{scenario.EffectPollGivenUp}}},
	scenario.NetReorder:      {{"at 30s net reorder for=2m each=8s", []scenario.Effect{scenario.EffectReordered}}},
	scenario.NetPartition:    {{"at 2m net partition for=1m", []scenario.Effect{scenario.EffectPartitioned}}, {"at 2m net partition for=1m dir=up", []scenario.Effect{scenario.EffectPartitioned}}, {"at 2m net partition for=1m dir=down", []scenario.Effect{scenario.EffectPartitioned}}},
	scenario.NetReset:        {{"at 2m net reset count=3", []scenario.Effect{scenario.EffectReset}}, {"at 2m net reset count=3 after=yes", []scenario.Effect{scenario.EffectReset}}},
	scenario.NetRoam:         {{"at 30s net roam host=h1..h4 for=2m", []scenario.Effect{scenario.EffectRoamed}}},
	scenario.AgentCompact:    {{"at 2m agent compact for=10s", []scenario.Effect{scenario.EffectAgentCompactionCut}}, {"at 2m agent compact for=10s after=yes", []scenario.Effect{scenario.EffectAgentCompactionCut, scenario.EffectAgentCompacted}}},
	scenario.AgentCrash:      {{"at 2m agent crash for=10s", []scenario.Effect{scenario.EffectAgentCrash}}, {"at 20s agent crash for=10s after=yes", []scenario.Effect{scenario.EffectAgentCrashAtAppend}}},
	scenario.HostReboot:      {{"at 2m host reboot for=10s", []scenario.Effect{scenario.EffectReboot}}, {"at 40s host reboot host=h1 for=10s", []scenario.Effect{scenario.EffectSwitchCut}}},
	scenario.AgentAmnesia:    {{"at 2m agent amnesia for=10s", []scenario.Effect{scenario.EffectAmnesia, scenario.EffectAgentRecovered}}},
	scenario.HostSuspend:     {{"at 40s host suspend host=h1..h4 for=3m", []scenario.Effect{scenario.EffectHostSuspended}}},
	scenario.AgentDisk:       {{"at 20s agent disk-full host=h1..h4 for=1m", []scenario.Effect{scenario.EffectAgentDisk}}, {"at 20s agent disk-full count=9 after=yes", []scenario.Effect{scenario.EffectAgentDisk}}, {"at 20s agent disk-full for=30s", []scenario.Effect{scenario.EffectAgentLogTorn}}},
	scenario.ClockSkew:       {{"at 2m clock skew for=1m each=-30h", []scenario.Effect{scenario.EffectWrongClock}}},
	scenario.ClockDrift:      {{"at 2m clock drift for=1m rate=-10000", []scenario.Effect{scenario.EffectWrongClock}}},
	scenario.CertWrong:       {{"at 2m cert wrong host=h1 for=1m", []scenario.Effect{scenario.EffectWrongCertificate}}},
	scenario.CertExpire:      {{"at 2m cert expire host=h1 for=1m", []scenario.Effect{scenario.EffectCertExpired, scenario.EffectRefusedHandshake}}},
	scenario.CertUntrust:     {{"at 2m cert untrust host=h1 for=1m", []scenario.Effect{scenario.EffectCertUntrusted, scenario.EffectRefusedHandshake}}},
	scenario.ActivationFail:  {{"at 10s activation fail host=h1 for=3m", []scenario.Effect{scenario.EffectActivationFailed, scenario.EffectHalted}}},
	scenario.ActivationDefer: {{"at 10s activation defer host=h1 for=3m", []scenario.Effect{scenario.EffectActivationDeferred, scenario.EffectReboot}}},
	scenario.ActivationSlow:  {{"at 10s activation slow for=3m each=1m", []scenario.Effect{scenario.EffectActivationSlow}}},
	scenario.ProbeFail:       {{"at 10s probe fail host=h1 for=5m", []scenario.Effect{scenario.EffectProbeFailed, scenario.EffectHalted, scenario.EffectAgentRollback, scenario.EffectQuarantined}}},
}

// storyScene is the fleet that the stories happen to. Its hosts speak often, so
// that a fault of some seconds hits somebody, and its activations are long, so
// that they can be cut off.
const storyScene = `
seed 11
fleet 8 interval=15s activation=20s..30s
plane service=200ms
rollout stable@r1 at=20s target=c1 hosts=h1..h8 waves=4m policy=rollback-and-halt
active 6m
`

func TestEveryKindOfFaultHasItsEffect(t *testing.T) {
	quiet := play(t, storyScene).finish()
	if len(faultStories) != len(scenario.FaultKinds()) {
		t.Errorf("%d kinds have a story, want all %d", len(faultStories), len(scenario.FaultKinds()))
	}
	for _, k := range scenario.FaultKinds() {
		for _, story := range faultStories[k] {
			t.Run(story.fault, func(t *testing.T) {
				r := play(t, storyScene+story.fault)
				if got := r.w.scenario.Faults[0].Kind; got != k {
					t.Fatalf("the story of %v is one of %v", k, got)
				}
				result := r.finish()
				for _, e := range story.effects {
					if result.Effects[e] == 0 || result.Effects[e] <= quiet.Effects[e] {
						t.Errorf("%v: %d times, and %d without the fault", e, result.Effects[e], quiet.Effects[e])
					}
				}
			})
		}
	}
}

// Everything but what needs another fleet, or an operator, has a story above;
// the other effects have tests of their own.
func TestEveryEffectIsReachedBySomeStory(t *testing.T) {
	elsewhere := []scenario.Effect{
		scenario.EffectPollWoken, scenario.EffectSwitch, // of every rollout
		scenario.EffectHostile, scenario.EffectOverBudget, scenario.EffectRevoked, scenario.EffectReissued, scenario.EffectSuperseded,
		scenario.EffectConfirmed, scenario.EffectAbsorbed, scenario.EffectRejected, scenario.EffectUnreachable, scenario.EffectReachable, scenario.EffectObserverSuspect,
		scenario.EffectReplayPutOff, // a scenario of the corpus, with a smaller limit
		scenario.EffectAgentReplays, scenario.EffectAgentRenumbered, scenario.EffectAgentWaiting,
		scenario.EffectOpeningSlice, scenario.EffectOpeningAccepted, // opening_test.go
		scenario.EffectRetired,                              // compact_test.go
		scenario.EffectForged, scenario.EffectIntentRefused, // signing_test.go
		scenario.EffectAgentCompacted, scenario.EffectAgentUnsynced, // hostdisk_test.go
		scenario.EffectStartFailed,                                                                                               // planerows_test.go
		scenario.EffectHeld,                                                                                                      // manifests_test.go
		scenario.EffectInterrupted, scenario.EffectSteppedMeanwhile, scenario.EffectDiscardedMore, scenario.EffectStoredAfterAll, // pipeline_test.go
	}
	told := make(map[scenario.Effect]bool)
	for _, e := range elsewhere {
		told[e] = true
	}
	for _, stories := range faultStories {
		for _, s := range stories {
			for _, e := range s.effects {
				told[e] = true
			}
		}
	}
	for e := scenario.EffectNone + 1; e < scenario.EffectCount; e++ {
		if !told[e] {
			t.Errorf("no story shows %v", e)
		}
		if e.String() == "" || e.String() == "?" {
			t.Errorf("effect %d has no word", e)
		}
	}
}

func TestACountIsUsedUp(t *testing.T) {
	for _, c := range []struct {
		fault  string
		effect scenario.Effect
		want   uint64
	}{
		{"at 2m reply drop count=3", scenario.EffectDroppedReply, 3},
		{"at 2m reply drop count=3 after=yes", scenario.EffectAppliedNotReplied, 3},
		{"at 1m net reset count=5", scenario.EffectReset, 5},
		{"at 1m net reset count=5 after=yes", scenario.EffectReset, 5},
		{"at 10s disk fail count=2", scenario.EffectDiskFailed, 2},
		{"at 1m cert wrong count=4", scenario.EffectWrongCertificate, 4},
		{"at 10s activation defer count=2", scenario.EffectActivationDeferred, 2},
		{"at 10s activation fail count=1", scenario.EffectActivationFailed, 1},
	} {
		if got := play(t, storyScene+c.fault).finish().Effects[c.effect]; got != c.want {
			t.Errorf("%s: %v %d times, want %d", c.fault, c.effect, got, c.want)
		}
	}
}

// A fault hits the hosts that it names, from its beginning to its end.
func TestAFaultHitsItsHostsWhileItIsInForce(t *testing.T) {
	r := play(t, storyScene+"at 2m net partition host=h3..h4 for=90s dir=up")
	r.finish()
	from, to := 2*time.Minute, 2*time.Minute+90*time.Second
	heard := make(map[int32]int)
	for _, q := range r.requests {
		if q.sentAt >= from && q.sentAt < to && q.node >= 0 {
			heard[q.node+1]++
		}
	}
	for n := int32(1); n <= 8; n++ {
		if hit := n == 3 || n == 4; hit != (heard[n] == 0) {
			t.Errorf("h%d: %d requests of that time arrived", n, heard[n])
		}
	}
}

// Two faults of a kind add up, and each ends by itself.
func TestFaultsOfAKindOverlap(t *testing.T) {
	r := play(t, storyScene+"at 2m net delay for=2m each=1s\nat 3m net delay for=2m each=2s")
	for _, c := range []struct {
		at   time.Duration
		want time.Duration
	}{
		{time.Minute, 0}, {2*time.Minute + 1, time.Second}, {3*time.Minute + 1, 3 * time.Second},
		{4*time.Minute + 1, 2 * time.Second}, {5*time.Minute + 1, 0},
	} {
		r.until(c.at)
		if got := r.w.faults.each(scenario.NetDelay, 1, 0); got != c.want {
			t.Errorf("at %v: %v more, want %v", c.at, got, c.want)
		}
	}
	r.finish()
}

// The plane has the inbox of the capacity fault that began last; the end of
// another leaves it alone.
func TestCapacityFaultsOverlap(t *testing.T) {
	r := play(t, storyScene+"at 1m gate capacity for=2m size=6\nat 2m gate capacity for=2m size=3")
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{30 * time.Second, 256}, {90 * time.Second, 6}, {150 * time.Second, 3}, {210 * time.Second, 3}, {250 * time.Second, 256}} {
		r.until(c.at)
		if got := r.w.plane.front.Gate().Config().Capacity; got != c.want {
			t.Errorf("at %v: the inbox has %d places, want %d", c.at, got, c.want)
		}
	}
	if got := r.finish().Effects[scenario.EffectPlaneCrash]; got != 3 {
		t.Errorf("the plane was started %d times again, want 3", got)
	}
}

// Healing ends whatever is in force, and whatever waits for its moment.
func TestAfterTheHealingNothingStrikes(t *testing.T) {
	for _, k := range scenario.FaultKinds() {
		if k == scenario.PlaneClock {
			continue // for good, as it says
		}
		for _, story := range faultStories[k] {
			f, err := scenario.ParseFault(story.fault)
			if err != nil {
				t.Fatal(err)
			}
			// It begins just before the healing, and would last for an hour.
			if f.At = 6*time.Minute - time.Millisecond; !k.Instant() {
				f.For = time.Hour
			}
			effect := story.effects[0] // what the fault itself does
			if k == scenario.GateCapacity {
				effect = scenario.EffectSaturated
			}
			t.Run(f.String(), func(t *testing.T) {
				r := play(t, storyScene+f.String())
				r.until(6 * time.Minute)
				if k == scenario.PlaneLate {
					r.until(6*time.Minute + r.w.scenario.Plane.Start) // as after any start
				}
				before := r.w.effects[effect]
				r.finish()
				if after := r.w.effects[effect]; after != before {
					t.Errorf("%v: %d times after the healing", effect, after-before)
				}
				if w := r.w; w.faults.kinds != 0 || w.plane.crashPhase != scenario.AtOnce {
					t.Error("something is in force still")
				}
			})
		}
	}
}

// An agent that was told to die at its next append, and appended nothing before
// the healing, lives.
func TestAfterTheHealingNoAppendIsDeadly(t *testing.T) {
	r := play(t, "seed 5\nfleet 1 interval=20s\nactive 20s\nrollout stable@r1 at=30s target=c1 waves=1m\nat 10s agent crash for=5s after=yes")
	r.until(20 * time.Second)
	if !r.host(1).disk.empty() {
		t.Fatal("the agent appended something before the healing: choose another instant")
	}
	if got := r.finish().Effects[scenario.EffectAgentCrashAtAppend]; got != 0 || r.host(1).disk.empty() {
		t.Errorf("it crashed %d times, with %d bytes on its disk; want never, and some", got, len(r.host(1).disk.all()))
	}
}

// What is drawn for the sake of one fault reshuffles nothing else: a fault that
// finds nothing to strike leaves the run as it was, event for event.
func TestAFaultThatStrikesNobodyChangesNothing(t *testing.T) {
	quiet := play(t, storyScene)
	noisy := play(t, storyScene+"at 5m net partition host=h8 for=1ms")
	quiet.finish()
	noisy.finish()
	if noisy.w.effects[scenario.EffectPartitioned] != 0 {
		t.Fatal("the partition struck somebody: choose another instant")
	}
	if !slices.Equal(quiet.requests, noisy.requests) {
		t.Error("the requests differ")
	}
}
