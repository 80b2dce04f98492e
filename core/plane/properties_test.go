package plane_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestEqualInputsGiveEqualOutputsAndStates steps two planes side by side from
// the start: nothing in a plane depends on the order of a map, on memory or on
// the process.
func TestEqualInputsGiveEqualOutputsAndStates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var twin *plane.Plane
		var own plane.Output
		newFleet(t, watch{
			begin: func(*fleet) { own.Reset() },
			after: func(f *fleet, now wire.Instant, in plane.Input, _ *plane.Output) {
				twin.Step(now, requested(in), &own)
			},
			batch: func(f *fleet, _ []byte, _ []stepped, out *plane.Output) {
				if got, want := text(&own), text(out); got != want {
					f.t.Fatalf("the twin's output is\n%s\nwant\n%s", got, want)
				}
				sameState(f.t, f.plane, twin)
			},
			replaced: func(f *fleet, why replacement) {
				own.Reset()
				state := f.plane.AppendState(nil)
				if why == wiped {
					state = nil
				}
				twin = restored(f.t, f.cfg, state)
			},
		}).play(runLength)
	})
}

// TestARestoredPlaneGoesOnAsTheOneBefore restores a plane from its snapshot
// again and again, in the middle of batches, and compares it with the one that
// was never touched.
func TestARestoredPlaneGoesOnAsTheOneBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var twin *plane.Plane
		newFleet(t, watch{
			before: func(f *fleet, _ wire.Instant, _ plane.Input) {
				if twin == nil || rapid.IntRange(0, 7).Draw(f.t, "restore") == 5 {
					twin = restored(f.t, f.cfg, f.plane.AppendState(nil))
				}
			},
			after: func(f *fleet, now wire.Instant, in plane.Input, out *plane.Output) {
				var own plane.Output
				twin.Step(now, requested(in), &own)
				// A reply may need entries of its batch from before.
				own.Replies, out.Replies = needless(own.Replies), needless(out.Replies)
				if got, want := text(&own), text(out); got != want {
					f.t.Fatalf("%v: the restored plane puts out\n%s\nwant\n%s", in, got, want)
				}
			},
			batch:    func(f *fleet, _ []byte, _ []stepped, _ *plane.Output) { sameState(f.t, f.plane, twin) },
			replaced: func(*fleet, replacement) { twin = nil },
		}).play(runLength)
	})
}

func needless(replies []plane.Reply) []plane.Reply {
	var list []plane.Reply
	for _, r := range replies {
		list = append(list, plane.Reply{Outcome: r.Outcome})
	}
	return list
}

// TestAWalkOverTheLogGivesTheDurableState walks the log of a run through a new
// plane, and from where the plane crashed or restarted through a restored one.
func TestAWalkOverTheLogGivesTheDurableState(t *testing.T) { // PROTOCOL E2
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t, watch{})
		f.play(runLength)
		walked := restored(t, f.cfg, nil)
		half := rapid.IntRange(0, len(f.log)).Draw(t, "from")
		for i, e := range f.log {
			if i == half {
				walked = restored(t, f.cfg, walked.AppendDurable(nil))
			}
			if err := walked.Apply(e); err != nil {
				t.Fatalf("%v: %v", e, err)
			}
		}
		if got, want := walked.AppendDurable(nil), f.plane.AppendDurable(nil); !bytes.Equal(got, want) {
			t.Fatalf("the walk gives\n%s\nwant\n%s", got, want)
		}
		if err := walked.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCheckHoldsAfterEveryStep runs the plane's own invariants in every run.
func TestCheckHoldsAfterEveryStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		newFleet(t, watch{
			after: func(f *fleet, now wire.Instant, in plane.Input, _ *plane.Output) {
				if err := f.plane.Check(); err != nil {
					f.t.Fatalf("after %v: %v", in, err)
				}
			},
		}).play(2 * runLength)
	})
}

// TestAnEntryIsOneEffectAndAReplyOneInput counts: the durable state changes
// exactly if there is an entry; what may be more than one are the confirmations
// of a heartbeat, and each of them is about another record.
func TestAnEntryIsOneEffectAndAReplyOneInput(t *testing.T) { // PROTOCOL E2
	rapid.Check(t, func(t *rapid.T) {
		var before string
		number := wire.Seq(0)
		newFleet(t, watch{
			before: func(f *fleet, _ wire.Instant, _ plane.Input) { before = durableWithoutLog(f.plane) },
			after: func(f *fleet, now wire.Instant, in plane.Input, out *plane.Output) {
				fail := func(problem string) { f.t.Fatalf("%v: %s\n%s", in, problem, text(out)) }
				if replies := plane.Replies(in); replies != (len(out.Replies) == 1) || len(out.Replies) > 1 {
					fail("wrong number of replies")
				}
				if changed := durableWithoutLog(f.plane) != before; changed != (len(out.Entries) > 0) && !discards(out) {
					fail("an entry without a change, or a change without an entry")
				}
				about := map[wire.RolloutID]bool{}
				for _, e := range out.Entries {
					number++
					if e.Number != number || e.At != now.Wall {
						fail("an entry has the wrong number or instant")
					}
					if e.Outcome != "applied" && e.Outcome != "absorbed" && !discards(out) {
						fail("an entry has an unknown outcome")
					}
					if beat, beats := in.(*plane.Heartbeat); beats {
						if e.Kind == "returned" {
							continue // O6
						}
						if e.Kind != "confirmed" && e.Kind != "offer_ended" || e.Hostname != beat.Request.Hostname || about[e.RolloutID] {
							fail("a heartbeat's entry is no confirmation of its own")
						}
						about[e.RolloutID] = true
					} else if len(out.Entries) > 1 {
						fail("more than one entry")
					}
				}
			},
			replaced: func(f *fleet, _ replacement) { number = f.plane.Stats().Logged },
		}).play(runLength)
	})
}

