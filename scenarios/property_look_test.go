package scenarios_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// run is a scenario that was run, and what was seen of it.
type run struct {
	*record.Witness
	world  *world.World
	result check.Verdict
}

// maxSteps is more than any scenario of a property has: a run that needs more
// goes in a circle.
const maxSteps = 1_000_000

// observe runs a scenario under every checker. each, if given, is called after
// every event that anything was seen of, with what was seen.
func observe(v *verdict, s scenario.Scenario, each func(*world.World, []record.Sight)) *run {
	r := &run{Witness: &record.Witness{}}
	// A quarter of the scenarios has every document encoded and read back.
	options := sim.Options{Witness: r.Witness, Wire: s.Seed%4 == 0}
	if *ownEyes {
		options.Checkers = []check.Checker{}
	}
	w, err := sim.New(s, options)
	if err != nil {
		v.errorf("the scenario was refused: %v", err)
		return nil
	}
	seen := 0
	for more, steps := true, 0; more; steps++ {
		if steps == maxSteps {
			v.errorf("after %d steps, at %v, the run has not ended", steps, w.Now())
			return nil
		}
		more = w.Next()
		if each != nil && len(r.Sights) > seen {
			each(w.World, r.Sights[seen:])
			seen = len(r.Sights)
		}
	}
	r.world, r.result = w.World, w.Verdict()
	if r.result.Violation != nil {
		v.errorf("a checker fired: %v", r.result.Violation)
	}
	return r
}

// recordOf is the plane's record; nil if it has none, or is down.
func recordOf(w *world.World, id wire.RolloutID, host int) *rollout.Record {
	p := w.Plane()
	if p == nil {
		return nil
	}
	rec, known := p.Record(id, scenario.HostName(host))
	if !known {
		return nil
	}
	return &rec
}

// ownRecord is the agent's own record of one of its rollouts.
func ownRecord(a *agent.Agent, id wire.RolloutID) *rollout.Record {
	for _, view := range a.Views(nil) {
		if view.Record.RolloutID == id {
			return view.Record
		}
	}
	return nil
}

// hostsOf are the numbers of a rollout's hosts.
func hostsOf(s *scenario.Scenario, r *scenario.Rollout) []int {
	var list []int
	for n := 1; n <= s.Fleet.Hosts-s.Fleet.Hostile; n++ {
		if r.Targets.Has(n) {
			list = append(list, n)
		}
	}
	return list
}

// mirrors says in what the plane's record differs from the agent's own; nothing
// if it is a mirror of it. Instants that a confirmation put in and nobody
// corrected may differ (PROTOCOL E5, finding F2). jumped says that events were
// overtaken by their twins: the plane may then have taken the completion of an
// activation across the gap that its start would fill (E4, finding F11).
func mirrors(planes, own *rollout.Record, jumped bool) string {
	inferred := planes.Marks != 0
	jumped = jumped && !planes.ActivationStartedAt.IsSet()
	switch {
	case planes.State != own.State:
		return "the plane says " + planes.State.String() + ", the agent " + own.State.String()
	case planes.CurrentClosure != own.CurrentClosure:
		return "the plane says that it runs " + string(planes.CurrentClosure) + ", the agent " + string(own.CurrentClosure)
	case planes.LastEventSeq != own.LastEventSeq:
		return "the numbers of the last events differ: " + planes.String() + " and " + own.String()
	case !inferred && (planes.DispatchAckedAt != own.DispatchAckedAt ||
		planes.ActivationStartedAt != own.ActivationStartedAt && !jumped ||
		planes.ActivationCompletedAt != own.ActivationCompletedAt ||
		planes.EndedAt != own.EndedAt):
		return "the instants differ: " + planes.String() + " and " + own.String()
	}
	return ""
}

// keepsContract verifies what holds whatever the plane went through, as long as
// no host lost its disk and no plane did: each request is answered once, hosts
// keep away as long as they were told to, and the rollout is carried out once,
// as a whole.
func (r *run) keepsContract(v *verdict) {
	r.answeredOnce(v)
	r.comesBackLater(v)
	r.allReached(v)
	r.activatedOnce(v)
	r.loggedOnce(v)
}

