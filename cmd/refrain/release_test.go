package main

import (
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
)

// docs/releases.md shows a release from its YAML file to its verification. The key is
// that of the scripts, and the instants are given, so that everything is the same in
// every run.
func TestDocumentation_AReleaseIsMadeAndVerified(t *testing.T) {
	t.Parallel()
	c := &terminal{t: t, dir: t.TempDir()}
	for _, name := range []string{"fleet.yaml", "changed.yaml", "release.key", "release.pub", "other.pub"} {
		c.file(name, scriptFile(t, "release.txtar", name))
	}
	c.run("refrain release trust release.pub --out trust.json")
	fleet := sample.Block("", scriptFile(t, "release.txtar", "fleet.yaml"))
	build := c.run("refrain release build fleet.yaml")
	sign := c.run("refrain release sign release --trust trust.json --key release.key --at 2026-01-31T12:00:00Z")
	c.run("refrain release build changed.yaml --out next")
	sample.Check(t, docs+"releases.md", "the release", map[string]string{
		"fleet":  fleet,
		"build":  sample.Block("", build),
		"sign":   sample.Block("", sign),
		"verify": sample.Block("", c.run("refrain release verify release --trust trust.json --at 2026-01-31T12:30:00Z --host web-2")),
		"show":   sample.Block("", c.run("refrain release show release")),
		"stale":  sample.Block("", c.run("refrain release verify release --trust trust.json --at 2026-01-31T14:00:00Z")),
		"trust":  sample.Block("", c.run("refrain release trust release.pub --signer other.pub --required 2")),
		"diff":   sample.Block("", c.run("refrain release diff release next")),
	})
}
