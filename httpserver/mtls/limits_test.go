package mtls

import (
	"crypto/sha256"
	"net"
	"net/netip"
	"testing"
	"time"
)

// crowd are connections without a network, for the limits and the slots alone.
type crowd struct {
	t  *testing.T
	of *Connections
}

func newCrowd(t *testing.T, limits Limits) *crowd {
	return &crowd{t, NewConnections(limits, time.Now, nil, nil)}
}

// stranger makes a connection from an address; it is not counted yet.
func (c *crowd) stranger(address string) *peer {
	near, far := net.Pipe()
	c.t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	key := c.of.limits.keyOf(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1)))
	return &peer{Conn: near, of: c.of, key: key, closed: make(chan struct{})}
}

// enter opens a connection, and closes the one that has to go.
func (c *crowd) enter(address string) (entered, loser *peer) {
	p := c.stranger(address)
	if loser = c.of.limits.enter(p); loser != nil {
		_ = loser.Close()
	}
	return p, loser
}

func (c *crowd) known(address, certificate string) *peer {
	c.t.Helper()
	p, loser := c.enter(address)
	if loser == p {
		c.t.Fatalf("%s is not let in", address)
	}
	c.of.limits.identified(p, sha256.Sum256([]byte(certificate)))
	return p
}

func (c *crowd) wantCounts(known, strange int) {
	c.t.Helper()
	if k, s, _ := c.of.limits.counts(); k != known || s != strange {
		c.t.Errorf("%d known and %d strange, want %d and %d", k, s, known, strange)
	}
}

func TestLimits_AFullListenerMakesSpaceAtWhoHasTheMost(t *testing.T) {
	c := newCrowd(t, Limits{MaxConnections: 20})
	honest, _ := c.enter("192.0.2.1")
	var flood []*peer
	for range 19 {
		p, loser := c.enter("198.51.100.1")
		if loser != nil {
			t.Fatal("one is closed although there is space")
		}
		flood = append(flood, p)
	}
	if _, loser := c.enter("192.0.2.2"); loser != flood[0] {
		t.Error("a newcomer does not take the place of the oldest one of the flood")
	}
	if _, loser := c.enter("198.51.100.1"); loser != flood[1] {
		t.Error("the flood takes another's place than its own")
	}
	if isClosed(honest) {
		t.Error("the honest one was closed")
	}
	c.wantCounts(0, 20)
}

func TestLimits_ACertificateKeepsEight(t *testing.T) {
	c := newCrowd(t, Limits{MaxConnections: 20})
	var many, few []*peer
	for range 12 {
		many = append(many, c.known("192.0.2.1", "many"))
	}
	for range alwaysAllowed {
		few = append(few, c.known("192.0.2.2", "few"))
	}
	for i := range 4 { // from 12 to 8
		p, loser := c.enter("192.0.2.3")
		if loser != many[i] {
			t.Fatalf("newcomer %d does not take the place of the oldest one above eight", i)
		}
		c.of.limits.identified(p, sha256.Sum256([]byte("new")))
	}
	c.wantCounts(20, 0)
	if p, loser := c.enter("192.0.2.4"); loser != p {
		t.Error("a certificate is left with fewer than eight")
	}
	for _, p := range append(few, many[4:]...) {
		if isClosed(p) {
			t.Error("one of eight was closed")
		}
	}
	_, _, refused := c.of.limits.counts()
	if refused != [3]uint64{0, 4, 1} {
		t.Errorf("refused %v by %v", refused, refusedReasons)
	}
}

func TestLimits_AnAddressIsANetworkOfIPv6AndNoExemptOne(t *testing.T) {
	c := newCrowd(t, Limits{ExemptAddresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
		{"10.0.0.1", "10.0.0.1", false},
	} {
		if got := c.stranger(test.a).key == c.stranger(test.b).key; got != test.same {
			t.Errorf("%s and %s: the same is %v", test.a, test.b, got)
		}
	}
}

func TestLimits_EveryCountEndsAtNone(t *testing.T) {
	c := newCrowd(t, Limits{MaxConnections: 10})
	var open []*peer
	for i := range 40 {
		p, _ := c.enter([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}[i%3])
		if i%4 == 0 {
			c.of.limits.identified(p, sha256.Sum256([]byte{byte(i % 8)}))
		}
		open = append(open, p)
	}
	for _, p := range open {
		_, _ = p.Close(), p.Close()
	}
	c.wantCounts(0, 0)
	if l := c.of.limits; len(l.strange)+len(l.certs)+len(l.longest)+len(l.heaviest) != 0 {
		t.Errorf("something is left: %+v", l)
	}
}

func TestHandshakes_SlotsGoToTheAddressesInTurn(t *testing.T) {
	c := newCrowd(t, Limits{})
	h := c.of.handshakes
	h.max, h.maxOfAddress = 4, 3
	has := func(w *waiter) bool {
		select {
		case <-w.granted:
			return true
		default:
			return false
		}
	}
	a, b := c.stranger("192.0.2.1").key, c.stranger("192.0.2.2").key
	var ofA, ofB []*waiter
	for range 6 {
		ofA = append(ofA, h.enter(a))
	}
	for range 3 {
		ofB = append(ofB, h.enter(b))
	}
	want := func(when string, nA, nB int) {
		t.Helper()
		for i, w := range ofA {
			if has(w) != (i < nA) {
				t.Errorf("%s: slot %d of the first address: %v", when, i, has(w))
			}
		}
		for i, w := range ofB {
			if has(w) != (i < nB) {
				t.Errorf("%s: slot %d of the second address: %v", when, i, has(w))
			}
		}
	}
	free := func(key addressKey) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.free(key)
	}
	want("at first", 3, 1)
	free(a)
	want("one is free", 4, 1) // the first address was waiting before the second
	free(a)
	want("the next one is free", 4, 2)
	h.abandon(a, ofA[4]) // it gives up
	h.abandon(b, ofB[1]) // and so does one that has a slot
	if running, waiting := h.counts(); running != 4 || waiting != 1 {
		t.Errorf("%d run and %d wait, want 4 and 1", running, waiting)
	}
}

func TestHandshakes_WhoClosesDoesNotWaitOn(t *testing.T) {
	c := newCrowd(t, Limits{})
	c.of.handshakes.max = 1
	first, second, third := c.stranger("192.0.2.1"), c.stranger("192.0.2.2"), c.stranger("192.0.2.3")
	if err := c.of.handshakes.acquire(first); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.of.handshakes.acquire(second) }()
	_ = second.Close()
	if err := <-ended; err != errBusy {
		t.Errorf("got %v, want %v", err, errBusy)
	}
	past := time.Now().Add(-time.Second)
	third.deadline.Store(&past)
	if err := c.of.handshakes.acquire(third); err != errBusy {
		t.Errorf("got %v, want %v", err, errBusy)
	}
	_ = first.Close()
	if running, waiting := c.of.handshakes.counts(); running+waiting+len(c.of.handshakes.addresses) != 0 {
		t.Errorf("%d run and %d wait, want none", running, waiting)
	}
}
