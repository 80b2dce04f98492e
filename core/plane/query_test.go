package plane_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// walk pages through a list and returns the names on it, in the order found.
func walk[T any](b *harness, page func(after string) plane.Input, name func(*T) string) (names []string, pages int) {
	b.t.Helper()
	for after := ""; ; pages++ {
		p := answered[*wire.Page[T]](b.t, b.plane, instant(b.now), page(after))
		for i := range p.Items {
			names = append(names, name(&p.Items[i]))
		}
		if after = p.Next; after == "" {
			return names, pages + 1
		}
	}
}

func TestPagesHaveEverythingOnceInOrder(t *testing.T) { // PROTOCOL R5
	const hosts = 2500
	b := started(t)
	var pairs string
	for i := range hosts {
		// Not in order, and half of them known by a heartbeat only.
		name := fmt.Sprintf("h%05d", i*7919%hosts)
		if i%2 == 0 {
			b.plane.Step(instant(0), heartbeat(wire.Hostname(name), "", ""), &b.out)
			continue
		}
		pairs += name + "=c2 "
	}
	b.step(open("stable@r1", pairs))
	for _, c := range []struct{ limit, pages int }{{1, hosts}, {2, hosts / 2}, {999, 3}, {1000, 3}, {1250, 3}, {100_000, 3}, {0, hosts}, {-5, hosts}} {
		names, pages := walk(b, func(after string) plane.Input {
			return &plane.QueryHosts{After: wire.Hostname(after), Limit: c.limit}
		}, func(h *wire.HostStatus) string { return string(h.Hostname) })
		equal(t, fmt.Sprintf("pages with limit %d", c.limit), pages, c.pages)
		equal(t, fmt.Sprintf("hosts with limit %d", c.limit), len(names), hosts)
		for i, name := range names {
			if want := fmt.Sprintf("h%05d", i); name != want {
				t.Fatalf("limit %d: host %d is %s; want %s", c.limit, i, name, want)
			}
		}
	}
	for _, c := range []struct{ limit, items int }{{1, 1}, {2, 2}, {999, 999}, {1000, 1000}, {1001, 1000}, {0, 1}} {
		s := answered[*wire.RolloutStatus](t, b.plane, instant(0), &plane.QueryRollout{RolloutID: "stable@r1", Limit: c.limit})
		equal(t, fmt.Sprintf("records with limit %d", c.limit), len(s.Hosts), c.items)
		equal(t, fmt.Sprintf("next with limit %d", c.limit), string(s.Next), string(s.Hosts[len(s.Hosts)-1].Snapshot.Hostname))
		rest := answered[*wire.RolloutStatus](t, b.plane, instant(0), &plane.QueryRollout{
			RolloutID: "stable@r1", After: wire.Hostname(s.Next), Limit: 1,
		})
		if rest.Hosts[0].Snapshot.Hostname <= wire.Hostname(s.Next) {
			t.Errorf("after %s comes %s", s.Next, rest.Hosts[0].Snapshot.Hostname)
		}
	}
}

// A page ends where the list ends: there is a next exactly if something follows.
func TestTheLastPageHasNoNext(t *testing.T) { // PROTOCOL R5
	b := started(t)
	for i := range plane.MaxLimit {
		b.plane.Step(instant(0), heartbeat(wire.Hostname(fmt.Sprintf("h%05d", i)), "", ""), &b.out)
	}
	query := &plane.QueryHosts{Limit: plane.MaxLimit}
	equal(t, "next of a full last page", answered[*wire.Page[wire.HostStatus]](t, b.plane, instant(0), query).Next, "")
	b.step(heartbeat("h99999", "", ""))
	equal(t, "next of a full page", answered[*wire.Page[wire.HostStatus]](t, b.plane, instant(0), query).Next, "h00999")
}

