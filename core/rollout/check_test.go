package rollout_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestARecordOfEveryStateIsSound(t *testing.T) {
	for _, r := range records(t) {
		sound(t, &r)
	}
}

// Each case breaks one thing on a sound record and names the invariant that
// has to notice it, and the member.
func TestEachInvariantNoticesABrokenRecord(t *testing.T) {
	type breaking struct {
		state  wire.State
		spoil  func(*rollout.Record)
		number int
		member string
	}
	unset := wire.Time{}
	withProbes := func(spoil func(p []rollout.Probe)) func(*rollout.Record) {
		return func(r *rollout.Record) {
			r.Probes = []rollout.Probe{
				{Name: "db", Mode: wire.Enforce, Status: wire.Pass, LastObservedAt: at(120)},
				{Name: "http", Mode: wire.Enforce},
			}
			spoil(r.Probes)
		}
	}
	for i, c := range []breaking{
		{wire.Soaking, func(r *rollout.Record) { r.RolloutID = "stable" }, 1, "rolloutId"},
		{wire.Soaking, func(r *rollout.Record) { r.Hostname = "" }, 1, "hostname"},
		{wire.Soaking, func(r *rollout.Record) { r.TargetClosure = "" }, 1, "targetClosure"},
		{wire.Soaking, func(r *rollout.Record) { r.CurrentClosureAtDispatch = "c 1" }, 1, "currentClosureAtDispatch"},
		{wire.Soaking, func(r *rollout.Record) { r.CurrentClosure = "c 2" }, 1, "currentClosure"},
		{wire.Soaking, func(r *rollout.Record) { r.Wave = -1 }, 1, "wave"},
		{wire.Soaking, func(r *rollout.Record) { r.SoakSeconds = -1 }, 1, "soakSeconds"},

		{wire.Pending, func(r *rollout.Record) { r.State = 0 }, 2, "state"},
		{wire.Reverted, func(r *rollout.Record) { r.State = wire.Reverted + 1 }, 2, "state"},
		{wire.Soaking, func(r *rollout.Record) { r.LastEventSeq = wire.MaxSeq + 1 }, 2, "lastEventSeq"},

		{wire.Pending, func(r *rollout.Record) { r.LastEventSeq = 1 }, 3, "lastEventSeq"},
		{wire.Activating, func(r *rollout.Record) { r.LastEventSeq = 0 }, 3, "lastEventSeq"},
		{wire.Deferred, func(r *rollout.Record) { r.LastEventSeq = 0 }, 3, "lastEventSeq"},
		{wire.Converged, func(r *rollout.Record) { r.LastEventSeq = 0 }, 3, "lastEventSeq"},
		{wire.Failed, func(r *rollout.Record) { r.LastEventSeq = 0 }, 3, "lastEventSeq"},
		{wire.Reverted, func(r *rollout.Record) { r.LastEventSeq = 0 }, 3, "lastEventSeq"},

		{wire.Activating, func(r *rollout.Record) { r.DispatchAckedAt = unset }, 4, "dispatchAckedAt"},
		{wire.Reverted, func(r *rollout.Record) { r.DispatchAckedAt = unset }, 4, "dispatchAckedAt"},
		{wire.Pending, func(r *rollout.Record) { r.DispatchAckedAt = at(1) }, 4, "dispatchAckedAt"},
		{wire.Pending, func(r *rollout.Record) { r.ActivationStartedAt = at(1) }, 4, "activationStartedAt"},
		{wire.Pending, func(r *rollout.Record) { r.CurrentClosureAtDispatch = was }, 4, "currentClosureAtDispatch"},

		{wire.Pending, func(r *rollout.Record) { r.CurrentClosure = was }, 5, "currentClosure"},
		{wire.Activating, func(r *rollout.Record) { r.CurrentClosure = was }, 5, "currentClosure"},
		{wire.Deferred, func(r *rollout.Record) { r.CurrentClosure = was }, 5, "currentClosure"},
		{wire.Pending, func(r *rollout.Record) { r.ActivationCompletedAt = at(1) }, 5, "activationCompletedAt"},
		{wire.Deferred, func(r *rollout.Record) { r.ActivationCompletedAt = at(1) }, 5, "activationCompletedAt"},
		{wire.Soaking, func(r *rollout.Record) { r.ActivationCompletedAt = unset }, 5, "activationCompletedAt"},
		{wire.Soaking, func(r *rollout.Record) { r.CurrentClosure = "" }, 5, "currentClosure"},
		{wire.Converged, func(r *rollout.Record) { r.ActivationCompletedAt = unset }, 5, "activationCompletedAt"},
		{wire.Converged, func(r *rollout.Record) { r.CurrentClosure = "" }, 5, "currentClosure"},
		{wire.Converged, func(r *rollout.Record) { r.CurrentClosure = other }, 5, "currentClosure"},
		{wire.Reverted, func(r *rollout.Record) { r.CurrentClosure = "" }, 5, "currentClosure"},

		{wire.Pending, func(r *rollout.Record) { r.SoakDueAt = unset }, 6, "soakDueAt"},
		{wire.Soaking, func(r *rollout.Record) { r.DispatchedAt, r.SoakDueAt = unset, unset }, 6, "soakDueAt"},

		{wire.Pending, func(r *rollout.Record) { r.EndedAt = at(1) }, 7, "endedAt"},
		{wire.Soaking, func(r *rollout.Record) { r.EndedAt = at(1) }, 7, "endedAt"},

		{wire.Soaking, func(r *rollout.Record) { r.Marks = 1 << 4 }, 8, "synthesised"},
		{wire.Failed, func(r *rollout.Record) {
			r.DispatchedAt, r.ActivationCompletedAt, r.SoakDueAt = unset, unset, unset
			r.Marks = rollout.MarkActivationCompletedAt
		}, 8, "synthesised"},
		{wire.Failed, func(r *rollout.Record) {
			r.CurrentClosure = ""
			r.Marks = rollout.MarkActivationCompletedAt | rollout.MarkCurrentClosure
		}, 8, "synthesised"},
		{wire.Failed, func(r *rollout.Record) {
			r.DispatchedAt, r.ActivationCompletedAt, r.SoakDueAt = unset, unset, unset
			r.Marks = rollout.MarkSoakDueAt
		}, 8, "synthesised"},
		{wire.Activating, func(r *rollout.Record) { r.Marks = rollout.MarkDispatchAckedAt }, 8, "synthesised"},
		{wire.Deferred, func(r *rollout.Record) { r.Marks = rollout.MarkDispatchAckedAt }, 8, "synthesised"},
		{wire.Soaking, func(r *rollout.Record) { r.Marks = rollout.MarkSoakDueAt }, 8, "synthesised"},
		{wire.Soaking, func(r *rollout.Record) { r.Marks = rollout.MarkCurrentClosure }, 8, "synthesised"},
		{wire.Soaking, func(r *rollout.Record) {
			r.Marks = rollout.MarkCurrentClosure | rollout.MarkActivationCompletedAt
			r.CurrentClosure = other
		}, 8, "currentClosure"},

		{wire.Activating, withProbes(func([]rollout.Probe) {}), 9, "probes"},
		{wire.Converged, withProbes(func([]rollout.Probe) {}), 9, "probes"},
		{wire.Soaking, func(r *rollout.Record) {
			for i := range rollout.MaxProbes + 1 {
				r.Probes = append(r.Probes, rollout.Probe{Name: wire.Name(fmt.Sprintf("%05d", i)), Mode: wire.Enforce})
			}
		}, 9, "probes"},
		{wire.Soaking, withProbes(func(p []rollout.Probe) { p[0].Name = "" }), 9, "probes[0].probeName"},
		{wire.Soaking, withProbes(func(p []rollout.Probe) { p[0].Name = "zz" }), 9, "probes[1].probeName"},
		{wire.Soaking, withProbes(func(p []rollout.Probe) { p[1].Name = "db" }), 9, "probes[1].probeName"},
		{wire.Failed, withProbes(func(p []rollout.Probe) { p[1].Mode = 0 }), 9, "probes[1].mode"},
		{wire.Reverted, withProbes(func(p []rollout.Probe) { p[1].Mode = wire.Disabled + 1 }), 9, "probes[1].mode"},
		{wire.Soaking, withProbes(func(p []rollout.Probe) { p[0].Status = wire.Fail + 1 }), 9, "probes[0].status"},
		{wire.Soaking, withProbes(func(p []rollout.Probe) { p[0].LastObservedAt = unset }), 9, "probes[0].lastObservedAt"},
		{wire.Soaking, withProbes(func(p []rollout.Probe) { p[1].LastObservedAt = at(1) }), 9, "probes[1].lastObservedAt"},
		{wire.Soaking, withProbes(func(p []rollout.Probe) { p[0].FirstFailedAt = at(1) }), 9, "probes[0].firstFailedAt"},
	} {
		t.Run(fmt.Sprintf("case %d, invariant %d, %s", i+1, c.number, c.member), func(t *testing.T) {
			r := after(t, ways[c.state]...)
			c.spoil(&r)
			err := r.Check()
			if err == nil {
				t.Fatal("the broken record was called sound")
			}
			if wanted := fmt.Sprintf("breaks invariant %d: %s: want ", c.number, c.member); !strings.Contains(err.Error(), wanted) {
				t.Errorf("the error is %q, want it to contain %q", err, wanted)
			}
		})
	}
}

