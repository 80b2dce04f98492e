package picture

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/sim/record"
)

// lines reads "time where text" from each of some words.
func lines(t testing.TB, step uint64, text ...string) []Line {
	t.Helper()
	var list []Line
	for i, s := range text {
		words := strings.SplitN(s, " ", 3)
		at, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Line{Stamp: record.Stamp{Step: step + uint64(i), At: time.Duration(at)}, TraceLine: record.TraceLine{Where: words[1], Text: words[2]}})
	}
	return list
}

// shape writes rows as "a sign b", by text.
func shape(rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		text := func(l *Line) string {
			if l == nil {
				return "-"
			}
			return l.Text
		}
		b.WriteString(text(r.A) + " [" + string(sign(r)) + "] " + text(r.B) + "\n")
	}
	return b.String()
}

func TestLinesThatSayTheSameAtTheSameInstantAreInOneRow(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []string
		want string
	}{
		{"messages are numbered anew", []string{"1 plane > m4 poll"}, []string{"1 plane > m5 poll"}, "> m4 poll [ ] > m5 poll\n"},
		{"one has more", []string{"1 h1 a", "3 h1 c"}, []string{"1 h1 a", "2 h2 b", "3 h1 c"}, "a [ ] a\n- [>] b\nc [ ] c\n"},
		{"the other has more", []string{"1 h1 a", "2 h2 b"}, []string{"1 h1 a"}, "a [ ] a\nb [<] -\n"},
		{"a time differs", []string{"1 h1 timer", "5 h1 x"}, []string{"2 h1 timer", "5 h1 x"}, "timer [|] timer\nx [ ] x\n"},
		{"a number differs", []string{"1 h1 503 retry-after=1s"}, []string{"1 h1 503 retry-after=2s"}, "503 retry-after=1s [|] 503 retry-after=2s\n"},
		{"a place differs", []string{"1 h1 timer"}, []string{"1 h2 timer"}, "timer [<] -\n- [>] timer\n"},
		{"another host", []string{"1 plane > m4 poll from h3"}, []string{"1 plane > m4 poll from h4"}, "> m4 poll from h3 [<] -\n- [>] > m4 poll from h4\n"},
		{"a clock differs", []string{"1 plane at=2026-01-01T00:02:05.5Z ok"}, []string{"1 plane at=2026-01-01T00:03:00Z ok"}, "at=2026-01-01T00:02:05.5Z ok [|] at=2026-01-01T00:03:00Z ok\n"},
		{"too far apart", []string{"1 h1 timer", "2 h1 probed"}, []string{"2 h1 probed", "6000000001 h1 timer"}, "timer [<] -\nprobed [ ] probed\n- [>] timer\n"},
		{"far, and then near", []string{"1 h1 timer", "7000000000 h1 timer 2"}, []string{"6000000002 h1 timer", "7000000001 h1 timer 3"}, "timer [<] -\n- [>] timer\ntimer 2 [|] timer 3\n"},
		{"one instant, in the order of the steps", []string{"1 h1 a", "1 h1 b", "1 h1 c"}, []string{"1 h1 b", "1 h1 d", "1 h1 c"}, "a [<] -\nb [ ] b\n- [>] d\nc [ ] c\n"},
		{"nothing", nil, nil, ""},
	} {
		if got := shape(Align(lines(t, 1, c.a...), lines(t, 1, c.b...))); got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.name, got, c.want)
		}
	}
}

// Every line is in one row, in its own order, whatever the other side has.
func TestRowsHaveEveryLineOnceAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) []Line {
			var list []Line
			at := time.Duration(0)
			for i := range rapid.IntRange(0, 30).Draw(t, name) {
				at += time.Duration(rapid.IntRange(0, 2).Draw(t, "later"))
				list = append(list, Line{
					Stamp:     record.Stamp{Step: uint64(i + 1), At: at},
					TraceLine: record.TraceLine{Where: rapid.SampledFrom([]string{"h1", "h2", "plane"}).Draw(t, "where"), Text: rapid.SampledFrom([]string{"= timer", "> m1 poll", "> m2 poll", "ok 7"}).Draw(t, "text")},
				})
			}
			return list
		}
		a, b := draw("a"), draw("b")
		rows := Align(a, b)
		var i, j int
		for _, r := range rows {
			if r.A == nil && r.B == nil {
				t.Fatal("a row has nothing")
			}
			if r.A != nil {
				if *r.A != a[i] {
					t.Fatalf("a: line %d is %v, want %v", i, *r.A, a[i])
				}
				i++
			}
			if r.B != nil {
				if *r.B != b[j] {
					t.Fatalf("b: line %d is %v, want %v", j, *r.B, b[j])
				}
				j++
			}
			if r.Same && (r.A == nil || r.B == nil || r.A.At != r.B.At || exactly(*r.A) != exactly(*r.B)) {
				t.Fatalf("a row is not the same: %v, %v", r.A, r.B)
			}
		}
		if i != len(a) || j != len(b) {
			t.Fatalf("the rows have %d and %d lines, want %d and %d", i, j, len(a), len(b))
		}
		// With itself a run is the same all along.
		for _, r := range Align(a, a) {
			if !r.Same {
				t.Fatalf("a line is not the same as itself: %v", r)
			}
		}
	})
}

