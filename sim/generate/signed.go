package generate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// drawSigned has every rollout of a run signed, now and then, and agents of ours act only
// on signed intent. Most of these runs have releases as they are: of one commit, which has
// a rollout of each channel; in some the release has to be fresh. Runs with rollouts that
// no release can have are left as they are, and so are those with hostile hosts.
func drawSigned(s *scenario.Scenario, p Profile) {
	r := random.New(s.Seed, "generate/"+p.Name+"/signed", 0)
	if !r.Chance(80) || s.Fleet.Hostile > 0 {
		return
	}
	signed := s.Clone()
	signed.Fleet.Verify, signed.Plane.SignedOnly = s.Fleet.Legacy+s.Fleet.Field == 0, r.Chance(500)
	// Profiles draw planes that just keep up with their hosts, and the directory of
	// releases is one caller more.
	signed.Plane.Service = min(signed.Plane.Service, 50*time.Millisecond)
	renamed := make(map[wire.RolloutID]wire.RolloutID)
	for i := range signed.Rollouts {
		o := &signed.Rollouts[i]
		id := wire.MakeRolloutID(o.ID.Channel(), commit(i))
		renamed[o.ID] = id
		o.ID, o.Signed, o.Serial, o.Unordered = id, true, 0, false
		if signed.Fleet.Verify && r.Chance(350) { // others are not signed again
			o.Fresh = r.Between(5*time.Minute, 90*time.Minute).Truncate(time.Minute)
		}
	}
	var kept []scenario.Act
	for _, a := range signed.Acts {
		if id, is := renamed[a.Rollout]; is {
			a.Rollout = id
		}
		if a.Kind != scenario.ActOpen && a.Kind != scenario.ActChoose { // by an operator, and so without a signature
			kept = append(kept, a)
		}
	}
	signed.Acts = kept
	if r.Chance(700) {
		wholeCommits(&signed)
	}
	if filled := signed.Filled(); filled.Validate() == nil {
		*s = signed
	}
}

func commit(i int) wire.ChannelRef { return wire.ChannelRef(fmt.Sprintf("a%d", i+1)) }

// wholeCommits adds to each commit the rollouts of the other channels, which say what the
// commit before says: a release has one of each channel.
func wholeCommits(s *scenario.Scenario) {
	order := slices.Clone(s.Rollouts)
	slices.SortStableFunc(order, func(a, b scenario.Rollout) int { return cmp.Compare(a.At, b.At) })
	var newest []scenario.Rollout // of each channel
	for _, o := range order {
		at := slices.IndexFunc(newest, func(n scenario.Rollout) bool { return n.ID.Channel() == o.ID.Channel() })
		if at < 0 {
			at, newest = len(newest), append(newest, o)
		}
		newest[at] = o
		for i, n := range newest {
			if i != at {
				n.At, n.ID = o.At, wire.MakeRolloutID(n.ID.Channel(), wire.ChannelRef(o.ID[len(o.ID.Channel())+1:]))
				s.Rollouts = append(s.Rollouts, n)
			}
		}
	}
}
