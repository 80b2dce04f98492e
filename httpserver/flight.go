package httpserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Why a recording is written.
const (
	flightWedged    = "wedged"    // PROTOCOL G7
	flightPanic     = "panic"     // a step panicked
	flightInvariant = "invariant" // an invariant was violated
	flightAsked     = "asked"     // POST /debug/flight
)

const (
	// flightSuffix ends the names of recordings.
	flightSuffix = ".flight"
	// flightFiles is how many recordings of each cause are kept on disk: the
	// newest. A cause does not displace the recordings of another.
	flightFiles = 4
	// flightPause is the least time between two recordings of a cause that the
	// recorder finds itself: an incident that goes on fills no disk.
	flightPause = time.Minute
	// flightAskedPause is the least time between two recordings that are asked
	// for in the same way.
	flightAskedPause = 10 * time.Second
)

// errFlightOff is what asking for a recording gives if there is no recorder.
var errFlightOff = errors.New("the flight recorder is off; want Config.FlightDir other than off")

// flightLog is the flight recorder with its guard, and the writer of its
// recordings. A nil one records nothing.
type flightLog struct {
	clock     clock.Clock
	log       *slog.Logger
	admission *admission
	build     string
	timeout   time.Duration // the reply timeout

	problem atomic.Pointer[string] // why recordings cannot be written; nil if they can

	mu       sync.Mutex
	recorder *flight.Recorder
	begun    map[string]time.Time // when a recording was last begun, by reason

	writing sync.Mutex // one recording is written at a time
	dir     string     // empty until one is made under the temporary directory

	watch    sync.Mutex
	watching bool // a wedge is being looked for
}

func newFlightLog(cfg *Config, a *admission) (*flightLog, error) {
	if cfg.FlightDir == FlightOff {
		return nil, nil
	}
	recorder, err := flight.NewRecorder(flight.Limits{Steps: cfg.FlightSteps})
	if err != nil {
		return nil, err
	}
	return &flightLog{
		clock: cfg.Clock, log: cfg.Logger, admission: a, build: cfg.Build, timeout: cfg.ReplyTimeout,
		recorder: recorder, dir: cfg.FlightDir, begun: map[string]time.Time{},
	}, nil
}

// rebuilt tells that the plane was built and has not made a step yet.
func (f *flightLog) rebuilt(p *plane.Plane) {
	if f == nil {
		return
	}
	base := p.Clone()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recorder.Rebuilt(base)
}

// begin records an input before its step. Nothing is locked during the step, so
// that a recording can be written while the step hangs.
func (f *flightLog) begin(now wire.Instant, in plane.Input) {
	if f == nil {
		return
	}
	f.mu.Lock()
	f.recorder.Begin(now, in)
	f.mu.Unlock()
}

// end records the outcome of the step, nil if it has none.
func (f *flightLog) end(outcome *wire.Outcome) {
	if f == nil {
		return
	}
	f.mu.Lock()
	f.recorder.End(outcome)
	f.mu.Unlock()
}

// suspect is told that a request was not answered in time. It looks until
// nothing is inside any more whether the plane is wedged, and writes one
// recording if it is.
func (f *flightLog) suspect() {
	if f == nil {
		return
	}
	f.watch.Lock()
	defer f.watch.Unlock()
	if !f.watching {
		f.watching = true
		f.clock.AfterFunc(f.timeout/4, f.lookForWedge)
	}
}

func (f *flightLog) lookForWedge() {
	inbox := f.admission.look()
	if inbox.wedged {
		f.tell(flightWedged)
	}
	f.watch.Lock()
	defer f.watch.Unlock()
	f.watching = inbox.depth > 0 && !inbox.wedged && !f.admission.isClosed()
	if f.watching {
		f.clock.AfterFunc(f.timeout/4, f.lookForWedge)
	}
}

// tell writes a recording without a request for it.
func (f *flightLog) tell(reason string) {
	if f == nil {
		return
	}
	if f.mayBegin(reason, flightPause) > 0 {
		return
	}
	if _, err := f.write(reason); err != nil {
		f.log.Error("the flight recording was not written", "reason", reason, "error", err)
	}
}

// mayBegin returns for how long no recording of a reason may begin yet; if that
// is 0, it counts as begun.
func (f *flightLog) mayBegin(reason string, pause time.Duration) (wait time.Duration) {
	now := f.clock.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if last, before := f.begun[reason]; before && now.Sub(last) < pause {
		return pause - now.Sub(last)
	}
	f.begun[reason] = now
	return 0
}

// tooSoon is the refusal of a recording that is asked for too soon after another.
type tooSoon struct{ wait time.Duration }

// Error implements error.
func (e *tooSoon) Error() string {
	return fmt.Sprintf("a recording was asked for less than %v ago; the next one may be in %v", flightAskedPause, e.wait.Round(time.Millisecond))
}

