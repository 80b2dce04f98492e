package httpserver

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// PROTOCOL R: rollouts, and the operators' routes. The directory of manifests
// (R6) is mostly in manifests_test.go.

func TestAManifestOpensOneRollout(t *testing.T) { // PROTOCOL R1
	h := start(t)
	c := h.operator("anna")
	const body = `{"channel":"stable","channel_ref":"r1","policy":{"on_health_failure":"halt","waves":[{"soak_minutes":5},{"soak_minutes":0}]},` +
		`"hosts":[{"hostname":"h2","wave":1,"target_closure":"c2"},{"hostname":"h1","wave":0,"target_closure":"c1"}]}`
	const status = `"state":"Opening","opened_at":"` + noon + `","waves_dispatched":1,` +
		`"policy":{"on_health_failure":"halt","waves":[{"soak_minutes":5},{"soak_minutes":0}]},` +
		`"counts":{"pending":2,"activating":0,"deferred":0,"soaking":0,"converged":0,"failed":0,"reverted":0}`
	a := c.do(http.MethodPost, rolloutsPath, body)
	a.want(t, wire.Created)
	if want := `{"rollout_id":"stable@r1",` + status + `}`; a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	before := h.durable()
	swapped := strings.Replace(body, `{"hostname":"h2","wave":1,"target_closure":"c2"},{"hostname":"h1","wave":0,"target_closure":"c1"}`,
		`{"hostname":"h1","wave":0,"target_closure":"c1"},{"hostname":"h2","wave":1,"target_closure":"c2"}`, 1)
	for _, same := range []string{body, swapped} {
		again := c.do(http.MethodPost, rolloutsPath, same)
		again.want(t, wire.OK)
		if again.body != a.body {
			t.Errorf("again: got %s, want %s", again.body, a.body)
		}
	}
	for what, edit := range map[string][2]string{
		"another policy":  {`"halt"`, `"rollback-and-halt"`},
		"another soak":    {`"soak_minutes":5`, `"soak_minutes":6`},
		"another wave":    {`"hostname":"h2","wave":1`, `"hostname":"h2","wave":0`},
		"another closure": {`"target_closure":"c2"`, `"target_closure":"c3"`},
		"another host":    {`"hostname":"h2"`, `"hostname":"h3"`},
		"a host more":     {`"hosts":[`, `"hosts":[{"hostname":"h3","wave":0,"target_closure":"c1"},`},
	} {
		changed := strings.Replace(body, edit[0], edit[1], 1)
		if a := c.do(http.MethodPost, rolloutsPath, changed); a.status != http.StatusConflict || a.problem(t).Reason != "manifest_conflict" {
			t.Errorf("%s: got %v, want a conflict", what, a)
		}
	}
	if h.durable() != before {
		t.Error("opening again changed something")
	}
	// One Pending record per host (R2).
	for _, host := range []string{"h1", "h2"} {
		h.wantState("stable@r1", host, wire.Pending, 0)
	}
}

func TestANewerRolloutSupersedesTheOlderOnes(t *testing.T) { // PROTOCOL R1
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1", "h2")
	h.openRollout("beta", "r1", "c1", "h2")
	h.agent("h1").tellAll("h1", "stable@r1", "DispatchAck")
	h.openRollout("stable", "r2", "c2", "h1", "h2")
	// The Pending host of the older one is not dispatched any more.
	h2 := h.agent("h2")
	h2.poll().dispatched(t, "beta@r1")
	h2.tellAll("h2", "beta@r1", "DispatchAck")
	h2.poll().dispatched(t, "stable@r2")
	h2.tellAll("h2", "stable@r2", "DispatchAck")
	h2.poll().want(t, wire.NoContent)
	// Nothing is forgotten, and its events are still taken, to the end.
	h1 := h.agent("h1")
	for i, e := range []toldEvent{told("ActivationCompleted", wire.Soaking), told("Converged", wire.Converged)} {
		h1.tell("h1", "stable@r1", i+2, e.text).want(t, wire.NoContent)
		h.wantState("stable@r1", "h1", e.want, wire.Seq(i+2))
	}
	h2.tellAll("h2", "stable@r1", "DispatchAck", "ActivationFailed") // and halt nothing
	h.wantState("stable@r1", "h2", wire.Failed, 2)
	r := h.rollout("stable@r1")
	if r.State != wire.Superseded || r.SupersededBy != "stable@r2" || r.HaltedBy != "" {
		t.Errorf("the older one is %v, superseded by %q, halted by %q", r.State, r.SupersededBy, r.HaltedBy)
	}
	if r := h.rollout("beta@r1"); r.State == wire.Superseded {
		t.Error("another channel's rollout is superseded")
	}
	h.reader().do(http.MethodPost, rolloutsPath+"/stable@r1/resume", "").want(t, wire.RolloutSuperseded)
}

