package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faultField is one word of a fault's text: key=value.
type faultField struct {
	key     string
	example string
	// print returns the value, or nothing if the field is zero.
	print func(*Fault) string
	parse func(*Fault, string) error
	// check judges a value that is not zero. The error says what would be
	// right.
	check func(*Fault) error
}

// faultAbout says what each field is, for docs/scenarios.md.
var faultAbout = map[string]string{
	"host": "whom it hits; without it every host", "route": "which requests, or their answers, it hits: heartbeat, event, poll, operator or garbage; without it all of them",
	"for":   "how long it is in force, or something is down; without it a fault that lasts is in force until the scenario is healed",
	"count": "how often it strikes at most; without it every time", "each": "how much longer something takes each time, or by how much a clock is off",
	"back": "how old the backup is that is restored", "rate": "of a thousand; of `clock drift` of a million", "size": "the capacity that is left", "dir": "where nothing gets through; without it both ways",
	"phase": "where around the next commit the crash comes; without it at once", "after": "what the kind says", "unreadable": "the disk cannot be read either",
}

var routeField = withExample("event", wordField("route", []string{"", "heartbeat", "event", "poll", "operator", "garbage"},
	func(f *Fault) *Route { return &f.Route }))

func withExample(example string, f faultField) faultField {
	f.example = example
	return f
}

// faultFields are the fields in the order in which they are written.
var faultFields = []faultField{
	{"host", "h1..h5",
		func(f *Fault) string {
			if f.Hosts == (Hosts{}) {
				return ""
			}
			return f.Hosts.String()
		},
		func(f *Fault, s string) (err error) {
			f.Hosts, err = ParseHosts(s)
			return err
		},
		func(f *Fault) error {
			if f.Hosts.First < 1 || f.Hosts.Last < f.Hosts.First {
				return errHosts
			}
			return nil
		}},
	routeField,
	durationField("for", "30s", func(f *Fault) *time.Duration { return &f.For }, func(f *Fault) error {
		return within(f.For, time.Nanosecond, longest)
	}),
	intField("count", "3", func(f *Fault) *int { return &f.Count }, func(f *Fault) error {
		return between1And(f.Count, 1_000_000, "")
	}),
	durationField("each", "200ms", func(f *Fault) *time.Duration { return &f.Each }, func(f *Fault) error {
		if faultForms[f.Kind].clock { // it may be behind
			return within(f.Each, -farthest, farthest)
		}
		return within(f.Each, time.Nanosecond, longest)
	}),
	durationField("back", "10m", func(f *Fault) *time.Duration { return &f.Back }, func(f *Fault) error {
		return within(f.Back, time.Nanosecond, longest)
	}),
	intField("rate", "50", func(f *Fault) *int { return &f.Rate }, func(f *Fault) error {
		if faultForms[f.Kind].clock {
			if f.Rate < -1_000_000 || f.Rate > 1_000_000 {
				return fmt.Errorf("want -1000000 to 1000000, of a million")
			}
			return nil
		}
		return between1And(f.Rate, 1000, ", of a thousand")
	}),
	intField("size", "8", func(f *Fault) *int { return &f.Size }, func(f *Fault) error {
		return between1And(f.Size, maxCapacity, "")
	}),
	wordField("dir", []string{"", "up", "down"}, func(f *Fault) *Dir { return &f.Dir }),
	wordField("phase", []string{"", "before-commit", "inside-commit", "after-commit"}, func(f *Fault) *Phase { return &f.Phase }),
	yesField("after", func(f *Fault) *bool { return &f.After }),
	yesField("unreadable", func(f *Fault) *bool { return &f.Unreadable }),
}

// yesField is a field that is there or not.
func yesField(key string, of func(*Fault) *bool) faultField {
	return faultField{key, "yes",
		func(f *Fault) string {
			if *of(f) {
				return "yes"
			}
			return ""
		},
		func(f *Fault, s string) error {
			if s != "yes" {
				return errors.New("want yes")
			}
			*of(f) = true
			return nil
		},
		func(*Fault) error { return nil }}
}

var errZero = errors.New("want it left out, or not zero")

// maxCapacity is the largest inbox that a gate makes.
const maxCapacity = 1 << 20

func within(d, low, high time.Duration) error {
	if d < low || d > high {
		if low > 0 {
			return fmt.Errorf("want more than 0s and at most %s", FormatDuration(high))
		}
		return fmt.Errorf("want %s to %s", FormatDuration(low), FormatDuration(high))
	}
	return nil
}

