package picture

import (
	"regexp"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/record"
)

// Difference is where two runs part, and what they do around it.
type Difference struct {
	// Step is the first step that differs; 0 if none does. Same is how many
	// steps before it are alike, or how many there are.
	Step, Same uint64
	A, B       Side
	// Rows are the lines of both around that step, side by side, by time.
	Rows []Row
}

// Side is one of two runs.
type Side struct {
	// Name is what the user called it.
	Name string
	// Run has a recording of the steps around the first that differs. Whole is
	// how the run ends when it is left to itself.
	Run   Run
	Whole check.Verdict
	// What is the step that differs, in words.
	What string
}

// Line is one line of a run's trace.
type Line struct {
	record.Stamp
	record.TraceLine
	// Host is the number of the host that its step is about, or 0.
	Host int
}

// Row is a line of a run beside one of the other.
type Row struct {
	// A and B are the lines; nil if there is none on that side.
	A, B *Line
	// Same says that they say the same at the same instant. Numbers of steps
	// and messages do not count: they shift after the first difference.
	Same bool
}

// Align puts the lines of two runs side by side. Lines that say the same at the
// same instant are in one row; of the others, those are that say the same but
// for numbers and times.
func Align(a, b []Line) []Row {
	var rows []Row
	var restA, restB []Line
	flush := func() {
		rows = append(rows, pair(restA, restB)...)
		restA, restB = nil, nil
	}
	for len(a) > 0 || len(b) > 0 {
		at := earliest(a, b)
		nowA, nowB := sameInstant(a, at), sameInstant(b, at)
		a, b = a[len(nowA):], b[len(nowB):]
		// Within an instant the order is that of the steps.
		for _, m := range matches(nowA, nowB, exactly) {
			restA, restB = append(restA, nowA[:m.a]...), append(restB, nowB[:m.b]...)
			flush()
			rows = append(rows, Row{&nowA[m.a], &nowB[m.b], true})
			nowA, nowB = nowA[m.a+1:], nowB[m.b+1:]
		}
		restA, restB = append(restA, nowA...), append(restB, nowB...)
	}
	flush()
	return rows
}

func earliest(a, b []Line) time.Duration {
	switch {
	case len(a) == 0:
		return b[0].At
	case len(b) == 0:
		return a[0].At
	}
	return min(a[0].At, b[0].At)
}

func sameInstant(list []Line, at time.Duration) []Line {
	n := 0
	for n < len(list) && list[n].At == at {
		n++
	}
	return list[:n]
}

// pair puts lines that are not the same side by side where they are alike, and
// the others in the order of their instants.
func pair(a, b []Line) []Row {
	var rows []Row
	alone := func(a, b []Line) {
		for len(a) > 0 || len(b) > 0 {
			if len(b) == 0 || len(a) > 0 && a[0].At <= b[0].At {
				rows, a = append(rows, Row{A: &a[0]}), a[1:]
			} else {
				rows, b = append(rows, Row{B: &b[0]}), b[1:]
			}
		}
	}
	if len(a)*len(b) <= mostPairs {
		nextA, nextB := 0, 0 // of what is not in a row yet, the next match
		for _, m := range matches(a, b, roughly) {
			i, j := nextA+m.a, nextB+m.b
			nextA, nextB = i+1, j+1
			if apart := a[i].At - b[j].At; apart > mostApart || apart < -mostApart {
				continue
			}
			alone(a[:i], b[:j])
			rows = append(rows, Row{&a[i], &b[j], false})
			a, b, nextA, nextB = a[i+1:], b[j+1:], 0, 0
		}
	}
	alone(a, b)
	return rows
}

// mostApart is how far apart in time two lines may be that are put side by side
// though they are not the same.
const mostApart = 5 * time.Second

// mostPairs bounds the work of looking for lines that are alike.
const mostPairs = 1 << 20

// match is a pair of lines, by how many of each list come between it and the
// match before.
type match struct{ a, b int }

// matches returns a longest common subsequence of two lists of lines, by what
// key makes of them.
func matches(a, b []Line, key func(Line) string) []match {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	keysA, keysB := make([]string, len(a)), make([]string, len(b))
	for i, l := range a {
		keysA[i] = key(l)
	}
	for i, l := range b {
		keysB[i] = key(l)
	}
	// longest[i][j] is that of a[i:] and b[j:].
	longest := make([][]int32, len(a)+1)
	for i := range longest {
		longest[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if keysA[i] == keysB[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	var found []match
	fromA, fromB := 0, 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case keysA[i] == keysB[j]:
			found = append(found, match{i - fromA, j - fromB})
			i, j = i+1, j+1
			fromA, fromB = i, j
		case longest[i+1][j] >= longest[i][j+1]:
			i++
		default:
			j++
		}
	}
	return found
}

var (
	messageNumber = regexp.MustCompile(`\bm[0-9]+\b`)
	anyNumber     = regexp.MustCompile(`\bm?[0-9][0-9T:.Z-]*`)
)

// exactly is a line without what shifts: the number of its message.
func exactly(l Line) string { return l.Where + "\t" + messageNumber.ReplaceAllString(l.Text, "m") }

// roughly is a line without its numbers and times. Where it is counts, and so do
// names that have a number, of hosts and closures for instance.
func roughly(l Line) string { return l.Where + "\t" + anyNumber.ReplaceAllString(l.Text, "0") }

// Lines lists the lines of a recording from a step on, of at most so many
// steps; 0 is all of them.
func Lines(r *record.Recording, from uint64, steps int) []Line {
	var list []Line
	i, _ := slices.BinarySearchFunc(r.Steps, from, func(s *record.StepTrack, step uint64) int {
		if s.Step < step {
			return -1
		}
		return 1
	})
	for n, s := range r.Steps[i:] {
		if steps > 0 && n == steps {
			break
		}
		for _, l := range s.Lines {
			list = append(list, Line{s.Stamp, l, s.Host})
		}
	}
	return list
}
