package wire

import (
	"cmp"
	"slices"
)

// Named is one member of a JSON object whose names are data, such as the hosts of a
// fleet by their hostnames.
type Named[T any] struct {
	Name string
	Of   T
}

// Map is a JSON object whose names are data. Its members are kept in the order of
// their names, so that walking them has one order. Null and absent are an empty map
// where the field is optional.
type Map[T any] struct {
	Items *[]Named[T]
	// Of returns the value inside a member.
	Of func(*T) Value
}

// Lookup returns the member with a name, or nil.
func Lookup[T any](items []Named[T], name string) *T {
	i, found := slices.BinarySearchFunc(items, name, func(item Named[T], name string) int { return cmp.Compare(item.Name, name) })
	if !found {
		return nil
	}
	return &items[i].Of
}

// DecodeValue implements [Value].
func (m Map[T]) DecodeValue(d *Decoder) error {
	if d.json.PeekKind() != '{' {
		return d.wrong("an object")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	var items []Named[T] // an empty object is unset, as an absent one is
	for d.json.PeekKind() != '}' {
		name, err := d.text()
		if err != nil {
			return err
		}
		item := Named[T]{Name: string(name)}
		if err := parseName(item.Name); err != nil {
			return err
		}
		if err := m.Of(&item.Of).DecodeValue(d); err != nil {
			return err
		}
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b Named[T]) int { return cmp.Compare(a.Name, b.Name) })
	*m.Items = items
	_, err := d.json.ReadToken()
	return err
}

// AppendValue implements [Value].
func (m Map[T]) AppendValue(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range *m.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		item := &(*m.Items)[i]
		dst = appendString(dst, item.Name)
		dst = append(dst, ':')
		dst = m.Of(&item.Of).AppendValue(dst)
	}
	return append(dst, '}')
}

// IsUnset implements [Value].
func (m Map[T]) IsUnset() bool { return len(*m.Items) == 0 }
