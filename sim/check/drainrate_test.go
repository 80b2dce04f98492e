package check

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/world"
)

// PROTOCOL G4: the distance of two slots is the time that one input takes, by what
// finished in the last 7 to 8 s in which the inbox was not empty, between an inbox-full
// a second and one in an interval.
func TestDrainRate_IsOfTheTimeInWhichTheInboxIsNotEmpty(t *testing.T) {
	w, err := world.New(parsed(t, "fleet 3\nplane capacity=20\nrollout stable@r1 target=c1\n"), world.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		name      string
		every     time.Duration // an input finishes
		n         int
		idle      time.Duration // then the inbox is empty
		near, far time.Duration
	}{
		{"nothing has finished", time.Second, 0, 0, time.Second, time.Second},
		{"ten a second", 100 * ms, 100, 0, 7000 * ms / 81, 8000 * ms / 69},
		{"idle for an hour after it", 100 * ms, 100, time.Hour, 7000 * ms / 81, 8000 * ms / 70},
		{"fewer than an inbox-full in an interval", 5 * time.Second, 6, 0, time.Second, time.Second},
		{"more than an inbox-full a second", ms, 9000, 0, 50 * ms, 50 * ms},
	} {
		var d drainRate
		now := time.Second
		d.fills(now)
		for i := range c.n {
			now += c.every
			d.finished(now, true, c.idle > 0 && i == c.n-1)
		}
		got := d.distance(w, now+c.idle)
		if fmt.Sprint(got.near, got.far) != fmt.Sprint(c.near, c.far) {
			t.Errorf("%s: two slots are %v to %v apart; want %v to %v", c.name, got.near, got.far, c.near, c.far)
		}
	}
}
