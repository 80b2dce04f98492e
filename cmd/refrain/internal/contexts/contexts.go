// Package contexts keeps the planes that a user operates: a context is the address of
// a plane, and the files to speak to it with, under a name. They are in one YAML file
// of the user's configuration directory, which only the user may read. It has paths
// and no keys.
package contexts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Context is how one plane is reached. A member that is empty is given by a flag.
type Context struct {
	// URL is that of the plane, such as https://plane.example.com:8443.
	URL string `yaml:"url,omitempty"`
	// CA is the file of the CA that signed the plane's certificate, Certificate and Key
	// those of the operator. The paths are absolute.
	CA          string `yaml:"ca,omitempty"`
	Certificate string `yaml:"certificate,omitempty"`
	Key         string `yaml:"key,omitempty"`
}

// Over returns the context with each member of flags that is set in place of its own.
func (c Context) Over(flags Context) Context {
	for _, pair := range [][2]*string{{&c.URL, &flags.URL}, {&c.CA, &flags.CA}, {&c.Certificate, &flags.Certificate}, {&c.Key, &flags.Key}} {
		if *pair[1] != "" {
			*pair[0] = *pair[1]
		}
	}
	return c
}

// Absolute returns the context with absolute paths, those of the files that it names.
func (c Context) Absolute() (Context, error) {
	for _, path := range []*string{&c.CA, &c.Certificate, &c.Key} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return c, err
		}
		*path = absolute
	}
	return c, nil
}

// Set is all contexts of a user.
type Set struct {
	// Current is the name of the context that is used when none is named; empty for
	// none.
	Current  string             `yaml:"current,omitempty"`
	Contexts map[string]Context `yaml:"contexts,omitempty"`
}

// Names returns the names in order.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.Contexts)) }

// Put adds a context, or replaces the one of that name.
func (s *Set) Put(name string, c Context) {
	if s.Contexts == nil {
		s.Contexts = make(map[string]Context)
	}
	s.Contexts[name] = c
}

// Path returns the file of the contexts: refrain/contexts.yaml in the user's
// configuration directory, which is $XDG_CONFIG_HOME or ~/.config on Linux.
func Path() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("the user's configuration directory is not known: %w; set XDG_CONFIG_HOME or HOME", err)
	}
	return filepath.Join(dir, "refrain", "contexts.yaml"), nil
}

// CheckName refuses a name that is not 1 to 64 letters, digits, '-', '.' or '_'.
func CheckName(name string) error {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
	if name == "" || len(name) > 64 || strings.Trim(name, plain) != "" {
		return fmt.Errorf("the name of a context is %q; want 1 to 64 letters, digits, '-', '.' or '_'", name)
	}
	return nil
}

// Load reads the file of a user's contexts. A file that does not exist has none.
func Load(path string) (*Set, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return new(Set), nil
	}
	if err != nil {
		return nil, fmt.Errorf("the contexts: %w", err)
	}
	s := new(Set)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the contexts: %s: %w", path, err)
	}
	for name, c := range s.Contexts { // order-free: any of several errors will do
		if err := CheckName(name); err != nil {
			return nil, fmt.Errorf("the contexts: %s: %w", path, err)
		}
		for _, file := range []string{c.CA, c.Certificate, c.Key} {
			if file != "" && !filepath.IsAbs(file) {
				return nil, fmt.Errorf("the contexts: %s: %s: the path %q is not absolute; it would name another file in each directory", path, name, file)
			}
		}
	}
	return s, nil
}

// Save replaces the file, whole or not at all. Only the user may read it, and its
// directory if that is new.
func Save(path string, s *Set) (err error) {
	text, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("the contexts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("the contexts: %w", err)
	}
	part, err := os.CreateTemp(filepath.Dir(path), ".contexts-*") // of mode 0600
	if err != nil {
		return fmt.Errorf("the contexts: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part.Name())
			err = fmt.Errorf("the contexts: %w", err)
		}
	}()
	_, err = part.Write(text)
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}
