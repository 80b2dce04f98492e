package wire

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Value is one member of a document: it reads itself from a [Decoder], appends
// its canonical JSON to a buffer, and knows whether it is unset. Values are
// implemented on pointers, so that a schema reaches into a document without
// copying it.
type Value interface {
	// DecodeValue reads exactly one JSON value. It returns a plain error with
	// the text of what would have been right; the schema adds the field's path.
	DecodeValue(d *Decoder) error
	// AppendValue appends the canonical JSON of the value.
	AppendValue(dst []byte) []byte
	// IsUnset reports whether an optional member is left out of the document.
	IsUnset() bool
}

// Presence says whether a member may be missing.
type Presence uint8

const (
	// Required members must be there and must not be null.
	Required Presence = iota
	// Optional members may be absent or null; unset ones are left out when
	// the document is written.
	Optional
	// Nullable members may be absent or null; unset ones are written as well,
	// by a value that writes itself as null.
	Nullable
)

// Field describes one member of documents of type T.
type Field[T any] struct {
	Name     string
	Presence Presence
	// Of returns the member inside the document.
	Of func(*T) Value
}

// Schema describes documents of type T: their members in canonical order. One
// table serves strict decoding and canonical encoding, so the two cannot
// disagree. A schema has at most 64 fields.
type Schema[T any] struct {
	Fields []Field[T]
	// Check judges what no single field can. It returns the field at fault
	// and what is wrong with it, or two empty strings.
	Check func(*T) (field, problem string)
}

