package page

import (
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// factView is one thing that a host or a rollout waits for (PROTOCOL Y2).
type factView struct {
	Reason string
	Since  string // empty if that is not known
	Next   string
	Do     string // the command that an operator may run
	// Hosts are those of a group, Count their number; for a fact about one host, none.
	Hosts wire.Names
	Count wire.Count
}

// viewFact is the one place where an explanation of the plane becomes texts.
func viewFact(f *wire.Fact) factView {
	v := factView{Reason: string(f.Reason), Next: string(f.Next), Do: string(f.Do)}
	if f.Since.IsSet() {
		v.Since = instant(f.Since)
	}
	if f.NextAt.IsSet() {
		v.Next = strings.TrimSpace(v.Next + " (at " + instant(f.NextAt) + ")")
	}
	return v
}

func viewFacts(facts []wire.Fact) (list []factView) {
	for i := range facts {
		list = append(list, viewFact(&facts[i]))
	}
	return list
}

// viewGroups are the hosts of a rollout by what they wait for.
func viewGroups(groups []wire.WhyGroup) (list []factView) {
	for i := range groups {
		v := viewFact(&groups[i].Fact)
		v.Hosts, v.Count = groups[i].Hosts.Names, groups[i].Hosts.Count
		list = append(list, v)
	}
	return list
}
