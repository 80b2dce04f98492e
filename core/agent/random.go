package agent

import (
	"math/bits"
	"time"
)

// random is SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom
// Number Generators", OOPSLA 2014). It is good enough to spread requests, and
// its state is one number that can be written down.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// between returns a duration from low to high, both included, each about as
// likely as the others (Lemire, "Fast Random Integer Generation in an
// Interval", 2019, without its correction, which no jitter needs).
func (r *random) between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	scaled, _ := bits.Mul64(r.next(), uint64(high-low)+1)
	return low + time.Duration(scaled)
}
