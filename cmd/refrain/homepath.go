package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// checkHomePaths refuses the first path of a command line, an environment or a
// file that begins with ~. A shell expands it at the beginning of a word, and
// nothing else does: refrain would create a directory of that name.
func checkHomePaths(parsed *kong.Context) error {
	for _, step := range parsed.Path {
		node := step.Node()
		if node == nil {
			continue
		}
		values := slices.Clone(node.Positional)
		for _, flag := range node.Flags {
			values = append(values, flag.Value)
		}
		for _, value := range values {
			if !isPath(value) {
				continue
			}
			for _, path := range textsOf(value.Target) {
				if err := checkHomePath(path); err != nil {
					return &commandError{
						err: fmt.Errorf("%s: %w", nameOf(value), err), code: exitUsage,
						hint: homeHint(value, path),
					}
				}
			}
		}
	}
	return nil
}

// isPath reports whether a value is the path of a file or a directory, by its
// placeholder or its name.
func isPath(value *kong.Value) bool {
	placeholder := value.Name
	if value.Tag != nil && value.Tag.PlaceHolder != "" {
		placeholder = value.Tag.PlaceHolder
	}
	return slices.Contains([]string{"FILE", "DIR", "FILES"}, strings.ToUpper(placeholder))
}

// textsOf returns the texts of a value that is one text or a list of them.
func textsOf(target reflect.Value) []string {
	if !target.IsValid() {
		return nil
	}
	switch target.Kind() {
	case reflect.String:
		return []string{target.String()}
	case reflect.Slice:
		if target.Type().Elem().Kind() == reflect.String {
			var texts []string
			for i := range target.Len() {
				texts = append(texts, target.Index(i).String())
			}
			return texts
		}
	}
	return nil
}

// checkHomePath explains a path that begins with ~.
func checkHomePath(path string) error {
	if !strings.HasPrefix(path, "~") {
		return nil
	}
	return fmt.Errorf("the path %q begins with ~, which only a shell expands, and only at the beginning of a word; want the whole path, or ./%s for a name with ~", path, path)
}

// homePath returns the path that a shell makes of one with ~, or "" if that is
// not known here.
func homePath(path string) string {
	rest, found := strings.CutPrefix(path, "~")
	if !found || rest != "" && !strings.HasPrefix(rest, "/") {
		return "" // the home of another user
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, rest)
}

// nameOf names a value for its error.
func nameOf(value *kong.Value) string {
	if value.Flag != nil {
		return "--" + value.Name
	}
	return value.Summary()
}

// homeHint proposes the whole path.
func homeHint(value *kong.Value, path string) string {
	whole := homePath(path)
	switch {
	case whole == "":
		return "nothing was started or changed"
	case value.Flag != nil:
		return fmt.Sprintf("try %s=%s", nameOf(value), shellWord(whole))
	}
	return "try " + shellWord(whole)
}
