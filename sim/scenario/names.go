package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// names are what acts and expectations of a scenario may name: what its lines
// have, and what its plane knows at the start.
type names struct {
	// own are the rollouts that have a line, rollouts also those of the state.
	own, rollouts []string
	channels      []string
	closures      []string
	// targets are the closures that can be quarantined on a channel.
	targets map[wire.Channel][]string
	// each are the rollouts in which every host has a target of its own. Of their
	// targets closures and targets have the first host's only, as an example.
	each []eachOwn
	// unknownRollouts and unknownClosures are those that an act names and that
	// is marked as unknown. Expectations may name them too.
	unknownRollouts, unknownClosures []string
}

// eachOwn is a rollout in which every host has a target of its own.
type eachOwn struct {
	channel wire.Channel
	target  wire.Closure
	hosts   Hosts
}

// isOwn reports whether a closure is such a host's on a channel, or on any if that
// is empty.
func (has *names) isOwn(channel wire.Channel, closure wire.Closure) bool {
	at := strings.LastIndexByte(string(closure), '-')
	if at < 0 {
		return false
	}
	n, is := HostNumber(wire.Hostname(closure[at+1:]))
	return is && HostName(n) == wire.Hostname(closure[at+1:]) && slices.ContainsFunc(has.each, func(e eachOwn) bool {
		return (channel == "" || channel == e.channel) && closure[:at] == e.target && e.hosts.First <= n && n <= e.hosts.Last
	})
}

// names lists what a scenario has; state is that of its start.
func (s *Scenario) names(state *State) *names {
	has := &names{closures: []string{string(InitialClosure)}, targets: make(map[wire.Channel][]string)}
	for i := range s.Rollouts {
		r := &s.Rollouts[i]
		has.own = append(has.own, string(r.ID))
		has.rollout(r.ID)
		if hosts := s.RolloutHosts(r); r.Own && len(hosts) > 0 {
			first, last := hosts[0], hosts[len(hosts)-1]
			has.each = append(has.each, eachOwn{r.ID.Channel(), r.Target, Hosts{first, last}})
			has.target(r.ID.Channel(), r.TargetOf(first))
		} else {
			has.target(r.ID.Channel(), r.Target)
		}
	}
	if state != nil {
		has.state(state)
	}
	for i := range s.Acts {
		if a := &s.Acts[i]; a.Unknown {
			has.unknownRollouts = addName(has.unknownRollouts, string(a.Rollout))
			has.unknownClosures = addName(has.unknownClosures, string(a.Closure))
		}
	}
	return has
}

// state adds what a state has.
func (has *names) state(state *State) {
	for i := range state.Rollouts {
		r := &state.Rollouts[i]
		has.rollout(r.ID)
		for j := range r.Records {
			record := &r.Records[j].Record
			has.target(r.ID.Channel(), record.TargetClosure)
			for _, c := range []wire.Closure{record.CurrentClosureAtDispatch, record.CurrentClosure} {
				has.closures = addName(has.closures, string(c))
			}
		}
	}
	for i := range state.Quarantined {
		has.target(state.Quarantined[i].Channel, state.Quarantined[i].Closure)
	}
	running := make([]string, 0, len(state.Running))
	for _, c := range state.Running {
		running = append(running, string(c))
	}
	slices.Sort(running)
	for _, c := range running {
		has.closures = addName(has.closures, c)
	}
}

func (has *names) rollout(id wire.RolloutID) {
	has.rollouts = append(has.rollouts, string(id))
	has.channels = addName(has.channels, string(id.Channel()))
}

func (has *names) target(channel wire.Channel, closure wire.Closure) {
	has.channels = addName(has.channels, string(channel))
	has.targets[channel] = addName(has.targets[channel], string(closure))
	has.closures = addName(has.closures, string(closure))
}

// addName adds a name to a list that has each once.
func addName(list []string, name string) []string {
	if name == "" || slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}

const (
	noRollout = "there is no rollout %s"
	noClosure = "there is no closure %s"
)

// among judges a name that a line has under a key. missing says that there is
// none of that name.
func among(key, missing, name string, list []string) error {
	if name == "" || slices.Contains(list, name) {
		return nil
	}
	if len(list) == 0 {
		return &keyError{key, fmt.Errorf(missing+", nor any other", name)}
	}
	return &keyError{key, fmt.Errorf(missing+"; %s", name, oneOf(name, list))}
}