// ask writes a recording that is asked for.
func (f *flightLog) ask(reason string) (w written, err error) {
	if f == nil {
		return w, errFlightOff
	}
	if wait := f.mayBegin(reason, flightAskedPause); wait > 0 {
		return w, &tooSoon{wait}
	}
	return f.write(reason)
}

// written is a recording on disk.
type written struct {
	Path  string `json:"path"`
	Steps int    `json:"steps"`
	Bytes int    `json:"bytes"`
}

// write writes a recording: wholly or not at all.
func (f *flightLog) write(reason string) (w written, err error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	now := f.clock.Now()
	f.mu.Lock()
	data, ok := f.recorder.Append(nil, flight.Header{Build: wire.Text(f.build), Reason: wire.Text(reason), At: wire.TimeOf(now)})
	w.Steps, _ = f.recorder.Steps()
	f.mu.Unlock()
	if !ok {
		return w, errors.New("nothing is recorded yet: the plane is not loaded")
	}
	defer func() { f.found(err) }()
	if err := f.prepare(); err != nil {
		return w, err
	}
	name := now.UTC().Format("20060102T150405.000000000Z") + "-" + reason + flightSuffix
	w.Path, w.Bytes = filepath.Join(f.dir, name), len(data)
	if err := replaceFile(w.Path, data); err != nil {
		return w, err
	}
	f.log.Warn("a flight recording was written; refrain sim replay-recording plays it", "reason", reason, "path", w.Path, "steps", w.Steps)
	return w, f.prune()
}

// prepare makes the directory.
func (f *flightLog) prepare() (err error) {
	if f.dir == "" {
		f.dir, err = os.MkdirTemp("", "refrain-flight-")
		return err
	}
	return os.MkdirAll(f.dir, 0o700)
}

// replaceFile writes a file under another name first, so that no reader finds
// half of it.
func replaceFile(path string, data []byte) error {
	temporary := path + ".part"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return os.Rename(temporary, path)
}

// prune removes all but the newest recordings of each cause. Their names sort by
// time, and end with the cause.
func (f *flightLog) prune() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	byCause := map[string][]string{}
	for _, e := range entries { // sorted by name
		name, recording := strings.CutSuffix(e.Name(), flightSuffix)
		if _, cause, named := strings.Cut(name, "-"); recording && named && e.Type().IsRegular() {
			byCause[cause] = append(byCause[cause], e.Name())
		}
	}
	var errs []error
	for _, names := range byCause {
		for _, name := range names[:max(0, len(names)-flightFiles)] {
			errs = append(errs, os.Remove(filepath.Join(f.dir, name)))
		}
	}
	return errors.Join(errs...)
}

// CheckFlightDir checks that recordings can be written, now and not only in the
// incident: it makes the directory, and a file in it for a moment. It is nil if
// there is no recorder, or if the directory will be a temporary one.
func (s *Server) CheckFlightDir() error {
	if s.flight == nil || s.flight.dir == "" {
		return nil
	}
	f := s.flight
	f.writing.Lock()
	defer f.writing.Unlock()
	err := f.prepare()
	if err == nil {
		err = probeDir(f.dir)
	}
	f.found(err)
	if err != nil {
		return fmt.Errorf("flight recordings cannot be written: %w", err)
	}
	return nil
}

// found keeps for /readyz?verbose whether a recording could be written.
func (f *flightLog) found(err error) {
	if err == nil {
		f.problem.Store(nil)
		return
	}
	text := "flight recordings cannot be written: " + err.Error()
	f.problem.Store(&text)
}

// check is the check of /readyz: the plane serves without recordings, too.
func (f *flightLog) check() Check {
	return Check{Name: "flight-recorder", Advisory: true, Problem: func() string {
		if problem := f.problem.Load(); problem != nil {
			return *problem
		}
		return ""
	}}
}

// probeDir makes a file in a directory and removes it.
func probeDir(dir string) error {
	file, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// RecordFlight writes what the flight recorder holds to a file and returns its
// path. reason is a word for the file's name, for instance signal. Recordings of a
// reason are at least ten seconds apart; one that comes sooner is an error.
func (s *Server) RecordFlight(reason string) (path string, err error) {
	w, err := s.flight.ask(reason)
	if err != nil {
		return "", fmt.Errorf("httpserver: flight recording: %w", err)
	}
	return w.Path, nil
}

// debugFlight writes a recording and says where.
func (s *Server) debugFlight(w http.ResponseWriter, _ *http.Request) {
	recording, err := s.flight.ask(flightAsked)
	soon := new(tooSoon)
	switch {
	case errors.As(err, &soon):
		w.Header().Set("Retry-After", strconv.Itoa(int((soon.wait+time.Second-1)/time.Second)))
		http.Error(w, err.Error(), http.StatusTooManyRequests)
	case errors.Is(err, errFlightOff):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, "the recording was not written: "+err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(recording) // the client may have disconnected
	}
}
