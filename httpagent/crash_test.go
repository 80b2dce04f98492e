package httpagent

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// onDisk gives the rig a log on disk, at the path that it returns.
func (r *rig) onDisk() (path string) {
	r.t.Helper()
	path = filepath.Join(r.t.TempDir(), "agent.log")
	r.reopen(path)
	r.t.Cleanup(func() { r.cfg.Log.Close() })
	return path
}

func (r *rig) reopen(path string) *FileLog {
	r.t.Helper()
	log := must(OpenFileLog(path, r.cfg.Logger))(r.t)
	r.cfg.Log = log
	return log
}

// lateLog is a slow disk, so that a driver that does not wait for it is well
// ahead of it.
type lateLog struct{ Log }

func (l lateLog) Append(lines []byte, sync bool) error {
	time.Sleep(20 * time.Millisecond)
	return l.Log.Append(lines, sync)
}

func TestAnEventIsOnDiskBeforeItIsSent(t *testing.T) { // PROTOCOL A1
	r := newRig(t)
	path := r.onDisk()
	r.cfg.Log = lateLog{r.cfg.Log}
	r.dispatching(dispatch("edge@1", "c1", 0), func(c call) (answer, bool) {
		if c.kind != "event" {
			return answer{}, false
		}
		lines, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		a, err := agent.Restore(r.cfg.Agent, lines)
		if err != nil {
			t.Error(err)
			return noContent(), true
		}
		sent := c.event.Event.Seq
		if !slices.ContainsFunc(a.History("edge@1", nil), func(e wire.Event) bool { return e.Seq == sent }) {
			t.Errorf("event %d was sent and is not on disk:\n%s", sent, lines)
		}
		return noContent(), true
	})
	r.begin()
	r.until("converged", r.reaches(wire.Converged))
}

func TestAnAgentThatCrashedGoesOnWhereItsLogEnds(t *testing.T) { // PROTOCOL A1, A9
	for _, test := range []struct {
		name string
		at   func(*rig) bool // when it crashes
	}{
		{"while it switches", func(r *rig) bool { return r.machine.begun("activate c1") == 1 }},
		{"while an event is under way", func(r *rig) bool { return len(r.told()) == 3 }},
		{"while it soaks", func(r *rig) bool { return len(slices.Compact(r.told())) == 6 }},
		{"when all is done", func(r *rig) bool { return len(slices.Compact(r.told())) == 7 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			path := r.onDisk()
			lost := false
			r.dispatching(dispatch("edge@1", "c1", 10*time.Minute), func(c call) (answer, bool) {
				if c.kind == "event" && c.event.Event.Seq == 3 && !lost {
					lost = true
					return answer{hold: true}, true
				}
				return answer{}, false
			})
			r.begin()
			r.until("the moment of the crash", func() bool { return test.at(r) })
			if err := r.halt(); err != nil {
				t.Fatal(err)
			}
			tries := len(r.told())
			before := slices.Compact(r.told())
			r.reopen(path)
			r.begin()
			r.until("converged", r.reaches(wire.Converged))
			after := slices.Compact(r.told()[tries:])
			// The event whose answer was lost, or the acknowledgement that was
			// not written yet, goes out again; nothing is left out.
			if n := len(smooth) - len(after); !slices.Equal(after, smooth[n:]) || n < len(before)-1 || n > len(before) {
				t.Errorf("told %q before the crash and %q after it", before, after)
			}
			if n := r.machine.begun("activate c1"); n > 2 {
				t.Errorf("the activation was begun %d times", n)
			}
			if n := r.noticed(agent.NoticeTaken); n != 1 {
				t.Errorf("the dispatch was taken up %d times", n)
			}
		})
	}
}

func TestARestartBeginsANewLife(t *testing.T) { // PROTOCOL A9
	r := newRig(t)
	r.dispatching(dispatch("edge@1", "c1", 0), nil)
	r.begin()
	r.until("the switch", func() bool { return r.machine.begun("activate c1") == 1 })
	down := r.clock.Now()
	r.driver.Restart(agent.ProcessStart, 5*time.Minute)
	n := len(r.plane.of("heartbeat"))
	r.until("a heartbeat of the next session", r.heartbeats(n+1))
	if gap := r.plane.of("heartbeat")[n].at.Sub(down); gap < 5*time.Minute {
		t.Errorf("the next session began after %v, want five minutes", gap)
	}
	r.until("converged", r.reaches(wire.Converged))
}

func TestADeferredActivationEndsWithTheReboot(t *testing.T) { // PROTOCOL A10
	r := newRig(t)
	r.machine.Machine.(*VirtualMachine).Play("c1", Script{Result: agent.ActivationDeferred})
	r.dispatching(dispatch("edge@1", "c1", 0), nil)
	r.begin()
	r.until("deferred", r.reaches(wire.Deferred))
	if got := r.machine.CurrentClosure(); got != "c0" {
		t.Errorf("the host runs %s before it booted", got)
	}
	r.until("converged", r.reaches(wire.Converged))
	if got := r.machine.CurrentClosure(); got != "c1" {
		t.Errorf("the host runs %s", got)
	}
}

