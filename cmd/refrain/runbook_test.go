package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A runbook is a section of a document in docs whose heading begins with
// "Runbook: ". The commands in it are blocks that begin with ```sh. Scripts in
// testdata/script run the blocks as they stand in the document:
//
//	runbook operations.md 'back up' 1
//
// runs the first block of "Runbook: back up" of docs/operations.md with sh -eu.
// Output goes where that of exec goes (stdout, stderr). With "! runbook" the
// block has to fail. [TestRunbooks_EveryBlockIsRun] wants a script for each block.
//
// The block runs in $WORK. Only what names the machine is replaced: a path of
// [runbookRoots] by the same path below $WORK/root, the address of the ops listener
// by $OPS and that of the plane by $PLANE, which are free, and the plane's name by
// that of this machine. systemctl is [systemctl] below, journalctl [journalctl],
// groupadd and chgrp [groupadd] and [chgrp].

// runbookRoots are the directories of a production machine that runbooks use.
var runbookRoots = []string{"/var/lib/refrain", "/etc/refrain", "/var/backups/refrain", "/usr/local/bin", "/etc/systemd/system"}

const (
	runbookOps   = "127.0.0.1:9090"
	runbookPlane = "plane.example.com"
	runbookPort  = ":8443"
)

var (
	runbookHeading = regexp.MustCompile(`(?m)^#+ Runbook: (.*)$`)
	runbookBlock   = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	anyHeading     = regexp.MustCompile(`(?m)^#+ `)
	// runbookUse is a use of a block in a script: document, name, number.
	runbookUse = regexp.MustCompile(`(?m)^(?:! )?runbook (\S+) '([^']+)' (\d+)$`)
)

// runbookBlocks are the blocks of a document's runbooks, by their names.
func runbookBlocks(text string) map[string][]string {
	books := map[string][]string{}
	for _, at := range runbookHeading.FindAllStringSubmatchIndex(text, -1) {
		section := text[at[1]:]
		if end := anyHeading.FindStringIndex(stripBlocks(section)); end != nil {
			section = section[:end[0]]
		}
		blocks := []string{}
		for _, block := range runbookBlock.FindAllStringSubmatch(section, -1) {
			blocks = append(blocks, block[1])
		}
		books[text[at[2]:at[3]]] = blocks
	}
	return books
}

// stripBlocks blanks out the blocks of a text, whose comments look like headings.
func stripBlocks(text string) string {
	return runbookBlock.ReplaceAllStringFunc(text, func(block string) string { return strings.Repeat(" ", len(block)) })
}

// setupRunbooks gives a script what runbooks need.
func setupRunbooks(env *testscript.Env) error {
	dir, err := filepath.Abs(docs)
	if err != nil {
		return err
	}
	env.Setenv("DOCS", dir)
	for _, name := range []string{"OPS", "PLANE"} {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		env.Setenv(name, address)
	}
	env.Defer(func() { _ = stopService(env.WorkDir) })
	return nil
}

// runbookCommand is the command of scripts.
func runbookCommand(script *testscript.TestScript, not bool, args []string) {
	if len(args) != 3 {
		script.Fatalf("usage: [!] runbook DOCUMENT 'NAME' NUMBER")
	}
	text, err := os.ReadFile(filepath.Join(script.Getenv("DOCS"), args[0]))
	script.Check(err)
	number, err := strconv.Atoi(args[2])
	script.Check(err)
	blocks := runbookBlocks(string(text))[args[1]]
	if number < 1 || number > len(blocks) {
		script.Fatalf("%s: Runbook: %s has %d blocks; want number %d", args[0], args[1], len(blocks), number)
	}
	block := strings.NewReplacer(
		runbookOps, script.Getenv("OPS"),
		runbookPlane+runbookPort, script.Getenv("PLANE"),
		runbookPlane, "127.0.0.1",
	).Replace(blocks[number-1])
	for _, root := range runbookRoots {
		block = strings.ReplaceAll(block, root, script.MkAbs("root"+root))
	}
	script.Logf("[runbook]\n%s", block)
	if err := script.Exec("sh", "-euc", block); (err != nil) != not {
		script.Fatalf("block %d of Runbook: %s: %v", number, args[1], err)
	}
}

// TestRunbooks_EveryBlockIsRun wants each block of each runbook to be run by a
// script, and each use in a script to have its block.
func TestRunbooks_EveryBlockIsRun(t *testing.T) {
	want, have := []string{}, []string{}
	for _, path := range glob(t, docs+"*.md") {
		text := readText(t, path)
		for name, blocks := range runbookBlocks(text) {
			if len(blocks) == 0 {
				t.Errorf("%s: Runbook: %s has no block of commands", path, name)
			}
			for i := range blocks {
				want = append(want, fmt.Sprintf("%s '%s' %d", filepath.Base(path), name, i+1))
			}
		}
	}
	for _, path := range glob(t, filepath.Join("testdata", "script", "*.txtar")) {
		for _, use := range runbookUse.FindAllStringSubmatch(readText(t, path), -1) {
			have = append(have, fmt.Sprintf("%s '%s' %s", use[1], use[2], use[3]))
		}
	}
	for _, block := range want {
		if !slices.Contains(have, block) {
			t.Errorf("no script in testdata/script runs the block: runbook %s", block)
		}
	}
	for _, use := range have {
		if !slices.Contains(want, use) {
			t.Errorf("a script runs a block that is in no document: runbook %s", use)
		}
	}
	if len(want) == 0 {
		t.Error("no document has a runbook: the test finds nothing")
	}
}

