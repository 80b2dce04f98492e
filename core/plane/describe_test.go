package plane_test

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// inputs has one of each input, with its line and whether it replies.
var inputs = []struct {
	in      plane.Input
	line    string
	replies bool
}{
	{heartbeat("h1", "", ""), "heartbeat h1 rollout=- closure=- at=2026-01-01T00:00:00Z", true},
	{heartbeat("h1", "stable@r1", "c2"), "heartbeat h1 rollout=stable@r1 closure=c2 at=2026-01-01T00:00:00Z", true},
	{event("h1", "stable@r1", 3, switched), "event h1 stable@r1 ActivationCompleted#3 closure=c2", true},
	{&plane.Poll{Hostname: "h1"}, "poll h1", true},
	{open("stable@r1", "h1=c2", "h2=c2"), "open stable@r1 hosts=2 waves=2 policy=rollback-and-halt", true},
	{&plane.Release{Manifests: []wire.Manifest{manifest("stable@00ff", "h1=c2"), manifest("beta@00ff", "h2=c2")}}, "release stable@00ff beta@00ff", true},
	{&plane.FileManifest{Manifest: manifest("stable@00ff", "h1=c2"), Signed: true}, "signed stable@00ff hosts=1 waves=1 policy=rollback-and-halt", true},
	{&plane.OpenRollout{Manifest: manifest("stable@00ff", "h1=c2"), Signed: true}, "open stable@00ff hosts=1 waves=1 policy=rollback-and-halt signed", true},
	{&plane.ResumeRollout{RolloutID: "stable@r1"}, "resume stable@r1", true},
	{&plane.Requested{By: wire.Actor{Name: "alice"}, Input: &plane.ResumeRollout{RolloutID: "stable@r1"}}, "resume stable@r1 by alice", true},
	{&plane.Steer{Act: plane.Pause, RolloutID: "stable@r1"}, "steer pause stable@r1", true},
	{&plane.Steer{Act: plane.Skip, RolloutID: "stable@r1", Hostname: "h1", Reason: "disk"}, `steer skip h1 stable@r1 reason="disk"`, true},
	{&plane.ClearQuarantine{Channel: "stable", Closure: "c2"}, "clear-quarantine stable c2", true},
	{&plane.Revoke{CommonName: "n"}, "revoke n before=-", true},
	{&plane.Revoke{CommonName: "n", Before: at(1)}, "revoke n before=2026-01-01T00:00:01Z", true},
	{&plane.QueryHost{Hostname: "h1"}, "query-host h1", true},
	{&plane.QueryHosts{Limit: 7}, "query-hosts after=- limit=7", true},
	{&plane.QueryRollout{RolloutID: "stable@r1", After: "h1", Limit: 7}, "query-rollout stable@r1 after=h1 limit=7", true},
	{&plane.QueryRollouts{After: "stable@r1", Limit: 7}, "query-rollouts after=stable@r1 limit=7", true},
	{&plane.QueryHosts{Limit: 7, Filter: plane.HostFilter{Reachability: wire.Unreachable, State: wire.Failed}},
		"query-hosts after=- limit=7 reachability=unreachable closure=- channel=- state=Failed", true},
	{&plane.QueryRollout{RolloutID: "stable@r1", Limit: 7, State: wire.Failed}, "query-rollout stable@r1 after=- limit=7 state=Failed", true},
	{&plane.QueryRollouts{Limit: 7, Filter: plane.RolloutFilter{Current: true}}, "query-rollouts after=- limit=7 channel=- state= current=true", true},
	{&plane.PlanRollout{Manifest: open("stable@r1", "h1=c1 h2=c1").Manifest}, "plan stable@r1 hosts=2", true},
	{&plane.QueryStatus{}, "query-status", true},
	{&plane.QueryHostWhy{Hostname: "h1"}, "why-host h1", true},
	{&plane.QueryHostWhy{Hostname: "h1", RolloutID: "stable@r1"}, "why-host h1 rollout=stable@r1", true},
	{&plane.QueryRolloutWhy{RolloutID: "stable@r1"}, "why-rollout stable@r1", true},
	{&plane.QueryOverview{From: 7}, "query-overview from=7", true},
	{&plane.QueryQuarantine{}, "query-quarantine", true},
	{&plane.Revoke{CommonName: "agent-h1.f", Also: "h1", Holder: plane.Holder{Judge: true, Hostname: "h1"}}, "revoke agent-h1.f before=- also=h1 judge host=h1", true},
	{&plane.Revoke{CommonName: "operator-a.f", Holder: plane.Holder{Judge: true, Seen: true, Force: true}}, "revoke operator-a.f before=- judge seen force", true},
	{&plane.QueryRevocations{}, "query-revocations", true},
	{&plane.Certify{Hostname: "h1", CommonName: "agent-h1.f", Since: at(1), Key: "k"}, "certify h1 agent-h1.f since=2026-01-01T00:00:01Z", true},
	{&plane.Certify{Hostname: "h1", CommonName: "agent-h1.f", Also: "h1", Since: at(1), Key: "k", Nonce: "n", ExpiresAt: at(2), Refused: true}, "certify h1 agent-h1.f since=2026-01-01T00:00:01Z also=h1 nonce=n until=2026-01-01T00:00:02Z refused", true},
	{&plane.Confirm{Hostname: "h1", RolloutID: "stable@r1", Closure: "c2", At: at(1)}, "confirm h1 stable@r1 closure=c2 at=2026-01-01T00:00:01Z", false},
	{&plane.Offer{Hostname: "h1", RolloutID: "stable@r1"}, "offered h1 stable@r1", false},
	{&plane.Offer{Hostname: "h1", RolloutID: "stable@r1", Ended: true}, "offer_ended h1 stable@r1", false},
	{&plane.Started{}, "started", false},
	{&plane.Tick{}, "tick", false},
	{&plane.Tick{Impaired: true}, "tick impaired", false},
	{&plane.Storage{}, "storage available", false},
	{&plane.Storage{Unavailable: true}, "storage unavailable", false},
	{&plane.Storage{Scarce: true}, "storage scarce", false},
	{&plane.Storage{Unavailable: true, Scarce: true}, "storage unavailable scarce", false},
}

