package wire_test

import (
	"net/textproto"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

func eachCode(visit func(code wire.Code)) {
	for i := range wire.CodeCount {
		visit(wire.Code(i))
	}
}

// Agents and dashboards know the reasons by name, so that the table of
// testdata/codes.txt may grow and not change; this is what holds for any table.
func TestEachCodeHasOneStatusAndEachRefusalOneReason(t *testing.T) { // PROTOCOL T10
	seen := map[string]wire.Code{}
	eachCode(func(code wire.Code) {
		refusal := code.Status() >= 400
		if !refusal && code.Status() != 200 && code.Status() != 201 && code.Status() != 202 && code.Status() != 204 {
			t.Errorf("%v has the status %d", code, code.Status())
		}
		if refusal != (code.Reason() != "") {
			t.Errorf("%v has the status %d and the reason %q", code, code.Status(), code.Reason())
		}
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(code.String()) {
			t.Errorf("%q is not a word", code)
		}
		if other, taken := seen[code.String()]; taken {
			t.Errorf("codes %d and %d are both %q", other, code, code)
		}
		seen[code.String()] = code
	})
}

func TestSevenReasonsAreA503(t *testing.T) { // PROTOCOL G1, G2, G9, G10
	var unavailable []wire.Code
	eachCode(func(code wire.Code) {
		// The files of a release are none of the reducer's (V1).
		if code.Unavailable() != (code.Status() == 503 && code != wire.ReleaseUnavailable) {
			t.Errorf("%v has the status %d and is unavailable: %v", code, code.Status(), code.Unavailable())
		}
		if code.Unavailable() {
			unavailable = append(unavailable, code)
		}
	})
	if !slices.Equal(unavailable, wire.UnavailableCodes[:]) {
		t.Errorf("got %v, want %v", unavailable, wire.UnavailableCodes)
	}
	want := []string{"not_started", "saturated", "closed", "dropped_reply", "timeout", "store_unavailable", "over_budget"}
	for i, code := range wire.UnavailableCodes {
		if code.Reason() != want[i] {
			t.Errorf("got %v, want %v", code, want[i])
		}
	}
}

// drawOutcome makes an outcome with everything set that any code could use.
func drawOutcome(t *rapid.T, code wire.Code) wire.Outcome {
	outcome := wire.Outcome{
		Code:       code,
		Replay:     rapid.Bool().Draw(t, "replay"),
		ReplayFrom: drawOptional(t, drawSeq),
		RetryAfter: time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "retry after")),
		Heartbeat:  drawHeartbeatResponse(t),
		Field:      string(drawOptional(t, drawText)),
		Detail:     string(drawOptional(t, drawText)),
		Allow:      "GET, POST",
	}
	if rapid.Bool().Draw(t, "document") {
		revocation := drawRevocation(t)
		outcome.Document = &revocation
	}
	return outcome
}

// An answer has the code's status, headers that HTTP can carry, each once, and
// the body that its content type promises. The answer is reused, so that
// nothing of the one before may be left in it.
func TestAnyOutcomeIsAWellFormedAnswer(t *testing.T) { // PROTOCOL T10
	var answer wire.Answer
	eachCode(func(code wire.Code) {
		t.Run(code.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				outcome := drawOutcome(t, code)
				requestID := string(drawOptional(t, drawText))
				outcome.Write(requestID, &answer)
				if answer.Status != code.Status() {
					t.Fatalf("got the status %d", answer.Status)
				}
				checkHeaders(t, &outcome, &answer)
				checkBody(t, &outcome, requestID, &answer)
			})
		})
	})
}

func checkHeaders(t *rapid.T, outcome *wire.Outcome, answer *wire.Answer) {
	has := map[string]string{}
	for _, h := range answer.Header {
		if textproto.CanonicalMIMEHeaderKey(h.Name) != h.Name && h.Name != "WWW-Authenticate" {
			t.Fatalf("%s is not in canonical form", h.Name)
		}
		if _, repeated := has[h.Name]; repeated {
			t.Fatalf("%s is there twice", h.Name)
		}
		if h.Value == "" || strings.ContainsAny(h.Value, "\r\n\x00") {
			t.Fatalf("%s has the value %q", h.Name, h.Value)
		}
		if answer.Get(h.Name) != h.Value {
			t.Fatalf("Get(%s) is %q, want %q", h.Name, answer.Get(h.Name), h.Value)
		}
		has[h.Name] = h.Value
	}
	if answer.Get("X-Absent") != "" {
		t.Fatal("an absent header has a value")
	}

	// Replay-From exactly when asked for (PROTOCOL H2, E6, E7).
	replay, hasReplay := has[wire.HeaderReplayFrom]
	if hasReplay != outcome.Replay || hasReplay && replay != strconv.FormatUint(uint64(outcome.ReplayFrom), 10) {
		t.Fatalf("replay %v from %d: the header is %q", outcome.Replay, outcome.ReplayFrom, replay)
	}

	// Retry-After always and only on a 503 and a 429, in whole seconds, at least one, and
	// never before the slot (PROTOCOL G4).
	retry, hasRetry := has[wire.HeaderRetryAfter]
	if hasRetry != (outcome.Code.Status() == 503 || outcome.Code.Status() == 429) {
		t.Fatalf("Retry-After is %q", retry)
	}
	if hasRetry {
		seconds, err := strconv.Atoi(retry)
		slot := time.Duration(seconds) * time.Second
		if err != nil || seconds < 1 || slot < outcome.RetryAfter || slot >= max(outcome.RetryAfter, 0)+time.Second && seconds != 1 {
			t.Fatalf("Retry-After is %q for %v", retry, outcome.RetryAfter)
		}
	}

	// What HTTP itself wants (RFC 9110, 10.2.1, 11.6.1 and 15.5.22).
	for name, status := range map[string]int{"Allow": 405, "WWW-Authenticate": 401, wire.HeaderProtocol: 426} {
		if _, found := has[name]; found != (outcome.Code.Status() == status) {
			t.Fatalf("%s is %q", name, has[name])
		}
	}
	if _, found := has[wire.HeaderContentType]; found != (outcome.Code != wire.NoContent) {
		t.Fatalf("the content type is %q", has[wire.HeaderContentType])
	}
}

