package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// ExpectKind is what an expectation is about. What happens (answers, notices,
// entries, effects) is counted; what is so (records, rollouts, hosts, closures,
// the plane) is looked at, at an instant.
type ExpectKind uint8

// The kinds of expectations.
const (
	// ExpectViolation: the run is ended by a checker. Without it, by none.
	ExpectViolation ExpectKind = iota + 1
	// ExpectAnswer: the plane gives an answer.
	ExpectAnswer
	// ExpectNotice: the plane tells something.
	ExpectNotice
	// ExpectEntry: an entry of the plane's log is on its disk.
	ExpectEntry
	// ExpectEffect: something is done to the fleet, or by it: see [Effect].
	ExpectEffect
	// ExpectRecord: a host's record is in a state.
	ExpectRecord
	// ExpectRollout: a rollout is in a state, at the plane.
	ExpectRollout
	// ExpectHost: the plane holds a host reachable, or not.
	ExpectHost
	// ExpectClosure: a host runs a closure.
	ExpectClosure
	// ExpectPlane: the plane's process is in a state.
	ExpectPlane
	// ExpectWhy: the plane says that a host waits for something in a rollout.
	ExpectWhy

	expectKindEnd
)

// Expect is something that a run of the scenario has to show. It changes
// nothing: neither the run nor its hash.
type Expect struct {
	Kind ExpectKind
	// Is is the word for what is expected: a checker's number, an answer's
	// reason or status, a kind of notice or entry, an effect, a state.
	Is string
	// Hosts are whose; the zero value is anybody's. Of what is looked at, all
	// of them have to be so.
	Hosts   Hosts
	Rollout wire.RolloutID
	// Route and Event say which answers: heartbeat, event, poll, operator,
	// manifest, garbage; and a kind of event.
	Route, Event string
	// To is the state that a transition leads to; Outcome is applied or
	// absorbed.
	To, Outcome string
	// Side is plane or agent; empty is both.
	Side string
	// Closure is the record's current closure. Confirmed is yes or no: whether
	// the plane's record has marks of a confirmation (PROTOCOL H4).
	Closure   wire.Closure
	Confirmed string
	// By is one of what a host is said to wait by.
	By wire.Name
	// Nth, from 1, picks one of the answers to Hosts on Route about Event,
	// Rollout and Seq, whatever it is. 0 is any of them.
	Nth int
	// Seq is an event's number, a record's last one, or the number that a
	// replay is asked from.
	Seq Bounds[int]
	// At is when; Took is the time from a request's arrival at the plane to its
	// answer.
	At, Took Bounds[time.Duration]
	// RetryAfter, ReplayFrom and Bootstrap are those of an answer; Bootstrap is
	// the number of its snapshots.
	RetryAfter            Bounds[time.Duration]
	ReplayFrom, Bootstrap Bounds[int]
	// Count is how often; at least once, if it is not given.
	Count Bounds[int]
}

// Looks reports whether expectations of the kind are looked at, at an instant
// or at the end; those of the others happen.
func (k ExpectKind) Looks() bool { return k >= ExpectRecord }

// None is the word for a record or a rollout that is not there.
const None = "none"

// check judges an expectation by itself.
func (e *Expect) check() error {
	if e.Kind == 0 || e.Kind >= expectKindEnd {
		return fmt.Errorf("kind is %d; want one that there is", e.Kind)
	}
	form := &expectForms[e.Kind]
	if words := form.words(); words != nil && !slices.Contains(words, e.Is) {
		return fmt.Errorf("%q: no %s; %s", e.Is, form.what, oneOf(e.Is, words))
	}
	for i := range expectSettings {
		s := &expectSettings[i]
		if s.print(e) != "" && !slices.Contains(form.takes, s.key) {
			if s.key == "host" && form.hosts || s.key == "rollout" && form.rollout {
				continue
			}
			return &keyError{s.key, fmt.Errorf("expect %s has no %s; it is written %s", form.what, s.key, e.Kind.Form())}
		}
	}
	switch {
	case e.Is == "":
		return errors.New("want a " + strings.ToLower(form.name))
	case form.rollout && e.Rollout == "":
		return errors.New("want a rollout")
	case e.Kind.Looks() && e.At.Given && e.At.Min != e.At.Max:
		return &keyError{"at", errors.New("want one instant: a state is looked at, it does not happen")}
	case e.Nth < 0:
		return &keyError{"nth", errors.New("want 1 or more")}
	case e.Nth > 0 && e.Count.Given:
		return &keyError{"nth", errors.New("nth and count exclude each other: there is only one nth")}
	case e.At.Given && e.At.Max == 0 && !e.Kind.Looks():
		return &keyError{"at", errors.New("nothing happens before 0s")}
	case e.Kind == ExpectWhy && e.Is == None && e.By != "":
		return &keyError{"by", errors.New("a host that waits for nothing waits by nothing")}
	case e.Is == None && (e.Closure != "" || e.Confirmed != "" || e.Seq.Given):
		return errors.New("a record that is not there has no closure, no confirmation and no seq")
	case e.Confirmed != "" && e.Side == "agent":
		return &keyError{"confirmed", errors.New("only the plane's record can be confirmed; want side=plane")}
	}
	return nil
}

