package httpserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// recordings lists the files that the flight recorder has written for a
// reason, oldest first.
func (h *harness) recordings(reason string) []string {
	h.t.Helper()
	return must(filepath.Glob(filepath.Join(h.cfg.FlightDir, "*-"+reason+flightSuffix)))(h.t)
}

// ask posts to the flight recorder.
func (h *harness) askFlight() (status int, body string) {
	h.t.Helper()
	resp, err := http.Post("http://"+h.server.OpsAddr().String()+"/debug/flight", "", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var text bytes.Buffer
	must(text.ReadFrom(resp.Body))(h.t)
	return resp.StatusCode, text.String()
}

// replay plays a recording and wants every answer to be the same.
func replay(t *testing.T, path string) (*flight.Recording, *plane.Plane) {
	t.Helper()
	rec, err := flight.Parse(must(os.ReadFile(path))(t))
	if err != nil {
		t.Fatal(err)
	}
	player, err := rec.Play()
	if err != nil {
		t.Fatal(err)
	}
	for {
		s, more := player.Peek()
		if !more {
			return rec, player.Plane()
		}
		if err := player.Next(); err != nil {
			t.Fatal(err)
		}
		if !player.Same() {
			t.Fatalf("%s line %d: %v answered %s then and %s now", path, s.Line, s.Input, s.Answer, player.Got())
		}
	}
}

// answersTo are what the inputs of a kind answered in a recording.
func answersTo[T plane.Input](rec *flight.Recording) (answers []string) {
	for _, s := range rec.Steps() {
		if ofKind[T](s.Input) {
			answers = append(answers, string(s.Answer))
		}
	}
	return answers
}

func TestARecordingHasWhatTheAgentsWereAnswered(t *testing.T) {
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	beat := c.heartbeat("h1")
	beat.want(t, wire.OK)
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.NoContent)
	drift := c.do(http.MethodPost, heartbeatPath, `{"hostname":"h1","rollout_id":"stable@r1","current_closure":"c9","at":"2026-01-01T00:00:00Z"}`)
	drift.want(t, wire.OK)

	status, body := h.askFlight()
	var told written
	if err := json.Unmarshal([]byte(body), &told); status != http.StatusOK || err != nil {
		t.Fatalf("%d %s (%v)", status, body, err)
	}
	rec, p := replay(t, told.Path)
	if info := must(os.Stat(told.Path))(t); info.Size() != int64(told.Bytes) || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has %d bytes and mode %v; want %d and -rw-------", told.Path, info.Size(), info.Mode(), told.Bytes)
	}
	if len(rec.Steps()) != told.Steps || rec.Header.Reason != flightAsked || rec.Header.Build != "unknown" {
		t.Errorf("%d steps, %+v; want %d steps", len(rec.Steps()), rec.Header, told.Steps)
	}
	if got, want := answersTo[*plane.Heartbeat](rec), []string{"200 - " + beat.body, "200 1 " + drift.body}; !slices.Equal(got, want) {
		t.Errorf("heartbeats were answered %q; want %q", got, want)
	}
	if got := answersTo[*plane.Event](rec); !slices.Equal(got, []string{"204 - "}) {
		t.Errorf("events were answered %q", got)
	}
	h.stop()
	if !bytes.Equal(p.AppendState(nil), h.server.loop.worker.Plane().AppendState(nil)) {
		t.Error("the state after the recording is another than the server's")
	}
}

func TestAWedgeIsRecordedOnce(t *testing.T) { // PROTOCOL G7
	h := start(t)
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	wedge := h.wedge()
	done := h.agent("h2").beginHeartbeat("h2")
	<-wedge.Reached()
	h.clock.Add(5 * time.Second)
	(<-done).want(t, wire.Timeout)
	for range 20 { // it is looked for by the clock
		h.clock.Add(time.Second)
	}
	h.eventually("a recording", func() bool { return len(h.recordings(flightWedged)) > 0 })
	wedge.Lift()
	h.inside(0)
	rec, _ := replay(t, h.recordings(flightWedged)[0])
	if got := answersTo[*plane.Heartbeat](rec); len(got) != 1 {
		t.Errorf("%d heartbeats are recorded; want the one before the wedge", len(got))
	}
	if n := len(h.recordings(flightWedged)); n != 1 {
		t.Errorf("%d recordings of one wedge", n)
	}
}

// A busy plane is not wedged: nothing is recorded.
func TestALateReplyAloneIsNotRecorded(t *testing.T) { // PROTOCOL G7
	h := start(t)
	delay := h.faults.Install(Fault{Kind: Delay, Count: 1, For: 5 * time.Second})
	done := h.agent("h1").beginHeartbeat("h1")
	<-delay.Reached()
	h.clock.Add(5 * time.Second)
	(<-done).want(t, wire.Timeout)
	h.inside(0)
	for range 10 {
		h.clock.Add(time.Second)
	}
	if got := h.recordings("*"); len(got) > 0 {
		t.Errorf("recorded %v", got)
	}
}

