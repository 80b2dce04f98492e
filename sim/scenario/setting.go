package scenario

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// FormatDuration writes a duration without the zeros that String appends: 5m,
// not 5m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// setting is one key=value of a line about a T.
type setting[T any] struct {
	key     string
	example string // of a value
	about   string // for docs/scenarios.md
	// print returns the value, or nothing if it was not given.
	print func(*T) string
	parse func(*T, string) error
}

// withAbout returns the setting with its line of the reference.
func (s setting[T]) withAbout(about string) setting[T] {
	s.about = about
	return s
}

func parseDuration(s, example string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, wantDuration(s, example)
	}
	return d, nil
}

// wantDuration says that s is none. A number that only lacks a unit of the language
// gets the list of them.
func wantDuration(s, example string) error {
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		return fmt.Errorf("want a duration, for instance %s; the units are h, m, s, ms, µs and ns", example)
	}
	return fmt.Errorf("want a duration, for instance %s", example)
}

func durationSetting[T any](key, example string, of func(*T) *time.Duration) setting[T] {
	return setting[T]{key: key, example: example,
		print: func(t *T) string { return FormatDuration(*of(t)) },
		parse: func(t *T, s string) (err error) {
			*of(t), err = parseDuration(s, example)
			return err
		}}
}

func intSetting[T any](key, example string, of func(*T) *int) setting[T] {
	return setting[T]{key: key, example: example,
		print: func(t *T) string { return strconv.Itoa(*of(t)) },
		parse: func(t *T, s string) (err error) {
			if *of(t), err = strconv.Atoi(s); err != nil {
				return fmt.Errorf("want a whole number, for instance %s", example)
			}
			return nil
		}}
}

func rangeSetting[T any](key, example string, of func(*T) *Range) setting[T] {
	return setting[T]{key: key, example: example,
		print: func(t *T) string { return of(t).String() },
		parse: func(t *T, s string) (err error) {
			*of(t), err = parseRange(s, example)
			return err
		}}
}

// String writes the range: 5ms, or 1ms..20ms.
func (r Range) String() string {
	if r.Min == r.Max {
		return FormatDuration(r.Min)
	}
	return FormatDuration(r.Min) + ".." + FormatDuration(r.Max)
}

func parseRange(s, example string) (Range, error) {
	lo, hi, isRange := strings.Cut(s, "..")
	if !isRange {
		hi = lo
	}
	minimum, err := time.ParseDuration(lo)
	maximum, err2 := time.ParseDuration(hi)
	if err != nil || err2 != nil || minimum > maximum {
		return Range{}, fmt.Errorf("want a duration, or the smaller and the larger of two, for instance %s", example)
	}
	return Range{minimum, maximum}, nil
}

func hostsSetting[T any](key, example string, of func(*T) *Hosts) setting[T] {
	return setting[T]{key: key, example: example,
		print: func(t *T) string {
			if *of(t) == (Hosts{}) {
				return ""
			}
			return of(t).String()
		},
		parse: func(t *T, s string) (err error) {
			*of(t), err = ParseHosts(s)
			return err
		}}
}

// textSetting is a setting whose value is a text of its own type. Nothing is
// printed if it is empty.
func textSetting[T any, S ~string](key, example string, of func(*T) *S, parse func(string) (S, error)) setting[T] {
	return setting[T]{key: key, example: example,
		print: func(t *T) string { return string(*of(t)) },
		parse: func(t *T, s string) (err error) {
			*of(t), err = parse(s)
			return err
		}}
}

// wordSetting is a setting whose value is one of some words. Nothing is printed
// if it is empty.
func wordSetting[T any](key string, words []string, of func(*T) *string) setting[T] {
	return setting[T]{key: key, example: strings.Join(words, "|"),
		print: func(t *T) string { return *of(t) },
		parse: func(t *T, s string) error {
			for _, w := range words {
				if w == s {
					*of(t) = s
					return nil
				}
			}
			return errors.New(oneOf(s, words))
		}}
}

// Bounds is what a number or a time of an expectation is compared with. The
// zero value allows everything.
type Bounds[T ~int | ~int64] struct {
	// Given says that there are bounds at all.
	Given bool
	// Min and Max are the bounds, both included, from 0 on.
	Min, Max T
}

// largest is the largest value of T. An int has 32 bits on some machines.
func largest[T ~int | ~int64]() T {
	if wide := int64(math.MaxInt64); int64(T(wide)) == wide {
		return T(wide)
	}
	return T(math.MaxInt32)
}

// Exactly allows one value.
func Exactly[T ~int | ~int64](v T) Bounds[T] { return Bounds[T]{true, v, v} }

// AtLeast allows a value and what is larger.
func AtLeast[T ~int | ~int64](v T) Bounds[T] { return Bounds[T]{true, v, largest[T]()} }

