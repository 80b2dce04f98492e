package world

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Violation says which rule was broken, when, and how.
type Violation struct {
	// Checker is its number: S8, L1.
	Checker string
	Step    uint64
	At      time.Duration
	Detail  string
}

// String writes the violation in one line.
func (v *Violation) String() string {
	return fmt.Sprintf("%s at step %d, %v: %s", v.Checker, v.Step, v.At, v.Detail)
}

// Violate reports that a rule is broken. The first violation counts.
func (w *World) Violate(checker, format string, args ...any) {
	if w.violation == nil {
		w.violation = &Violation{Checker: checker, Step: w.step, At: w.now, Detail: fmt.Sprintf(format, args...)}
	}
}

// panicked makes a panic of what is simulated a violation like any other: a
// search goes on, and the seed is named. It is to be deferred.
func (w *World) panicked() {
	if reason := recover(); reason != nil {
		w.violation = nil // a checker may have spoken before; this is graver
		w.Violate("PANIC", "%v\n%s", reason, callers())
	}
}

// callers lists who was being called when the panic came, down to the event.
// Unlike a stack trace it has no addresses, and so is the same in every run.
func callers() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, ".(*World).Next") || !more {
			return b.String()
		}
		if !strings.HasPrefix(f.Function, "runtime.") {
			fmt.Fprintf(&b, "\t%s:%d\n", f.Function[strings.LastIndexByte(f.Function, '/')+1:], f.Line)
		}
	}
}

// Result is how a run ended.
type Result struct {
	Violation *Violation
	Seed      uint64
	// Events is how many events happened, Simulated how much time passed.
	Events    uint64
	Simulated time.Duration
	// Settled is when after the healing the fleet had come to rest.
	Settled time.Duration
	// Ended says that the run came to its end, and was not stopped before.
	Ended   bool
	Hash    uint64
	Effects scenario.Effects
	// Reached is how often each of the scenario's faults took effect: a fault
	// that never did might as well not be there.
	Reached []uint64
}

// stateRoom is the room that a line of the plane's state takes, or about: there
// is one for each host, and one for each of its records.
const stateRoom = 384

// Result says how the run went so far.
func (w *World) Result() Result {
	h := *w // the hash of the final state is not taken into the run's
	state := w.plane.appendState(make([]byte, 0, stateRoom*(1+len(w.hosts))*(1+len(w.operator.opened))))
	mixText(&h, state)
	for i := range w.hosts {
		state = w.hosts[i].appendState(state[:0])
		mixText(&h, state)
	}
	r := Result{
		Violation: w.violation, Seed: w.scenario.Seed, Events: w.step, Simulated: w.now,
		Hash: h.hash, Effects: w.effects, Reached: slices.Clone(w.faults.reached),
	}
	r.Ended = w.settled || w.violation != nil
	if w.settled {
		r.Settled = w.now - w.healedAt
	}
	return r
}

// After the scenario is healed, the fleet has to come to rest within the budget.
// Once an interval the world asks whether it has; what is stuck at the end of the
// budget is a violation.

// judge ends the run if the fleet has come to rest.
func (w *World) judge() {
	if w.rest != nil {
		if rule, _ := w.rest(w); rule == "" {
			w.settled = true
			return
		}
	}
	// Not a whole interval: hosts that tick without jitter would else be looked
	// at in the middle of the same request every time.
	w.queue.push(Timer{at: w.now + w.scenario.Fleet.Interval + time.Second, kind: dueJudge, node: worldNodeID})
}

// judgeEnd comes when the budget is used up.
func (w *World) judgeEnd() {
	if w.rest == nil {
		return
	}
	if rule, why := w.rest(w); rule != "" {
		w.Violate(rule, "%v after healing: %s", w.now-w.healedAt, why)
		return
	}
	w.settled = true
}
