package gate_test

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
)

// A driver admits two heartbeats, one of which the reducer does not finish in
// time.
func Example() {
	g, err := gate.New[string](gate.Config{ReplyTimeout: 5 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	g.Start(0)
	for _, host := range []wire.Hostname{"web-1", "web-2"} {
		ticket, refusal := g.Offer(time.Second, gate.Host(host), gate.Heartbeat, "heartbeat of "+string(host))
		fmt.Println("offer:", ticket, refusal)
	}

	batch := g.Take(2*time.Second, 256, nil)
	disposal, _ := g.Settle(3*time.Second, batch[0].Ticket)
	fmt.Println("settle:", batch[0].Payload, "-", disposal)

	deadline, _ := g.NextDeadline()
	for _, e := range g.Expire(deadline, nil) {
		fmt.Println("expire:", e.Payload, "-", e.Refusal)
	}
	disposal, _ = g.Settle(deadline, batch[1].Ticket)
	fmt.Println("settle:", batch[1].Payload, "-", disposal)
	// Output:
	// offer: t1 ok
	// offer: t2 ok
	// settle: heartbeat of web-1 - deliver
	// expire: heartbeat of web-2 - timeout retry-after=1s
	// settle: heartbeat of web-2 - discard
}
