package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// A scenario is written as lines of text, which read back to the same
// scenario. Blank lines and what follows a '#' are for people.
//
//	seed 7
//	fleet 3 interval=60s
//	rollout stable@r1 at=30s target=c1 hosts=h1..h3 waves=5m policy=halt
//	at 2m reply drop host=h1 count=1
//	at 6m plane crash for=10s
//	at 9m resume stable@r1
//	active 10m
//	converge within=2h

// setting is one key=value of a line.
type setting[T any] struct {
	key   string
	print func(*T) string
	parse func(*T, string) error
}

func durationSetting[T any](key string, of func(*T) *time.Duration) setting[T] {
	return setting[T]{key,
		func(t *T) string { return shortDuration(*of(t)) },
		func(t *T, s string) (err error) {
			if *of(t), err = time.ParseDuration(s); err != nil {
				return fmt.Errorf("want a duration, for instance 90s")
			}
			return nil
		}}
}

func intSetting[T any](key string, of func(*T) *int) setting[T] {
	return setting[T]{key,
		func(t *T) string { return strconv.Itoa(*of(t)) },
		func(t *T, s string) (err error) {
			if *of(t), err = strconv.Atoi(s); err != nil {
				return fmt.Errorf("want a whole number")
			}
			return nil
		}}
}

func rangeSetting[T any](key string, of func(*T) *Range) setting[T] {
	return setting[T]{key,
		func(t *T) string { return shortDuration(of(t).Min) + ".." + shortDuration(of(t).Max) },
		func(t *T, s string) error {
			lo, hi, found := strings.Cut(s, "..")
			minimum, err := time.ParseDuration(lo)
			maximum, err2 := time.ParseDuration(hi)
			if !found || err != nil || err2 != nil || minimum > maximum {
				return fmt.Errorf("want two durations, for instance 1ms..20ms")
			}
			*of(t) = Range{minimum, maximum}
			return nil
		}}
}

func hostsSetting[T any](of func(*T) *Hosts) setting[T] {
	return setting[T]{"hosts",
		func(t *T) string { return of(t).String() },
		func(t *T, s string) (err error) {
			*of(t), err = ParseHosts(s)
			return err
		}}
}

var fleetSettings = []setting[Fleet]{
	durationSetting("interval", func(f *Fleet) *time.Duration { return &f.Interval }),
	intSetting("legacy", func(f *Fleet) *int { return &f.Legacy }),
	intSetting("hostile", func(f *Fleet) *int { return &f.Hostile }),
	intSetting("probes", func(f *Fleet) *int { return &f.Probes }),
	durationSetting("probe-interval", func(f *Fleet) *time.Duration { return &f.ProbeInterval }),
	durationSetting("sustained", func(f *Fleet) *time.Duration { return &f.Sustained }),
	rangeSetting("activation", func(f *Fleet) *Range { return &f.Activation }),
}

var planeSettings = []setting[PlaneModel]{
	intSetting("capacity", func(p *PlaneModel) *int { return &p.Capacity }),
	durationSetting("reply-timeout", func(p *PlaneModel) *time.Duration { return &p.ReplyTimeout }),
	intSetting("batch", func(p *PlaneModel) *int { return &p.Batch }),
	durationSetting("service", func(p *PlaneModel) *time.Duration { return &p.Service }),
	rangeSetting("commit", func(p *PlaneModel) *Range { return &p.Commit }),
	durationSetting("start", func(p *PlaneModel) *time.Duration { return &p.Start }),
}

var networkSettings = []setting[NetworkModel]{
	rangeSetting("delay", func(n *NetworkModel) *Range { return &n.Delay }),
	intSetting("loss", func(n *NetworkModel) *int { return &n.Loss }),
	intSetting("dup", func(n *NetworkModel) *int { return &n.Dup }),
}

var rolloutSettings = []setting[Rollout]{
	durationSetting("at", func(r *Rollout) *time.Duration { return &r.At }),
	{"target", func(r *Rollout) string { return string(r.Target) },
		func(r *Rollout, s string) (err error) { r.Target, err = wire.ParseClosure(s); return err }},
	hostsSetting(func(r *Rollout) *Hosts { return &r.Targets }),
	{"waves",
		func(r *Rollout) string {
			var soaks []string
			for _, soak := range r.Waves {
				soaks = append(soaks, shortDuration(soak))
			}
			return strings.Join(soaks, ",")
		},
		func(r *Rollout, s string) error {
			r.Waves = nil
			for word := range strings.SplitSeq(s, ",") {
				soak, err := time.ParseDuration(word)
				if err != nil {
					return fmt.Errorf("want the soak time of each wave, for instance 0s,5m")
				}
				r.Waves = append(r.Waves, soak)
			}
			return nil
		}},
	{"policy", func(r *Rollout) string { return r.Policy.String() },
		func(r *Rollout, s string) error {
			for _, p := range []wire.HealthPolicy{wire.Halt, wire.RollbackAndHalt} {
				if p.String() == s {
					r.Policy = p
					return nil
				}
			}
			return fmt.Errorf("want halt or rollback-and-halt")
		}},
}

func printSettings[T any](b *strings.Builder, t *T, list []setting[T]) {
	for _, s := range list {
		if v := s.print(t); v != "" {
			fmt.Fprintf(b, " %s=%s", s.key, v)
		}
	}
	b.WriteByte('\n')
}