func TestAWaveWaitsForTheOneBefore(t *testing.T) { // PROTOCOL R2
	h := start(t)
	m := wire.Manifest{Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: make([]wire.Wave, 3)}}
	for i, host := range []wire.Hostname{"a0", "b0", "a1", "b1", "a2"} {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: host, Wave: wire.Count(i / 2), TargetClosure: "c1"})
	}
	h.reader().do(http.MethodPost, rolloutsPath, string(m.AppendJSON(nil))).want(t, wire.Created)
	clients := make(map[string]*client)
	wave := func(dispatched ...string) {
		t.Helper()
		for _, host := range []string{"a0", "b0", "a1", "b1", "a2"} {
			if clients[host] == nil {
				clients[host] = h.agent(host)
			}
			want := http.StatusNoContent
			if slices.Contains(dispatched, host) {
				want = http.StatusOK
			}
			if a := clients[host].poll(); a.status != want {
				t.Fatalf("%s: got %v, want %d", host, a, want)
			}
		}
	}
	wave("a0", "b0")
	clients["a0"].tellAll("a0", "stable@r1", toState[wire.Converged]...)
	wave()
	h.advance(20 * time.Second) // b0 is offered it again (D2)
	wave("b0")
	clients["b0"].tellAll("b0", "stable@r1", "DispatchAck")
	wave()
	clients["b0"].tell("b0", "stable@r1", 2, eventKinds["ActivationDeferred"]).want(t, wire.NoContent) // Deferred holds nobody back
	wave("a1", "b1")
	clients["a1"].tellAll("a1", "stable@r1", toState[wire.Soaking]...)
	clients["b1"].tellAll("b1", "stable@r1", toState[wire.Converged]...)
	wave() // Soaking holds back
	clients["a1"].tell("a1", "stable@r1", 3, eventKinds["Converged"]).want(t, wire.NoContent)
	wave("a2")
	if got := h.rollout("stable@r1").WavesDispatched; got != 3 {
		t.Errorf("%d waves are dispatched, want 3", got)
	}
}

func TestAFailureHaltsTheRolloutUntilItIsResumed(t *testing.T) { // PROTOCOL R2
	h := start(t)
	h.open(wire.Halt, []int{0, 0}, "stable", "r1", "c1", "h1", "h4")
	h.openRollout("beta", "r1", "c1", "h1", "h2", "h3")
	h1, h2, h3 := h.agent("h1"), h.agent("h2"), h.agent("h3")
	h2.poll().dispatched(t, "beta@r1")
	h1.tellAll("h1", "beta@r1", "DispatchAck", "ActivationFailed")
	r := h.rollout("beta@r1")
	if r.State != wire.Halted || r.HaltedBy != "h1" {
		t.Fatalf("the rollout is %v, halted by %q", r.State, r.HaltedBy)
	}
	// Nothing that is queued is offered, but an ack is taken all the same.
	h2.poll().want(t, wire.NoContent)
	h2.tellAll("h2", "beta@r1", "DispatchAck")
	waiting := h3.beginPoll()
	h.waiting(1)
	h1.poll().dispatched(t, "stable@r1") // other rollouts go on
	// What becomes of the failed host changes nothing.
	h1.tell("h1", "beta@r1", 3, eventKinds["RollbackComplete"]).want(t, wire.NoContent)
	h3.beat("h3", "", "c0").want(t, wire.OK)
	// The quarantine that the rollback caused would hold the closure back as well.
	h.reader().do(http.MethodPost, clearPath, `{"channel":"beta","closure":"c1"}`).want(t, wire.NoContent)
	h.waiting(1)
	a := h.reader().do(http.MethodPost, rolloutsPath+"/beta@r1/resume", "")
	a.want(t, wire.OK)
	if !strings.Contains(a.body, `"state":"Converging"`) || strings.Contains(a.body, "halted_by") {
		t.Errorf("resumed: %s", a.body)
	}
	(<-waiting).dispatched(t, "beta@r1")
	// Resuming it again changes nothing.
	before := h.everything()
	again := h.reader().do(http.MethodPost, rolloutsPath+"/beta@r1/resume", "")
	again.want(t, wire.OK)
	if again.body != a.body {
		t.Errorf("resumed again: %s, want %s", again.body, a.body)
	}
	h.unchanged(before, "resuming what is not halted")
	// The excused host does not halt it again, another one does.
	h.restart()
	if got := h.rollout("beta@r1").State; got != wire.Converging {
		t.Errorf("after a restart it is %v", got)
	}
	h2.tell("h2", "beta@r1", 2, eventKinds["ActivationFailed"]).want(t, wire.NoContent)
	if r := h.rollout("beta@r1"); r.State != wire.Halted || r.HaltedBy != "h2" {
		t.Errorf("the rollout is %v, halted by %q", r.State, r.HaltedBy)
	}
	h3.poll().want(t, wire.NoContent)
	// A new rollout opens the channel as well.
	h.openRollout("beta", "r2", "c2", "h3")
	h3.poll().dispatched(t, "beta@r2")
}

