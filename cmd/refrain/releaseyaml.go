package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/refrain-fleet/refrain/core/wire"
)

// specReader reads the YAML file that describes a fleet. Its problems have file,
// line and key, as those of the configuration file do.
type specReader struct {
	configReader
	// at is where a key stands, for problems that are found later.
	at map[string]*yaml.Node
}

// specKey is one key of a mapping: how its value is read, and whether it may be left
// out. Keys whose names are data, such as hosts', are read by names.
type specKey struct {
	name     string
	required bool
	read     func(key string, node *yaml.Node)
}

// document reads the file as one mapping.
func (r *specReader) document(text []byte, keys ...specKey) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		r.problems = append(r.problems, r.path+": want a fleet, have an empty file")
	case err != nil:
		r.syntax(err)
	default:
		r.mapping("", document.Content[0], keys...)
		if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
			r.problem(&second, "", "a second document, want one")
		}
	}
}

// later reports a problem of a key that was read before.
func (r *specReader) later(key, format string, args ...any) {
	node := r.at[key]
	if node == nil {
		node = &yaml.Node{Line: 1}
	}
	r.problem(node, key, format, args...)
}

// pairs calls do with each key of a mapping and its value, once.
func (r *specReader) pairs(key string, node *yaml.Node, do func(name string, at, value *yaml.Node)) {
	node = resolveAlias(node)
	if node.Kind != yaml.MappingNode {
		r.problem(node, key, "want a mapping, have %s", describe(node))
		return
	}
	first := make(map[string]int)
	for i := 0; i+1 < len(node.Content); i += 2 {
		at, value := node.Content[i], resolveAlias(node.Content[i+1])
		if at.Kind != yaml.ScalarNode {
			r.problem(at, joinKey(key, "?"), "want a name for a key, have %s", describe(at))
			continue
		}
		if line, repeated := first[at.Value]; repeated {
			r.problem(at, joinKey(key, plainOrQuoted(at.Value)), "repeated, it is on line %d already", line)
			continue
		}
		first[at.Value] = at.Line
		do(at.Value, at, value)
	}
}

func joinKey(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// mapping reads a mapping whose keys are known.
func (r *specReader) mapping(key string, node *yaml.Node, keys ...specKey) {
	seen := make(map[string]bool)
	before := len(r.problems)
	r.pairs(key, node, func(name string, at, value *yaml.Node) {
		i := slices.IndexFunc(keys, func(k specKey) bool { return k.name == name })
		if i < 0 {
			r.problem(at, joinKey(key, plainOrQuoted(name)), "unknown key, %s", suggestKey(name, keys))
			return
		}
		seen[name] = true
		full := joinKey(key, name)
		r.at[full] = at
		if isNull(value) {
			r.problem(value, full, "want a value, have nothing; leave the line out for the default")
			return
		}
		keys[i].read(full, value)
	})
	for _, k := range keys {
		if k.required && !seen[k.name] && len(r.problems) == before {
			r.problem(node, joinKey(key, k.name), "is missing")
		}
	}
}

func suggestKey(name string, keys []specKey) string {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	nearest, distance := nearestWithin(name, names, 3)
	if nearest != "" && distance < len(name) {
		return "did you mean " + nearest + "?"
	}
	slices.Sort(names)
	return "want one of " + strings.Join(names, ", ")
}

// names reads a mapping whose keys are names that check accepts.
func (r *specReader) names(key string, node *yaml.Node, check func(string) error, read func(name, key string, node *yaml.Node)) {
	r.pairs(key, node, func(name string, at, value *yaml.Node) {
		full := joinKey(key, plainOrQuoted(name))
		if err := check(name); err != nil {
			r.problem(at, full, "%v", err)
			return
		}
		r.at[full] = at
		read(name, full, value)
	})
}

// items reads a list.
func (r *specReader) items(key string, node *yaml.Node, read func(key string, node *yaml.Node)) {
	if node.Kind != yaml.SequenceNode {
		r.problem(node, key, "want a list, have %s", describe(node))
		return
	}
	for i, item := range node.Content {
		full := fmt.Sprintf("%s[%d]", key, i)
		r.at[full] = item
		read(full, resolveAlias(item))
	}
}

// specText reads a text into a string that check accepts.
func specText[S ~string](r *specReader, name string, into *S, check func(string) error) specKey {
	return specKey{name: name, read: func(key string, node *yaml.Node) {
		text, err := (shape{[]string{"!!str"}, "text"}).check(node)
		if err == nil && check != nil {
			err = check(text)
		}
		if err != nil {
			r.problem(node, key, "%v", err)
			return
		}
		*into = S(text)
	}}
}

// must makes a key required.
func must(key specKey) specKey {
	key.required = true
	return key
}

func (r *specReader) texts(name string, into *wire.Names, check func(string) error) specKey {
	return specKey{name: name, read: func(key string, node *yaml.Node) {
		r.items(key, node, func(key string, node *yaml.Node) {
			var text wire.Name
			specText(r, "", &text, check).read(key, node)
			if text != "" {
				*into = append(*into, text)
			}
		})
	}}
}

func (r *specReader) flag(name string, into *wire.Flag) specKey {
	return specKey{name: name, read: func(key string, node *yaml.Node) {
		text, err := (shape{[]string{"!!bool"}, "true or false"}).check(node)
		if err != nil {
			r.problem(node, key, "%v", err)
			return
		}
		*into = text == "true"
	}}
}

func (r *specReader) count(name string, low int, into func(wire.Count)) specKey {
	return specKey{name: name, read: func(key string, node *yaml.Node) {
		text, err := (shape{[]string{"!!int"}, "a whole number"}).check(node)
		n, parsing := strconv.ParseInt(text, 10, 32)
		switch {
		case err != nil:
			r.problem(node, key, "%v", err)
		case parsing != nil || int(n) < low:
			r.problem(node, key, "want a whole number from %d to %d, have %s", low, math.MaxInt32, text)
		default:
			into(wire.Count(n))
		}
	}}
}

// minutes reads a duration of whole minutes.
func (r *specReader) minutes(name string, low time.Duration, into *wire.Count) specKey {
	return specKey{name: name, read: func(key string, node *yaml.Node) {
		text, err := (shape{[]string{"!!str", "!!int"}, "a duration such as 5m or 2h"}).check(node)
		if err != nil {
			r.problem(node, key, "%v", err)
			return
		}
		duration, err := time.ParseDuration(text)
		if text == "0" {
			duration, err = 0, nil
		}
		if err != nil || duration < low || duration%time.Minute != 0 || duration > wire.MaxSoakMinutes*time.Minute {
			r.problem(node, key, "want whole minutes, at least %v and at most a year, such as 5m or 2h, have %q", low, text)
			return
		}
		*into = wire.Count(duration / time.Minute)
	}}
}

func (r *specReader) instant(name string, into *wire.Time) specKey {
	return specKey{name: name, read: func(key string, node *yaml.Node) {
		text, err := (shape{[]string{"!!str", "!!timestamp"}, "a time such as 2026-01-31T12:00:00Z"}).check(node)
		if err == nil {
			*into, err = wire.ParseTime(text)
		}
		if err != nil {
			r.problem(node, key, "%v", err)
		}
	}}
}
