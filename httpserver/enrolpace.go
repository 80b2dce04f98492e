package httpserver

import (
	"net/netip"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/mtls"
)

// The pace of enrolments (PROTOCOL N6): so many of an address at once, and then one in
// each interval.
const (
	enrolBurst    = 64
	enrolInterval = time.Second / 16
	// maxEnrolAddresses bounds the addresses that are remembered.
	maxEnrolAddresses = 4096
)

// enrolPace bounds the enrolments of each address: whoever can reach the port can send
// them. What it remembers of an address is when its burst is whole again.
type enrolPace struct {
	mu     sync.Mutex
	exempt []netip.Prefix
	whole  map[netip.Prefix]time.Time
}

// admit reports whether an address may send one now, and if not, how much later.
func (p *enrolPace) admit(remote string, now time.Time) (wait time.Duration, ok bool) {
	port, err := netip.ParseAddrPort(remote)
	if err != nil {
		return 0, true // no TCP
	}
	key, counted := mtls.ClientNetwork(port.Addr(), p.exempt)
	if !counted {
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	until := now
	if whole, known := p.whole[key]; known && whole.After(now) {
		until = whole
	} else if len(p.whole) >= maxEnrolAddresses {
		for other, whole := range p.whole {
			if !whole.After(now) {
				delete(p.whole, other)
			}
		}
		if len(p.whole) >= maxEnrolAddresses {
			return enrolBurst * enrolInterval, false
		}
	}
	until = until.Add(enrolInterval)
	if over := until.Sub(now) - enrolBurst*enrolInterval; over > 0 {
		return over, false
	}
	if p.whole == nil {
		p.whole = make(map[netip.Prefix]time.Time)
	}
	p.whole[key] = until
	return 0, true
}

// isInPace bounds the requests of an address on a route that strangers may use.
func (e *exchange) isInPace() bool {
	if !e.endpoint.paced {
		return true
	}
	wait, ok := e.server.enrolment.pace.admit(e.r.RemoteAddr, e.server.cfg.Clock.Now())
	if !ok {
		e.tooMany(wait)
		e.enrolmentRefused("")
	}
	return ok
}

// tooMany is a 429.
func (e *exchange) tooMany(wait time.Duration) {
	e.refuse(wire.TooManyEnrolments, "", "too many enrolments at once, of this address or overall; come back after Retry-After")
	e.outcome.RetryAfter = wait
}
