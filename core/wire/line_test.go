package wire_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestLines_SplitsWhatAppendLineWrote(t *testing.T) {
	data := wire.AppendLine(nil, "revocation", &wire.RevocationSchema, &wire.Revocation{CommonName: "web-1"})
	data = append(data, "empty\ncut off"...)
	var got string
	for l := range wire.Lines(data) {
		got += fmt.Sprintf("%d %q %q %t\n", l.Number, l.Word, l.Doc, l.Complete)
	}
	const want = `1 "revocation" "{\"common_name\":\"web-1\"}" true
2 "empty" "" true
3 "cut" "off" false
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for l := range wire.Lines(data) {
		if got, want := l.Wrong(errors.New("no such host")).Error(), "state line 1 (revocation): no such host"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		break
	}
}

func TestWordOf_OutOfRange(t *testing.T) {
	words := []string{"", "a"}
	for e, want := range []string{"", "a", "?"} {
		if got := wire.WordOf(words, wire.Mode(e)); got != want {
			t.Errorf("%d: got %q, want %q", e, got, want)
		}
	}
}
