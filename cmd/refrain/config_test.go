package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"pgregory.net/rapid"
)

// sampler is a grammar with flags of every kind.
type sampler struct {
	Config configFile

	Run struct {
		Listen   string
		Wait     time.Duration `default:"5s"`
		Size     byteSize      `default:"1KiB"`
		Life     lifetime
		Count    int
		Small    uint8
		Share    float64
		Strict   bool   `negatable:""`
		Colour   string `enum:"red,green" default:"red"`
		Peers    []string
		Colours  []string `enum:"red,green"`
		Raw      []string `sep:"none"`
		Optional *string
		Numbers  []int
		Deep     struct {
			Address string
		} `cmd:""`
		Shallow struct{} `cmd:"" default:"1"`
	} `cmd:""`
	Walk struct {
		Listen string
	} `cmd:""`
	Idle struct{} `cmd:""`
}

func samplerParser(t testing.TB) (*sampler, *kong.Kong) {
	t.Helper()
	grammar := &sampler{}
	parser, err := newParser(grammar, stdio{io.Discard, io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return grammar, parser
}

// problemsOf reads a file and returns what is wrong with it, one a line.
func problemsOf(t testing.TB, text string) string {
	t.Helper()
	_, parser := samplerParser(t)
	_, err := parseConfig("f.yaml", []byte(text), parser.Model.Node)
	if err == nil {
		return ""
	}
	var wrong *configError
	if !errors.As(err, &wrong) {
		t.Fatalf("%T: %v, want a *configError", err, err)
	}
	return err.Error()
}

func TestAValueOfTheFileReachesItsFlag(t *testing.T) {
	grammar, parser := samplerParser(t)
	const text = `
# a comment
run:
  listen: ":8443"
  wait: 1m30s
  size: 64KiB
  life: 90d
  count: -3
  small: 0xff
  share: 2
  strict: true
  colour: green
  peers: [a, "b,c", 'd\e']
  colours:
    - green
    - red
  raw: ["x,y", z]
  optional: &anchor here
  numbers: [1, 2]
  deep:
    address: *anchor
idle:
`
	path := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"run", "deep", "--config", path}); err != nil {
		t.Fatal(err)
	}
	got, here := grammar.Run, "here"
	for _, check := range []struct {
		key       string
		got, want any
	}{
		{"listen", got.Listen, ":8443"},
		{"wait", got.Wait, 90 * time.Second},
		{"size", got.Size, byteSize(65536)},
		{"life", got.Life, lifetime(90 * 24 * time.Hour)},
		{"count", got.Count, -3},
		{"small", got.Small, uint8(255)},
		{"share", got.Share, 2.0},
		{"strict", got.Strict, true},
		{"colour", got.Colour, "green"},
		{"peers", got.Peers, []string{"a", "b,c", `d\e`}},
		{"colours", got.Colours, []string{"green", "red"}},
		{"raw", got.Raw, []string{"x,y", "z"}},
		{"optional", got.Optional, &here},
		{"numbers", got.Numbers, []int{1, 2}},
		{"deep.address", got.Deep.Address, "here"},
	} {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("run.%s is %#v, want %#v", check.key, check.got, check.want)
		}
	}
}

