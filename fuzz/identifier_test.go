package fuzz

import (
	"regexp"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The rules of PROTOCOL T11, written down once more.
var (
	hostnameRule  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,253}$`)
	rolloutIDRule = regexp.MustCompile(`^[A-Za-z0-9._/-]+@[A-Za-z0-9._/-]+$`)
)

// matches is a whole match: $ alone would let a newline follow.
func matches(rule *regexp.Regexp, s string) bool {
	return rule.MatchString(s) && !strings.Contains(s, "\n")
}

func FuzzRolloutID(f *testing.F) { // PROTOCOL T11
	f.Fuzz(func(t *testing.T, text string) {
		id, err := wire.ParseRolloutID(text)
		if want := matches(rolloutIDRule, text) && len(text) <= 512; (err == nil) != want {
			t.Fatalf("%q: got %v, want accepted = %v", text, err, want)
		}
		if err != nil {
			if id != "" {
				t.Errorf("%q was refused and is %q", text, id)
			}
			return
		}
		if string(id) != text {
			t.Errorf("%q became %q", text, id)
		}
		channel, ref, _ := strings.Cut(text, "@")
		if string(id.Channel()) != channel {
			t.Errorf("%q is of the channel %q, want %q", text, id.Channel(), channel)
		}
		if made := wire.MakeRolloutID(wire.Channel(channel), wire.ChannelRef(ref)); made != id {
			t.Errorf("%q put together again is %q", text, made)
		}
	})
}

func FuzzCommonName(f *testing.F) { // PROTOCOL T2, T4
	f.Fuzz(func(t *testing.T, commonName, suffix string) {
		id := wire.ParseIdentity(commonName, suffix)
		if id.CommonName != commonName {
			t.Errorf("the common name %q became %q", commonName, id.CommonName)
		}
		// Who it is can be told back from the identity; nothing is lost or made up.
		switch {
		case id.Operator:
			if want := "operator-" + id.Name + "." + suffix; commonName != want || id.Name == "" || suffix == "" {
				t.Errorf("%q with the suffix %q is the operator %q", commonName, suffix, id.Name)
			}
		case id.Name != commonName:
			if want := "agent-" + id.Name + "." + suffix; commonName != want || id.Name == "" || suffix == "" {
				t.Errorf("%q with the suffix %q is the agent %q", commonName, suffix, id.Name)
			}
		}
		hostname, ok := id.Hostname()
		if want := !id.Operator && matches(hostnameRule, id.Name); ok != want {
			t.Errorf("%q has a hostname: %v, want %v", commonName, ok, want)
		}
		if ok && string(hostname) != id.Name {
			t.Errorf("the hostname of %q is %q, want %q", commonName, hostname, id.Name)
		}

		// And the other way round: the names that a CA gives out are recognised.
		if commonName == "" || suffix == "" {
			return
		}
		if got := wire.ParseIdentity("agent-"+commonName+"."+suffix, suffix); got.Operator || got.Name != commonName {
			t.Errorf("the agent %q with the suffix %q is %+v", commonName, suffix, got)
		}
		if got := wire.ParseIdentity("operator-"+commonName+"."+suffix, suffix); !got.Operator || got.Name != commonName {
			t.Errorf("the operator %q with the suffix %q is %+v", commonName, suffix, got)
		}
		if _, ok := wire.ParseIdentity("operator-"+commonName+"."+suffix, suffix).Hostname(); ok {
			t.Errorf("the operator %q has a hostname", commonName)
		}
	})
}
