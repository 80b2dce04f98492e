package main

import (
	"errors"
	"testing"
	"time"
)

func TestLifetimes(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute, "1d": day, "3650d": 3650 * day, "106751d": 106751 * day,
	} {
		var got lifetime
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%q: %v, %v, want %v", text, time.Duration(got), err, want)
		}
	}
	for _, text := range []string{"", "d", "0d", "-1d", "1.5d", "106752d", "9223372036854775808d", "1d12h", "0s", "999ms", "-1h", "90", "soon", "1y"} {
		got := lifetime(7)
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 7 {
			t.Errorf("%q: %v, %v, want an error and nothing set", text, time.Duration(got), err)
		}
	}
}

func TestLifetimes_ErrorsProposeWhatMayBeMeant(t *testing.T) {
	for text, want := range map[string]string{
		"90": "90d", "-1d": "1d", "-12h": "12h", "0": "", "-1": "", "soon": "", "0d": "", "--1d": "",
	} {
		var value *valueError
		err := new(lifetime).UnmarshalText([]byte(text))
		if !errors.As(err, &value) || value.instead != want {
			t.Errorf("%q: %v, instead %q; want %q", text, err, value.instead, want)
		}
	}
}

func TestByteSizes(t *testing.T) {
	for text, want := range map[string]byteSize{
		"1": 1, "65536": 65536, "64KiB": 64 << 10, "8MiB": 8 << 20, "2GiB": 2 << 30,
		"9223372036854775807": 1<<63 - 1, "8589934591GiB": 8589934591 << 30,
	} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5MiB", "KiB", "64kb", "64KB", "64 KiB", "1KiBKiB", "8589934592GiB", "9223372036854775808"} {
		got := byteSize(7)
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 7 {
			t.Errorf("%q: %v, %v, want an error and nothing set", text, got, err)
		}
	}
}

func TestZeroableSizes(t *testing.T) {
	for text, want := range map[string]zeroableSize{"0": 0, "1": 1, "256MiB": 256 << 20} {
		var got zeroableSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "0KiB", "1.5GiB", "5MB"} {
		if err := new(zeroableSize).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