func between1And(n, high int, unit string) error {
	if n < 1 || n > high {
		return fmt.Errorf("want 1 to %d%s", high, unit)
	}
	return nil
}

func durationField(key, example string, of func(*Fault) *time.Duration, check func(*Fault) error) faultField {
	return faultField{key, example,
		func(f *Fault) string {
			if *of(f) == 0 {
				return ""
			}
			return FormatDuration(*of(f))
		},
		func(f *Fault, s string) error {
			d, err := time.ParseDuration(s)
			if err != nil {
				return wantDuration(s, example)
			}
			if d == 0 {
				return errZero
			}
			*of(f) = d
			return nil
		}, check}
}

func intField(key, example string, of func(*Fault) *int, check func(*Fault) error) faultField {
	return faultField{key, example,
		func(f *Fault) string {
			if *of(f) == 0 {
				return ""
			}
			return strconv.Itoa(*of(f))
		},
		func(f *Fault, s string) error {
			n, err := strconv.Atoi(s)
			if err != nil {
				return fmt.Errorf("want a whole number, for instance %s", example)
			}
			if n == 0 {
				return errZero
			}
			*of(f) = n
			return nil
		}, check}
}

func wordField[E ~uint8](key string, words []string, of func(*Fault) *E) faultField {
	choice := strings.Join(words[1:], "|")
	return faultField{key, choice,
		func(f *Fault) string {
			if int(*of(f)) >= len(words) {
				return "?"
			}
			return words[*of(f)]
		},
		func(f *Fault, s string) error {
			at := slices.Index(words[1:], s)
			if at < 0 {
				return fmt.Errorf("want %s", choice)
			}
			*of(f) = E(at + 1)
			return nil
		},
		func(f *Fault) error {
			if int(*of(f)) >= len(words) {
				return fmt.Errorf("want %s", choice)
			}
			return nil
		}}
}

// String writes the fault as a line that [ParseFault] reads:
// "at 2m reply drop host=h1 count=1".
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %s %s", FormatDuration(f.At), f.Kind)
	for _, field := range faultFields {
		if v := field.print(&f); v != "" {
			fmt.Fprintf(&b, " %s=%s", field.key, v)
		}
	}
	return b.String()
}

// ParseFault reads a fault as [Fault.String] writes it. The error says which
// word is wrong and what would be right.
func ParseFault(line string) (Fault, error) {
	words, _ := splitLine(line)
	if len(words) < 4 || words[0].text != "at" {
		return Fault{}, errors.New("want at TIME WORD WORD [key=value …], for instance at 2m reply drop host=h1 count=1")
	}
	f, _, err := parseFault(words)
	return f, err
}

// parseFault reads a fault from the words of a line that begins with at.
func parseFault(words []word) (f Fault, given map[string]word, err error) {
	if f.At, err = time.ParseDuration(words[1].text); err != nil {
		return f, nil, words[1].wrong("%w", wantDuration(words[1].text, "90s"))
	}
	kind := words[2].text
	if len(words) > 3 {
		kind += " " + words[3].text
	}
	if f.Kind, err = parseFaultKind(kind); err != nil {
		return f, nil, &wordError{words[2].column, err}
	}
	given = map[string]word{"at": words[1]}
	for _, w := range words[4:] {
		key, value, found := strings.Cut(w.text, "=")
		at := slices.IndexFunc(faultFields, func(field faultField) bool { return field.key == key })
		_, twice := given[key]
		switch {
		case !found:
			return f, nil, w.wrong("want key=value; it is written %s", f.Kind.Form())
		case at < 0:
			near := ""
			if n := nearest(key, f.Kind.keys()); n != "" {
				near = "did you mean " + n + "? "
			}
			return f, nil, w.wrong("unknown key; %sit is written %s", near, f.Kind.Form())
		case twice:
			return f, nil, w.wrong("%s is given twice", key)
		}
		if err := faultFields[at].parse(&f, value); err != nil {
			return f, nil, w.wrong("%w", err)
		}
		given[key] = w
	}
	if err := f.check(); err != nil {
		return f, nil, atKey(err, given, words[0])
	}
	return f, given, nil
}

func parseFaultKind(words string) (FaultKind, error) {
	for _, k := range FaultKinds() {
		if k.String() == words {
			return k, nil
		}
	}
	// A setting is no part of the name that was meant.
	if name, rest, _ := strings.Cut(words, " "); strings.Contains(rest, "=") {
		words = name
	}
	return 0, fmt.Errorf("%q is neither a fault nor an act; %s", shortened(words), oneOf(words, append(kindTexts(), actTexts()...)))
}
