package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// releaseBuildCommand makes the documents of a release.
type releaseBuildCommand struct {
	File   string      `arg:"" help:"The fleet's YAML file; deploy/release.example.yaml shows every key."`
	Out    string      `default:"release" placeholder:"DIR" help:"The directory of the release (${default})."`
	Commit string      `placeholder:"HASH" help:"The commit that the closures are of; overrides the file's."`
	Flake  string      `placeholder:"REF" help:"Ask nix for closures that the file has none for: REF#nixosConfigurations.HOST.config.system.build.toplevel."`
	At     instantFlag `placeholder:"TIME" help:"Drop pins and nonces that have expired at this instant. Default: now."`
	JSON   bool        `name:"json" help:"Print one JSON object and nothing else."`
}

// Help implements [kong.HelpProvider].
func (*releaseBuildCommand) Help() string {
	return "Nothing is signed, and no key is needed: refrain release sign does that, and makes the rollout manifests. Signatures of a release that was in the directory are removed."
}

// builtRelease is the result as JSON.
type builtRelease struct {
	Directory string   `json:"directory"`
	Commit    string   `json:"commit"`
	Hosts     int      `json:"hosts"`
	Rollouts  []string `json:"rollouts"`
	Notes     []string `json:"notes"`
}

// Run implements the command.
func (c *releaseBuildCommand) Run(ctx context.Context, io stdio) error {
	text, err := releasefile.ReadBounded(c.File)
	if err != nil {
		return usageError(err.Error())
	}
	spec, err := readReleaseSpec(c.File, text)
	if err != nil {
		return &commandError{err: err, code: exitUsage, hint: "deploy/release.example.yaml shows every key; nothing was written"}
	}
	if c.Commit != "" {
		spec.fleet.Meta.Commit = wire.Name(c.Commit)
	}
	var ask closureOf
	if c.Flake != "" {
		ask = func(host string) (wire.Closure, error) { return c.evaluate(ctx, host) }
	}
	notes, err := spec.resolve(ask, c.At.orNow())
	if file := (*configError)(nil); errors.As(err, &file) {
		return &commandError{err: err, code: exitUsage, hint: "deploy/release.example.yaml shows every key; nothing was written"}
	} else if err != nil {
		return err
	}
	r, err := spec.documents(c.Out)
	if err != nil {
		return err
	}
	if note := sameCommit(r); note != "" {
		notes = append(notes, note)
	}
	if err := r.Write(); err != nil {
		return outputError("--out", err)
	}
	built := builtRelease{Directory: c.Out, Commit: string(spec.fleet.Meta.Commit), Hosts: len(spec.fleet.Hosts), Rollouts: []string{}, Notes: append([]string{}, notes...)}
	for _, id := range spec.fleet.RolloutIDs() {
		built.Rollouts = append(built.Rollouts, string(id))
	}
	if c.JSON {
		return writeJSON(io.Out, &built)
	}
	for _, note := range notes {
		fmt.Fprintf(io.Err, "note: %s\n", note)
	}
	fmt.Fprintf(io.Out, "BUILT %s: %d hosts, commit %s, not signed\n", c.Out, built.Hosts, built.Commit)
	for _, id := range built.Rollouts {
		fmt.Fprintf(io.Out, "rollout   %s\n", id)
	}
	fmt.Fprintf(io.Out, "\nnext:\n  refrain release diff IN-FORCE %[1]s shows what changes\n  refrain release sign %[1]s --trust FILE --key FILE\n", shellWord(c.Out))
	return nil
}

// evaluate asks nix for the closure of a host.
func (c *releaseBuildCommand) evaluate(ctx context.Context, host string) (wire.Closure, error) {
	attribute := c.Flake + "#nixosConfigurations." + host + ".config.system.build.toplevel.outPath"
	command := exec.CommandContext(ctx, "nix", "eval", "--raw", attribute)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return "", &commandError{err: fmt.Errorf("--flake: nix eval --raw %s: %w", attribute, err), code: exitFailed, hint: "nothing was written; a closure in the file is not asked for"}
	}
	closure, err := baseOfClosure(strings.TrimSpace(string(out)))
	if err != nil {
		return "", &commandError{err: fmt.Errorf("--flake: nix eval --raw %s: %w", attribute, err), code: exitFailed, hint: "nothing was written"}
	}
	return closure, nil
}

// documents writes the documents, and reads them back as agents do.
func (s *releaseSpec) documents(dir string) (*releasefile.Release, error) {
	r := &releasefile.Release{Dir: dir, Files: make(map[string][]byte)}
	var err error
	if r.Files[releasefile.Fleet], err = s.fleet.Marshal(); err != nil {
		return nil, err
	}
	if _, err = artifact.ParseFleet(r.Files[releasefile.Fleet]); err != nil {
		return nil, usageError(s.reader.path + ": the fleet cannot be read back: " + err.Error())
	}
	if s.revocations != nil {
		if r.Files[releasefile.Revocations], err = s.revocations.Marshal(); err != nil {
			return nil, err
		}
	}
	if s.nonces != nil {
		if r.Files[releasefile.Nonces], err = s.nonces.Marshal(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// sameCommit notes that the release before in the directory is of the same commit and
// says something else.
func sameCommit(r *releasefile.Release) string {
	before, err := releasefile.Read(r.Dir)
	if err != nil {
		return "" // there was none
	}
	old, err := artifact.ParseFleet(before.Files[releasefile.Fleet])
	now, problem := artifact.ParseFleet(r.Files[releasefile.Fleet])
	if err != nil || problem != nil || old.Meta.Commit != now.Meta.Commit {
		return ""
	}
	old.Meta, now.Meta = artifact.Meta{}, artifact.Meta{}
	a, err := old.Marshal()
	b, problem := now.Marshal()
	if err != nil || problem != nil || string(a) == string(b) {
		return ""
	}
	return "the release before in " + r.Dir + " is of the same commit and differs: the rollouts have the same IDs, and agents keep the manifest that they have until it is an hour old; a new commit has new IDs"
}
