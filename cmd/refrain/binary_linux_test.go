package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildUnstamped builds the real program, as in a directory without version
// control.
func buildUnstamped(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "my refrain")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", file, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

func TestABuildWithoutACommitIsNamedByItsHashAndByHowItWasCalled(t *testing.T) {
	t.Parallel()
	file := buildUnstamped(t)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256(content))[:len("sha256:")+12]
	out, err := exec.Command(file, "sim", "run", "--seed", "3", "--profile", "smoke").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "again    '" + file + "' sim run --seed 3 --profile smoke  # build " + hash + " go"; !strings.Contains(string(out), want) {
		t.Errorf("there is no %q in\n%s", want, out)
	}
}

// A second process runs the file that is running, whatever is built meanwhile.
func TestASearchSurvivesARebuild(t *testing.T) {
	t.Parallel()
	file := buildUnstamped(t)
	search := exec.Command(file, "sim", "search", "--seeds", "20", "--profile", "smoke", "--sample", "3", "--json")
	var out bytes.Buffer
	search.Stdout, search.Stderr = &out, t.Output()
	if err := search.Start(); err != nil { // the file is running once it returns
		t.Fatal(err)
	}
	other := file + ".new"
	if err := os.WriteFile(other, []byte("#!/bin/sh\nexit 9\n"), 0o700); err != nil {
		t.Error(err)
	}
	if err := os.Rename(other, file); err != nil {
		t.Error(err)
	}
	if err := search.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	var report simReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Repeated != 3 || len(report.Differences) > 0 {
		t.Errorf("%v: %d runs repeated, %v; want 3 and no differences", err, report.Repeated, report.Differences)
	}
}