func checkBody(t *rapid.T, outcome *wire.Outcome, requestID string, answer *wire.Answer) {
	media := answer.Get(wire.HeaderContentType)
	switch {
	case outcome.Code == wire.NoContent:
		if len(answer.Body) > 0 {
			t.Fatalf("a 204 has the body %s", answer.Body)
		}
	case outcome.Code.Reason() == "":
		want := wire.HeartbeatResponseSchema.Append(nil, &outcome.Heartbeat)
		if outcome.Document != nil {
			want = outcome.Document.AppendJSON(nil)
		}
		if media != wire.MediaJSON || string(answer.Body) != string(want) {
			t.Fatalf("got %s %s, want %s", media, answer.Body, want)
		}
	default:
		var problem wire.Problem
		if err := wire.DecodeDocument(new(wire.Decoder), &wire.ProblemSchema, answer.Body, &problem); err != nil {
			t.Fatalf("%v in %s", err, answer.Body)
		}
		want := wire.Problem{
			Type: wire.Text("urn:refrain:problem:" + outcome.Code.Reason()), Title: problem.Title,
			Status: wire.Int(outcome.Code.Status()), Reason: wire.Name(outcome.Code.Reason()),
			Detail: wire.Text(outcome.Detail), Field: wire.Text(outcome.Field), RequestID: wire.Text(requestID),
		}
		if media != wire.MediaProblem || problem.Title == "" || !reflect.DeepEqual(problem, want) {
			t.Fatalf("got %s %+v, want %+v", media, problem, want)
		}
	}
}

func TestRetryAfterIsRoundedUpAndNeverZero(t *testing.T) { // PROTOCOL G4
	for _, test := range []struct {
		slot time.Duration
		want string
	}{
		{-time.Hour, "1"}, {-time.Nanosecond, "1"}, {0, "1"}, {time.Nanosecond, "1"}, {time.Second, "1"},
		{time.Second + 1, "2"}, {1999 * time.Millisecond, "2"}, {2 * time.Second, "2"}, {time.Hour, "3600"},
		{1<<63 - 1, "9223372037"},
	} {
		for _, code := range wire.UnavailableCodes {
			outcome := wire.Unavailable(code, test.slot)
			var answer wire.Answer
			outcome.Write("", &answer)
			if got := answer.Get(wire.HeaderRetryAfter); got != test.want {
				t.Errorf("%v, %v: got %q, want %q", code, test.slot, got, test.want)
			}
		}
	}
}

// The text of a 503 says whether the input may have been applied.
func TestA503SaysWhetherTheInputMayHaveBeenApplied(t *testing.T) { // PROTOCOL G1, G2
	for _, code := range wire.UnavailableCodes {
		outcome := wire.Unavailable(code, time.Second)
		want := "nothing was applied"
		if code == wire.DroppedReply || code == wire.Timeout {
			want = "may have been applied"
		}
		if !strings.Contains(outcome.Detail, want) {
			t.Errorf("%v: %q does not say %q", code, outcome.Detail, want)
		}
	}
}

func TestRefuseKeepsTheFieldAndTheDetail(t *testing.T) {
	got := wire.Refuse(wire.WrongShape, "at", "is missing")
	if want := (wire.Outcome{Code: wire.WrongShape, Field: "at", Detail: "is missing"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// The steady state of a plane: an answer to a heartbeat allocates nothing.
func TestAHeartbeatsAnswerIsWrittenWithoutAllocating(t *testing.T) {
	outcome := wire.Outcome{Heartbeat: wire.HeartbeatResponse{ReceivedAt: wire.TimeOf(time.Unix(1_769_860_800, 1))}}
	var answer wire.Answer
	outcome.Write("", &answer)
	if n := testing.AllocsPerRun(100, func() { outcome.Write("", &answer) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The documents that an answer can carry write themselves by their schemas.
func TestADocumentInAnAnswerIsTheDocument(t *testing.T) {
	carried := 0
	eachDocument(t, func(t *testing.T, doc document) {
		value, err := doc.decode(new(wire.Decoder), []byte(doc.example()))
		if err != nil {
			t.Fatal(err)
		}
		pointer := reflect.New(reflect.TypeOf(value))
		pointer.Elem().Set(reflect.ValueOf(value))
		body, ok := pointer.Interface().(wire.Document)
		if !ok {
			return
		}
		carried++
		outcome := wire.Outcome{Code: wire.Created, Document: body}
		var answer wire.Answer
		outcome.Write("", &answer)
		if string(answer.Body) != doc.example() {
			t.Errorf("got %s", answer.Body)
		}
	})
	if carried < 5 {
		t.Errorf("only %d documents can be carried: the search is broken", carried)
	}
}