// What follows from a boot is sent even if the log fails just then.
func TestABootThatCouldNotBeMadeDurableIsToldByTheNextLife(t *testing.T) { // PROTOCOL A1, E
	r := newRig(t)
	log := r.cfg.Log.(*MemoryLog)
	machine := r.machine.Machine.(*VirtualMachine)
	machine.Play("c1", Script{Result: agent.ActivationDeferred})
	r.dispatching(dispatch("edge@1", "c1", 0), nil)
	r.begin()
	r.until("deferred", r.reaches(wire.Deferred))
	machine.SwitchByHand("c9") // another generation was chosen
	log.Fail(errors.New("no space left"))
	r.driver.Restart(agent.Reboot, time.Second)
	r.until("the failure", func() bool { return r.logs.has("no space left") })
	log.Fail(nil)
	r.until("failed", r.reaches(wire.Failed))
}

func TestAnAgentWhoseLogFailsIsMadeAgainFromWhatIsDurable(t *testing.T) { // PROTOCOL A1
	r := newRig(t)
	log := r.cfg.Log.(*MemoryLog)
	full := errors.New("no space left")
	failed := false
	r.dispatching(dispatch("edge@1", "c1", 0), func(c call) (answer, bool) {
		if c.kind == "event" && c.event.Event.Seq == 2 && !failed {
			failed = true
			log.Fail(full)
		}
		return answer{}, false
	})
	r.begin()
	r.until("the failure", func() bool { return r.logs.has("no space left") })
	told := len(r.told())
	r.advance(10 * time.Minute)
	if got := r.told(); len(got) > told+1 { // the one that is durable may be sent once a session
		for _, event := range got[told:] {
			if event != "ActivationStarted 2" && event != "DispatchAck 1" {
				t.Errorf("%s was sent while nothing could be made durable", event)
			}
		}
	}
	if r.state() == wire.Soaking {
		t.Error("the agent went on without its log")
	}
	// After 1s, 2s, 4s and so on, at most a minute.
	if n := strings.Count(r.logs.String(), "restored from its durable log"); n < 10 || n > 20 {
		t.Errorf("it was restored %d times in ten minutes", n)
	}
	log.Fail(nil)
	r.until("converged", r.reaches(wire.Converged))
}

func TestALogThatCannotBeFollowedEndsTheRun(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "agent.log")
	if err := os.WriteFile(path, []byte("acknowledged {\"rollout_id\":\"edge@1\",\"seq\":1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reopen(path)
	r.begin()
	err := <-r.ended
	r.stop()
	r.stop = nil
	if err == nil || !containsAll(err.Error(), "state line 1 (acknowledged)", "never taken up", "move it away") {
		t.Errorf("it ended with %v", err)
	}
	// The log is closed: the next one gets it.
	if err := must(OpenFileLog(path, nil))(t).Close(); err != nil {
		t.Error(err)
	}
}

func TestALongLogIsCompacted(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CompactAbove = 2500 })
	path := r.onDisk()
	log := &watchedLog{Log: r.cfg.Log}
	r.cfg.Log = log
	n := 0
	r.plane.answers(func(c call) answer {
		switch c.kind {
		case "event":
			return noContent()
		case "poll":
			if n++; n <= 6 {
				return dispatch(wire.RolloutID("edge@"+string(rune('0'+n))), wire.Closure("c"+string(rune('0'+n))), 0)
			}
		}
		return answer{}
	})
	r.begin()
	r.until("the sixth rollout", func() bool { return r.machine.CurrentClosure() == "c6" && r.reaches(wire.Converged)() })
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 4000 { // six rollouts of some 1,300 bytes each
		t.Errorf("the log has %d bytes after six rollouts", info.Size())
	}
	if log.replaced < 2 || log.replaced > 6 {
		t.Errorf("it was compacted %d times, want about once for each two rollouts", log.replaced)
	}
	r.reopen(path)
	told := len(r.told())
	r.views = nil
	r.begin()
	r.settle()
	if r.state() != wire.Converged {
		t.Errorf("at the start of a session observers are shown %v", r.state())
	}
	r.advance(10 * time.Minute)
	if r.state() != wire.Converged || len(r.told()) > told+1 {
		t.Errorf("after the restart the state is %v, and %q were told", r.state(), r.told()[told:])
	}
}

func TestALogThatCannotBeCompactedGoesOn(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CompactAbove = 100 })
	log := &stubbornLog{Log: r.cfg.Log}
	r.cfg.Log = log
	r.dispatching(dispatch("edge@1", "c1", 0), nil)
	r.begin()
	r.until("converged", r.reaches(wire.Converged))
	if log.tries == 0 || log.tries > 6 { // each time that it has doubled: 100 bytes to 2 KiB or so
		t.Errorf("it was tried %d times", log.tries)
	}
	if !r.logs.has("compaction of the agent's log failed") {
		t.Errorf("no line about it\n%s", r.logs)
	}
}

