package rollout_test

import (
	"reflect"
	"testing"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// reread writes a record, reads it back and wants it unchanged.
func reread(t fataler, r *rollout.Record) rollout.Record {
	var again rollout.Record
	body := r.AppendJSON(nil)
	if err := wire.DecodeDocument(new(wire.Decoder), &rollout.RecordSchema, body, &again); err != nil {
		t.Fatalf("%s does not read back: %v", body, err)
	}
	if !reflect.DeepEqual(*r, again) {
		t.Fatalf("%s reads back as %+v, want %+v", body, again, *r)
	}
	return again
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Fatalf(format string, args ...any)
}

func TestARecordOfEveryStateReadsBack(t *testing.T) {
	for _, r := range records(t) {
		reread(t, &r)
	}
}

func TestAProbeIsWrittenWithAllItsMembers(t *testing.T) {
	r := after(t, acked, completed,
		wire.ProbeObservedFirst{ProbeName: "http", Mode: wire.Enforce, ObservedAt: at(110)},
		result("http", wire.Enforce, wire.Fail, 120),
		wire.ProbeFailureFirst{ProbeName: "http", Mode: wire.Enforce, FirstFailedAt: at(130)})
	reread(t, &r)
	equal(t, "the probe", string(rollout.ProbeSchema.Append(nil, &r.Probes[0])),
		`{"probeName":"http","mode":"enforce","status":"fail","firstObservedAt":"`+at(110).String()+
			`","lastObservedAt":"`+at(120).String()+`","firstFailedAt":"`+at(130).String()+`"}`)
}

func TestMarksAreWrittenInOneOrder(t *testing.T) {
	r := confirmed(t, wire.Pending)
	body := text(&r)
	var again rollout.Record
	shuffled := []byte(`{"synthesised":["currentClosure","soakDueAt","dispatchAckedAt","activationCompletedAt"],` + body[1:len(body)-len(`,"synthesised":["dispatchAckedAt","activationCompletedAt","soakDueAt","currentClosure"]}`)] + "}")
	if err := wire.DecodeDocument(new(wire.Decoder), &rollout.RecordSchema, shuffled, &again); err != nil {
		t.Fatal(err)
	}
	equal(t, "the record", text(&again), body)
}
