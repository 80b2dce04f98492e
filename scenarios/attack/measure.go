package attack

import (
	"math"
	"slices"
	"sync"
	"time"
)

// request is a request of an honest host. Times are on the clock of the process.
type request struct {
	at     time.Time // when it was sent; of a poll, when its answer was due
	took   time.Duration
	event  bool // it waits for the disk; heartbeats and polls do not
	failed bool
	done   bool
}

// ledger has every request of the honest hosts. Many goroutines write to it.
type ledger struct {
	mu       sync.Mutex
	requests []*request
	causes   map[string]int // of failures
}

// begin notes a request that is sent now.
func (l *ledger) begin(event bool) *request {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &request{at: time.Now(), event: event}
	l.requests = append(l.requests, r)
	return r
}

// end notes its answer; cause is empty if it was a good one.
func (l *ledger) end(r *request, took time.Duration, cause string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.took, r.failed, r.done = took, cause != "", true
	l.failedFor(cause)
}

// add notes a request that has ended.
func (l *ledger) add(r request, cause string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.failed, r.done = cause != "", true
	l.requests = append(l.requests, &r)
	l.failedFor(cause)
}

func (l *ledger) failedFor(cause string) {
	if cause != "" {
		if l.causes == nil {
			l.causes = make(map[string]int)
		}
		l.causes[cause]++
	}
}

// Window is what honest hosts felt in a part of the time.
type Window struct {
	// Requests is how many were sent, Failed how many of them were not answered with
	// a 2xx.
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
	// P50 and P99 are the times that so many of a hundred answered heartbeats and polls
	// did not exceed, in milliseconds. EventP99 is the same for events, which wait for
	// the disk.
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	EventP99 float64 `json:"event_p99_ms"`
}

// Share is the share of the requests that failed.
func (w Window) Share() float64 { return float64(w.Failed) / float64(max(1, w.Requests)) }

// window judges the requests from one instant to another; ended is false if some have
// not ended yet.
func (l *ledger) window(from, to time.Time) (w Window, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var took, events []time.Duration
	ended = true
	for _, r := range l.requests {
		if r.at.Before(from) || !r.at.Before(to) {
			continue
		}
		w.Requests++
		switch {
		case !r.done:
			ended = false
		case r.failed:
			w.Failed++
		case r.event:
			events = append(events, r.took)
		default:
			took = append(took, r.took)
		}
	}
	slices.Sort(took)
	slices.Sort(events)
	w.P50, w.P99 = quantile(took, 0.5), quantile(took, 0.99)
	w.EventP99 = quantile(events, 0.99)
	return w, ended
}

// failures returns the most frequent causes of failures, and forgets them.
func (l *ledger) failures() (causes map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	causes, l.causes = l.causes, nil
	return causes
}

// quantile returns the time that a share of the sorted times does not exceed, in
// milliseconds; 0 if there are none.
func quantile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := max(0, int(math.Ceil(share*float64(len(sorted))))-1)
	return float64(sorted[i].Microseconds()) / 1000
}