// AtMost allows a value and what is smaller.
func AtMost[T ~int | ~int64](v T) Bounds[T] { return Bounds[T]{true, 0, v} }

// Has reports whether a value is allowed.
func (b Bounds[T]) Has(v T) bool { return !b.Given || b.Min <= v && v <= b.Max }

// Moved returns bounds of the same form around a value that was seen.
func (b Bounds[T]) Moved(v T) Bounds[T] {
	switch {
	case !b.Given || b.Has(v):
		return b
	case b.Max == largest[T]():
		return AtLeast(v)
	case b.Min == 0 && b.Max > 0:
		return AtMost(v)
	default:
		return Exactly(v)
	}
}

// text writes the bounds with their operator, '=' left out: 3, >=3, <=3, 3..5.
func (b Bounds[T]) text(print func(T) string) string {
	switch {
	case !b.Given:
		return ""
	case b.Min == b.Max:
		return print(b.Min)
	case b.Max == largest[T]():
		return ">=" + print(b.Min)
	case b.Min == 0:
		return "<=" + print(b.Max)
	default:
		return print(b.Min) + ".." + print(b.Max)
	}
}

func parseBounds[T ~int | ~int64](s string, parse func(string) (T, error)) (Bounds[T], error) {
	least, hasLeast := strings.CutPrefix(s, ">=")
	most, hasMost := strings.CutPrefix(s, "<=")
	lo, hi, isRange := strings.Cut(s, "..")
	var b Bounds[T]
	var err, err2 error
	switch {
	case hasLeast:
		b.Min, err = parse(least)
		b.Max = largest[T]()
	case hasMost:
		b.Max, err = parse(most)
	case isRange:
		b.Min, err = parse(lo)
		b.Max, err2 = parse(hi)
	default:
		b.Min, err = parse(s)
		b.Max = b.Min
	}
	b.Given = true
	if err = errors.Join(err, err2); err == nil && (b.Min < 0 || b.Min > b.Max) {
		err = errors.New("bounds")
	}
	return b, err
}

// boundsSetting is a setting of bounds; what says of which kind.
func boundsSetting[X any, T ~int | ~int64](key, example, what string, print func(T) string, parse func(string) (T, error), of func(*X) *Bounds[T]) setting[X] {
	return setting[X]{key: key, example: example,
		print: func(x *X) string { return of(x).text(print) },
		parse: func(x *X, s string) (err error) {
			if *of(x), err = parseBounds(s, parse); err != nil {
				return fmt.Errorf("want %s, two with .. between them, or >= or <= and one, for instance %s=%s", what, key, example)
			}
			return nil
		}}
}

func timesSetting[T any](key, example string, of func(*T) *Bounds[time.Duration]) setting[T] {
	return boundsSetting(key, example, "a duration", FormatDuration, time.ParseDuration, of)
}

func numbersSetting[T any](key, example string, of func(*T) *Bounds[int]) setting[T] {
	return boundsSetting(key, example, "a whole number", strconv.Itoa, strconv.Atoi, of)
}

// printSettings writes the settings that were given, or of given's, if given
// is not nil.
func printSettings[T any](b *strings.Builder, t *T, list []setting[T], given map[string]word) {
	for _, s := range list {
		if _, there := given[s.key]; given != nil && !there {
			continue
		}
		switch v := s.print(t); {
		case v == "":
		case strings.HasPrefix(v, ">=") || strings.HasPrefix(v, "<="):
			fmt.Fprintf(b, " %s%s", s.key, v)
		default:
			fmt.Fprintf(b, " %s=%s", s.key, v)
		}
	}
}

// parseSettings reads settings, and returns the word of each that was given.
// What names the thing that they are about.
func parseSettings[T any](what string, t *T, words []word, list []setting[T]) (map[string]word, error) {
	given := make(map[string]word)
	for _, w := range words {
		key, value, found := splitWord(w.text)
		var s *setting[T]
		var keys []string
		for i := range list {
			keys = append(keys, list[i].key)
			if list[i].key == key {
				s = &list[i]
			}
		}
		switch _, twice := given[key]; {
		case s == nil && len(list) == 0:
			return nil, w.wrong("%s takes nothing more", what)
		case s == nil && !found:
			return nil, w.wrong("want key=value; %s", oneOf(key, keys))
		case s == nil:
			return nil, w.wrong("unknown key; %s", oneOf(key, keys))
		case !found:
			return nil, w.wrong("want a value, for instance %s=%s", key, s.example)
		case twice:
			return nil, w.wrong("%s is given twice", key)
		}
		if err := s.parse(t, value); err != nil {
			return nil, w.wrong("%w", err)
		}
		given[key] = w
	}
	return given, nil
}
