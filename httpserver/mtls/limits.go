package mtls

import (
	"container/heap"
	"container/list"
	"crypto/sha256"
	"net"
	"net/netip"
	"sync"
)

// alwaysAllowed is how many connections of a certificate are never closed for others:
// an agent of the field keeps a pool for each of its five tasks.
const alwaysAllowed = 8

// addressKey is an address for the limits, as [ClientNetwork] has it. A connection of an
// exempt address is an address of its own, by its number.
type addressKey struct {
	network netip.Prefix
	number  uint64
}

// group are the connections of an address without a certificate that was verified, or
// those of a certificate.
type group struct {
	members list.List // of *peer, the oldest first
	index   int       // in its heap
}

// place is where a connection is counted.
type place struct {
	group   *group // nil if it is not counted
	element *list.Element
	known   bool // by its certificate
	leaf    [sha256.Size]byte
}

// refusal reasons of connections.
const (
	refusedAddress     = "address"
	refusedCertificate = "certificate"
	refusedFull        = "full"
)

// limits bound the open connections of a listener. As long as there is space they do
// nothing. A connection that finds none takes the place of another: the oldest of
// the address that has the most connections without a verified certificate, or of the
// certificate that has the most, if those are still more and more than alwaysAllowed.
type limits struct {
	max    int // 0 for no limit
	exempt []netip.Prefix

	mu       sync.Mutex
	number   uint64
	open     int
	known    int // of open: those with a certificate
	strange  map[addressKey]*group
	certs    map[[sha256.Size]byte]*group
	longest  groupHeap // of strange
	heaviest groupHeap // of certs
	refused  map[string]uint64
}

func newLimits(max int, exempt []netip.Prefix) *limits {
	return &limits{
		max: max, exempt: exempt, strange: make(map[addressKey]*group), certs: make(map[[sha256.Size]byte]*group),
		refused: map[string]uint64{refusedAddress: 0, refusedCertificate: 0, refusedFull: 0},
	}
}

// keyOf is the address of a connection.
func (l *limits) keyOf(addr net.Addr) addressKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	tcp, is := addr.(*net.TCPAddr)
	if !is {
		return addressKey{}
	}
	network, counted := ClientNetwork(tcp.AddrPort().Addr(), l.exempt)
	if !counted {
		l.number++
		return addressKey{number: l.number}
	}
	return addressKey{network: network}
}

// ClientNetwork returns what counts as one client of an address: a whole address of
// IPv4, the network of 64 bits of IPv6, since a subscriber has all of it. counted is
// false if the address is exempt from counting.
func ClientNetwork(ip netip.Addr, exempt []netip.Prefix) (network netip.Prefix, counted bool) {
	ip = ip.Unmap()
	for _, e := range exempt {
		if e.Contains(ip) {
			return netip.Prefix{}, false
		}
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	network, _ = ip.WithZone("").Prefix(bits) // of no address the zero one
	return network, true
}

// enter counts a new connection. If there is no space it makes some, and returns the
// connection that has to be closed for it: the new one itself if no other may be.
func (l *limits) enter(p *peer) (loser *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max > 0 && l.open >= l.max {
		reason := refusedFull
		if loser, reason = l.choose(); loser == nil {
			l.refused[refusedFull]++
			return p
		}
		l.refused[reason]++
		l.remove(loser)
	}
	l.open++
	of := l.strange[p.key]
	if of == nil {
		of = new(group)
		l.strange[p.key] = of
		heap.Push(&l.longest, of)
	}
	l.put(p, of, &l.longest)
	return loser
}

// choose finds the connection whose place is given to another; mu must be held.
func (l *limits) choose() (loser *peer, reason string) {
	most := 0
	if len(l.longest) > 0 {
		most = l.longest[0].members.Len()
	}
	if len(l.heaviest) > 0 {
		if n := l.heaviest[0].members.Len(); n > alwaysAllowed && n > most {
			return l.heaviest[0].members.Front().Value.(*peer), refusedCertificate
		}
	}
	if most == 0 {
		return nil, refusedFull
	}
	return l.longest[0].members.Front().Value.(*peer), refusedAddress
}

func (l *limits) put(p *peer, of *group, in *groupHeap) {
	p.place.group, p.place.element = of, of.members.PushBack(p)
	heap.Fix(in, of.index)
}

// identified counts a connection by its certificate from now on. The client has shown
// that it has the key.
func (l *limits) identified(p *peer, leaf [sha256.Size]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.place.group == nil || p.place.known {
		return
	}
	l.remove(p)
	l.open++
	l.known++
	of := l.certs[leaf]
	if of == nil {
		of = new(group)
		l.certs[leaf] = of
		heap.Push(&l.heaviest, of)
	}
	p.place = place{known: true, leaf: leaf}
	l.put(p, of, &l.heaviest)
}

// leave counts a connection no more.
func (l *limits) leave(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(p)
}

// remove takes a connection out of its group; mu must be held.
func (l *limits) remove(p *peer) {
	of := p.place.group
	if of == nil {
		return
	}
	of.members.Remove(p.place.element)
	in := &l.longest
	if p.place.known {
		in = &l.heaviest
		l.known--
	}
	l.open--
	heap.Fix(in, of.index)
	if of.members.Len() == 0 {
		heap.Remove(in, of.index)
		if p.place.known {
			delete(l.certs, p.place.leaf)
		} else {
			delete(l.strange, p.key)
		}
	}
	p.place = place{}
}

// counts returns the open connections, with and without a certificate, and the refused
// ones by reason.
func (l *limits) counts() (known, strange int, refused [3]uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, reason := range refusedReasons {
		refused[i] = l.refused[reason]
	}
	return l.known, l.open - l.known, refused
}

var refusedReasons = [3]string{refusedAddress, refusedCertificate, refusedFull}

// groupHeap has the group with the most members first.
type groupHeap []*group

// Len implements [heap.Interface].
func (h groupHeap) Len() int { return len(h) }

// Less implements [heap.Interface].
func (h groupHeap) Less(i, j int) bool { return h[i].members.Len() > h[j].members.Len() }

// Swap implements [heap.Interface].
func (h groupHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements [heap.Interface].
func (h *groupHeap) Push(x any) {
	g := x.(*group)
	g.index = len(*h)
	*h = append(*h, g)
}

// Pop implements [heap.Interface].
func (h *groupHeap) Pop() any {
	last := len(*h) - 1
	g := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return g
}
