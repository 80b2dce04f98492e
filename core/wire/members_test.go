package wire_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/refrain-fleet/refrain/core/wire"
)

// wantField fails the test unless err is a FieldError of the path.
func wantField(t *testing.T, err error, path, body string) {
	t.Helper()
	var field *wire.FieldError
	switch {
	case !errors.As(err, &field):
		t.Errorf("got %v, want a FieldError of %q, for %s", err, path, body)
	case field.Field != path:
		t.Errorf("got the path %q (%v), want %q, for %s", field.Field, err, path, body)
	case field.Problem == "":
		t.Errorf("no problem named for %s", body)
	}
}

// damage runs f for every value of the document's example, with a function
// that reads the example as it is at that moment.
func damage(t *testing.T, doc document, f func(p place, read func() (body string, err error))) {
	t.Helper()
	tree := parseTree(t, doc.example())
	var decoder wire.Decoder
	read := func() (string, error) {
		body := tree.String()
		_, err := doc.decode(&decoder, []byte(body))
		return body, err
	}
	for _, p := range tree.all("") {
		f(p, read)
	}
	if tree.String() != doc.example() {
		t.Error("the damage was not undone")
	}
}

func TestAMissingMemberIsNamed(t *testing.T) { // PROTOCOL T7
	eachDocument(t, func(t *testing.T, doc document) {
		mayMiss := doc.mayMiss()
		damage(t, doc, func(p place, read func() (string, error)) {
			if !p.isMember() {
				return
			}
			p.without(func() {
				body, err := read()
				if mayMiss[withoutIndexes(p.path)] {
					if err != nil {
						t.Errorf("%s may be missing: %v", p.path, err)
					}
					return
				}
				wantField(t, err, p.path, body)
				if err != nil && !strings.Contains(err.Error(), "is missing") {
					t.Errorf("%v: does not say that the member is missing", err)
				}
			})
		})
	})
}

func TestANullMemberIsAMissingOne(t *testing.T) { // PROTOCOL T7
	eachDocument(t, func(t *testing.T, doc document) {
		mayMiss := doc.mayMiss()
		damage(t, doc, func(p place, read func() (string, error)) {
			p.with("null", func() {
				body, err := read()
				if mayMiss[withoutIndexes(p.path)] {
					if err != nil {
						t.Errorf("%s may be null: %v", p.path, err)
					}
					return
				}
				wantField(t, err, p.path, body)
				if err != nil && !strings.Contains(err.Error(), "got null") {
					t.Errorf("%v: does not say that it is null", err)
				}
			})
		})
	})
}

// Every value, including the document itself, its lists' items and what may be
// missing, is replaced by a value of each other JSON type.
func TestAMemberOfAnotherTypeIsNamed(t *testing.T) { // PROTOCOL T7
	types := []struct{ name, value string }{
		{"a boolean", "true"}, {"a number", "7"}, {"a string", `"7"`}, {"an object", `{"a":[1]}`}, {"an array", `[{"a":1}]`},
	}
	eachDocument(t, func(t *testing.T, doc document) {
		damage(t, doc, func(p place, read func() (string, error)) {
			for _, other := range types {
				if other.name == typeOf(p.node) {
					continue
				}
				p.with(other.value, func() {
					body, err := read()
					wantField(t, err, p.path, body)
					if err != nil && !strings.Contains(err.Error(), "got "+other.name) {
						t.Errorf("%v: does not say that it is %s", err, other.name)
					}
				})
			}
		})
	})
}

func typeOf(n *node) string {
	switch {
	case n.kind == '{':
		return "an object"
	case n.kind == '[':
		return "an array"
	case n.scalar == "true" || n.scalar == "false":
		return "a boolean"
	case n.scalar[0] == '"':
		return "a string"
	default:
		return "a number"
	}
}

// Words of a fixed set are not read in another spelling.
func TestAWordOfNoSetIsNamed(t *testing.T) { // PROTOCOL T7
	words := []string{"Pending", "Soaking", "enforce", "observe", "disabled", "pass", "fail", "halt", "rollback-and-halt", "Halted", "unreachable"}
	eachDocument(t, func(t *testing.T, doc document) {
		damage(t, doc, func(p place, read func() (string, error)) {
			word := strings.Trim(p.node.scalar, `"`)
			if !slices.Contains(words, word) && !(p.path == "event.kind" && strings.HasPrefix(p.node.scalar, `"`)) {
				return
			}
			for _, wrong := range []string{"", "nonsense", strings.ToUpper(word), strings.ToLower(word[:1]) + word[1:] + " ", word + `\u0000`} {
				p.with(`"`+wrong+`"`, func() {
					body, err := read()
					wantField(t, err, p.path, body)
				})
			}
		})
	})
}