// TestRunbooks_AreListed wants the list at the head of operations.md to have each
// runbook: a reader who needs one does not know its name.
func TestRunbooks_AreListed(t *testing.T) {
	text := readText(t, docs+"operations.md")
	_, list, found := strings.Cut(text, "\n## Runbooks\n")
	if !found {
		t.Fatal("operations.md has no section Runbooks")
	}
	list = list[:anyHeading.FindStringIndex(list)[0]]
	for name := range runbookBlocks(text) {
		if link := "[" + name + "](#runbook-" + strings.ReplaceAll(strings.ToLower(name), " ", "-") + ")"; !strings.Contains(list, link) {
			t.Errorf("the list of runbooks has no %s", link)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// systemctl stands for the service manager in runbooks. It knows one service,
// refrain: start runs the script's service.sh and waits until the plane serves,
// stop ends it and waits for the end, kill is kill -9. The plane's output is
// service.out, its log service.log. daemon-reload reads the unit, which has to be
// there; without that a new unit cannot be enabled.
func systemctl() {
	work := os.Getenv("WORK")
	verb, service := strings.Join(os.Args[1:], " "), false
	if verb != "daemon-reload" {
		verb, service = strings.CutSuffix(verb, " refrain")
	}
	if !service && verb != "daemon-reload" {
		verb = ""
	}
	known := filepath.Join(work, "service.unit")
	var err error
	switch verb {
	case "daemon-reload":
		var unit []byte
		if unit, err = os.ReadFile(filepath.Join(work, "root/etc/systemd/system/refrain.service")); err == nil {
			err = os.WriteFile(known, unit, 0o600)
		}
	case "enable --now":
		if _, err = os.Stat(known); err == nil {
			err = startService(work)
		}
	case "start":
		err = startService(work)
	case "stop":
		err = stopService(work)
	case "restart":
		if err = stopService(work); err == nil {
			err = startService(work)
		}
	case "reload":
		err = signalService(work, syscall.SIGHUP)
	case "kill":
		err = signalService(work, syscall.SIGKILL)
		awaitEnd(work)
	default:
		err = fmt.Errorf("usage: systemctl enable --now|start|stop|restart|reload|kill refrain, or daemon-reload; have %q", os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "systemctl:", err)
		os.Exit(1)
	}
}

func startService(work string) error {
	file := func(name string) string { return filepath.Join(work, name) }
	// What an earlier process printed is not this one's.
	if err := os.Remove(file("service.out")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// The process is nobody's child, so that it leaves no zombie behind.
	command := exec.Command("sh", "-c", "sh service.sh >service.out 2>>service.log & echo $! >service.pid")
	command.Dir = work
	if err := command.Run(); err != nil {
		return err
	}
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		if out, err := os.ReadFile(file("service.out")); err == nil && strings.Contains(string(out), "refrain serves on") {
			return nil
		}
		if signalService(work, 0) != nil {
			return errors.New("the service ended; see service.log")
		}
	}
	return errors.New("the service does not serve; see service.log")
}

func stopService(work string) error {
	err := signalService(work, syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	awaitEnd(work)
	return err
}

func awaitEnd(work string) {
	for limit := time.Now().Add(patience); time.Now().Before(limit) && signalService(work, 0) == nil; time.Sleep(10 * time.Millisecond) {
	}
}

func signalService(work string, signal syscall.Signal) error {
	text, err := os.ReadFile(filepath.Join(work, "service.pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Signal(signal)
}

// journalctl stands for the journal in runbooks: it is service.log.
func journalctl() {
	path := filepath.Join(os.Getenv("WORK"), "service.log")
	var err error
	switch args := strings.Join(os.Args[1:], " "); args {
	case "--disk-usage":
		var info fs.FileInfo
		if info, err = os.Stat(path); err == nil {
			fmt.Printf("Archived and active journals take up %dB in the file system.\n", info.Size())
		}
	case "--vacuum-size=500M":
	case "-u refrain -n 20":
		var text []byte
		text, err = os.ReadFile(path)
		_, _ = os.Stdout.Write(text)
	default:
		err = fmt.Errorf("have %q, which no runbook uses", args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "journalctl:", err)
		os.Exit(1)
	}
}

// groupadd and chgrp stand for those of a machine whose groups a test may change:
// groups has a line for each group, groups.files one for each file that was given
// to one.
func groupadd() {
	if len(os.Args) != 3 || os.Args[1] != "--system" {
		fmt.Fprintf(os.Stderr, "usage: groupadd --system GROUP, have %q\n", os.Args[1:])
		os.Exit(2)
	}
	appendLine("groups", os.Args[2])
}

func chgrp() {
	if len(os.Args) != 3 {
		fmt.Fprintf(os.Stderr, "usage: chgrp GROUP FILE, have %q\n", os.Args[1:])
		os.Exit(2)
	}
	groups, err := os.ReadFile(filepath.Join(os.Getenv("WORK"), "groups"))
	if err == nil && !slices.Contains(strings.Fields(string(groups)), os.Args[1]) {
		err = fmt.Errorf("invalid group: %s", os.Args[1])
	}
	if err == nil {
		_, err = os.Stat(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chgrp:", err)
		os.Exit(1)
	}
	appendLine("groups.files", os.Args[1]+" "+os.Args[2])
}

// appendLine adds a line to a file of the script.
func appendLine(name, line string) {
	file, err := os.OpenFile(filepath.Join(os.Getenv("WORK"), name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(file, line)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