func TestAMarkNeedsAValue(t *testing.T) {
	// A record with the mark and without the value, one mark at a time; the
	// state is one that allows the value to be unset.
	r := after(t, acked, wire.ActivationFailed{FailedAt: at(90)})
	for _, mark := range []rollout.Marks{rollout.MarkActivationCompletedAt, rollout.MarkCurrentClosure} {
		r.Marks = mark
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), "invariant 8: synthesised: want marks on values that are set only") {
			t.Errorf("mark %b without its value: %v", mark, err)
		}
	}
}

func TestProbesAtTheirLimitsAreSound(t *testing.T) {
	r := after(t, ways[wire.Soaking]...)
	for i := range rollout.MaxProbes {
		r.Probes = append(r.Probes, rollout.Probe{
			Name: wire.Name(fmt.Sprintf("%05d", i)), Mode: wire.Disabled, Status: wire.Fail, LastObservedAt: at(120), FirstFailedAt: at(110),
		})
	}
	sound(t, &r)
	r.LastEventSeq = wire.MaxSeq
	sound(t, &r)
}

// What is read from a store is verified as it is read.
func TestADocumentThatBreaksAnInvariantIsRefused(t *testing.T) {
	for _, c := range []struct{ body, field, problem string }{
		{`{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":0,"state":"Pending","targetClosure":"c2","lastEventSeq":3}`,
			"lastEventSeq", "want 0 in Pending"},
		{`{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":0,"state":"Pending","targetClosure":"c2","endedAt":"2026-01-31T12:00:00Z","lastEventSeq":0}`,
			"endedAt", "want none in Pending"},
		{`{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":0,"state":"Pending","targetClosure":"c2","lastEventSeq":0,"synthesised":["endedAt"]}`,
			"synthesised", "want names among dispatchAckedAt, activationCompletedAt, soakDueAt and currentClosure"},
		{`{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":0,"state":"Pending","targetClosure":"c2","lastEventSeq":0,"synthesised":"endedAt"}`,
			"synthesised", "want an array of strings, got a string"},
		{`{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":0,"targetClosure":"c2","lastEventSeq":0}`,
			"state", "is missing"},
		{`{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":0,"state":"Failed","targetClosure":"c2","dispatchAckedAt":"2026-01-31T12:00:00Z","lastEventSeq":2,"probes":[{"probeName":"db","mode":"enforce"},{"probeName":"db","mode":"enforce"}]}`,
			"probes[1].probeName", "want probes sorted by name, each once"},
	} {
		var r rollout.Record
		err := wire.DecodeDocument(new(wire.Decoder), &rollout.RecordSchema, []byte(c.body), &r)
		var wrong *wire.FieldError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v, want a field error", c.body, err)
			continue
		}
		equal(t, "the field", wrong.Field, c.field)
		equal(t, "the problem", wrong.Problem, c.problem)
	}
}
