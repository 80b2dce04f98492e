package wire

import (
	"fmt"
	"strings"
)

// ShapeKind is what kind of JSON a value is.
type ShapeKind uint8

// The kinds of JSON.
const (
	ShapeString ShapeKind = iota + 1
	ShapeInteger
	ShapeBoolean
	ShapeArray
	ShapeObject
	// ShapeMap is an object whose names are data.
	ShapeMap
	// ShapeOneOf is one of several objects, told apart by a member.
	ShapeOneOf
)

// Shape describes the JSON of a value to readers that are not this program. It is made
// of the tables that decode and encode, so that it says what they do.
type Shape struct {
	Kind ShapeKind
	// Name is the name of an object's type; empty for other kinds.
	Name string
	// Words are the values that a string may have; nil if it is free.
	Words []string
	// Pattern is a regular expression for a string, in the part of the syntax that
	// ECMA-262 and RE2 share; empty for none. Format is a format of JSON Schema.
	Pattern, Format string
	// MaxLength is the largest length of a string in bytes; 0 for none.
	MaxLength int
	// Min and Max bound an integer.
	Min, Max int64
	// Of is the shape of the elements of an array, or of the values of a map.
	Of *Shape
	// Members are those of an object, in canonical order.
	Members []Member
	// Variants are the objects of a ShapeOneOf.
	Variants []Shape
}

// Member is a member of an object.
type Member struct {
	Name     string
	Presence Presence
	Shape    Shape
}

// Shaped is a [Value] that describes itself. Every value of a document that goes over
// the wire does.
type Shaped interface{ Shape() Shape }

// ShapeOf describes a value. It panics if the value cannot describe itself, which is a
// defect.
func ShapeOf(v Value) Shape {
	s, can := v.(Shaped)
	if !can {
		panic(fmt.Sprintf("wire: %T has no shape", v))
	}
	return s.Shape()
}

// Shape describes the documents of the schema.
func (s *Schema[T]) Shape() Shape {
	shape := Shape{Kind: ShapeObject, Name: typeName(*new(T))}
	doc := new(T)
	for i := range s.Fields {
		f := &s.Fields[i]
		shape.Members = append(shape.Members, Member{f.Name, f.Presence, ShapeOf(f.Of(doc))})
	}
	return shape
}

// typeName is the name of a document's type without its package: Snapshot.
func typeName(doc any) string {
	name := fmt.Sprintf("%T", doc)
	name = strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "]")
	return strings.ToUpper(name[:1]) + name[1:]
}

// Shape describes a list.
func (l List[T]) Shape() Shape {
	of := l.Schema.Shape()
	return Shape{Kind: ShapeArray, Of: &of}
}

// Shape describes the document.
func (n Nested[T]) Shape() Shape { return n.Schema.Shape() }

// Shape describes a map.
func (m Map[T]) Shape() Shape {
	of := ShapeOf(m.Of(new(T)))
	return Shape{Kind: ShapeMap, Of: &of}
}

func wordShape(words []string) Shape { return Shape{Kind: ShapeString, Words: words[1:]} }

// printable is what a name or a closure may be written with: any text without control
// characters.
const printable = `^[^\x00-\x1f\x7f]+$`

// What each value of the wire is.
func (*Hostname) Shape() Shape {
	return Shape{Kind: ShapeString, Pattern: `^[A-Za-z0-9._-]+$`, MaxLength: 253}
}
func (*RolloutID) Shape() Shape {
	return Shape{Kind: ShapeString, Pattern: `^[A-Za-z0-9._/-]+@[A-Za-z0-9._/-]+$`, MaxLength: 512}
}
func (*Channel) Shape() Shape {
	return Shape{Kind: ShapeString, Pattern: `^[A-Za-z0-9._/-]+$`, MaxLength: 510}
}
func (*ChannelRef) Shape() Shape { return (*Channel)(nil).Shape() }
func (*Closure) Shape() Shape {
	return Shape{Kind: ShapeString, Pattern: printable, MaxLength: maxName}
}
func (*CommonName) Shape() Shape { return (*Closure)(nil).Shape() }
func (*Name) Shape() Shape       { return (*Closure)(nil).Shape() }
func (*Text) Shape() Shape       { return Shape{Kind: ShapeString, MaxLength: MaxText} }
func (*Names) Shape() Shape {
	of := (*Name)(nil).Shape()
	return Shape{Kind: ShapeArray, Of: &of}
}
func (*Time) Shape() Shape         { return Shape{Kind: ShapeString, Format: "date-time"} }
func (*Seq) Shape() Shape          { return Shape{Kind: ShapeInteger, Max: int64(MaxSeq)} }
func (*Serial) Shape() Shape       { return Shape{Kind: ShapeInteger, Min: 1, Max: int64(MaxSeq)} }
func (*Int) Shape() Shape          { return Shape{Kind: ShapeInteger, Min: -1 << 31, Max: 1<<31 - 1} }
func (*Count) Shape() Shape        { return Shape{Kind: ShapeInteger, Max: 1<<31 - 1} }
func (*Flag) Shape() Shape         { return Shape{Kind: ShapeBoolean} }
func (*State) Shape() Shape        { return wordShape(stateWords) }
func (*Mode) Shape() Shape         { return wordShape(modeWords) }
func (*ProbeStatus) Shape() Shape  { return wordShape(statusWords) }
func (*HealthPolicy) Shape() Shape { return wordShape(policyWords) }
func (*RolloutState) Shape() Shape { return wordShape(rolloutStateWords) }
func (*Reachability) Shape() Shape { return wordShape(reachabilityWords) }
func (*EventKind) Shape() Shape    { return wordShape(kindWords) }
func (*Gate) Shape() Shape         { return wordShape(gateWords) }
func (*Cause) Shape() Shape        { return wordShape(causeWords) }

func (*Mark) Shape() Shape          { return MarkSchema.Shape() }
func (*laterCount) Shape() Shape    { return (*Count)(nil).Shape() }
func (*Blocked) Shape() Shape       { return BlockedSchema.Shape() }
func (*BlockedCounts) Shape() Shape { return blockedCountsSchema.Shape() }
func (*Gates) Shape() Shape         { return GatesSchema.Shape() }
func (*HostGroup) Shape() Shape     { return hostGroupSchema.Shape() }
func (*HostFact) Shape() Shape      { return HostFactSchema.Shape() }
func (*Pin) Shape() Shape           { return PinSchema.Shape() }
func (*DiscardStatus) Shape() Shape { return DiscardStatusSchema.Shape() }
func (*Actor) Shape() Shape         { return ActorSchema.Shape() }
func (*Act) Shape() Shape           { return ActSchema.Shape() }
func (*ActHead) Shape() Shape       { return ActHeadSchema.Shape() }
func (s *snapshots) Shape() Shape   { return s.list().Shape() }

// Shape describes an event: one of the kinds, told apart by the member kind.
func (*Event) Shape() Shape {
	shape := Shape{Kind: ShapeOneOf, Name: "Event"}
	for kind := KindDispatchAck; int(kind) < len(eventCodecs); kind++ {
		of := eventCodecs[kind].shape()
		of.Name = kind.String()
		of.Members[0].Shape = Shape{Kind: ShapeString, Words: []string{kind.String()}}
		of.Members[1].Shape.Min = 1
		shape.Variants = append(shape.Variants, of)
	}
	return shape
}

func (c *kindCodec[B]) shape() Shape { return c.schema.Shape() }