func TestAPanicIsRecordedBeforeThePlaneIsBuiltAgain(t *testing.T) {
	h := start(t)
	h.wantPanics = true
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	panics := func() {
		h.faults.Install(Fault{Kind: Drop, At: BeforeReply, Count: 1, Match: func(in plane.Input) bool {
			if ofKind[*plane.Heartbeat](in) {
				panic("on purpose")
			}
			return false
		}})
		h.agent("h1").heartbeat("h1").want(t, wire.DroppedReply)
		h.eventually("the plane is up again", func() bool { status, _ := h.ops("/readyz"); return status == http.StatusOK })
	}
	panics()
	first := h.recordings(flightPanic)
	if len(first) != 1 {
		t.Fatalf("%d recordings; want one", len(first))
	}
	rec, _ := replay(t, first[0])
	last := rec.Steps()[len(rec.Steps())-1]
	if !ofKind[*plane.Heartbeat](last.Input) {
		t.Errorf("the last step is %v; want the heartbeat", last.Input)
	}
	panics()
	if got := h.recordings(flightPanic); len(got) != 1 {
		t.Errorf("%d recordings within a minute; want one", len(got))
	}
	// What was recorded goes on over the plane that was built again.
	h.agent("h1").do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.NoContent)
	path := must(h.server.RecordFlight("signal"))(t)
	rec, _ = replay(t, path)
	rebuilt := 0
	for _, s := range rec.Steps() {
		if s.Input == nil {
			rebuilt++
		}
	}
	if rebuilt != 1 {
		t.Errorf("%d planes were built again in the recording; want the last one", rebuilt)
	}
	if !strings.HasSuffix(path, "-signal"+flightSuffix) {
		t.Errorf("the recording is %s", path)
	}
}

func TestTheNewestRecordingsOfEachCauseAreKept(t *testing.T) {
	h := start(t)
	other := filepath.Join(h.cfg.FlightDir, "notes.txt")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.server.flight.tell(flightWedged)
	wedged := h.recordings(flightWedged)
	var all []string
	for range 2*flightFiles + 3 {
		all = append(all, must(h.server.RecordFlight("asked"))(t))
		h.clock.Add(flightAskedPause)
	}
	if got := h.recordings("asked"); !slices.Equal(got, all[flightFiles+3:]) {
		t.Errorf("kept %v; want %v", got, all[flightFiles+3:])
	}
	if got := h.recordings(flightWedged); len(got) != 1 || !slices.Equal(got, wedged) {
		t.Errorf("of the wedge, %v is kept; want %v", got, wedged)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

func TestRecordingsThatAreAskedForAreRare(t *testing.T) {
	h := start(t)
	if status, body := h.askFlight(); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	h.clock.Add(flightAskedPause - time.Second)
	if status, body := h.askFlight(); status != http.StatusTooManyRequests || !strings.Contains(body, "the next one may be in 1s") {
		t.Errorf("%d %s", status, body)
	}
	must(h.server.RecordFlight("signal"))(t) // another way of asking
	if _, err := h.server.RecordFlight("signal"); err == nil {
		t.Error("two recordings by signal at once")
	}
	h.clock.Add(time.Second)
	if status, body := h.askFlight(); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if n := len(h.recordings("*")); n != 3 {
		t.Errorf("%d recordings; want 3", n)
	}
}

func TestARecordingThatCannotBeWrittenIsToldAndHarmless(t *testing.T) {
	h := start(t, func(cfg *Config) { cfg.FlightDir = filepath.Join(cfg.FlightDir, "file") })
	if err := os.WriteFile(h.cfg.FlightDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := h.askFlight(); status != http.StatusInternalServerError || !strings.Contains(body, "not written") {
		t.Errorf("%d %s", status, body)
	}
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	if err := h.server.CheckFlightDir(); err == nil || !strings.Contains(err.Error(), h.cfg.FlightDir) {
		t.Errorf("the check says %v", err)
	}
	const name = `{"name":"flight-recorder","state":`
	if status, body := h.ops("/readyz?verbose"); status != http.StatusOK || !strings.Contains(body, name+`"warning","reason":"flight recordings cannot be written: `) {
		t.Errorf("%d %s", status, body)
	}
	if err := os.Remove(h.cfg.FlightDir); err != nil {
		t.Fatal(err)
	}
	if err := h.server.CheckFlightDir(); err != nil {
		t.Error(err)
	}
	if left := must(os.ReadDir(h.cfg.FlightDir))(t); len(left) > 0 {
		t.Errorf("the check has left %v", left)
	}
	if _, body := h.ops("/readyz?verbose"); !strings.Contains(body, name+`"ok"`) {
		t.Error(body)
	}
}

func TestWithoutARecorderNothingIsRecorded(t *testing.T) {
	h := start(t, func(cfg *Config) { cfg.FlightDir = FlightOff })
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	if status, body := h.askFlight(); status != http.StatusNotFound || !strings.Contains(body, "recorder is off") {
		t.Errorf("%d %s", status, body)
	}
	if _, err := h.server.RecordFlight("signal"); err == nil {
		t.Error("a recording was written")
	}
}

func TestBeforeThePlaneIsLoadedThereIsNothingToRecord(t *testing.T) {
	h := newHarness(t)
	h.listen()
	if status, body := h.askFlight(); status != http.StatusInternalServerError || !strings.Contains(body, "nothing is recorded yet") {
		t.Errorf("%d %s", status, body)
	}
}
