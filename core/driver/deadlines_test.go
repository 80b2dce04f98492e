package driver

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDeadlines_AreThoseOfASortedList compares with a list that is sorted anew
// each time.
func TestDeadlines_AreThoseOfASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d deadlines[int]
		var model []*Request[int]
		var number uint64
		reused := &Request[int]{}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				number++
				r := &Request[int]{}
				if reused.poll.deadline == nil && rapid.Bool().Draw(t, "reused") {
					r = reused // as a server's memory is, with an old entry left
				}
				r.poll.until = time.Duration(rapid.IntRange(0, 20).Draw(t, "until"))
				r.poll.number = number
				d.push(r)
				model = append(model, r)
			},
			"remove": func(t *rapid.T) {
				if len(model) > 0 {
					i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
					d.remove(model[i])
					d.remove(model[i]) // again does nothing
					model = slices.Delete(model, i, i+1)
				}
			},
			"": func(t *rapid.T) {
				var want *Request[int]
				if len(model) > 0 {
					want = slices.MinFunc(model, func(a, b *Request[int]) int {
						return cmp.Or(cmp.Compare(a.poll.until, b.poll.until), cmp.Compare(a.poll.number, b.poll.number))
					})
				}
				if got := d.first(); got != want {
					t.Fatalf("first is %v, want %v", got, want)
				}
				if len(d.all()) != len(model) || d.live != len(model) {
					t.Fatalf("%d entries, %d counted; want %d", len(d.all()), d.live, len(model))
				}
				if n := len(d.queue) - d.head + len(d.heap); n > 2*len(model)+keepStale {
					t.Fatalf("%d entries are kept for %d polls", n, len(model))
				}
			},
		})
	})
}
