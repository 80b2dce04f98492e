package driver_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
)

// admitted says whether a poll was not refused.
func (r *rig) admitted(q *request) bool {
	code, answered := r.answers[q]
	return !answered || code != wire.Saturated
}

// A host that polls in a tight loop is refused after a burst, and the plane steps
// only what was admitted. Other hosts are admitted meanwhile.
func TestPace_AFloodOfPollsIsRefused(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	admitted := 0
	for i := range 5000 { // 5 s of a poll each millisecond, every other one of which would wait
		q := r.poll("h1", time.Duration(i%2)*time.Minute)
		if r.admitted(q) {
			admitted++
		} else if q.Outcome.RetryAfter < time.Second {
			t.Fatalf("Retry-After is %v; want at least 1s", q.Outcome.RetryAfter)
		}
		r.settle()
		r.now += time.Millisecond
	}
	if want := driver.PollBurst + 4; admitted != want {
		t.Errorf("%d of 5000 polls were admitted in 5s; want %d", admitted, want)
	}
	if stats := r.front.Gate().Stats(); stats.Taken != uint64(admitted) {
		t.Errorf("the plane was given %d polls; want the %d that were admitted", stats.Taken, admitted)
	}
	if got := r.front.PacedPolls(); got != uint64(5000-admitted) {
		t.Errorf("%d polls are counted as refused; want %d", got, 5000-admitted)
	}
	if r.front.Impaired() {
		t.Error("a host that polls too often impairs the plane; want no time credited for that (L2)")
	}
	r.wantWaiting(1)
	other := r.poll("h2", 0)
	r.settle()
	r.want(other, wire.NoContent)
	beat := r.heartbeat("h1")
	r.settle()
	r.want(beat, wire.OK)
}

// A poll that is refused answers no older one: that waits, and gets the work.
func TestPace_APollThatIsRefusedLeavesTheOlderOneAlone(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	for range driver.PollBurst - 1 {
		r.poll("h1", 0)
		r.settle()
	}
	older := r.poll("h1", time.Minute)
	r.settle()
	for range 100 {
		r.want(r.poll("h1", time.Minute), wire.Saturated)
	}
	r.wantNone(older)
	r.opened("r1", "h1")
	r.want(older, wire.OK)
}

// What is refused for another reason says so, and does not count.
func TestPace_WhatTheGateRefusesDoesNotCount(t *testing.T) { // PROTOCOL D3, G1
	r := newRig(t, nil)
	for range 3 * driver.PollBurst {
		r.want(r.poll("h1", time.Minute), wire.NotStarted)
	}
	r.settle()
	for range driver.PollBurst {
		r.wantSettled(r.poll("h1", 0), wire.NoContent)
	}
	r.want(r.poll("h1", 0), wire.Saturated)
	r.front.Close(r.instant())
	r.hear()
	r.want(r.poll("h1", 0), wire.Closed)
}

// wantSettled wants that a request is answered with a code once the worker rests.
func (r *rig) wantSettled(q *request, code wire.Code) {
	r.t.Helper()
	r.settle()
	r.want(q, code)
}

// Two machines with one certificate, which ask again as soon as they are answered
// and wait as long as Retry-After says, settle at one admitted poll a second, and the
// work for their host goes to one of them.
func TestPace_TwoMachinesWithOneCertificateSettle(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	const minutes = 10
	machines := [2]struct {
		open *request
		next time.Duration
	}{}
	var admitted, refused int
	for r.now = 0; r.now < minutes*time.Minute; r.now += 10 * time.Millisecond {
		r.front.Expire(r.instant())
		r.hear()
		for i := range machines {
			m := &machines[i]
			if m.open != nil {
				code, answered := r.answers[m.open]
				if !answered {
					continue
				}
				m.next = r.now
				if code == wire.Saturated {
					m.next += m.open.Outcome.RetryAfter
					refused++
				} else {
					admitted++
				}
				delete(r.answers, m.open)
				m.open = nil
			}
			if r.now >= m.next {
				m.open = r.poll("h1", time.Minute)
				r.settle()
			}
		}
	}
	if limit := driver.PollBurst + minutes*60; admitted > limit || refused > limit {
		t.Errorf("%d polls were admitted in %d minutes and %d refused; want at most %d of each", admitted, minutes, refused, limit)
	}
	t.Logf("in %d minutes %d polls were admitted, %d refused", minutes, admitted, refused)
	r.opened("r1", "h1")
	given := 0
	for i := range machines {
		if q := machines[i].open; q != nil && r.answers[q] == wire.OK {
			given++
		}
	}
	if given != 1 {
		t.Errorf("%d machines are given the dispatch; want one", given)
	}
}

// In no span of time are more polls of a host admitted than the burst and one for
// each second, and none is refused that keeps to that.
func TestPace_HoldsInEverySpanOfTime(t *testing.T) { // PROTOCOL D3
	rapid.Check(t, func(t *rapid.T) {
		r := started(t, nil)
		var at [2][]time.Duration // of the admitted polls of each host
		for range rapid.IntRange(1, 200).Draw(t, "polls") {
			r.now += time.Duration(rapid.SampledFrom([]int64{0, 1, int64(time.Millisecond), int64(time.Second) - 1, int64(time.Second), int64(20 * time.Second)}).Draw(t, "later"))
			host := rapid.IntRange(0, 1).Draw(t, "host")
			q := r.poll(fmt.Sprintf("h%d", host), time.Duration(rapid.IntRange(0, 1).Draw(t, "wait"))*time.Second)
			r.settle()
			full := false // what the rule says, for every span that ends now
			for i, first := range at[host] {
				n := len(at[host]) - i + 1
				full = full || n > driver.PollBurst && r.now-first < time.Duration(n-driver.PollBurst)*driver.PollEvery
			}
			if got := !r.admitted(q); got != full {
				t.Fatalf("a poll of h%d at %v is refused: %v; want %v, after those admitted at %v", host, r.now, got, full, at[host])
			}
			if !full {
				at[host] = append(at[host], r.now)
			}
		}
	})
}
