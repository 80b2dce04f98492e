package scenario

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawValidFault draws a fault of any kind with any of the fields that it may
// have.
func drawValidFault(t *rapid.T, hosts int) Fault {
	k := rapid.SampledFrom(FaultKinds()).Draw(t, "kind")
	f := Fault{Kind: k, At: time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "at"))}
	form := &faultForms[k]
	needs := make(map[string]bool)
	for _, key := range form.needs {
		needs[key] = true
	}
	for _, key := range append(form.takes, form.needs...) {
		if !needs[key] && !rapid.Bool().Draw(t, "has "+key) {
			continue
		}
		switch key {
		case "host":
			f.Hosts.First = rapid.IntRange(1, hosts).Draw(t, "first")
			f.Hosts.Last = rapid.IntRange(f.Hosts.First, hosts).Draw(t, "last")
		case "for":
			f.For = time.Duration(rapid.Int64Range(1, int64(longest)).Draw(t, "for"))
		case "count":
			f.Count = rapid.IntRange(1, 1_000_000).Draw(t, "count")
		case "each":
			low, high := time.Duration(1), longest
			if k == PlaneClock || k == ClockSkew {
				low, high = -farthest, farthest
			}
			f.Each = time.Duration(rapid.Int64Range(int64(low), int64(high)).Filter(func(d int64) bool { return d != 0 }).Draw(t, "each"))
		case "back":
			f.Back = time.Duration(rapid.Int64Range(1, int64(longest)).Draw(t, "back"))
		case "rate":
			low, high := 1, 1000
			if k == ClockDrift {
				low, high = -1_000_000, 1_000_000
			}
			f.Rate = rapid.IntRange(low, high).Filter(func(n int) bool { return n != 0 }).Draw(t, "rate")
		case "size":
			f.Size = rapid.IntRange(1, maxCapacity).Draw(t, "size")
		case "route":
			f.Route = rapid.SampledFrom([]Route{RouteHeartbeat, RouteEvent, RoutePoll, RouteOperator, RouteGarbage}).Draw(t, "route")
		case "dir":
			f.Dir = rapid.SampledFrom([]Dir{Up, Down}).Draw(t, "dir")
		case "phase":
			f.Phase = rapid.SampledFrom([]Phase{BeforeCommit, InsideCommit, AfterCommit}).Draw(t, "phase")
		case "after":
			f.After = true
		case "unreadable":
			f.Unreadable = true
		default:
			t.Fatalf("a new field %q: draw it too", key)
		}
	}
	return f
}

func TestEveryFaultReadsBackToItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawValidFault(t, 1_000_000)
		read, err := ParseFault(f.String())
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if read != f {
			t.Fatalf("%s reads back as %+v, want %+v", f, read, f)
		}
		if again := read.String(); again != f.String() {
			t.Fatalf("prints as %q, then as %q", f, again)
		}
	})
}

func TestDurationsAreWrittenWithoutNeedlessZeros(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m", 10 * time.Minute: "10m",
		time.Hour: "1h", 70 * time.Minute: "1h10m", time.Hour + 5*time.Second: "1h0m5s", 20 * time.Hour: "20h",
		-time.Minute: "-1m", -3 * time.Hour: "-3h", 1500 * time.Millisecond: "1.5s", 20 * time.Microsecond: "20µs",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
		if back, err := time.ParseDuration(FormatDuration(d)); err != nil || back != d {
			t.Errorf("%s reads back as %v, %v", FormatDuration(d), back, err)
		}
	}
}

// TestEveryFormIsAFault reads the form of each kind, with everything that it
// may have: the examples in it are right.
func TestEveryFormIsAFault(t *testing.T) {
	for _, k := range FaultKinds() {
		line := "at 2m " + strings.NewReplacer("[", "", "]", "").Replace(k.Form())
		for strings.Contains(line, "|") { // the first word of each choice
			i := strings.Index(line, "|")
			rest, _, _ := strings.Cut(line[i:], " ")
			line = line[:i] + line[i+len(rest):]
		}
		f, err := ParseFault(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if f.String() != line {
			t.Errorf("%s reads back as %s", line, f)
		}
	}
}

// A field that a kind does not use would be a typo that nothing tells: each
// pair of a kind and a field is either in the form, or an error that shows the
// form.
func TestAFieldThatAKindDoesNotUseIsRefused(t *testing.T) {
	for _, k := range FaultKinds() {
		form := &faultForms[k]
		var needed []string
		for _, key := range form.needs {
			needed = append(needed, key+"="+example(t, key))
		}
		for _, field := range faultFields {
			words := append([]string{"at 1m", k.String()}, needed...)
			if !slices.Contains(form.needs, field.key) {
				words = append(words, field.key+"="+example(t, field.key))
			}
			line := strings.Join(words, " ")
			_, err := ParseFault(line)
			if slices.Contains(form.needs, field.key) || slices.Contains(form.takes, field.key) {
				if err != nil {
					t.Errorf("%s: %v", line, err)
				}
				continue
			}
			want := k.String() + " has no " + field.key + "; it is written " + k.Form()
			if err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", line, err, want)
			}
		}
	}
}

