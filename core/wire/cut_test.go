package wire_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestALongTextIsCutWithAMark(t *testing.T) { // PROTOCOL E10
	long := wire.Text(strings.Repeat("x", 60_000) + "the end")
	failed := wire.Event{Seq: 1, Body: wire.ActivationFailed{StderrTail: "the beginning" + long}}
	got := failed.Cut().Body.(wire.ActivationFailed).StderrTail
	if len(got) > wire.MaxKeptText || !strings.HasPrefix(string(got), "[cut: 55,988 bytes before] …xxx") || !strings.HasSuffix(string(got), "xxxthe end") {
		t.Errorf("stderrTail: got %d bytes, %.40q … %q", len(got), got, got[len(got)-20:])
	}
	result := wire.Event{Seq: 1, Body: wire.ProbeResult{
		FailureReason: "the beginning" + long, SubResults: []wire.SubResult{{Article: "short"}, {OverrideReason: long}},
	}}
	cut := result.Cut().Body.(wire.ProbeResult)
	if got := cut.FailureReason; len(got) > wire.MaxKeptText || !strings.HasPrefix(string(got), "the beginningxxx") || !strings.HasSuffix(string(got), "xxx… [cut: 55,988 bytes more]") {
		t.Errorf("failureReason: got %d bytes, %.40q … %q", len(got), got, got[len(got)-40:])
	}
	if got := cut.SubResults; got[0].Article != "short" || len(got[1].OverrideReason) > wire.MaxKeptText || !strings.Contains(string(got[1].OverrideReason), "[cut: ") {
		t.Errorf("subResults: got %v", got)
	}
	if result.Body.(wire.ProbeResult).SubResults[1].OverrideReason != long {
		t.Error("the event itself was changed")
	}
}

// A text that is kept is valid, is not longer than it may be, and is not cut again.
func TestACutTextStaysAsItIs(t *testing.T) { // PROTOCOL E10
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{"x", "é", "€", "𝄞", "x𝄞"}).Draw(t, "unit")
		text := wire.Text(strings.Repeat("y", rapid.IntRange(0, 3).Draw(t, "offset")) + strings.Repeat(unit, rapid.IntRange(0, 3*wire.MaxKeptText).Draw(t, "length")))
		for _, body := range []wire.EventBody{
			wire.ActivationFailed{StderrTail: text},
			wire.ProbeResult{FailureReason: text, SubResults: []wire.SubResult{{Article: text}, {OverrideReason: text}}},
		} {
			event := wire.Event{Seq: 7, Body: body}
			once := event.Cut()
			if short := len(text) <= wire.MaxKeptText; short && !reflect.DeepEqual(once, event) {
				t.Fatalf("a text of %d bytes is cut", len(text))
			}
			if !reflect.DeepEqual(once.Cut(), once) {
				t.Fatal("it is cut again")
			}
			var kept []wire.Text
			switch b := once.Body.(type) {
			case wire.ActivationFailed:
				kept = []wire.Text{b.StderrTail}
			case wire.ProbeResult:
				kept = []wire.Text{b.FailureReason, b.SubResults[0].Article, b.SubResults[1].OverrideReason}
			}
			for _, k := range kept {
				if len(k) > wire.MaxKeptText || !utf8.ValidString(string(k)) {
					t.Fatalf("%d bytes are kept as %d, valid %v", len(text), len(k), utf8.ValidString(string(k)))
				}
			}
		}
	})
}
