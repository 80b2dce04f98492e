package random

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Known values of SplitMix64 with the seeds 0 and 1234567, so that a change of
// the generator, which would change every run, is seen.
func TestAStreamIsSplitMix64(t *testing.T) {
	for seed, want := range map[uint64][3]uint64{
		0:       {0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F},
		1234567: {6457827717110365317, 3203168211198807973, 9817491932198370423},
	} {
		s := Stream{state: seed}
		for i, w := range want {
			if got := s.Uint64(); got != w {
				t.Errorf("seed %d: number %d is %d, want %d", seed, i, got, w)
			}
		}
	}
}

// The streams of a run differ by purpose and by node, and runs by seed: no two
// of many begin alike, or run into one another.
func TestStreamsAreApart(t *testing.T) {
	seen := make(map[uint64][3]any)
	for seed := range uint64(6) {
		for _, purpose := range []string{"", "a", "b", "ab", "ba", "net/up", "net/down", "machine", "agent", "disk", "operator"} {
			for node := range 60 {
				s := New(seed, purpose, node)
				for range 20 {
					n := s.Uint64()
					if other, there := seen[n]; there {
						t.Fatalf("seed %d %q %d gives %d, as %v did", seed, purpose, node, n, other)
					}
					seen[n] = [3]any{seed, purpose, node}
				}
			}
		}
	}
}

func TestTheSameStreamGivesTheSameNumbers(t *testing.T) {
	a, b := New(7, "net/up", 3), New(7, "net/up", 3)
	for i := range 100 {
		if x, y := a.Uint64(), b.Uint64(); x != y {
			t.Fatalf("number %d is %d and %d", i, x, y)
		}
	}
}

// Neighbouring streams are not correlated: half of the bits agree.
func TestNeighbouringStreamsDoNotFollowOneAnother(t *testing.T) {
	const draws = 4000
	for node := range 20 {
		a, b := New(1, "net/up", node), New(1, "net/up", node+1)
		same := 0
		for range draws {
			x := ^(a.Uint64() ^ b.Uint64())
			for ; x != 0; x &= x - 1 {
				same++
			}
		}
		// 256,000 fair bits: the standard deviation is 253.
		if mean := draws * 64 / 2; math.Abs(float64(same-mean)) > 6*253 {
			t.Errorf("streams %d and %d agree in %d of %d bits", node, node+1, same, draws*64)
		}
	}
}

// IntN gives every number its share, also where n is no power of two. The bound
// of chi-squared is exceeded once in some millions of draws, and the draws are
// always the same.
func TestIntNIsFair(t *testing.T) {
	s := New(1, "fair", 0)
	for _, n := range []int{2, 3, 7, 10, 64, 100, 1000} {
		const share = 2000
		counts := make([]int, n)
		for range n * share {
			counts[s.IntN(n)]++
		}
		chi := 0.0
		for _, c := range counts {
			chi += float64((c-share)*(c-share)) / share
		}
		// Of n-1 degrees of freedom, in the approximation of Wilson and Hilferty.
		k := float64(n - 1)
		const z = 5
		bound := k * math.Pow(1-2/(9*k)+z*math.Sqrt(2/(9*k)), 3)
		if chi > bound {
			t.Errorf("n=%d: chi-squared is %.1f, want at most %.1f", n, chi, bound)
		}
	}
}

func TestIntNStaysBelowN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Stream{state: rapid.Uint64().Draw(t, "state")}
		n := rapid.IntRange(1, math.MaxInt).Draw(t, "n")
		for range 20 {
			if got := s.IntN(n); got < 0 || got >= n {
				t.Fatalf("IntN(%d) is %d", n, got)
			}
		}
	})
}

func TestIntNOfNothingIsADefect(t *testing.T) {
	for _, n := range []int{0, -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("IntN(%d) gives a number", n)
				}
			}()
			s := New(1, "none", 0)
			s.IntN(n)
		}()
	}
}

func TestBetweenKeepsToItsBoundsAndReachesBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Stream{state: rapid.Uint64().Draw(t, "state")}
		lo := time.Duration(rapid.Int64Range(-math.MaxInt64/2, math.MaxInt64/2).Draw(t, "lo"))
		hi := time.Duration(rapid.Int64Range(-math.MaxInt64/2, math.MaxInt64/2).Draw(t, "hi"))
		for range 20 {
			got := s.Between(lo, hi)
			if hi <= lo && got != lo || hi > lo && (got < lo || got > hi) {
				t.Fatalf("Between(%v, %v) is %v", lo, hi, got)
			}
		}
	})
	s := New(1, "bounds", 0)
	seen := map[time.Duration]bool{}
	for range 200 {
		seen[s.Between(-1, 2)] = true
	}
	for d := time.Duration(-1); d <= 2; d++ {
		if !seen[d] {
			t.Errorf("Between(-1, 2) was never %d", d)
		}
	}
}

func TestAChanceIsOfAThousand(t *testing.T) {
	s := New(1, "chance", 0)
	for _, perMille := range []int{1, 50, 500, 999} {
		const draws = 200_000
		hits := 0
		for range draws {
			if s.Chance(perMille) {
				hits++
			}
		}
		p := float64(perMille) / 1000
		if deviation := math.Sqrt(draws * p * (1 - p)); math.Abs(float64(hits)-draws*p) > 5*deviation {
			t.Errorf("%d of a thousand came %d times of %d", perMille, hits, draws)
		}
	}
}

// What is certain draws nothing: a network without loss costs nothing, and a
// fault that cannot strike reshuffles nothing.
func TestACertainChanceDrawsNothing(t *testing.T) {
	s := New(1, "chance", 0)
	before := s
	for _, c := range []struct {
		perMille int
		want     bool
	}{{-5, false}, {0, false}, {1000, true}, {1005, true}} {
		if got := s.Chance(c.perMille); got != c.want {
			t.Errorf("Chance(%d) is %v", c.perMille, got)
		}
	}
	if got := s.Between(time.Second, time.Second); got != time.Second || s != before {
		t.Errorf("Between of one value is %v, and the stream moved: %v", got, s != before)
	}
}
