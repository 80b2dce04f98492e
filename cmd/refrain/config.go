package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile is the path of a YAML file with values of flags. Its shape follows
// the command line: a mapping per command, by the command's name, in it a value
// per flag, by the flag's name; a command of a command is a mapping in that.
//
//	serve:
//	  listen: :8443
//	pki:
//	  init:
//	    cn-suffix: fleet.example.com
//
// The whole file is checked whenever it is read, not only the part of the
// command that runs.
type configFile string

// BeforeResolve has kong call it when the flags' other values are known.
func (configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(configFile))
	if path == "" {
		return nil
	}
	if err := checkHomePath(path); err != nil {
		return fmt.Errorf("--config: %w", &valueError{err: err, instead: homePath(path)})
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	config, err := parseConfig(path, text, ctx.Model.Node)
	if err != nil {
		return err
	}
	ctx.AddResolver(config)
	return nil
}

// configError is what is wrong with a configuration file: one problem a line,
// in the order of the file, each with file, line and key.
type configError struct {
	path     string
	problems []string
}

// mostProblems is how many problems of one file are written out.
const mostProblems = 20

// Error implements error.
func (e *configError) Error() string {
	lines := e.problems[:min(len(e.problems), mostProblems)]
	if more := len(e.problems) - len(lines); more > 0 {
		lines = append(slices.Clone(lines), fmt.Sprintf("%s: and %d more problems; mend these first", e.path, more))
	}
	return strings.Join(lines, "\n")
}

// config has the values of a file by flag, as text, or as []any of texts for a
// list that has no separator.
type config struct{ values map[*kong.Flag]any }

// Validate implements [kong.Resolver]; parseConfig has done it.
func (c *config) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver]. kong calls it for every flag that the
// command line does not give, also for those that the environment gives.
func (c *config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return c.values[flag], nil
}

// parseConfig reads a file by the grammar below root. The error is a
// *configError.
func parseConfig(path string, text []byte, root *kong.Node) (*config, error) {
	r := configReader{path: path, root: root, values: make(map[*kong.Flag]any)}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &config{}, nil // nothing but comments
	case err != nil:
		r.syntax(err)
	default:
		r.section(root, "", document.Content[0])
		switch err := decoder.Decode(&second); {
		case errors.Is(err, io.EOF):
		case err != nil:
			r.syntax(err)
		default:
			r.problem(&second, "", "a second document, want one")
		}
	}
	if len(r.problems) > 0 {
		return nil, &configError{path, r.problems}
	}
	return &config{r.values}, nil
}

// configReader walks a file along the grammar.
type configReader struct {
	path     string
	root     *kong.Node
	values   map[*kong.Flag]any
	problems []string
}

func (r *configReader) problem(at *yaml.Node, key, format string, args ...any) {
	text := fmt.Sprintf("%s:%d: ", r.path, at.Line)
	if key != "" {
		text += key + ": "
	}
	r.problems = append(r.problems, text+fmt.Sprintf(format, args...))
}

// syntax reports an error of the YAML library, which knows only roughly where
// the error is, and counts the lines of its parser's errors from 0. A few of
// its errors have no line.
func (r *configReader) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	where := r.path
	if rest, found := strings.CutPrefix(text, "line "); found {
		digits, what, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(digits); err == nil {
			if strings.HasPrefix(what, "did not find expected") {
				line++
			}
			where, text = fmt.Sprintf("%s:%d", r.path, line), what
		}
	}
	r.problems = append(r.problems, where+": not YAML from about here: "+text)
}

// section reads the mapping of a command, whose keys start with prefix.
func (r *configReader) section(command *kong.Node, prefix string, node *yaml.Node) {
	node = resolveAlias(node)
	if isNull(node) {
		return // a section with all its lines commented out
	}
	if node.Kind != yaml.MappingNode {
		what := "flags"
		if command == r.root {
			what = "commands"
		}
		r.problem(node, strings.TrimSuffix(prefix, "."), "want a mapping of %s, have %s", what, describe(node))
		return
	}
	first := make(map[string]int)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			r.problem(key, prefix+"?", "want a name for a key, have %s", describe(key))
			continue
		}
		name := prefix + plainOrQuoted(key.Value)
		if line, repeated := first[key.Value]; repeated {
			r.problem(key, name, "repeated, it is on line %d already", line)
			continue
		}
		first[key.Value] = key.Line
		if flag := flagOf(command, key.Value); flag != nil {
			r.flag(flag, name, value)
		} else if child := childOf(command, key.Value); child != nil {
			r.section(child, name+".", value)
		} else {
			r.problem(key, name, "unknown key, %s", r.suggest(command, prefix, key.Value))
		}
	}
}

// flag reads the value of one flag.
func (r *configReader) flag(flag *kong.Flag, name string, node *yaml.Node) {
	value, err := flagValue(flag, resolveAlias(node))
	if err != nil {
		r.problem(node, name, "%v", err)
		return
	}
	r.values[flag] = value
}

// flagOf returns the flag that a command's section may set. The program's own
// flags, such as the path of the file itself, may not be set in it.
func flagOf(command *kong.Node, name string) *kong.Flag {
	if command.Parent == nil {
		return nil
	}
	for _, flag := range command.Flags {
		if flag.Name == name {
			return flag
		}
	}
	return nil
}

func childOf(command *kong.Node, name string) *kong.Node {
	for _, child := range command.Children {
		if child.Name == name && child.Type == kong.CommandNode {
			return child
		}
	}
	return nil
}

func resolveAlias(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// describe says what a node is, for "want …, have …".
func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(node):
		return "nothing"
	case node.Tag == "!!str":
		return fmt.Sprintf("%q", node.Value)
	case node.Tag == "!!int", node.Tag == "!!float":
		return "the number " + plainOrQuoted(node.Value)
	case node.Tag == "!!timestamp":
		return "the date " + plainOrQuoted(node.Value)
	case node.Tag == "!!bool":
		return plainOrQuoted(node.Value)
	default:
		return fmt.Sprintf("%s %q", plainOrQuoted(node.Tag), node.Value)
	}
}

// plainOrQuoted quotes a text that is not one plain word, or that would break
// the line of a message.
func plainOrQuoted(s string) string {
	if quoted := strconv.Quote(s); s == "" || strings.Contains(s, " ") || quoted != `"`+s+`"` {
		return quoted
	}
	return s
}