func TestRolloutsComeByID(t *testing.T) { // PROTOCOL R5
	b := started(t)
	for _, i := range []int{5, 3, 8, 1, 9, 2} {
		b.step(open(wire.RolloutID(fmt.Sprintf("c%d@r", i)), "h1=c2"))
	}
	for limit := 1; limit <= 7; limit++ {
		names, pages := walk(b, func(after string) plane.Input {
			return &plane.QueryRollouts{After: wire.RolloutID(after), Limit: limit}
		}, func(r *wire.RolloutStatus) string { return string(r.RolloutID) })
		equal(t, "the rollouts", fmt.Sprint(names), "[c1@r c2@r c3@r c5@r c8@r c9@r]")
		equal(t, "pages", pages, (6+limit-1)/limit)
	}
}

func TestAHostsRecordsComeByRolloutID(t *testing.T) { // PROTOCOL R5
	b := started(t)
	for _, id := range []wire.RolloutID{"m@2", "z@1", "m@1", "a@9"} {
		b.step(open(id, "h1=c2"))
	}
	var ids []wire.RolloutID
	for _, rec := range b.hostStatus("h1").Records {
		ids = append(ids, rec.Snapshot.RolloutID)
	}
	equal(t, "the records", fmt.Sprint(ids), "[a@9 m@1 m@2 z@1]")
}

func TestAQueryChangesNothing(t *testing.T) { // PROTOCOL R5
	b := inState(t, wire.Soaking)
	state := string(b.plane.AppendState(nil))
	for _, q := range []plane.Input{
		&plane.QueryHost{Hostname: "h1"}, &plane.QueryHost{Hostname: "h9"}, &plane.QueryHosts{Limit: 5},
		&plane.QueryRollout{RolloutID: "stable@r1", Limit: 5}, &plane.QueryRollout{RolloutID: "x@y", Limit: 5},
		&plane.QueryRollouts{Limit: 5}, &plane.QueryQuarantine{}, &plane.QueryRevocations{}, &plane.QueryStatus{}, &plane.QueryOverview{},
		&plane.QueryHostWhy{Hostname: "h1"}, &plane.QueryHostWhy{Hostname: "h9"}, &plane.QueryRolloutWhy{RolloutID: "stable@r1"},
		&plane.PlanRollout{Manifest: open("stable@r7", "h1=c1 h9=c1").Manifest}, &plane.PlanRollout{Manifest: open("stable@r1", "h9=c1").Manifest},
		&plane.QueryHosts{Limit: 5, Filter: plane.HostFilter{State: wire.Pending}}, &plane.QueryRollouts{Limit: 5, Filter: plane.RolloutFilter{Current: true}},
	} {
		b.step(q)
		equal(t, "entries of "+q.String(), len(b.out.Entries), 0)
		equal(t, "the state after "+q.String(), string(b.plane.AppendState(nil)), state)
	}
}

// Onlookers see what a query shows, without a step.
func TestOnlookersSeeWhatQueriesShow(t *testing.T) { // PROTOCOL R3, R5
	b := everything(t)
	state := string(b.plane.AppendState(nil))
	for _, h := range []wire.Hostname{"h1", "h2", "h9"} {
		seen, known := b.plane.Host(h)
		equal(t, "known", known, true)
		equal(t, "the host", string(seen.AppendJSON(nil)), string(b.hostStatus(h).AppendJSON(nil)))
	}
	for _, id := range []wire.RolloutID{"stable@r1", "stable@r2", "edge@r1"} {
		seen, known := b.plane.Rollout(id)
		equal(t, "known", known, true)
		queried := b.rolloutStatus(id)
		for _, rec := range queried.Hosts {
			own, known := b.plane.Record(id, rec.Snapshot.Hostname)
			equal(t, "known", known, true)
			equal(t, "the record", own.Snapshot(), rec.Snapshot)
		}
		queried.Hosts = nil
		equal(t, "the rollout", string(seen.AppendJSON(nil)), string(queried.AppendJSON(nil)))
	}
	equal(t, "a quarantined closure", b.plane.Quarantined("stable", "c2"), true)
	equal(t, "the closure on another channel", b.plane.Quarantined("edge", "c2"), false)
	equal(t, "another closure", b.plane.Quarantined("stable", "c3"), false)
	_, known := b.plane.Host("h77")
	equal(t, "an unknown host", known, false)
	_, known = b.plane.Rollout("stable@r9")
	equal(t, "an unknown rollout", known, false)
	_, known = b.plane.Record("stable@r2", "h2")
	equal(t, "an unknown record", known, false)
	_, known = b.plane.Record("stable@r2", "h77")
	equal(t, "a record of an unknown host", known, false)
	equal(t, "the state", string(b.plane.AppendState(nil)), state)
}

