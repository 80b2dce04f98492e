package check

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// targets is S26: what is wanted of a host, and what it runs in the end, is what
// its own line of the manifest says. Every host of a rollout may have another
// closure, so none of it follows from another host's line (PROTOCOL R1).
type targets struct {
	l    *ledger
	runs []wire.Closure // that the host may run
	// took are the rollouts that hosts ever took up. The plane need not know of one:
	// it has lost its disk or was restored, and has it superseded since, or the host
	// is locked out.
	took map[recordKey]bool
}

func newTargets(s *Checks) {
	c := &targets{l: s.ledger(), took: make(map[recordKey]bool)}
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventStepEnded, c.stepEnded)
	s.on(world.EventHostAppended, c.hostAppended)
}

func (c *targets) hostAppended(e *world.Event) {
	for i := range e.Appended {
		if a := &e.Appended[i]; a.Kind == agent.EntryTaken {
			c.took[recordKey{a.RolloutID, c.l.names[e.Host]}] = true
		}
	}
}

func (c *targets) stepDone(e *world.Event) {
	for _, r := range c.l.now {
		if r.there && r.last.TargetClosure != r.target {
			e.World.Violate("S26", "h%d in %s is to run %s; want %s, as its own line of the manifest says", r.host, r.of.id, r.last.TargetClosure, r.target)
		}
	}
}

// stepEnded judges what hosts run when the fleet has come to rest. A host that has
// converged on several channels runs what one of them wants: they need not agree.
// One that has failed, or is not done, runs what it has come to.
func (c *targets) stepEnded(e *world.Event) {
	w := e.World
	if !w.Settled() {
		return
	}
	for host := 1; host <= w.Scenario().Fleet.Hosts; host++ {
		if w.HostKind(host) != world.FullHost {
			continue
		}
		c.runs = c.runs[:0]
		done, converged := true, false
		for _, r := range c.l.hosts[host] {
			if c.l.live.held[r.of] { // what the host did about it, a plane that lost its disk need not know
				c.runs = append(c.runs, r.target)
				continue
			}
			if r.last.State == wire.Pending && c.took[recordKey{r.of.id, c.l.names[host]}] {
				c.runs = append(c.runs, r.target)
			}
			if r.last.State == wire.Pending || !c.l.live.inForce(r.of) && c.replaced(r) {
				continue
			}
			// What a host runs that converged before the run began, a state need not say.
			done = done && r.last.State == wire.Converged && w.Scenario().RolloutIndex(r.of.id) >= 0
			converged = true
			c.runs = append(c.runs, r.target)
		}
		if runs := w.Runs(host); done && converged && !slices.Contains(c.runs, runs) {
			w.Violate("S26", "at rest h%d has converged, and runs %s; want what its own lines of the manifests say: %v", host, runs, c.runs)
		}
	}
}

// replaced reports whether a host has taken up the rollout in force of a record's
// channel.
func (c *targets) replaced(r *recordCopy) bool {
	newest := c.l.live.has(r.of.channel)
	if newest == nil {
		return false
	}
	by := c.l.copyOf(r.host, newest.id)
	return by != nil && by.last.State != wire.Pending
}
