package httpagent

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// dispatch is work for the host.
func dispatch(id wire.RolloutID, target wire.Closure, soak time.Duration) answer {
	at := wire.TimeOf(time.Now())
	return answer{Outcome: wire.Outcome{Document: &wire.Dispatch{
		Hostname: testHost, RolloutID: id, TargetClosure: target, EnqueuedAt: at, SoakDueAt: at.Add(soak),
		SoakSeconds: wire.Count(soak / time.Second), OnHealthFailure: wire.RollbackAndHalt,
	}}}
}

// dispatching answers the first poll with work and everything else with
// success, unless other has something to say.
func (r *rig) dispatching(d answer, other func(call) (answer, bool)) {
	given := false
	r.plane.answers(func(c call) answer {
		if other != nil {
			if a, said := other(c); said {
				return a
			}
		}
		switch {
		case c.kind == "event":
			return noContent()
		case c.kind == "poll" && !given:
			given = true
			return d
		}
		return answer{}
	})
}

// told returns the events that reached the plane, as kind and number.
func (r *rig) told() []string {
	r.plane.mu.Lock()
	defer r.plane.mu.Unlock()
	return r.plane.told()
}

// told is rig.told for a caller that holds the plane's lock.
func (p *fakePlane) told() (list []string) {
	for _, c := range p.calls {
		if c.kind == "event" {
			list = append(list, fmt.Sprintf("%v %d", c.event.Event.Body.Kind(), c.event.Event.Seq))
		}
	}
	return list
}

func (r *rig) reaches(s wire.State) func() bool {
	return func() bool { return r.state() == s && len(r.unsent()) == 0 }
}

// unsent returns the rollouts with events that wait to be sent.
func (r *rig) unsent() (ids []wire.RolloutID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.views {
		if r.views[i].Unsent {
			ids = append(ids, r.views[i].Record.RolloutID)
		}
	}
	return ids
}

var smooth = []string{
	"DispatchAck 1", "ActivationStarted 2", "ActivationCompleted 3", "ProbeTopologyDeclared 4",
	"ProbeObservedFirst 5", "ProbeResult 6", "Converged 7",
}

func TestADispatchIsBroughtToItsEnd(t *testing.T) { // PROTOCOL A1, A2, A8
	r := newRig(t)
	r.dispatching(dispatch("edge@1", "c1", 5*time.Minute), nil)
	r.begin()
	began := r.clock.Now()
	r.until("converged", r.reaches(wire.Converged))
	if took := r.clock.Now().Sub(began); took < 5*time.Minute {
		t.Errorf("it took %v, want the soak of 5m at least", took)
	}
	if got := r.told(); !slices.Equal(got, smooth) {
		t.Errorf("told %q, want %q", got, smooth)
	}
	if got := r.machine.CurrentClosure(); got != "c1" {
		t.Errorf("the host runs %s", got)
	}
}

func TestEventsOfARolloutGoOneAtATime(t *testing.T) { // PROTOCOL A2
	r := newRig(t)
	under := 0
	r.dispatching(dispatch("edge@1", "c1", 0), func(c call) (answer, bool) {
		if c.kind != "event" {
			return answer{}, false
		}
		if under++; under > 1 {
			t.Errorf("%d events of a rollout are under way", under)
		}
		return answer{raw: func(w http.ResponseWriter) {
			r.plane.mu.Lock()
			under--
			r.plane.mu.Unlock()
			w.WriteHeader(204)
		}}, true
	})
	r.begin()
	r.until("converged", r.reaches(wire.Converged))
}

func TestReplayFromSendsTheLoggedEventsAgain(t *testing.T) { // PROTOCOL A3, H2
	r := newRig(t)
	asked := false
	r.dispatching(dispatch("edge@1", "c1", time.Hour), func(c call) (answer, bool) {
		if c.kind == "heartbeat" && c.heartbeat.RolloutID == "edge@1" && len(r.plane.told()) == 6 && !asked {
			asked = true
			return answer{Outcome: wire.Outcome{Replay: true, ReplayFrom: 2}}, true
		}
		return answer{}, false
	})
	r.begin()
	r.until("a replay", func() bool { return len(r.told()) == 11 })
	if got, want := r.told()[6:], smooth[1:6]; !slices.Equal(got, want) {
		t.Errorf("sent again %q, want %q", got, want)
	}
	if x := r.exchanges(agent.RequestHeartbeat); !slices.ContainsFunc(x, func(x Exchange) bool { return x.Replay && x.Status == 200 }) {
		t.Error("no exchange says that a replay was asked for")
	}
	if n := r.noticed(agent.NoticeReplay); n != 1 {
		t.Errorf("%d notices of a replay, want one", n)
	}
}

