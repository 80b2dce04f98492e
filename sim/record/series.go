package record

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// A series has at most maxBuckets buckets. When a run outgrows them, every two
// become one, so that a recording's size does not depend on the run's length.
const (
	maxBuckets  = 4096
	firstBucket = 20 * time.Millisecond
)

// series counts over time.
type series struct {
	Series
	up     int
	others int // requests in the inbox that are no heartbeats
}

// at returns the bucket of an instant, which is the last one.
func (s *series) at(now time.Duration) *Bucket {
	for int(now/s.Width) >= maxBuckets {
		s.halve()
	}
	for int(now/s.Width) >= len(s.Buckets) {
		next := Bucket{Known: -1}
		if n := len(s.Buckets); n > 0 {
			last := &s.Buckets[n-1]
			next = Bucket{Depth: last.inside, inside: last.inside, Others: last.others, others: last.others, Capacity: last.Capacity, Up: last.Up, Known: last.Known, Reachable: last.Reachable, Records: last.Records}
		}
		s.Buckets = append(s.Buckets, next)
	}
	return &s.Buckets[len(s.Buckets)-1]
}

// halve makes one bucket of every two.
func (s *series) halve() {
	half := s.Buckets[:0]
	for i := 0; i < len(s.Buckets); i += 2 {
		b := s.Buckets[i]
		if i+1 < len(s.Buckets) {
			second := &s.Buckets[i+1]
			first := b
			b = *second
			b.Depth, b.Others = max(b.Depth, first.Depth), max(b.Others, first.Others)
			b.Answered += first.Answered
			for r := range b.Refused {
				b.Refused[r] += first.Refused[r]
			}
		}
		half = append(half, b)
	}
	s.Buckets = half
	s.Width *= 2
}

// sample looks at the world at the end of a step.
func (s *series) sample(w *world.World) {
	b := s.at(w.Now())
	b.inside, b.others = 0, s.others
	if w.PlaneUp() {
		b.inside = w.InboxDepth()
	}
	b.Depth, b.Others = max(b.Depth, b.inside), max(b.Others, b.others)
	b.Capacity = w.Capacity()
	b.Up = s.up
	b.Known, b.Reachable = -1, 0
	b.Records = [len(wire.States)]int{}
	if !w.PlaneServing() {
		return
	}
	stats := w.Plane().Stats()
	b.Known, b.Reachable = stats.HostsReachable+stats.HostsUnreachable+stats.HostsNeverSeen, stats.HostsReachable
	for i, state := range wire.States {
		b.Records[i] = stats.Records[state]
	}
}

// answered counts an answer.
func (s *series) answered(now time.Duration, code wire.Code) {
	b := s.at(now)
	b.Answered++
	if code.Unavailable() {
		b.Refused[code-wire.UnavailableCodes[0]]++
	}
}
