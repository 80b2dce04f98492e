package fuzz

import (
	"flag"
	"os"
	"testing"
)

// minimizeTime is for how long the engine makes smaller each input that reaches
// something new, unless -fuzzminimizetime says otherwise. The engine's own 60 s are
// spent in every worker before the first search, and again for each such input: in
// 8 s FuzzWorld ran nothing but its seeds. The inputs are small already, and sim
// shrink makes a scenario smaller in a better way.
const minimizeTime = "5x"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := shortenMinimizing(flag.CommandLine); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// shortenMinimizing sets minimizeTime, unless the command line has a value.
func shortenMinimizing(flags *flag.FlagSet) error {
	const name = "test.fuzzminimizetime"
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return nil
	}
	return flags.Set(name, minimizeTime)
}

func TestMinimizing_IsShortUnlessTheCommandLineSaysOtherwise(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, minimizeTime},
		{[]string{"-test.fuzzminimizetime=60s"}, "60s"},
		{[]string{"-test.fuzzminimizetime=0x"}, "0x"},
	} {
		flags := flag.NewFlagSet("fuzz.test", flag.ContinueOnError)
		flags.String("test.fuzzminimizetime", "60s", "")
		if err := flags.Parse(test.args); err != nil {
			t.Fatal(err)
		}
		if err := shortenMinimizing(flags); err != nil {
			t.Fatal(err)
		}
		if got := flags.Lookup("test.fuzzminimizetime").Value.String(); got != test.want {
			t.Errorf("with %q it is %s, want %s", test.args, got, test.want)
		}
	}
	ours := false
	flag.Visit(func(f *flag.Flag) { ours = ours || f.Name == "test.fuzzminimizetime" })
	if !ours {
		t.Error("this binary minimizes for as long as the engine likes: TestMain does not set it")
	}
}
