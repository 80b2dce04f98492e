package sabotage

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The stories that are broken. Each of them passes every checker unbroken.

func Story(hosts int, faults ...string) scenario.Scenario {
	s := scenario.Scenario{
		Seed: 1, Fleet: scenario.Fleet{Hosts: hosts}, Active: 9 * time.Minute, Converge: time.Hour,
		Rollouts: []scenario.Rollout{{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Waves: []time.Duration{time.Minute, time.Minute}}},
	}
	for _, line := range faults {
		f, err := scenario.ParseFault(line)
		if err != nil {
			panic(err)
		}
		s.Faults = append(s.Faults, f)
	}
	return s
}

func QuietStory() scenario.Scenario { return Story(3) }

// SlowStory has activations that take longer than a heartbeat's interval.
func SlowStory() scenario.Scenario {
	s := QuietStory()
	s.Fleet.Activation = scenario.Range{Min: 3 * time.Minute, Max: 3 * time.Minute}
	return s
}

// FloodedStory has hosts that send more than the plane works off.
func FloodedStory() scenario.Scenario {
	s := HostileStory()
	s.Plane.Service = 300 * time.Millisecond
	return s
}

// ForgetfulStory has a host that loses its disk while it soaks.
func ForgetfulStory() scenario.Scenario { return Story(3, "at 80s agent amnesia host=h1 for=2s") }

// WipedStory has confirmations, bootstraps, replays and absorbed events.
func WipedStory() scenario.Scenario {
	return Story(4, "at 3m plane wipe for=5s", "at 6m plane wipe for=5s")
}

// RestoredStory has a plane that is restored to a backup of between a failure and the
// rollback.
func RestoredStory() scenario.Scenario {
	s := Story(1, "at 50s probe fail for=5m", "at 6m plane restore back=3m for=20s")
	s.Rollouts[0].Policy = wire.RollbackAndHalt
	s.Fleet.Activation = scenario.Range{Min: 20 * time.Second, Max: 20 * time.Second}
	return s
}

// ExpiredStory has a host whose certificate expires, and one whose CA is not trusted.
func ExpiredStory() scenario.Scenario {
	return Story(3, "at 70s cert expire host=h1 for=4m", "at 90s cert untrust host=h2 for=4m")
}

// GapStory has a plane that loses its disk while hosts soak.
func GapStory() scenario.Scenario { return Story(6, "at 90s plane wipe for=5s") }

// PutOffStory has more replays to do than may be under way.
func PutOffStory() scenario.Scenario {
	s := Story(12, "at 3m plane wipe for=5s")
	s.Rollouts[0].Waves = []time.Duration{10 * time.Minute}
	s.Plane.Replays, s.Network.Delay = 1, scenario.Range{Min: time.Second, Max: 2 * time.Second}
	return s
}

// TwoChannelsStory has a host that is in two channels, of which one rolls it back
// while it soaks in the other.
func TwoChannelsStory() scenario.Scenario {
	s := Story(1, "at 2m probe fail for=10m")
	s.Rollouts[0].Waves, s.Rollouts[0].Policy = []time.Duration{10 * time.Minute}, wire.RollbackAndHalt
	s.Rollouts = append(s.Rollouts, scenario.Rollout{At: 150 * time.Second, ID: "edge@r1", Target: s.Rollouts[0].Target, Waves: []time.Duration{10 * time.Minute}})
	return s
}

// TwoReleasesStory has two rollouts of a channel, whose manifests a plane that
// lost its disk reads.
func TwoReleasesStory() scenario.Scenario {
	s := WipedStory()
	s.Rollouts = append(s.Rollouts, scenario.Rollout{At: 90 * time.Second, ID: "stable@r2", Target: "c2"})
	return s
}

// CrashedStory has a commit that nobody was told of, and one that failed.
func CrashedStory() scenario.Scenario {
	return Story(4, "at 35s plane crash for=5s phase=after-commit", "at 70s disk fail for=2s", "at 4m plane crash for=5s")
}

// DisklessStory has minutes in which nothing can be made durable.
func DisklessStory() scenario.Scenario { return Story(3, "at 31s disk fail for=3m") }

// WedgedStory has timeouts and replies that come too late.
func WedgedStory() scenario.Scenario { return Story(6, "at 40s reducer wedge for=14s") }

