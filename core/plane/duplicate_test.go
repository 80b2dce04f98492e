package plane_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

const testInterval = plane.DefaultHeartbeatInterval

// beatsFrom steps heartbeats of h1 in the order of their instants, with the ticks
// between them, and returns the details of the notices of a duplicate identity.
func (b *harness) beatsFrom(beats []sentFrom) (notices []string) {
	b.t.Helper()
	slices.SortFunc(beats, func(a, b sentFrom) int { return int(a.at - b.at) })
	for _, beat := range beats {
		for b.now+5*time.Second <= beat.at {
			b.now += 5 * time.Second
			b.step(&plane.Tick{})
		}
		b.now = max(b.now, beat.at)
		in := heartbeat("h1", "", "c1")
		in.From = beat.address
		b.step(in)
		for _, n := range b.out.Notices {
			if n.Kind == plane.NoticeDuplicateIdentity {
				notices = append(notices, n.Detail)
			}
		}
	}
	return notices
}

// sentFrom is a heartbeat.
type sentFrom struct {
	at      time.Duration
	address string
}

// machine are the heartbeats of a machine that is up from an instant to another.
func machine(t *rapid.T, address string, from, to time.Duration) (beats []sentFrom) {
	for at := from; at < to; {
		beats = append(beats, sentFrom{at, address})
		at += testInterval + time.Duration(rapid.Int64Range(-int64(testInterval/10), int64(testInterval/10)).Draw(t, "jitter"))
	}
	return beats
}

// The first change is kept beyond the next sweep: a machine that comes back in the
// instant after a sweep is noticed as well.
func TestAMachineThatComesBackJustAfterASweepIsNoticed(t *testing.T) { // PROTOCOL L4
	var beats []sentFrom
	for i := range time.Duration(7) {
		beats = append(beats, sentFrom{i * testInterval, "192.0.2.2"}, sentFrom{i*testInterval + 1, "192.0.2.1"})
	}
	b := started(t)
	if notices := b.beatsFrom(beats); len(notices) != 1 {
		t.Errorf("the notices are %q; want one", notices)
	}
}

// Whatever their phases and their jitter, two machines are noticed within six
// intervals in which both were up, once.
func TestTwoMachinesOfOneNameAreNoticed(outer *testing.T) { // PROTOCOL L4
	rapid.Check(outer, func(t *rapid.T) {
		b := started(outer)
		begins := time.Duration(rapid.Int64Range(0, int64(10*testInterval)).Draw(t, "begins"))
		beats := machine(t, "192.0.2.1", 0, begins+6*testInterval)
		beats = append(beats, machine(t, "192.0.2.2", begins, begins+6*testInterval)...)
		notices := b.beatsFrom(beats)
		if len(notices) != 1 || !strings.Contains(notices[0], "192.0.2.1") || !strings.Contains(notices[0], "192.0.2.2") {
			t.Fatalf("the notices are %q; want one, of both addresses", notices)
		}
		shown := slices.Sorted(slices.Values(b.hostStatus("h1").DuplicateIdentity))
		if !slices.Equal(shown, []wire.Name{"192.0.2.1", "192.0.2.2"}) {
			t.Fatalf("the operator is shown %q; want both addresses", shown)
		}
		equal(t, "duplicate identities", b.plane.Stats().DuplicateIdentities, 1)
	})
}

// One machine is never taken for two: not by whatever address each of its
// heartbeats leaves, as through a pool of addresses, while they are answered; and
// not however often it tries again, if it moves but once.
func TestOneMachineIsNeverTakenForTwo(outer *testing.T) { // PROTOCOL L4
	rapid.Check(outer, func(t *rapid.T) {
		b := started(outer)
		beats := machine(t, "", 0, 40*testInterval)
		switch rapid.SampledFrom([]string{"pool", "moves"}).Draw(t, "network") {
		case "pool":
			size := rapid.IntRange(1, 3).Draw(t, "pool")
			for i := range beats {
				beats[i].address = fmt.Sprintf("192.0.2.%d", rapid.IntRange(1, size).Draw(t, "address"))
			}
		case "moves":
			at := rapid.IntRange(0, len(beats)).Draw(t, "moves")
			for i := range beats {
				beats[i].address = map[bool]string{true: "192.0.2.1", false: "192.0.2.2"}[i < at]
			}
			for _, beat := range beats {
				for range rapid.IntRange(0, 4).Draw(t, "retries") {
					beats = append(beats, beat)
				}
			}
			slices.SortStableFunc(beats, func(a, b sentFrom) int { return int(a.at - b.at) })
		}
		if notices := b.beatsFrom(beats); notices != nil {
			t.Fatalf("the notices are %q; want none: %v", notices, beats)
		}
	})
}

// What was noticed is shown until ten intervals after the last sign, and then
// nothing is kept of it.
func TestADuplicateIdentityIsOver(t *testing.T) { // PROTOCOL L4
	b := started(t)
	var beats []sentFrom
	for i := range 12 {
		beats = append(beats, sentFrom{time.Duration(i) * testInterval / 2, fmt.Sprintf("192.0.2.%d", 1+i%2)})
	}
	if got := b.beatsFrom(beats); len(got) != 1 {
		t.Fatalf("the notices are %q; want one", got)
	}
	lines := func() int { return strings.Count(string(b.plane.AppendState(nil)), "\nsenders ") }
	equal(t, "lines", lines(), 1)
	beats = nil
	for i := range 9 {
		beats = append(beats, sentFrom{b.now + time.Duration(i+1)*testInterval, "192.0.2.1"})
	}
	b.beatsFrom(beats)
	equal(t, "addresses shown", len(b.hostStatus("h1").DuplicateIdentity), 2)
	b.beatsFrom([]sentFrom{{b.now + 3*testInterval, "192.0.2.1"}})
	equal(t, "addresses shown", len(b.hostStatus("h1").DuplicateIdentity), 0)
	equal(t, "lines", lines(), 0)
	equal(t, "duplicate identities", b.plane.Stats().DuplicateIdentities, 0)
	b.step(&plane.Started{})
	equal(t, "notices after a start", len(b.beatsFrom([]sentFrom{{b.now, "192.0.2.2"}, {b.now + 1, "192.0.2.1"}})), 0)
}

// A steady host costs no memory beyond its vitals, also where it has moved.
func TestAHostThatMovedOnceIsForgotten(t *testing.T) { // PROTOCOL L4
	b := started(t)
	var beats []sentFrom
	for i := range 10 {
		beats = append(beats, sentFrom{time.Duration(i) * testInterval, map[bool]string{true: "192.0.2.1", false: "192.0.2.2"}[i < 4]})
	}
	b.beatsFrom(beats[:5])
	equal(t, "lines", strings.Count(string(b.plane.AppendState(nil)), "\nsenders "), 1)
	b.beatsFrom(beats[5:])
	equal(t, "lines", strings.Count(string(b.plane.AppendState(nil)), "\nsenders "), 0)
}
