package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
)

// fleetTally counts what the hosts of a fleet see. Many goroutines count.
type fleetTally struct {
	// states counts hosts by the state of their newest rollout; the first is of
	// those without one.
	states [len(wire.States) + 1]atomic.Int64
	// unheard counts hosts that have sent requests and were never answered with
	// 2xx.
	unheard atomic.Int64

	heartbeats, events, polls latencies // those that the plane accepted
	unavailable               [len(wire.UnavailableCodes)]atomic.Int64
	unanswered                atomic.Int64
	replays                   atomic.Int64 // answers that asked for one
	defects, unauthorised     atomic.Int64
	rejected                  atomic.Int64
	unsigned                  atomic.Int64 // dispatches and snapshots that no signed release allows

	problems io.Writer
	mu       sync.Mutex
	// refused counts the other refusals by status and reason, lost the requests
	// without an answer by their cause.
	refused, lost map[string]int64
	reported      map[string]bool // problems that were reported
}

// exchanged counts a request that has ended.
func (t *fleetTally) exchanged(host wire.Hostname, x httpagent.Exchange) {
	switch {
	case x.Defect:
		t.defects.Add(1)
		t.problem(host, x.Err.Error())
	case x.Status == 0:
		t.unanswered.Add(1)
		cause := causeOf(x.Err)
		t.count(&t.lost, cause)
		t.problem(host, "no answer: "+cause)
	case x.Status < 300:
		t.of(x.Kind).add(x.Elapsed)
	case x.Status == http.StatusServiceUnavailable && t.countUnavailable(x.Reason):
	default:
		refusal := fmt.Sprintf("%d %s", x.Status, x.Reason)
		t.count(&t.refused, refusal)
		if x.Status != http.StatusConflict && x.Status != http.StatusNotFound { // the protocol's own
			t.problem(host, "refused: "+refusal)
		}
	}
	if x.Replay {
		t.replays.Add(1)
	}
}

func (t *fleetTally) of(kind agent.RequestKind) *latencies {
	switch kind {
	case agent.RequestHeartbeat:
		return &t.heartbeats
	case agent.RequestEvent:
		return &t.events
	default:
		return &t.polls
	}
}

// countUnavailable counts one of the seven reasons of a 503; anything else is
// not a plane's.
func (t *fleetTally) countUnavailable(reason wire.Name) bool {
	for i, code := range wire.UnavailableCodes {
		if string(reason) == code.Reason() {
			t.unavailable[i].Add(1)
			return true
		}
	}
	return false
}

func (t *fleetTally) count(counts *map[string]int64, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if *counts == nil {
		*counts = make(map[string]int64)
	}
	(*counts)[what]++
}

func (t *fleetTally) counts(counts *map[string]int64) map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(*counts)
}

// maxProblems bounds the kinds of problems that are reported.
const maxProblems = 20

// problem reports a kind of problem once, since a thousand hosts have the same.
func (t *fleetTally) problem(host wire.Hostname, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reported[what] || len(t.reported) >= maxProblems || t.problems == nil {
		return
	}
	if t.reported == nil {
		t.reported = make(map[string]bool)
	}
	t.reported[what] = true
	fmt.Fprintf(t.problems, "note: %s: %s; reported once, counted in the summary\n", host, what)
}

// causeOf says why no answer came, without details that differ from host to
// host.
func causeOf(err error) string {
	var broken *url.Error
	if errors.As(err, &broken) {
		err = broken.Err
	}
	var network *net.OpError
	if errors.As(err, &network) && network.Err != nil {
		return network.Op + ": " + network.Err.Error()
	}
	return err.Error()
}

// latencies counts requests by how long they took: four buckets for each
// doubling of a microsecond.
type latencies struct {
	buckets [4 * 48]atomic.Int64
	longest atomic.Int64 // in nanoseconds
}

func (l *latencies) add(d time.Duration) {
	l.buckets[bucketOf(d)].Add(1)
	for {
		old := l.longest.Load()
		if int64(d) <= old || l.longest.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// bucketOf returns the bucket of a time: the position of its first bit, and the
// two bits that follow it.
func bucketOf(d time.Duration) int {
	n := uint64(max(d/time.Microsecond, 1)) << 2
	position := bits.Len64(n) - 3
	return min(4*position+int(n>>position)&3, 4*48-1)
}

// endOf returns the first time that is beyond a bucket.
func endOf(bucket int) time.Duration {
	position, step := bucket/4, bucket%4
	return time.Duration((uint64(4+step+1)<<position)+3) / 4 * time.Microsecond
}

func (l *latencies) total() (n int64) {
	for i := range l.buckets {
		n += l.buckets[i].Load()
	}
	return n
}

// quantile returns a time that at least a share of the requests did not exceed,
// to a quarter; 0 if there were none.
func (l *latencies) quantile(share float64) time.Duration {
	left := int64(share * float64(l.total()))
	for i := range l.buckets {
		if n := l.buckets[i].Load(); n > 0 {
			if left -= n; left < 0 {
				return min(endOf(i), time.Duration(l.longest.Load()))
			}
		}
	}
	return time.Duration(l.longest.Load())
}
