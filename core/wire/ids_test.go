package wire_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

// identifier is one kind of identifier with its rule, written down once more
// from the protocol.
type identifier struct {
	name    string
	parse   func(string) (string, error)
	longest int
	// filler makes a valid identifier of n bytes around one byte.
	around  func(c string, n int) string
	allowed func(c byte) bool
}

func isOneOf(set string) func(byte) bool {
	return func(c byte) bool { return strings.IndexByte(set, c) >= 0 }
}

// padded surrounds s with letters up to n bytes.
func padded(s string, n int) string {
	left := (n - len(s)) / 2
	return strings.Repeat("a", left) + s + strings.Repeat("a", n-len(s)-left)
}

var identifiers = []identifier{
	{"hostname", func(s string) (string, error) { h, err := wire.ParseHostname(s); return string(h), err }, 253, padded, isOneOf(hostnameBytes)},
	{"closure", func(s string) (string, error) { c, err := wire.ParseClosure(s); return string(c), err }, 512, padded, isOneOf(closureBytes)},
	{
		"channel of a rollout ID", parseRolloutID, 512,
		func(c string, n int) string { return padded(c, n-2) + "@r" }, isOneOf(refBytes),
	},
	{
		"ref of a rollout ID", parseRolloutID, 512,
		func(c string, n int) string { return "c@" + padded(c, n-2) }, isOneOf(refBytes),
	},
}

func parseRolloutID(s string) (string, error) {
	id, err := wire.ParseRolloutID(s)
	return string(id), err
}

func TestEveryByteIsAllowedOrNotInAnIdentifier(t *testing.T) { // PROTOCOL T11
	for _, id := range identifiers {
		for c := range 256 {
			s := id.around(string([]byte{byte(c)}), 7)
			got, err := id.parse(s)
			if want := id.allowed(byte(c)); (err == nil) != want {
				t.Errorf("%s: byte %#02x in %q: got %v, want allowed = %v", id.name, c, s, err, want)
			} else if want && got != s {
				t.Errorf("%s: %q became %q", id.name, s, got)
			}
		}
	}
}

func TestIdentifiersHaveTheLengthOfTheRule(t *testing.T) { // PROTOCOL T11
	for _, id := range identifiers {
		for n := 3; n <= id.longest+2; n++ {
			if _, err := id.parse(id.around("a", n)); (err == nil) != (n <= id.longest) {
				t.Errorf("%s of %d bytes: %v", id.name, n, err)
			}
		}
		if got, err := id.parse(""); err == nil || got != "" {
			t.Errorf("an empty %s: %q, %v", id.name, got, err)
		}
	}
	for _, one := range []string{"a", ".", "-", "_"} {
		if _, err := wire.ParseHostname(one); err != nil {
			t.Errorf("a hostname of one byte, %q: %v", one, err)
		}
	}
	if _, err := wire.ParseClosure("!"); err != nil {
		t.Errorf("a closure of one byte: %v", err)
	}
}

