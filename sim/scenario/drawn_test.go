package scenario

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/random"
)

// What no profile draws, no search finds.
func TestEveryFieldOfEveryKindOfFaultIsDrawn(t *testing.T) {
	r := random.New(1, "drawn", 0)
	for _, k := range FaultKinds() {
		var drawn []string
		for range 400 {
			f := DrawFault(&r, k, 5, 10*time.Minute)
			if err := f.check(); err != nil {
				t.Fatalf("%v: %v", f, err)
			}
			for _, field := range faultFields {
				if field.print(&f) != "" {
					drawn = append(drawn, field.key)
				}
			}
		}
		for _, key := range k.keys() {
			if !slices.Contains(drawn, key) {
				t.Errorf("%v: %s is never drawn", k, key)
			}
		}
	}
}
