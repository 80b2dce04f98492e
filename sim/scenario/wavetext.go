package scenario

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// How it is written which host runs what, in which wave, and what its probes
// count.

var wavesSetting = setting[Rollout]{key: "waves", example: "0s,5m",
	about: "the soak time of each wave, in whole minutes, at most a year; the hosts are spread over the waves in order, and evenly without sizes",
	print: func(r *Rollout) string {
		var soaks []string
		for _, soak := range r.Waves {
			soaks = append(soaks, FormatDuration(soak))
		}
		return strings.Join(soaks, ",")
	},
	parse: func(r *Rollout, s string) error {
		r.Waves = nil
		for soak := range strings.SplitSeq(s, ",") {
			d, err := time.ParseDuration(soak)
			if err != nil {
				return errors.New("want the soak time of each wave, for instance 0s,5m")
			}
			r.Waves = append(r.Waves, d)
		}
		return nil
	}}

var sizesSetting = setting[Rollout]{key: "sizes", example: "1,3",
	about: "how many hosts each wave has but the last, which has the others",
	print: func(r *Rollout) string {
		var sizes []string
		for _, n := range r.Sizes {
			sizes = append(sizes, strconv.Itoa(n))
		}
		return strings.Join(sizes, ",")
	},
	parse: func(r *Rollout, s string) error {
		r.Sizes = nil
		for size := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(size)
			if err != nil || n < 0 {
				return errors.New("want how many hosts each wave has but the last, for instance 1,3")
			}
			r.Sizes = append(r.Sizes, n)
		}
		return nil
	}}

var ownSetting = setting[Rollout]{key: "own", example: "yes",
	about: "every host has a closure of its own, as on NixOS: the target with its name, such as c1-h3",
	print: func(r *Rollout) string {
		if r.Own {
			return "yes"
		}
		return ""
	},
	parse: func(r *Rollout, s string) error {
		if s != "yes" {
			return errors.New("want yes")
		}
		r.Own = true
		return nil
	}}

var modes = []wire.Mode{wire.Enforce, wire.Observe, wire.Disabled}

var modesSetting = setting[Fleet]{key: "modes", example: "enforce,observe",
	about: "the modes of the probes, in order: enforce, observe or disabled; without it, and of those that are not named, enforce",
	print: func(f *Fleet) string {
		last := maxProbes
		for last > 0 && f.Modes[last-1] == 0 {
			last--
		}
		var words []string
		for _, m := range f.Modes[:last] {
			words = append(words, max(m, wire.Enforce).String())
		}
		return strings.Join(words, ",")
	},
	parse: func(f *Fleet, s string) error {
		f.Modes = [maxProbes]wire.Mode{}
		words := strings.Split(s, ",")
		if len(words) > maxProbes {
			return errors.New("want the modes of at most 4 probes")
		}
		for i, word := range words {
			mode := slices.IndexFunc(modes, func(m wire.Mode) bool { return m.String() == word })
			switch {
			case mode < 0:
				return errors.New(oneOf(word, []string{wire.Enforce.String(), wire.Observe.String(), wire.Disabled.String()}))
			case mode > 0:
				f.Modes[i] = modes[mode]
			}
		}
		return nil
	}}