// unknown lists what an act names and its scenario does not have, as errors.
func (a *Act) unknown(s *Scenario, has *names) []error {
	var list []error
	add := func(key, missing, name string, known []string) {
		if err := among(key, missing, name, known); err != nil {
			list = append(list, err)
		}
	}
	host := func(key string, h Hosts) {
		if h.Last > s.Fleet.Hosts {
			list = append(list, &keyError{key, fmt.Errorf("host is %v; the fleet has h1 to h%d", h, s.Fleet.Hosts)})
		}
	}
	switch a.Kind {
	case ActSkip:
		host("host", a.Hosts)
		add("rollout", noRollout, string(a.Rollout), has.rollouts)
	case ActCordon, ActUncordon, ActForget:
		host("host", a.Hosts)
	case ActResume, ActChoose, ActPause, ActAbort:
		add("rollout", noRollout, string(a.Rollout), has.rollouts)
	case ActOpen, ActSign:
		add("rollout", "there is no line rollout %s", string(a.Rollout), has.own)
	case ActClear:
		add("channel", "there is no channel %s", string(a.Channel), has.channels)
		targets, known := has.targets[a.Channel]
		switch {
		case has.isOwn(a.Channel, a.Closure):
		case known:
			add("closure", "no rollout of "+string(a.Channel)+" has the target %s", string(a.Closure), targets)
		default:
			add("closure", noClosure, string(a.Closure), has.closures)
		}
	case ActRevoke:
		host("host", a.Hosts)
	case ActRead:
		host("list", a.Hosts)
		if a.ReadsPlan() {
			add("rollout", "there is no line rollout %s", string(a.Rollout), has.own)
		} else {
			add("list", noRollout, string(a.Rollout), has.rollouts)
		}
	case ActSend:
		host("as", a.As)
		add("rollout", noRollout, string(a.Rollout), has.rollouts)
		if !has.isOwn("", a.Closure) {
			add("closure", noClosure, string(a.Closure), has.closures)
		}
	}
	return list
}

// checkNames judges what an act names.
func (a *Act) checkNames(s *Scenario, has *names) error {
	takes := slices.ContainsFunc(actForms[a.Kind].settings, func(set setting[Act]) bool { return set.key == unknownKey })
	switch unknown := a.unknown(s, has); {
	case a.Unknown && !takes:
		return &keyError{unknownKey, fmt.Errorf("%s has no %s; it is written %s", actForms[a.Kind].word, unknownKey, a.Kind.Form())}
	case a.Unknown && len(unknown) == 0:
		return &keyError{unknownKey, errors.New("the scenario has everything that the act names; want no unknown=yes")}
	case !a.Unknown && len(unknown) > 0 && takes:
		return fmt.Errorf("%w; or unknown=yes, if that is meant", unknown[0])
	case len(unknown) > 0 && !takes:
		return unknown[0]
	}
	return nil
}

// checkNames judges what an expectation names. It may name what an act names
// that is marked as unknown.
func (e *Expect) checkNames(has *names) error {
	if err := among("rollout", noRollout, string(e.Rollout), slices.Concat(has.rollouts, has.unknownRollouts)); err != nil {
		return err
	}
	closures := slices.Concat(has.closures, has.unknownClosures)
	for _, named := range []string{string(e.Closure), e.Is} {
		if has.isOwn("", wire.Closure(named)) {
			closures = append(closures, named)
		}
	}
	if e.Kind == ExpectClosure {
		return among("closure", noClosure, e.Is, closures)
	}
	return among("closure", noClosure, string(e.Closure), closures)
}

// DropStrayActs removes the acts that name what the scenario does not have and
// are not marked as unknown, as when what they are about was removed. Whether
// the scenario is right otherwise does not matter.
func (s *Scenario) DropStrayActs() {
	filled := s.Filled()
	state, _ := filled.Start.Read(filled.PlaneConfig()) // a state that is wrong has no names
	has := filled.names(state)
	s.Acts = slices.DeleteFunc(s.Acts, func(a Act) bool { return !a.Unknown && len(a.unknown(s, has)) > 0 })
}
