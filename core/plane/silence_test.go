package plane_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// silence is PROTOCOL L1 to L3 written out naively: on the driver's own clock,
// with a list of the times that are credited, walking over every host at every
// tick.
type silence struct {
	interval, stall time.Duration

	now, lastTick time.Duration
	heard         map[wire.Hostname]time.Duration
	gone          map[wire.Hostname]bool
	credits       []span // in order, apart from each other
	suspects      bool
	since         time.Duration // of the judgement that raised or kept the suspicion
	suspicions    int
}

type span struct{ from, to time.Duration }

func newSilence(cfg plane.Config) *silence {
	return &silence{
		interval: cfg.HeartbeatInterval, stall: cfg.StallAfter,
		heard: map[wire.Hostname]time.Duration{}, gone: map[wire.Hostname]bool{},
	}
}

// uncredited is how much of the time from an instant to now counts (L2).
func (s *silence) uncredited(from time.Duration) time.Duration {
	counts := s.now - from
	for _, c := range s.credits {
		counts -= max(0, c.to-max(c.from, from))
	}
	return counts
}

// credit credits the time from an instant to now, but for what is credited
// already.
func (s *silence) credit(from time.Duration) {
	var kept []span
	for _, c := range s.credits {
		if c.to <= from {
			kept = append(kept, c)
			continue
		}
		from = min(from, c.from)
	}
	if from < s.now {
		kept = append(kept, span{from, s.now})
	}
	s.credits = kept
}

// step takes an input and reports which hosts became unreachable by it.
func (s *silence) step(now wire.Instant, in plane.Input) map[wire.Hostname]bool {
	if _, starts := in.(*plane.Started); starts {
		s.now, s.lastTick, s.credits, s.suspects = now.Mono, now.Mono, nil, false
		for h := range s.heard {
			s.heard[h], s.gone[h] = now.Mono, false
		}
		return nil
	}
	before := s.now
	s.now = now.Mono
	if s.now-before > s.stall {
		s.credit(before)
	}
	switch in := in.(type) {
	case *plane.Heartbeat:
		s.hear(in.Request.Hostname)
	case *plane.Event:
		s.hear(in.Envelope.Hostname)
	case *plane.Poll:
		s.hear(in.Hostname)
	case *plane.OpenRollout:
		for _, h := range in.Manifest.Hosts {
			if _, known := s.heard[h.Hostname]; !known {
				s.hear(h.Hostname) // a host counts as heard when it becomes known
			}
		}
	case *plane.Tick:
		if in.Impaired {
			s.credit(s.lastTick)
		}
		s.lastTick = s.now
		return s.judge()
	}
	return nil
}

func (s *silence) hear(h wire.Hostname) {
	s.heard[h], s.gone[h] = s.now, false
}

// judge is L1 and L3.
func (s *silence) judge() map[wire.Hostname]bool {
	if s.suspects && s.uncredited(s.since) < s.interval {
		return nil
	}
	due := map[wire.Hostname]bool{}
	soon, hears, expected := 0, 0, 0
	for h, heard := range s.heard {
		if s.gone[h] {
			continue
		}
		expected++
		silent := s.uncredited(heard)
		if silent >= 3*s.interval {
			due[h] = true
		}
		if silent+s.interval >= 3*s.interval {
			soon++
		}
		if silent < s.interval {
			hears++
		}
	}
	tooMany := soon >= 10 && 100*soon > 20*len(s.heard)
	if len(due) > 0 && tooMany && !(s.suspects && 2*hears > expected) {
		if !s.suspects {
			s.suspicions++
		}
		s.suspects, s.since = true, s.now
		return nil
	}
	s.suspects = false
	for h := range due {
		s.gone[h] = true
	}
	return due
}

// compare compares the plane's belief about every host, and what it said.
func (s *silence) compare(p *plane.Plane, now wire.Instant, due map[wire.Hostname]bool, notices []plane.Notice) string {
	said := map[wire.Hostname]bool{}
	for _, n := range notices {
		switch n.Kind {
		case plane.NoticeUnreachable:
			if said[n.Hostname] {
				return fmt.Sprintf("said twice that %s is unreachable", n.Hostname)
			}
			said[n.Hostname] = true
		}
	}
	var out plane.Output
	p.Step(now, &plane.QueryHosts{Limit: plane.MaxLimit}, &out)
	hosts := out.Replies[0].Outcome.Document.(*wire.Page[wire.HostStatus]).Items
	if len(hosts) != len(s.heard) {
		return fmt.Sprintf("%d hosts are known; want %d", len(hosts), len(s.heard))
	}
	for _, h := range hosts {
		want := wire.Reachable // all of them spoke before anything else was known of them
		if s.gone[h.Hostname] {
			want = wire.Unreachable
		}
		if h.Reachability != want {
			return fmt.Sprintf("%s is %v after %v of silence that counts", h.Hostname, h.Reachability, s.uncredited(s.heard[h.Hostname]))
		}
		if said[h.Hostname] != due[h.Hostname] {
			return fmt.Sprintf("said of %s that it is unreachable: %v; want %v", h.Hostname, said[h.Hostname], due[h.Hostname])
		}
		if want := s.uncredited(s.heard[h.Hostname]); time.Duration(h.SilentSeconds) != want/time.Second {
			return fmt.Sprintf("%s is silent for %ds; want %v", h.Hostname, h.SilentSeconds, want)
		}
	}
	if got := p.Stats().Suspicions; got != uint64(s.suspicions) {
		return fmt.Sprintf("%d suspicions; want %d", got, s.suspicions)
	}
	return ""
}