// Decode reads one JSON object (PROTOCOL T8): members that the schema does not
// name are skipped, or refused by a strict decoder, a repeated name is refused, and so is a name that differs
// from a known one only in case.
func (s *Schema[T]) Decode(d *Decoder, into *T) error {
	if d.json.PeekKind() != '{' {
		return d.wrong("an object")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	var seen uint64
	next := 0 // documents mostly come in canonical order
	for d.json.PeekKind() != '}' {
		quoted, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		i := s.find(d.unquote(quoted), next)
		if i < 0 {
			if wanted := s.sameButForCase(d.unquote(quoted)); wanted != "" {
				return fieldError("field names are case-sensitive: want " + wanted)
			}
			if d.strict {
				return fieldError("unknown field; " + s.wanted(string(d.unquote(quoted))))
			}
			if err := d.json.SkipValue(); err != nil {
				return err
			}
			continue
		}
		next = i + 1
		f := &s.Fields[i]
		if d.json.PeekKind() == 'n' {
			if f.Presence == Required {
				return d.wrong("a value")
			}
			if err := d.json.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if err := f.Of(into).DecodeValue(d); err != nil {
			return err
		}
		seen |= 1 << i
	}
	for i := range s.Fields {
		if s.Fields[i].Presence == Required && seen&(1<<i) == 0 {
			return &memberError{member: s.Fields[i].Name, problem: "is missing"}
		}
	}
	if s.Check != nil {
		if field, problem := s.Check(into); problem != "" {
			return &memberError{member: field, problem: problem}
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// Append appends the canonical JSON of doc: members in schema order, unset
// optional members left out, no white space.
func (s *Schema[T]) Append(dst []byte, doc *T) []byte {
	dst = append(dst, '{')
	first := true
	for i := range s.Fields {
		f := &s.Fields[i]
		v := f.Of(doc)
		if f.Presence == Optional && v.IsUnset() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '"')
		dst = append(dst, f.Name...)
		dst = append(dst, '"', ':')
		dst = v.AppendValue(dst)
	}
	return append(dst, '}')
}

func (s *Schema[T]) find(name []byte, hint int) int {
	if hint < len(s.Fields) && s.Fields[hint].Name == string(name) {
		return hint
	}
	for i := range s.Fields {
		if s.Fields[i].Name == string(name) {
			return i
		}
	}
	return -1
}

func (s *Schema[T]) sameButForCase(name []byte) string {
	for i := range s.Fields {
		if strings.EqualFold(s.Fields[i].Name, string(name)) {
			return s.Fields[i].Name
		}
	}
	return ""
}

// wanted says which member an unknown one may have meant.
func (s *Schema[T]) wanted(name string) string {
	names := make([]string, len(s.Fields))
	for i := range s.Fields {
		names[i] = s.Fields[i].Name
	}
	switch near := Nearest(name, names); {
	case near != "":
		return "did you mean " + near + "?"
	case len(names) == 0:
		return "want an object without fields"
	default:
		return "want " + orList(names)
	}
}

// DecodeOperatorDocument is [DecodeDocument] for a document of an operator: a member
// that the schema does not name is refused, with the name that it may have meant
// (PROTOCOL T8). An operator whose field is ignored believes that it was heeded.
func DecodeOperatorDocument[T any](d *Decoder, s *Schema[T], body []byte, into *T) error {
	d.strict = true
	defer func() { d.strict = false }()
	return DecodeDocument(d, s, body, into)
}

// DecodeDocument reads body as one document of the schema and nothing after
// it. The error is a [*SyntaxError] when body is not JSON (400) and a
// [*FieldError] when it is JSON of another shape (422). into is overwritten;
// after an error its contents mean nothing.
func DecodeDocument[T any](d *Decoder, s *Schema[T], body []byte, into *T) error {
	*into = *new(T)
	d.body = *bytes.NewBuffer(body)
	d.json.Reset(&d.body)
	err := s.Decode(d, into)
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return d.classify(body, err)
	}
	return nil
}

// A Decoder holds the buffers of strict decoding. It is meant to be reused; it
// must not be used by two callers at once. The zero value is ready.
type Decoder struct {
	json    jsontext.Decoder
	body    bytes.Buffer
	scratch []byte
	nested  *Decoder // for tagged unions, whose objects are read twice
	// lenient: what a field agent may send is made to fit, see [DecodeFieldEvent].
	lenient bool
	// strict: unknown members are refused, see [DecodeOperatorDocument].
	strict bool
}

// unquote returns the contents of a JSON string, without a copy unless it has
// escapes.
func (d *Decoder) unquote(quoted jsontext.Value) []byte {
	if len(quoted) >= 2 && bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	// The decoder has already validated the string.
	d.scratch, _ = jsontext.AppendUnquote(d.scratch[:0], []byte(quoted))
	return d.scratch
}

// text reads a JSON string; the bytes are good until the next read.
func (d *Decoder) text() ([]byte, error) {
	if d.json.PeekKind() != '"' {
		return nil, d.wrong("a string")
	}
	quoted, err := d.json.ReadValue()
	if err != nil {
		return nil, err
	}
	return d.unquote(quoted), nil
}

// number reads a JSON number as it is written.
func (d *Decoder) number() (string, error) {
	if d.json.PeekKind() != '0' {
		return "", d.wrong("a number")
	}
	raw, err := d.json.ReadValue()
	return string(raw), err
}

// List is a JSON array of documents. Null and absent are an empty list where
// the field is optional, and an empty list is nil.
type List[T any] struct {
	Items  *[]T
	Schema *Schema[T]
}

// DecodeValue implements [Value].
func (l List[T]) DecodeValue(d *Decoder) error {
	if d.json.PeekKind() != '[' {
		return d.wrong("an array")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	var items []T // an empty array is unset, as an absent one is
	for d.json.PeekKind() != ']' {
		var item T
		if err := l.Schema.Decode(d, &item); err != nil {
			return err
		}
		items = append(items, item)
	}
	*l.Items = items
	_, err := d.json.ReadToken()
	return err
}

// AppendValue implements [Value].
func (l List[T]) AppendValue(dst []byte) []byte {
	dst = append(dst, '[')
	for i := range *l.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = l.Schema.Append(dst, &(*l.Items)[i])
	}
	return append(dst, ']')
}

// IsUnset implements [Value].
func (l List[T]) IsUnset() bool { return len(*l.Items) == 0 }

// Nested is a document inside a document.
type Nested[T any] struct {
	Doc    *T
	Schema *Schema[T]
}

// DecodeValue implements [Value].
func (n Nested[T]) DecodeValue(d *Decoder) error { return n.Schema.Decode(d, n.Doc) }

// AppendValue implements [Value].
func (n Nested[T]) AppendValue(dst []byte) []byte { return n.Schema.Append(dst, n.Doc) }

// IsUnset implements [Value]. A nested document is never unset.
func (n Nested[T]) IsUnset() bool { return false }
