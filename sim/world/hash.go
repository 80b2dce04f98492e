package world

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

// AppendPlaneState appends the plane's part of the final state that the hash of a
// result covers.
func (w *World) AppendPlaneState(dst []byte) []byte { return w.plane.appendState(dst) }

// AppendHostState appends the part of host number n, from 1.
func (w *World) AppendHostState(n int, dst []byte) []byte { return w.hosts[n-1].appendState(dst) }

// appendState appends the canonical state of the plane and its gate.
func (p *planeNode) appendState(b []byte) []byte {
	if loaded := p.worker.Plane(); loaded != nil {
		b = loaded.AppendState(b)
	}
	return p.front.Gate().AppendState(b)
}

// appendState appends what the host runs, and the canonical state of its agent.
func (h *hostNode) appendState(b []byte) []byte {
	if h.kind == FieldHost {
		return h.appendField(b)
	}
	if h.agent == nil {
		return b
	}
	return h.agent.AppendState(append(b, h.running...))
}
