package wire_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestAnExampleIsWrittenAsItWasRead(t *testing.T) {
	eachDocument(t, func(t *testing.T, doc document) {
		value, err := doc.decode(new(wire.Decoder), []byte(doc.example()))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(doc.encode(value)); got != doc.example() {
			t.Errorf("written differently:\n got %s\nwant %s", got, doc.example())
		}
	})
}

// The examples have to reach every member, or the tests that are made from
// them would pass over some.
func TestAnExampleHasEveryMember(t *testing.T) {
	eachDocument(t, func(t *testing.T, doc document) {
		value, err := doc.decode(new(wire.Decoder), []byte(doc.example()))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range unsetFields(reflect.ValueOf(value), "") {
			if path != ".Event.Body.ExitCode" && path != ".Hosts[0].Wave" { // zero is a value there
				t.Errorf("the example leaves %s unset", path)
			}
		}
	})
}

func unsetFields(v reflect.Value, path string) (unset []string) {
	switch v.Kind() {
	case reflect.Interface:
		return unsetFields(v.Elem(), path)
	case reflect.Slice:
		if v.Len() == 0 {
			return []string{path}
		}
		return unsetFields(v.Index(0), path+"[0]")
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[wire.Time]() {
			for i := range v.NumField() {
				unset = append(unset, unsetFields(v.Field(i), path+"."+v.Type().Field(i).Name)...)
			}
			return unset
		}
	}
	if v.IsZero() {
		return []string{path}
	}
	return nil
}

// What was written reads back to an equal value and is written the same again,
// and it is JSON by the standard library's judgement. The decoder is reused and
// has a failure behind it each time.
func TestAnyDocumentReadsBackAsItWasWritten(t *testing.T) {
	eachDocument(t, func(t *testing.T, doc document) {
		var decoder wire.Decoder
		rapid.Check(t, func(t *rapid.T) {
			want := doc.draw(t)
			body := doc.encode(want)
			if !json.Valid(body) {
				t.Fatalf("not JSON: %s", body)
			}
			if _, err := doc.decode(&decoder, body[:len(body)-1]); err == nil {
				t.Fatal("a document without its last byte was accepted")
			}
			got, err := doc.decode(&decoder, body)
			if err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("read back differently:\n got %+v\nwant %+v", got, want)
			}
			if again := doc.encode(got); !bytes.Equal(again, body) {
				t.Fatalf("written differently:\n got %s\nwant %s", again, body)
			}
		})
	})
}

// A document keeps nothing of the bytes that it was read from, since servers
// reuse the buffers of bodies.
func TestADocumentOutlivesItsBody(t *testing.T) {
	eachDocument(t, func(t *testing.T, doc document) {
		body := []byte(doc.example())
		value, err := doc.decode(new(wire.Decoder), body)
		if err != nil {
			t.Fatal(err)
		}
		for i := range body {
			body[i] = '#'
		}
		if got := string(doc.encode(value)); got != doc.example() {
			t.Errorf("changed with its body: %s", got)
		}
	})
}

// Decoding starts from nothing: members of an earlier document do not shine
// through where the later one has none.
func TestDecodingOverwritesWhatWasThere(t *testing.T) {
	var decoder wire.Decoder
	request := wire.HeartbeatRequest{RolloutID: "stable@1", CurrentClosure: "old"}
	body := `{"hostname":"h","at":"2026-01-31T12:00:00Z"}`
	if err := wire.DecodeDocument(&decoder, &wire.HeartbeatRequestSchema, []byte(body), &request); err != nil {
		t.Fatal(err)
	}
	if request.RolloutID != "" || request.CurrentClosure != "" {
		t.Errorf("members of an earlier document are left: %+v", request)
	}
}

// Spelling does not matter: white space, escapes, the order of the members.
func TestSpellingsOfADocumentAreEqual(t *testing.T) {
	eachDocument(t, func(t *testing.T, doc document) {
		tree := parseTree(t, doc.example())
		for _, n := range tree.all("") {
			slices.Reverse(n.node.members)
		}
		reversed := tree.String()
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(reversed), "\r\n", "\t "); err != nil {
			t.Fatal(err)
		}
		for _, spelling := range []string{reversed, " " + indented.String() + "\n", escapeLetters(reversed)} {
			value, err := doc.decode(new(wire.Decoder), []byte(spelling))
			if err != nil {
				t.Errorf("%v in %s", err, spelling)
				continue
			}
			if got := string(doc.encode(value)); got != doc.example() {
				t.Errorf("read differently from %s:\n got %s\nwant %s", spelling, got, doc.example())
			}
		}
	})
}

// escapeLetters writes every e of a string as an escape. None of the examples
// has an e in a literal or behind a backslash, except in true.
func escapeLetters(document string) string {
	document = strings.ReplaceAll(document, ":true", ":TRUE")
	document = strings.ReplaceAll(document, "e", `\u0065`)
	return strings.ReplaceAll(document, ":TRUE", ":true")
}

func TestUnsetMembersAreLeftOutAndAnEmptyArrayIsUnset(t *testing.T) {
	var decoder wire.Decoder
	body := `{"received_at":null,"bootstrap_rollouts":[]}`
	var response wire.HeartbeatResponse
	if err := wire.DecodeDocument(&decoder, &wire.HeartbeatResponseSchema, []byte(body), &response); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(response, wire.HeartbeatResponse{}) {
		t.Errorf("not the zero value: %#v", response)
	}
	// received_at is null and not left out (PROTOCOL H).
	if got := string(wire.HeartbeatResponseSchema.Append(nil, &response)); got != `{"received_at":null}` {
		t.Errorf("got %s", got)
	}
}

// A page is only ever written.
func TestAPageNamesItsListAndWhereTheNextOneStarts(t *testing.T) { // PROTOCOL R5
	page := wire.Page[wire.Revocation]{Name: "revocations", Schema: &wire.RevocationSchema}
	if got, want := string(page.AppendJSON(nil)), `{"revocations":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	page.Items = []wire.Revocation{{CommonName: "a"}, {CommonName: "b"}}
	page.Next = `b"`
	if got, want := string(page.AppendJSON([]byte("·"))), `·{"revocations":[{"common_name":"a"},{"common_name":"b"}],"next":"b\""}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Text that a Go caller made out of bytes that are not UTF-8 must not make a
// body that is not JSON.
func TestTextThatIsNotUTF8IsWrittenAsReplacementCharacters(t *testing.T) {
	problem := wire.Problem{Type: "t", Title: "a\xffb", Reason: "r"}
	got := wire.ProblemSchema.Append(nil, &problem)
	if !json.Valid(got) || !strings.Contains(string(got), `"title":"a`+"\ufffd"+`b"`) {
		t.Errorf("got %s", got)
	}
}
