package sim

import "math/bits"

// The trace hash: doc.go says what it covers.

// mix takes words into the trace hash.
func (w *World) mix(words ...uint64) {
	for _, word := range words {
		hi, lo := bits.Mul64(w.hash^word, 0x9E3779B97F4A7C15)
		w.hash = hi ^ lo + 0xD6E8FEB86659FD93
	}
}

// mixString takes bytes into the trace hash, and how many they are.
func (w *World) mixString(s string) { mixText(w, s) }

func mixText[T string | []byte](w *World, s T) {
	w.mix(uint64(len(s)))
	for len(s) >= 8 {
		w.mix(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
		s = s[8:]
	}
	if len(s) == 0 {
		return
	}
	var tail uint64
	for i := range len(s) {
		tail = tail<<8 | uint64(s[i])
	}
	w.mix(tail)
}