func example(t *testing.T, key string) string {
	t.Helper()
	for _, f := range faultFields {
		if f.key == key {
			first, _, _ := strings.Cut(f.example, "|")
			return first
		}
	}
	t.Fatalf("no field %q", key)
	return ""
}

func TestABadFaultNamesTheWordAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", "want at TIME WORD WORD [key=value …]"},
		{"at 2m reply", "want at TIME WORD WORD [key=value …]"},
		{"after 2m reply drop", "want at TIME WORD WORD [key=value …]"},
		{"at noon reply drop", `"noon": want a duration, for instance 90s`},
		{"at 2 reply drop", `"2": want a duration, for instance 90s`},
		{"at -2m reply drop", "at is -2m0s; want 0s to 8784h0m0s"},
		{"at 2m reply dorp", `"reply dorp" is neither a fault nor an act; did you mean reply drop?`},
		{"at 2m net everything", `"net everything" is neither a fault nor an act; want one of net drop, net dup, net delay, net reorder`},
		{"at 2m disk slow each=1s rate=3", "disk slow has no rate; it is written disk slow [for=30s] each=200ms"},
		{"at 2m disk slow for=1m", "disk slow needs each; it is written disk slow [for=30s] each=200ms"},
		{"at 2m disk slow each", `"each": want key=value; it is written disk slow [for=30s] each=200ms`},
		{"at 2m disk slow eech=1s", `"eech=1s": unknown key; did you mean each? it is written disk slow [for=30s] each=200ms`},
		{"at 2m disk slow each=soon", `"each=soon": want a duration, for instance 200ms`},
		{"at 2m disk slow each=0s", `"each=0s": want it left out, or not zero`},
		{"at 2m disk slow each=-1s", "each is -1s; want more than 0s and at most 8784h"},
		{"at 2m disk slow each=1s each=2s", `"each=2s": each is given twice`},
		{"at 2m clock skew each=-900000h", "each is -900000h; want -878400h to 878400h"},
		{"at 2m clock drift rate=-1000001", "rate is -1000001; want -1000000 to 1000000, of a million"},
		{"at 2m net drop rate=1001", "rate is 1001; want 1 to 1000, of a thousand"},
		{"at 2m net drop rate=half", `"rate=half": want a whole number, for instance 50`},
		{"at 2m net drop rate=-1", "rate is -1; want 1 to 1000, of a thousand"},
		{"at 2m net partition dir=sideways", `"dir=sideways": want up|down`},
		{"at 2m net partition dir=", `"dir=": want up|down`},
		{"at 2m plane crash phase=later", `"phase=later": want before-commit|inside-commit|after-commit`},
		{"at 2m plane clock for=2m each=1h", "plane clock has no for; it is written plane clock each=200ms"},
		{"at 2m plane late", "plane late needs for; it is written plane late for=30s"},
		{"at 2m gate capacity", "gate capacity needs size; it is written gate capacity [for=30s] size=8"},
		{"at 2m gate capacity size=0", `"size=0": want it left out, or not zero`},
		{"at 2m gate capacity size=2000000", "size is 2000000; want 1 to 1048576"},
		{"at 2m reply drop count=-1", "count is -1; want 1 to 1000000"},
		{"at 2m reply drop after=no", `"after=no": want yes`},
		{"at 2m reply drop host=1", `"host=1": want hosts such as h3, h1..h5 or *`},
		{"at 2m reply drop host=h0", `"host=h0": want hosts such as h3, h1..h5 or *`},
		{"at 2m reply drop host=h03", `"host=h03": want hosts such as h3, h1..h5 or *`},
		{"at 2m reply drop host=h+3", `"host=h+3": want hosts such as h3, h1..h5 or *`},
		{"at 2m reply drop host=h5..h1", `"host=h5..h1": want the smaller number first`},
		{"at 2m probe fail count=3", "probe fail has no count; it is written probe fail [host=h1..h5] [for=30s]"},
	} {
		_, err := ParseFault(c.line)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.line, err, c.want)
		}
	}
}

// A fault that was made by a program and not read is judged as well.
func TestAFaultThatNoTextCouldGiveIsRefused(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{Fault{}, "kind is 0; want one of reducer wedge"},
		{Fault{Kind: FaultKindCount}, "kind is 37; want one of"},
		{Fault{Kind: NetPartition, Dir: 3}, "dir is ?; want up|down"},
		{Fault{Kind: PlaneCrash, Phase: 9}, "phase is ?; want before-commit|inside-commit|after-commit"},
		{Fault{Kind: NetDrop, Rate: 5, Hosts: Hosts{First: 0, Last: 3}}, "host is h0..h3; want hosts such as h3"},
		{Fault{Kind: NetDrop, Rate: 5, Hosts: Hosts{First: 3, Last: 1}}, "host is h3..h1; want hosts such as h3"},
		{Fault{Kind: NetDrop, Rate: 5, For: -time.Second}, "for is -1s; want more than 0s"},
		{Fault{Kind: NetDrop, Rate: 5, At: longest + 1}, "at is 8784h0m0.000000001s; want 0s to 8784h0m0s"},
	} {
		if err := c.fault.check(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.fault, err, c.want)
		}
	}
}
