package plane

import (
	"reflect"
	"testing"
)

// A member that Clone does not know of would be shared with the original, or
// lost. Whoever adds one looks at clone.go, and then counts here.
func TestCloneKnowsEveryMember(t *testing.T) {
	for _, c := range []struct {
		of   any
		want int
	}{{Plane{}, 38}, {rolloutState{}, 31}, {hostTable{}, 3}, {hostOrder{}, 2}, {host{}, 3}, {liveness{}, 6}, {offers{}, 2}, {senders{}, 3}, {twoSenders{}, 7}, {discardCount{}, 6}} {
		if got := reflect.TypeOf(c.of).NumField(); got != c.want {
			t.Errorf("%T has %d members, and Clone knows %d", c.of, got, c.want)
		}
	}
}