// Unknown members are ignored wherever they stand and whatever they hold.
func TestAnUnknownMemberIsIgnored(t *testing.T) { // PROTOCOL T8
	deep := strings.Repeat(`{"a":[`, 100) + "1" + strings.Repeat(`]}`, 100)
	eachDocument(t, func(t *testing.T, doc document) {
		damage(t, doc, func(p place, read func() (string, error)) {
			if p.node.kind != '{' {
				return
			}
			for _, name := range []string{"future", "", "hostname2", "host name", "ключ", `a.b[0]`} {
				for _, value := range []string{"null", "1e400", `"\u0000\ud83d\ude00"`, "[[],{}]", `{"hostname":1,"kind":null,"event":{}}`, deep} {
					p.withMember(name, value, func() {
						if _, err := read(); err != nil {
							t.Errorf("%q in %q: %v", name, p.path, err)
						}
					})
				}
			}
		})
	})
}

// A repeated member is refused even if both say the same, and in what is
// otherwise ignored as well.
func TestARepeatedMemberIsRefused(t *testing.T) { // PROTOCOL T8
	eachDocument(t, func(t *testing.T, doc document) {
		damage(t, doc, func(p place, read func() (string, error)) {
			if p.node.kind != '{' {
				return
			}
			for _, m := range p.node.members {
				p.withMember(m.name, m.value.String(), func() {
					body, err := read()
					wantField(t, err, childPath(p.path, m.name), body)
					if err != nil && !strings.Contains(err.Error(), "is repeated") {
						t.Errorf("%v: does not say that the member is repeated", err)
					}
				})
			}
			p.withMember("future", `{"a":{"b":1,"c":2,"b":1}}`, func() {
				body, err := read()
				wantField(t, err, childPath(p.path, "future.a.b"), body)
			})
		})
	})
}

// The same name in two spellings is one name.
func TestARepeatedMemberIsSeenThroughEscapes(t *testing.T) { // PROTOCOL T8
	_, err := documents["heartbeat"].decode(new(wire.Decoder), []byte(`{"hostname":"a","at":"2026-01-31T12:00:00Z","\u0061t":"2026-01-31T12:00:00Z"}`))
	wantField(t, err, "at", "at twice")
}

// A member in the wrong case would be ignored as unknown and silently lost, so
// it is refused, whether the right one is there as well or not.
func TestAMemberInTheWrongCaseIsRefused(t *testing.T) { // PROTOCOL T8
	eachDocument(t, func(t *testing.T, doc document) {
		damage(t, doc, func(p place, read func() (string, error)) {
			if p.node.kind == '{' {
				for _, m := range p.node.members {
					p.withMember(strings.ToUpper(m.name), "1", func() {
						body, err := read()
						wantField(t, err, childPath(p.path, strings.ToUpper(m.name)), body)
					})
				}
			}
			if !p.isMember() {
				return
			}
			right := p.parent.members[p.index].name
			wrong := string(unicode.ToUpper(rune(right[0]))) + right[1:]
			p.withName(wrong, func() {
				body, err := read()
				wantField(t, err, strings.TrimSuffix(p.path, right)+wrong, body)
				if err != nil && !strings.HasSuffix(err.Error(), "want "+right) {
					t.Errorf("%v: does not say what would be right", err)
				}
			})
		})
	})
}

// The tag of an event may stand anywhere in it.
func TestTheKindOfAnEventMayStandLast(t *testing.T) { // PROTOCOL E
	for _, kind := range wire.EventKinds {
		doc := documents["event "+kind.String()]
		damage(t, doc, func(p place, read func() (string, error)) {
			if p.path != "event" {
				return
			}
			saved := slices.Clone(p.node.members)
			p.node.members = append(p.node.members[1:len(saved):len(saved)], saved[0])
			if _, err := read(); err != nil {
				t.Errorf("%v: %v", kind, err)
			}
			p.node.members = saved
		})
	}
}

// An event of one kind with the fields of another is told what its own kind
// lacks.
func TestAnEventIsReadByItsOwnKind(t *testing.T) { // PROTOCOL E
	_, err := documents["event Converged"].decode(new(wire.Decoder), []byte(
		`{"hostname":"h","rolloutId":"c@r","event":{"kind":"Converged","seq":1,"startedAt":"2026-01-31T12:00:00Z","switchMethod":"switch"}}`))
	wantField(t, err, "event.convergedAt", "Converged with the fields of ActivationStarted")
}
