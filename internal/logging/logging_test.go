package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a destination whose writes a test holds up or lets fail.
type sink struct {
	mu      sync.Mutex
	text    bytes.Buffer
	fail    error // of every write
	part    int   // bytes that a failing write writes first
	held    chan struct{}
	entered chan struct{} // a write has begun, if held
}

func (s *sink) Write(p []byte) (int, error) {
	if s.held != nil {
		select {
		case s.entered <- struct{}{}:
		default:
		}
		<-s.held
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		n, _ := s.text.Write(p[:min(s.part, len(p))])
		return n, s.fail
	}
	return s.text.Write(p)
}

func (s *sink) failWith(err error, part int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.part = err, part
}

// lines returns what is written, without the times.
func (s *sink) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for line := range strings.Lines(s.text.String()) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "level=")
		lines = append(lines, rest)
	}
	return lines
}

func heldSink() *sink { return &sink{held: make(chan struct{}), entered: make(chan struct{}, 1)} }

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("lines\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const missing = `ERROR msg="log lines are missing here: the log was not read, or could not be written" missing=`

func TestLog_AReaderThatDoesNotReadStopsNobody(t *testing.T) {
	to := heldSink()
	l := New(to, Options{Buffer: 200, Burst: 1000})
	l.Info("first")
	<-to.entered // the writer has it, the buffer is empty
	// A line has 46 bytes and a number.
	for i := range 10 {
		l.Info("n", "i", i)
	}
	if got := l.Dropped(); got == 0 || got > 9 {
		t.Fatalf("%d lines were dropped, want some", got)
	}
	kept := 10 - int(l.Dropped())
	close(to.held)
	for len(to.lines()) < 1+kept+1 {
		time.Sleep(time.Millisecond)
	}
	l.Info("last")
	if !l.Close(time.Minute) {
		t.Error("the log is not complete")
	}
	want := []string{"INFO msg=first"}
	for i := range kept {
		want = append(want, fmt.Sprintf("INFO msg=n i=%d", i))
	}
	wantLines(t, to.lines(), append(want, missing+fmt.Sprint(10-kept), "INFO msg=last")...)
}

func TestLog_LossesAreSaidWhereTheyAre(t *testing.T) {
	to := heldSink()
	l := New(to, Options{Buffer: 120})
	l.Info("1")
	<-to.entered
	l.Info("2")
	l.Info(strings.Repeat("too long ", 20)) // finds no room
	l.Info("3")                             // does
	close(to.held)
	l.Close(time.Minute)
	wantLines(t, to.lines(), "INFO msg=1", "INFO msg=2", missing+"1", "INFO msg=3")
}

func TestLog_CloseWaitsForABoundedTime(t *testing.T) {
	to := heldSink()
	l := New(to, Options{})
	l.Info("stuck")
	<-to.entered
	if l.Close(time.Millisecond) {
		t.Error("a log that nobody reads was closed complete")
	}
	close(to.held)
	<-l.queue.done
}

func TestLog_ALineThatCannotBeWrittenIsCounted(t *testing.T) {
	to := new(sink)
	l := New(to, Options{})
	say := func(text string, lost uint64) {
		t.Helper()
		before := len(to.lines())
		l.Info(text)
		for l.Dropped() < lost || lost == 0 && len(to.lines()) == before {
			time.Sleep(time.Millisecond)
		}
	}
	say("a", 0)
	to.failWith(syscall.EPIPE, 0)
	say("b", 1)
	say("c", 2)
	to.failWith(syscall.ENOSPC, 10)
	say("d", 3)
	to.failWith(nil, 0)
	l.Info("e")
	if !l.Close(time.Minute) {
		t.Error("the log is not complete")
	}
	lines := to.lines()
	if len(lines) != 4 || lines[1] != "" {
		t.Fatalf("%q; want a line that was torn after the first", lines)
	}
	wantLines(t, append(lines[:1], lines[2:]...), "INFO msg=a", missing+"3", "INFO msg=e")
}

// busyFile says once that it cannot take more, in the middle of a line.
type busyFile struct {
	bytes.Buffer
	told bool
}

func (b *busyFile) Write(p []byte) (int, error) {
	if !b.told {
		b.told = true
		n, _ := b.Buffer.Write(p[:7])
		return n, &os.PathError{Op: "write", Err: syscall.EAGAIN}
	}
	return b.Buffer.Write(p)
}

func TestLog_ADestinationThatIsBusyGetsTheRestOfTheLine(t *testing.T) {
	to := new(busyFile)
	l := New(to, Options{})
	l.Info("whole")
	if !l.Close(time.Minute) || l.Dropped() != 0 || !strings.HasSuffix(to.String(), " level=INFO msg=whole\n") || strings.Count(to.String(), "\n") != 1 {
		t.Errorf("%q, %d dropped", to.String(), l.Dropped())
	}
}

func TestLog_AFloodIsOneLineASecondWithACount(t *testing.T) {
	to := new(sink)
	c := clock.NewMock()
	l := New(to, Options{Burst: 3, Clock: c})
	log := l.With("host", "h1")
	for i := range 10 { // 3 of them are written
		log.Warn("refused", "i", i)
	}
	log.Info("refused") // another kind
	c.Add(time.Second)
	for i := range 5 { // the flood goes on: one of them
		log.Warn("refused", "i", 10+i)
	}
	c.Add(time.Second + 100*time.Millisecond) // it ends
	if got := l.Suppressed(); got != 11 {
		t.Errorf("%d lines were left out, want 11", got)
	}
	log.Warn("refused", "i", 15)
	log.Warn("refused", "i", 16) // the second before had too many
	l.Close(time.Minute)
	wantLines(t, to.lines(),
		"WARN msg=refused host=h1 i=0", "WARN msg=refused host=h1 i=1", "WARN msg=refused host=h1 i=2", "INFO msg=refused host=h1",
		"WARN msg=refused host=h1 i=10 suppressed=7",
		`WARN msg="lines were left out: too many of one kind" kind=refused suppressed=4`,
		"WARN msg=refused host=h1 i=15",
		`WARN msg="lines were left out: too many of one kind" kind=refused suppressed=1`)
}

func TestLog_WhoAsksForDebugGetsEveryLine(t *testing.T) {
	to := new(sink)
	l := New(to, Options{Level: slog.LevelDebug})
	for range 2 * DefaultBurst {
		l.Info("x")
	}
	l.Close(time.Minute)
	if got := len(to.lines()); got != 2*DefaultBurst {
		t.Errorf("%d lines, want %d", got, 2*DefaultBurst)
	}
}

func TestLog_JSONSaysLossesAsAnObject(t *testing.T) {
	to := heldSink()
	l := New(to, Options{Format: JSON, Buffer: 80})
	l.Info("first")
	<-to.entered
	for range 3 {
		l.Info("x")
	}
	close(to.held)
	l.Close(time.Minute)
	d := json.NewDecoder(&to.text)
	var missing float64
	for {
		var line map[string]any
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if n, ok := line["missing"].(float64); ok {
			missing += n
		}
	}
	if missing != 2 || l.Dropped() != 2 {
		t.Errorf("%v are said to be missing and %d were dropped, want 2", missing, l.Dropped())
	}
}

func TestThrottle_TheSameLineIsWrittenOnceASecond(t *testing.T) { // PROTOCOL G8
	c := clock.NewMock()
	th := NewThrottle[string](c, 1)
	if n, ok, _ := th.Allow("a"); !ok || n != 0 {
		t.Error("the first line is not written")
	}
	c.Add(time.Second - time.Nanosecond)
	for range 3 {
		if _, ok, _ := th.Allow("a"); ok {
			t.Error("a second line in the same second")
		}
	}
	if _, ok, _ := th.Allow("b"); !ok {
		t.Error("another kind is held back")
	}
	c.Add(time.Nanosecond)
	if n, ok, _ := th.Allow("a"); !ok || n != 3 {
		t.Errorf("after a second: %v, %d suppressed; want true, 3", ok, n)
	}
	c.Add(time.Second)
	if n, ok, _ := th.Allow("a"); !ok || n != 0 {
		t.Errorf("after two seconds: %v, %d suppressed; want true, 0", ok, n)
	}
}
