package sqlite

import (
	"bytes"
	"encoding/json"
)

// member is one member of a JSON object.
type member struct {
	name  string
	value []byte
}

// firstMember returns the path of the first member in which two documents differ,
// and its value in each. If one of them is no JSON object, or if their members are
// equal (they differ in white space), the path is "document".
func firstMember(a, b []byte) (path, inA, inB string) {
	ma, okA := members(a)
	mb, okB := members(b)
	if okA && okB {
		for i := range max(len(ma), len(mb)) {
			x, y := at(ma, i), at(mb, i)
			switch {
			case x.name == y.name && bytes.Equal(x.value, y.value):
				continue
			case x.name != y.name:
				// Report the member that the other document lacks.
				if value, found := find(mb, x.name); x.name != "" && !found {
					return x.name, string(x.value), nothing
				} else if x.name != "" && !bytes.Equal(value, x.value) {
					return x.name, string(x.value), string(value)
				}
				return y.name, nothing, string(y.value)
			}
			if sub, has, want := firstMember(x.value, y.value); sub != "document" {
				return x.name + "." + sub, has, want
			}
			return x.name, string(x.value), string(y.value)
		}
	}
	return "document", string(a), string(b)
}

func at(list []member, i int) member {
	if i < len(list) {
		return list[i]
	}
	return member{}
}

func find(list []member, name string) ([]byte, bool) {
	for _, m := range list {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// members reads the members of a JSON object in their order.
func members(doc []byte) (list []member, ok bool) {
	d := json.NewDecoder(bytes.NewReader(doc))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		list = append(list, member{name.(string), value})
	}
	return list, true
}
