package page

import (
	"fmt"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// why says in sentences why a host is where it is in a rollout, from its record. It is the
// one place that explains: what explains better replaces its body.
func why(r *wire.RecordStatus, reachability wire.Reachability) []string {
	s := &r.Snapshot
	var list []string
	if !r.Blocked.IsUnset() {
		list = append(list, fmt.Sprintf("The dispatch is held back by %s: %s", gateWords(r.Blocked.Gate), r.Blocked.Reason))
	}
	switch s.State {
	case wire.Pending:
		switch {
		case !s.DispatchedAt.IsSet():
			list = append(list, fmt.Sprintf("Wave %d is not dispatched yet.", r.Wave))
		case r.Blocked.IsUnset():
			list = append(list, fmt.Sprintf("It was dispatched at %s, and has not taken it up.", instant(s.DispatchedAt)))
		}
	case wire.Activating:
		list = append(list, "It has taken up the dispatch, and has not finished the switch.")
	case wire.Deferred:
		list = append(list, "It waits for a reboot.")
	case wire.Soaking:
		list = append(list, fmt.Sprintf("It runs the target, and soaks until %s by its clock.", instant(s.SoakDueAt)))
	case wire.Converged:
		list = append(list, "It is at its target.")
	case wire.Failed:
		list = append(list, "It failed.")
	case wire.Reverted:
		list = append(list, "It failed, and went back to the closure that it ran before.")
	}
	if len(r.FailingProbes) > 0 {
		var names []string
		for _, name := range r.FailingProbes {
			names = append(names, string(name))
		}
		list = append(list, "Probes that have to pass and do not: "+strings.Join(names, ", ")+".")
	}
	if s.State.Active() && reachability != wire.Reachable {
		list = append(list, "The plane does not hear from the host: it is "+reachabilityWords(reachability)+".")
	}
	return list
}
