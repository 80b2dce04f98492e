package main

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

var (
	durationType        = reflect.TypeFor[time.Duration]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// shape is which YAML types a value in the file may have, and their
// description.
type shape struct {
	tags []string
	want string
}

// shapeOf returns the shape of a single value of type t.
func shapeOf(t reflect.Type, enum []string) shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case len(enum) > 0:
		return shape{[]string{"!!str"}, "one of " + strings.Join(enum, ", ")}
	case t == durationType:
		return shape{[]string{"!!str"}, "a duration such as 1m30s"}
	case reflect.PointerTo(t).Implements(textUnmarshalerType):
		// The type's own error says what it wants.
		return shape{[]string{"!!str", "!!int", "!!float"}, "a value"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return shape{[]string{"!!bool"}, "true or false"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return shape{[]string{"!!int"}, "a whole number"}
	case reflect.Float32, reflect.Float64:
		return shape{[]string{"!!int", "!!float"}, "a number"}
	default:
		return shape{[]string{"!!str"}, "text"}
	}
}

// check checks a node against the shape and returns its text.
func (s shape) check(node *yaml.Node) (string, error) {
	if node.Kind == yaml.ScalarNode && slices.Contains(s.tags, node.Tag) {
		return node.Value, nil
	}
	if isNull(node) {
		return "", fmt.Errorf("want %s, have nothing; leave the line out for the default", s.want)
	}
	if s.want == "text" && node.Kind == yaml.ScalarNode {
		return "", fmt.Errorf("want text, have %s; put it in quotes", describe(node))
	}
	return "", fmt.Errorf("want %s, have %s", s.want, describe(node))
}

// flagValue checks the value of a flag and returns it as kong takes it. Finally
// the code that reads the command line checks it, so that the file accepts
// nothing that the command line would not.
func flagValue(flag *kong.Flag, node *yaml.Node) (any, error) {
	var enum []string
	if flag.Enum != "" {
		enum = flag.EnumSlice()
	}
	t := flag.Target.Type()
	var value any
	var texts []string
	if t.Kind() == reflect.Slice && !reflect.PointerTo(t).Implements(textUnmarshalerType) {
		element := shapeOf(t.Elem(), enum)
		if node.Kind != yaml.SequenceNode {
			return nil, fmt.Errorf("want a list, each %s, have %s", element.want, describe(node))
		}
		list := []any{}
		for i, item := range node.Content {
			text, err := element.check(resolveAlias(item))
			if err != nil {
				return nil, fmt.Errorf("item %d: %w", i+1, err)
			}
			texts = append(texts, text)
			list = append(list, text)
		}
		value = list
		if flag.Tag.Sep != -1 {
			value = kong.JoinEscaped(texts, flag.Tag.Sep)
		}
	} else {
		text, err := shapeOf(t, enum).check(node)
		if err != nil {
			return nil, err
		}
		value, texts = text, []string{text}
	}
	for _, text := range texts {
		if len(enum) > 0 && !slices.Contains(enum, text) {
			return nil, fmt.Errorf("want one of %s, have %q", strings.Join(enum, ", "), text)
		}
	}
	trial := kong.DecodeContext{Value: flag.Value, Scan: kong.Scan().PushTyped(value, kong.FlagValueToken)}
	if err := flag.Mapper.Decode(&trial, reflect.New(t).Elem()); err != nil {
		return nil, err
	}
	return value, nil
}

// suggest says which key an unknown one may have meant.
func (r *configReader) suggest(command *kong.Node, prefix, name string) string {
	known := keysOf(command)
	nearest, distance := nearestWithin(name, known, 3)
	if nearest != "" && distance < len(name) {
		return "did you mean " + prefix + nearest + "?"
	}
	if elsewhere := keysNamed(r.root, "", name); len(elsewhere) > 0 {
		return "did you mean " + strings.Join(elsewhere, " or ") + "?"
	}
	if len(known) == 0 {
		return "no key is allowed here"
	}
	return "want one of " + strings.Join(known, ", ")
}

// keysOf lists the keys of a command's section in sorted order.
func keysOf(command *kong.Node) []string {
	var keys []string
	for _, child := range command.Children {
		keys = append(keys, child.Name)
	}
	for _, flag := range command.Flags {
		if flagOf(command, flag.Name) != nil {
			keys = append(keys, flag.Name)
		}
	}
	slices.Sort(keys)
	return keys
}

// keysNamed lists the full keys, below command, whose last part is name.
func keysNamed(command *kong.Node, prefix, name string) []string {
	var keys []string
	if flagOf(command, name) != nil {
		keys = append(keys, prefix+name)
	}
	for _, child := range command.Children {
		if child.Name == name {
			keys = append(keys, prefix+name)
		}
		keys = append(keys, keysNamed(child, prefix+child.Name+".", name)...)
	}
	return keys
}
