package fuzz

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/refrain-fleet/refrain/core/wire"
)

func FuzzHeartbeat(f *testing.F) { // PROTOCOL H, T7, T8
	f.Fuzz(func(t *testing.T, body []byte) {
		request, ok := decode(t, &wire.HeartbeatRequestSchema, body)
		if !ok {
			return
		}
		members := object(t, body)
		sameString(t, members, "hostname", string(request.Hostname))
		sameString(t, members, "rollout_id", string(request.RolloutID))
		sameString(t, members, "current_closure", string(request.CurrentClosure))
		if !request.At.IsSet() {
			t.Error("a heartbeat without a time was accepted")
		}
		if _, err := wire.ParseHostname(string(request.Hostname)); err != nil {
			t.Errorf("accepted the hostname %q: %v", request.Hostname, err)
		}
	})
}

func FuzzEvent(f *testing.F) { // PROTOCOL E, T7, T8
	f.Fuzz(func(t *testing.T, body []byte) {
		envelope, ok := decode(t, &wire.EventEnvelopeSchema, body)
		if !ok {
			return
		}
		members := object(t, body)
		sameString(t, members, "hostname", string(envelope.Hostname))
		sameString(t, members, "rolloutId", string(envelope.RolloutID))
		event := object(t, members["event"])
		sameString(t, event, "kind", envelope.Event.Body.Kind().String())
		if seq, err := wire.ParseSeq(string(event["seq"])); err != nil || seq != envelope.Event.Seq || seq == 0 {
			t.Errorf("the number %s was read as %d", event["seq"], envelope.Event.Seq)
		}
		if !envelope.Event.Body.At().IsSet() {
			t.Error("an event without a time was accepted")
		}
		if text := envelope.Event.String(); text == "" || bytes.ContainsAny([]byte(text), "\n\r") {
			t.Errorf("an event is described as %q", text)
		}
	})
}

func FuzzManifest(f *testing.F) { // PROTOCOL R1, T7, T8
	f.Fuzz(func(t *testing.T, body []byte) {
		manifest, ok := decode(t, &wire.ManifestSchema, body)
		if !ok {
			return
		}
		if _, err := wire.ParseRolloutID(string(manifest.ID())); err != nil {
			t.Errorf("the manifest's ID %q: %v", manifest.ID(), err)
		}
		if manifest.ID().Channel() != manifest.Channel {
			t.Errorf("the ID %q is of the channel %q, want %q", manifest.ID(), manifest.ID().Channel(), manifest.Channel)
		}
		if len(manifest.Hosts) == 0 || len(manifest.Policy.Waves) == 0 {
			t.Error("a manifest without hosts or without waves was accepted")
		}
		seen := map[wire.Hostname]bool{}
		for _, host := range manifest.Hosts {
			if seen[host.Hostname] {
				t.Errorf("%s is twice in the manifest", host.Hostname)
			}
			seen[host.Hostname] = true
			if host.Wave < 0 || int(host.Wave) >= len(manifest.Policy.Waves) {
				t.Errorf("%s is in wave %d of %d", host.Hostname, host.Wave, len(manifest.Policy.Waves))
			}
		}
	})
}

// decode reads body and verifies what holds for every document. It reports
// whether body was accepted.
func decode[T any](t *testing.T, schema *wire.Schema[T], body []byte) (doc T, accepted bool) {
	t.Helper()
	given := bytes.Clone(body)
	err := wire.DecodeDocument(new(wire.Decoder), schema, body, &doc)
	if !bytes.Equal(body, given) {
		t.Fatal("the body was changed")
	}
	if err != nil {
		checkRefusal(t, body, err)
		return doc, false
	}
	if !json.Valid(body) {
		t.Fatal("accepted, but the standard library says that it is not JSON")
	}

	written := schema.Append(nil, &doc)
	var again T
	if err := wire.DecodeDocument(new(wire.Decoder), schema, written, &again); err != nil {
		t.Fatalf("what was written is refused: %v\n%s", err, written)
	}
	if !reflect.DeepEqual(doc, again) {
		t.Fatalf("read back differently:\n got %+v\nwant %+v", again, doc)
	}
	if rewritten := schema.Append(nil, &again); !bytes.Equal(rewritten, written) {
		t.Fatalf("written differently:\n got %s\nwant %s", rewritten, written)
	}

	for i := range body {
		body[i] = '#'
	}
	if unaliased := schema.Append(nil, &doc); !bytes.Equal(unaliased, written) {
		t.Fatalf("the document changed with the body it was read from:\n got %s\nwant %s", unaliased, written)
	}
	copy(body, given)
	return doc, true
}

// halfPair matches the escape of a surrogate, which makes JSON that the
// standard library takes and wire does not, if its other half is missing.
var halfPair = regexp.MustCompile(`(?i)\\ud[89a-f]`)

// checkRefusal verifies that err is one of the two refusals and, as far as the
// standard library can tell, the right one.
func checkRefusal(t *testing.T, body []byte, err error) {
	t.Helper()
	var syntax *wire.SyntaxError
	var field *wire.FieldError
	switch {
	case errors.As(err, &syntax):
		if syntax.Offset < 0 || syntax.Offset > int64(len(body)) {
			t.Errorf("the offset %d is outside of the body of %d bytes", syntax.Offset, len(body))
		}
		deep := bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > 9_000
		if json.Valid(body) && utf8.Valid(body) && !halfPair.Match(body) && !deep {
			t.Errorf("%v: but the standard library says that it is JSON", err)
		}
	case errors.As(err, &field):
		if !json.Valid(body) {
			t.Errorf("%v: but the standard library says that it is not JSON", err)
		}
	default:
		t.Errorf("neither a SyntaxError nor a FieldError: %T %v", err, err)
	}
	if text := err.Error(); text == "" || len(text) > 2_000 || !utf8.ValidString(text) {
		t.Errorf("the refusal says %.100q in %d bytes", text, len(text))
	}
}

// object reads the members of an object by the standard library.
func object(t *testing.T, body []byte) map[string]json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatalf("accepted, but the standard library says: %v", err)
	}
	return members
}

// sameString compares a string member, which may be missing or null, with what
// wire read.
func sameString(t *testing.T, members map[string]json.RawMessage, name, got string) {
	t.Helper()
	var want string
	if raw, found := members[name]; found {
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Errorf("%s was read as %q, but the standard library says: %v", name, got, err)
		}
	}
	if got != want {
		t.Errorf("%s was read as %q, want %q", name, got, want)
	}
}
