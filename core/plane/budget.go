package plane

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// EventBudget bounds what the events of one record, a (rollout, host) pair, may add
// to the log (PROTOCOL G10): Bytes and Events at once, and as much again in the time
// Per, evenly. Zero values mean the defaults.
type EventBudget struct {
	// Bytes counts events as the log keeps them, in canonical JSON. Default 64 MiB.
	Bytes int64
	// Events counts them. Default 50,000.
	Events int
	// Per is how long an empty budget takes to be full again. Default 6 h.
	Per time.Duration
}

// DefaultEventBudget is large enough for the whole log of a rollout that an agent
// sends again at once, and refills faster than ten probes that report every five
// seconds use it up.
var DefaultEventBudget = EventBudget{Bytes: 64 << 20, Events: 50_000, Per: 6 * time.Hour}

func (b EventBudget) withDefaults() EventBudget {
	if b.Bytes == 0 {
		b.Bytes = DefaultEventBudget.Bytes
	}
	if b.Events == 0 {
		b.Events = DefaultEventBudget.Events
	}
	if b.Per == 0 {
		b.Per = DefaultEventBudget.Per
	}
	return b
}

func (b EventBudget) validate() error {
	switch {
	case b.Bytes < 1<<10 || b.Bytes > 1<<50:
		return fmt.Errorf("event budget is %d bytes; want at least 1024, and at most 1 PiB", b.Bytes)
	case b.Events < 1:
		return fmt.Errorf("event budget is %d events; want at least 1", b.Events)
	case b.Per < time.Second || b.Per > 100*24*time.Hour:
		return fmt.Errorf("event budget is refilled in %v; want at least 1s, and at most 100 days", b.Per)
	}
	return nil
}

// cost is the time in which the budget regains what an event of so many bytes uses:
// the larger of its shares of the bytes and of the events. One event never costs
// more than the whole budget.
func (b EventBudget) cost(bytes int) time.Duration {
	share := max(float64(bytes)/float64(b.Bytes), 1/float64(b.Events))
	return min(time.Duration(share*float64(b.Per)), b.Per)
}

// missing returns how long to wait until the budget of a record has room for cost; 0
// if it has. What is used of a budget is kept as one instant, that at which it is
// full again.
func (p *Plane) missing(ref recordRef, cost time.Duration) time.Duration {
	used := max(ref.rollout.fullAt(ref.index)-p.last.Mono, 0)
	return max(used+cost-p.cfg.EventBudget.Per, 0)
}

// charge takes an event's cost out of its record's budget.
func (p *Plane) charge(ref recordRef, cost time.Duration) {
	r := ref.rollout
	if r.budgets == nil {
		r.budgets = make([]time.Duration, len(r.records))
	}
	r.budgets[ref.index] = max(r.budgets[ref.index], p.last.Mono) + cost
}

// fullAt is when the budget of a record is full, by the plane's monotonic clock.
func (r *rolloutState) fullAt(index int) time.Duration {
	if r.budgets == nil {
		return 0
	}
	return r.budgets[index]
}

// costOf is the cost of an event as the log would keep it (E10).
func (p *Plane) costOf(env *wire.EventEnvelope) time.Duration {
	kept := *env
	kept.Event = env.Event.Cut()
	p.scratch = wire.EventEnvelopeSchema.Append(p.scratch[:0], &kept)
	return p.cfg.EventBudget.cost(len(p.scratch))
}

// overBudget refuses an event for which its record's budget has no room until so
// much time has passed (PROTOCOL G10).
func (p *Plane) overBudget(wait time.Duration, needs int, out *Output) {
	p.stats.OverBudget++
	wait = (wait + time.Second - 1).Truncate(time.Second)
	reply(out, needs, wire.Unavailable(wire.OverBudget, min(wait, p.cfg.HeartbeatInterval.Truncate(time.Second)))) // G4
}

// forgetBudgets makes every budget full: the plane's clock begins anew.
func (p *Plane) forgetBudgets() {
	for _, r := range p.rollouts {
		r.budgets = nil
	}
}

// budgetLine is a budget that is not full.
type budgetLine struct {
	RolloutID wire.RolloutID
	Hostname  wire.Hostname
	FullAt    wire.Nanos
}

var budgetLineSchema = wire.Schema[budgetLine]{Fields: []wire.Field[budgetLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *budgetLine) wire.Value { return &l.RolloutID }},
	{Name: "hostname", Presence: wire.Required, Of: func(l *budgetLine) wire.Value { return &l.Hostname }},
	{Name: "full_at", Presence: wire.Required, Of: func(l *budgetLine) wire.Value { return &l.FullAt }},
}}

// appendBudgets appends the lines of the budgets that are not full.
func (p *Plane) appendBudgets(dst []byte) []byte {
	for _, r := range p.rollouts {
		for i, at := range r.budgets {
			if at > p.last.Mono {
				dst = wire.AppendLine(dst, "budget", &budgetLineSchema, &budgetLine{r.id, r.records[i].Hostname, wire.Nanos(at)})
			}
		}
	}
	return dst
}

func (p *Plane) restoreBudget(l *budgetLine) error {
	if i, known := p.table.find(l.Hostname); known {
		if ref, known := p.table.hosts[i].find(l.RolloutID); known {
			p.charge(ref, time.Duration(l.FullAt)-p.last.Mono)
			return nil
		}
	}
	return fmt.Errorf("no record of %s in %s comes before this line", l.Hostname, l.RolloutID)
}
