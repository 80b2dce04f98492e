package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

func TestMain(m *testing.M) {
	// Most tests wait for processes of their own: more of them can run at a time than
	// there are processors. The command line's -parallel is read later and wins.
	if err := flag.Set("test.parallel", strconv.Itoa(max(6, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	// refrain dev in this process keeps no context: it would be the user's own.
	if strings.HasSuffix(os.Args[0], ".test") {
		if err := os.Setenv("XDG_CONFIG_HOME", os.DevNull); err != nil {
			panic(err)
		}
	}
	testscript.Main(m, map[string]func(){
		"refrain":              main,
		"systemctl":            systemctl,
		"journalctl":           journalctl,
		"groupadd":             groupadd,
		"chgrp":                chgrp,
		"refrain-full":         mainOnAFullDisk,
		"refrain-planted":      mainWithABug,
		"interrupt":            interruptMain,
		"refrain-sign-ed25519": signMain,
	})
}

// signMain is a command that signs: its standard input with the key of seed 1, 2, 3 …
func signMain() {
	message, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i + 1)
	}
	if _, err := os.Stdout.Write(ed25519.Sign(ed25519.NewKeyFromSeed(seed), message)); err != nil {
		panic(err)
	}
}

// mainOnAFullDisk is refrain with a standard output that takes nothing.
func mainOnAFullDisk() {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	os.Stdout = full
	main()
}

// The scripts say what a user types and sees. In addition to the commands of
// testscript they have
//
//	exits CODE COMMAND...    run a command that must exit with CODE
//	awaits FILE PATTERN      wait until a file matches
//	mode MODE PATH...        check permissions, in octal
//	tmpfs SIZE DIR           mount a small file system until the script ends
//	runbook DOC NAME NUMBER  run a block of a runbook, see runbook_test.go
//	asks METHOD FILE PATH [HEADER...]
//	                         send a request to the ops listener that the first
//	                         line of FILE, the output of serve, names; the answer
//	                         is the status and the body on standard output
//	expired DIR SUFFIX       make a CA, and a server's certificate that has expired
//
// and the condition mounts: file systems can be mounted.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("COLUMNS", "100") // help is wrapped at the terminal's width
			sample, err := filepath.Abs(filepath.Join("..", "..", "deploy", "release.example.yaml"))
			if err != nil {
				return err
			}
			env.Setenv("SAMPLE", sample)
			return setupRunbooks(env)
		},
		Condition: func(name string) (bool, error) {
			if name != "mounts" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return canMount(), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exitsCommand,
			"mode":    modeCommand,
			"awaits":  awaitsCommand,
			"runbook": runbookCommand,
			"tmpfs":   tmpfsCommand,
			"expired": expiredCommand,
			"asks":    asksCommand,
		},
	})
}

// awaitsCommand waits until a file that another command writes matches a
// pattern.
func awaitsCommand(script *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 2 {
		script.Fatalf("usage: awaits FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	script.Check(err)
	var text []byte
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		if text, err = os.ReadFile(script.MkAbs(args[0])); err == nil && pattern.Match(text) {
			return
		}
	}
	script.Fatalf("%s does not match %s after %v:\n%s", args[0], args[1], patience, text)
}

// canMount reports whether this process may mount file systems, and says loudly if
// it may not.
var canMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "mount")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "NOT RUN: scripts that mount a file system, since none can be mounted here: %v %s\n", err, out)
		return false
	}
	return exec.Command("umount", dir).Run() == nil
})

func tmpfsCommand(script *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 2 {
		script.Fatalf("usage: tmpfs SIZE DIR")
	}
	dir := script.MkAbs(args[1])
	script.Check(script.Exec("mount", "-t", "tmpfs", "-o", "size="+args[0], "tmpfs", dir))
	script.Defer(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

// expiredCommand makes a directory of certificates as it was issued a year ago.
func expiredCommand(script *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 2 {
		script.Fatalf("usage: expired DIR SUFFIX")
	}
	past := clock.NewMock()
	past.Set(time.Now().Add(-400 * 24 * time.Hour))
	options := pki.Options{Clock: past}
	_, err := pki.Init(script.MkAbs(args[0]), args[1], options)
	script.Check(err)
	_, err = pki.Server(script.MkAbs(args[0]), []string{"127.0.0.1"}, options)
	script.Check(err)
}

// opsOf finds the address of the ops listener in what serve prints.
var opsOf = regexp.MustCompile(`, ops on (http://|unix:)([^;]*);`)

func asksCommand(script *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 3 {
		script.Fatalf("usage: asks METHOD FILE PATH [HEADER...]")
	}
	found := opsOf.FindStringSubmatch(script.ReadFile(args[1]))
	if found == nil {
		script.Fatalf("%s names no ops listener", args[1])
	}
	network, address, host := "tcp", found[2], found[2]
	if found[1] == "unix:" {
		network, address, host = "unix", script.MkAbs(found[2]), "localhost"
	}
	request, err := http.NewRequest(args[0], "http://"+host+args[2], nil)
	script.Check(err)
	for _, header := range args[3:] {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	response, err := client.Do(request)
	script.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	script.Check(err)
	fmt.Fprintf(script.Stdout(), "%d\n%s", response.StatusCode, body)
}

func exitsCommand(script *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 2 {
		script.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	script.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := script.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		script.Check(err)
	}
	if code != want {
		script.Fatalf("exited with %d, want %d", code, want)
	}
}

func modeCommand(script *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 2 {
		script.Fatalf("usage: mode MODE PATH...")
	}
	for _, path := range args[1:] {
		info, err := os.Lstat(script.MkAbs(path))
		script.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			script.Fatalf("%s has mode %s, want %s", path, got, args[0])
		}
	}
}
