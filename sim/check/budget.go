package check

import (
	"math"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// budgets is S21: the events of one host in one rollout use no more of the log than
// their budget (PROTOCOL G10). It judges every step by a bucket of its own, and what
// becomes durable by what may have been used since the plane was loaded.
type budgets struct {
	records map[budgetKey]*budgetUse
	loaded  time.Duration // when the plane was: every budget was full then
	logged  int           // entries of the batch before this step
}

type budgetKey struct {
	host    wire.Hostname
	rollout wire.RolloutID
}

// budgetUse is what the events of a record have used, in shares of the budget.
type budgetUse struct {
	level   float64 // as of at, less what was refilled
	at      time.Duration
	durable float64 // since the plane was loaded
}

// unsure is how close to the limit this arithmetic and the plane's may differ.
const unsure = 1e-6

func newBudgets(s *Checks) {
	c := &budgets{records: make(map[budgetKey]*budgetUse)}
	s.on(world.EventStepping, func(e *world.Event) { c.logged = len(e.Output.Entries) })
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventCommitted, c.committed)
	s.on(world.EventPlaneStarted, func(e *world.Event) {
		clear(c.records)
		c.loaded = e.World.Now()
	})
}

func (c *budgets) use(env *wire.EventEnvelope) *budgetUse {
	key := budgetKey{env.Hostname, env.RolloutID}
	if c.records[key] == nil {
		c.records[key] = new(budgetUse)
	}
	return c.records[key]
}

// share is the part of a budget that an event uses: all of it at most.
func share(env *wire.EventEnvelope) float64 {
	bytes := len(wire.EventEnvelopeSchema.Append(nil, env))
	of := scenario.EventBudget
	return min(max(float64(bytes)/float64(of.Bytes), 1/float64(of.Events)), 1)
}

func (c *budgets) stepDone(e *world.Event) {
	w, m := e.World, e.Message
	in, is := e.Input.(*plane.Event)
	if !is {
		return
	}
	env := in.Envelope
	env.Event = env.Event.Cut() // E10
	u := c.use(&env)
	per := float64(scenario.EventBudget.Per)
	level := max(u.level-float64(w.Now()-u.at)/per, 0)
	after := level + share(&env)
	switch refused := e.Reply.Outcome.Code == wire.OverBudget; {
	case refused && after < 1-unsure:
		w.Violate("S21", "m%d, %v, is refused over_budget, and it and the events before it use %.4f of the budget of their record; want it refused above 1 only", m.ID(), in, after)
	case refused:
		wait := time.Duration(math.Ceil((after-1)*per/float64(time.Second))) * time.Second
		want := min(max(wait, time.Second), w.Scenario().Fleet.Interval)
		if got := e.Reply.Outcome.RetryAfter; got < want-time.Second || got > want+time.Second {
			w.Violate("S21", "m%d, %v, is told to retry after %v; want %v, when its budget has room or a heartbeat interval has passed", m.ID(), in, got, want)
		}
	case len(e.Output.Entries) == c.logged, e.Output.Entries[len(e.Output.Entries)-1].Kind == "discarded":
	case after > 1+unsure:
		w.Violate("S21", "m%d, %v, is logged, and with it the events of its record use %.4f of their budget; want it refused over_budget above 1", m.ID(), in, after)
	default:
		u.level, u.at = after, w.Now()
	}
}

// answered: the budget is larger than what an honest agent sends.
func (c *budgets) answered(e *world.Event) {
	w, m := e.World, e.Message
	f := &w.Scenario().Fleet
	if m.Outcome().Code == wire.OverBudget && m.Host() > 0 && m.Host() <= f.Hosts-f.Hostile && !m.Duplicate() {
		w.Violate("S21", "%v, is refused over_budget; want no event of an honest agent refused so", m)
	}
}

func (c *budgets) committed(e *world.Event) {
	w := e.World
	allowed := 1 + float64(w.Now()-c.loaded)/float64(scenario.EventBudget.Per)
	for i := range e.Entries {
		if in, is := e.Entries[i].Input.(*plane.Event); is {
			u := c.use(&in.Envelope)
			if u.durable += share(&in.Envelope); u.durable > allowed+unsure {
				w.Violate("S21", "entry %d, %v, is durable, and since the plane was loaded the events of its record have used %.4f of a budget; want at most %.4f, the budget and what was refilled", e.Entries[i].Number, in, u.durable, allowed)
			}
		}
	}
}