// Ten hosts whose records have a thousand failing probes with long names do not come
// on one page.
func TestPagesOfHostsAreBoundedInBytes(t *testing.T) { // PROTOCOL R5
	const hosts, want = 10, 4<<20 + 1<<16
	b := started(t)
	var wave string
	for i := range hosts {
		wave += fmt.Sprintf(" h%02d=c2", i)
	}
	b.want(wire.Created, open("stable@r1", wave))
	var probes []wire.ProbeDeclaration
	for i := range 1024 {
		probes = append(probes, wire.ProbeDeclaration{ProbeName: wire.Name(fmt.Sprintf("%04d%s", i, strings.Repeat("x", 500))), ProbeKind: "http", Mode: wire.Enforce})
	}
	for i := range hosts {
		b.tell(wire.Hostname(fmt.Sprintf("h%02d", i)), "stable@r1", acked, switched, wire.ProbeTopologyDeclared{Probes: probes, DeclaredAt: at(5)})
	}
	var ofHosts, ofRollout, pages int
	for after := wire.Hostname(""); ; pages++ {
		page := answered[*wire.Page[wire.HostStatus]](t, b.plane, instant(b.now), &plane.QueryHosts{After: after, Limit: plane.MaxLimit})
		if n := len(page.AppendJSON(nil)); n > want {
			t.Fatalf("a page of hosts has %d bytes, want at most %d", n, want)
		}
		ofHosts += len(page.Items)
		if after = wire.Hostname(page.Next); after == "" {
			break
		}
	}
	for after := wire.Hostname(""); ; pages++ {
		page := answered[*wire.RolloutStatus](t, b.plane, instant(b.now), &plane.QueryRollout{RolloutID: "stable@r1", After: after, Limit: plane.MaxLimit})
		if n := len(page.AppendJSON(nil)); n > want {
			t.Fatalf("a page of a rollout has %d bytes, want at most %d", n, want)
		}
		ofRollout += len(page.Hosts)
		if after = wire.Hostname(page.Next); after == "" {
			break
		}
	}
	if ofHosts != hosts || ofRollout != hosts || pages < 2 {
		t.Errorf("%d and %d hosts, with %d pages that have a next one; want %d, %d, and at least 2", ofHosts, ofRollout, pages, hosts, hosts)
	}
}

