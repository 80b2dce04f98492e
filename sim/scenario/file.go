package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// File is the text of a scenario: what it says to the simulator, and what it
// says to people.
type File struct {
	// Name is for errors; empty if the text came from no file.
	Name string
	// Scenario is what the text says. Defaults are not filled in.
	Scenario Scenario

	lines []fileLine
}

// fileLine is one line of a file.
type fileLine struct {
	number  int
	words   []word
	comment string // with its '#'
	part    part
	given   map[string]word // the settings that the line has
}

// byteOrderMark is what some editors begin a file of UTF-8 with.
const byteOrderMark = "\ufeff"

// ParseFile reads a scenario and keeps its comments. Lines may end in CR LF,
// and the text may begin with a byte order mark; neither is kept. The error is
// a [SyntaxErrors] and has everything that is wrong.
func ParseFile(name, text string) (*File, error) {
	f := &File{Name: name}
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return nil, SyntaxErrors{{File: name, Line: 1, Column: 1, Problem: "the text is UTF-16; want UTF-8"}}
	}
	text = strings.TrimPrefix(text, byteOrderMark)
	var wrong SyntaxErrors
	number := 0
	for text := range strings.Lines(text) {
		number++
		words, comment := splitLine(text)
		if len(words) > 1 && words[0].text == "state" { // what follows is one word, with a '#' perhaps
			_, state, _ := strings.Cut(text, "state")
			words, comment = []word{words[0], {strings.TrimSpace(state), words[1].column}}, ""
		}
		l := fileLine{number: number, words: words, comment: comment}
		if len(words) > 0 {
			if err := f.parseLine(&l); err != nil {
				wrong = append(wrong, f.wrong(&l, err))
			}
		}
		f.lines = append(f.lines, l)
	}
	if len(wrong) == 0 {
		wrong = f.judge()
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return f, nil
}

// ParseScenario reads a scenario as [Scenario.String] writes it.
func ParseScenario(text string) (Scenario, error) {
	f, err := ParseFile("", text)
	if err != nil {
		return Scenario{}, err
	}
	return f.Scenario, nil
}

// wrong places an error at a line.
func (f *File) wrong(l *fileLine, err error) *SyntaxError {
	first := 1
	if len(l.words) > 0 {
		first = l.words[0].column
	}
	return &SyntaxError{File: f.Name, Line: l.number, Column: columnOf(err, first), Problem: err.Error()}
}

// judge finds what is wrong with a scenario whose every line is right by
// itself.
func (f *File) judge() SyntaxErrors {
	var wrong SyntaxErrors
	filled := f.Scenario.Filled()
	if f.lineOf(part{kind: partFleet}) == nil {
		return SyntaxErrors{{File: f.Name, Line: 1, Column: 1, Problem: "there is no fleet; want a line such as fleet 3"}}
	}
	lines := make(map[part]*fileLine, len(f.lines))
	for i := range f.lines {
		lines[f.lines[i].part] = &f.lines[i]
	}
	for _, p := range append(f.defaulted(&filled), filled.problems()...) {
		l := lines[p.part]
		if l == nil { // a part that has no line, or that a line led to
			wrong = append(wrong, &SyntaxError{File: f.Name, Line: 1, Column: 1, Problem: p.err.Error()})
			continue
		}
		wrong = append(wrong, f.wrong(l, atKey(p.err, l.given, l.words[0])))
	}
	slices.SortStableFunc(wrong, func(a, b *SyntaxError) int { return a.Line - b.Line })
	return slices.CompactFunc(wrong, func(a, b *SyntaxError) bool { return a.Line == b.Line })
}

func (f *File) lineOf(p part) *fileLine {
	for i := range f.lines {
		if f.lines[i].part == p {
			return &f.lines[i]
		}
	}
	return nil
}

// lineWords are the words that a line begins with.
var lineWords = []string{"seed", "fleet", "plane", "network", "epoch", "state", "rollout", "at", "active", "converge", "expect"}

