package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// lifetime is how long a certificate is valid, or how long ago something was: a
// duration of Go, or whole days such as 90d. At least 1s.
type lifetime time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *lifetime) UnmarshalText(text []byte) error {
	const day = 24 * time.Hour
	s := string(text)
	var duration time.Duration
	var err error
	if days, found := strings.CutSuffix(s, "d"); found {
		var n int64
		n, err = strconv.ParseInt(days, 10, 64)
		if n > int64(math.MaxInt64/day) {
			return fmt.Errorf("want at most %dd, have %q", math.MaxInt64/day, s)
		}
		duration = time.Duration(n) * day
	} else {
		duration, err = time.ParseDuration(s)
	}
	if err != nil || duration < time.Second {
		return lifetimeError(s)
	}
	*l = lifetime(duration)
	return nil
}

// lifetimeError says what is wrong with a text, and which one may be meant.
func lifetimeError(s string) error {
	instead, problem := "", ""
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && n > 0 {
		instead, problem = s+"d", fmt.Sprintf(": it has no unit; %s days are %sd, %s seconds %ss", s, s, s, s)
	} else if rest, found := strings.CutPrefix(s, "-"); found && new(lifetime).UnmarshalText([]byte(rest)) == nil {
		instead, problem = rest, ": it is negative; it counts back from now without a sign"
	}
	return &valueError{err: fmt.Errorf("want a duration of at least 1s, such as 90d or 12h, have %q%s", s, problem), instead: instead}
}

// positive is a number of at least 1, if it is given.
type positive int

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *positive) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("want a number of at least 1, have %q", text)
	}
	*p = positive(n)
	return nil
}

// byteSize is a number of bytes: a whole number, alone or with KiB, MiB or GiB
// (powers of 1024). At least 1.
type byteSize int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *byteSize) UnmarshalText(text []byte) error {
	digits, unit := string(text), int64(1)
	for i, suffix := range []string{"KiB", "MiB", "GiB"} {
		if rest, found := strings.CutSuffix(digits, suffix); found {
			digits, unit = rest, 1<<(10*(i+1))
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/unit {
		return fmt.Errorf("want a number of bytes, such as 65536 or 64KiB, have %q", text)
	}
	*b = byteSize(n * unit)
	return nil
}

// zeroableSize is a [byteSize], or 0.
type zeroableSize int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (z *zeroableSize) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*z = 0
		return nil
	}
	var size byteSize
	if err := size.UnmarshalText(text); err != nil {
		return fmt.Errorf("want a number of bytes, such as 65536 or 64KiB, or 0, have %q", text)
	}
	*z = zeroableSize(size)
	return nil
}
