package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// releaseVerifyCommand verifies a release.
type releaseVerifyCommand struct {
	trustFlag
	FreshFor time.Duration `default:"1h" help:"How old a signature may be, beside a minute for the clocks (${default}: what agents of NixFleet have)."`
	At       instantFlag   `placeholder:"TIME" help:"Judge ages at this instant. Default: now."`
	Held     string        `placeholder:"DIR" help:"The release in force: what was signed before it is refused as older."`
	Host     string        `placeholder:"NAME" help:"Print the host's own line: rollout, wave and closure."`
	JSON     bool          `name:"json" help:"Print one JSON object and nothing else."`
	Dir      string        `arg:"" help:"The directory of the release."`
}

// Help implements [kong.HelpProvider].
func (*releaseVerifyCommand) Help() string {
	return "Judges each file as agents do, and then whether all of them belong together. Exits with 1 if a file is refused; each refusal has a reason, which is a stable word, and a line on what to do."
}

// verifiedRelease is the result as JSON.
type verifiedRelease struct {
	Verdict   string             `json:"verdict"` // good, or refused
	Directory string             `json:"directory"`
	Commit    string             `json:"commit,omitempty"`
	SignedAt  string             `json:"signed_at,omitempty"`
	Hash      string             `json:"hash,omitempty"`
	Host      *hostLine          `json:"host,omitempty"`
	Files     []releasefile.File `json:"files"`
	Notes     []string           `json:"notes,omitempty"` // edges that a plane ignores
}

// hostLine is what a release says of one host.
type hostLine struct {
	Hostname string `json:"hostname"`
	Rollout  string `json:"rollout"`
	Wave     int    `json:"wave"`
	Closure  string `json:"closure"`
}

// Run implements the command.
func (c *releaseVerifyCommand) Run(io stdio) error {
	trust, err := c.trustFlag.read()
	if err != nil {
		return err
	}
	if c.FreshFor < time.Second {
		return usageError(fmt.Sprintf("--fresh-for is %v; want at least 1s", c.FreshFor))
	}
	r, err := releasefile.Read(c.Dir)
	if err != nil {
		return releaseError(err)
	}
	var notBefore func(string) wire.Time
	if c.Held != "" {
		held, err := releasefile.Read(c.Held)
		if err != nil {
			return releaseError(fmt.Errorf("--held: %w", err))
		}
		if notBefore, err = signedAtOf(held); err != nil {
			return releaseError(fmt.Errorf("--held: %w", err))
		}
	}
	j := releasefile.Judge(r, artifact.Verifier{Trust: trust, Now: c.At.orNow(), Window: c.FreshFor}, notBefore)
	result := verifiedRelease{Verdict: "good", Directory: c.Dir, Files: j.Files}
	if j.Problems > 0 {
		result.Verdict = "refused"
	}
	if j.Fleet != nil {
		result.Commit, result.SignedAt, result.Hash = string(j.Fleet.Doc.Meta.Commit), j.Fleet.Doc.Meta.SignedAt.String(), j.Fleet.Hash.String()
		result.Notes = j.Fleet.Doc.IgnoredEdges()
	}
	if c.Host != "" && j.Problems == 0 {
		if result.Host, err = hostLineOf(j, c.Host); err != nil {
			return releaseError(err)
		}
	}
	if c.JSON {
		err = writeJSON(io.Out, &result)
	} else {
		err = result.print(io.Out)
	}
	if err == nil && j.Problems > 0 {
		err = errViolation
	}
	return err
}

// signedAtOf returns when the files of a release were signed: lists at their own
// instants, all others with the fleet.
func signedAtOf(r *releasefile.Release) (func(file string) wire.Time, error) {
	fleet, err := artifact.ParseFleet(r.Files[releasefile.Fleet])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path(releasefile.Fleet), err)
	}
	var revocations, nonces wire.Time
	if text := r.Files[releasefile.Revocations]; text != nil {
		list, err := artifact.ParseRevocations(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Path(releasefile.Revocations), err)
		}
		revocations = list.Meta.SignedAt
	}
	if text := r.Files[releasefile.Nonces]; text != nil {
		list, err := artifact.ParseNonces(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Path(releasefile.Nonces), err)
		}
		nonces = list.Meta.SignedAt
	}
	return func(file string) wire.Time {
		switch file {
		case releasefile.Revocations:
			return revocations
		case releasefile.Nonces:
			return nonces
		}
		return fleet.Meta.SignedAt
	}, nil
}

// hostLineOf finds the line of a host in the rollout of its channel.
func hostLineOf(j *releasefile.Judgement, name string) (*hostLine, error) {
	host := wire.Lookup(j.Fleet.Doc.Hosts, name)
	if host == nil {
		return nil, usageError(fmt.Sprintf("--host: the fleet has no host %q", name))
	}
	id := wire.MakeRolloutID(host.Channel, wire.ChannelRef(j.Fleet.Doc.Meta.Commit))
	if rollout := j.Rollouts[id]; rollout != nil {
		if err := rollout.Doc.Allows(wire.Hostname(name), host.Closure); err != nil {
			return nil, err
		}
		line := rollout.Doc.Host(wire.Hostname(name))
		return &hostLine{Hostname: name, Rollout: string(id), Wave: int(line.Wave), Closure: string(line.Closure)}, nil
	}
	return nil, &artifact.Refusal{Reason: artifact.NoSuchHost, Detail: fmt.Sprintf("%s has no closure, so no rollout has a line of it", name)}
}

func (v *verifiedRelease) print(w io.Writer) error {
	if v.Verdict == "good" {
		fmt.Fprintf(w, "GOOD %s: signed %s\n", v.Directory, v.SignedAt)
	} else {
		fmt.Fprintf(w, "REFUSED %s\n", v.Directory)
	}
	if v.Commit != "" {
		fmt.Fprintf(w, "commit    %s\n", v.Commit)
		fmt.Fprintf(w, "hash      %s\n", v.Hash)
	}
	if h := v.Host; h != nil {
		fmt.Fprintf(w, "host      %s: %s, wave %d, %s\n", h.Hostname, h.Rollout, h.Wave, h.Closure)
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tVERDICT\tSIGNERS")
	for i := range v.Files {
		f := &v.Files[i]
		verdict := f.Reason
		if verdict == "" {
			verdict = "good"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.File, verdict, wire.OrDash(strings.Join(f.Signers, " ")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i := range v.Files {
		if f := &v.Files[i]; f.Reason != "" {
			fmt.Fprintf(w, "\n%s\n  what to do: %s\n", f.Problem(), f.Remedy)
		}
	}
	for _, note := range v.Notes {
		fmt.Fprintf(w, "\nnote: ignored: %s\n", note)
	}
	return nil
}
