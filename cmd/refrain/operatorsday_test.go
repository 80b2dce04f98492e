package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
)

// changing is what each run of the operator's day prints differently: addresses,
// instants, durations and the version of this build.
var changing = []*regexp.Regexp{
	regexp.MustCompile(`127\.0\.0\.1:\d+`),
	regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`),
	regexp.MustCompile(`\b\d+s\b`),
	regexp.MustCompile(`version \S+`),
}

// manifestFile is a manifest of the operator's day: a host a wave.
func manifestFile(channel, ref, closure string, serial int, hosts ...string) string {
	var waves, list []string
	for i, host := range hosts {
		waves = append(waves, `{"soak_minutes": 1}`)
		list = append(list, fmt.Sprintf(`    {"hostname": %q, "wave": %d, "target_closure": %q}`, host, i, closure))
	}
	return fmt.Sprintf("{\n  \"channel\": %q, \"channel_ref\": %q, \"serial\": %d,\n"+
		"  \"policy\": {\"on_health_failure\": \"rollback-and-halt\", \"waves\": [%s]},\n  \"hosts\": [\n%s\n  ]\n}\n",
		channel, ref, serial, strings.Join(waves, ", "), strings.Join(list, ",\n"))
}

// The commands of an operator's day, against a real plane with hosts, print what
// docs/operators-day.md shows.
func TestDocumentation_OperatorsDay(t *testing.T) {
	hosts := []string{"edge-1", "edge-2", "web-1", "web-2", "web-3"}
	p := startPlane(t, hosts...)
	c := &terminal{t: t, dir: t.TempDir()}
	c.env = []string{"XDG_CONFIG_HOME=" + filepath.Join(c.dir, "config")}
	if err := os.Symlink(p.demo.dir, filepath.Join(c.dir, "pki")); err != nil {
		t.Fatal(err)
	}
	good := manifestFile("web", "r1", "web-r1", 1, "web-1", "web-2", "Web-3")
	c.file("web.json", strings.Replace(good, `"serial": 1`, `"dry_run": true`, 1))
	show := func(lines ...string) string {
		t.Helper()
		var printed []string
		for _, line := range lines {
			printed = append(printed, c.run(strings.ReplaceAll(line, "PLANE", p.demo.url)))
		}
		return sample.Block("", strings.Join(printed, "\n"))
	}

	good3 := p.run(p.fleet(hosts[2:]))
	defer good3()
	failing := p.run(p.fleet(hosts[:2], func(c *fleetConfig) { c.Failing = 1 }))
	defer failing()
	until(t, "every host has sent a heartbeat", func() bool {
		return strings.Count(c.run("refrain host list --reachability reachable --url "+p.demo.url+
			" --ca pki/ca.crt --cert pki/operators/demo.crt --key pki/operators/demo.key"), " initial ") == len(hosts)
	})

	chosen := show("refrain context add prod --url PLANE --ca pki/ca.crt --cert pki/operators/demo.crt --key pki/operators/demo.key",
		"refrain status")
	list := show("refrain host list")
	unknownField := show("refrain rollout open web.json")
	c.file("web.json", good)
	dryRun := show("refrain rollout open web.json --dry-run")
	c.file("web.json", strings.Replace(good, "Web-3", "web-3", 1))
	open := show("refrain rollout open web.json")
	wait := show("refrain rollout wait web@r1 --for converged --timeout 10m --quiet", "refrain rollout show web")
	why := show("refrain rollout why web")
	trace := show("refrain rollout trace web --host web-1")
	c.file("web-next.json", manifestFile("web", "r2", "web-r2", 2, "web-1", "web-3"))
	diff := show("refrain rollout diff web-next.json")

	c.file("edge.json", manifestFile("edge", "r1", "edge-r1", 1, "edge-1", "edge-2"))
	c.run("refrain rollout open edge.json")
	failed := show("refrain rollout wait edge --for converged --timeout 10m --quiet")
	until(t, "the host has rolled back", func() bool { return strings.Contains(c.run("refrain host show edge-1"), " Reverted ") })
	look := show("refrain rollout show edge --state reverted", "refrain rollout trace edge --host edge-1", "refrain quarantine list")
	whyFailed := show("refrain rollout why edge", "refrain host why edge-2")
	goOn := show("refrain quarantine clear edge edge-r1", "refrain rollout resume edge", "refrain rollout wait edge --for terminal --timeout 10m --quiet")
	revoke := show("refrain revocation add agent-edge-1.fleet.test", "refrain revocation list")
	cordon := show(`refrain host cordon web-1 --reason disk`, "refrain rollout open web-next.json", "refrain rollout show web")
	pause := show("refrain rollout pause web --reason check", "refrain host skip web-1 web", "refrain host uncordon web-1",
		"refrain rollout resume web", "refrain rollout wait web --for terminal --timeout 10m --quiet")
	c.file("web-last.json", manifestFile("web", "r3", "web-r3", 3, "web-2", "web-1"))
	c.run("refrain host cordon web-2")
	c.run("refrain rollout open web-last.json")
	abort := show("refrain rollout abort web --reason wrong-build", "refrain host forget edge-1", "refrain host list")
	end := show("refrain rollout list")

	sample.Check(t, docs+"operators-day.md", "the operator's day", map[string]string{
		"context":       chosen,
		"hosts":         list,
		"unknown-field": unknownField,
		"dry-run":       dryRun,
		"open":          open,
		"why":           why,
		"wait":          wait,
		"trace":         trace,
		"diff":          diff,
		"failed":        failed,
		"look":          look,
		"why-failed":    whyFailed,
		"go-on":         goOn,
		"revoke":        revoke,
		"cordon":        cordon,
		"pause":         pause,
		"abort":         abort,
		"end":           end,
	}, changing...)
}