func TestAnExcusedHostHoldsBackNoWave(t *testing.T) { // PROTOCOL R2
	h := start(t)
	h.open(wire.Halt, []int{0, 0}, "stable", "r1", "c1", "h1", "h2")
	h1, h2 := h.agent("h1"), h.agent("h2")
	h1.tellAll("h1", "stable@r1", "DispatchAck", "ActivationFailed")
	h2.poll().want(t, wire.NoContent)
	h.reader().do(http.MethodPost, rolloutsPath+"/stable@r1/resume", "").want(t, wire.OK)
	h2.poll().dispatched(t, "stable@r1")
	h1.tell("h1", "stable@r1", 3, eventKinds["RollbackComplete"]).want(t, wire.NoContent)
	if got := h.rollout("stable@r1").State; got == wire.Halted {
		t.Error("an excused host halts the rollout again")
	}
}

func TestAQuarantinedClosureIsNotDispatched(t *testing.T) { // PROTOCOL R3
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1", "h2")
	h1, h2 := h.agent("h1"), h.agent("h2")
	h1.tellAll("h1", "stable@r1", toState[wire.Reverted]...)
	a := h.reader().do(http.MethodGet, quarantinePath, "")
	want := `{"quarantine":[{"channel":"stable","closure":"c1","since":"` + noon + `","by":"stable@r1","hostname":"h1"}]}`
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	h.openRollout("stable", "r2", "c1", "h1", "h2")
	h.openRollout("beta", "r1", "c1", "h1")
	h2.poll().want(t, wire.NoContent)
	h1.poll().dispatched(t, "beta@r1") // the other channel knows nothing of it
	h1.tellAll("h1", "beta@r1", "DispatchAck")
	h.openRollout("stable", "r3", "c3", "h1")
	h1.poll().dispatched(t, "stable@r3") // another closure
	h.openRollout("stable", "r4", "c1", "h2")
	h.restart() // it outlives a restart
	h2.poll().want(t, wire.NoContent)
	h.reader().do(http.MethodPost, clearPath, `{"channel":"beta","closure":"c1"}`).want(t, wire.UnknownQuarantine)
	h.reader().do(http.MethodPost, clearPath, `{"channel":"stable","closure":"c1"}`).want(t, wire.NoContent)
	h2.poll().dispatched(t, "stable@r4")
}

