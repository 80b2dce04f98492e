package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// What was probably meant by a line that is wrong.

// parseRollout reads the ID of a rollout.
func parseRollout(s string) (wire.RolloutID, error) {
	id, err := wire.ParseRolloutID(s)
	if err != nil {
		return id, fmt.Errorf("%w, for instance stable@r1", err)
	}
	return id, nil
}

// noLine says that no line begins with a word.
func noLine(w word) error {
	key, value, isSetting := splitWord(w.text)
	_, err := time.ParseDuration(w.text)
	switch {
	case isSetting && slices.Contains(lineWords, key):
		return w.wrong("want %q, with a space", key+" "+value)
	case err == nil:
		return w.wrong("no line begins with a time; did you mean at %s?", w.text)
	case strings.HasPrefix(w.text, "//"):
		return w.wrong("no line begins with it; a comment begins with #")
	}
	return w.wrong("no line begins with it; %s", oneOf(w.text, lineWords))
}

// related lists the words of several words that share one with got; only
// those that have the same ones, if there are any.
func related(got string, words []string) []string {
	parts := strings.Fields(strings.ToLower(got))
	if len(parts) == 0 {
		return nil
	}
	has := func(w string) func(string) bool {
		return func(part string) bool { return slices.Contains(strings.Fields(w), part) }
	}
	var some []string
	for _, w := range words {
		switch {
		case len(parts) == len(strings.Fields(w)) && !slices.ContainsFunc(parts, func(p string) bool { return !has(w)(p) }):
			return []string{w}
		case slices.ContainsFunc(parts, has(w)):
			some = append(some, w)
		}
	}
	return some
}

// defaulted lists the settings of a file that are zero where zero stands for
// the default: what was written would not be what is run.
func (f *File) defaulted(filled *Scenario) []problem {
	var list []problem
	s := &f.Scenario
	for i := range f.lines {
		l := &f.lines[i]
		var err error
		switch l.part.kind {
		case partFleet:
			err = zeroSetting(&s.Fleet, &filled.Fleet, fleetSettings, l.given)
		case partPlane:
			err = zeroSetting(&s.Plane, &filled.Plane, planeSettings, l.given)
		case partNetwork:
			err = zeroSetting(&s.Network, &filled.Network, networkSettings, l.given)
		case partActive:
			if s.Active != filled.Active {
				err = l.words[1].wrong("stands for the default, which is %s here; want another time, or no such line", FormatDuration(filled.Active))
			}
		case partConverge:
			if s.Converge != filled.Converge {
				err = l.words[1].wrong("stands for the default, %s; want another time, or no such line", FormatDuration(filled.Converge))
			}
		}
		if err != nil {
			list = append(list, problem{l.part, err})
		}
	}
	return list
}

// zeroSetting finds a setting that was given and is another in the filled
// scenario.
func zeroSetting[T any](t, filled *T, list []setting[T], given map[string]word) error {
	for _, set := range list {
		if w, there := given[set.key]; there && set.print(t) != set.print(filled) {
			return w.wrong("stands for the default, %s; want another value (%s)", set.print(filled), set.about)
		}
	}
	return nil
}
