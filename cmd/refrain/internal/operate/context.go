package operate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/contexts"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
)

// ContextCommand is the user's contexts.
type ContextCommand struct {
	Add    ContextAdd    `cmd:"" help:"Add a context, or replace one with --force. The first one is used from then on."`
	Use    ContextUse    `cmd:"" help:"Use a context from now on."`
	List   ContextList   `cmd:"" help:"List the contexts; a star marks the one in use."`
	Show   ContextShow   `cmd:"" help:"Show a context, the one in use by default."`
	Remove ContextRemove `cmd:"" help:"Remove a context. The files that it names stay."`
}

// ContextAdd adds a context.
type ContextAdd struct {
	Name  string `arg:"" help:"The name of the context."`
	URL   string `name:"url" required:"" placeholder:"URL" help:"The plane's URL, for instance https://plane.example.com:8443."`
	CA    string `name:"ca" required:"" placeholder:"FILE" help:"The CA that signed the plane's certificate, PEM."`
	Cert  string `required:"" placeholder:"FILE" help:"The operator's certificate, PEM."`
	Key   string `required:"" placeholder:"FILE" help:"The key of that certificate, PEM."`
	Force bool   `env:"-" help:"Replace a context of this name."`
}

// ContextUse chooses the current context.
type ContextUse struct {
	Name string `arg:"" help:"The name of the context."`
}

// ContextList lists the contexts.
type ContextList struct{}

// ContextShow shows one context.
type ContextShow struct {
	Name string `arg:"" optional:"" help:"The name of the context."`
}

// ContextRemove removes a context.
type ContextRemove struct {
	Name string `arg:"" help:"The name of the context."`
}

// edit changes the file of the contexts.
func edit(change func(*contexts.Set) error) error {
	path, err := contexts.Path()
	if err == nil {
		var set *contexts.Set
		if set, err = contexts.Load(path); err == nil {
			if err := change(set); err != nil {
				return err
			}
			err = contexts.Save(path, set)
		}
	}
	if err != nil {
		return &Error{Err: err, Code: CodeUsage, Hint: "nothing was changed"}
	}
	return nil
}

func unknownContext(set *contexts.Set, name string) string {
	text := fmt.Sprintf("there is no context %q", name)
	if near := wire.Nearest(name, set.Names()); near != "" {
		return text + "; did you mean " + near + "?"
	}
	if len(set.Contexts) == 0 {
		return text + "; there is none at all"
	}
	return text + "; there are " + strings.Join(set.Names(), ", ")
}

// Run implements the command.
func (c *ContextAdd) Run(out IO) error {
	if err := contexts.CheckName(c.Name); err != nil {
		return usage("nothing was changed", "%w", err)
	}
	if err := httpagent.CheckURL(c.URL); err != nil {
		return usage("nothing was changed", "--url: %w", err)
	}
	added, err := contexts.Context{URL: c.URL, CA: c.CA, Certificate: c.Cert, Key: c.Key}.Absolute()
	if err != nil {
		return err
	}
	for _, file := range [][2]string{{"--ca", added.CA}, {"--cert", added.Certificate}, {"--key", added.Key}} {
		if _, err := os.Stat(file[1]); errors.Is(err, fs.ErrNotExist) {
			return usage("nothing was changed", "%s: %s: no such file", file[0], file[1])
		}
	}
	return edit(func(set *contexts.Set) error {
		if _, there := set.Contexts[c.Name]; there && !c.Force {
			return usage("--force replaces it; nothing was changed", "there is a context %s already", c.Name)
		}
		set.Put(c.Name, added)
		if set.Current == "" {
			set.Current = c.Name
		}
		fmt.Fprintf(out.Out, "context %s added: %s\n", c.Name, added.URL)
		if set.Current == c.Name {
			fmt.Fprintf(out.Out, "context %s is in use\n", c.Name)
		}
		return nil
	})
}

// Run implements the command.
func (c *ContextUse) Run(out IO) error {
	return edit(func(set *contexts.Set) error {
		if _, there := set.Contexts[c.Name]; !there {
			return usage("refrain context list shows them; nothing was changed", "%s", unknownContext(set, c.Name))
		}
		set.Current = c.Name
		fmt.Fprintf(out.Out, "context %s is in use\n", c.Name)
		return nil
	})
}

func load() (*contexts.Set, error) {
	path, err := contexts.Path()
	if err == nil {
		var set *contexts.Set
		if set, err = contexts.Load(path); err == nil {
			return set, nil
		}
	}
	return nil, &Error{Err: err, Code: CodeUsage}
}

// Run implements the command.
func (c *ContextList) Run(out IO) error {
	set, err := load()
	if err != nil {
		return err
	}
	t := newTable("", "NAME", "URL", "CERTIFICATE")
	for _, name := range set.Names() {
		mark := ""
		if name == set.Current {
			mark = "*"
		}
		t.row(mark, name, set.Contexts[name].URL, set.Contexts[name].Certificate)
	}
	return t.print(out.Out, "no contexts; refrain context add makes one")
}

// Run implements the command.
func (c *ContextShow) Run(out IO) error {
	set, err := load()
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name = set.Current
	}
	if name == "" {
		return usage(contextHint, "no context is in use")
	}
	shown, there := set.Contexts[name]
	if !there {
		return usage("refrain context list shows them", "%s", unknownContext(set, name))
	}
	t := newTable()
	t.row("name", name)
	t.row("url", shown.URL)
	t.row("ca", shown.CA)
	t.row("certificate", shown.Certificate)
	t.row("key", shown.Key)
	return t.print(out.Out, "")
}

// Run implements the command.
func (c *ContextRemove) Run(out IO) error {
	return edit(func(set *contexts.Set) error {
		if _, there := set.Contexts[c.Name]; !there {
			return usage("refrain context list shows them; nothing was changed", "%s", unknownContext(set, c.Name))
		}
		delete(set.Contexts, c.Name)
		fmt.Fprintf(out.Out, "context %s removed\n", c.Name)
		if set.Current == c.Name {
			set.Current = ""
			fmt.Fprintln(out.Out, "no context is in use; refrain context use NAME chooses one")
		}
		return nil
	})
}