func TestARolloutHasAStateOfItsOwn(t *testing.T) { // PROTOCOL R4
	h := start(t)
	h.open(wire.Halt, []int{0, 0}, "stable", "r1", "c1", "h1", "h2")
	h1, h2 := h.agent("h1"), h.agent("h2")
	step := func(want wire.RolloutState, what string) {
		t.Helper()
		if got := h.rollout("stable@r1").State; got != want {
			t.Errorf("%s: it is %v, want %v", what, got, want)
		}
	}
	step(wire.Opening, "every host is Pending")
	h1.tellAll("h1", "stable@r1", "DispatchAck", "ActivationCompleted")
	step(wire.Active, "a wave is not dispatched")
	h1.tell("h1", "stable@r1", 3, eventKinds["Converged"]).want(t, wire.NoContent)
	step(wire.Converging, "every wave is dispatched")
	h2.tellAll("h2", "stable@r1", "DispatchAck", "ActivationFailed")
	step(wire.Halted, "a host failed, though every host is at an end")
	h.reader().do(http.MethodPost, rolloutsPath+"/stable@r1/resume", "").want(t, wire.OK)
	step(wire.Terminal, "every host is at an end and the failure is excused")
	h.openRollout("stable", "r2", "c2", "h1")
	step(wire.Superseded, "a newer one has its channel")
	h.openRollout("beta", "r1", "c1", "h1")
	h1.tellAll("h1", "beta@r1", toState[wire.Converged]...)
	if got := h.rollout("beta@r1").State; got != wire.Terminal {
		t.Errorf("when every host converged it is %v, want Terminal", got)
	}
}

// page asks for a page and returns its items by a member, and next.
func (h *harness) page(path, query, member string) (items []string, next string) {
	h.t.Helper()
	a := h.reader().do(http.MethodGet, path+"?"+query, "")
	a.want(h.t, wire.OK)
	for _, m := range members(h.t, a.body) {
		value := strings.Trim(a.body[m.value:m.end], `"`)
		switch {
		case m.name == member && strings.Count(m.path, ".") == strings.Count(member, ".")+1+strings.Count(m.path, "snapshot."):
			items = append(items, value)
		case m.path == "next":
			next = value
		}
	}
	return items, next
}

func TestPagesEndWhereTheyShould(t *testing.T) { // PROTOCOL R5
	h := start(t)
	var hosts, rollouts, numbers []string
	for i := range 5 {
		hosts = append(hosts, fmt.Sprint("h", i))
	}
	for i := range 5 {
		ref := fmt.Sprint("r", i)
		h.openRollout("c", ref, "c1", hosts...)
		rollouts = append(rollouts, "c@"+ref)
	}
	numbers = []string{"1"} // opened
	for i, host := range hosts[1:] {
		h.agent(host).tellAll(host, "c@r0", "DispatchAck")
		numbers = append(numbers, fmt.Sprint(6+i))
	}
	for _, test := range []struct {
		path, member  string
		items         []string
		before, after string // an after that is before the first item, or behind the last
		between       string // one between the second and the third
	}{
		{hostsPath, "hostname", hosts, "a", "z", "h1x"},
		{rolloutsPath, "rollout_id", rollouts, "a@a", "z@z", "c@r1x"},
		{rolloutsPath + "/c@r0", "hostname", hosts, "a", "z", "h1x"},
		{rolloutsPath + "/c@r0/events", "number", numbers, "0", "9223372036854775807", "6"},
	} {
		check := func(query string, want []string, wantNext string) {
			t.Helper()
			items, next := h.page(test.path, query, test.member)
			if !slices.Equal(items, want) || next != wantNext {
				t.Errorf("%s?%s: got %v, next %q; want %v, next %q", test.path, query, items, next, want, wantNext)
			}
		}
		all := test.items
		check("", all, "")
		check("limit=5", all, "") // exactly as many as there are
		check("limit=1000", all, "")
		check("limit=4", all[:4], all[3])
		check("limit=1", all[:1], all[0])
		check("after=&limit=2", all[:2], all[1])
		check("after="+test.before+"&limit=2", all[:2], all[1])
		check("after="+all[1]+"&limit=2", all[2:4], all[3])
		check("after="+all[1], all[2:], "")
		check("after="+test.between+"&limit=1", all[2:3], all[2])
		check("after="+all[3]+"&limit=1", all[4:], "")
		check("after="+all[4], nil, "") // behind the last
		check("after="+test.after, nil, "")
		// The pages together are the whole, whatever their size.
		for limit := 1; limit <= 6; limit++ {
			var got []string
			for after, pages := "", 0; ; pages++ {
				items, next := h.page(test.path, fmt.Sprintf("limit=%d&after=%s", limit, after), test.member)
				got = append(got, items...)
				if next == "" || pages > len(all) {
					break
				}
				after = next
			}
			if !slices.Equal(got, all) {
				t.Errorf("%s in pages of %d: got %v, want %v", test.path, limit, got, all)
			}
		}
	}
	// An empty list is a list.
	empty := start(t)
	for path, want := range map[string]string{
		hostsPath: `{"hosts":[]}`, rolloutsPath: `{"rollouts":[]}`, quarantinePath: `{"quarantine":[]}`, revocationsPath: `{"revocations":[]}`,
	} {
		if a := empty.reader().do(http.MethodGet, path, ""); a.status != http.StatusOK || a.body != want {
			t.Errorf("%s: got %v, want %s", path, a, want)
		}
	}
}

