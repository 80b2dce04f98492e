package wire_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The files of testdata show documents and what becomes of them:
//
//	decode <document>    the canonical JSON, or the status and what is wrong
//	codes                every code with its status
//	answer code=<code>   the answer of an outcome: status, headers, body
//
// The documents' names are those of documents_test.go; an event goes by
// "event", whatever its kind.
func TestDataDriven(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var decoder wire.Decoder
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "decode":
				return decodeCommand(t, &decoder, d)
			case "codes":
				return codesCommand()
			case "answer":
				return answerCommand(t, d)
			default:
				d.Fatalf(t, "no such command: %s", d.Cmd)
				return ""
			}
		})
	})
}

func decodeCommand(t *testing.T, decoder *wire.Decoder, d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	if name == "event" {
		name = "event Converged"
	}
	doc, found := documents[name]
	if !found {
		d.Fatalf(t, "no such document: %s", name)
	}
	value, err := doc.decode(decoder, []byte(d.Input))
	var syntax *wire.SyntaxError
	var field *wire.FieldError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("%d %v", wire.NotJSON.Status(), err)
	case errors.As(err, &field):
		return fmt.Sprintf("%d %v", wire.WrongShape.Status(), err)
	case err != nil:
		d.Fatalf(t, "neither a SyntaxError nor a FieldError: %v", err)
	}
	return string(doc.encode(value))
}

func codesCommand() string {
	var b strings.Builder
	eachCode(func(code wire.Code) {
		kind := "refusal"
		if code.Reason() == "" {
			kind = "success"
		}
		fmt.Fprintf(&b, "%d %-22s %s\n", code.Status(), code, kind)
	})
	return b.String()
}

func answerCommand(t *testing.T, d *datadriven.TestData) string {
	var outcome wire.Outcome
	var word, retryAfter, requestID string
	d.ScanArgs(t, "code", &word)
	found := false
	eachCode(func(code wire.Code) {
		if code.String() == word {
			outcome.Code, found = code, true
		}
	})
	if !found {
		d.Fatalf(t, "no such code: %s", word)
	}
	if d.HasArg("retry-after") {
		d.ScanArgs(t, "retry-after", &retryAfter)
		slot, err := time.ParseDuration(retryAfter)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		outcome = wire.Unavailable(outcome.Code, slot)
	}
	if d.HasArg("replay-from") {
		var from uint64
		d.ScanArgs(t, "replay-from", &from)
		outcome.Replay, outcome.ReplayFrom = true, wire.Seq(from)
	}
	d.MaybeScanArgs(t, "field", &outcome.Field)
	d.MaybeScanArgs(t, "allow", &outcome.Allow)
	d.MaybeScanArgs(t, "request-id", &requestID)
	if outcome.Detail == "" {
		outcome.Detail = d.Input
	} else if d.Input != "" {
		d.Fatalf(t, "a 503 has its own detail")
	}
	if outcome.Code == wire.OK && d.Input != "" {
		value, err := documents["heartbeat-answer"].decode(new(wire.Decoder), []byte(d.Input))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		outcome.Heartbeat = value.(wire.HeartbeatResponse)
	}
	var answer wire.Answer
	outcome.Write(requestID, &answer)
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", answer.Status)
	for _, h := range answer.Header {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	if len(answer.Body) > 0 {
		fmt.Fprintf(&b, "%s\n", answer.Body)
	}
	return b.String()
}
