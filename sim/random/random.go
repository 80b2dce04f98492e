package random

import (
	"math/bits"
	"time"
)

// Stream is a source of random numbers with a purpose: the delays of one link,
// the start of one host. Streams are independent, so a draw more in one
// changes nothing in the others, and adding a fault does not reshuffle a run.
//
// It is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", OOPSLA 2014), the same on every machine.
type Stream struct{ state uint64 }

// New returns the stream of a purpose and a node under a seed.
func New(seed uint64, purpose string, node int) Stream {
	s := Stream{state: seed}
	h := s.Uint64()
	for i := range len(purpose) {
		h = (h ^ uint64(purpose[i])) * 0x100000001B3
	}
	return Stream{state: h ^ uint64(node+1)*0x9E3779B97F4A7C15}
}

// Uint64 returns the next 64 random bits.
func (s *Stream) Uint64() uint64 {
	s.state += 0x9E3779B97F4A7C15
	z := s.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// IntN returns a number from 0 to n-1. n must be at least 1.
func (s *Stream) IntN(n int) int {
	if n <= 0 {
		panic("random: IntN wants at least 1")
	}
	return int(s.below(uint64(n)))
}

// below returns a number from 0 to n-1.
func (s *Stream) below(n uint64) uint64 {
	hi, _ := bits.Mul64(s.Uint64(), n) // the bias is below n/2⁶⁴
	return hi
}

// Between returns a duration from lo to hi, both included.
func (s *Stream) Between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(s.below(uint64(hi-lo)+1))
}

// Chance reports true perMille times in a thousand. It draws nothing if the
// answer is certain, so that a network without loss costs nothing.
func (s *Stream) Chance(perMille int) bool {
	switch {
	case perMille <= 0:
		return false
	case perMille >= 1000:
		return true
	default:
		return s.IntN(1000) < perMille
	}
}