func difference(t testing.TB) *Difference {
	t.Helper()
	other := strings.Replace(scenarioText, "reducer wedge for=30s", "reducer wedge for=4s", 1)
	d := &Difference{Step: 1, A: Side{Name: "one", Run: recorded(t, scenarioText), What: "this"}, B: Side{Name: "<other>", Run: recorded(t, other), What: "that"}}
	d.A.Whole, d.B.Whole = d.A.Run.Recording.Result, d.B.Run.Recording.Result
	var parted uint64
	a, b := Lines(d.A.Run.Recording, 1, 0), Lines(d.B.Run.Recording, 1, 0)
	for i := range a {
		if a[i] != b[i] {
			parted = min(a[i].Step, b[i].Step)
			break
		}
	}
	d.Step, d.Same = parted, parted-1
	d.Rows = Align(Lines(d.A.Run.Recording, parted-5, 60), Lines(d.B.Run.Recording, parted-5, 60))
	return d
}

func TestTheTextOfADifferenceKeepsToItsColumns(t *testing.T) {
	d := difference(t)
	for _, columns := range []int{80, 120, 161} {
		var b bytes.Buffer
		if err := WriteDifferenceText(&b, d, columns); err != nil {
			t.Fatal(err)
		}
		head, table, found := strings.Cut(b.String(), "\n\n")
		if !found {
			t.Fatalf("no table:\n%s", b.String())
		}
		for _, want := range []string{"a        one: VIOLATED L1", "b        <other>: VIOLATED L1", "- at 2m reducer wedge for=30s", "+ at 2m reducer wedge for=4s", "DIFFERS  at step "} {
			if !strings.Contains(head, want) {
				t.Errorf("the text does not say %q:\n%s", want, head)
			}
		}
		for line := range strings.Lines(table) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("a line has %d columns of %d: %s", n, columns, line)
			}
		}
		// Nothing is cut off: all words of a line are there, over as many lines
		// as it takes.
		for _, want := range []string{"timeout", "wedge", "for=4s"} {
			if !strings.Contains(table, want) {
				t.Errorf("in %d columns the table does not have %q:\n%s", columns, want, table)
			}
		}
	}
}

func TestTwoRunsThatAreTheSameSaySo(t *testing.T) {
	run := recorded(t, scenarioText)
	whole := run.Recording.Result
	d := &Difference{Same: whole.Events, A: Side{Name: "a", Run: run, Whole: whole}, B: Side{Name: "b", Run: run, Whole: whole}}
	var b bytes.Buffer
	if err := WriteDifferenceText(&b, d, 100); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "SAME     all ") || strings.Contains(b.String(), "DIFFERS") {
		t.Errorf("%s", b.String())
	}
}

func TestAPageOfADifferenceHasBothSides(t *testing.T) {
	d := difference(t)
	var b bytes.Buffer
	if err := WriteDifference(&b, d); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if !strings.Contains(page, "<title>one and &lt;other&gt;</title>") || !strings.Contains(page, "default-src 'none'") {
		t.Error("the page lacks its title or its policy")
	}
	var doc diffDocument
	unpack(t, page, &doc)
	if doc.Step != d.Step || len(doc.Rows) != len(d.Rows) || len(doc.Sides) != 2 || doc.Sides[1].Name != "<other>" || len(doc.Sides[0].Document.Records) != 4 {
		t.Errorf("step %d, %d rows, %d sides", doc.Step, len(doc.Rows), len(doc.Sides))
	}
}
