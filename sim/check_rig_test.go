package sim

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// saboteur breaks a world: it receives events before the checkers do.
type saboteur struct {
	onArrived, onAdmitted, onRefused, onFinished, onAnswered func(*World, *message)

	onStepping     func(*World, *message, plane.Input)
	onStepDone     func(*World, *message, plane.Input, *plane.Reply)
	onNoticed      func(*World, *plane.Notice)
	onPlaneDown    func(*World)
	onPlaneStarted func(*World)
	onStepped      func(*World)
	onHostStepped  func(*World, *hostNode, agent.Input)

	busy bool
}

// attach subscribes a saboteur in front of everybody else.
func (s *saboteur) attach(w *World) {
	message := func(kind EventKind, f func(*World, *message)) {
		if f != nil {
			s.on(w, kind, func(e *Event) { f(e.World, e.Message) })
		}
	}
	world := func(kind EventKind, f func(*World)) {
		if f != nil {
			s.on(w, kind, func(e *Event) { f(e.World) })
		}
	}
	message(EventArrived, s.onArrived)
	message(EventAdmitted, s.onAdmitted)
	message(EventRefused, s.onRefused)
	message(EventFinished, s.onFinished)
	message(EventAnswered, s.onAnswered)
	world(EventPlaneDown, s.onPlaneDown)
	world(EventPlaneStarted, s.onPlaneStarted)
	world(EventStepEnded, s.onStepped)
	if s.onStepping != nil {
		s.on(w, EventStepping, func(e *Event) { s.onStepping(e.World, e.Message, e.Input) })
	}
	if s.onStepDone != nil {
		s.on(w, EventStepDone, func(e *Event) { s.onStepDone(e.World, e.Message, e.Input, e.Reply) })
	}
	if s.onNoticed != nil {
		s.on(w, EventNoticed, func(e *Event) { s.onNoticed(e.World, e.Notice) })
	}
	if s.onHostStepped != nil {
		s.on(w, EventHostStepped, func(e *Event) { s.onHostStepped(e.World, e.host(), e.AgentInput) })
	}
}

// on subscribes to one kind. What the saboteur itself has the world emit is for
// the others.
func (s *saboteur) on(w *World, kind EventKind, f func(*Event)) {
	subscribeFirst(w, kind, func(e *Event) {
		if !s.busy {
			s.busy = true
			f(e)
			s.busy = false
		}
	})
}

// subscribeFirst subscribes a consumer in front of everybody else.
func subscribeFirst(w *World, kind EventKind, consumer func(*Event)) {
	others := w.stream.consumers[kind]
	w.stream.consumers[kind] = nil
	w.Subscribe(kind, consumer)
	w.stream.consumers[kind] = append(w.stream.consumers[kind], others...)
}

// checkerNumbered returns one checker.
func checkerNumbered(t *testing.T, number string) []Checker {
	t.Helper()
	for _, c := range Checkers() {
		if c.Number == number {
			return []Checker{c}
		}
	}
	t.Fatalf("no checker %s", number)
	return nil
}

// runWith runs a scenario with some checkers and somebody who breaks it, and
// returns the violation.
func runWith(t *testing.T, s scenario.Scenario, checkers []Checker, breaks *saboteur) *Violation {
	t.Helper()
	w, err := New(s, Options{Checkers: checkers})
	if err != nil {
		t.Fatal(err)
	}
	if breaks != nil {
		breaks.attach(w)
	}
	for w.Next() {
	}
	return w.violation
}

// emptyPlane takes everything from the plane that it knows.
func emptyPlane(w *World) {
	p, err := plane.New(w.plane.cfg)
	if err != nil {
		panic(err)
	}
	*w.plane.worker.Plane() = *p
}

// editPlane makes the plane again from its state as text, after a change.
func editPlane(w *World, edit func(state string) string) {
	state := string(w.plane.worker.Plane().AppendState(nil))
	edited := edit(state)
	if edited == state {
		return
	}
	p, err := plane.Restore(w.plane.cfg, []byte(edited))
	if err != nil {
		panic(err) // the test broke more than it wanted to
	}
	*w.plane.worker.Plane() = *p
}

