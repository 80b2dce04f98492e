package gate

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var testPace = pace{quickest: time.Millisecond, slowest: time.Second}

// PROTOCOL G4
func TestBeforeAnyMeasurementTheFloorHolds(t *testing.T) {
	var d drain
	for _, now := range []time.Duration{0, time.Hour} {
		if got := testPace.gap(&d, now); got != testPace.slowest {
			t.Errorf("at %s: got %s, want %s", now, got, testPace.slowest)
		}
	}
}

// PROTOCOL G4
func TestThePaceIsTheMeasuredOne(t *testing.T) {
	var d drain
	d.fill(0)
	for now := time.Duration(0); now < 20*time.Second; now += 10 * time.Millisecond {
		d.finish(now)
	}
	// A hundred a second, in the seven full windows and the running one.
	if got := testPace.gap(&d, 20*time.Second-1); got < 9900*time.Microsecond || got > 10*time.Millisecond {
		t.Errorf("got %s, want about 10ms", got)
	}
}

// PROTOCOL G4
func TestTimeWithAnEmptyInboxIsNotMeasured(t *testing.T) {
	var d drain
	now := time.Duration(0)
	// Ten inputs of 200 ms each, an hour apart.
	for range 10 {
		d.fill(now)
		now += 200 * time.Millisecond
		d.finish(now)
		d.empty(now)
		now += time.Hour
	}
	if got := testPace.gap(&d, now); got != 200*time.Millisecond {
		t.Errorf("got %s, want 200ms", got)
	}
}

// PROTOCOL G4
func TestAWedgeSlowsThePaceDownToTheFloor(t *testing.T) {
	var d drain
	d.fill(0)
	for now := time.Duration(0); now < 8*time.Second; now += 10 * time.Millisecond {
		d.finish(now)
	}
	last := time.Duration(0)
	for second := 8; second <= 15; second++ {
		got := testPace.gap(&d, time.Duration(second)*time.Second-1)
		if got <= last {
			t.Errorf("at %d s: got %s after %s, want it slower", second, got, last)
		}
		last = got
	}
	if got := testPace.gap(&d, 15*time.Second); got != testPace.slowest {
		t.Errorf("after eight seconds: got %s, want %s", got, testPace.slowest)
	}
}

// PROTOCOL G4
func TestAWindowIsForgottenWhenItsPlaceIsNeeded(t *testing.T) {
	var d drain
	d.fill(0)
	for range 50 {
		d.finish(0)
	}
	// The busy clock jumps by many rounds of the windows, onto the same place.
	d.finish(10 * drainWindows * drainWindow)
	if finished, _ := d.measure(10 * drainWindows * drainWindow); finished != 1 {
		t.Errorf("%d inputs are counted, want 1", finished)
	}
}

// PROTOCOL G4
func TestAShortMeasurementCountsAsASecond(t *testing.T) {
	var d drain
	d.fill(0)
	for range 4 {
		d.finish(50 * time.Microsecond)
	}
	d.empty(50 * time.Microsecond)
	if got := testPace.gap(&d, time.Hour); got != 250*time.Millisecond {
		t.Errorf("got %s, want a quarter of a second", got)
	}
}

// PROTOCOL G4
func TestThePaceStaysWithinItsBounds(t *testing.T) {
	for _, c := range []struct {
		cfg               Config
		quickest, slowest time.Duration
	}{
		{Config{}, time.Second / 1024, 60 * time.Second / 1024},
		{Config{Capacity: 1}, time.Second, time.Second},
		{Config{Capacity: 4}, 250 * time.Millisecond, time.Second},
		{Config{Capacity: 120}, time.Second / 120, 500 * time.Millisecond},
		{Config{Capacity: 10, MaxRetryAfter: time.Second}, 100 * time.Millisecond, 100 * time.Millisecond},
	} {
		p := paceOf(c.cfg.withDefaults())
		if p.quickest != c.quickest || p.slowest != c.slowest {
			t.Errorf("%+v: got %s to %s, want %s to %s", c.cfg, p.quickest, p.slowest, c.quickest, c.slowest)
		}
	}
	var fast, slow drain
	fast.fill(0)
	for range 100_000 {
		fast.finish(time.Millisecond)
	}
	if got := testPace.gap(&fast, time.Millisecond); got != testPace.quickest {
		t.Errorf("fast: got %s, want %s", got, testPace.quickest)
	}
	slow.fill(0)
	slow.finish(0)
	if got := testPace.gap(&slow, 5*time.Second); got != testPace.slowest {
		t.Errorf("slow: got %s, want %s", got, testPace.slowest)
	}
}

// PROTOCOL G4
func TestTheWindowsCountWhatAListOfFinishesSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d drain
		var now, busy time.Duration
		var stamps []time.Duration // of finishes, by the busy clock
		filled := false
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			later := time.Duration(rapid.Int64Range(0, 40).Draw(t, "later")) * 100 * time.Millisecond
			now += later
			if filled {
				busy += later
			}
			switch {
			case !filled:
				d.fill(now)
				filled = true
			case rapid.Bool().Draw(t, "finish"):
				d.finish(now)
				stamps = append(stamps, busy)
			case rapid.Bool().Draw(t, "empty"):
				d.empty(now)
				filled = false
			}
			second := busy.Truncate(time.Second)
			from := max(0, second-7*time.Second)
			recent := slices.DeleteFunc(slices.Clone(stamps), func(s time.Duration) bool { return s < from })
			finished, span := d.measure(now)
			if int(finished) != len(recent) || span != max(busy-from, time.Second) {
				t.Fatalf("at %s, busy for %s: %d in %s, want %d in %s", now, busy, finished, span, len(recent), max(busy-from, time.Second))
			}
		}
	})
}
