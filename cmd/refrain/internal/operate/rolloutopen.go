package operate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/wire"
)

// manifestArg names a manifest.
type manifestArg struct {
	File string `arg:"" placeholder:"FILE" help:"The manifest, JSON; '-' is the standard input."`
}

// read reads the manifest as strictly as the plane does, so that what is wrong with it
// is said with the file.
func (a *manifestArg) read(in io.Reader) (*wire.Manifest, error) {
	var body []byte
	var err error
	if a.File == "-" {
		body, err = io.ReadAll(in)
	} else {
		body, err = os.ReadFile(a.File)
	}
	if err != nil {
		return nil, usage("nothing was sent", "the manifest: %w", err)
	}
	m := new(wire.Manifest)
	if err := wire.DecodeOperatorDocument(new(wire.Decoder), &wire.ManifestSchema, body, m); err != nil {
		return nil, usage("nothing was sent", "%s: %w", a.File, err)
	}
	return m, nil
}

// RolloutOpen opens a rollout.
type RolloutOpen struct {
	Reading
	manifestArg
	DryRun bool `help:"Say what the opening would do, and open nothing."`
}

// Run implements the command.
func (c *RolloutOpen) Run(ctx context.Context, out IO) error {
	m, err := c.read(out.In)
	if err != nil {
		return err
	}
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		plan, err := planOf(ctx, client, m)
		if err != nil {
			return err
		}
		for _, warning := range warnings(plan) {
			fmt.Fprintf(out.Err, "warning: %s\n", warning)
		}
		if c.DryRun {
			if c.asJSON() {
				return writeJSON(w, plan.AppendJSON(nil))
			}
			return printPlan(plan, w)
		}
		return c.open(ctx, client, m, w)
	})
}

func planOf(ctx context.Context, client *planeclient.Client, m *wire.Manifest) (*wire.OpeningPlan, error) {
	answer, err := client.Do(ctx, planeclient.Request{Path: rolloutsPath, Query: url.Values{"dry_run": {"true"}}, Body: m.AppendJSON(nil)})
	if err != nil {
		return nil, err
	}
	return planeclient.Decode(rolloutsPath, answer, &wire.OpeningPlanSchema)
}

// open sends the manifest and waits until it is open.
func (c *RolloutOpen) open(ctx context.Context, client *planeclient.Client, m *wire.Manifest, w io.Writer) error {
	answer, err := client.Do(ctx, planeclient.Request{Path: rolloutsPath, Body: m.AppendJSON(nil)})
	if err != nil {
		return err
	}
	// A large manifest is opened while other requests are served: the same manifest is
	// sent again until the plane says that it is open (R1).
	for limit := time.Now().Add(c.Timeout); answer.Status == http.StatusAccepted; {
		if time.Now().Add(answer.RetryAfter).After(limit) {
			return &Error{Err: fmt.Errorf("%s is not open after %v; the plane is still preparing it", m.ID(), c.Timeout), Code: CodeFailed, Hint: "the same command again goes on waiting"}
		}
		if err := planeclient.Sleep(ctx, answer.RetryAfter); err != nil {
			return err
		}
		if answer, err = client.Do(ctx, planeclient.Request{Path: rolloutsPath, Body: m.AppendJSON(nil)}); err != nil {
			return err
		}
	}
	r, err := planeclient.Decode(rolloutsPath, answer, &wire.RolloutStatusSchema)
	if err != nil {
		return err
	}
	if c.asJSON() {
		return writeJSON(w, r.AppendJSON(nil))
	}
	what := "opened"
	if answer.Status == http.StatusOK {
		what = "open"
	}
	if _, err := fmt.Fprintf(w, "%s is %s\n", r.RolloutID, what); err != nil {
		return err
	}
	return aboutRollout(r).print(w, "")
}

// warnings says what of a plan an operator may not have meant.
func warnings(p *wire.OpeningPlan) (list []string) {
	differs := make(map[wire.Name]bool)
	for _, c := range p.CaseDiffers {
		differs[wire.Name(c.Hostname)] = true
		list = append(list, fmt.Sprintf("host %s is not known, and differs from %s only in case", c.Hostname, c.Known))
	}
	unknown := p.Unknown
	unknown.Names = nil
	for _, name := range p.Unknown.Names {
		if differs[name] {
			unknown.Count--
		} else {
			unknown.Names = append(unknown.Names, name)
		}
	}
	for _, group := range []struct {
		of   wire.HostGroup
		what string
	}{{unknown, "not known to the plane"}, {p.NeverSeen, "never seen"}, {p.Unreachable, "unreachable"}} {
		if group.of.Count > 0 {
			list = append(list, fmt.Sprintf("%s %s: %s", counted(group.of.Count, "host"), group.what, namesOf(group.of)))
		}
	}
	for _, q := range p.Quarantined {
		list = append(list, fmt.Sprintf("%s is quarantined on the channel: %s will not be dispatched", q.Closure, counted(q.Hosts, "host")))
	}
	return list
}

// namesOf lists the names of a group.
func namesOf(g wire.HostGroup) string {
	if more := int(g.Count) - len(g.Names); more > 0 {
		return fmt.Sprintf("%s and %d more", listOf(g.Names), more)
	}
	return listOf(g.Names)
}

func printPlan(p *wire.OpeningPlan, w io.Writer) error {
	t := newTable()
	t.row("rollout", string(p.RolloutID))
	if p.Unchanged {
		t.row("opening it", "changes nothing: it is open with this manifest")
		return t.print(w, "")
	}
	t.row("supersedes", listOf(p.Supersedes))
	t.row("hosts", fmt.Sprint(p.Hosts))
	var waves []string
	for _, wave := range p.Waves {
		waves = append(waves, fmt.Sprintf("%d (soak %s)", wave.Hosts, minutes(wave.SoakMinutes)))
	}
	t.row("waves", strings.Join(waves, ", "))
	for _, group := range []struct {
		name string
		of   wire.HostGroup
	}{{"dispatched at once", p.Dispatched}, {"run it already", p.Running}, {"unreachable", p.Unreachable}, {"never seen", p.NeverSeen}, {"not known", p.Unknown}} {
		if group.of.Count > 0 {
			t.row(group.name, fmt.Sprintf("%d: %s", group.of.Count, namesOf(group.of)))
		}
	}
	for _, q := range p.Quarantined {
		t.row("quarantined", fmt.Sprintf("%s, for %s", q.Closure, counted(q.Hosts, "host")))
	}
	if err := t.print(w, ""); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "nothing was opened")
	return err
}

// minutes is a soak time in a table.
func minutes(n wire.Count) string { return fmt.Sprintf("%dm", n) }
