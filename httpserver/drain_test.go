package httpserver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// TestDrain_ClosesConnectionsOneByOne has three connections and two polls that
// wait, drained over 40 s: a turn every 6 s.
func TestDrain_ClosesConnectionsOneByOne(t *testing.T) { // PROTOCOL D3, G7
	const over = 40 * time.Second
	h := start(t, func(c *Config) { c.DrainTime = over })
	hosts := []string{"a", "b", "c"}
	var clients []*client
	for _, host := range hosts {
		c := h.agent(host)
		a := c.heartbeat(host)
		a.want(t, wire.OK)
		if a.last {
			t.Fatal("a connection is closed before the shutdown")
		}
		clients = append(clients, c)
	}
	polls := []<-chan answer{
		h.agent("d").begin(http.MethodGet, dispatchPath+"?wait=60", ""),
		h.agent("e").begin(http.MethodGet, dispatchPath+"?wait=60", ""),
	}
	h.waiting(2)

	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel) // or a failed test waits for a clock that stands still
	ended := make(chan error, 1)
	go func() { ended <- h.server.Shutdown(ctx) }()
	// The first turn is at once. Those of polls are seen as polls that wait, the
	// others by the next answer: with it the connection is closed, and the next
	// heartbeat comes over a new one, which is closed as well.
	turned := map[string]bool{}
	turns := func() int {
		for i, c := range clients {
			a := c.heartbeat(hosts[i])
			a.want(t, wire.OK)
			if turned[hosts[i]] && !a.last {
				t.Fatalf("a connection of %s that was made while the server drains is kept", hosts[i])
			}
			turned[hosts[i]] = a.last
		}
		n := 2 - h.server.WaitingPolls()
		for _, closed := range turned {
			if closed {
				n++
			}
		}
		return n
	}
	for i := range 5 {
		h.eventually(fmt.Sprintf("turn %d", i+1), func() bool { return turns() == i+1 })
		if status, body := h.ops("/readyz"); status != http.StatusServiceUnavailable || !strings.HasPrefix(body, "draining") {
			t.Errorf("readyz says %d %s", status, body)
		}
		if status, body := h.ops("/livez"); status != http.StatusOK {
			t.Errorf("livez says %d %s", status, body)
		}
		if h.server.admission.isClosed() {
			t.Fatal("the gate is closed before the time is over")
		}
		if i < 4 {
			h.clock.Add(6*time.Second - 1)
			if n := turns(); n != i+1 {
				t.Fatalf("%d turns a moment before turn %d", n, i+2)
			}
			h.clock.Add(1)
		}
	}
	for _, poll := range polls {
		a := <-poll
		a.want(t, wire.Closed)
		if !a.last || a.header.Get(wire.HeaderRetryAfter) == "" {
			t.Errorf("the poll is answered %v %v", a, a.header)
		}
	}
	// A poll that comes now does not wait; one without a wait is asked as ever.
	h.agent("d").do(http.MethodGet, dispatchPath+"?wait=60", "").want(t, wire.Closed)
	h.agent("d").do(http.MethodGet, dispatchPath, "").want(t, wire.NoContent)
	h.clock.Add(over - 4*6*time.Second)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestDrain_AtOnceAnswersPollsInOrder shuts a server down without a drain while 100
// polls wait. Which poll comes first decides on its Retry-After, so that the order
// is that of the hosts' names (PROTOCOL D3, G4), whichever goroutine wakes first.
func TestDrain_AtOnceAnswersPollsInOrder(t *testing.T) {
	h := start(t, func(c *Config) { c.InboxCapacity = 8 }) // slots are at least 1/8 s apart
	const n = 100
	var polls [n]<-chan answer
	for i := range n {
		polls[i] = h.agent(fmt.Sprintf("h%02d", i)).begin(http.MethodGet, dispatchPath+"?wait=60", "")
		h.waiting(i + 1) // the inbox has no room for all of them at once
	}
	if err := h.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	before := 0
	for i, poll := range polls {
		a := <-poll
		a.want(t, wire.Closed)
		after, err := strconv.Atoi(a.header.Get(wire.HeaderRetryAfter))
		if err != nil || after < before || !a.last {
			t.Errorf("poll %d is told to come back after %d s (%v), the one before after %d s; last of its connection: %v",
				i, after, err, before, a.last)
		}
		before = after
	}
	if before < 3 {
		t.Errorf("the last of %d polls is told to come back after %d s; at 8 a second it is later", n, before)
	}
}

func TestDrain_WithoutAConnectionIsOverAtOnce(t *testing.T) {
	h := start(t, func(c *Config) { c.DrainTime = time.Hour })
	if err := h.server.Shutdown(context.Background()); err != nil { // the clock stands still
		t.Error(err)
	}
}

func TestDrain_EndsWithItsContext(t *testing.T) {
	h := start(t, func(c *Config) { c.DrainTime = time.Hour })
	c := h.agent("a")
	c.heartbeat("a").want(t, wire.OK)
	poll := h.agent("b").begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.waiting(1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.server.Shutdown(ctx) }()
	h.eventually("it drains", func() bool { status, _ := h.ops("/readyz"); return status != http.StatusOK })
	cancel()
	// The connection may be cut before its answer is out, since there was no time
	// at all.
	if a := <-poll; a.err == nil {
		a.want(t, wire.Closed)
	}
	if err := <-ended; err != nil && !strings.Contains(err.Error(), "still in the inbox") {
		t.Error(err)
	}
	h.wantUncleanShutdown = true // the loop may have had no time
}
