package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// What an operator reads, and what else is particular to operators.

// readLists are the lists that an operator may read. A host's name is that host, a
// rollout's ID that rollout with its hosts.
var readLists = []string{"hosts", "rollouts", "quarantine", "revocations"}

// takeList reads what is read.
func takeList(a *Act, w []word) error {
	a.List = w[0].text
	switch {
	case slices.Contains(readLists, a.List):
		return nil
	case strings.Contains(a.List, "@"):
		a.List = ""
		return takeText(w[0], &a.Rollout, parseRollout)
	default:
		a.List = ""
		if err := takeText(w[0], &a.Hosts, ParseHosts); err != nil {
			return w[0].wrong("want one of %s, a host such as h3, or a rollout such as stable@r1", strings.Join(readLists, ", "))
		}
		return nil
	}
}

func printList(a *Act) string {
	switch {
	case a.Rollout != "":
		return string(a.Rollout)
	case a.List != "":
		return a.List
	default:
		return a.Hosts.String()
	}
}

// MaxOperators is how many operators there are, at most.
const MaxOperators = 9

var bySetting = numberSetting("by", "2", func(a *Act) *int { return &a.By }).
	withAbout("which operator does it, from 1; each has a certificate of its own, and without it the first does it")

var limitSetting = numberSetting("limit", "2", func(a *Act) *int { return &a.Count }).
	withAbout("how many entries a page has; without it 100. Each page is asked for when the one before has come")

// listEvents is what ActRead reads of a rollout in place of its hosts.
const listEvents = "events"

// ReadsEvents reports whether an act reads the history of a rollout.
func (a *Act) ReadsEvents() bool { return a.Kind == ActRead && a.List == listEvents }

var eventsSetting = setting[Act]{key: listEvents, example: "yes",
	about: "read the history of the rollout, and not its hosts",
	print: func(a *Act) string {
		if a.List == listEvents {
			return "yes"
		}
		return ""
	},
	parse: func(a *Act, s string) error {
		if s != "yes" {
			return errors.New("want yes")
		}
		a.List = listEvents
		return nil
	}}

// listPlan is what ActRead reads of a rollout of the scenario that may not be open yet.
const listPlan = "plan"

// ReadsPlan reports whether an act asks what the manifest of a rollout would do.
func (a *Act) ReadsPlan() bool { return a.Kind == ActRead && a.List == listPlan }

var planSetting = setting[Act]{key: listPlan, example: "yes",
	about: "ask what the manifest of the rollout would do if it were opened now",
	print: func(a *Act) string {
		if a.List == listPlan {
			return "yes"
		}
		return ""
	},
	parse: func(a *Act, s string) error {
		if s != "yes" {
			return errors.New("want yes")
		}
		a.List = listPlan
		return nil
	}}

var stateSetting = setting[Act]{key: "state", example: "Soaking",
	about: "leave out the hosts that are in another state",
	print: func(a *Act) string {
		if a.State == 0 {
			return ""
		}
		return a.State.String()
	},
	parse: func(a *Act, s string) (err error) { a.State, err = wire.ParseState(s); return err }}

// lengthSetting is a duration that is longer than 0 if it is given.
func lengthSetting(key, example, about string, of func(*Act) *time.Duration) setting[Act] {
	return setting[Act]{key: key, example: example, about: about,
		print: func(a *Act) string {
			if *of(a) == 0 {
				return ""
			}
			return FormatDuration(*of(a))
		},
		parse: func(a *Act, s string) (err error) {
			if *of(a), err = parseDuration(s, example); err == nil && *of(a) <= 0 {
				err = errors.New("want more than 0s")
			}
			return err
		}}
}

var soakSetting = lengthSetting("soak", "3m", "send it with this soak time in every wave, in place of its own", func(a *Act) *time.Duration { return &a.Soak })

var beforeSetting = lengthSetting("before", "10m", "refuse only the certificates that were issued so long before it", func(a *Act) *time.Duration { return &a.Before })

// validateOperator judges what only acts of operators have.
func (a *Act) validateOperator(s *Scenario) error {
	switch {
	case a.By < 0 || a.By > MaxOperators:
		return &keyError{"by", fmt.Errorf("by is %d; want 1 to %d", a.By, MaxOperators)}
	case a.Before < 0 || a.Before > longest:
		return &keyError{"before", fmt.Errorf("want times of 0s to %v", longest)}
	case a.Soak < 0 || a.Soak%time.Minute != 0 || a.Soak > wire.MaxSoakMinutes*time.Minute:
		return &keyError{"soak", fmt.Errorf("soak %v; want whole minutes, at most %dm (a year)", a.Soak, wire.MaxSoakMinutes)}
	}
	if a.Kind != ActRead {
		return nil
	}
	switch {
	case a.Count < 0 || a.Count > plane.MaxLimit:
		return &keyError{"limit", fmt.Errorf("limit is %d; want 1 to %d", a.Count, plane.MaxLimit)}
	case a.List == listEvents && a.Rollout == "":
		return &keyError{listEvents, fmt.Errorf("%s has no history; want a rollout such as stable@r1", printList(a))}
	case a.List == listPlan && a.Rollout == "":
		return &keyError{listPlan, fmt.Errorf("%s is no manifest; want a rollout such as stable@r1", printList(a))}
	case a.List == listPlan && a.Count > 0:
		return &keyError{"limit", errors.New("a plan has no pages; want no limit")}
	case a.State > wire.Reverted || a.State != 0 && a.List != "hosts" && (a.Rollout == "" || a.List != ""):
		return &keyError{"state", errors.New("only hosts and the hosts of a rollout are read by state")}
	case a.Hosts.First != a.Hosts.Last:
		return &keyError{"list", errors.New("want one host, or all of them by the word hosts")}
	case a.Count > 0 && (a.List == "quarantine" || a.List == "revocations" || a.Hosts.First > 0):
		return &keyError{"limit", fmt.Errorf("%s has no pages; want no limit", printList(a))}
	case a.List == "" && a.Rollout == "" && a.Hosts.First == 0:
		return &keyError{"list", fmt.Errorf("want one of %s, a host or a rollout", strings.Join(readLists, ", "))}
	}
	return nil
}

// Other returns the manifest that an act sends of a rollout again.
func (s *Scenario) Other(a *Act) wire.Manifest {
	m := s.Manifest(&s.Rollouts[s.RolloutIndex(a.Rollout)])
	if a.Soak > 0 {
		for i := range m.Policy.Waves {
			m.Policy.Waves[i].SoakMinutes = wire.Count(a.Soak / time.Minute)
		}
	}
	return m
}