func TestAnInputDescribesItselfAndReplyingIsKnownBeforehand(t *testing.T) {
	for _, c := range inputs {
		equal(t, "the line", c.in.String(), c.line)
		equal(t, "Replies of "+c.line, plane.Replies(c.in), c.replies)
		b := started(t)
		b.plane.Step(instant(0), c.in, &b.out)
		equal(t, "replies of "+c.line, len(b.out.Replies) == 1, c.replies)
	}
}

func TestANoticeDescribesItself(t *testing.T) {
	seen := map[string]bool{"?": true}
	for kind := plane.NoticeReplayAsked; int(kind) < plane.NoticeKindCount; kind++ {
		if word := kind.String(); seen[word] {
			t.Errorf("kind %d has the word %q of another", kind, word)
		} else {
			seen[word] = true
		}
		equal(t, "a bare notice", plane.Notice{Kind: kind}.String()[:len(kind.String())], kind.String())
	}
	equal(t, "no kind", plane.NoticeKind(0).String(), "?")
	equal(t, "the kind after the last", plane.NoticeKind(plane.NoticeKindCount).String(), "?")
}

func TestAReplyAndAnEntryDescribeThemselves(t *testing.T) {
	for want, r := range map[string]plane.Reply{
		"200 ok":                                 {},
		"204 no_content needs=3":                 {Outcome: wire.Outcome{Code: wire.NoContent}, AfterEntries: 3},
		"409 gap replay-from=0 (a sentence)":     {Outcome: wire.Outcome{Code: wire.Gap, Replay: true, Detail: "a sentence"}},
		"200 ok dispatch=stable@r1 closure=c2":   {Outcome: wire.Outcome{Document: &wire.Dispatch{RolloutID: "stable@r1", TargetClosure: "c2"}}},
		"200 ok replay-from=7 bootstrap=2":       {Outcome: wire.Outcome{Replay: true, ReplayFrom: 7, Heartbeat: wire.HeartbeatResponse{Bootstrap: make([]wire.Snapshot, 2)}}},
		"404 unknown_host (no host) needs=1":     {Outcome: wire.Refuse(wire.UnknownHost, "hostname", "no host"), AfterEntries: 1},
		"409 manifest_conflict (choose another)": {Outcome: wire.Refuse(wire.ManifestConflict, "x", "choose another")},
	} {
		equal(t, "the reply", r.String(), want)
	}
	e := plane.Entry{Number: 7, Kind: "resumed", Outcome: "applied", Input: &plane.ResumeRollout{RolloutID: "stable@r1"}}
	equal(t, "the entry", e.String(), "#7 resumed applied: resume stable@r1")
	e.Act = &wire.Act{Count: 3, By: wire.Actor{Name: "alice"}}
	equal(t, "an operator's", e.String(), "#7 resumed applied: resume stable@r1, act 3 of alice")
}

func TestAPlaneDescribesItself(t *testing.T) {
	b := inState(t, wire.Soaking)
	b.step(open("edge@r1", "h2=c2 h3=c2"))
	equal(t, "the plane", b.plane.String(), "hosts=3 unreachable=0 rollouts=2 log=4 Pending=2 Soaking=1")
}

func TestAnOutputIsUsedAgain(t *testing.T) {
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	b.add(&plane.Revoke{CommonName: "n"})
	b.out.Reset()
	equal(t, "what is left", text(&b.out), "")
}

// An input of a kind that the plane does not know is a defect of the caller's.
func TestAnUnknownInputIsAPanic(t *testing.T) {
	defer func() {
		equal(t, "the panic", recover(), any("plane: unknown input <nil>"))
	}()
	started(t).plane.Step(instant(0), nil, &plane.Output{})
}
