package artifact

import "github.com/refrain-fleet/refrain/core/wire"

// optional is a document that may be missing: nil then, null where it is written.
type optional[T any] struct {
	doc    **T
	schema *wire.Schema[T]
}

// DecodeValue implements [wire.Value].
func (o optional[T]) DecodeValue(d *wire.Decoder) error {
	*o.doc = new(T)
	return o.schema.Decode(d, *o.doc)
}

// AppendValue implements [wire.Value].
func (o optional[T]) AppendValue(dst []byte) []byte {
	if *o.doc == nil {
		return append(dst, "null"...)
	}
	return o.schema.Append(dst, *o.doc)
}

// IsUnset implements [wire.Value].
func (o optional[T]) IsUnset() bool { return *o.doc == nil }

// orNull is a value that is written as null when it is unset: the producers of these
// documents write null rather than leave such a member out.
type orNull struct{ wire.Value }

// AppendValue implements [wire.Value].
func (o orNull) AppendValue(dst []byte) []byte {
	if o.IsUnset() {
		return append(dst, "null"...)
	}
	return o.Value.AppendValue(dst)
}

// Limit is a number that may be missing, which is no limit.
type Limit struct {
	Set bool
	Max wire.Count
}

// DecodeValue implements [wire.Value].
func (l *Limit) DecodeValue(d *wire.Decoder) error {
	l.Set = true
	return l.Max.DecodeValue(d)
}

// AppendValue implements [wire.Value].
func (l *Limit) AppendValue(dst []byte) []byte {
	if !l.Set {
		return append(dst, "null"...)
	}
	return l.Max.AppendValue(dst)
}

// IsUnset implements [wire.Value].
func (l *Limit) IsUnset() bool { return !l.Set }

// listOf is the value of an array of documents.
func listOf[T any](items *[]T, schema *wire.Schema[T]) wire.Value {
	return wire.List[T]{Items: items, Schema: schema}
}

// mapOf is the value of an object whose members are documents.
func mapOf[T any](items *[]wire.Named[T], schema *wire.Schema[T]) wire.Value {
	return wire.Map[T]{Items: items, Of: func(doc *T) wire.Value { return wire.Nested[T]{Doc: doc, Schema: schema} }}
}
