package world

import (
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What a consumer of events may look at besides the event. All of it is to be
// read only, and good until the next event.

// Scenario returns what the world runs, with the defaults filled in. It is to be
// read only.
func (w *World) Scenario() *scenario.Scenario { return &w.scenario }

// Start is what the plane's disk has when the scenario begins.
func (w *World) Start() *scenario.State { return w.adopted }

// Now returns how much virtual time has passed.
func (w *World) Now() time.Duration { return w.now }

// Step is the number of the step that is happening, or has happened last.
func (w *World) Step() uint64 { return w.step }

// Timer is the one that went off last.
func (w *World) Timer() Timer { return w.last }

// Planned is how many timers are set.
func (w *World) Planned() int { return w.queue.len() }

// Messages is how many messages there were so far.
func (w *World) Messages() uint64 { return w.messages }

// HealedAt is when the scenario was healed; 0 if it was not yet.
func (w *World) HealedAt() time.Duration { return w.healedAt }

// Settled reports whether the fleet has come to rest.
func (w *World) Settled() bool { return w.settled }

// Violation is the rule that was broken, if one was.
func (w *World) Violation() *Violation { return w.violation }

// Effects counts what really happened so far.
func (w *World) Effects() *scenario.Effects { return &w.effects }

// Hash is the trace hash so far, without the final state.
func (w *World) Hash() uint64 { return w.hash }

// The plane's process.

// DiskScarce reports whether less of the plane's disk is free than the reserve.
func (w *World) DiskScarce() bool { return w.freeDisk() < diskReserve }

// PlaneUp reports whether the plane's process runs and listens.
func (w *World) PlaneUp() bool { return w.plane.up }

// PlaneStarted reports whether the plane's process has loaded its log.
func (w *World) PlaneStarted() bool {
	return w.plane.up && (w.plane.opened || w.plane.worker.Plane() != nil)
}

// PlaneOpened reports whether the plane's process has opened its gate.
func (w *World) PlaneOpened() bool { return w.plane.opened }

// PlaneServing reports whether the plane's process is up and takes requests.
func (w *World) PlaneServing() bool { return w.plane.serving() }

// PlaneIdle reports whether the plane is up and steps, commits and rebuilds
// nothing.
func (w *World) PlaneIdle() bool {
	p := &w.plane
	return p.up && p.opened && !p.planned && !p.worker.Committing() && p.worker.Plane() != nil && p.worker.Next() == driver.Rest
}

// PlaneSuspended reports whether the plane's machine is.
func (w *World) PlaneSuspended() bool { return w.plane.suspended }

// PlaneState is what the plane's process is doing, wedged if its loop is stuck.
func (w *World) PlaneState() PlaneState { return w.plane.state() }

// PlaneStateAt is what the plane's process is doing at an instant, wedged if the
// gate says so then (PROTOCOL G7).
func (w *World) PlaneStateAt(at time.Duration) PlaneState { return w.plane.stateAt(at) }

// PlaneWall is what the plane's wall clock shows.
func (w *World) PlaneWall() wire.Time { return w.wallAt(w.plane.wallOffset) }

// Capacity is the capacity of the plane's inbox.
func (w *World) Capacity() int { return w.plane.capacity }

// InboxDepth is how many requests are in the plane's inbox.
func (w *World) InboxDepth() int { return w.plane.front.Gate().Depth() }

// Wedged is whether the plane says that it is wedged, as /livez would (PROTOCOL G7).
func (w *World) Wedged() bool { return w.plane.front.Wedged(w.now) }

// CheckDriver verifies the driver's own invariants, and the gate's.
func (w *World) CheckDriver() error { return w.plane.front.Check(w.plane.worker) }

// Open are the requests that are at the plane and not answered, in no order.
func (w *World) Open() []*Message { return w.plane.open }

// Revoked is the instant before which certificates of a name are refused by the
// plane's process; unset if they are not.
func (w *World) Revoked(name wire.CommonName) wire.Time { return w.plane.revoked[name] }

// RevokedNames is how many names the plane's process refuses certificates of.
func (w *World) RevokedNames() int { return len(w.plane.revoked) }

// Files are the manifests of the plane's directory, in the order of reading.
func (w *World) Files() []*plane.FileManifest { return w.plane.files }

// HoldsOpening reports whether an opening waits for its next slice, or behind
// another.
func (w *World) HoldsOpening() bool { return w.plane.front.HoldsOpening() }

// ManifestsRead is how many manifests lay in the plane's directory when its
// process came up.
func (w *World) ManifestsRead() int { return w.plane.manifests }

// MayDropReply reports whether a fault in force drops replies to such requests.
func (w *World) MayDropReply(m *Message) bool {
	for _, f := range w.faults.active[scenario.ReplyDrop] {
		if f.hits(int(m.node)+1, m.kind) {
			return true
		}
	}
	return false
}

// What the plane knows, and what its disk has.

// Plane returns the reducer of the plane; nil while its process is down or has
// not loaded its log. It is to be read only, and good until the next event. What
// it has logged last may not be durable yet.
func (w *World) Plane() *plane.Plane {
	if p := &w.plane; p.up {
		return p.worker.Plane()
	}
	return nil
}

// CurrentPlane is the plane's reducer; of a plane that does not serve, what its
// disk gives.
func (w *World) CurrentPlane() *plane.Plane { return w.plane.current() }

// Durable is the plane that the log on the disk gives.
func (w *World) Durable() *plane.Plane { return w.plane.walked }

// Log returns the entries on the plane's disk, since the state that it had at
// first or was left with by a wipe, or those of a backup. [World.NewWalk] returns a plane in that
// state.
func (w *World) Log() []plane.Entry { return w.plane.log }

// StartOnDisk reports whether the plane's disk has the state that the scenario
// starts from, below its log: it has lost that with a wipe.
func (w *World) StartOnDisk() bool { return len(w.plane.base) == len(w.adopted.Durable) }

// NewWalk returns a plane that can apply the whole log.
func (w *World) NewWalk() *plane.Plane { return w.plane.newWalk() }

// The operator and the hosts.

// OperatorNumber is the number of the operator who sent a request, from 1; 0 if
// none did.
func (w *World) OperatorNumber(m *Message) int {
	for i := range w.operator.identities {
		if m.identity == &w.operator.identities[i] {
			return i + 1
		}
	}
	return 0
}

// ActorOf is the operator whose act a request becomes (PROTOCOL T15): unset if no operator
// sent it.
func (w *World) ActorOf(m *Message) wire.Actor {
	number := w.OperatorNumber(m)
	if number == 0 {
		return wire.Actor{}
	}
	text := wire.Name(strconv.Itoa(number)) // there are no certificates
	return wire.Actor{
		Name: wire.CommonName(m.identity.CommonName), Serial: text, Fingerprint: text, Request: wire.Name(strconv.FormatUint(m.id, 10)),
	}
}

// Opened are the rollouts that the operator knows to be open, by their index in
// the scenario, in the order of opening.
func (w *World) Opened() []int { return w.operator.opened }

// Refused is how many rollouts the plane has refused to open, since a newer one of
// the channel was in force.
func (w *World) Refused() int { return w.operator.refused + len(w.release.refused) }

// Releases reports whether the release in the plane's directory has a rollout, by its
// index in the scenario.
func (w *World) Releases(rollout int) bool { return w.release.has(rollout) }

// HostKind is what runs on host number n, from 1.
func (w *World) HostKind(n int) HostKind { return w.hosts[n-1].kind }

// Identity is what the certificate of host number n, from 1, says.
func (w *World) Identity(n int) *wire.Identity { return &w.hosts[n-1].identity }

// Certificate is the number of host number n's certificate, among those that it was
// given, from 0.
func (w *World) Certificate(n int) int { return w.hosts[n-1].issued.number }

// NotBefore is when the certificate of host number n, from 1, was issued.
func (w *World) NotBefore(n int) wire.Time { return w.hosts[n-1].notBefore }

// Probes are the probes that every host declares.
func (w *World) Probes() []wire.ProbeDeclaration { return w.probes }

// Agent returns the reducer of the agent on host number n, from 1; nil while
// its process is down, and for a hostile host. It is to be read only, and good
// until the next event.
func (w *World) Agent(n int) *agent.Agent {
	if h := &w.hosts[n-1]; h.up {
		return h.agent
	}
	return nil
}

// LastAgent is the reducer of the agent on host number n, from 1, as it is or,
// while its process is down, was last; nil if there was none.
func (w *World) LastAgent(n int) *agent.Agent { return w.hosts[n-1].agent }

// HostMono is what the monotonic clock of host number n, from 1, shows: it stands
// while the host is suspended.
func (w *World) HostMono(n int) time.Duration { return w.hosts[n-1].mono(w) }

// HostWall is what the wall clock of host number n, from 1, shows.
func (w *World) HostWall(n int) wire.Time { return w.wallAt(w.hosts[n-1].offset(w)) }

// SignedReleases are the releases that were ever signed, in the order of signing: what is
// true of what agents are told. They are kept only if agents verify them.
func (w *World) SignedReleases() []*SignedRelease { return w.signer.releases }

// Runs returns the closure that host number n, from 1, runs.
func (w *World) Runs(n int) wire.Closure { return w.hosts[n-1].running }

// Switching is the closure that host number n, from 1, is being switched to, if
// any.
func (w *World) Switching(n int) wire.Closure { return w.hosts[n-1].switching.closure }

// RollingBack reports whether host number n, from 1, is being switched back.
func (w *World) RollingBack(n int) bool {
	s := &w.hosts[n-1].switching
	return s.id != 0 && s.kind == agent.EffectRollback
}

// AboutHost is the name of the host that an input is about; empty if it is about
// none.
func AboutHost(in plane.Input) wire.Hostname {
	switch in := in.(type) {
	case *plane.Heartbeat:
		return in.Request.Hostname
	case *plane.Event:
		return in.Envelope.Hostname
	case *plane.Poll:
		return in.Hostname
	default:
		return ""
	}
}
