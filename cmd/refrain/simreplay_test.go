package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// recording is one of three heartbeats, of which the last did not return.
func recording(t *testing.T) string {
	t.Helper()
	recorder, err := flight.NewRecorder(flight.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	recorder.Rebuilt(p.Clone())
	now := wire.Instant{Wall: wire.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	var out plane.Output
	for _, in := range []plane.Input{
		&plane.Started{},
		&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "web-1", At: now.Wall}},
		&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "web-2", At: now.Wall}},
	} {
		now.Mono += time.Second
		recorder.Begin(now, in)
		out.Reset()
		p.Step(now, in, &out)
		if len(out.Replies) > 0 {
			recorder.End(&out.Replies[0].Outcome)
		} else {
			recorder.End(nil)
		}
	}
	recorder.Begin(now, &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "web-3", At: now.Wall}})
	b, _ := recorder.Append(nil, flight.Header{Build: "there", Reason: "wedged", At: now.Wall})
	return string(b)
}

// replayText runs the command over a recording.
func replayText(t *testing.T, text string, flags ...string) (code int, out, errs string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.flight")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	args := append([]string{"sim", "replay-recording", path}, flags...)
	code = run(&cli{}, args, stdio{Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestARecordingReplaysToTheSameAnswers(t *testing.T) {
	code, out, errs := replayText(t, recording(t), "--check-invariants", "-v")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{
		"wedged at 2026-01-01T00:00:00Z", "there", "another build", "2 compared and equal", "SAME ",
		"NOT RETURNED in production, line 10", "heartbeat web-3", "heartbeat web-1 rollout=- closure=- at=2026-01-01T00:00:00Z → 200 - {",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
}

func TestAnAnswerThatIsNotTheSameIsShownBesideTheOldOne(t *testing.T) {
	text := strings.Replace(recording(t), `answer 200 - {"received_at"`, `answer 200 7 {"received_at"`, 1)
	code, out, _ := replayText(t, text)
	if code != exitFailed {
		t.Errorf("exit %d; want %d", code, exitFailed)
	}
	for _, want := range []string{"DIFFERS first at line 6", "(1 in all)", "then   200 7 {", "now    200 - {", "1 compared and equal"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	code, out, _ = replayText(t, text, "--json")
	var r replayReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitFailed {
		t.Fatalf("exit %d, %v in %s", code, err, out)
	}
	if r.Verdict != "differs" || r.Differs != 1 || r.First == nil || r.First.Line != 6 || len(r.Hung) != 1 || r.Steps != 4 {
		t.Errorf("%+v", r)
	}
}

func TestAFileThatIsNoRecordingIsWrongUse(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "x.flight: line 1: the file is empty",
		"seed 7\n":         "x.flight: line 1: this is no recording",
		recording(t)[:300]: "was cut off",
		strings.Replace(recording(t), "clock {", "clock [", 1): "the state before the first step: state line",
	} {
		if code, _, errs := replayText(t, text); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("exit %d, %q; want %q", code, errs, want)
		}
	}
	var out, errs bytes.Buffer
	if code := run(&cli{}, []string{"sim", "replay-recording", "nowhere.flight"}, stdio{Out: &out, Err: &errs}); code != exitUsage {
		t.Errorf("exit %d for a file that is not there", code)
	}
}

func TestARecordingBecomesAScenario(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incident.scenario")
	code, out, errs := replayText(t, recording(t), "--to-scenario", path)
	if code != 0 || errs != "" || !strings.Contains(out, "refrain sim run "+path) {
		t.Fatalf("exit %d: %s\n%s", code, errs, out)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"after step 4 of 4 that were recorded: wedged at 2026-01-01T00:00:00Z", "# h1 is web-1\n# h2 is web-2\n# h3 is web-3\n", "fleet 3\n",
		`state host {"hostname":"h2",`, "active 10m\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(&cli{}, []string{"sim", "run", path}, stdio{Out: &stdout, Err: &stderr}); code != 0 || !strings.Contains(stdout.String(), "PASSED") {
		t.Errorf("exit %d: %s\n%s", code, stderr.String(), stdout.String())
	}
	if _, out, _ := replayText(t, recording(t), "--to-scenario", "-", "--at-step", "2"); !strings.Contains(out, "after step 2 of 4") || !strings.Contains(out, "fleet 1\n") || strings.Contains(out, "SAME") {
		t.Errorf("at step 2:\n%s", out)
	}
	for _, wrong := range [][]string{
		{"--to-scenario", "-", "--json"}, {"--at-step", "1"}, {"--to-scenario", "-", "--at-step", "5"}, {"--to-scenario", "-", "--at-step", "0"},
	} {
		if code, _, errs := replayText(t, recording(t), wrong...); code != exitUsage || errs == "" {
			t.Errorf("%v: exit %d, %q", wrong, code, errs)
		}
	}
}
