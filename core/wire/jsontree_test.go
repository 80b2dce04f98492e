package wire_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// node is a JSON value as a tree that a test can damage and print again. The
// order of members is kept, and a name may stand twice.
type node struct {
	kind    byte // one of { [ and 0 for everything else
	members []member
	items   []*node
	scalar  string // the JSON of a string, number, boolean or null
}

type member struct {
	name  string
	value *node
}

// place is a node with its path as errors spell it, and where it hangs.
type place struct {
	path   string
	node   *node
	parent *node
	// index is the number of the member or item in the parent.
	index int
}

func parseTree(t *testing.T, document string) *node {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	var value func() *node
	value = func() *node {
		token, err := decoder.Token()
		if err != nil {
			t.Fatalf("parsing the example: %v", err)
		}
		delimiter, ok := token.(json.Delim)
		if !ok {
			raw, err := json.Marshal(token)
			if err != nil {
				t.Fatal(err)
			}
			return &node{scalar: string(raw)}
		}
		n := &node{kind: byte(delimiter)}
		for decoder.More() {
			if n.kind == '[' {
				n.items = append(n.items, value())
				continue
			}
			name, err := decoder.Token()
			if err != nil {
				t.Fatal(err)
			}
			n.members = append(n.members, member{name.(string), value()})
		}
		if _, err := decoder.Token(); err != nil {
			t.Fatal(err)
		}
		return n
	}
	return value()
}

// String prints the tree without white space.
func (n *node) String() string {
	var parts []string
	switch n.kind {
	case '{':
		for _, m := range n.members {
			parts = append(parts, strconv.Quote(m.name)+":"+m.value.String())
		}
		return "{" + strings.Join(parts, ",") + "}"
	case '[':
		for _, item := range n.items {
			parts = append(parts, item.String())
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
		return n.scalar
	}
}

// all lists n and every value below it, in document order.
func (n *node) all(path string) []place {
	places := []place{{path: path, node: n}}
	for i, m := range n.members {
		below := m.value.all(childPath(path, m.name))
		below[0].parent, below[0].index = n, i
		places = append(places, below...)
	}
	for i, item := range n.items {
		below := item.all(path + "[" + strconv.Itoa(i) + "]")
		below[0].parent, below[0].index = n, i
		places = append(places, below...)
	}
	return places
}

func childPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// isMember tells members of objects from items of arrays.
func (p place) isMember() bool { return p.parent != nil && p.parent.kind == '{' }

// with runs f while the value at the place is another one.
func (p place) with(value string, f func()) {
	saved := *p.node
	*p.node = node{scalar: value}
	f()
	*p.node = saved
}

// without runs f while the member at the place is missing.
func (p place) without(f func()) {
	saved := p.parent.members
	p.parent.members = slices.Delete(slices.Clone(saved), p.index, p.index+1)
	f()
	p.parent.members = saved
}

// withMember runs f while the object at the place has one more member, last.
func (p place) withMember(name, value string, f func()) {
	saved := p.node.members
	p.node.members = append(slices.Clone(saved), member{name, &node{scalar: value}})
	f()
	p.node.members = saved
}

// withName runs f while the member at the place has another name.
func (p place) withName(name string, f func()) {
	members := p.parent.members
	saved := members[p.index].name
	members[p.index].name = name
	f()
	members[p.index].name = saved
}

// withoutIndexes turns probes[3].mode into probes[].mode.
func withoutIndexes(path string) string {
	var b strings.Builder
	inside := false
	for _, c := range path {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case inside:
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
