package plane_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestThePlaneDoesWhatAPlainModelOfTheRulesDoes compares, in random runs, every
// answer and the whole state after every change with the model: drift
// and bootstrap exactly when and what the rules say, nothing offered that is
// quarantined, halted, superseded or of a later wave, and every host woken that
// has new work.
func TestThePlaneDoesWhatAPlainModelOfTheRulesDoes(t *testing.T) { // PROTOCOL H1 to H7, H9, E2 to E8, D1, D2, R1 to R4, T5, G9, V4 to V6, W1 to W6
	rapid.Check(t, func(t *rapid.T) {
		var m, durable *model
		newFleet(t, watch{
			begin: func(*fleet) { durable = m.clone() },
			after: func(f *fleet, now wire.Instant, in plane.Input, out *plane.Output) { compare(f, m, now, in, out) },
			batch: func(f *fleet, _ []byte, _ []stepped, _ *plane.Output) { compareState(f, m) },
			replaced: func(f *fleet, why replacement) {
				switch why {
				case wiped:
					m = newModel(f.cfg)
				case crashed:
					m = durable
					m.forgetVolatile()
				case restarted:
					m.forgetVolatile()
				}
			},
		}).play(runLength)
	})
}

// compare takes an input into the model and compares what came of it.
func compare(f *fleet, m *model, now wire.Instant, in plane.Input, out *plane.Output) {
	fail := func(what string, got, want any) {
		f.t.Fatalf("%v %v: %s\ngot  %v\nwant %v", now.Mono, in, what, got, want)
	}
	before := m.offered()
	want := m.step(now, in)
	if plane.Replies(in) && !isQuery(in) {
		got := out.Replies[0].Outcome
		if g, is := got.Document.(*wire.RevocationAnswer); is {
			// The model knows how a warning begins.
			if w := want.Document.(*wire.RevocationAnswer); w.Warning != "" && strings.HasPrefix(string(g.Warning), string(w.Warning)) {
				w.Warning = g.Warning
			}
		}
		switch {
		case want.Code.Reason() != "":
			if got.Code != want.Code || got.Replay != want.Replay || got.ReplayFrom != want.ReplayFrom {
				fail("the refusal", out.Replies[0], plane.Reply{Outcome: want})
			}
		case outcomeText(&got) != outcomeText(&want):
			fail("the answer", outcomeText(&got), outcomeText(&want))
		}
	}
	if _, starts := in.(*plane.Started); starts {
		return // no poll waits, and the driver wakes all that do
	}
	for h := range m.offered() {
		if poll, is := in.(*plane.Poll); is && poll.Hostname == h {
			continue // it is answered; nothing else of the host waits
		}
		// A host that was offered something else has no poll that waits.
		if !before[h] && !slices.Contains(out.Wakes, h) {
			fail("the hosts woken", out.Wakes, h)
		}
	}
	if len(out.Entries) > 0 {
		compareState(f, m)
	}
}

func compareState(f *fleet, m *model) {
	if got, want := f.visible(), m.visible(); got != want {
		f.t.Fatalf("the state is\n%s\nwant\n%s", got, want)
	}
}

// forgetVolatile is what a restart from durable state does: a host is known by
// its records only, and what was said of the disk is forgotten.
func (m *model) forgetVolatile() {
	m.readOnly = false
	clear(m.release)
	clear(m.backed)
	m.hosts = map[wire.Hostname]modelHost{}
	for _, r := range m.rollouts {
		for h := range r.records {
			m.hosts[h] = modelHost{}
		}
	}
	for h := range m.steering.forgotten {
		m.know(h)
	}
	for h := range m.steering.cordoned {
		m.know(h)
	}
}

func isQuery(in plane.Input) bool {
	switch in.(type) {
	case *plane.QueryHost, *plane.QueryHosts, *plane.QueryRollout, *plane.QueryRollouts, *plane.QueryQuarantine, *plane.QueryRevocations, *plane.QueryStatus, *plane.QueryOverview, *plane.PlanRollout, *plane.QueryHostWhy, *plane.QueryRolloutWhy:
		return true
	}
	return false
}

// offered are the hosts whose poll would be answered with work.
func (m *model) offered() map[wire.Hostname]bool {
	offered := map[wire.Hostname]bool{}
	for h := range m.hosts {
		if m.offers(h) != nil {
			offered[h] = true
		}
	}
	return offered
}

// visible is everything that an operator can ask a plane, but for liveness.
func (f *fleet) visible() string {
	now := f.now()
	var s string
	for _, r := range answered[*wire.Page[wire.RolloutStatus]](f.t, f.plane, now, &plane.QueryRollouts{Limit: plane.MaxLimit}).Items {
		full := answered[*wire.RolloutStatus](f.t, f.plane, now, &plane.QueryRollout{RolloutID: r.RolloutID, Limit: plane.MaxLimit})
		for i := range full.Hosts {
			full.Hosts[i].Blocked.Reason = "" // the model has no words for it
		}
		s += string(full.AppendJSON(nil)) + "\n"
	}
	for _, h := range answered[*wire.Page[wire.HostStatus]](f.t, f.plane, now, &plane.QueryHosts{Limit: plane.MaxLimit}).Items {
		s += fmt.Sprintln(h.Hostname, h.LastHeartbeatAt, h.CurrentClosure, len(h.Records), h.Cordoned)
	}
	for _, q := range answered[*wire.Page[wire.QuarantineEntry]](f.t, f.plane, now, &plane.QueryQuarantine{}).Items {
		s += fmt.Sprintln(q.Channel, q.Closure, q.Since, q.By, q.Hostname)
	}
	for _, r := range answered[*wire.Page[wire.Revocation]](f.t, f.plane, now, &plane.QueryRevocations{}).Items {
		s += fmt.Sprintln(r.CommonName, r.RevokedBefore)
	}
	return s
}

// visible is the same of the model.
func (m *model) visible() string {
	var s string
	for _, id := range slices.Sorted(maps.Keys(m.rollouts)) {
		s += string(m.status(id, true).AppendJSON(nil)) + "\n"
	}
	for _, h := range slices.Sorted(maps.Keys(m.hosts)) {
		records := 0
		for _, r := range m.rollouts {
			if r.records[h] != nil {
				records++
			}
		}
		if !m.steering.isForgotten(h) {
			s += fmt.Sprintln(h, m.hosts[h].heartbeatAt, m.hosts[h].closure, records, m.steering.cordoned[h])
		}
	}
	var quarantined []string
	for _, q := range m.quarantine {
		quarantined = append(quarantined, fmt.Sprintln(q.Channel, q.Closure, q.Since, q.By, q.Hostname))
	}
	slices.Sort(quarantined)
	for _, line := range quarantined {
		s += line
	}
	for _, name := range slices.Sorted(maps.Keys(m.revoked)) {
		s += fmt.Sprintln(name, m.revoked[name])
	}
	return s
}