// discards reports whether an output has one entry, of what changes nothing.
func discards(out *plane.Output) bool {
	return len(out.Entries) == 1 && out.Entries[0].Kind == "discarded" && out.Entries[0].Outcome == "discarded"
}

// TestADiscardedEventChangesNothing compares the records, and takes what was
// discarded for what an agent of ours would be refused.
func TestADiscardedEventChangesNothing(t *testing.T) { // PROTOCOL E12
	rapid.Check(t, func(t *rapid.T) {
		var before string
		newFleet(t, watch{
			before: func(f *fleet, _ wire.Instant, _ plane.Input) { before = durableWithoutLog(f.plane) },
			after: func(f *fleet, _ wire.Instant, in plane.Input, out *plane.Output) {
				discarded := discards(out)
				if discarded && durableWithoutLog(f.plane) != before {
					f.t.Fatalf("%v is discarded and changed the durable state", in)
				}
				event, is := in.(*plane.Event)
				if !is || event.Dialect != wire.DialectField {
					if discarded {
						f.t.Fatalf("%v is discarded", in)
					}
					return
				}
				switch code := out.Replies[0].Outcome.Code; code {
				case wire.NoContent, wire.StoreUnavailable, wire.OverBudget:
				default:
					f.t.Fatalf("%v is answered %v", in, code)
				}
			},
		}).play(runLength)
	})
}

// TestAHostChangesNothingOfAnother compares the lines of the whole state: an
// input of a host changes lines of its own, and of another host's records only
// what a dispatch sets, in a rollout that both are in.
func TestAHostChangesNothingOfAnother(t *testing.T) { // PROTOCOL T3, R2
	rapid.Check(t, func(t *rapid.T) {
		var before map[string]string
		newFleet(t, watch{
			before: func(f *fleet, _ wire.Instant, _ plane.Input) { before = lines(f.plane) },
			after: func(f *fleet, _ wire.Instant, in plane.Input, _ *plane.Output) {
				var host wire.Hostname
				switch in := in.(type) {
				case *plane.Heartbeat:
					host = in.Request.Hostname
				case *plane.Event:
					host = in.Envelope.Hostname
				case *plane.Poll:
					host = in.Hostname
				default:
					return
				}
				after := lines(f.plane)
				for key, line := range after {
					word, rest, _ := strings.Cut(key, " ")
					about, id, _ := strings.Cut(rest, " ")
					if before[key] == line || wire.Hostname(about) == host || word != "host" && word != "record" {
						continue
					}
					_, shared := after["record "+string(host)+" "+id]
					if word == "host" || !shared || undispatched(f.t, before[key]) != undispatched(f.t, line) {
						f.t.Fatalf("%v changed\n%s\nto\n%s", in, before[key], line)
					}
				}
			},
		}).play(runLength)
	})
}

// lines has the lines of a state, by what they are about.
func lines(p *plane.Plane) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(string(p.AppendState(nil))) {
		word, doc, _ := strings.Cut(line, " ")
		switch word {
		case "host":
			m["host "+member(doc, "hostname")] = line
		case "record":
			m["record "+member(doc, "hostname")+" "+member(doc, "rolloutId")] = line
		}
	}
	return m
}

// member reads a string member of a canonical document.
func member(doc, name string) string {
	_, rest, _ := strings.Cut(doc, `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// undispatched is a record's line without what a dispatch sets.
func undispatched(t *rapid.T, line string) string {
	var doc struct {
		Record map[string]any `json:"record"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "record ")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Record["state"] != "Pending" {
		return line
	}
	rest := maps.Clone(doc.Record)
	delete(rest, "dispatchedAt")
	delete(rest, "soakDueAt")
	text, err := json.Marshal(rest)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func durableWithoutLog(p *plane.Plane) string {
	_, rest, _ := strings.Cut(string(p.AppendDurable(nil)), "\n")
	return rest
}

func restored(t rapid.TB, cfg plane.Config, state []byte) *plane.Plane {
	p, err := plane.Restore(cfg, state)
	if err != nil {
		t.Fatalf("restoring: %v", err)
	}
	return p
}

func sameState(t rapid.TB, want, got *plane.Plane) {
	if g, w := got.AppendState(nil), want.AppendState(nil); !bytes.Equal(g, w) {
		t.Fatalf("the state is\n%s\nwant\n%s", g, w)
	}
}
