package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// diskHosts is how many hosts there are on a disk that fails: some on a full disk with
// every test, DISK_HOSTS on each kind of disk (make disks) where time is taken for it.
func diskHosts(t *testing.T) int {
	t.Helper()
	return numberFromEnvironment(t, "DISK_HOSTS", 8, 1000)
}

// interval is how long a host of these tests waits between two heartbeats, and between
// two events: longer if there are many, so that the load of a machine has a limit.
func (k *killRig) interval() time.Duration {
	return max(50*time.Millisecond, time.Duration(len(k.hosts))*2*time.Millisecond)
}

// The phases of a disk.
const (
	diskWorked  = iota
	diskBreaks  // until the plane has noticed and loaded its state again
	diskFailed  // from then on
	diskRepairs // until the plane takes everything again
	diskMended
	diskPhases
)

var phaseNames = [diskPhases]string{"before", "until the plane goes on without the disk", "while the disk fails", "until it is used again", "after"}

// diskTally counts what the hosts are answered.
type diskTally struct {
	phase atomic.Int32

	mu         sync.Mutex
	heartbeats [diskPhases]map[string]int // by phase and answer
	events     [diskPhases]map[string]int
	slowest    [diskPhases]time.Duration // of the heartbeats
}

func newDiskTally() *diskTally {
	c := new(diskTally)
	for i := range diskPhases {
		c.heartbeats[i], c.events[i] = map[string]int{}, map[string]int{}
	}
	return c
}

// event counts an answer to an event.
func (c *diskTally) event(phase int32, answer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events[phase][answer]++
}

// heartbeat counts the answer to a heartbeat that was sent in a phase.
func (c *diskTally) heartbeat(phase int32, answer string, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heartbeats[phase][answer]++
	c.slowest[phase] = max(c.slowest[phase], took)
}

// answerOf is the status of an answer, and the reason if it is a problem.
func answerOf(status int, body []byte) string {
	var problem struct{ Reason string }
	if json.Unmarshal(body, &problem) == nil && problem.Reason != "" {
		return fmt.Sprintf("%d %s", status, problem.Reason)
	}
	return strconv.Itoa(status)
}

