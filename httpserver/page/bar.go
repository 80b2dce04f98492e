package page

import (
	"fmt"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// barWidth is the width of a bar in its own units; a style sheet stretches it.
const barWidth = 1000

// bar is a bar of several segments. Label says in words what it shows.
type bar struct {
	Label    string
	Segments []segment
}

// segment is a part of a bar. Class names its colour.
type segment struct {
	Class    string
	X, Width int
}

// count is a part of a whole, with its name.
type count struct {
	Class string
	Name  string
	N     wire.Count
}

// barOf makes a bar of counts, each as wide as its share. What is there has a width, so
// that one failed host of a hundred thousand is seen.
func barOf(label string, counts []count) bar {
	b := bar{Label: label}
	b.add(0, barWidth, counts)
	return b
}

const leastWidth = 4

// add appends the segments of counts between two places.
func (b *bar) add(from, to int, counts []count) {
	total, there := 0, 0
	for _, c := range counts {
		if total += int(c.N); c.N > 0 {
			there++
		}
	}
	if total == 0 {
		b.Segments = append(b.Segments, segment{"none", from, to - from})
		return
	}
	spare, x, seen := to-from-there*leastWidth, from, 0
	for _, c := range counts {
		if c.N == 0 {
			continue
		}
		before := seen
		seen += int(c.N)
		// Differences of rounded sums add up to the whole.
		width := leastWidth + int(int64(spare)*int64(seen)/int64(total)-int64(spare)*int64(before)/int64(total))
		b.Segments = append(b.Segments, segment{c.Class, x, width})
		x += width
	}
}

// waveGap is the space between two waves of a bar.
const waveGap = 6

// waveBar makes the bar of a rollout: its waves one after the other, each as wide as its
// share of the hosts, with the states in it.
func waveBar(label string, waves []wire.StateCounts) bar {
	b := bar{Label: label}
	gap := waveGap
	if len(waves) > 20 {
		gap = 0 // there would be nothing but gaps
	}
	spare, total, seen := barWidth-gap*(len(waves)-1), 0, 0
	for i := range waves {
		total += hostsOf(&waves[i])
	}
	if total == 0 || len(waves) == 0 {
		b.add(0, barWidth, nil)
		return b
	}
	for i := range waves {
		from := i*gap + int(int64(spare)*int64(seen)/int64(total))
		seen += hostsOf(&waves[i])
		to := i*gap + int(int64(spare)*int64(seen)/int64(total))
		if to-from >= 7*leastWidth {
			b.add(from, to, stateCounts(&waves[i]))
		} else if to > from { // no room for each of its states: the most frequent one
			b.Segments = append(b.Segments, segment{mostOf(&waves[i]), from, to - from})
		}
	}
	return b
}

func hostsOf(c *wire.StateCounts) (n int) {
	for _, state := range wire.States {
		n += int(*c.Of(state))
	}
	return n
}

func mostOf(c *wire.StateCounts) string {
	most := wire.Pending
	for _, state := range wire.States {
		if *c.Of(state) > *c.Of(most) {
			most = state
		}
	}
	return stateClass(most)
}

func stateClass(s wire.State) string { return "state-" + fmt.Sprint(int(s)) }

// barOrder is the order of the states in a bar: what is done is at the left.
var barOrder = []wire.State{wire.Converged, wire.Soaking, wire.Activating, wire.Deferred, wire.Failed, wire.Reverted, wire.Pending}

// stateCounts are the counts by state, in the order of a bar.
func stateCounts(c *wire.StateCounts) []count {
	var list []count
	for _, state := range barOrder {
		list = append(list, count{stateClass(state), state.String(), *c.Of(state)})
	}
	return list
}

// inWords lists the counts that are not zero.
func inWords(counts []count) string {
	var words []string
	for _, c := range counts {
		if c.N > 0 {
			words = append(words, number(c.N)+" "+c.Name)
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