// DroppedStory has dropped replies.
func DroppedStory() scenario.Scenario { return Story(4, "at 20s reply drop for=5m count=8 after=yes") }

// CrowdedStory has more hosts than the inbox takes.
func CrowdedStory() scenario.Scenario {
	s := Story(30, "at 2m reducer slow for=4m each=1500ms")
	s.Plane.Capacity = 5
	return s
}

// FailingStory has a host that rolls back and so halts the rollout and
// quarantines its target, and one that does not hear of its dispatch until
// then. An operator resumes the rollout after 6 minutes and clears the
// quarantine after 10; a second rollout of the same target comes in between.
func FailingStory() scenario.Scenario {
	s := Story(4, "at 50s probe fail host=h1 for=5m", "at 20s net partition host=h2 for=9m dir=down")
	s.Active = 12 * time.Minute
	s.Rollouts[0].Policy = wire.RollbackAndHalt
	s.Rollouts = append(s.Rollouts, scenario.Rollout{At: 8 * time.Minute, ID: "stable@r2", Target: "c1"})
	s.Acts = []scenario.Act{
		{At: 6 * time.Minute, Kind: scenario.ActResume, Rollout: "stable@r1"},
		{At: 10 * time.Minute, Kind: scenario.ActClear, Channel: "stable", Closure: "c1"},
	}
	return s
}

// SickStory has a host that fails for good.
func SickStory() scenario.Scenario { return Story(3, "at 50s probe fail host=h1 for=5m") }

// HostileStory has a host that wants what is not its own.
func HostileStory() scenario.Scenario {
	s := Story(5)
	s.Fleet.Hostile = 2
	return s
}

// SilentStory has a host that falls silent and comes back.
func SilentStory() scenario.Scenario {
	return Story(4, "at 2m net partition host=h2 for=5m", "at 4m reducer wedge for=13s")
}

func FaultyStory() scenario.Scenario {
	s := scenario.Scenario{
		Seed: 1, Fleet: scenario.Fleet{Hosts: 50}, Network: scenario.NetworkModel{Loss: 10, Dup: 5},
		Active: 2 * time.Hour,
		Rollouts: []scenario.Rollout{
			{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Waves: []time.Duration{2 * time.Minute, 5 * time.Minute}},
			{At: 40 * time.Minute, ID: "stable@r2", Target: "c2", Policy: wire.RollbackAndHalt},
			{At: 80 * time.Minute, ID: "stable@r3", Target: "c3"},
		},
	}
	for _, line := range []string{
		"at 2m reply drop count=20",
		"at 3m reducer wedge for=12s",
		"at 5m net drop host=h1..h20 for=3m rate=300",
		"at 10m plane crash for=10s phase=after-commit",
		"at 15m net partition host=h30..h50 for=6m dir=up",
		"at 22m disk fail for=5s",
		"at 25m agent crash host=h4 for=20s",
		"at 41m agent amnesia host=h7..h9 for=5s",
		"at 42m probe fail host=h11 for=5m",
		"at 50m gate capacity for=5m size=4",
		"at 60m plane wipe for=30s",
		"at 70m clock skew host=h1..h25 for=30m each=-3h",
		"at 82m net dup for=10m rate=200",
		"at 90m net reorder for=10m each=4s",
		"at 100m host reboot host=h1..h50 for=1m",
	} {
		f, err := scenario.ParseFault(line)
		if err != nil {
			panic(err)
		}
		s.Faults = append(s.Faults, f)
	}
	return s
}

// ReadingStory has an operator who reads page by page and sends another manifest
// under an ID that is open.
func ReadingStory() scenario.Scenario {
	s := Story(3)
	s.Acts = []scenario.Act{
		{At: 4 * time.Minute, Kind: scenario.ActRead, List: "hosts", Count: 2},
		{At: 5 * time.Minute, Kind: scenario.ActOpen, Rollout: "stable@r1", Soak: 9 * time.Minute},
		{At: time.Second, Kind: scenario.ActRead, Rollout: "stable@r1", List: "plan"},
		{At: 6 * time.Minute, Kind: scenario.ActRead, Rollout: "stable@r1", List: "plan"},
	}
	return s
}

// SoakingStory has a long soak.
func SoakingStory() scenario.Scenario {
	s := Story(2)
	s.Rollouts[0].Waves = []time.Duration{8 * time.Minute}
	return s
}
