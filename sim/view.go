package sim

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What else a consumer may look at. All of it is to be read only, and good until
// the next event.

// Start is what the plane's disk has when the scenario begins.
func (w *World) Start() *scenario.State { return w.adopted }

// Opened are the rollouts that the operator knows to be open, by their index in
// the scenario, in the order of opening.
func (w *World) Opened() []int { return w.operator.opened }

// CurrentPlane is the plane's reducer; of a plane that does not serve, what its
// disk gives.
func (w *World) CurrentPlane() *plane.Plane { return w.plane.current() }

// PlaneServing reports whether the plane's process is up and takes requests.
func (w *World) PlaneServing() bool { return w.plane.serving() }

// PlaneState is what the plane's process is doing, wedged if its loop is stuck.
func (w *World) PlaneState() PlaneState { return w.plane.state() }

// PlaneStateAt is what the plane's process is doing at an instant, wedged if the
// gate says so then (PROTOCOL G7).
func (w *World) PlaneStateAt(at time.Duration) PlaneState { return w.plane.stateAt(at) }

// Revoked is the instant before which certificates of a name are refused by the
// plane's process; unset if they are not.
func (w *World) Revoked(name wire.CommonName) wire.Time { return w.plane.revoked[name] }

// PlaneOpened reports whether the plane's process has opened its gate.
func (w *World) PlaneOpened() bool { return w.plane.opened }

// ManifestsRead is how many manifests lay in the plane's directory when its
// process came up.
func (w *World) ManifestsRead() int { return w.plane.manifests }

// Timer is the one that went off last.
func (w *World) Timer() Timer { return w.last }

// HealedAt is when the scenario was healed; 0 if it was not yet.
func (w *World) HealedAt() time.Duration { return w.healedAt }

// Violation is the rule that was broken, if one was.
func (w *World) Violation() *Violation { return w.violation }

// Hash is the trace hash so far, without the final state.
func (w *World) Hash() uint64 { return w.hash }

// Planned is how many timers are set.
func (w *World) Planned() int { return w.queue.len() }

// AppendPlaneState appends the plane's part of the final state that the hash of a
// result covers; AppendHostState that of host number n, from 1.
func (w *World) AppendPlaneState(dst []byte) []byte { return w.plane.appendState(dst) }

// AppendHostState appends the part of host number n.
func (w *World) AppendHostState(n int, dst []byte) []byte { return w.hosts[n-1].appendState(dst) }

// Messages is how many messages there were so far.
func (w *World) Messages() uint64 { return w.messages }

// Switching is the closure that host number n, from 1, is being switched to, if
// any.
func (w *World) Switching(n int) wire.Closure { return w.hosts[n-1].switching.closure }

// RollingBack reports whether host number n, from 1, is being switched back.
func (w *World) RollingBack(n int) bool {
	s := &w.hosts[n-1].switching
	return s.id != 0 && s.kind == agent.EffectRollback
}

// Effects counts what really happened so far.
func (w *World) Effects() *scenario.Effects { return &w.effects }

// LastAgent is the reducer of the agent on host number n, from 1, as it is or,
// while its process is down, was last; nil if there was none.
func (w *World) LastAgent(n int) *agent.Agent { return w.hosts[n-1].agent }

// Sender is the name of the node that sent the message.
func (m *Message) Sender() string { return nodeName(m.node) }

// Call is the sender's own number of the request.
func (m *Message) Call() uint64 { return m.call }

// SentAt is when it was put on the network.
func (m *Message) SentAt() time.Duration { return m.sentAt }

// Deadline is when it has to be answered, once it was admitted.
func (m *Message) Deadline() time.Duration { return m.deadline }

// Answered reports whether the plane has answered it.
func (m *Message) Answered() bool { return m.answered }

// Duplicate reports whether nobody waits for its answer: the network made it, or
// the scenario.
func (m *Message) Duplicate() bool { return m.duplicate }

// Garbage is the body of a request on [RouteGarbage].
func (m *Message) Garbage() string { return garbageBody(m.garbage) }

// AnswerText is its answer in words, once it has one: "timeout retry-after=1s".
func (m *Message) AnswerText() string {
	o := m.Outcome()
	s := o.Code.String()
	if o.Code.Unavailable() {
		s += fmt.Sprintf(" retry-after=%v", o.RetryAfter)
	}
	if o.Replay {
		s += fmt.Sprintf(" replay-from=%d", o.ReplayFrom)
	}
	return s
}