func TestAPageHasAHundredItemsByDefault(t *testing.T) { // PROTOCOL R5
	h := start(t)
	var hosts []string
	for i := range 1001 {
		hosts = append(hosts, fmt.Sprintf("h%04d", i))
	}
	h.openRollout("c", "r1", "c1", hosts...)
	for _, path := range []string{hostsPath, rolloutsPath + "/c@r1"} {
		for query, want := range map[string]int{"": 100, "limit=101": 101, "limit=1000": 1000, "after=h0999&limit=1000": 1, "after=h0899": 100} {
			items, next := h.page(path, query, "hostname")
			if len(items) != want || (next == "") != (items[want-1] == hosts[1000]) {
				t.Errorf("%s?%s: %d items, next %q; want %d", path, query, len(items), next, want)
			}
		}
	}
}

func TestAnOperatorSeesAHostWithItsRecords(t *testing.T) { // PROTOCOL R5, H1
	h := start(t)
	h.openRollout("beta", "r1", "c1", "h1")
	h.open(wire.Halt, []int{10}, "alpha", "r1", "c2", "h1")
	c := h.agent("h1")
	c.tellAll("h1", "beta@r1", "DispatchAck", "ActivationCompleted", "ProbeTopologyDeclared")
	c.beat("h1", "beta@r1", "c1").want(t, wire.OK)
	want := `{"hostname":"h1","reachability":"reachable","last_heartbeat_at":"` + noon + `","silent_seconds":0,"current_closure":"c1","records":[` +
		`{"snapshot":{"rolloutId":"alpha@r1","hostname":"h1","channel":"alpha","state":"Pending","targetClosure":"c2",` +
		`"dispatchedAt":"` + noon + `","soakDueAt":"2026-01-01T00:10:00Z","lastEventSeq":0},"wave":0},` +
		`{"snapshot":{"rolloutId":"beta@r1","hostname":"h1","channel":"beta","state":"Soaking","targetClosure":"c1","currentClosureAtDispatch":"c0",` +
		`"currentClosure":"c1","dispatchedAt":"` + noon + `","dispatchAckedAt":"` + noon + `","activationCompletedAt":"` + noon + `",` +
		`"soakDueAt":"` + noon + `","lastEventSeq":3},"wave":0,"failing_probes":["web"]}]}`
	if a := h.reader().do(http.MethodGet, hostsPath+"/h1", ""); a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	if a := h.reader().do(http.MethodGet, hostsPath, ""); a.body != `{"hosts":[`+want+`]}` {
		t.Errorf("in the list: %s", a.body)
	}
}

