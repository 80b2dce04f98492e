package page

import (
	"fmt"
	"net/url"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// number writes a count, of any type of whole numbers, with a space for each thousand that breaks no line.
func number(n any) string {
	s := fmt.Sprintf("%d", n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "\u202f" + s[at:]
	}
	return s
}

// counted writes a count with its noun.
func counted[T ~int | ~int32](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// duration writes how long something lasts, in the unit that says enough, so that it does
// not change with every second.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than 1 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return number(int(d/(24*time.Hour))) + " days"
	}
}

// instant writes a time to the second.
func instant(t wire.Time) string {
	if !t.IsSet() {
		return "–"
	}
	return t.Std().UTC().Format("2006-01-02 15:04:05") + " UTC"
}

func hostURL(name wire.Hostname) string { return "host?name=" + url.QueryEscape(string(name)) }

func rolloutURL(id wire.RolloutID) string { return "rollout?id=" + url.QueryEscape(string(id)) }

// stateWords are the states in path order, for legends and filters.
func stateWords() []wire.State { return wire.States[:] }