// stubbornLog cannot be replaced.
type stubbornLog struct {
	Log
	tries int
}

func (l *stubbornLog) Replace([]byte) error {
	l.tries++
	return errors.New("no space left")
}

func TestAMemoryLogIsALog(t *testing.T) {
	log := new(MemoryLog)
	load := func() string { return string(must(log.Load())(t)) }
	if err := errors.Join(log.Append([]byte("one\n"), true), log.Replace([]byte("two\n")), log.Append([]byte("three\n"), false)); err != nil {
		t.Fatal(err)
	}
	if got := load(); got != "two\nthree\n" {
		t.Errorf("loaded %q", got)
	}
	full := errors.New("full")
	log.Fail(full)
	if err := log.Replace(nil); !errors.Is(err, full) {
		t.Errorf("replaced: %v", err)
	}
	if err := log.Append([]byte("four\n"), true); !errors.Is(err, full) {
		t.Errorf("appended: %v", err)
	}
	log.Fail(nil)
	if err := log.Append([]byte("four\n"), true); !errors.Is(err, full) {
		t.Errorf("appended before it was loaded again: %v", err)
	}
	if err := log.Replace(nil); !errors.Is(err, errNotLoaded) {
		t.Errorf("replaced before it was loaded again: %v", err)
	}
	if got := load(); got != "two\nthree\n" {
		t.Errorf("loaded %q", got)
	}
	if err := errors.Join(log.Append([]byte("four\n"), true), log.Close()); err != nil {
		t.Error(err)
	}
}

func TestOfSeveralRestartsTheLastOneCounts(t *testing.T) {
	r := start(t)
	r.until("a heartbeat", r.heartbeats(1))
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	for minutes := range 5 {
		r.driver.Restart(agent.Reboot, time.Duration(minutes)*time.Minute)
	}
	r.driver.Restart(agent.ProcessStart, 4*time.Minute) // the host was booted all the same
	if got, want := <-r.driver.restarts, (restart{agent.Reboot, 4 * time.Minute}); got != want || len(r.driver.restarts) > 0 {
		t.Errorf("got %v, want %v and no other", got, want)
	}
}

func TestOnlyAcknowledgementsAreNotSynced(t *testing.T) { // PROTOCOL A1
	r := newRig(t)
	log := &watchedLog{Log: r.cfg.Log}
	r.cfg.Log = log
	r.dispatching(dispatch("edge@1", "c1", 0), nil)
	r.begin()
	r.until("converged", r.reaches(wire.Converged))
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	synced, hints := 0, 0
	for _, a := range log.appends {
		only := true
		for line := range strings.Lines(a.lines) {
			only = only && strings.HasPrefix(line, "acknowledged ")
		}
		if a.sync == only {
			t.Errorf("sync is %v for\n%s", a.sync, a.lines)
		}
		if a.sync {
			synced++
		} else {
			hints++
		}
	}
	if synced == 0 || hints == 0 {
		t.Errorf("%d appends were synced, %d were not; want both", synced, hints)
	}
}

func TestALogThatCannotBeLoadedAgainIsTriedAgain(t *testing.T) {
	r := newRig(t)
	log := &watchedLog{Log: r.cfg.Log}
	r.cfg.Log = log
	r.dispatching(dispatch("edge@1", "c1", 0), nil)
	r.begin()
	r.until("the switch", func() bool { return r.machine.begun("activate c1") == 1 })
	log.mu.Lock()
	log.loadsToFail = 3
	log.mu.Unlock()
	r.driver.Restart(agent.ProcessStart, time.Second)
	r.until("converged", r.reaches(wire.Converged))
	if n := strings.Count(r.logs.String(), "cannot be loaded: not yet"); n != 3 {
		t.Errorf("%d lines about it, want 3\n%s", n, r.logs)
	}
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	log.loadsToFail = 1
	r.begin()
	err := <-r.ended
	r.stop()
	r.stop = nil
	if err == nil || !containsAll(err.Error(), "cannot be loaded: not yet") {
		t.Errorf("the first load failed, and the run ended with %v", err)
	}
}

// watchedLog keeps what was appended, and fails as many loads as a test sets.
type watchedLog struct {
	Log
	mu          sync.Mutex
	appends     []watchedAppend
	loadsToFail int
	replaced    int
}

type watchedAppend struct {
	lines string
	sync  bool
}

func (l *watchedLog) Load() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loadsToFail > 0 {
		l.loadsToFail--
		return nil, errors.New("not yet")
	}
	return l.Log.Load()
}

func (l *watchedLog) Append(lines []byte, sync bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appends = append(l.appends, watchedAppend{string(lines), sync})
	return l.Log.Append(lines, sync)
}

func (l *watchedLog) Replace(lines []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replaced++
	return l.Log.Replace(lines)
}
