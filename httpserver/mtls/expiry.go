package mtls

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/internal/certfile"
)

const (
	day = 24 * time.Hour
	// horizon is how soon a client certificate must expire to be remembered.
	horizon = 30 * day
	// maxRemembered bounds how many are: those that expire soonest.
	maxRemembered = 1000
	// maxNamed is how many of them a log line names.
	maxNamed = 5
)

// withins are the times for which expiring client certificates are counted.
var withins = []struct {
	word  string
	limit time.Duration
}{{"1d", day}, {"7d", 7 * day}, {"14d", 14 * day}, {"30d", horizon}}

// clientExpiries remembers the client certificates that expire soon, by common name.
// No metric has the name of a host, so the names are for the log; a host that shows a
// certificate with a later end is forgotten.
type clientExpiries struct {
	log *slog.Logger

	mu     sync.Mutex
	soon   map[string]time.Time
	warned time.Time
}

func newClientExpiries(log *slog.Logger) *clientExpiries {
	return &clientExpiries{log: log, soon: make(map[string]time.Time)}
}

// seen records the certificate of a new connection.
func (e *clientExpiries) seen(leaf *x509.Certificate, now time.Time) {
	name, end := leaf.Subject.CommonName, leaf.NotAfter
	e.mu.Lock()
	defer e.mu.Unlock()
	if end.Sub(now) > horizon {
		delete(e.soon, name)
		return
	}
	e.soon[name] = end
	if len(e.soon) > maxRemembered {
		e.prune(now)
	}
}

// prune forgets the certificates that have expired: their hosts fail the handshake,
// which is counted, or are gone. If there are still too many, it forgets the one that
// expires last. mu must be held.
func (e *clientExpiries) prune(now time.Time) {
	last, latest := "", time.Time{}
	for name, end := range e.soon {
		if now.After(end) {
			delete(e.soon, name)
		} else if end.After(latest) {
			last, latest = name, end
		}
	}
	if len(e.soon) > maxRemembered {
		delete(e.soon, last)
	}
}

// soonest returns the end of the certificate that expires first; zero if none is
// remembered. counts has how many expire within each of withins.
func (e *clientExpiries) soonest(now time.Time) (first time.Time, counts []int) {
	counts = make([]int, len(withins))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.prune(now)
	for _, end := range e.soon {
		if first.IsZero() || end.Before(first) {
			first = end
		}
		for i, within := range withins {
			if end.Sub(now) <= within.limit {
				counts[i]++
			}
		}
	}
	return first, counts
}

// warn logs, once a day, which client certificates have to be renewed.
func (e *clientExpiries) warn(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.warned.IsZero() && now.Sub(e.warned) < remindEvery {
		return
	}
	e.prune(now)
	type expiring struct {
		name string
		end  time.Time
	}
	var list []expiring
	for name, end := range e.soon {
		if end.Sub(now) <= certfile.WarnBefore {
			list = append(list, expiring{name, end})
		}
	}
	if len(list) == 0 {
		return
	}
	e.warned = now
	slices.SortFunc(list, func(a, b expiring) int { return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.name, b.name)) })
	var words []string
	for _, one := range list[:min(len(list), maxNamed)] {
		words = append(words, fmt.Sprintf("%s in %s", clip(one.name), certfile.Remaining(one.end.Sub(now))))
	}
	e.log.Warn("client certificates have to be renewed", "count", len(list), "within", certfile.Remaining(certfile.WarnBefore),
		"soonest", strings.Join(words, ", "))
}
