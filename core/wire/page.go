package wire

// BoundedPage is a page of a list (PROTOCOL R5) that is encoded as it is filled, so
// that it takes no more memory than MaxBytes and one item, however large the items
// are. Its form is that of [Page].
type BoundedPage[T any] struct {
	// Name is the list's member.
	Name   string
	Schema *Schema[T]
	// MaxItems and MaxBytes bound the page. One item is taken whatever its size.
	MaxItems, MaxBytes int
	// Next is the value of after for the page that follows; empty on the last.
	Next string

	items []byte
	count int
}

// Add takes an item into the page. It reports false, and takes nothing, if the
// page is full.
func (p *BoundedPage[T]) Add(item *T) bool {
	if p.count >= p.MaxItems || len(p.items) >= p.MaxBytes {
		return false
	}
	before := len(p.items)
	if p.count > 0 {
		p.items = append(p.items, ',')
	}
	p.items = p.Schema.Append(p.items, item)
	if p.count > 0 && len(p.items) > p.MaxBytes {
		p.items = p.items[:before]
		return false
	}
	p.count++
	return true
}

// AppendJSON implements [Document].
func (p *BoundedPage[T]) AppendJSON(dst []byte) []byte {
	const around = 64 // for the members' names and Next
	if need := len(p.items) + len(p.Name) + len(p.Next) + around; cap(dst)-len(dst) < need {
		dst = append(make([]byte, 0, len(dst)+need), dst...)
	}
	dst = append(dst, '{', '"')
	dst = append(dst, p.Name...)
	dst = append(dst, `":[`...)
	dst = append(dst, p.items...)
	dst = append(dst, ']')
	if p.Next != "" {
		dst = append(dst, `,"next":`...)
		dst = appendString(dst, p.Next)
	}
	return append(dst, '}')
}
