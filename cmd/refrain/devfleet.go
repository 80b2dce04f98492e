package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The virtual hosts of the demo: hosts in memory, with agents that follow a
// channel of their own.
const (
	devChannel  wire.Channel = "edge"
	devInterval              = time.Minute // in the hosts' time
)

var devFleetHosts = []string{"host-1", "host-2", "host-3", "host-4", "host-5", "host-6"}

// devWave returns the wave of host i: two hosts in each of three waves.
func devWave(i int) wire.Count { return wire.Count(i / 2) }

// edgeManifest is a rollout for the virtual hosts.
func (d *demo) edgeManifest(name wire.ChannelRef) *wire.Manifest {
	ref := d.ref(name)
	m := &wire.Manifest{
		Channel: devChannel, ChannelRef: ref,
		Policy: wire.Policy{OnHealthFailure: wire.RollbackAndHalt, Waves: []wire.Wave{{SoakMinutes: 1}, {SoakMinutes: 1}, {SoakMinutes: 1}}},
	}
	for i, host := range devFleetHosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{
			Hostname: wire.Hostname(host), Wave: devWave(i), TargetClosure: wire.Closure("edge-" + string(ref)),
		})
	}
	return m
}

// The refs of the virtual hosts' rollouts: the one that the demo opens, and the
// one that it proposes.
const (
	devRef     wire.ChannelRef = "demo"
	devNextRef wire.ChannelRef = "next"
)

// devStory prints a line per change of the virtual hosts.
type devStory struct {
	demo *demo
	w    io.Writer

	mu    sync.Mutex
	start time.Time
	// left has how many hosts of each wave have not converged yet, by rollout.
	left map[wire.RolloutID][]int
}

// runHosts runs the virtual hosts until ctx ends and prints their changes.
func (d *demo) runHosts(ctx context.Context, w io.Writer, speed int) error {
	story := &devStory{demo: d, w: w, start: time.Now(), left: map[wire.RolloutID][]int{}}
	f, err := newFleet(fleetConfig{
		URL: d.url, CAFile: filepath.Join(d.dir, "ca.crt"), Dir: d.dir, Names: devFleetHosts, Interval: devInterval, Speed: speed,
		Seed: 1, Logger: slog.New(slog.DiscardHandler), Problems: w, Noticed: story.noticed,
	})
	if err != nil {
		return err
	}
	if err := d.open(ctx, d.edgeManifest(devRef)); err != nil && !errors.Is(err, errOpenAlready) {
		if ctx.Err() != nil {
			return nil // ended before it began
		}
		return err
	}
	story.heading(speed)
	return f.run(ctx)
}

func (s *devStory) heading(speed int) {
	m := s.demo.edgeManifest(devRef)
	fmt.Fprintf(s.w, "\nThese exist: %s to %s follow the channel %s. Their time runs %d times as fast, so that a minute of soak is %v.\n",
		devFleetHosts[0], devFleetHosts[len(devFleetHosts)-1], m.Channel, speed, (time.Minute / time.Duration(speed)).Round(100*time.Millisecond))
	fmt.Fprintf(s.w, "Rollout %s is open, two hosts a wave:\n\n", m.ID())
}

// noticed prints a change of a record. It is called by the agents' goroutines.
func (s *devStory) noticed(host wire.Hostname, n agent.Notice) {
	if n.Kind != agent.NoticeTransition {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// The waves of a rollout that the demo did not open are not known.
	column, wave := "      ", devWave(slices.Index(devFleetHosts, string(host)))
	known := n.RolloutID == s.demo.edgeManifest(devRef).ID() || n.RolloutID == s.demo.edgeManifest(devNextRef).ID()
	if known {
		column = fmt.Sprintf("wave %d", wave)
	}
	s.line(n.RolloutID, fmt.Sprintf("%s  %-7s %10v → %v", column, host, n.From, n.To))
	if known && n.To == wire.Converged {
		s.converged(n.RolloutID, int(wave))
	}
}

// line prints a line; mu must be held.
func (s *devStory) line(id wire.RolloutID, what string) {
	fmt.Fprintf(s.w, "%7.1fs  %-10s  %s\n", time.Since(s.start).Seconds(), id, what)
}

// converged counts a host that has converged, and prints when its wave or the
// rollout is complete; mu must be held.
func (s *devStory) converged(id wire.RolloutID, wave int) {
	left := s.left[id]
	if left == nil {
		left = make([]int, len(s.demo.edgeManifest(devRef).Policy.Waves))
		for i := range devFleetHosts {
			left[devWave(i)]++
		}
		s.left[id] = left
	}
	if left[wave]--; left[wave] > 0 {
		return
	}
	s.line(id, fmt.Sprintf("wave %d has converged", wave))
	if slices.Max(left) > 0 {
		return
	}
	s.line(id, "the rollout has converged; the hosts go on with their heartbeats")
	if next := s.demo.edgeManifest(devNextRef); id != next.ID() {
		fmt.Fprintf(s.w, "\n# another rollout for them → 201 with its state, and more lines here\n%s\n\n", s.demo.curl(s.demo.openRequest(next)))
	}
}

// quietLog leaves out of the server's log what the lines of the virtual hosts
// say already.
type quietLog struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h quietLog) Handle(ctx context.Context, r slog.Record) error {
	told := false
	if r.Level == slog.LevelInfo {
		r.Attrs(func(a slog.Attr) bool {
			told = a.Key == "rollout" && strings.HasPrefix(a.Value.String(), string(devChannel)+"@")
			return !told
		})
	}
	if told {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h quietLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietLog{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h quietLog) WithGroup(name string) slog.Handler { return quietLog{h.Handler.WithGroup(name)} }
