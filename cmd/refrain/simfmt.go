package main

import (
	"bytes"
	"errors"
	"fmt"
	goio "io"
	"os"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// simFmtCommand writes scenario files in their canonical form.
type simFmtCommand struct {
	Files []string `arg:"" optional:"" name:"file" help:"Scenario files. Without any, standard input is read."`
	Write bool     `short:"w" help:"Write the result to the file it came from."`
	Check bool     `help:"Print the names of files that are not in canonical form, and exit with 1 if there are any."`
	Diff  bool     `short:"d" help:"Print what would change, and exit with 1 if anything would."`
}

// stdinName stands for standard input in errors.
const stdinName = "<standard input>"

// Run implements the command.
func (c *simFmtCommand) Run(io stdio) error {
	if c.Write && (c.Check || c.Diff) {
		return usageError("-w writes files; --check and -d do not")
	}
	if c.Write && len(c.Files) == 0 {
		return usageError("-w needs files to write to")
	}
	if len(c.Files) == 0 {
		text, err := goio.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		differs, err := c.format(io.Out, stdinName, text)
		return c.verdict(differs, err)
	}
	// Every file is processed, even if others are wrong.
	var failed error
	anyDiffers := false
	for _, name := range c.Files {
		text, err := os.ReadFile(name)
		differs := false
		if err == nil {
			differs, err = c.format(io.Out, name, text)
		}
		failed = errors.Join(failed, err)
		anyDiffers = anyDiffers || differs
	}
	return c.verdict(anyDiffers, failed)
}

func (c *simFmtCommand) verdict(differs bool, err error) error {
	switch {
	case err != nil:
		return &commandError{err: err, code: exitUsage}
	case differs && (c.Check || c.Diff):
		return errViolation
	default:
		return nil
	}
}

// format does with one text what the flags say, and reports whether it was not
// in canonical form.
func (c *simFmtCommand) format(to goio.Writer, name string, text []byte) (differs bool, err error) {
	f, err := scenario.ParseFile(name, string(text))
	if err != nil {
		return false, err
	}
	canonical := []byte(f.String())
	differs = !bytes.Equal(canonical, text)
	if c.Check && differs {
		fmt.Fprintln(to, name)
	}
	if c.Diff && differs {
		_, err = to.Write(diff.Diff(name, text, name+" (canonical)", canonical))
	}
	switch {
	case c.Check || c.Diff:
	case !c.Write:
		_, err = to.Write(canonical)
	case differs:
		err = writeOutput("-w", name, canonical, 0o644)
	}
	return differs, err
}
