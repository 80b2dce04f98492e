package gate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// PROTOCOL G4
func TestRetryAfterIsInWholeSecondsRoundedUpAndAtLeastOne(t *testing.T) {
	for _, c := range []struct{ gap, want time.Duration }{
		{1, time.Second},
		{time.Second - 1, time.Second},
		{time.Second, time.Second},
		{time.Second + 1, 2 * time.Second},
		{59*time.Second + 1, 60 * time.Second},
	} {
		if got := wholeSeconds(c.gap); got != c.want {
			t.Errorf("%s: got %s, want %s", c.gap, got, c.want)
		}
	}
}

// PROTOCOL G4
func TestEachRefusedCallerGetsItsOwnLaterSlot(t *testing.T) {
	c := makeCalendar(60 * time.Second)
	var got []time.Duration
	for i := range 6 {
		got = append(got, c.returnAfter(0, numbered(i), 400*time.Millisecond)/time.Second)
	}
	// The instants are at 1.0, 1.4, 1.8, 2.2, 2.6 and 3.0 s.
	if want := []time.Duration{1, 2, 2, 3, 3, 3}; !slices.Equal(got, want) {
		t.Errorf("got %d, want %d seconds", got, want)
	}
}

// PROTOCOL G4
func TestACallerRefusedAgainBeforeItsSlotIsHeldToIt(t *testing.T) {
	c := makeCalendar(60 * time.Second)
	for i := range 5 {
		c.returnAfter(0, numbered(i), time.Second)
	}
	// h4 was given 5 s.
	for _, q := range []struct{ now, want time.Duration }{
		{0, 5 * time.Second},
		{1, 5 * time.Second},
		{time.Second, 4 * time.Second},
		{3*time.Second + 1, 2 * time.Second},
		{5*time.Second - 1, time.Second},
	} {
		if got := c.returnAfter(q.now, "h4", time.Second); got != q.want {
			t.Errorf("at %s: got %s, want %s", q.now, got, q.want)
		}
	}
	// No other caller was pushed back by it.
	if got := c.returnAfter(4*time.Second, "new", time.Second); got != 2*time.Second {
		t.Errorf("the next caller: got %s, want 2s", got)
	}
}

// PROTOCOL G4
func TestAPromiseWhoseSlotHasComeIsPast(t *testing.T) {
	c := makeCalendar(60 * time.Second)
	c.returnAfter(0, "a", time.Second) // 1 s
	c.returnAfter(0, "b", time.Second) // 2 s
	c.returnAfter(0, "c", time.Second) // 3 s
	// At 2 s the instant of b has come; the free one is at 4 s.
	if got := c.returnAfter(2*time.Second, "b", time.Second); got != 2*time.Second {
		t.Errorf("got %s, want 2s", got)
	}
}

// PROTOCOL G4
func TestAPromiseWhoseSlotHasComeIsPastEvenBehindOneThatHolds(t *testing.T) {
	c := makeCalendar(3 * time.Second)
	for i := range 4 {
		c.returnAfter(0, numbered(i), time.Second) // 1 s, 2 s, 3 s, and 1 s again
	}
	// At 1 s the reservation of h1 still holds and stands before that of h3.
	if got := c.returnAfter(time.Second, "h3", time.Second); got != time.Second {
		t.Errorf("got %s, want the next free instant, 1s", got)
	}
	if c.next != 3*time.Second || c.size() != 4 {
		t.Errorf("the next instant is %s with %d reservations, want 3s and 4", c.next, c.size())
	}
	if err := c.check(); err != nil {
		t.Error(err)
	}
}

// PROTOCOL G4
func TestAForgottenPromiseLeavesItsSlotUnused(t *testing.T) {
	c := makeCalendar(60 * time.Second)
	c.returnAfter(0, "a", time.Second) // 1 s
	c.returnAfter(0, "b", time.Second) // 2 s
	c.forget("a")
	c.forget("a")
	c.forget("unknown")
	if got := c.returnAfter(0, "a", time.Second); got != 3*time.Second {
		t.Errorf("got %s, want 3s", got)
	}
	if err := c.check(); err != nil {
		t.Error(err)
	}
}

// PROTOCOL G4
func TestTheCalendarStartsAgainAtTheFrontBeyondTheWidestSlot(t *testing.T) {
	c := makeCalendar(3 * time.Second)
	var got []time.Duration
	for i := range 5 {
		got = append(got, c.returnAfter(7, numbered(i), time.Second)/time.Second)
	}
	if want := []time.Duration{1, 2, 3, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("got %d, want %d seconds", got, want)
	}
}

