package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

// A bounded page is what a page of the same items is, has as many items as fit,
// and at least one.
func TestABoundedPageIsAPageOfWhatFits(t *testing.T) { // PROTOCOL R5
	rapid.Check(t, func(t *rapid.T) {
		page := wire.BoundedPage[wire.Revocation]{
			Name: "revocations", Schema: &wire.RevocationSchema,
			MaxItems: rapid.IntRange(1, 5).Draw(t, "items"), MaxBytes: rapid.IntRange(1, 300).Draw(t, "bytes"),
		}
		want := wire.Page[wire.Revocation]{Name: "revocations", Schema: &wire.RevocationSchema}
		for i := range rapid.IntRange(0, 8).Draw(t, "offered") {
			item := wire.Revocation{CommonName: wire.CommonName(fmt.Sprintf("n%d%s", i, strings.Repeat("x", rapid.IntRange(0, 200).Draw(t, "size"))))}
			more := want
			more.Items = append(want.Items[:len(want.Items):len(want.Items)], item)
			size := len(more.AppendJSON(nil)) - len(`{"revocations":[]}`)
			fits := len(more.Items) <= page.MaxItems && (len(more.Items) == 1 || size <= page.MaxBytes)
			if got := page.Add(&item); got != fits {
				t.Fatalf("item %d of %d bytes in all: taken %v, want %v", i, size, got, fits)
			}
			if !fits {
				page.Next, want.Next = "n\"", "n\""
				break
			}
			want = more
		}
		if got, want := string(page.AppendJSON([]byte("·"))), string(want.AppendJSON([]byte("·"))); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}