// steadyHeartbeat sends the heartbeat of a host that runs what it was last given.
func (h *ledgerHost) steadyHeartbeat() string {
	body := fmt.Sprintf(`{"hostname":%q,"rollout_id":%q,"current_closure":"c1","at":%q}`, h.name, killRollout, time.Now().UTC().Format(time.RFC3339))
	response, err := h.client.Post(h.rig.demo.url+"/v1/agent/heartbeat", wire.MediaJSON, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return answerOf(response.StatusCode, text)
}

// beat sends heartbeats of every host until the function that it returns is called.
func (k *killRig) beat(c *diskTally) (stop func()) {
	ctx, end := context.WithCancel(k.t.Context())
	var sending sync.WaitGroup
	for i, h := range k.hosts {
		sending.Go(func() {
			pause(ctx, k.interval()*time.Duration(i)/time.Duration(len(k.hosts)))
			for ctx.Err() == nil {
				phase, begun := c.phase.Load(), time.Now()
				answer := h.steadyHeartbeat()
				// One that was under way when the disk began to fail, or worked again, says
				// nothing about the time before.
				if phase != diskBreaks && phase != diskRepairs && c.phase.Load() != phase {
					phase++
				}
				c.heartbeat(phase, answer, time.Since(begun))
				pause(ctx, k.interval())
			}
		})
	}
	stop = sync.OnceFunc(func() { end(); sending.Wait() })
	k.t.Cleanup(stop)
	return stop
}

// failingDisk is a disk that a test can make fail.
type failingDisk struct {
	fail, mend func()
	// unserved: the plane cannot be loaded while the disk fails.
	unserved bool
	// restarts: the disk is mended only while no process uses it.
	restarts bool
}

// endure lets the disk fail under the real binary while every host sends heartbeats
// and events: before, meanwhile and after. Then it kills the process.
func (k *killRig) endure(d failingDisk) *diskTally {
	k.t.Helper()
	c := newDiskTally()
	for _, h := range k.hosts {
		h.client.Timeout = patience
		h.answered = func(ctx context.Context, status int, body []byte) {
			c.event(c.phase.Load(), answerOf(status, body))
			pause(ctx, k.interval())
		}
	}
	k.start()
	k.open()
	// Every host runs its closure before its heartbeats say so: none is to be logged (H4).
	k.load(func() {
		until(k.t, "every host is activated", func() bool { return k.count.Load() >= int64(4*len(k.hosts)) })
	})
	for _, h := range k.hosts {
		if h.acked < 2 {
			k.t.Fatalf("%s: events up to %d were acknowledged, want 2 at least", h.name, h.acked)
		}
	}
	stopBeats := k.beat(c)
	fails := func() {
		c.goOn(k)
		c.phase.Store(diskBreaks)
		d.fail()
		until(k.t, "the plane notices", func() bool { return k.impaired(d) })
		c.phase.Store(diskFailed)
		taken := k.count.Load()
		c.goOn(k)
		c.goOn(k)
		if more := k.count.Load() - taken; more > 0 {
			k.t.Errorf("%d events were acknowledged while the disk failed", more)
		}
	}
	mends := func() {
		until(k.t, "the plane recovers by itself", func() bool { ready, _ := k.ready(); return ready && !k.diskless() })
		c.phase.Store(diskMended)
		taken := k.count.Load()
		until(k.t, "events are taken again", func() bool { return k.count.Load() >= taken+int64(2*len(k.hosts)) })
		c.goOn(k)
	}
	if d.restarts {
		k.load(fails)
		stopBeats()
		k.kill()
		d.mend()
		c.phase.Store(diskRepairs)
		k.start()
		stopBeats = k.beat(c)
		k.load(mends)
	} else {
		k.load(func() {
			fails()
			c.phase.Store(diskRepairs)
			d.mend()
			mends()
		})
	}
	stopBeats()
	k.kill()
	for _, h := range k.hosts {
		h.answered = nil
	}
	k.t.Logf("%d hosts", len(k.hosts))
	for phase, name := range phaseNames {
		k.t.Logf("%s: heartbeats %v, the slowest %v; events %v", name, c.heartbeats[phase], c.slowest[phase].Round(time.Millisecond), c.events[phase])
	}
	return c
}

// goOn waits until each host has a few more answers to heartbeats.
func (c *diskTally) goOn(k *killRig) {
	k.t.Helper()
	sum := func() (n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, counts := range c.heartbeats {
			for _, count := range counts {
				n += count
			}
		}
		return n
	}
	want := sum() + 5*len(k.hosts)
	until(k.t, "more heartbeats", func() bool { return sum() >= want })
}

// wantKept wants what was acknowledged to be in the file, and the hosts to converge.
func (k *killRig) wantKept() {
	k.t.Helper()
	k.wantAudited("after the disk was mended")
	k.checkLedger()
	k.start()
	k.finish()
}

// impaired reports whether the plane has noticed that the disk fails, and has got as
// far as it gets.
func (k *killRig) impaired(d failingDisk) bool {
	ready, _ := k.ready()
	if d.unserved {
		return !ready
	}
	return ready && k.diskless()
}

// wantOnly wants the answers to be among some.
func wantOnly(t *testing.T, what string, got map[string]int, allowed ...string) {
	t.Helper()
next:
	for answer, n := range got {
		for _, a := range allowed {
			if answer == a {
				continue next
			}
		}
		t.Errorf("%s: %d times %s; want only %s", what, n, answer, strings.Join(allowed, ", "))
	}
}

// TestAFullDiskUnderSteadyHosts fills the disk while hosts send heartbeats and events.
func TestAFullDiskUnderSteadyHosts(t *testing.T) { // PROTOCOL E2, G2, G9
	t.Parallel()
	dir, grow := smallDisk(t, "256m")
	k := newKillRig(t, dir, diskHosts(t))
	k.flags = []string{"--disk-reserve", "0"}
	c := k.endure(failingDisk{
		fail: func() {
			var now syscall.Statfs_t
			if err := syscall.Statfs(dir, &now); err != nil {
				t.Fatal(err)
			}
			grow(strconv.FormatUint((now.Blocks-now.Bfree)*uint64(now.Bsize)+64<<10, 10))
		},
		mend: func() { grow("256m") },
	})
	k.wantServed(c)
	k.wantKept()
}

// wantServed wants heartbeats to be answered 200 on a disk that can be read, and every
// event that was refused to be refused for the disk. While the plane loads its state
// after the first commit that fails, it is not started.
func (k *killRig) wantServed(c *diskTally) {
	k.t.Helper()
	for phase, name := range phaseNames {
		heartbeats, events := []string{"200"}, []string{"204"}
		switch phase {
		case diskBreaks:
			heartbeats = append(heartbeats, "503 not_started", "503 dropped_reply")
			events = append(events, "503 dropped_reply", "503 not_started", "503 store_unavailable")
		case diskFailed: // an answer may have been under way
			events = []string{"503 store_unavailable", "503 dropped_reply", "503 not_started"}
		case diskRepairs, diskMended:
			events = append(events, "503 store_unavailable")
		}
		wantOnly(k.t, "heartbeats "+name, c.heartbeats[phase], heartbeats...)
		wantOnly(k.t, "events "+name, c.events[phase], events...)
	}
	if got := c.events[diskFailed]["503 store_unavailable"]; got < len(k.hosts) {
		k.t.Errorf("while the disk failed %d events were refused store_unavailable, want %d at least", got, len(k.hosts))
	}
}

// wantUnserved wants heartbeats to be answered 200 before and after, and every request
// to be refused not_started while the plane cannot be loaded.
func (k *killRig) wantUnserved(c *diskTally) {
	k.t.Helper()
	for phase, name := range phaseNames {
		heartbeats, events := []string{"200"}, []string{"204"}
		if phase != diskWorked && phase != diskMended {
			heartbeats = append(heartbeats, "503 not_started", "503 dropped_reply")
		}
		if phase != diskWorked { // loaded, and not yet tried
			events = append(events, "503 dropped_reply", "503 not_started", "503 store_unavailable")
		}
		wantOnly(k.t, "heartbeats "+name, c.heartbeats[phase], heartbeats...)
		wantOnly(k.t, "events "+name, c.events[phase], events...)
	}
	if got := c.events[diskFailed]["503 not_started"]; got < len(k.hosts) {
		k.t.Errorf("while the disk failed %d events were refused not_started, want %d at least", got, len(k.hosts))
	}
}
