package gate

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

const (
	second  = time.Second
	timeout = defaultReplyTimeout
)

// rig is a gate with short calls that check it after every step. The payload of
// a request is its text.
type rig struct {
	*Gate[string]
	t testing.TB
}

func newRig(t testing.TB, cfg Config) rig {
	t.Helper()
	g, err := New[string](cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rig{g, t}
}

// openRig is started at 0.
func openRig(t testing.TB, cfg Config) rig {
	t.Helper()
	r := newRig(t, cfg)
	r.Start(0)
	return r
}

func (r rig) check() {
	r.t.Helper()
	if err := r.Check(); err != nil {
		r.t.Fatal(err)
	}
}

func (r rig) admit(now time.Duration, caller Caller, class Class) Ticket {
	r.t.Helper()
	ticket, refusal := r.Offer(now, caller, class, string(caller))
	r.check()
	if refusal != (Refusal{}) {
		r.t.Fatalf("at %s: %s of %s: %s, want it admitted", now, class, caller, refusal)
	}
	return ticket
}

func (r rig) refused(now time.Duration, caller Caller, class Class, want wire.Code) Refusal {
	r.t.Helper()
	ticket, refusal := r.Offer(now, caller, class, string(caller))
	r.check()
	if refusal.Code != want || ticket != (Ticket{}) {
		r.t.Fatalf("at %s: %s of %s: %s %s, want it refused %s", now, class, caller, ticket, refusal, want)
	}
	if refusal.RetryAfter < second {
		r.t.Fatalf("at %s: %s of %s: retry after %s", now, class, caller, refusal.RetryAfter)
	}
	return refusal
}

func (r rig) take(now time.Duration, limit int) []Ticket {
	r.t.Helper()
	var tickets []Ticket
	for _, taken := range r.Take(now, limit, nil) {
		tickets = append(tickets, taken.Ticket)
	}
	r.check()
	return tickets
}

func (r rig) settle(now time.Duration, ticket Ticket, want Disposal, code wire.Code) {
	r.t.Helper()
	disposal, refusal := r.Settle(now, ticket)
	r.check()
	r.disposed(now, ticket, disposal, refusal, want, code)
}

func (r rig) drop(now time.Duration, ticket Ticket, want Disposal, code wire.Code) {
	r.t.Helper()
	disposal, refusal := r.Drop(now, ticket)
	r.check()
	r.disposed(now, ticket, disposal, refusal, want, code)
}

func (r rig) disposed(now time.Duration, ticket Ticket, disposal Disposal, refusal Refusal, want Disposal, code wire.Code) {
	r.t.Helper()
	if disposal != want || refusal.Code != code {
		r.t.Fatalf("at %s: %s: %s %s, want %s %s", now, ticket, disposal, refusal, want, code)
	}
	if (disposal == Refuse) != (refusal.RetryAfter >= second) {
		r.t.Fatalf("at %s: %s: %s with retry after %s", now, ticket, disposal, refusal.RetryAfter)
	}
}

func (r rig) expire(now time.Duration, want ...string) {
	r.t.Helper()
	r.answers(now, r.Expire(now, nil), wire.Timeout, want)
}

func (r rig) flush(now time.Duration, want ...string) {
	r.t.Helper()
	r.answers(now, r.Flush(now, nil), wire.Closed, want)
}

func (r rig) answers(now time.Duration, got []Expired[string], code wire.Code, want []string) {
	r.t.Helper()
	r.check()
	var payloads []string
	for _, e := range got {
		payloads = append(payloads, e.Payload)
		if e.Refusal.Code != code || e.Refusal.RetryAfter < second {
			r.t.Fatalf("at %s: %s: %s, want %s", now, e.Ticket, e.Refusal, code)
		}
	}
	if !slices.Equal(payloads, want) {
		r.t.Fatalf("at %s: %v are answered %s, want %v", now, payloads, code, want)
	}
}