func TestARolloutIDHasTwoSides(t *testing.T) { // PROTOCOL T11
	for text, channel := range map[string]wire.Channel{
		"a@b": "a", "a/b@c/d": "a/b", "-@-": "-", ".@.": ".", "stable@refs/heads/main": "stable",
	} {
		id, err := wire.ParseRolloutID(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if id.Channel() != channel {
			t.Errorf("%q: got the channel %q, want %q", text, id.Channel(), channel)
		}
		_, ref, _ := strings.Cut(text, "@")
		if made := wire.MakeRolloutID(channel, wire.ChannelRef(ref)); made != id {
			t.Errorf("%q: put together again it is %q", text, made)
		}
	}
	for _, text := range []string{"", "@", "a", "a@", "@b", "a@@b", "a@b@c", "@a@b", "a@b@", "a b@c", "a@b c", "a@ü"} {
		if _, err := wire.ParseRolloutID(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// A channel and a ref that are good by themselves may be too long together.
func TestAManifestMakesARolloutID(t *testing.T) { // PROTOCOL T11, R1
	for _, test := range []struct {
		channel, ref int
		field        string
	}{
		{1, 510, ""}, {510, 1, ""}, {256, 255, ""},
		{2, 510, "channel_ref"}, {510, 2, "channel_ref"}, {256, 256, "channel_ref"}, {510, 510, "channel_ref"},
		{511, 1, "channel"}, {1, 511, "channel_ref"}, {0, 1, "channel"}, {1, 0, "channel_ref"},
	} {
		channel, ref := strings.Repeat("c", test.channel), strings.Repeat("r", test.ref)
		body := `{"channel":"` + channel + `","channel_ref":"` + ref + `","policy":` + policyExample +
			`,"hosts":[{"hostname":"h","wave":0,"target_closure":"x"}]}`
		value, err := documents["manifest"].decode(new(wire.Decoder), []byte(body))
		if test.field != "" {
			wantField(t, err, test.field, body)
			continue
		}
		if err != nil {
			t.Errorf("%d and %d bytes: %v", test.channel, test.ref, err)
			continue
		}
		manifest := value.(wire.Manifest)
		if id, err := wire.ParseRolloutID(channel + "@" + ref); err != nil || manifest.ID() != id {
			t.Errorf("%d and %d bytes: got the ID %s, want %s (%v)", test.channel, test.ref, manifest.ID(), id, err)
		}
	}
}

// In a document the same rules hold, and a string counts by what it says and
// not by how it is spelled.
func TestIdentifiersAreJudgedAfterUnescaping(t *testing.T) { // PROTOCOL T11
	escaped := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, `\u%04x`, s[i])
		}
		return b.String()
	}
	for _, test := range []struct {
		member, value string
		ok            bool
	}{
		{"hostname", strings.Repeat("a", 253), true},
		{"hostname", escaped(strings.Repeat("a", 253)), true},
		{"hostname", strings.Repeat("a", 254), false},
		{"hostname", escaped(strings.Repeat("a", 254)), false},
		{"hostname", `web\u0000`, false},
		{"hostname", `w\u00e9b`, false},
		{"hostname", "wéb", false},
		{"hostname", `a\/b`, false},
		{"hostname", "", false},
		{"rollout_id", "c@" + strings.Repeat("r", 510), true},
		{"rollout_id", escaped("c@" + strings.Repeat("r", 510)), true},
		{"rollout_id", "c@" + strings.Repeat("r", 511), false},
		{"rollout_id", `c\u0040r`, true},
		{"rollout_id", "", false}, // absent or null is "none"; empty is a bad ID
		{"current_closure", strings.Repeat("x", 512), true},
		{"current_closure", strings.Repeat("x", 513), false},
		{"current_closure", `\"\\\/`, true},
		{"current_closure", `a\u0020b`, false},
		{"current_closure", `a\u007fb`, false},
		{"current_closure", "", false},
	} {
		members := map[string]string{"hostname": "h", "rollout_id": "c@r", "current_closure": "x"}
		members[test.member] = test.value
		body := fmt.Sprintf(`{"hostname":"%s","rollout_id":"%s","current_closure":"%s","at":"2026-01-31T12:00:00Z"}`,
			members["hostname"], members["rollout_id"], members["current_closure"])
		_, err := documents["heartbeat"].decode(new(wire.Decoder), []byte(body))
		if test.ok && err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if !test.ok {
			wantField(t, err, test.member, body)
		}
	}
}

func TestNamesAndTextsHaveBounds(t *testing.T) {
	for _, test := range []struct {
		value string
		name  bool // accepted as a name, for instance a common name
		text  bool // accepted as a text, for instance a signature
	}{
		{"", false, true},
		{"a b", true, true},
		{"häuser 😀", true, true},
		{strings.Repeat("n", 512), true, true},
		{strings.Repeat("n", 513), false, true},
		{strings.Repeat("é", 256), true, true}, // bytes count, not letters
		{strings.Repeat("é", 257), false, true},
		{`a\u0000b`, false, true},
		{`a\nb`, false, true},
		{`a\u007fb`, false, true},
		{strings.Repeat("t", wire.MaxText), false, true},
		{strings.Repeat("t", wire.MaxText+1), false, false},
	} {
		_, err := documents["revocation"].decode(new(wire.Decoder), []byte(`{"common_name":"`+test.value+`"}`))
		if (err == nil) != test.name {
			t.Errorf("the name %.20q of %d bytes: %v", test.value, len(test.value), err)
		}
		_, err = documents["event Converged"].decode(new(wire.Decoder), []byte(
			`{"hostname":"h","rolloutId":"c@r","event":`+eventExamples[wire.KindConverged]+`,"signature":"`+test.value+`"}`))
		if (err == nil) != test.text {
			t.Errorf("the text %.20q of %d bytes: %v", test.value, len(test.value), err)
		}
	}
}

// A text with a NUL is kept whole; nothing is cut off at it.
func TestATextKeepsNULs(t *testing.T) {
	body := strings.Replace(documents["event Converged"].example(), "c2ln", `a\u0000b`, 1)
	value, err := documents["event Converged"].decode(new(wire.Decoder), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if got := value.(wire.EventEnvelope).Signature; got != "a\x00b" {
		t.Errorf("got %q", got)
	}
	if got := string(documents["event Converged"].encode(value)); got != body {
		t.Errorf("written as %s", got)
	}
}

// manifestOf makes a manifest of n hosts.
func manifestOf(n int) string {
	var b strings.Builder
	b.WriteString(`{"channel":"stable","channel_ref":"1","policy":` + policyExample + `,"hosts":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"hostname":"h` + strconv.Itoa(i) + `","wave":1,"target_closure":"/nix/store/a"}`)
	}
	return b.String() + "]}"
}
