package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"text/tabwriter"

	"github.com/refrain-fleet/refrain/internal/version"
	"github.com/refrain-fleet/refrain/sim/repro"
)

// versionCommand prints the version of the build.
type versionCommand struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

// build describes a build. Its JSON is stable: scripts read it.
type build struct {
	// Version is the module's version, "(devel)" for a build of a working tree
	// without one.
	Version string `json:"version"`
	// Revision is the commit, empty if the build does not know it.
	Revision string `json:"revision"`
	// Time is the commit's, in RFC 3339; empty if the build does not know it.
	Time string `json:"time"`
	// Modified reports changes that were not committed.
	Modified bool `json:"modified"`
	// Go is the compiler's version.
	Go string `json:"go"`
	// OS and Arch are what it was built for.
	OS   string `json:"os"`
	Arch string `json:"arch"`
	// Binary names the file that runs by its content, for builds that do not
	// know their commit, or have changes to it.
	Binary string `json:"binary"`
}

// Run implements the command.
func (c *versionCommand) Run(io stdio) error {
	b := describeBuild()
	b.Binary = repro.Binary()
	if c.JSON {
		return json.NewEncoder(io.Out).Encode(b)
	}
	revision := b.Revision
	switch {
	case revision == "":
		revision = "unknown"
	case b.Modified:
		revision += ", modified"
	}
	table := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "refrain\t%s\n", b.Version)
	fmt.Fprintf(table, "revision\t%s\n", revision)
	if b.Time != "" {
		fmt.Fprintf(table, "committed\t%s\n", b.Time)
	}
	fmt.Fprintf(table, "go\t%s\n", b.Go)
	fmt.Fprintf(table, "platform\t%s/%s\n", b.OS, b.Arch)
	fmt.Fprintf(table, "binary\t%s\n", b.Binary)
	return table.Flush()
}

// describeBuild describes this build, without its binary.
func describeBuild() build {
	b := version.Read()
	return build{Version: b.Version, Revision: b.Revision, Time: b.Time, Modified: b.Modified, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
}
