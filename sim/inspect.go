package sim

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What a consumer of events may look at besides the event. All of it is to be
// read only, and good until the next event.

// Now returns how much virtual time has passed.
func (w *World) Now() time.Duration { return w.now }

// Scenario returns what the world runs, with the defaults filled in. It is to be
// read only.
func (w *World) Scenario() *scenario.Scenario { return &w.scenario }

// Plane returns the reducer of the plane; nil while its process is down or has
// not loaded its log. It is to be read only, and good until the next event. What
// it has logged last may not be durable yet.
func (w *World) Plane() *plane.Plane {
	if p := &w.plane; p.up {
		return p.worker.Plane()
	}
	return nil
}

// Agent returns the reducer of the agent on host number n, from 1; nil while
// its process is down, and for a hostile host. It is to be read only, and good
// until the next event.
func (w *World) Agent(n int) *agent.Agent {
	if h := &w.hosts[n-1]; h.up {
		return h.agent
	}
	return nil
}

// Runs returns the closure that host number n, from 1, runs.
func (w *World) Runs(n int) wire.Closure { return w.hosts[n-1].running }

// Step is the number of the step that is happening, or has happened last.
func (w *World) Step() uint64 { return w.step }

// Settled reports whether the fleet has come to rest.
func (w *World) Settled() bool { return w.settled }

// Capacity is the capacity of the plane's inbox.
func (w *World) Capacity() int { return w.plane.capacity }

// InboxDepth is how many requests are in the plane's inbox.
func (w *World) InboxDepth() int { return w.plane.front.Gate().Depth() }

// CheckDriver verifies the driver's own invariants, and the gate's.
func (w *World) CheckDriver() error { return w.plane.front.Check(w.plane.worker) }

// Wedged is what the gate says about itself (PROTOCOL G7).
func (w *World) Wedged() bool { return w.plane.front.Gate().Wedged(w.now) }

// PlaneUp reports whether the plane's process runs and listens.
func (w *World) PlaneUp() bool { return w.plane.up }

// PlaneStarted reports whether the plane's process has loaded its log.
func (w *World) PlaneStarted() bool {
	return w.plane.up && (w.plane.opened || w.plane.worker.Plane() != nil)
}

// PlaneSuspended reports whether the plane's machine is.
func (w *World) PlaneSuspended() bool { return w.plane.suspended }

// PlaneIdle reports whether the plane is up and steps, commits and rebuilds
// nothing.
func (w *World) PlaneIdle() bool {
	p := &w.plane
	return p.up && p.opened && !p.planned && !p.worker.Committing() && p.worker.Plane() != nil && p.worker.Next() == driver.Rest
}

// Open are the requests that are at the plane and not answered, in no order.
func (w *World) Open() []*Message { return w.plane.open }

// PlaneWall is what the plane's wall clock shows.
func (w *World) PlaneWall() wire.Time { return w.wallAt(w.plane.wallOffset) }

// Durable is the plane that the log on the disk gives.
func (w *World) Durable() *plane.Plane { return w.plane.walked }

// Log returns the entries on the plane's disk, since the state that it had at
// first or was left with by a wipe. [World.NewWalk] returns a plane in that
// state.
func (w *World) Log() []plane.Entry { return w.plane.log }

// NewWalk returns a plane that can apply the whole log.
func (w *World) NewWalk() *plane.Plane { return w.plane.newWalk() }

// MayDropReply reports whether a fault in force drops replies to such requests.
func (w *World) MayDropReply(m *Message) bool {
	for _, f := range w.faults.active[scenario.ReplyDrop] {
		if f.hits(int(m.node)+1, m.kind) {
			return true
		}
	}
	return false
}

// HostKind is what runs on host number n, from 1.
func (w *World) HostKind(n int) HostKind { return w.hosts[n-1].kind }

// Identity is what the certificate of host number n, from 1, says.
func (w *World) Identity(n int) *wire.Identity { return &w.hosts[n-1].identity }

// NotBefore is when the certificate of host number n, from 1, was issued.
func (w *World) NotBefore(n int) wire.Time { return w.hosts[n-1].notBefore }

// What a consumer may look at of a message. Everything that it returns is to be
// read only.

// ID is the message's number among all of the world.
func (m *Message) ID() uint64 { return m.id }

// Slot is its place in the world's pool: two messages that are there at a time
// have different ones.
func (m *Message) Slot() uint32 { return m.slot }

// Kind says which route it takes.
func (m *Message) Kind() scenario.Route { return m.kind }

// Host is the number of the host that sent it, from 1; 0 if it was no host.
func (m *Message) Host() int { return max(int(m.node)+1, 0) }

// FromManifests reports whether it is a manifest of the plane's directory.
func (m *Message) FromManifests() bool { return m.node == manifestNodeID }

// Identity is what the certificate says that it came with.
func (m *Message) Identity() *wire.Identity { return m.identity }

// NotBefore is when that certificate was issued.
func (m *Message) NotBefore() wire.Time { return m.notBefore }

// Heartbeat is the input of a heartbeat.
func (m *Message) Heartbeat() *plane.Heartbeat { return &m.heartbeat }

// Event is the input of an event.
func (m *Message) Event() *plane.Event { return &m.event }

// Operator is the input of an operator's request.
func (m *Message) Operator() plane.Input { return m.operator }

// Wait is how long a poll waits, at most.
func (m *Message) Wait() time.Duration { return m.wait }

// Waits reports whether it is a poll that waits for work.
func (m *Message) Waits() bool { return m.request.Waits() }

// PolledFor is the host that a poll asks work for.
func (m *Message) PolledFor() wire.Hostname { return m.poll.Hostname }

// ArrivedAt is when it reached the plane.
func (m *Message) ArrivedAt() time.Duration { return m.arrivedAt }

// Outcome is its answer, once it has one.
func (m *Message) Outcome() *wire.Outcome { return &m.request.Outcome }
