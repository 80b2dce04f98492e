package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// logPipe is a pipe for the log of a process, full from the start.
func logPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); writer.Close() })
	for chunk := bytes.Repeat([]byte(strings.Repeat(".", 63)+"\n"), 64); len(chunk) > 0; chunk = chunk[:len(chunk)/2] {
		for err = nil; err == nil; {
			if err := writer.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			_, err = writer.Write(chunk)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	return reader, writer
}

// blockCommits lets every commit fail until it is told to end: it holds the lock
// for writing of the database.
func (k *killRig) blockCommits() (end func()) {
	k.t.Helper()
	db, err := sql.Open("sqlite", "file:"+k.db+"?_pragma=busy_timeout(60000)&_txlock=immediate")
	if err != nil {
		k.t.Fatal(err)
	}
	tx, err := db.BeginTx(k.t.Context(), nil)
	if err != nil {
		k.t.Fatal(err)
	}
	return func() {
		_ = tx.Rollback()
		if err := db.Close(); err != nil {
			k.t.Fatal(err)
		}
	}
}

// flood lets every host ask for a path that no route has while f runs. With debug lines
// the plane writes a long one for each, and needs no commit for it.
func (k *killRig) flood(f func()) {
	k.t.Helper()
	ctx, stop := context.WithCancel(k.t.Context())
	defer stop()
	var asking sync.WaitGroup
	for _, h := range k.hosts {
		asking.Go(func() {
			for ctx.Err() == nil {
				if response, err := h.client.Get(k.demo.url + "/" + strings.Repeat("x", 100)); err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			}
		})
	}
	f()
	stop()
	asking.Wait()
}

const linesDropped = "refrain_log_lines_dropped_total"

// TestServe_ALogThatNobodyReadsStopsNothing has a reader of standard error that is
// alive and does not read. A commit fails, of which the loop itself writes a line;
// the plane serves again; lines are counted that find no room in the buffer; the
// log says so when it is read again; and the shutdown waits for no reader.
func TestServe_ALogThatNobodyReadsStopsNothing(t *testing.T) {
	t.Parallel()
	reader, writer := logPipe(t)
	k := newKillRig(t, t.TempDir(), 8)
	k.stderr, k.flags = writer, []string{"--log-level", "debug"} // a line per request
	k.start()
	k.open()

	end := k.blockCommits()
	k.load(func() {
		until(t, "a commit fails", func() bool { return k.metric("refrain_plane_rebuilds_total") > 0 })
		end()
		before := k.count.Load()
		until(t, "events are taken again", func() bool { ready, _ := k.ready(); return ready && k.count.Load() > before })
		k.flood(func() { until(t, "lines find no room", func() bool { return k.metric(linesDropped) > 0 }) })

		var text bytes.Buffer
		part := make([]byte, 4096)
		for !strings.Contains(text.String(), "log lines are missing here") {
			n, err := reader.Read(part)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(part[:n])
		}
		for _, want := range []string{"commit failed; the plane is rebuilt from the store", "plane loaded"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the log has no line %q", want)
			}
		}
		dropped := k.metric(linesDropped)
		k.flood(func() { until(t, "lines find no room again", func() bool { return k.metric(linesDropped) > dropped }) })
	})
	k.stopWell()
	k.checkLedger()
}

// TestServe_OutlivesTheReaderOfItsLog closes the reading end of standard error.
func TestServe_OutlivesTheReaderOfItsLog(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	k := newKillRig(t, t.TempDir(), 1)
	k.stderr, k.flags = writer, []string{"--log-level", "info"}
	k.start()
	writer.Close() // the process has it
	reader.Close()
	until(t, "lines are lost", func() bool {
		if err := k.process.Process.Signal(syscall.SIGHUP); err != nil { // which writes a line
			t.Fatal(err)
		}
		return k.metric(linesDropped) > 2
	})
	k.open()
	k.load(func() {
		until(t, "events are taken", func() bool { return k.count.Load() > 0 })
	})
	k.stopWell()
}

// TestServe_AFloodOfLinesIsCutDown causes one line again and again.
func TestServe_AFloodOfLinesIsCutDown(t *testing.T) {
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 1)
	watch := newOutputWatch()
	k.stderr, k.flags = watch, []string{"--log-level", "info"}
	k.start()
	until(t, "lines are left out", func() bool {
		for range 20 {
			if err := k.process.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // or the signals become one
		}
		return k.metric("refrain_log_lines_suppressed_total") > 0
	})
	until(t, "the log says so", func() bool { return strings.Contains(watch.String(), " suppressed=") })
	k.stopWell()
}

// TestServe_OutputThatNobodyReadsIsNotWaitedFor has a standard output that is full
// when serve says where it is, and a standard error that is full when it says what
// is wrong.
func TestServe_OutputThatNobodyReadsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	_, full := logPipe(t)
	k := newKillRig(t, t.TempDir(), 1)
	k.stdout = full
	k.start()
	k.stopWell()

	k.stderr, k.flags = full, []string{"--inbox-capacity", "0"}
	k.launch()
	var exit *exec.ExitError
	select {
	case err := <-k.exited:
		if !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
			t.Errorf("ended with %v; want exit code %d", err, exitUsage)
		}
		k.process = nil
	case <-time.After(patience):
		t.Fatal("wrong use does not end")
	}
}

// TestFleet_ALogThatNobodyReadsStopsNoAgent runs agents that log what they do into a
// full pipe, and wants them to converge.
func TestFleet_ALogThatNobodyReadsStopsNoAgent(t *testing.T) {
	t.Parallel()
	_, full := logPipe(t)
	k := newKillRig(t, t.TempDir(), 1)
	if _, err := pki.Agent(k.demo.dir, fleetNames(3), atOnce()); err != nil {
		t.Fatal(err)
	}
	k.start()
	m := &wire.Manifest{Channel: "edge", ChannelRef: "1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
	for _, name := range fleetNames(3) {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(name), TargetClosure: "c1"})
	}
	if err := k.demo.open(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var summary bytes.Buffer
	fleet := exec.CommandContext(t.Context(), self, "load", "--url", k.demo.url, "--dir", k.demo.dir, "--hosts", "3", "--interval", "60s",
		"--speed", "60", "--verbose", "--json")
	fleet.Args[0] = "refrain"
	fleet.Stdout, fleet.Stderr = &summary, full
	if err := fleet.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the hosts converge", func() bool { return k.metric(`refrain_records{state="Converged"}`) == 3 })
	if err := fleet.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- fleet.Wait() }()
	select {
	case err := <-ended:
		if err != nil || !strings.Contains(summary.String(), `"hosts"`) {
			t.Errorf("the fleet ends with %v and says %s", err, summary.String())
		}
	case <-time.After(patience):
		t.Error("the fleet does not end")
	}
	k.stop()
}
