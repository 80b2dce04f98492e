package page

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

// A bar is as wide as it is drawn, its segments do not overlap, and what is there is seen.
func TestABarIsWholeAndShowsWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var counts []count
		for _, n := range rapid.SliceOfN(rapid.Int32Range(0, 1<<30), 1, 7).Draw(t, "counts") {
			counts = append(counts, count{"c", "n", wire.Count(n % (1 << rapid.IntRange(0, 30).Draw(t, "bits")))})
		}
		x, there := 0, 0
		for _, s := range barOf("", counts).Segments {
			if s.X != x || s.Width < leastWidth {
				t.Fatalf("a segment of %v: %+v, want it at %d, at least %d wide", counts, s, x, leastWidth)
			}
			x += s.Width
			there++
		}
		for _, c := range counts {
			if c.N > 0 {
				there--
			}
		}
		if x != barWidth || there > 1 {
			t.Fatalf("the bar of %v is %d wide, with %d segments too many", counts, x, there)
		}
	})
}

func TestABarOfWavesStaysWithinItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		waves := make([]wire.StateCounts, rapid.IntRange(0, 80).Draw(t, "waves"))
		for i := range waves {
			for _, state := range wire.States {
				*waves[i].Of(state) = wire.Count(rapid.IntRange(0, 3).Draw(t, "n") * rapid.SampledFrom([]int{0, 1, 1000}).Draw(t, "of"))
			}
		}
		x := 0
		for _, s := range waveBar("", waves).Segments {
			if s.X < x || s.Width < 1 {
				t.Fatalf("a segment at %d, %d wide, behind %d", s.X, s.Width, x)
			}
			x = s.X + s.Width
		}
		if x > barWidth {
			t.Fatalf("the bar is %d wide", x)
		}
	})
}

func TestTextsOfNumbersAndDurations(t *testing.T) {
	for n, want := range map[any]string{0: "0", 999: "999", wire.Count(1000): "1\u202f000", uint64(1234567): "1\u202f234\u202f567"} {
		if got := number(n); got != want {
			t.Errorf("%v is %q, want %q", n, got, want)
		}
	}
}
