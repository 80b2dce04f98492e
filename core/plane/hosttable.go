package plane

import (
	"math/bits"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// hostTable finds hosts by name. It is made for a million hosts whose
// heartbeats come in no order, where the time goes into fetching memory: a
// steady heartbeat touches one line of the index and one of the vitals, and
// nothing else (decision 010). Hosts are never forgotten, so there is no
// deletion.
type hostTable struct {
	// index is an open-addressing hash table with linear probing, at most two
	// thirds full; its length is a power of two.
	index []indexSlot
	// vitals and hosts are indexed alike, in the order of becoming known.
	vitals []vitals
	hosts  []host
}

// indexSlot is free if host is 0, and otherwise leads to hosts[host-1].
type indexSlot struct {
	tag  uint32 // the high half of the name's fingerprint
	host uint32
}

// inlineName is how many bytes of a name stand among the vitals. Longer names
// are compared where the host is.
const inlineName = 22

// vitals is what every heartbeat touches of its host: 64 bytes, one cache line.
type vitals struct {
	// heard is when the host was last heard, on the liveness clock.
	heard time.Duration
	// lastHeartbeatAt is the `at` of the last heartbeat (PROTOCOL H1).
	lastHeartbeatAt wire.Time
	// closurePrint is the fingerprint of the closure that the host said last
	// that it runs. If two closures had the same, an operator would be shown
	// the older; nothing is decided by it.
	closurePrint uint32
	// sender is the fingerprint of the address that the last heartbeat came from; 0
	// if that is not known.
	sender uint32
	// active counts the host's active records in rollouts that are not
	// superseded: without any there is nothing to confirm or to tell.
	active int32
	// gone: the host is unreachable.
	gone bool
	// unseen: nothing of the host has ever arrived.
	unseen bool
	// moved: the host is among the senders, see there.
	moved bool
	// field: its last heartbeat or poll was a field agent's. It is only shown (PROTOCOL Y).
	field bool
	// replayRound is the round of replays in which it had its turn (H9).
	replayRound uint8
	nameLen     uint8
	name        [inlineName]byte
}

// find returns the index of a host.
func (t *hostTable) find(name wire.Hostname) (int, bool) {
	if len(t.index) == 0 {
		return 0, false
	}
	print := fingerprint(string(name))
	mask := len(t.index) - 1
	for at := int(print) & mask; ; at = (at + 1) & mask {
		s := t.index[at]
		if s.host == 0 {
			return 0, false
		}
		if i := int(s.host - 1); s.tag == uint32(print>>32) && t.named(i, name) {
			return i, true
		}
	}
}

func (t *hostTable) named(i int, name wire.Hostname) bool {
	v := &t.vitals[i]
	if len(name) != int(v.nameLen) {
		return false
	}
	if len(name) <= inlineName {
		return string(v.name[:len(name)]) == string(name)
	}
	return t.hosts[i].name == name
}

// add makes a host known that is not, and returns its index.
func (t *hostTable) add(name wire.Hostname) int {
	if 3*(len(t.hosts)+1) > 2*len(t.index) {
		t.grow()
	}
	i := len(t.hosts)
	v := vitals{nameLen: uint8(len(name))} // a hostname has at most 253 bytes (T11)
	copy(v.name[:], name)
	t.vitals = append(t.vitals, v)
	t.hosts = append(t.hosts, host{name: name})
	t.insert(i)
	return i
}

func (t *hostTable) insert(i int) {
	print := fingerprint(string(t.hosts[i].name))
	mask := len(t.index) - 1
	at := int(print) & mask
	for t.index[at].host != 0 {
		at = (at + 1) & mask
	}
	t.index[at] = indexSlot{tag: uint32(print >> 32), host: uint32(i + 1)}
}

func (t *hostTable) grow() { t.rehash(max(16, 2*len(t.index))) }

// reserve makes room for n hosts more.
func (t *hostTable) reserve(n int) {
	t.vitals, t.hosts = slices.Grow(t.vitals, n), slices.Grow(t.hosts, n)
	size := max(16, len(t.index))
	for 3*(len(t.hosts)+n) > 2*size {
		size *= 2
	}
	if size > len(t.index) {
		t.rehash(size)
	}
}

func (t *hostTable) rehash(size int) {
	t.index = make([]indexSlot, size)
	for i := range t.hosts {
		t.insert(i)
	}
}

// fingerprint mixes a string into 64 bits, eight bytes at a time, by
// multiplying and folding. It is the same in every process; names come from
// certificates of the fleet's CA, so no stranger floods it.
func fingerprint(s string) uint64 {
	const (
		k0 = 0x9E3779B97F4A7C15 // 2⁶⁴ divided by the golden ratio
		k1 = 0xD6E8FEB86659FD93
	)
	h := uint64(len(s)+1) * k0
	for len(s) >= 8 {
		h = fold(h^eightBytes(s), k1)
		s = s[8:]
	}
	var tail uint64
	for i := range len(s) {
		tail = tail<<8 | uint64(s[i])
	}
	return fold(fold(h^tail, k1), k0)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func eightBytes(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