func parseSettings[T any](t *T, words []string, list []setting[T]) error {
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		known := false
		for _, s := range list {
			if s.key == key {
				known = true
				if err := s.parse(t, value); err != nil {
					return fmt.Errorf("%q: %w", word, err)
				}
			}
		}
		if !known {
			var keys []string
			for _, s := range list {
				keys = append(keys, s.key)
			}
			return fmt.Errorf("%q: unknown key; want one of %s", word, strings.Join(keys, ", "))
		}
	}
	return nil
}

// String writes the scenario with all of its defaults filled in, as text that
// [ParseScenario] reads.
func (s Scenario) String() string {
	s = s.withDefaults()
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\nfleet %d", s.Seed, s.Fleet.Hosts)
	printSettings(&b, &s.Fleet, fleetSettings)
	b.WriteString("plane")
	printSettings(&b, &s.Plane, planeSettings)
	b.WriteString("network")
	printSettings(&b, &s.Network, networkSettings)
	for i := range s.Rollouts {
		fmt.Fprintf(&b, "rollout %s", s.Rollouts[i].ID)
		printSettings(&b, &s.Rollouts[i], rolloutSettings)
	}
	for _, f := range s.Faults {
		b.WriteString(f.String() + "\n")
	}
	for _, a := range s.Acts {
		b.WriteString(a.String() + "\n")
	}
	fmt.Fprintf(&b, "active %s\nconverge within=%s\n", shortDuration(s.Active), shortDuration(s.Converge))
	return b.String()
}

// String writes the act as a line of a scenario.
func (a Act) String() string {
	s := "at " + shortDuration(a.At)
	switch a.Kind {
	case ActResume:
		return s + " resume " + string(a.Rollout)
	case ActClear:
		return s + " clear " + string(a.Channel) + " " + string(a.Closure)
	default:
		s += " revoke " + a.Hosts.String()
		if a.For > 0 {
			s += " reissue=" + shortDuration(a.For)
		}
		return s
	}
}

// ParseScenario reads a scenario as [Scenario.String] writes it. The error
// names the line, the word, and what would be right.
func ParseScenario(text string) (Scenario, error) {
	var s Scenario
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := s.parseLine(words); err != nil {
			return Scenario{}, fmt.Errorf("line %d: %w", number, err)
		}
	}
	filled := s.withDefaults()
	if err := filled.validate(); err != nil {
		return Scenario{}, err
	}
	return s, nil
}

func (s *Scenario) parseLine(words []string) error {
	one := func() (string, error) {
		if len(words) < 2 {
			return "", fmt.Errorf("%s: want a value after it", words[0])
		}
		return words[1], nil
	}
	word, err := one()
	if err != nil && words[0] != "plane" && words[0] != "network" {
		return err
	}
	switch words[0] {
	case "seed":
		if s.Seed, err = strconv.ParseUint(word, 10, 64); err != nil {
			return fmt.Errorf("seed %q: want a whole number", word)
		}
		return nil
	case "fleet":
		if s.Fleet.Hosts, err = strconv.Atoi(word); err != nil {
			return fmt.Errorf("fleet %q: want how many hosts there are", word)
		}
		return parseSettings(&s.Fleet, words[2:], fleetSettings)
	case "plane":
		return parseSettings(&s.Plane, words[1:], planeSettings)
	case "network":
		return parseSettings(&s.Network, words[1:], networkSettings)
	case "rollout":
		r := Rollout{ID: wire.RolloutID(word)}
		if err := parseSettings(&r, words[2:], rolloutSettings); err != nil {
			return err
		}
		s.Rollouts = append(s.Rollouts, r)
		return nil
	case "at":
		return s.parseAt(words)
	case "active":
		if s.Active, err = time.ParseDuration(word); err != nil {
			return fmt.Errorf("active %q: want a duration, for instance 10m", word)
		}
		return nil
	case "converge":
		value, found := strings.CutPrefix(word, "within=")
		if s.Converge, err = time.ParseDuration(value); err != nil || !found {
			return fmt.Errorf("converge %q: want within=DURATION", word)
		}
		return nil
	}
	return fmt.Errorf("%q: want seed, fleet, plane, network, rollout, at, active or converge", words[0])
}

// parseAt reads a fault or an act.
func (s *Scenario) parseAt(words []string) error {
	if len(words) < 4 {
		return fmt.Errorf("want at TIME and a fault or resume, clear, revoke with what they are about")
	}
	at, err := time.ParseDuration(words[1])
	if err != nil {
		return fmt.Errorf("%q: want a duration, for instance 90s", words[1])
	}
	a := Act{At: at}
	switch words[2] {
	case "resume":
		a.Kind, a.Rollout = ActResume, wire.RolloutID(words[3])
	case "clear":
		if len(words) != 5 {
			return fmt.Errorf("clear: want a channel and a closure")
		}
		a.Kind, a.Channel, a.Closure = ActClear, wire.Channel(words[3]), wire.Closure(words[4])
	case "revoke":
		a.Kind = ActRevoke
		if a.Hosts, err = ParseHosts(words[3]); err != nil {
			return fmt.Errorf("%q: %w", words[3], err)
		}
		if len(words) > 4 {
			value, found := strings.CutPrefix(words[4], "reissue=")
			if a.For, err = time.ParseDuration(value); err != nil || !found {
				return fmt.Errorf("%q: want reissue=DURATION", words[4])
			}
		}
	default:
		f, err := ParseFault(strings.Join(words, " "))
		if err != nil {
			return err
		}
		s.Faults = append(s.Faults, f)
		return nil
	}
	s.Acts = append(s.Acts, a)
	return nil
}
