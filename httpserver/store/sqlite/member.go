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

// firstMember names the first member in which two documents differ, by its path,
// and what stands there in each. If the documents are not both objects, or
// differ in nothing that an object has, the path is document.
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
				// The one that the other document lacks.
				if value, there := find(mb, x.name); x.name != "" && !there {
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
