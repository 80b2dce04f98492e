package plane_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// A clone is what its original was, goes on as that does, and neither of them
// changes with the other.
func TestACloneGoesOnAsItsOriginalAndByItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ahead, behind *plane.Plane
		var state string
		steps := 0
		f := newFleet(t, watch{
			before: func(f *fleet, now wire.Instant, in plane.Input) {
				if steps++; steps%8 != 0 {
					return
				}
				state = string(f.plane.AppendState(nil))
				ahead, behind = f.plane.Clone(), f.plane.Clone()
				if err := ahead.Check(); err != nil {
					t.Fatal(err)
				}
				var out plane.Output
				ahead.Step(now, requested(in), &out)
				equal(t, "the original after a step of its clone", string(f.plane.AppendState(nil)), state)
			},
			after: func(f *fleet, _ wire.Instant, in plane.Input, _ *plane.Output) {
				if steps%8 != 0 {
					return
				}
				equal(t, "the clone after a step of its original", string(behind.AppendState(nil)), state)
				equal(t, "the clone after the same step, "+in.String(), string(ahead.AppendState(nil)), string(f.plane.AppendState(nil)))
			},
		})
		f.play(runLength)
	})
}

func TestACloneCountsAnew(t *testing.T) {
	b := everything(t)
	clone, read := b.plane.Clone(), restored(t, plane.Config{}, b.plane.AppendState(nil))
	equal(t, "the counts", clone.Stats(), read.Stats())
	equal(t, "the state", string(clone.AppendState(nil)), string(b.plane.AppendState(nil)))
}

// Whom an operator has excused is a matter of each plane's own (PROTOCOL R2).
func TestACloneExcusesNobodyWithItsOriginal(t *testing.T) {
	b := started(t)
	b.step(open("stable@r1", "h1=c2", "h2=c2"))
	b.tell("h1", "stable@r1", acked, broken)
	b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
	b.tell("h2", "stable@r1", acked, broken)
	clone := b.plane.Clone()
	state := string(clone.AppendState(nil))
	b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
	equal(t, "the clone", string(clone.AppendState(nil)), state)
}

func BenchmarkClone(b *testing.B) {
	p, err := plane.New(plane.Config{})
	if err != nil {
		b.Fatal(err)
	}
	var out plane.Output
	m := wire.Manifest{Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
	for i := range 1000 {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(fmt.Sprintf("h%d", i)), TargetClosure: "c1"})
	}
	p.Step(instant(0), &plane.OpenRollout{Manifest: m}, &out)
	b.ReportAllocs()
	for b.Loop() {
		p.Clone()
	}
}