// editRecord changes the line of a host's first record, once, if the pattern is
// in it. It reports whether it was.
func editRecord(w *World, host, pattern, by string) bool {
	done := false
	editPlane(w, func(state string) string {
		lines := strings.Split(state, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "record ") && strings.Contains(line, `"hostname":"`+host+`"`) && regexp.MustCompile(pattern).MatchString(line) {
				lines[i] = regexp.MustCompile(pattern).ReplaceAllString(line, by)
				done = true
				break
			}
		}
		return strings.Join(lines, "\n")
	})
	return done
}

// The stories that are broken. Each of them passes every checker unbroken.

func story(hosts int, faults ...string) scenario.Scenario {
	s := scenario.Scenario{
		Seed: 1, Fleet: scenario.Fleet{Hosts: hosts}, Active: 9 * time.Minute, Converge: time.Hour,
		Rollouts: []scenario.Rollout{{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Waves: []time.Duration{time.Minute, time.Minute}}},
	}
	for _, line := range faults {
		f, err := scenario.ParseFault(line)
		if err != nil {
			panic(err)
		}
		s.Faults = append(s.Faults, f)
	}
	return s
}

func quietStory() scenario.Scenario { return story(3) }

// slowStory has activations that take longer than a heartbeat's interval.
func slowStory() scenario.Scenario {
	s := quietStory()
	s.Fleet.Activation = scenario.Range{Min: 3 * time.Minute, Max: 3 * time.Minute}
	return s
}

// floodedStory has hosts that send more than the plane works off.
func floodedStory() scenario.Scenario {
	s := hostileStory()
	s.Plane.Service = 300 * time.Millisecond
	return s
}

// forgetfulStory has a host that loses its disk while it soaks.
func forgetfulStory() scenario.Scenario { return story(3, "at 80s agent amnesia host=h1 for=2s") }

// wipedStory has confirmations, bootstraps, replays and absorbed events.
func wipedStory() scenario.Scenario {
	return story(4, "at 3m plane wipe for=5s", "at 6m plane wipe for=5s")
}

// crashedStory has a commit that nobody was told of, and one that failed.
func crashedStory() scenario.Scenario {
	return story(4, "at 35s plane crash for=5s phase=after-commit", "at 70s disk fail for=2s", "at 4m plane crash for=5s")
}

// wedgedStory has timeouts and replies that come too late.
func wedgedStory() scenario.Scenario { return story(6, "at 40s reducer wedge for=14s") }

// droppedStory has dropped replies.
func droppedStory() scenario.Scenario { return story(4, "at 20s reply drop for=5m count=8 after=yes") }

// crowdedStory has more hosts than the inbox takes.
func crowdedStory() scenario.Scenario {
	s := story(30, "at 2m reducer slow for=4m each=1500ms")
	s.Plane.Capacity = 5
	return s
}

// failingStory has a host that rolls back and so halts the rollout and
// quarantines its target, and one that does not hear of its dispatch until
// then. An operator resumes the rollout after 6 minutes and clears the
// quarantine after 10; a second rollout of the same target comes in between.
func failingStory() scenario.Scenario {
	s := story(4, "at 50s probe fail host=h1 for=5m", "at 20s net partition host=h2 for=9m dir=down")
	s.Active = 12 * time.Minute
	s.Rollouts[0].Policy = wire.RollbackAndHalt
	s.Rollouts = append(s.Rollouts, scenario.Rollout{At: 8 * time.Minute, ID: "stable@r2", Target: "c1"})
	s.Acts = []scenario.Act{
		{At: 6 * time.Minute, Kind: scenario.ActResume, Rollout: "stable@r1"},
		{At: 10 * time.Minute, Kind: scenario.ActClear, Channel: "stable", Closure: "c1"},
	}
	return s
}

// sickStory has a host that fails for good.
func sickStory() scenario.Scenario { return story(3, "at 50s probe fail host=h1 for=5m") }

// hostileStory has a host that wants what is not its own.
func hostileStory() scenario.Scenario {
	s := story(5)
	s.Fleet.Hostile = 2
	return s
}

// silentStory has a host that falls silent and comes back.
func silentStory() scenario.Scenario {
	return story(4, "at 2m net partition host=h2 for=5m", "at 4m reducer wedge for=13s")
}

// replaceIn replaces what matches a pattern.
func replaceIn(pattern, by string) func(string) string {
	return func(s string) string { return regexp.MustCompile(pattern).ReplaceAllString(s, by) }
}