func TestAGapIsFilled(t *testing.T) { // PROTOCOL E6
	r := newRig(t)
	r.dispatching(dispatch("edge@1", "c1", 0), func(c call) (answer, bool) {
		// The plane lost everything before the third event.
		if told := r.plane.told(); c.kind == "event" && len(told) == 3 {
			return answer{Outcome: wire.Outcome{Code: wire.Gap, Replay: true, ReplayFrom: 0}}, true
		}
		return answer{}, false
	})
	r.begin()
	r.until("converged", r.reaches(wire.Converged))
	want := slices.Concat(smooth[:3], smooth)
	if got := r.told(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestAnEventIsTriedAgainUntilItIsAnswered(t *testing.T) { // PROTOCOL E9
	r := newRig(t)
	tries := 0
	r.dispatching(dispatch("edge@1", "c1", 0), func(c call) (answer, bool) {
		if c.kind != "event" || c.event.Event.Seq != 2 {
			return answer{}, false
		}
		switch tries++; tries {
		case 1:
			return answer{Outcome: wire.Refuse(wire.Internal, "", "")}, true
		case 2:
			return answer{hold: true}, true // the client timeout
		case 3:
			return unavailable(time.Second), true
		}
		return answer{}, false
	})
	r.begin()
	r.until("converged", r.reaches(wire.Converged))
	want := slices.Concat(smooth[:1], []string{smooth[1], smooth[1], smooth[1]}, smooth[1:])
	if got := r.told(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestAProbeThatHangsHasFailed(t *testing.T) { // PROTOCOL A7
	r := newRig(t)
	r.machine.Machine = &sickMachine{}
	r.dispatching(dispatch("edge@1", "c1", 0), nil)
	r.begin()
	r.until("reverted", r.reaches(wire.Reverted))
	told := strings.Join(r.told(), ", ")
	for _, want := range []string{"ProbeFailureFirst", "Failed", "RollbackComplete"} {
		if !strings.Contains(told, want) {
			t.Errorf("told %s, want %s", told, want)
		}
	}
	for _, c := range r.plane.of("event") {
		if b, is := c.event.Event.Body.(wire.ProbeResult); is && b.FailureReason != wire.Text(errProbeTimeout.Error()) {
			t.Errorf("the probe failed since %s", b.FailureReason)
		}
	}
}

// sickMachine switches at once, and its probes hang.
type sickMachine struct{ hangingMachine }

func (m *sickMachine) Activate(_ context.Context, closure wire.Closure) agent.ActivationEnded {
	return agent.ActivationEnded{Result: agent.ActivationCompleted, CurrentClosure: closure}
}

func (m *sickMachine) RollBack(_ context.Context, closure wire.Closure) agent.RollbackEnded {
	return agent.RollbackEnded{CurrentClosure: closure}
}

func TestASwitchByHandIsTold(t *testing.T) {
	r := start(t)
	r.until("a heartbeat", r.heartbeats(1))
	r.machine.Machine.(*VirtualMachine).SwitchByHand("c9")
	r.driver.Refresh()
	r.until("a heartbeat that tells it", func() bool {
		calls := r.plane.of("heartbeat")
		return calls[len(calls)-1].heartbeat.CurrentClosure == "c9"
	})
}

func TestALegacyAgentNamesNoRolloutAndReplaysNothing(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Agent.Legacy = true })
	r.dispatching(dispatch("edge@1", "c1", 10*time.Minute), func(c call) (answer, bool) {
		if c.kind == "heartbeat" {
			return answer{Outcome: wire.Outcome{Replay: true, ReplayFrom: 1}}, true
		}
		return answer{}, false
	})
	r.begin()
	r.until("converged", func() bool { return len(r.told()) >= len(smooth) })
	if got := r.told(); !slices.Equal(got, smooth) {
		t.Errorf("told %q, want %q", got, smooth)
	}
	for _, c := range r.plane.of("heartbeat") {
		if c.heartbeat.RolloutID != "" {
			t.Errorf("a heartbeat names %s", c.heartbeat.RolloutID)
		}
	}
}
