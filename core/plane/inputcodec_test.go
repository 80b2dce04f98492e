package plane_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func checkInputLine(t rapid.TB, in plane.Input) {
	t.Helper()
	line := plane.AppendInput(nil, in)
	if bytes.ContainsRune(line, '\n') {
		t.Fatalf("the line of %v has a line break: %q", in, line)
	}
	var d wire.Decoder
	back, err := plane.ParseInput(&d, line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if !reflect.DeepEqual(back, in) {
		t.Fatalf("%s reads back to %v", line, back)
	}
	if again := plane.AppendInput(nil, back); !bytes.Equal(again, line) {
		t.Fatalf("%s is written as %s after it was read", line, again)
	}
}

func TestEveryInputReadsBack(t *testing.T) {
	lines := map[string]bool{}
	for _, in := range []plane.Input{
		&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "h1", RolloutID: "a@b", CurrentClosure: "c1", At: at(3)}},
		&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "h1", At: at(3)}},
		&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "h1", At: at(3)}, From: "2001:db8::1%eth0"},
		&plane.Poll{Hostname: "h1"}, &plane.Poll{Hostname: "h1", Dialect: wire.DialectField, Again: true},
		&plane.Release{},
		&plane.Release{Manifests: []wire.Manifest{manifest("stable@00ff", "h1=c2")}, Fresh: []plane.Freshness{{RolloutID: "stable@00ff", Until: at(9)}}},
		&plane.Release{Manifests: []wire.Manifest{manifest("stable@00ff", "h1=c2"), manifest("beta@00ff", "h2=c2")}},
		&plane.OpenRollout{Manifest: manifest("stable@00ff", "h1=c2"), Signed: true},
		&plane.FileManifest{Manifest: manifest("stable@00ff", "h1=c2"), Signed: true},
		&plane.ResumeRollout{RolloutID: "a@b"},
		&plane.Requested{By: operator, Input: &plane.ResumeRollout{RolloutID: "a@b"}},
		&plane.Requested{By: wire.Actor{Name: `a "b} c`, Request: `\\"}`}, Input: &plane.OpenRollout{Manifest: manifest("stable@00ff", "h1=c2")}},
		&plane.ClearQuarantine{Channel: "a", Closure: "c1"},
		&plane.Steer{Act: plane.Pause, RolloutID: "a@b"},
		&plane.Steer{Act: plane.Skip, RolloutID: "a@b", Hostname: "h1", Reason: "disk"},
		&plane.Revoke{CommonName: "agent-h1.fleet"},
		&plane.Revoke{CommonName: "agent-h1.fleet", Before: at(5)},
		&plane.Revoke{CommonName: "agent-h1.fleet", Also: "h1", Holder: plane.Holder{Judge: true, Hostname: "h1"}},
		&plane.Revoke{CommonName: "operator-a.fleet", Holder: plane.Holder{Judge: true, Force: true, Seen: true}},
		&plane.Certify{Hostname: "h1", CommonName: "agent-h1.fleet", Since: at(1), Key: "k"},
		&plane.Certify{Hostname: "h1", CommonName: "agent-h1.fleet", Also: "h1", Since: at(1), Key: "k", Nonce: "n", ExpiresAt: at(2), Refused: true},
		&plane.Confirm{Hostname: "h1", RolloutID: "a@b", Closure: "c1", At: at(1)},
		&plane.Offer{Hostname: "h1", RolloutID: "a@b"},
		&plane.Offer{Hostname: "h1", RolloutID: "a@b", Ended: true},
		&plane.QueryHost{Hostname: "h1"},
		&plane.QueryHosts{Limit: 7},
		&plane.QueryHosts{After: "h1", Limit: plane.MaxLimit},
		&plane.QueryRollout{RolloutID: "a@b", After: "h1", Limit: 3},
		&plane.QueryRollouts{After: "a@b", Limit: 3},
		&plane.QueryHosts{Limit: 7, Filter: plane.HostFilter{Reachability: wire.Unreachable, Closure: "c1", Channel: "stable", State: wire.Failed}},
		&plane.QueryRollout{RolloutID: "a@b", Limit: 3, State: wire.Reverted},
		&plane.QueryRollouts{Limit: 3, Filter: plane.RolloutFilter{Channel: "stable", State: wire.Halted, Current: true}},
		&plane.QueryStatus{},
		&plane.QueryHostWhy{Hostname: "h1"}, &plane.QueryHostWhy{Hostname: "h1", RolloutID: "stable@r1"}, &plane.QueryRolloutWhy{RolloutID: "stable@r1"},
		&plane.QueryOverview{},
		&plane.QueryOverview{From: 7},
		&plane.PlanRollout{Manifest: open("stable@r1", "h1=c1", "h2=c1").Manifest},
		&plane.QueryQuarantine{},
		&plane.QueryRevocations{},
		&plane.Started{},
		&plane.Tick{},
		&plane.Tick{Impaired: true},
		&plane.Storage{},
		&plane.Storage{Unavailable: true},
		&plane.Storage{Scarce: true},
	} {
		checkInputLine(t, in)
		line := string(plane.AppendInput(nil, in))
		if lines[line] {
			t.Errorf("two inputs have the line %s", line)
		}
		lines[line] = true
	}
}

func TestEveryInputOfARandomRunReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t, watch{after: func(f *fleet, _ wire.Instant, in plane.Input, out *plane.Output) {
			checkInputLine(f.t, in)
			for i := range out.Entries {
				checkInputLine(f.t, out.Entries[i].Input)
			}
		}})
		f.play(runLength / 2)
	})
}

func TestALineThatIsNoInputIsNamed(t *testing.T) {
	for line, want := range map[string]string{
		"":                        "unknown input",
		"sing {}":                 "unknown input \"sing\"",
		"poll":                    "JSON",
		"poll {}":                 "hostname",
		`poll {"hostname":"a"}x`:  "",
		`query_hosts {"limit":x}`: "",
		"started []":              "object",
	} {
		var d wire.Decoder
		in, err := plane.ParseInput(&d, []byte(line))
		if err == nil {
			t.Errorf("%q reads as %v; want an error", line, in)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q in it", line, err, want)
		}
	}
}
