package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent/machine"
)

// hostRig is a plane, a host whose systems are in a nix store of its own, and the
// agent's process.
type hostRig struct {
	*killRig
	dir, link string
	old       string // the name of the system that runs first
	key       string // the public key of the cache
	agent     *exec.Cmd
	ended     chan error
	logs      *outputWatch
	edits     []string // lines of the agent's configuration
	channel   int
}

// systemNix is a system: switching makes links, in a directory of the test, and every
// action is a line of a file there.
const systemNix = `{ name, host, extra, kernel }:
derivation {
  inherit name;
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" ''
    PATH=/usr/bin:/bin
    mkdir -p $out/bin
    ln -s /nix/store/${kernel} $out/kernel
    cat >$out/bin/switch-to-configuration <<EOT
    #!/bin/sh
    echo "\$1 ${name}" >>${host}/actions
    case \$1 in
    test) ${extra}
      ln -sfn $out ${host}/current ;;
    boot) ln -sfn $out ${host}/loader ;;
    esac
    EOT
    sed -i 's/^    //' $out/bin/switch-to-configuration
    chmod +x $out/bin/switch-to-configuration
  '' ];
}
`

func newHostRig(t *testing.T) *hostRig {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT RUN in short mode: it builds systems with nix, and what it tests are processes")
	}
	if _, err := exec.LookPath("nix-store"); err != nil || os.Getuid() != 0 {
		fmt.Fprintf(os.Stderr, "NOT RUN: %s, since there is no nix here, or no root\n", t.Name())
		t.Skip("NOT RUN: it needs root and nix (apt-get install --no-install-recommends nix-bin)")
	}
	dir, err := os.MkdirTemp("", "host") // names of sockets and of links are bounded
	if err != nil {
		t.Fatal(err)
	}
	r := &hostRig{killRig: newKillRig(t, t.TempDir(), 1), dir: dir, logs: newOutputWatch()}
	t.Cleanup(func() {
		r.killAgent()
		r.waitForRunner()
		_ = exec.Command("chmod", "-R", "u+w", dir).Run()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, d := range []string{"state", "conf", "a", "cache"} {
		if err := os.MkdirAll(r.path(d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.write("conf/nix.conf", "sandbox = false\nbuild-users-group =\nexperimental-features = nix-command\nsubstitute = true\nsubstituters =\nsandbox-paths = /bin /usr /lib /lib64\n")
	r.write("system.nix", systemNix)
	r.write("boot_id", "boot 1\n")
	r.key = strings.TrimSpace(r.makeKey("cache.test-1", "cache.key"))
	r.old = r.system("old", "true", "linux-1")
	r.nix("b", "nix-env", "--version") // makes nothing, and shows that it runs
	r.nix("b", "nix-store", "--realise", "/nix/store/"+r.old, "--option", "substituters", "file://"+r.path("cache"), "--option", "trusted-public-keys", r.key)
	for _, name := range []string{"current", "booted"} {
		if err := os.Symlink(r.path("b/nix/store/"+r.old), r.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	r.nix("b", "nix-env", "--profile", r.path("profile"), "--set", "/nix/store/"+r.old)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r.link = r.path("refrain")
	if err := os.Symlink(self, r.link); err != nil {
		t.Fatal(err)
	}
	r.start()
	return r
}

func (r *hostRig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *hostRig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

// command is a command of nix on one of the two stores: a builds, b is the host's.
func (r *hostRig) command(store string, words ...string) []string {
	return append([]string{"env", "NIX_CONF_DIR=" + r.path("conf"), "NIX_STATE_DIR=" + r.path(store+"/nix/var/nix"), "HOME=" + r.dir,
		words[0], "--store", "local?root=" + r.path(store)}, words[1:]...)
}

func (r *hostRig) nix(store string, words ...string) string {
	r.t.Helper()
	command := r.command(store, words...)
	out, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil {
		text := ""
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			text = string(exit.Stderr)
		}
		r.t.Fatalf("%q: %v\n%s", words, err, text)
	}
	return strings.TrimSpace(string(out))
}

func (r *hostRig) makeKey(name, file string) string {
	r.t.Helper()
	r.nix("a", "nix-store", "--generate-binary-cache-key", name, r.path(file), r.path(file+".pub"))
	text, err := os.ReadFile(r.path(file + ".pub"))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// system builds a system and puts it into the cache, signed.
func (r *hostRig) system(name, extra, kernel string) string {
	r.t.Helper()
	return r.signedSystem(name, extra, kernel, "cache.key")
}

func (r *hostRig) signedSystem(name, extra, kernel, key string) string {
	r.t.Helper()
	path := r.nix("a", "nix-build", r.path("system.nix"), "--no-out-link", "--argstr", "name", name, "--argstr", "host", r.dir, "--argstr", "extra", extra, "--argstr", "kernel", kernel)
	r.nix("a", "nix", "copy", "--to", "file://"+r.path("cache")+"?secret-key="+r.path(key), path)
	return filepath.Base(path)
}

// configuration writes the agent's configuration file.
func (r *hostRig) configuration() string {
	list := func(words []string) string { return "['" + strings.Join(words, "', '") + "']" }
	pki := func(name string) string { return filepath.Join(r.demo.dir, name) }
	lines := []string{
		"agent:", "  url: " + r.demo.url, "  hostname: load-0", "  ca: " + pki("ca.crt"),
		"  cert: " + pki("agents/load-0.crt"), "  key: " + pki("agents/load-0.key"), "  state-dir: " + r.path("state"),
		"  store-root: " + r.path("b"), "  current-system: " + r.path("current"), "  booted-system: " + r.path("booted"),
		"  system-profile: " + r.path("profile"), "  boot-id-file: " + r.path("boot_id"),
		"  nix-store: " + list(r.command("b", "nix-store")), "  nix-env: " + list(r.command("b", "nix-env")),
		"  launcher: " + list([]string{"sh", "-c", `setsid "$@" >>` + r.path("runner.log") + ` 2>&1 </dev/null &`, "launcher"}),
		"  reboot-command: ['true']", "  binary: " + r.link, "  substituter: ['file://" + r.path("cache") + "']", "  trusted-key: ['" + r.key + "']",
		"  interval: 2s", "  realise-attempts: 2", "  switch-timeout: 20s", "  confirm-timeout: 20s", "  min-free: 1MiB",
	}
	for _, edit := range r.edits { // it takes the place of a line
		key, _, _ := strings.Cut(edit, ":")
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, key+":") })
	}
	r.write("agent.yaml", strings.Join(slices.Concat(lines, r.edits), "\n")+"\n")
	return r.path("agent.yaml")
}

// startAgent starts the agent's process.
func (r *hostRig) startAgent() {
	r.t.Helper()
	r.agent = exec.Command(r.link, "--config", r.configuration(), "agent", "run")
	r.agent.Args[0] = "refrain"
	r.agent.Stdout, r.agent.Stderr = r.logs, r.logs
	if err := r.agent.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.ended = make(chan error, 1)
	go func(p *exec.Cmd, ended chan error) { ended <- p.Wait() }(r.agent, r.ended)
}

// killAgent kills the agent, and nothing that it has launched.
func (r *hostRig) killAgent() {
	if r.agent != nil {
		_ = r.agent.Process.Signal(syscall.SIGKILL)
		<-r.ended
		r.agent = nil
	}
}

// waitForRunner waits until no runner has its lock.
func (r *hostRig) waitForRunner() {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		file, err := os.OpenFile(r.path("state/switch.lock"), os.O_RDWR, 0)
		if err != nil {
			return
		}
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		file.Close()
		if err == nil {
			return
		}
	}
}

// roll opens a rollout of a system, and returns its ID.
func (r *hostRig) roll(closure string) wire.RolloutID {
	r.t.Helper()
	r.channel++
	m := &wire.Manifest{Channel: "stable", ChannelRef: wire.ChannelRef(fmt.Sprint(r.channel)), Serial: wire.Serial(r.channel),
		Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{SoakMinutes: 0}}},
		Hosts:  []wire.ManifestHost{{Hostname: "load-0", TargetClosure: wire.Closure(closure)}}}
	if err := r.demo.open(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
	return wire.RolloutID("stable@" + string(m.ChannelRef))
}

// events are the kinds of events that the plane has of a rollout.
func (r *hostRig) events(id wire.RolloutID) (text string) {
	response, err := r.demo.send(r.t.Context(), demoRequest{Cert: "operators/" + devOperator, Path: "/v1/operator/rollouts/" + string(id) + "/events"})
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// reaches waits until the plane has an event of a rollout.
func (r *hostRig) reaches(id wire.RolloutID, kind string) string {
	r.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		text := r.events(id)
		if strings.Contains(text, `"kind":"`+kind+`"`) {
			return text
		}
		if time.Now().After(end) {
			state, _ := os.ReadFile(r.path("state/switch.json"))
			runner, _ := os.ReadFile(r.path("runner.log"))
			r.t.Fatalf("the plane has no %s of %s:\n%s\nagent:\n%s\nswitch:\n%s\nrunner:\n%s\nactions: %q", kind, id, text, r.logs, state, runner, r.actions())
		}
	}
}

func (r *hostRig) actions() []string {
	text, _ := os.ReadFile(r.path("actions"))
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// runs is what the host runs, and what its profile has.
func (r *hostRig) runs() (current, profile string) {
	cfg := machine.Config{StateDir: r.path("state"), Root: r.path("b"), CurrentSystem: r.path("current"), Profile: r.path("profile")}.WithDefaults()
	return cfg.Current(), cfg.Next()
}

func (r *hostRig) wantRuns(name string) {
	r.t.Helper()
	if current, profile := r.runs(); current != name || profile != name {
		r.t.Errorf("the host runs %s, its profile has %s; want %s\n%q", current, profile, name, r.actions())
	}
}

func TestAgent_ARolloutIsFetchedSwitchedToAndConverges(t *testing.T) {
	r := newHostRig(t)
	r.startAgent()
	target := r.system("new", "true", "linux-1")
	id := r.roll("/nix/store/" + target)
	r.reaches(id, "Converged")
	r.wantRuns(target)
	if got := strings.Join(r.actions(), ","); got != "test new,boot new" {
		t.Errorf("the host did %q; want one test and one boot", got)
	}
	second := r.system("second", "true", "linux-1") // a name, as signed releases have it
	r.reaches(r.roll(second), "Converged")
	r.wantRuns(second)
}

func TestAgent_ASwitchThatKillsTheAgentIsFinished(t *testing.T) {
	r := newHostRig(t)
	target := r.system("killer", "kill -9 \\$(cat "+r.path("agent.pid")+"); sleep 1", "linux-1")
	r.startAgent()
	r.write("agent.pid", fmt.Sprint(r.agent.Process.Pid))
	id := r.roll(target)
	<-r.ended
	r.agent = nil
	r.startAgent()
	r.reaches(id, "Converged")
	r.wantRuns(target)
	if got := strings.Join(r.actions(), ","); got != "test killer,boot killer" {
		t.Errorf("the host did %q; want one test and one boot", got)
	}
}

func TestAgent_ASwitchThatHangsIsTakenBack(t *testing.T) {
	r := newHostRig(t)
	r.edits = []string{"  switch-timeout: 1s"}
	r.startAgent()
	id := r.roll(r.system("hangs", "sleep 1000", "linux-1"))
	if text := r.reaches(id, "ActivationFailed"); !strings.Contains(text, "did not end within its timeout") {
		t.Errorf("the event does not say why:\n%s", text)
	}
	r.wantRuns(r.old)
}

func TestAgent_LostContactTakesTheSwitchBack(t *testing.T) {
	r := newHostRig(t)
	r.edits = []string{"  confirm-timeout: 2s"}
	r.startAgent()
	// The system cuts the host off: the plane is gone when the switch ends.
	id := r.roll(r.system("cut", "kill -STOP \\$(cat "+r.path("plane.pid")+")", "linux-1"))
	r.write("plane.pid", fmt.Sprint(r.process.Process.Pid))
	until(t, "the host is back", func() bool { return slices.Contains(r.actions(), "test old") })
	r.waitForRunner()
	r.wantRuns(r.old)
	if err := r.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	text := r.reaches(id, "ActivationFailed")
	if !strings.Contains(text, "no plane was reached") || strings.Contains(text, "RollbackComplete") {
		t.Errorf("the events do not say why, or a rollback quarantines the closure:\n%s", text)
	}
}

func TestAgent_AnUnsignedOrCorruptClosureIsNotSwitchedTo(t *testing.T) {
	r := newHostRig(t)
	r.startAgent()
	r.makeKey("other.test-1", "other.key")
	id := r.roll(r.signedSystem("foreign", "true", "linux-1", "other.key"))
	if text := r.reaches(id, "ActivationFailed"); !strings.Contains(text, "is not signed by any of the keys") {
		t.Errorf("the event does not name the signature:\n%s", text)
	}
	corrupt := r.system("corrupt", "true", "linux-1")
	info, err := os.ReadFile(r.path("cache/" + corrupt[:32] + ".narinfo"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(info)) {
		if url, is := strings.CutPrefix(strings.TrimSpace(line), "URL: "); is {
			r.write("cache/"+url, "not an archive")
		}
	}
	r.reaches(r.roll(corrupt), "ActivationFailed")
	r.wantRuns(r.old)
	if got := r.actions(); got[0] != "" {
		t.Errorf("the host did %q; want nothing", got)
	}
}