func TestAFilterSelectsHostsAndRollouts(t *testing.T) { // PROTOCOL R5
	b := started(t)
	b.step(open("edge@1", "h1=c1"))
	b.step(open("stable@1", "h1=c2 h2=c2"))
	b.step(open("stable@2", "h2=c3 h3=c3"))
	b.step(heartbeat("h1", "stable@1", "c9"))
	b.step(heartbeat("h2", "", "c3")) // confirms stable@2
	for _, test := range []struct {
		filter plane.HostFilter
		want   string
	}{
		{plane.HostFilter{}, "[h1 h2 h3]"},
		{plane.HostFilter{Reachability: wire.NeverSeen}, "[h3]"},
		{plane.HostFilter{Closure: "c9"}, "[h1]"},
		{plane.HostFilter{Channel: "stable"}, "[h2 h3]"},
		{plane.HostFilter{Channel: "edge", State: wire.Soaking}, "[]"},
		{plane.HostFilter{State: wire.Soaking}, "[h2]"},
		{plane.HostFilter{State: wire.Pending, Reachability: wire.Reachable}, "[h1]"},
	} {
		names, _ := walk(b, func(after string) plane.Input {
			return &plane.QueryHosts{After: wire.Hostname(after), Limit: 1, Filter: test.filter}
		}, func(h *wire.HostStatus) string { return string(h.Hostname) })
		equal(t, fmt.Sprintf("the hosts of %+v", test.filter), fmt.Sprint(names), test.want)
	}
	for _, test := range []struct {
		filter plane.RolloutFilter
		want   string
	}{
		{plane.RolloutFilter{}, "[edge@1 stable@1 stable@2]"},
		{plane.RolloutFilter{Current: true}, "[edge@1 stable@2]"},
		{plane.RolloutFilter{Channel: "stable"}, "[stable@1 stable@2]"},
		{plane.RolloutFilter{State: wire.Superseded}, "[stable@1]"},
	} {
		names, _ := walk(b, func(after string) plane.Input {
			return &plane.QueryRollouts{After: wire.RolloutID(after), Limit: 1, Filter: test.filter}
		}, func(r *wire.RolloutStatus) string { return string(r.RolloutID) })
		equal(t, fmt.Sprintf("the rollouts of %+v", test.filter), fmt.Sprint(names), test.want)
	}
	s := answered[*wire.RolloutStatus](t, b.plane, instant(b.now), &plane.QueryRollout{RolloutID: "stable@2", Limit: 9, State: wire.Soaking})
	if len(s.Hosts) != 1 || s.Hosts[0].Snapshot.Hostname != "h2" {
		t.Errorf("the hosts that soak: %v", s.Hosts)
	}
}

// A page of a filter that selects little ends all the same, and says how to go on.
func TestAFilterLooksAtSoManyHostsForAPage(t *testing.T) { // PROTOCOL R5
	const hosts = plane.MaxScan + 50
	b := started(t)
	for i := range hosts {
		b.plane.Step(instant(0), heartbeat(wire.Hostname(fmt.Sprintf("h%05d", i)), "", "c1"), &b.out)
	}
	last := wire.Hostname(fmt.Sprintf("h%05d", hosts-1))
	b.plane.Step(instant(0), heartbeat(last, "", "c2"), &b.out)
	query := &plane.QueryHosts{Limit: plane.MaxLimit, Filter: plane.HostFilter{Closure: "c2"}}
	page := answered[*wire.Page[wire.HostStatus]](t, b.plane, instant(0), query)
	equal(t, "items of the first page", len(page.Items), 0)
	equal(t, "its next", page.Next, fmt.Sprintf("h%05d", plane.MaxScan-1))
	query.After = wire.Hostname(page.Next)
	page = answered[*wire.Page[wire.HostStatus]](t, b.plane, instant(0), query)
	if len(page.Items) != 1 || page.Items[0].Hostname != last || page.Next != "" {
		t.Errorf("the second page: %d items, next %q", len(page.Items), page.Next)
	}
}

func TestTheStatusCountsTheFleet(t *testing.T) { // PROTOCOL R5
	b := started(t)
	b.step(open("stable@1", "h1=c1"))
	b.step(open("stable@2", "h1=c2 h2=c2"))
	b.step(heartbeat("h1", "", "c2"))
	s := answered[*wire.FleetStatus](t, b.plane, instant(b.now), &plane.QueryStatus{})
	want := `{"hosts_reachable":1,"hosts_unreachable":0,"hosts_never_seen":1,"duplicate_identities":0,` +
		`"records":{"pending":1,"activating":0,"deferred":0,"soaking":1,"converged":0,"failed":0,"reverted":0},` +
		`"rollouts_in_force":1,"rollouts_halted":0,"rollouts_held":0,"rollouts_unbacked":0,"quarantined":0,"revoked":0,"last_entry":3}`
	equal(t, "the status", string(s.AppendJSON(nil)), want)
}
