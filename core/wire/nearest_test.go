package wire_test

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"listen", "listen", 0}, {"lisen", "listen", 1},
		{"listne", "listen", 2}, {"kitten", "sitting", 3}, {"abc", "xyz", 3},
	} {
		if got := wire.EditDistance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: %d, want %d", test.a, test.b, got, test.want)
		}
		if got := wire.EditDistance(test.b, test.a); got != test.want {
			t.Errorf("%q to %q: %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestNearest_KnowsAMisspelling(t *testing.T) {
	known := []string{"state", "after", "limit", "channel"}
	for got, want := range map[string]string{"stat": "state", "State": "state", "chanel": "channel", "limits": "limit", "x": "", "dry_run": "", "": ""} {
		if near := wire.Nearest(got, known); near != want {
			t.Errorf("%q: %q, want %q", got, near, want)
		}
	}
}
