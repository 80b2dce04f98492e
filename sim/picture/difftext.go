package picture

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/record"
)

// WriteDifferenceText writes a difference for a terminal of so many columns:
// what differs in the scenarios, where the runs part, how both end, and their
// lines side by side. It needs 80 columns at least.
func WriteDifferenceText(w io.Writer, d *Difference, columns int) error {
	b := bufio.NewWriter(w)
	sides := []*Side{&d.A, &d.B}
	for i, s := range sides {
		fmt.Fprintf(b, "%c        %s: %s\n", "ab"[i], s.Name, ending(&s.Whole))
	}
	lines := scenarioLines(d)
	for _, l := range lines {
		if l.side != ' ' {
			fmt.Fprintf(b, "%c %s\n", l.side, l.text)
		}
	}
	if d.Step == 0 {
		fmt.Fprintf(b, "SAME     all %d steps, hash %016x\n", d.Same, d.A.Whole.Hash)
		return b.Flush()
	}
	fmt.Fprintf(b, "DIFFERS  at step %d; the %d before it are the same\n", d.Step, d.Same)
	for i, s := range sides {
		fmt.Fprintf(b, "%c        %s\n", "ab"[i], s.What)
	}
	half := (max(columns, 80) - 3) / 2
	fmt.Fprintf(b, "\n%s\n", strings.TrimRight(beside(heading("a"), heading("b"), half, ' '), " \n"))
	first := true
	for _, row := range d.Rows {
		step := uint64(0)
		for _, l := range []*Line{row.A, row.B} {
			if l != nil {
				step = max(step, l.Step)
			}
		}
		if first && step >= d.Step {
			first = false
			fmt.Fprintf(b, "%s\n", strings.Repeat("─", 2*half+3))
		}
		b.WriteString(beside(cell(row.A), cell(row.B), half, sign(row)))
	}
	return b.Flush()
}

// sign says how two lines compare, as diff -y does.
func sign(r Row) rune {
	switch {
	case r.Same:
		return ' '
	case r.B == nil:
		return '<'
	case r.A == nil:
		return '>'
	}
	return '|'
}

// ending says how a run ends.
func ending(r *check.Verdict) string {
	word, why := r.Headline()
	return fmt.Sprintf("%s %s; %d steps", word, why, r.Events)
}

// indent is where the text of a cell begins: after step, time and place.
const indent = 8 + 1 + 12 + 1 + 6 + 1

func heading(side string) []string {
	return []string{fmt.Sprintf("%8s %12s %-6s %s", "step", "time", "where", "what "+side+" does")}
}

// cell is a line in the columns of the trace.
func cell(l *Line) []string {
	if l == nil {
		return nil
	}
	return []string{fmt.Sprintf("%8d %12.6f %-6s %s", l.Step, l.At.Seconds(), l.Where, l.Text)}
}

// beside writes two cells side by side, each in a column of its own; what does
// not fit goes on in the next line.
func beside(a, b []string, width int, sign rune) string {
	left, right := wrap(a, width), wrap(b, width)
	var s strings.Builder
	for i := range max(len(left), len(right)) {
		l, r := "", ""
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		if i > 0 {
			sign = ' '
		}
		line := l + strings.Repeat(" ", width-utf8.RuneCountInString(l)) + " " + string(sign) + " " + r
		s.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return s.String()
}

// wrap breaks texts at blanks, or where it has to; lines that go on are
// indented.
func wrap(texts []string, width int) []string {
	var out []string
	for _, text := range texts {
		rest := []rune(strings.ReplaceAll(text, "\n", " ⏎ "))
		for first := true; len(rest) > 0; first = false {
			room, lead := width, ""
			if !first {
				room, lead = width-indent-2, strings.Repeat(" ", indent+2)
			}
			if len(rest) <= room {
				out = append(out, lead+string(rest))
				break
			}
			cut := room
			for i := room; i > room/2 && (!first || i > indent); i-- {
				if rest[i] == ' ' {
					cut = i
					break
				}
			}
			out = append(out, strings.TrimRight(lead+string(rest[:cut]), " "))
			rest = []rune(strings.TrimLeft(string(rest[cut:]), " "))
		}
	}
	return out
}

// scenarioLine is a line of a scenario: of both ' ', of a '-', of b '+'.
type scenarioLine struct {
	side rune
	text string
}

// scenarioLines compares two scenarios line by line.
func scenarioLines(d *Difference) []scenarioLine {
	lines := func(s *Side) []Line {
		var list []Line
		for text := range strings.Lines(s.Run.Recording.Scenario.String()) {
			list = append(list, Line{TraceLine: record.TraceLine{Text: strings.TrimSuffix(text, "\n")}})
		}
		return list
	}
	a, b := lines(&d.A), lines(&d.B)
	var out []scenarioLine
	alone := func(list []Line, side rune) {
		for _, l := range list {
			out = append(out, scenarioLine{side, l.Text})
		}
	}
	for _, m := range matches(a, b, func(l Line) string { return l.Text }) {
		alone(a[:m.a], '-')
		alone(b[:m.b], '+')
		out = append(out, scenarioLine{' ', a[m.a].Text})
		a, b = a[m.a+1:], b[m.b+1:]
	}
	alone(a, '-')
	alone(b, '+')
	return out
}
