package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
)

// fakeHost is a host in a directory, whose systems are scripts: switching is a link,
// and every action is a line of a file.
type fakeHost struct {
	t   *testing.T
	dir string
	cfg Config
	// reachable says whether a plane is.
	reachable bool
	now       time.Duration
	steps     int
	// stopAt is the step at which the runner is killed; 0 for none.
	stopAt int
}

const switchScript = `#!/bin/sh
echo "$1 %[1]s" >>%[2]s/actions
case $1 in
test) %[3]s
	ln -sfn %[2]s/store/%[1]s %[2]s/current
	exit %[4]d ;;
boot) ln -sfn "$(readlink %[2]s/profile)" %[2]s/loader ;;
esac
`

func newFakeHost(t *testing.T) *fakeHost {
	t.Helper()
	dir := t.TempDir()
	h := &fakeHost{t: t, dir: dir, reachable: true, cfg: Config{
		StateDir: filepath.Join(dir, "state"), StoreDir: filepath.Join(dir, "store"),
		CurrentSystem: filepath.Join(dir, "current"), BootedSystem: filepath.Join(dir, "booted"),
		Profile: filepath.Join(dir, "profile"), BootIDFile: filepath.Join(dir, "boot_id"),
		NixEnv:         []string{"sh", "-c", `ln -sfn "$4" "$2"; echo "profile $(basename "$4")" >>` + dir + `/actions`, "nix-env"},
		NixStore:       []string{"true"},
		ConfirmTimeout: 10 * time.Second,
	}.WithDefaults()}
	for _, d := range []string{h.cfg.StateDir, h.cfg.StoreDir} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.write("boot_id", "boot 1")
	h.system("old", 0, "")
	h.system("new", 0, "")
	for _, link := range []string{"current", "booted", "profile", "loader"} {
		h.link("store/old", link)
	}
	return h
}

func (h *fakeHost) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o700); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fakeHost) link(target, name string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	os.Remove(path)
	if err := os.Symlink(filepath.Join(h.dir, target), path); err != nil {
		h.t.Fatal(err)
	}
}

