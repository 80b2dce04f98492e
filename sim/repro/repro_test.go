package repro

import (
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"testing"
)

func TestTheLineThatRunsItAgainNamesTheBuild(t *testing.T) {
	want := regexp.MustCompile(`^refrain sim run --seed 7 --profile storm  # build ([0-9a-f]{12}(\+changes)?|sha256:[0-9a-f]{12}) go1\.\S+ [a-z0-9]+/[a-z0-9]+$`)
	if got := Again(RunSeed(7, "storm")); !want.MatchString(got) {
		t.Errorf("it is %q", got)
	}
	if got := RunTest("./sim", "TestA/storm"); got != `go test ./sim -count=1 -run '^TestA$/^storm$'` {
		t.Errorf("it is %q", got)
	}
}

func TestABinaryIsNamedByItsContent(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256(content))[:len("sha256:")+revisionLength]; Binary() != want {
		t.Errorf("%s, want %s", Binary(), want)
	}
}

func TestTheLineThatRunsItAgainNamesTheProgramAsItWasCalled(t *testing.T) {
	defer CalledAs(Program())
	CalledAs("bin/refrain")
	if got := RunSeed(7, "storm"); got != "bin/refrain sim run --seed 7 --profile storm" {
		t.Errorf("it is %q", got)
	}
}
