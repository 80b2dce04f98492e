package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"
)

// Every flag has a help text, a name in the environment of its own shape, and a
// name in the file that no command beside it has.
func TestTheGrammarIsInOrder(t *testing.T) {
	parser, err := newParser(&cli{}, stdio{io.Discard, io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	flags := 0
	var walk func(node *kong.Node)
	walk = func(node *kong.Node) {
		if node.Help == "" {
			t.Errorf("%s has no help", node.FullPath())
		}
		for _, flag := range node.Flags {
			if flag.Name == "help" {
				continue
			}
			flags++
			name := node.FullPath() + " --" + flag.Name
			if flag.Help == "" {
				t.Errorf("%s has no help", name)
			}
			// Force is a guard, which no environment may disarm; the version of the
			// program is no setting.
			if flag.Name == "force" || flag.Name == "version" {
				if len(flag.Envs) != 0 {
					t.Errorf("%s has the variables %v, want none", name, flag.Envs)
				}
			} else if len(flag.Envs) != 1 || !strings.HasPrefix(flag.Envs[0], "REFRAIN_") {
				t.Errorf("%s has the variables %v, want one REFRAIN_...", name, flag.Envs)
			}
			if flagOf(node, flag.Name) != nil && childOf(node, flag.Name) != nil {
				t.Errorf("%s: a command has the same name", name)
			}
		}
		for _, child := range node.Children {
			walk(child)
		}
	}
	walk(parser.Model.Node)
	if flags == 0 {
		t.Error("no flags at all")
	}
}

// waiter is a grammar with a command that ends when it is told to, and one that
// fails as it is told to.
type waiter struct {
	Wait waitCommand `cmd:""`
	Fail failCommand `cmd:""`
}

type waitCommand struct{}

func (waitCommand) Run(ctx context.Context, out stdio) error {
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Fprintln(out.Out, "told to end")
	return nil
}

type failCommand struct {
	How string `arg:""`
}

func (c failCommand) Run() error {
	err := errors.New("first line\nsecond line")
	switch c.How {
	case "usage":
		return fmt.Errorf("wrapped: %w", &commandError{err: err, code: exitUsage, hint: "a hint"})
	case "plain":
		return err
	}
	return nil
}

func TestASignalEndsTheContext(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(&waiter{}, []string{"wait"}, stdio{&out, &errs}); code != exitGood || out.String() != "told to end\n" {
		t.Errorf("exit code %d, output %q, errors %q", code, out.String(), errs.String())
	}
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		errs string
	}{
		{[]string{"fail", "not"}, exitGood, ""},
		{[]string{"fail", "plain"}, exitFailed, "refrain: first line\nrefrain: second line\n"},
		{[]string{"fail", "usage"}, exitUsage, "refrain: wrapped: first line\nrefrain: second line\nhint: a hint\n"},
		{[]string{"fail"}, exitUsage, "refrain: expected \"<how>\"\nhint: refrain fail --help shows the usage\n"},
		{[]string{"fail", "--help"}, exitGood, ""},
	} {
		var errs bytes.Buffer
		if code := run(&waiter{}, test.args, stdio{io.Discard, &errs}); code != test.code || errs.String() != test.errs {
			t.Errorf("%v: exit code %d, errors %q; want %d, %q", test.args, code, errs.String(), test.code, test.errs)
		}
	}
}

func TestNegativeNumbersAreValuesOfTheFlagBeforeThem(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", ""},
		{"a --x -1d b", "a --x=-1d b"},
		{"a --x=3 -1d", "a --x=3 -1d"},
		{"a --x -v -.5 -1", "a --x -v -.5 -1"},
		{"a --x", "a --x"},
		{"a -- --x -1", "a -- --x -1"},
	} {
		if got := strings.Join(joinNegative(strings.Fields(test.args)), " "); got != test.want {
			t.Errorf("%q: %q, want %q", test.args, got, test.want)
		}
	}
}

func TestShellWords(t *testing.T) {
	for word, want := range map[string]string{
		"pki": "pki", "a/b.c": "a/b.c", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "~": "'~'",
	} {
		if got := shellWord(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

func TestALongErrorIsCutShort(t *testing.T) {
	var out bytes.Buffer
	printError(&out, errors.New(strings.Repeat("wrong\n", 1000)))
	if got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"); len(got) != 101 || got[99] != "refrain: wrong" || got[100] != "refrain: and 900 more lines" {
		t.Errorf("got %d lines, the last is %s", len(got), got[len(got)-1])
	}
}
