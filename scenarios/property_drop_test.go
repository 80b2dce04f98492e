package scenarios_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

const (
	droppedBefore = "a reply to an event was dropped, and the event not applied"
	droppedAfter  = "a reply to an event was dropped, and the event applied"
	droppedOther  = "a reply to a heartbeat or a poll was dropped"
	sentAgain     = "an event whose reply was dropped was sent again and taken"
)

// A reducer that lets go of requests: the caller is told dropped_reply at once,
// and nobody else is; what was let go of before the step has left no trace, and
// what was let go of after it is there as a whole; the host sends the same
// number again until it is taken, and nothing happens twice.
// PROTOCOL G2, E3, E9, D2
func TestADroppedReplyIsA503AndTheStateIsWholeOrUntouched(t *testing.T) {
	droppedReplyContract.check(t)
}

var droppedReplyContract = property{drawDrop, judgeDrop, []string{droppedBefore, droppedAfter, droppedOther, sentAgain, laterWave, toldLater}}

func drawDrop(t *rapid.T) scenario.Scenario {
	s := drawFleet(t, number(t, "hosts", 1, 6))
	for range number(t, "drops", 1, 3) {
		s.Faults = append(s.Faults, scenario.Fault{
			Kind:  scenario.ReplyDrop,
			At:    s.Rollouts[0].At + between(t, "drop after", 0, 40*time.Second, time.Millisecond),
			For:   between(t, "drop for", 10*time.Second, busy, time.Second),
			Count: number(t, "count", 1, 8),
			Hosts: someHosts(t, "dropped", s.Fleet.Hosts),
			After: rapid.Bool().Draw(t, "after the step"),
		})
	}
	return s
}

// key is one event, however often it is sent.
type key struct {
	place
	seq wire.Seq
}

func keyOf(x *record.Exchange) key { return key{place{x.Rollout, x.Host}, x.Seq} }

func judgeDrop(v *verdict, s scenario.Scenario) {
	var met standings
	records := make(map[place]*rollout.Record) // as they were before this event
	owed := make(map[key]time.Duration)        // dropped, and not taken since
	drops := make(map[*record.Exchange]bool)
	r := observe(v, s, func(w *world.World, sights []record.Sight) {
		stepped := make(map[*record.Exchange]bool)
		for _, sight := range sights {
			x := sight.Exchange
			switch sight.Kind {
			case record.SightStepped:
				stepped[x] = true
			case record.SightDropped:
				drops[x] = true
				switch {
				case x.Kind != scenario.RouteEvent:
					v.reach(droppedOther)
				case x.SteppedAt != record.Never:
					v.reach(droppedAfter)
				default:
					v.reach(droppedBefore)
					at := place{x.Rollout, x.Host}
					if now := recordOf(w, x.Rollout, x.Host); !reflect.DeepEqual(now, records[at]) {
						v.errorf("at %v event %d of h%d was let go of before it was applied, and the record went from %v to %v", sight.At, x.Seq, x.Host, records[at], now)
					}
				}
				if x.Kind == scenario.RouteEvent {
					owed[keyOf(x)] = sight.At
				}
			case record.SightAnswered:
				if unavailable := x.Outcome.Code.Unavailable(); unavailable != drops[x] || unavailable && x.Outcome.Code != wire.DroppedReply {
					v.errorf("at %v the %v of h%d was answered %v; its reply was dropped: %v", sight.At, x.Kind, x.Host, x.Outcome.Code, drops[x])
				}
				if drops[x] && x.AnsweredAt != x.FinishedAt {
					v.errorf("the %v of h%d was let go of at %v and answered at %v", x.Kind, x.Host, x.FinishedAt, x.AnsweredAt)
				}
			case record.SightHeard:
				if drops[x] && x.Heard.Status != 503 {
					v.errorf("h%d heard %d of its %v, whose reply was dropped", x.Host, x.Heard.Status, x.Kind)
				}
				if _, waits := owed[keyOf(x)]; waits && x.Kind == scenario.RouteEvent && x.Heard.Status == 204 {
					delete(owed, keyOf(x))
					v.reach(sentAgain)
				}
			}
		}
		met.look(v, w, sights)
		for i := range s.Rollouts {
			for n := 1; n <= s.Fleet.Hosts; n++ {
				records[place{s.Rollouts[i].ID, n}] = recordOf(w, s.Rollouts[i].ID, n)
			}
		}
	})
	if r == nil {
		return
	}
	var found unordered
	for k, at := range owed {
		found.errorf("event %d of h%d, whose reply was dropped at %v, was never told to be taken", k.seq, k.host, at)
	}
	found.tell(v)
	met.compare(v, r.world)
	r.keepsContract(v)
}
