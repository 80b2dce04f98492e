package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/contexts"
)

// devContext is the name of the demo's context.
const devContext = "dev"

// keepContext puts the demo among the user's contexts, so that the commands of
// operators work beside it. It is used from then on if no other is.
func (d *demo) keepContext(w io.Writer) error {
	path, err := contexts.Path()
	if err != nil {
		return err
	}
	set, err := contexts.Load(path)
	if err != nil {
		return err
	}
	own, err := contexts.Context{
		URL: d.url, CA: filepath.Join(d.dir, "ca.crt"),
		Certificate: filepath.Join(d.dir, "operators", devOperator+".crt"), Key: filepath.Join(d.dir, "operators", devOperator+".key"),
	}.Absolute()
	if err != nil {
		return err
	}
	set.Put(devContext, own)
	if set.Current == "" {
		set.Current = devContext
	}
	if err := contexts.Save(path, set); err != nil {
		return err
	}
	named := ""
	if set.Current != devContext {
		named = " --context " + devContext
	}
	fmt.Fprintf(w, "\nAs an operator, in another terminal: refrain status%s; refrain rollout show %s%s. They use the context %s of %s.\n",
		named, devChannel, named, devContext, path)
	return nil
}
