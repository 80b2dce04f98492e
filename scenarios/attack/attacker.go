package attack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// plan is what the attackers' process is told.
type plan struct {
	Attack  string
	Address string // of the server, host and port
	PKI     string // the directory of the fleet's certificates
	For     time.Duration
	Short   bool // small numbers
}

// findings are what the attackers' process reports.
type findings struct {
	// Counts has what the attackers did and saw, by what it is.
	Counts map[string]int64 `json:"counts"`
	// Wrong has what must not happen.
	Wrong []string `json:"wrong,omitempty"`
	// Notes are for people, such as that a number was scaled down.
	Notes []string `json:"notes,omitempty"`
}

// attacker is what an attack works with. Many goroutines use it.
type attacker struct {
	plan      plan
	authority *pki.Authority

	mu    sync.Mutex
	found findings
}

// number is full, or small in the short form.
func (a *attacker) number(full, small int) int {
	if a.plan.Short {
		return small
	}
	return full
}

// count counts something that the attackers did or saw.
func (a *attacker) count(what string) { a.countN(what, 1) }

func (a *attacker) countN(what string, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.found.Counts == nil {
		a.found.Counts = make(map[string]int64)
	}
	a.found.Counts[what] += n
}

// lost counts something that went wrong for the attackers, with its cause, unless it was
// the end of the attack.
func (a *attacker) lost(ctx context.Context, err error, what string) {
	var network net.Error
	ended := ctx.Err() != nil || errors.As(err, &network) && network.Timeout() // the deadline of ctx
	if err != nil && !ended {
		a.count(what + " (" + causeOf(err) + ")")
	}
}

// maxWrong bounds how much of what must not happen is reported.
const maxWrong = 20

// wrong reports something that must not happen, once.
func (a *attacker) wrong(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if len(a.found.Wrong) < maxWrong && !slices.Contains(a.found.Wrong, text) {
		a.found.Wrong = append(a.found.Wrong, text)
	}
}

func (a *attacker) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.found.Notes = append(a.found.Notes, fmt.Sprintf(format, args...))
}

func (a *attacker) findings() findings {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.found
	f.Counts = maps.Clone(f.Counts)
	return f
}

// sockets is how many connections of n fit into the descriptors of this process.
func (a *attacker) sockets(n int) int {
	const kept = 100
	limit := descriptorLimit()
	if limit == 0 || uint64(n)+kept <= limit {
		return n
	}
	fit := max(1, int(limit)-kept)
	a.note("scaled down: %d connections of %d, since this process may have %d descriptors", fit, n, limit)
	return fit
}

// inParallel calls each for 0 to n-1 at the same time, again and again until ctx
// ends. After an error the call is made again a little later.
func inParallel(ctx context.Context, n int, each func(ctx context.Context, i int) error) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := each(ctx, i); err != nil {
					pause(ctx, 20*time.Millisecond)
				}
			}
		})
	}
	all.Wait()
}

// pause waits until d has passed or ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

const (
	attackChannel = "attack"
	attackRollout = wire.RolloutID(attackChannel + "@1")
	attackClosure = "attack-closure"
)

// hostname is the name of an enrolled attacker.
func hostname(i int) string { return fmt.Sprintf("attacker-%d", i) }