// validate judges an expectation in a scenario that has these names.
func (e *Expect) validate(s *Scenario, has *names) error {
	if err := e.check(); err != nil {
		return err
	}
	end := s.Active + s.Converge
	switch {
	case e.Hosts.Last > s.Fleet.Hosts:
		return &keyError{"host", fmt.Errorf("host is %v; the fleet has h1 to h%d", e.Hosts, s.Fleet.Hosts)}
	case e.At.Given && e.At.Min > end:
		return &keyError{"at", fmt.Errorf("at is %s; the run is over by %s", e.At.text(FormatDuration), FormatDuration(end))}
	case e.Kind == ExpectRecord && e.Side != "plane" && s.hasHostile(e.Hosts):
		return &keyError{"host", errors.New("a hostile host has no agent; want side=plane")}
	case e.Kind == ExpectRecord && e.Side != "plane" && s.hasField(e.Hosts):
		return &keyError{"host", errors.New("the agent of a field host keeps no record; want side=plane")}
	case e.Kind == ExpectViolation && slices.IndexFunc(s.Expects, func(x Expect) bool { return x.Kind == ExpectViolation && x != *e }) >= 0:
		return errors.New("want one violation at most: it ends the run")
	}
	return e.checkNames(has)
}

func (s *Scenario) hasHostile(h Hosts) bool {
	return s.Fleet.Hostile > 0 && (h == Hosts{} || h.Last > s.Fleet.Hosts-s.Fleet.Hostile)
}

// hasField reports whether some of the hosts are of the field.
func (s *Scenario) hasField(h Hosts) bool {
	last := s.Fleet.Hosts - s.Fleet.Hostile - s.Fleet.Legacy
	return s.Fleet.Field > 0 && (h == Hosts{} || h.First <= last && h.Last > last-s.Fleet.Field)
}

// words of expectations that are no single type's.
var (
	routeWords = []string{"heartbeat", "event", "poll", "operator", "manifest", "release", "garbage"}
	// reachabilityWords are those of the protocol (L1), and the word for a host
	// that the plane does not know.
	reachabilityWords = []string{wire.Reachable.String(), wire.Unreachable.String(), wire.NeverSeen.String(), "unknown"}
	planeWords        = []string{"down", "starting", "rebuilding", "suspended", "closing", "wedged", "serving"}
)

func answerWords() []string {
	words := []string{"*"}
	statuses := map[string]bool{}
	var numbers []string
	for c := range wire.CodeCount {
		code := wire.Code(c)
		words = append(words, code.String())
		if s := fmt.Sprint(code.Status()); !statuses[s] {
			statuses[s] = true
			numbers = append(numbers, s)
		}
	}
	slices.Sort(numbers)
	return append(words, numbers...)
}

func eventKindWords() []string {
	var words []string
	for k := wire.KindDispatchAck; k <= wire.KindConverged; k++ {
		words = append(words, k.String())
	}
	return words
}

func stateWords() []string {
	words := []string{None}
	for _, s := range wire.States {
		words = append(words, s.String())
	}
	return words
}

func effectTexts() []string {
	return slices.DeleteFunc(slices.Clone(effectWords[:]), func(w string) bool { return w == effectWords[EffectNone] })
}

func words(list ...string) func() []string { return func() []string { return list } }

// inWords joins words.
func inWords(list []word) string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = w.text
	}
	return strings.Join(texts, " ")
}