func TestWhatIsWrongWithAFileIsTold(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"# nothing\n", ""},
		{"---\n", ""},
		{"run:\n", ""},
		{"run: {}\n", ""},
		{"run: {listen: ''}", ""},
		{"run:\n  wait: 5s\n...\n", ""},

		{"run", `f.yaml:1: want a mapping of commands, have "run"`},
		{"- run", "f.yaml:1: want a mapping of commands, have a list"},
		{"run: [a]", "f.yaml:1: run: want a mapping of flags, have a list"},
		{"run: 3", "f.yaml:1: run: want a mapping of flags, have the number 3"},
		{"run:\n  wait: 1s\n---\nrun:\n", "f.yaml:3: a second document, want one"},
		{"run:\n  ? [a]\n  : b\n", "f.yaml:2: run.?: want a name for a key, have a list"},
		{"run:\n\n  listen: a\n  listen: b\n", "f.yaml:4: run.listen: repeated, it is on line 3 already"},
		{"run:\n  listen: a\nrun:\n", "f.yaml:3: run: repeated, it is on line 1 already"},
		{"x: &x {listen: a}\nrun:\n  <<: *x\n", "f.yaml:1: x: unknown key, want one of idle, run, walk\n" +
			"f.yaml:3: run.<<: unknown key, want one of colour, colours, count, deep, life, listen, numbers, optional, peers, raw, shallow, share, size, small, strict, wait"},

		{"run:\n  lisen: a", "f.yaml:2: run.lisen: unknown key, did you mean run.listen?"},
		{"run:\n  Listen: a", "f.yaml:2: run.Listen: unknown key, did you mean run.listen?"},
		{"runs:\n", "f.yaml:1: runs: unknown key, did you mean run?"},
		{"listen: a", "f.yaml:1: listen: unknown key, did you mean run.listen or walk.listen?"},
		{"deep: {}", "f.yaml:1: deep: unknown key, did you mean run.deep?"},
		{"idle:\n  wait: 5s", "f.yaml:2: idle.wait: unknown key, did you mean run.wait?"},
		{"idle:\n  speed: 5s", "f.yaml:2: idle.speed: unknown key, no key is allowed here"},
		{"config: other.yaml", "f.yaml:1: config: unknown key, want one of idle, run, walk"},
		{"help: true", "f.yaml:1: help: unknown key, want one of idle, run, walk"},
		{"'': 1", "f.yaml:1: \"\": unknown key, want one of idle, run, walk"},

		{"\"a\\nb\": 1", "f.yaml:1: \"a\\nb\": unknown key, want one of idle, run, walk"},
		{"run: {count: !x 'a\n b'}", "f.yaml:1: run.count: want a whole number, have !x \"a b\""},
		{"run: {count: !!int no}", "f.yaml:1: run.count: expected a valid 64 bit int but got \"no\""},

		{"run: {listen: 8443}", "f.yaml:1: run.listen: want text, have the number 8443; put it in quotes"},
		{"run: {listen: 1.5}", "f.yaml:1: run.listen: want text, have the number 1.5; put it in quotes"},
		{"run: {listen: true}", "f.yaml:1: run.listen: want text, have true; put it in quotes"},
		{"run: {listen: 2026-01-31}", "f.yaml:1: run.listen: want text, have the date 2026-01-31; put it in quotes"},
		{"run: {listen: }", "f.yaml:1: run.listen: want text, have nothing; leave the line out for the default"},
		{"run: {listen: ~}", "f.yaml:1: run.listen: want text, have nothing; leave the line out for the default"},
		{"run: {listen: [a]}", "f.yaml:1: run.listen: want text, have a list"},
		{"run: {listen: {a: b}}", "f.yaml:1: run.listen: want text, have a mapping"},
		{"run: {wait: 60}", "f.yaml:1: run.wait: want a duration such as 1m30s, have the number 60"},
		{"run: {wait: soon}", `f.yaml:1: run.wait: expected duration but got "soon": time: invalid duration "soon"`},
		{"run: {size: 64kb}", `f.yaml:1: run.size: want a number of bytes, such as 65536 or 64KiB, have "64kb"`},
		{"run: {size: [1]}", "f.yaml:1: run.size: want a value, have a list"},
		{"run: {life: 0d}", `f.yaml:1: run.life: want a duration of at least 1s, such as 90d or 12h, have "0d"`},
		{"run: {count: lots}", `f.yaml:1: run.count: want a whole number, have "lots"`},
		{"run: {count: '3'}", `f.yaml:1: run.count: want a whole number, have "3"`},
		{"run: {count: 1.5}", "f.yaml:1: run.count: want a whole number, have the number 1.5"},
		{"run: {small: 256}", `f.yaml:1: run.small: expected a valid 8 bit uint but got "256"`},
		{"run: {share: half}", `f.yaml:1: run.share: want a number, have "half"`},
		{"run: {strict: yes}", `f.yaml:1: run.strict: want true or false, have "yes"`},
		{"run: {strict: 1}", "f.yaml:1: run.strict: want true or false, have the number 1"},
		{"run: {colour: blue}", `f.yaml:1: run.colour: want one of red, green, have "blue"`},
		{"run: {colour: 1}", "f.yaml:1: run.colour: want one of red, green, have the number 1"},
		{"run: {peers: a}", `f.yaml:1: run.peers: want a list, each text, have "a"`},
		{"run:\n  peers:\n    - a\n    - 2\n", "f.yaml:3: run.peers: item 2: want text, have the number 2; put it in quotes"},
		{"run: {colours: [red, blue]}", `f.yaml:1: run.colours: want one of red, green, have "blue"`},
		{"run: {numbers: [1, x]}", `f.yaml:1: run.numbers: item 2: want a whole number, have "x"`},

		{"run:\n\twait: 5s\n", "f.yaml:2: not YAML from about here: found character that cannot start any token"},
		{"run:\n  listen: [a\n", "f.yaml:2: not YAML from about here: did not find expected ',' or ']'"},
		{"run: {listen: *x}", "f.yaml: not YAML from about here: unknown anchor 'x' referenced"},
		{"run:\x00", "f.yaml: not YAML from about here: control characters are not allowed"},
	} {
		if got := problemsOf(t, test.text); got != test.want {
			t.Errorf("%q\ngot:  %s\nwant: %s", test.text, got, test.want)
		}
	}
}

// Whatever a file has in it is read or told, with the file's name.
func TestNoFileBreaksTheReader(t *testing.T) {
	_, parser := samplerParser(t)
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"run", "idle", "listen", "wait", "peers", "deep", "5s", "8", "true", "~",
			": ", ":\n", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&a ", "*a", "!!int ", "!!bool ", "!x ", "count", "strict", "'", "\"", "|\n", "? ", "#", "---\n", "<<", "\t", "\x00", "é"})
		text := strings.Join(rapid.SliceOfN(word, 0, 30).Draw(t, "words"), "")
		config, err := parseConfig("f.yaml", []byte(text), parser.Model.Node)
		if err == nil {
			for flag, value := range config.values {
				if _, err := kongParse(flag, value); err != nil {
					t.Fatalf("%q: accepted, but kong says %v", text, err)
				}
			}
			return
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "f.yaml:") {
				t.Fatalf("%q: %q does not name the file", text, line)
			}
		}
	})
}

func kongParse(flag *kong.Flag, value any) (reflect.Value, error) {
	target := reflect.New(flag.Target.Type()).Elem()
	return target, flag.Parse(kong.Scan().PushTyped(value, kong.FlagValueToken), target)
}

func TestOnlyTheFirstProblemsOfAFileAreWrittenOut(t *testing.T) {
	_, parser := samplerParser(t)
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "unknown%d: 1\n", i)
	}
	_, err := parseConfig("f", []byte(text.String()), parser.Model.Node)
	if err == nil {
		t.Fatal("it is right")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || !strings.HasPrefix(lines[19], "f:20: ") || lines[20] != "f: and 980 more problems; mend these first" {
		t.Errorf("got %d lines: %s", len(lines), err)
	}
}
