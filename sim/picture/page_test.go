package picture

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// scenarioText has a wedge, so replies that come too late, and ends in a
// violation: a host that soaks for longer than it is waited for.
const scenarioText = `
seed 5
fleet 4 activation=20s..20s
rollout stable@r1 at=10s target=c1 waves=30m
at 2m reducer wedge for=30s
at 4m net drop host=h2 rate=500 for=90s
at 6m plane crash for=10s
at 7m agent crash host=h3 for=20s
converge within=10m
`

func recorded(t testing.TB, text string) Run {
	t.Helper()
	s, err := scenario.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	r := record.NewRecorder(record.Limits{})
	v, err := sim.Run(s, sim.Options{Record: r})
	if err != nil {
		t.Fatal(err)
	}
	return Run{Recording: r.Recording(v), File: "a scenario", Build: "a build", Again: "refrain sim run 'a scenario' </script>"}
}

func drawn(t testing.TB, run Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, run); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAPageIsTheSameForTheSameRun(t *testing.T) {
	first, second := drawn(t, recorded(t, scenarioText)), drawn(t, recorded(t, scenarioText))
	if first != second {
		t.Error("two pages of one scenario differ")
	}
}

func TestAPageNeedsNothingButItself(t *testing.T) {
	page := drawn(t, recorded(t, scenarioText))
	if !strings.Contains(page, `content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:;`) {
		t.Error("the page's policy lets it ask for something")
	}
	for _, asks := range []string{`\ssrc=`, `<link`, `@import`, `url\(`, `https?://`, `fetch\(`, `XMLHttpRequest`, `WebSocket`, `import\(`} {
		if found := regexp.MustCompile(asks).FindString(page); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	if n := strings.Count(page, "</script>"); n != 2 {
		t.Errorf("the page has %d ends of scripts; want 2, whatever the data says", n)
	}
}

var dataScript = regexp.MustCompile(`(?s)<script type="text/plain" id="data">(.*?)</script>`)

// unpack does what the page's script does.
func unpack(t *testing.T, page string, into any) {
	t.Helper()
	found := dataScript.FindStringSubmatch(page)
	if found == nil {
		t.Fatal("the page has no data")
	}
	packed, err := base64.RawURLEncoding.DecodeString(found[1])
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestTheDataOfAPageIsTheRecording(t *testing.T) {
	run := recorded(t, scenarioText)
	rec := run.Recording
	var d document
	unpack(t, drawn(t, run), &d)
	if d.Verdict != check.WordViolation || d.Broken == nil || d.Broken.Checker != "L1" || d.Broken.Rule == "" || d.Broken.Step != rec.Result.Violation.Step {
		t.Errorf("the verdict is %s, %+v", d.Verdict, d.Broken)
	}
	if d.Again != run.Again || d.Scenario != rec.Scenario.String() || d.Focus.Host != 1 || d.Focus.Rollout != "stable@r1" {
		t.Errorf("again %q, focus %+v, scenario\n%s", d.Again, d.Focus, d.Scenario)
	}
	if !slices.Contains(d.Facts, [2]string{"build", "a build"}) || !slices.Contains(d.Facts, [2]string{"file", "a scenario"}) {
		t.Errorf("the facts are %v", d.Facts)
	}
	// The columns add up to the stamps.
	var sent, at, id int64
	for i, m := range rec.Messages {
		c := &d.Messages
		id, sent, at = id+c.ID[i], sent+c.Sent[i], at+c.SentAt[i]
		if id != int64(m.ID) || sent != int64(m.Sent.Step) || at != int64(m.Sent.At) {
			t.Fatalf("message %d is m%d sent at %d in step %d; want m%d, %v", i, id, at, sent, m.ID, m.Sent)
		}
		if late := c.Late[i]; (late > 0) != m.Late.Happened() || late > 0 && sent+late-1 != int64(m.Late.Step) {
			t.Errorf("m%d is late by column in step %d, want %v", id, sent+late-1, m.Late)
		}
		if d.Strings[c.Text[i]] != m.Text {
			t.Errorf("m%d says %q, want %q", id, d.Strings[c.Text[i]], m.Text)
		}
	}
	var step int64
	for i, s := range rec.Steps {
		step += d.Steps.Step[i]
		if step != int64(s.Step) || strings.Count(d.Steps.Lines[i], "\n")+1 != len(s.Lines) {
			t.Fatalf("step %d has %q, want %d with %v", step, d.Steps.Lines[i], s.Step, s.Lines)
		}
	}
	for i, r := range d.Records {
		for _, row := range append(slices.Clone(r.Plane), r.Agent...) {
			if n := len(row); n != 3 && n != 3+len(d.Fields) && n != 3+len(d.Fields)+len(d.Extras) {
				t.Errorf("record %d has a row of %d", i, n)
			}
		}
	}
}

func TestEveryFileOfThePageIsInIt(t *testing.T) {
	used := slices.Concat([]string{"run.html", "diff.html", "style.css", "diff.css"}, scripts, diffScripts)
	entries, err := fs.ReadDir(files, "page")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(used, e.Name()) {
			t.Errorf("page/%s is in no page", e.Name())
		}
		if n := strings.Count(read(e.Name()), "\n"); n > 400 {
			t.Errorf("page/%s has %d lines, more than 400", e.Name(), n)
		}
	}
}

// ended runs a file with expectations, as the command does.
func ended(t *testing.T, text string) Run {
	t.Helper()
	f, err := scenario.ParseFile("a.scenario", text)
	if err != nil {
		t.Fatal(err)
	}
	r := record.NewRecorder(record.Limits{})
	v, err := sim.Run(f.Scenario, sim.Options{Record: r})
	if err != nil {
		t.Fatal(err)
	}
	return Run{Recording: r.Recording(v), File: "a.scenario", Source: f}
}

// A page passes and fails as the command does: it has no verdict of its own.
func TestThePagesVerdictIsThatOfTheRun(t *testing.T) {
	const stuck = "fleet 1 activation=5m..5m\nrollout stable@r1 at=1s target=c1 waves=30m\nconverge within=10m\n"
	for _, c := range []struct{ name, text, verdict, headline, title string }{
		{"pass", "fleet 1\nactive 1m\n", "passed", "PASSED", "passed: a.scenario"},
		{"violation", stuck, "violation", "VIOLATED", "L1 violated: a.scenario"},
		{"expected violation", stuck + "expect violation L1\n", "passed", "PASSED", "passed: a.scenario"},
		{"unmet", "fleet 2\nactive 5m\nexpect host h2 unreachable at=2m\nexpect host h1 reachable\n", "unmet", "FAILED", "1 of 2 expectations unmet: a.scenario"},
		{"expected violation, and unmet", stuck + "expect violation L1\nexpect plane down at=1m\n", "unmet", "FAILED", "1 of 2 expectations unmet: a.scenario"},
	} {
		run := ended(t, c.text)
		result := &run.Recording.Result
		page := drawn(t, run)
		var d document
		unpack(t, page, &d)
		word, why := result.Headline()
		if d.Verdict != c.verdict || d.Verdict != result.Word() || d.Headline != [2]string{word, why} || word != c.headline {
			t.Errorf("%s: the page says %s, %q; the run %s, %s %s; want %s, %s", c.name, d.Verdict, d.Headline, result.Word(), word, why, c.verdict, c.headline)
		}
		if !strings.Contains(page, "<title>"+c.title+"</title>") {
			t.Errorf("%s: the title is not %q", c.name, c.title)
		}
		if (d.Broken != nil) != (result.Violation != nil) || d.Broken != nil && d.Broken.Expected != result.Expected || len(d.Unmet) != len(result.Unmet) {
			t.Errorf("%s: the page has %+v and %+v", c.name, d.Broken, d.Unmet)
		}
	}
	var d document
	unpack(t, drawn(t, ended(t, "fleet 2\nactive 5m\nexpect host h2 unreachable at=2m\n")), &d)
	want := unmet{Expect: "expect host h2 unreachable at=2m", Saw: "h2 reachable", Line: 3, At: int64(2 * time.Minute), Focus: focus{Host: 2}}
	if len(d.Unmet) != 1 || d.Unmet[0] != want || d.Focus != want.Focus {
		t.Errorf("unmet is %+v, focus %+v; want %+v", d.Unmet, d.Focus, want)
	}
}

// The chart of the inbox shows its limits, which a fault may change, and how
// many of the requests inside are no heartbeats.
func TestTheChartOfTheInboxHasItsLimits(t *testing.T) {
	run := recorded(t, "seed 2\nfleet 40\nplane capacity=12\nrollout stable@r1 at=10s target=c1\nat 1m gate capacity for=1m size=5\nat 3m reducer wedge for=10s\nactive 5m\n")
	var d document
	unpack(t, drawn(t, run), &d)
	s := &d.Series
	var limits [][2]int
	for _, l := range s.Limits {
		limits = append(limits, [2]int{l[1], l[2]})
	}
	if want := [][2]int{{12, 9}, {5, 3}, {12, 9}}; !slices.Equal(limits, want) {
		t.Errorf("the limits are %v; want %v: capacity, and others than heartbeats", limits, want)
	}
	some := false
	for i := range s.Depth {
		limit := s.Limits[0]
		for _, l := range s.Limits {
			if l[0] <= i {
				limit = l
			}
		}
		some = some || s.Others[i] > 0 && s.Others[i] < s.Depth[i]
		if s.Others[i] > s.Depth[i] || s.Others[i] > max(limit[2], s.Limits[0][2]) {
			t.Errorf("bucket %d has %d requests, %d of them others than heartbeats; the limits are %v", i, s.Depth[i], s.Others[i], limit)
		}
	}
	if !some {
		t.Error("there is never a heartbeat and another request in the inbox at a time; the test shows nothing")
	}
}