func TestTheDirectoryOpensByFallingSerials(t *testing.T) { // PROTOCOL R6
	files := map[string]string{
		"10.json": numbered(10, manifest("stable", "ten", "c1", "h1")), // "10" comes before "9"
		"9.json":  numbered(9, manifest("stable", "nine", "c1", "h1")),
		"A.json":  numbered(11, manifest("stable", "upper", "c1", "h1")),
		"a.json":  numbered(8, manifest("stable", "lower", "c1", "h1")),
		"b.JSON":  manifest("stable", "other", "c1", "h1"),
		"c.json~": manifest("stable", "backup", "c1", "h1"),
	}
	dir := writeManifests(t, files)
	if err := os.Mkdir(filepath.Join(dir, "z.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("the last is open", func() bool { return strings.Contains(h.rollouts(), "stable@lower") })
	h.eventually("the directory in it is named", func() bool { return len(h.logs.matching("level=ERROR", "manifest refused", "z.json")) == 1 })
	order := []string{"stable@ten", "stable@nine", "stable@lower", "stable@upper"}
	if got := strings.Count(h.rollouts(), `"rollout_id"`); got != len(order) {
		t.Errorf("%d rollouts are open, want %d: %s", got, len(order), h.rollouts())
	}
	for _, id := range order[:len(order)-1] {
		if by := h.rollout(id).SupersededBy; by != "stable@upper" {
			t.Errorf("%s is superseded by %q, want stable@upper", id, by)
		}
	}
	// Reading it again, even as another server, changes nothing.
	before := h.durable()
	h.restart()
	h.eventually("it was read again", func() bool { return len(h.logs.matching("manifest already open", "a.json")) == 1 })
	if h.durable() != before {
		t.Error("reading the directory again changed something")
	}
}

func TestALinkThatLeadsNowhereIsNamedAndStopsNoOther(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{"9.json": manifest("stable", "r1", "c1", "h1")})
	if err := os.Symlink("nowhere", filepath.Join(dir, "2.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("3.json", filepath.Join(dir, "3.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("9.json", filepath.Join(dir, "4.json")); err != nil { // a file as well
		t.Fatal(err)
	}
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("the file is open", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
	h.eventually("the others are counted", func() bool { return h.metric("refrain_manifests_refused") == 2 })
	for _, name := range []string{"2.json", "3.json"} {
		if lines := h.logs.matching("level=ERROR", "manifest refused", filepath.Join(dir, name)); len(lines) != 1 {
			t.Errorf("%d lines about %s, want 1", len(lines), name)
		}
	}
}

func TestAChangedFileIsPickedUp(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{"1.json": manifest("stable", "r1", "c1", "h1")})
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("it is open", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
	change := func(what, text string, happened func() bool) {
		t.Helper()
		writeFile(t, filepath.Join(dir, "1.json"), text)
		h.eventually(what, func() bool {
			h.clock.Add(dirSettle)
			return happened()
		})
	}
	change("the next one is open", manifest("stable", "r2", "c2", "h1"), func() bool { return strings.Contains(h.rollouts(), "stable@r2") })
	before := h.durable()
	change("the contradiction is named", manifest("stable", "r2", "c3", "h1"), func() bool {
		return len(h.logs.matching("level=ERROR", "manifest refused", "1.json", "channel_ref")) == 1
	})
	if got := h.metric("refrain_manifests_refused"); got != 1 {
		t.Errorf("%v manifests are refused, want 1", got)
	}
	if h.durable() != before {
		t.Error("a manifest that contradicts changed something")
	}
	change("it is mended", manifest("stable", "r3", "c3", "h1"), func() bool { return strings.Contains(h.rollouts(), "stable@r3") })
	h.eventually("none is refused any more", func() bool { return h.metric("refrain_manifests_refused") == 0 })
}

func TestAPlaneThatLostItsLogHearsTheHistoriesAgain(t *testing.T) { // PROTOCOL R6, H2, H3, E1
	dir := writeManifests(t, map[string]string{"1.json": manifest("stable", "r1", "c1", "h1", "h2", "h3")})
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	open := func() {
		t.Helper()
		h.eventually("it is open", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
	}
	open()
	h1, h2, h3 := h.agent("h1"), h.agent("h2"), h.agent("h3")
	h1.tellAll("h1", "stable@r1", toState[wire.Converged]...)
	h2.tellAll("h2", "stable@r1", toState[wire.Soaking]...)
	h.cfg.Store = memory.New(0) // the log is gone
	h.restart()
	open()
	h.wantState("stable@r1", "h1", wire.Pending, 0)
	// The first host has its log and says what it is at: it is asked for all of
	// it (A3).
	a := h1.beat("h1", "stable@r1", "c1")
	if got := a.header.Get(wire.HeaderReplayFrom); got != "0" {
		t.Fatalf("%s is %q, want 0", wire.HeaderReplayFrom, got)
	}
	h1.tellAll("h1", "stable@r1", toState[wire.Converged]...)
	h.wantState("stable@r1", "h1", wire.Converged, 3)
	// The second says only what it runs, which proves its activation.
	h2.beat("h2", "", "c1").want(t, wire.OK)
	h.wantState("stable@r1", "h2", wire.Soaking, 0)
	h2.tell("h2", "stable@r1", 3, eventKinds["Converged"]).want(t, wire.NoContent)
	h.wantState("stable@r1", "h2", wire.Converged, 3)
	// The third had heard of nothing yet, and is told.
	a = h3.beat("h3", "", "c0")
	if !strings.Contains(a.body, `"bootstrap_rollouts":[{"rolloutId":"stable@r1","hostname":"h3"`) {
		t.Errorf("told %s", a.body)
	}
	h3.poll().dispatched(t, "stable@r1")
}
