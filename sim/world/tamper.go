package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Tamper breaks a world on purpose. A checker that was never seen to fire is not
// known to work, so tests break the rules that checkers hold runs to. Nothing else
// calls it: a world that was tampered with is not a run of its scenario.
//
// What the world shows by pointers ([World.Plane], [Message.Outcome], the output
// of an event) can be changed without it.
type Tamper struct{ w *World }

// Tamper returns what breaks the world.
func (w *World) Tamper() Tamper { return Tamper{w} }

// Emit emits an event that has not happened.
func (t Tamper) Emit(e Event) { t.w.emit(e) }

// Advance moves virtual time, and no timer.
func (t Tamper) Advance(d time.Duration) { t.w.now += d }

// Input is what the reducer is given of a message.
func (t Tamper) Input(m *Message) plane.Input { return m.input() }

// SetIdentity changes whose certificate a message comes with, SetWait how long a
// poll waits.
func (t Tamper) SetIdentity(m *Message, id *wire.Identity) { m.identity = id }

// SetWait changes how long a poll waits.
func (t Tamper) SetWait(m *Message, d time.Duration) { m.wait = d }

// AnswerPoll answers the first poll that waits, as if its wait were over.
func (t Tamper) AnswerPoll() {
	for _, m := range t.w.plane.open {
		if m.request.Waits() {
			*m.Outcome() = wire.Outcome{Code: wire.NoContent}
			t.w.plane.answer(t.w, m)
			return
		}
	}
}

// AnswerAgain answers a message, whether it was answered or not.
func (t Tamper) AnswerAgain(m *Message) { t.w.plane.answer(t.w, m) }

// SetCapacity changes what the world says of the inbox, and not the inbox.
func (t Tamper) SetCapacity(n int) { t.w.plane.capacity = n }

// GateConfig is the configuration of the plane's gate.
func (t Tamper) GateConfig() gate.Config { return t.w.plane.front.Gate().Config() }

// SetGate replaces the plane's gate by an empty one that is not open.
func (t Tamper) SetGate(cfg gate.Config) {
	other, err := gate.New[*driver.Request[*Message]](cfg)
	if err != nil {
		panic(err)
	}
	*t.w.plane.front.Gate() = *other
}

// Gate is the plane's gate, for tests that corrupt it.
func (t Tamper) Gate() any { return t.w.plane.front.Gate() }

// Refuse has the gate refuse a request that nobody sent, of a host by name.
func (t Tamper) Refuse(name wire.Hostname) {
	t.w.plane.front.Gate().Refuse(t.w.now, gate.Host(name), wire.Closed)
}

// LoseDeadline has the timer of the gate's next deadline never go off.
func (t Tamper) LoseDeadline() { t.w.plane.alarm = -1 }

// LoseDriver takes the plane's worker away, so that the next step panics.
func (t Tamper) LoseDriver() { t.w.plane.worker = nil }

// Output is what the plane's reducer has put out in this batch.
func (t Tamper) Output() *plane.Output { return t.w.plane.worker.Output() }

// SetRevoked changes which certificates the plane's process refuses.
func (t Tamper) SetRevoked(names map[wire.CommonName]wire.Time) { t.w.plane.revoked = names }

// SetLog replaces the plane's log; what a walk over it gives stays as it is if
// durable is nil.
func (t Tamper) SetLog(log []plane.Entry, durable *plane.Plane) {
	t.w.plane.log = log
	if durable != nil {
		t.w.plane.walked = durable
	}
}

// Host breaks host number n, from 1.
func (t Tamper) Host(n int) HostTamper { return HostTamper{t.w, &t.w.hosts[n-1]} }

// HostTamper breaks one host.
type HostTamper struct {
	w *World
	h *hostNode
}

// Crash ends the agent's process for a time.
func (t HostTamper) Crash(down time.Duration) { t.h.goDown(t.w, down) }

// Run changes the closure that the host runs.
func (t HostTamper) Run(closure wire.Closure) { t.h.running = closure }

// LoseEntry loses the last entry that was appended to the agent's log.
func (t HostTamper) LoseEntry() {
	if d := &t.h.disk; len(d.appended) > 0 {
		d.appended = d.appended[:len(d.appended)-1]
	}
}

// ForgetNextBoot loses what a deferred activation left for the next boot.
func (t HostTamper) ForgetNextBoot() {
	if t.h.nextBoot != "" && t.h.nextBoot != rebooted {
		t.h.nextBoot = ""
	}
}

// LoseTimer has the agent's timer never go off, if it is due later than after.
func (t HostTamper) LoseTimer(after time.Duration) {
	if t.h.timerAt > t.w.now+after {
		t.h.timerAt = 0 // it seems to be planned
	}
}
