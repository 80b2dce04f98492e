package plane

import "github.com/refrain-fleet/refrain/core/wire"

// MaxScan is how many hosts or records a query with a filter looks at for one page
// (PROTOCOL R5): the reducer does nothing else meanwhile. A page that ends there may
// have few items, or none, and says how to go on.
const MaxScan = 10_000

// HostFilter selects hosts (PROTOCOL R5). A member that is unset selects all.
type HostFilter struct {
	Reachability wire.Reachability
	// Closure is what the host last reported to run.
	Closure wire.Closure
	// Channel and State are those of a record of the host, of a rollout that is not
	// superseded; one record has to have both.
	Channel wire.Channel
	State   wire.State
}

// ofRecords reports whether the filter looks at records.
func (f *HostFilter) ofRecords() bool { return f.Channel != "" || f.State != 0 }

// selects reports whether the filter selects host i of the plane.
func (f *HostFilter) selects(p *Plane, i int) bool {
	h := &p.table.hosts[i]
	if f.Reachability != 0 && p.table.vitals[i].reachability() != f.Reachability || f.Closure != "" && h.closure != f.Closure {
		return false
	}
	if !f.ofRecords() {
		return true
	}
	for _, ref := range h.records {
		r := ref.rollout
		if !r.staged && !r.superseded() && (f.Channel == "" || r.id.Channel() == f.Channel) && (f.State == 0 || ref.record().State == f.State) {
			return true
		}
	}
	return false
}

// RolloutFilter selects rollouts (PROTOCOL R5). A member that is unset selects all.
type RolloutFilter struct {
	Channel wire.Channel
	State   wire.RolloutState
	// Current leaves out those that are superseded.
	Current bool
}

func (f *RolloutFilter) selects(r *rolloutState) bool {
	return (f.Channel == "" || r.id.Channel() == f.Channel) && (f.State == 0 || r.state() == f.State) && (!f.Current || !r.superseded())
}