// allReached verifies that at the end every host has reached its target by one
// activation, and that the plane's records mirror the agents' own. It is for
// scenarios of one rollout in which no activation or probe fails.
func (r *run) allReached(v *verdict) {
	s := *r.world.Scenario()
	if r.result.Violation != nil {
		return
	}
	twins := slices.ContainsFunc(s.Faults, func(f scenario.Fault) bool { return f.Kind == scenario.NetDup })
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		for _, n := range hostsOf(&s, o) {
			planes, a := recordOf(r.world, o.ID, n), r.world.Agent(n)
			if planes == nil || a == nil || ownRecord(a, o.ID) == nil {
				v.errorf("at the end h%d or the plane knows nothing of %s", n, o.ID)
				continue
			}
			if why := mirrors(planes, ownRecord(a, o.ID), twins); why != "" {
				v.errorf("at the end, h%d in %s: %s", n, o.ID, why)
			}
			if planes.State != wire.Converged || r.world.Runs(n) != o.Target {
				v.errorf("at the end h%d is %v in %s and runs %s, want Converged on %s", n, planes.State, o.ID, r.world.Runs(n), o.Target)
			}
		}
	}
}

// activatedOnce verifies that as many activations began as hosts had work.
func (r *run) activatedOnce(v *verdict) {
	s := *r.world.Scenario()
	want := 0
	for i := range s.Rollouts {
		want += len(hostsOf(&s, &s.Rollouts[i]))
	}
	if got := r.result.Effects[scenario.EffectSwitch]; got != uint64(want) {
		v.errorf("%d activations were begun for %d hosts", got, want)
	}
}

// answeredOnce verifies that whatever came in while the plane lived was
// answered once, and was heard once at most (PROTOCOL G3).
func (r *run) answeredOnce(v *verdict) {
	answers, heard := make(map[*record.Exchange]int), make(map[*record.Exchange]int)
	for _, sight := range r.Sights {
		switch sight.Kind {
		case record.SightAnswered:
			answers[sight.Exchange]++
		case record.SightHeard:
			heard[sight.Exchange]++
		}
	}
	for _, x := range r.Exchanges {
		if answers[x] > 1 || heard[x] > 1 {
			v.errorf("the %v of h%d that arrived at %v was answered %d times and heard %d times", x.Kind, x.Host, x.ArrivedAt, answers[x], heard[x])
		}
	}
}

// comesBackLater verifies that a host which is told Retry-After sends no
// request of the kind, or no event of the rollout, before that (PROTOCOL A5,
// E9). It is for scenarios in which agents live on.
func (r *run) comesBackLater(v *verdict) {
	type line struct {
		host    int
		kind    scenario.Route
		rollout wire.RolloutID
	}
	lineOf := func(x *record.Exchange) line {
		if x.Kind == scenario.RouteEvent {
			return line{x.Host, x.Kind, x.Rollout}
		}
		return line{x.Host, x.Kind, ""}
	}
	notBefore := make(map[line]time.Duration)
	// By the instant of sending or hearing; what is heard comes first.
	type moment struct {
		at    time.Duration
		heard bool
		x     *record.Exchange
	}
	var moments []moment
	for _, x := range r.Exchanges {
		if x.Host <= 0 || x.Duplicate {
			continue
		}
		moments = append(moments, moment{x.SentAt, false, x})
		if x.HeardAt != record.Never && x.Heard.Status == 503 {
			moments = append(moments, moment{x.HeardAt, true, x})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	for _, m := range moments {
		key := lineOf(m.x)
		switch {
		case m.heard:
			if m.x.Heard.RetryAfter < time.Second || m.x.Heard.RetryAfter%time.Second != 0 {
				v.errorf("h%d was told Retry-After %v, want whole seconds, at least one", m.x.Host, m.x.Heard.RetryAfter)
			}
			notBefore[key] = m.at + m.x.Heard.RetryAfter
			v.reach("a host was told to come back later")
		case m.at < notBefore[key]:
			v.errorf("h%d sent a %v at %v, but was told to wait until %v", m.x.Host, m.x.Kind, m.at, notBefore[key])
		}
	}
}

// inside counts, sight by sight, what is in the plane's inbox: what was
// admitted and is not finished yet.
type inside struct {
	all, bulk int
	of        map[int]int // by host
	since     map[*record.Exchange]time.Duration
}

func (i *inside) take(sight record.Sight) {
	switch sight.Kind {
	case record.SightAdmitted:
		i.count(sight.Exchange, 1)
		i.since[sight.Exchange] = sight.At
	case record.SightFinished:
		i.count(sight.Exchange, -1)
	case record.SightDown, record.SightWiped:
		*i = inside{}
	}
}

func (i *inside) count(x *record.Exchange, by int) {
	if i.of == nil {
		i.of, i.since = make(map[int]int), make(map[*record.Exchange]time.Duration)
	}
	if by < 0 {
		delete(i.since, x)
	}
	i.all += by
	i.of[x.Host] += by
	if x.Kind != scenario.RouteHeartbeat {
		i.bulk += by
	}
}

// late reports whether an exchange that is inside is past its deadline.
func (i *inside) late(x *record.Exchange, now, timeout time.Duration) bool {
	since, there := i.since[x]
	return there && now > since+timeout
}