// TestReachabilityFollowsAPlainModel plays hosts that speak and fall silent in
// groups, ticks that are early, punctual, late and impaired, and stalls; all of
// them mostly on the limits of the rules.
func TestReachabilityFollowsAPlainModel(t *testing.T) { // PROTOCOL L1, L2, L3
	rapid.Check(t, func(t *rapid.T) { playSilence(t) })
}

func TestLivenessRunsReachEveryCase(t *testing.T) {
	seen := map[string]int{}
	runs := rapid.Custom(playSilence)
	for seed := range 40 {
		for what, n := range runs.Example(seed) {
			seen[what] += n
		}
	}
	for _, what := range []string{
		"unreachable", "suspected", "unreachable after a suspicion", "several unreachable at once",
		"reachable again", "a stall", "an impaired tick", "a start", "suspicion kept",
	} {
		if seen[what] == 0 {
			t.Errorf("never in 40 runs: %s", what)
		}
		t.Logf("%6d %s", seen[what], what)
	}
}

// playSilence plays one run and returns what happened in it.
func playSilence(t *rapid.T) map[string]int {
	cfg := plane.Config{HeartbeatInterval: 4 * time.Second, StallAfter: 2 * time.Second}
	p, err := plane.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := newSilence(cfg)
	seen := map[string]int{}
	now := time.Duration(0)
	step := func(in plane.Input) {
		var out plane.Output
		suspected := s.suspects
		due := s.step(instant(now), in)
		p.Step(instant(now), in, &out)
		if problem := s.compare(p, instant(now), due, out.Notices); problem != "" {
			t.Fatalf("%v %v: %s", now, in, problem)
		}
		if err := p.Check(); err != nil {
			t.Fatalf("%v %v: %v", now, in, err)
		}
		for _, n := range out.Notices {
			switch n.Kind {
			case plane.NoticeUnreachable:
				seen["unreachable"]++
				if suspected {
					seen["unreachable after a suspicion"]++
				}
			case plane.NoticeReachable:
				seen["reachable again"]++
			case plane.NoticeObserverSuspect:
				seen["suspected"]++
			}
		}
		if len(due) > 1 {
			seen["several unreachable at once"]++
		}
		if _, ticks := in.(*plane.Tick); ticks && suspected && s.suspects && s.since == now {
			seen["suspicion kept"]++
		}
	}
	// say lets a run of hosts say something.
	say := func(from, to int) {
		for i := from; i < to; i++ {
			step(&plane.Poll{Hostname: wire.Hostname(fmt.Sprintf("h%03d", i))})
		}
	}
	known := rapid.SampledFrom([]int{50, 12, 9, 10, 11, 49, 51, 60, 1}).Draw(t, "hosts")
	step(&plane.Started{})
	say(0, known)
	for range rapid.IntRange(5, 40).Draw(t, "steps") {
		switch rapid.SampledFrom([]string{"tick", "wait", "speak", "speak", "impaired", "stall", "newcomers", "start"}).Draw(t, "step") {
		case "tick":
			now += rapid.SampledFrom([]time.Duration{time.Second, cfg.StallAfter, 1, 0}).Draw(t, "after")
			step(&plane.Tick{})
		case "wait": // in punctual ticks to about an interval, or to its limit
			for range rapid.SampledFrom([]int{2, 4, 6, 1}).Draw(t, "ticks") {
				now += cfg.StallAfter
				step(&plane.Tick{})
			}
		case "speak":
			now += rapid.SampledFrom([]time.Duration{0, 1, time.Second}).Draw(t, "after")
			silent := rapid.SampledFrom([]int{known / 5, 0, known/5 + 1, known / 2, known/2 - 1, 9, 10, known - 1}).Draw(t, "silent")
			say(min(max(silent, 0), known), known)
		case "impaired":
			now += rapid.SampledFrom([]time.Duration{time.Second, cfg.StallAfter, 10 * time.Second}).Draw(t, "after")
			seen["an impaired tick"]++
			step(&plane.Tick{Impaired: true})
		case "stall":
			now += rapid.SampledFrom([]time.Duration{cfg.StallAfter + 1, time.Hour}).Draw(t, "after")
			seen["a stall"]++
			step(&plane.Tick{})
		case "newcomers":
			more := rapid.IntRange(1, 5).Draw(t, "more")
			say(known, known+more)
			known += more
		case "start":
			if rapid.IntRange(0, 3).Draw(t, "really") == 2 {
				seen["a start"]++
				p = restored(t, cfg, p.AppendState(nil))
				s.suspicions = 0 // since the plane was made
				now = rapid.SampledFrom([]time.Duration{0, now, now + time.Hour}).Draw(t, "uptime")
				step(&plane.Started{})
			}
		}
	}
	return seen
}
