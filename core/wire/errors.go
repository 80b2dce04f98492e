package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// SyntaxError says that a body is not JSON (PROTOCOL T7: 400).
type SyntaxError struct {
	// Offset is the byte at or after which the body stops being JSON.
	Offset int64
	// Problem says what is wrong there.
	Problem string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON at byte %d: %s", e.Offset, e.Problem)
}

// FieldError says that a body is JSON of the wrong shape (PROTOCOL T7: 422).
type FieldError struct {
	// Field is the path of the member at fault as the document spells it, for
	// instance "event.probes[2].mode". It is empty for the document itself.
	Field string
	// Problem says what is wrong and what would be right.
	Problem string
}

// Error implements error.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return "document: " + e.Problem
	}
	return e.Field + ": " + e.Problem
}

// fieldError is a problem of the value read last; classify adds its path.
type fieldError string

func (e fieldError) Error() string { return string(e) }

// memberError is a problem of a member of the object being read.
type memberError struct{ member, problem string }

func (e *memberError) Error() string { return e.member + " " + e.problem }

// wrong reports that the next value is not what it should be. If there is no
// value at all, the reader's own error says so.
func (d *Decoder) wrong(want string) error {
	got := kindName(d.json.PeekKind())
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	return fieldError("want " + want + ", got " + got)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	default:
		return "nothing"
	}
}

// end verifies that nothing follows the document.
func (d *Decoder) end() error {
	_, err := d.json.ReadToken()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return &SyntaxError{Offset: d.json.InputOffset(), Problem: "something follows the document"}
	}
}

// classify turns what went wrong into a SyntaxError or a FieldError. Being no
// JSON at all wins over any shape (PROTOCOL T7), wherever in the body it is,
// so the whole body is looked at again; this is the slow path only.
func (d *Decoder) classify(body []byte, err error) error {
	if syntax := checkSyntax(body); syntax != nil {
		return syntax
	}
	var member *memberError
	var nested *FieldError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.As(err, &member):
		return &FieldError{Field: join(fieldPath(d.json.StackPointer(), d.insideObject()), member.member), Problem: member.problem}
	case errors.As(err, &nested):
		return &FieldError{Field: join(fieldPath(d.json.StackPointer(), false), nested.Field), Problem: nested.Problem}
	case errors.As(err, &syntactic) && syntactic.Err == jsontext.ErrDuplicateName:
		return &FieldError{Field: fieldPath(syntactic.JSONPointer, false), Problem: "is repeated"}
	default:
		return &FieldError{Field: fieldPath(d.json.StackPointer(), false), Problem: err.Error()}
	}
}

// insideObject reports whether the decoder stands inside an object after at
// least one member, so that the pointer names that member and not the object.
func (d *Decoder) insideObject() bool {
	kind, n := d.json.StackIndex(d.json.StackDepth())
	return kind == '{' && n > 0
}

func join(path, member string) string {
	switch {
	case path == "":
		return member
	case member == "":
		return path
	default:
		return path + "." + member
	}
}

// fieldPath writes a JSON pointer as a path: /event/probes/2/mode becomes
// event.probes[2].mode.
func fieldPath(p jsontext.Pointer, dropLast bool) string {
	var parts []string
	for token := range p.Tokens() {
		parts = append(parts, token)
	}
	if dropLast && len(parts) > 0 {
		parts = parts[:len(parts)-1]
	}
	var b strings.Builder
	for i, part := range parts {
		switch {
		case part != "" && strings.Trim(part, "0123456789") == "" && i > 0:
			b.WriteString("[" + part + "]")
		case i > 0:
			b.WriteString("." + part)
		default:
			b.WriteString(part)
		}
	}
	return clip(b.String(), 200)
}

// checkSyntax returns nil if body is exactly one JSON value, repeated names
// allowed.
func checkSyntax(body []byte) error {
	if jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil
	}
	d := jsontext.NewDecoder(strings.NewReader(string(body)), jsontext.AllowDuplicateNames(true))
	_, err := d.ReadValue()
	offset := d.InputOffset()
	if err == nil {
		return &SyntaxError{Offset: offset, Problem: "something follows the document"}
	}
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF):
		return &SyntaxError{Offset: offset, Problem: "the body is empty"}
	case errors.As(err, &syntactic):
		return &SyntaxError{Offset: syntactic.ByteOffset, Problem: clip(syntactic.Err.Error(), 200)}
	default:
		return &SyntaxError{Offset: offset, Problem: clip(err.Error(), 200)}
	}
}

// clip bounds text that echoes a caller's bytes.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