// system makes a system whose switch exits so, after a line of shell.
func (h *fakeHost) system(name string, exit int, line string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Join(h.dir, "store", name, "bin"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	h.write("store/"+name+"/bin/switch-to-configuration", fmt.Sprintf(switchScript, name, h.dir, line, exit))
	kernel := filepath.Join(h.dir, "store", name, "kernel")
	os.Remove(kernel)
	if err := os.Symlink("/store/linux", kernel); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fakeHost) arm(kind Kind) {
	h.t.Helper()
	if err := save(filepath.Join(h.cfg.StateDir, transitionFile), &Transition{
		Kind: kind, Rollout: "stable@1", Phase: Prepared, Target: "new", Previous: "old", Before: "old",
		BootID: h.cfg.bootID(), Config: h.cfg,
	}); err != nil {
		h.t.Fatal(err)
	}
}

// run is a runner's process.
func (h *fakeHost) run() error {
	h.t.Helper()
	t := h.transition()
	r := &runner{t: t, cfg: &t.Config, log: slog.New(slog.DiscardHandler), now: func() time.Duration { return h.now }}
	r.pause = func(_ context.Context, d time.Duration) bool { h.now += d; return true }
	r.contact = func(context.Context) error {
		if h.reachable {
			return nil
		}
		return errors.New("connection refused")
	}
	r.step = func(string) error {
		if h.steps++; h.steps == h.stopAt {
			return errStopped
		}
		return nil
	}
	return r.run(context.Background())
}

func (h *fakeHost) transition() *Transition {
	h.t.Helper()
	t, err := LoadTransition(h.cfg.StateDir)
	if err != nil || t == nil {
		h.t.Fatalf("no transition: %v", err)
	}
	return t
}

// boot boots what the boot loader has.
func (h *fakeHost) boot(id string) {
	h.t.Helper()
	loader, err := os.Readlink(filepath.Join(h.dir, "loader"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.link("store/"+filepath.Base(loader), "current")
	h.link("store/"+filepath.Base(loader), "booted")
	h.write("boot_id", id)
}

func (h *fakeHost) actions() (list []string) {
	text, _ := os.ReadFile(filepath.Join(h.dir, "actions"))
	return strings.Fields(strings.ReplaceAll(string(text), " ", ":"))
}

// activations counts how often the target was switched to.
func (h *fakeHost) activations() (n int) {
	for _, a := range h.actions() {
		if a == "test:new" {
			n++
		}
	}
	return n
}

// whole fails the test unless the host is wholly on one of the two systems, as the
// result says.
func (h *fakeHost) whole() {
	h.t.Helper()
	t := h.transition()
	want := "old"
	if t.Result == agent.ActivationCompleted {
		want = "new"
	}
	loader, _ := os.Readlink(filepath.Join(h.dir, "loader"))
	if t.Phase != Ended || h.cfg.Current() != want || h.cfg.Next() != want || filepath.Base(loader) != want {
		h.t.Errorf("it is %s with result %d (%s): the host runs %s, its profile is %s, its boot loader has %s; want %s in all three\n%q",
			t.Phase, t.Result, t.Tail, h.cfg.Current(), h.cfg.Next(), filepath.Base(loader), want, h.actions())
	}
}

func (h *fakeHost) mustRun() *Transition {
	h.t.Helper()
	if err := h.run(); err != nil {
		h.t.Fatal(err)
	}
	return h.transition()
}

func TestRun_KeepsASwitchAfterContact(t *testing.T) {
	h := newFakeHost(t)
	h.arm(Activate)
	end := h.mustRun()
	if got := strings.Join(h.actions(), " "); end.Result != agent.ActivationCompleted || got != "test:new profile:new boot:new" {
		t.Errorf("it did %q with result %d: %s; want test, profile, boot of the target", got, end.Result, end.Tail)
	}
	h.whole()
}

func TestRun_GoesBackWithoutContact(t *testing.T) {
	h := newFakeHost(t)
	h.reachable = false
	h.arm(Activate)
	end := h.mustRun()
	if end.Result != agent.ActivationFailed || !strings.Contains(end.Tail, "no plane was reached within 10s") {
		t.Errorf("result %d, %q; want it failed for want of a plane", end.Result, end.Tail)
	}
	if h.now < h.cfg.ConfirmTimeout {
		t.Errorf("it went back after %v; want %v at least", h.now, h.cfg.ConfirmTimeout)
	}
	if got := strings.Join(h.actions(), " "); got != "test:new test:old" {
		t.Errorf("it did %q; want a test of each, and nothing for the next boot", got)
	}
	h.whole()
}

func TestRun_LooksAtWhatRunsWhateverTheExitCode(t *testing.T) {
	h := newFakeHost(t)
	h.system("new", 4, "")
	h.arm(Activate)
	if end := h.mustRun(); end.Result != agent.ActivationCompleted || end.ExitCode != 4 {
		t.Errorf("exit 4 on the target: result %d, exit %d; want it completed with 4", end.Result, end.ExitCode)
	}
	h = newFakeHost(t)
	h.system("new", 0, "exit 0")
	h.arm(Activate)
	if end := h.mustRun(); end.Result != agent.ActivationFailed || !strings.Contains(end.Tail, "the host runs old; want new") {
		t.Errorf("exit 0 on another system: result %d, %q; want it failed", end.Result, end.Tail)
	}
	h.whole()
}

func TestRun_KillsASwitchThatHangs(t *testing.T) {
	h := newFakeHost(t)
	h.cfg.SwitchTimeout = 300 * time.Millisecond
	h.system("new", 0, "ln -sfn "+h.dir+"/store/new "+h.dir+"/current; sleep 1000")
	h.arm(Activate)
	if end := h.mustRun(); end.Result != agent.ActivationFailed || !strings.Contains(end.Tail, "did not end within its timeout") {
		t.Errorf("result %d, %q; want it failed for its timeout", end.Result, end.Tail)
	}
	h.whole()
}

func TestRun_StagesForTheNextBoot(t *testing.T) {
	h := newFakeHost(t)
	h.arm(Stage)
	if end := h.mustRun(); end.Result != agent.ActivationDeferred {
		t.Fatalf("result %d, %q; want it deferred", end.Result, end.Tail)
	}
	if got := strings.Join(h.actions(), " "); got != "profile:new boot:new" {
		t.Errorf("it did %q; want profile and boot", got)
	}
	if staged, err := LoadStaged(h.cfg.StateDir); err != nil || staged == nil || staged.Target != "new" || staged.BootID != "boot 1" {
		t.Errorf("staged is %+v, %v", staged, err)
	}
}

func TestRun_GoesBackAfterABootWithoutContact(t *testing.T) {
	for _, policy := range []string{"never", "at-once"} {
		h := newFakeHost(t)
		h.cfg.RebootPolicy = policy
		h.cfg.Reboot = []string{"sh", "-c", "echo reboot >>" + h.dir + "/actions"}
		h.cfg.Launcher, h.cfg.Runner = []string{"true"}, []string{"true"}
		h.arm(Stage)
		h.mustRun()
		h.boot("boot 2")
		if h.cfg.Current() != "new" {
			t.Fatal("the boot did not bring the target")
		}
		host, err := New(h.cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.Base(string(host.CurrentClosure())); got != "old" {
			t.Errorf("in the trial the host says that it runs %s; want old", got)
		}
		h.reachable = false
		h.now = Awake()
		if policy == "at-once" {
			h.stopAtReboot()
			h.boot("boot 3")
		}
		if end := h.mustRun(); end.Result != agent.ActivationFailed || !strings.Contains(end.Tail, "no plane was reached") {
			t.Errorf("policy %s: result %d, %q; want it failed for want of a plane", policy, end.Result, end.Tail)
		}
		if !host.BootTrialEnded() {
			t.Error("the host does not say that the trial has ended")
		}
		h.whole()
	}
}

// stopAtReboot runs until the host asks for its reboot.
func (h *fakeHost) stopAtReboot() {
	h.t.Helper()
	t := h.transition()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := &runner{t: t, cfg: &t.Config, log: slog.New(slog.DiscardHandler), now: func() time.Duration { return h.now }}
	r.contact = func(context.Context) error { return errors.New("connection refused") }
	r.step = func(string) error { return nil }
	r.pause = func(_ context.Context, d time.Duration) bool {
		h.now += d
		if d == time.Minute {
			cancel()
			return false
		}
		return true
	}
	if err := r.run(ctx); !errors.Is(err, context.Canceled) {
		h.t.Fatalf("it ended with %v; want it to wait for the boot", err)
	}
	if h.transition().Phase != Rebooting || h.actions()[len(h.actions())-1] != "reboot" {
		h.t.Fatalf("it is %s after %q; want a reboot", h.transition().Phase, h.actions())
	}
}

// TestRun_EveryCrashPointEndsWhole kills the runner at each of its steps, as a kill, and
// as a loss of power with a boot after it, with and without a plane.
func TestRun_EveryCrashPointEndsWhole(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		for _, booted := range []bool{false, true} {
			for _, kind := range []Kind{Activate, RollBack} {
				points := 0
				for at := 1; ; at++ {
					h := newFakeHost(t)
					h.reachable, h.stopAt = reachable, at
					h.arm(kind)
					err := h.run()
					if err == nil {
						break // it has no more steps
					}
					if !errors.Is(err, errStopped) {
						t.Fatalf("step %d: %v", at, err)
					}
					points++
					if booted {
						h.boot("boot 2")
					}
					end := h.mustRun()
					h.whole()
					if n := h.activations(); kind == Activate && n > 1 {
						t.Errorf("killed at step %d, boot %v: the target was switched to %d times; want once at most: %q", at, booted, n, h.actions())
					}
					if kind == RollBack && end.Result != agent.ActivationCompleted {
						t.Errorf("rollback killed at step %d, boot %v: result %d, %q; want it completed", at, booted, end.Result, end.Tail)
					}
					if t.Failed() {
						t.Fatalf("kind %s, plane %v, boot %v, step %d", kind, reachable, booted, at)
					}
				}
				if points < 8 {
					t.Errorf("kind %s: %d crash points; want at least 8", kind, points)
				}
			}
		}
	}
}