// parseLine reads a line that has words.
func (f *File) parseLine(l *fileLine) (err error) {
	s, words := &f.Scenario, l.words
	kinds := map[string]partKind{"seed": partSeed, "fleet": partFleet, "plane": partPlane, "network": partNetwork, "epoch": partEpoch,
		"active": partActive, "converge": partConverge}
	if kind, single := kinds[words[0].text]; single {
		if earlier := f.lineOf(part{kind: kind}); earlier != nil {
			return words[0].wrong("is given twice, first in line %d", earlier.number)
		}
		l.part.kind = kind
	}
	switch words[0].text {
	case "seed":
		if err := exactly(words, 2, "seed 7"); err != nil {
			return err
		}
		if s.Seed, err = strconv.ParseUint(words[1].text, 10, 64); err != nil {
			return words[1].wrong("want a whole number")
		}
	case "fleet":
		if len(words) < 2 {
			return words[0].wrong("want how many hosts there are after it, for instance fleet 3")
		}
		if s.Fleet.Hosts, err = strconv.Atoi(words[1].text); err != nil {
			return words[1].wrong("want how many hosts there are, for instance fleet 3")
		}
		l.given, err = parseSettings("fleet", &s.Fleet, words[2:], fleetSettings)
	case "plane":
		l.given, err = parseSettings("plane", &s.Plane, words[1:], planeSettings)
	case "network":
		l.given, err = parseSettings("network", &s.Network, words[1:], networkSettings)
	case "epoch":
		if err := exactly(words, 2, "epoch 2026-01-01T00:00:00Z"); err != nil {
			return err
		}
		if s.Start.At, err = wire.ParseTime(words[1].text); err != nil {
			return words[1].wrong("%w", err)
		}
	case "state":
		if len(words) < 2 {
			return words[0].wrong("want a line of a plane's state after it")
		}
		l.part = part{partState, len(s.Start.State)}
		s.Start.State = append(s.Start.State, words[1].text)
	case "rollout":
		if len(words) < 2 {
			return words[0].wrong("want its ID after it, for instance rollout stable@r1 target=c1")
		}
		r := Rollout{}
		if err := takeText(words[1], &r.ID, parseRollout); err != nil {
			return err
		}
		if l.given, err = parseSettings("rollout", &r, words[2:], rolloutSettings); err != nil {
			return err
		}
		l.part = part{partRollout, len(s.Rollouts)}
		s.Rollouts = append(s.Rollouts, r)
	case "at":
		return f.parseAt(l)
	case "active":
		if err := exactly(words, 2, "active 10m"); err != nil {
			return err
		}
		if s.Active, err = time.ParseDuration(words[1].text); err != nil {
			return words[1].wrong("%w", wantDuration(words[1].text, "10m"))
		}
	case "converge":
		if err := exactly(words, 2, "converge within=2h"); err != nil {
			return err
		}
		value, found := strings.CutPrefix(words[1].text, "within=")
		if s.Converge, err = time.ParseDuration(value); err != nil || !found {
			return words[1].wrong("want within=DURATION, for instance within=2h")
		}
	case "expect":
		var e Expect
		if e, l.given, err = parseExpect(words); err != nil {
			return err
		}
		l.part = part{partExpect, len(s.Expects)}
		s.Expects = append(s.Expects, e)
	default:
		return noLine(words[0])
	}
	return err
}

func exactly(words []word, n int, example string) error {
	switch {
	case len(words) < n:
		return words[0].wrong("want a value after it, for instance %s", example)
	case len(words) > n:
		return words[n].wrong("want nothing more on this line, for instance %s", example)
	}
	return nil
}

// parseAt reads a fault or an act.
func (f *File) parseAt(l *fileLine) error {
	s, words := &f.Scenario, l.words
	if len(words) < 3 {
		return words[0].wrong("want a time and a fault or an act after it, for instance at 2m plane crash for=10s")
	}
	a, given, isAct, err := parseAct(words)
	if isAct {
		l.part, l.given = part{partAct, len(s.Acts)}, given
		s.Acts = append(s.Acts, a)
		return err
	}
	var fault Fault
	fault, given, err = parseFault(words)
	l.part, l.given = part{partFault, len(s.Faults)}, given
	s.Faults = append(s.Faults, fault)
	return err
}

// String writes the file in its canonical form: its lines in their order, each
// with single spaces, its settings in the order of the reference and its values
// in their shortest form; comments as they are; no blank line at the beginning,
// at the end, or after another. It reads back to the same file.
func (f *File) String() string {
	var b strings.Builder
	blank := false
	for i := range f.lines {
		l := &f.lines[i]
		if l.part.kind == partNone && l.comment == "" {
			blank = b.Len() > 0
			continue
		}
		if blank {
			b.WriteByte('\n')
			blank = false
		}
		if l.part.kind != partNone {
			f.Scenario.printPart(&b, l.part, l.given)
			if l.comment != "" {
				b.WriteString("  ")
			}
		}
		b.WriteString(l.comment)
		b.WriteByte('\n')
	}
	return b.String()
}

// Intent is what the file says about itself: the comment that it opens with,
// in one line; empty if it opens with none.
func (f *File) Intent() string {
	var sentences []string
	for i := range f.lines {
		l := &f.lines[i]
		switch {
		case l.part.kind == partNone && l.comment == "" && len(sentences) == 0:
			continue
		case l.part.kind != partNone || l.comment == "":
			return strings.Join(sentences, " ")
		}
		sentences = append(sentences, strings.TrimSpace(strings.TrimLeft(l.comment, "#")))
	}
	return strings.Join(sentences, " ")
}

// ExpectLine is the number of the line of an expectation; 0 if it has none.
func (f *File) ExpectLine(index int) int {
	if l := f.lineOf(part{partExpect, index}); l != nil {
		return l.number
	}
	return 0
}

// FaultLine is the number of the line of a fault; 0 if it has none.
func (f *File) FaultLine(index int) int {
	if l := f.lineOf(part{partFault, index}); l != nil {
		return l.number
	}
	return 0
}

// Rewrite puts an expectation in the place of another. Comments stay.
func (f *File) Rewrite(index int, e Expect) { f.Scenario.Expects[index] = e }

// Place says where an expectation stands: "storm.scenario:9", or "line 9".
func (f *File) Place(line int) string {
	if f.Name == "" {
		return "line " + strconv.Itoa(line)
	}
	return fmt.Sprintf("%s:%d", f.Name, line)
}