// PROTOCOL G4
func TestNoSlotIsEarlierThanASecondFromNow(t *testing.T) {
	c := makeCalendar(60 * time.Second)
	c.returnAfter(0, "a", 100*time.Millisecond)
	// The free instant is at 1.1 s, which is past or too near from 0.1 s on.
	for i, now := range []time.Duration{200 * time.Millisecond, 10 * time.Second} {
		if got := c.returnAfter(now, numbered(i), 100*time.Millisecond); got != time.Second {
			t.Errorf("at %s: got %s, want 1s", now, got)
		}
		if want := now + 1100*time.Millisecond; c.next != want {
			t.Errorf("at %s: the next instant is %s, want %s", now, c.next, want)
		}
	}
}

// PROTOCOL G4
func TestRefusedCallersDoNotComeBackTogether(t *testing.T) {
	// Five thousand hosts are refused in one instant and come back when told.
	const hosts = 5000
	for _, gap := range []time.Duration{time.Second / 1024, time.Second / 500, time.Second / 100, 60 * time.Second / 1024, time.Second} {
		c := makeCalendar(60 * time.Second)
		arrivals := map[time.Duration]int{}
		for i := range hosts {
			arrivals[c.returnAfter(0, numbered(i), gap)]++
		}
		perSecond := int(time.Second/gap) + 1
		instants := int(59*time.Second/gap) + 1
		sweeps := (hosts + instants - 1) / instants
		for after, n := range arrivals {
			if n > perSecond*sweeps {
				t.Errorf("gap %s: %d hosts come back after %s, want at most %d in %d sweeps", gap, n, after, perSecond, sweeps)
			}
		}
		if sweeps == 1 && len(arrivals) < hosts/perSecond {
			t.Errorf("gap %s: the hosts come back in %d seconds, want %d at least", gap, len(arrivals), hosts/perSecond)
		}
	}
}

// PROTOCOL G4
func TestSlotsFollowEachOtherWithinASweep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := makeCalendar(time.Duration(rapid.IntRange(1, 90).Draw(t, "widest")) * time.Second)
		now := time.Duration(0)
		last := time.Duration(0)
		for i := range rapid.IntRange(1, 60).Draw(t, "callers") {
			now += time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "later"))
			gap := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(3*time.Second)).Draw(t, "gap"))
			after := c.returnAfter(now, numbered(i), gap)
			at := c.next - gap
			switch {
			case after < time.Second || after > c.widest || after%time.Second != 0:
				t.Fatalf("retry after %s, the widest is %s", after, c.widest)
			case at-now > after || after-(at-now) >= time.Second:
				t.Fatalf("retry after %s for an instant %s away", after, at-now)
			case at < last && at != now+time.Second:
				t.Fatalf("the instant after %s is %s and does not start a sweep at %s", last, at, now+time.Second)
			}
			last = c.next
			if err := c.check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// PROTOCOL G4
func TestTheMemoryOfPromisesIsBounded(t *testing.T) {
	c := makeCalendar(60 * time.Second)
	c.returnAfter(0, "first", time.Second)
	c.returnAfter(0, "second", time.Second)
	for i := range maxReservations - 1 {
		c.returnAfter(0, numbered(i), time.Second)
	}
	if c.size() != maxReservations || len(c.byCaller) != maxReservations || len(c.ring) != maxReservations {
		t.Fatalf("%d reservations in a ring of %d, %d callers; want %d of each", c.size(), len(c.ring), len(c.byCaller), maxReservations)
	}
	// The oldest reservation was forgotten, the second oldest was not.
	if _, ok := c.byCaller["first"]; ok {
		t.Error("the first reservation is remembered, want it forgotten")
	}
	if got := c.returnAfter(0, "second", time.Second); got != 2*time.Second {
		t.Errorf("got %s, want the reserved 2s", got)
	}
	if err := c.check(); err != nil {
		t.Error(err)
	}
}

// PROTOCOL G4
func TestPastPromisesAreForgottenWithoutBeingAskedFor(t *testing.T) {
	c := makeCalendar(60 * time.Second)
	for i := range 1000 {
		c.returnAfter(0, numbered(i), 10*time.Millisecond)
	}
	c.forget(numbered(999))
	c.returnAfter(11*time.Second, "late", time.Second)
	if c.size() != 1 || len(c.byCaller) != 1 {
		t.Errorf("%d reservations to %d callers, want 1", c.size(), len(c.byCaller))
	}
	for _, p := range c.ring {
		if p.caller != "" && p.caller != "late" {
			t.Fatalf("the ring still has the name of %s", p.caller)
		}
	}
}

func numbered(i int) Caller { return Caller(fmt.Sprintf("h%d", i)) }
