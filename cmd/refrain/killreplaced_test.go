package main

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

// refrain runs a command of the binary and returns what it prints and its error.
func (k *killRig) refrain(args ...string) (string, error) {
	k.t.Helper()
	self, err := os.Executable()
	if err != nil {
		k.t.Fatal(err)
	}
	command := exec.CommandContext(k.t.Context(), self, args...)
	command.Args[0] = "refrain"
	out, err := command.CombinedOutput()
	return string(out), err
}

func (k *killRig) mustRefrain(args ...string) string {
	k.t.Helper()
	out, err := k.refrain(args...)
	if err != nil {
		k.t.Fatalf("refrain %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// more waits until so many more events were acknowledged.
func (k *killRig) more(n int64) {
	k.t.Helper()
	want := k.count.Load() + n
	k.load(func() { until(k.t, "events are acknowledged", func() bool { return k.count.Load() >= want }) })
}

// revoke revokes a name and returns the answer's status.
func (k *killRig) revoke(name string) int {
	k.t.Helper()
	response, err := k.demo.send(k.t.Context(), demoRequest{
		Cert: "operators/" + devOperator, Path: "/v1/operator/revocations", Body: `{"common_name":"` + name + `"}`,
	})
	if err != nil {
		k.t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func (k *killRig) live() bool {
	response, err := http.Get("http://" + k.ops + "/livez")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// replacements are what operators do to a database while its plane runs. Each
// returns the bytes that are at its path then, nil for none.
var replacements = map[string]func(t *testing.T, k *killRig, backup string) []byte{
	"a backup is moved over it": func(t *testing.T, k *killRig, backup string) []byte {
		if err := os.Rename(backup, k.db); err != nil {
			t.Fatal(err)
		}
		return readFile(t, k.db)
	},
	"a backup is copied over it": func(t *testing.T, k *killRig, backup string) []byte {
		if out, err := exec.Command("cp", backup, k.db).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return readFile(t, backup)
	},
	"it is moved away": func(t *testing.T, k *killRig, _ string) []byte {
		if err := os.Rename(k.db, k.db+".away"); err != nil {
			t.Fatal(err)
		}
		return nil
	},
	"it is removed": func(t *testing.T, k *killRig, _ string) []byte {
		if err := os.Remove(k.db); err != nil {
			t.Fatal(err)
		}
		return nil
	},
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestAReplacedDatabaseIsNoticed replaces the database under load: from then on
// nothing is acknowledged, the probe says why, the plane is not restarted for it,
// and what was put there is untouched when the plane has been stopped or killed. The
// next start asks the hosts for what the backup lacks.
func TestAReplacedDatabaseIsNoticed(t *testing.T) { // PROTOCOL E2, H8
	t.Parallel()
	for what, replace := range replacements {
		if testing.Short() && what == "it is moved away" {
			continue // the plane sees what it sees when it is removed
		}
		for _, killed := range []bool{false, true} {
			t.Run(what+map[bool]string{true: ", and the plane is killed"}[killed], func(t *testing.T) {
				t.Parallel()
				k := newKillRig(t, t.TempDir(), 3)
				k.start()
				k.open()
				k.more(20)
				// Each host's second event names its closure. Without it in the backup, every
				// heartbeat is drift (PROTOCOL H2).
				for slices.ContainsFunc(k.hosts, func(h *ledgerHost) bool { return h.acked < 2 }) {
					k.more(1)
				}
				backup := filepath.Join(t.TempDir(), "backup.db")
				k.mustRefrain("db", "backup", "--db", k.db, backup)
				whole := readFile(t, backup)
				k.more(20)
				var there []byte
				k.load(func() {
					there = replace(t, k, backup)
					until(t, "it is noticed", func() bool {
						_, why := k.ready()
						return strings.Contains(why, "replaced or removed while it is in use") && strings.Contains(why, "refrain db restore")
					})
				})
				acked := k.count.Load()
				refused := k.hosts[0].refused
				until(t, "a revocation and an event are answered 503", func() bool {
					status := 0
					k.load(func() { status = k.revoke("agent-load-1." + devSuffix) })
					return status == http.StatusServiceUnavailable && k.hosts[0].refused > refused
				})
				if k.count.Load() != acked {
					t.Errorf("%d events were acknowledged after the database was replaced", k.count.Load()-acked)
				}
				if !k.live() {
					t.Error("/livez fails, so that the process would be restarted")
				}
				if !strings.Contains(k.log.String(), "replaced or removed while it is in use") {
					t.Errorf("the log does not say it:\n%s", k.log)
				}
				if killed {
					k.kill()
				} else if err := k.stop(); err == nil {
					t.Error("refrain serve exits with 0")
				}
				switch now, err := os.ReadFile(k.db); {
				case there == nil && !os.IsNotExist(err):
					t.Errorf("there is a database again: %v", err)
				case there != nil && !bytes.Equal(now, whole):
					t.Error("what was put there was changed")
				}
				k.comeBack(killed && there != nil, whole)
			})
		}
	}
}

// comeBack starts a plane whose database was replaced, and wants it to recover all
// from its hosts. If the write-ahead log of the old database is still there, the
// start is refused, and a restore helps.
func (k *killRig) comeBack(refused bool, backup []byte) {
	k.t.Helper()
	path := filepath.Join(k.t.TempDir(), "again.db")
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		k.t.Fatal(err)
	}
	if refused {
		err := k.tryStart()
		if err == nil || !strings.Contains(k.log.String(), "not the file that plane.db-wal belongs to") || !strings.Contains(k.log.String(), "hint: refrain db restore") {
			k.t.Fatalf("the start with the write-ahead log of another file: %v\n%s", err, k.log)
		}
		if !bytes.Equal(readFile(k.t, k.db), backup) {
			k.t.Fatal("the start changed the database that it refused")
		}
	}
	if _, err := os.Stat(k.db); refused || os.IsNotExist(err) {
		out := k.mustRefrain("db", "restore", "--db", k.db, path)
		if !strings.Contains(out, "restored "+k.db) || !strings.Contains(out, "had been acknowledged and are not in the backup") {
			k.t.Errorf("the restore says\n%s", out)
		}
	}
	k.start()
	until(k.t, "the log says that something was lost", func() bool { return strings.Contains(k.log.String(), "the store lost what was acknowledged") })
	ahead := map[*ledgerHost]wire.Seq{}
	for _, h := range k.hosts {
		ahead[h] = h.acked
		k.wantReplay(h)
	}
	for _, h := range k.hosts {
		for h.next <= ahead[h] { // what the backup lacks, again
			k.more(1)
		}
	}
	k.finish()
	k.kill()
	k.wantAudited("after the recovery")
	k.wantNoGaps()
}

// wantNoGaps wants the log to have every event of each host.
func (k *killRig) wantNoGaps() {
	k.t.Helper()
	last := map[string]int{}
	for _, found := range loggedEvent.FindAllSubmatch(k.export(), -1) {
		host := string(found[1])
		seq, err := strconv.Atoi(string(found[2]))
		if err != nil {
			k.t.Fatal(err)
		}
		if seq != last[host]+1 {
			k.t.Errorf("%s: event %d follows event %d", host, seq, last[host])
		}
		last[host] = seq
	}
	if len(last) != len(k.hosts) {
		k.t.Errorf("the log has events of %d hosts, want %d", len(last), len(k.hosts))
	}
}

var loggedEvent = regexp.MustCompile(`"hostname":"(load-\d+)","rollout_id":.*"seq":(\d+),`)

// wantReplay wants the first heartbeat of a host on its closure to be answered with
// a replay, from where the plane is, and lets the host send from there.
func (k *killRig) wantReplay(h *ledgerHost) {
	k.t.Helper()
	asked := h.heartbeat(k.t.Context())
	from, err := strconv.Atoi(asked)
	if err != nil || wire.Seq(from) > h.acked {
		k.t.Errorf("%s is asked for a replay from %q, want one from %d at most", h.name, asked, h.acked)
	}
	h.next, h.under = max(1, wire.Seq(from)), ledgerEvent{}
	if from := h.heartbeat(k.t.Context()); from != "" {
		k.t.Errorf("%s is asked for a replay again, from %s", h.name, from)
	}
}

// heartbeat sends a heartbeat with the host's closure and returns from where a
// replay is requested; the error, or the status, if it is not answered 200.
func (h *ledgerHost) heartbeat(ctx context.Context) string {
	body := `{"hostname":"` + string(h.name) + `","rollout_id":"` + string(killRollout) + `","current_closure":"c1","at":"2026-01-31T12:00:00Z"}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.rig.demo.url+"/v1/agent/heartbeat", strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	request.Header.Set(wire.HeaderContentType, wire.MediaJSON)
	request.Header.Set(wire.HeaderAgent, wire.AgentVersion)
	response, err := h.client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return response.Header.Get(wire.HeaderReplayFrom)
}

// TestAReplacedDatabaseThatComesBackIsServed moves a database away and back: the plane serves again by
// itself.
func TestAReplacedDatabaseThatComesBackIsServed(t *testing.T) { // PROTOCOL E2
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 3)
	k.start()
	k.open()
	k.load(func() {
		until(t, "events are acknowledged", func() bool { return k.count.Load() > 10 })
		if err := os.Rename(k.db, k.db+".away"); err != nil {
			t.Fatal(err)
		}
		until(t, "it is noticed", func() bool { ready, _ := k.ready(); return !ready })
		if err := os.Rename(k.db+".away", k.db); err != nil {
			t.Fatal(err)
		}
		until(t, "it serves again", func() bool { ready, _ := k.ready(); return ready })
	})
	k.finish()
	k.kill()
	k.wantAudited("after it came back")
	k.checkLedger()
}

// TestACheckpointOfAnotherProgramIsNoReplacement copies the write-ahead log into the database from
// another process, as SQLite allows, and touches the file: neither is a replacement.
func TestACheckpointOfAnotherProgramIsNoReplacement(t *testing.T) {
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 3)
	k.start()
	k.open()
	for range 3 {
		k.load(func() {
			before := k.count.Load()
			until(t, "events are acknowledged", func() bool { return k.count.Load() > before+5 })
			k.sqlite3("PRAGMA wal_checkpoint(PASSIVE)")
			if out, err := exec.Command("touch", k.db).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			before = k.count.Load()
			until(t, "events are acknowledged", func() bool { return k.count.Load() > before+5 })
		})
	}
	k.finish()
	k.kill()
	k.checkLedger()
	k.wantAudited("after foreign checkpoints")
}

// sqlite3 runs a statement on the database from this process, which is not the
// plane's.
func (k *killRig) sqlite3(statement string) {
	k.t.Helper()
	db, err := sql.Open("sqlite", k.db)
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(k.t.Context(), statement); err != nil {
		k.t.Fatal(err)
	}
}
