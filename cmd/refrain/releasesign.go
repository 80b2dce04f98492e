package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// releaseSignCommand signs a release.
type releaseSignCommand struct {
	trustFlag
	keyFlags
	Add  bool        `help:"Add the signature of a further signer to what is signed already; the documents stay as they are."`
	At   instantFlag `placeholder:"TIME" help:"Sign as of this instant. Default: now."`
	JSON bool        `name:"json" help:"Print one JSON object and nothing else."`
	Dir  string      `arg:"" help:"The directory of the release."`
}

// Help implements [kong.HelpProvider].
func (*releaseSignCommand) Help() string {
	return "It sets the instant of signing in each document, makes the rollout manifest of each channel anew, signs all of them, verifies the result against the trust file as agents do, and only then writes it. Agents take a signature for an hour: sign again every 20 minutes (deploy/refrain-release-sign.timer)."
}

// signedRelease is the result as JSON.
type signedRelease struct {
	Directory string             `json:"directory"`
	Commit    string             `json:"commit"`
	SignedAt  string             `json:"signed_at"`
	FreshTo   string             `json:"fresh_until"` // for agents
	Key       string             `json:"key"`
	Signers   int                `json:"signers"`
	Required  int                `json:"required"`
	Files     []releasefile.File `json:"files"`
}

// Run implements the command.
func (c *releaseSignCommand) Run(ctx context.Context, io stdio) error {
	trust, err := c.trustFlag.read()
	if err != nil {
		return err
	}
	key, err := c.keyFlags.open(trust)
	if err != nil {
		return err
	}
	r, err := releasefile.Read(c.Dir)
	if err != nil {
		return releaseError(err)
	}
	now := c.At.orNow()
	if c.Add {
		err = c.add(ctx, r, trust, key, now)
	} else {
		err = c.sign(ctx, r, trust, key, now)
	}
	if err != nil {
		return err
	}
	// How many sign is for verify to judge: the others may come later.
	one := *trust
	one.Signers.Required = 0
	j := releasefile.Judge(r, artifact.Verifier{Trust: &one, Now: now, Window: artifact.AgentWindow}, nil)
	if j.Problems > 0 {
		return &commandError{err: errors.New(j.ProblemText()), code: exitFailed, hint: "what was signed does not verify with the trust file; nothing was written"}
	}
	if err := r.Write(); err != nil {
		return &commandError{err: err, code: exitFailed, hint: "run it again: the directory may have files of two signings"}
	}
	signedAt := j.Fleet.Doc.Meta.SignedAt
	result := signedRelease{
		Directory: c.Dir, Commit: string(j.Fleet.Doc.Meta.Commit), SignedAt: signedAt.String(), FreshTo: signedAt.Add(artifact.AgentWindow).String(),
		Key: key.ID(), Signers: len(j.Fleet.Signers), Required: max(1, int(trust.Signers.Required)), Files: j.Files,
	}
	if c.JSON {
		return writeJSON(io.Out, &result)
	}
	fmt.Fprintf(io.Out, "SIGNED %s: %d files, at %s, by key %s\n", c.Dir, len(j.Files), result.SignedAt, result.Key)
	fmt.Fprintf(io.Out, "commit    %s\n", result.Commit)
	fmt.Fprintf(io.Out, "fresh     until %s for agents of NixFleet\n", result.FreshTo)
	if result.Signers < result.Required {
		fmt.Fprintf(io.Err, "note: the trust file wants %d signers, and %d signed; the others run refrain release sign --add\n", result.Required, result.Signers)
	}
	return nil
}

// sign makes every document of the release anew, signed at an instant.
func (c *releaseSignCommand) sign(ctx context.Context, r *releasefile.Release, trust *artifact.Trust, key *releaseKey, now wire.Time) error {
	active := trust.Release.ActiveKeys(now)
	if !slices.ContainsFunc(active, func(k artifact.Key) bool { return k.Equal(&key.Key) }) {
		return &commandError{err: fmt.Errorf("key %s (%s %s) is no release key of %s", key.ID(), key.Algorithm, key.Public, c.Trust), code: exitUsage,
			hint: "want the key of ciReleaseKey, or --add for one of releaseSigners; nothing was written"}
	}
	before, err := artifact.ParseFleet(r.Files[releasefile.Fleet])
	if err != nil {
		return releaseError(fmt.Errorf("%s: %w", r.Path(releasefile.Fleet), err))
	}
	if now.Before(before.Meta.SignedAt) {
		return &commandError{err: fmt.Errorf("%s: meta.signedAt is %v, and it would become %v, which is older", r.Path(releasefile.Fleet), before.Meta.SignedAt, now), code: exitFailed,
			hint: "compare this machine's clock with others; nothing was written"}
	}
	documents := make(map[string][]byte)
	for _, name := range r.Documents() {
		if strings.HasPrefix(name, releasefile.RolloutsDir+"/") {
			continue
		}
		if documents[name], err = stamp(r.Files[name], now, key.Algorithm); err != nil {
			return releaseError(fmt.Errorf("%s: %w", r.Path(name), err))
		}
	}
	fleet, err := artifact.ParseFleet(documents[releasefile.Fleet])
	if err != nil {
		return releaseError(fmt.Errorf("%s: %w", r.Path(releasefile.Fleet), err))
	}
	hash := artifact.HashOf(documents[releasefile.Fleet])
	for i := range fleet.Channels {
		rollout, ok := artifact.RolloutOf(fleet, hash, wire.Channel(fleet.Channels[i].Name))
		if !ok {
			continue
		}
		if err := artifact.CheckRolloutID(rollout.ID()); err != nil {
			return releaseError(fmt.Errorf("%s: %w", r.Path(releasefile.Fleet), err))
		}
		if documents[releasefile.RolloutFile(rollout.ID())], err = rollout.Marshal(); err != nil {
			return err
		}
	}
	signed := make(map[string][]byte, 2*len(documents))
	for name, document := range documents {
		signed[name] = document
		if signed[name+releasefile.SignatureSuffix], err = key.sign(ctx, document); err != nil {
			return &commandError{err: fmt.Errorf("signing %s with key %s: %w", name, key.ID(), err), code: exitFailed, hint: "nothing was written"}
		}
	}
	r.Files = signed
	return nil
}

// stamp sets in a document when it was signed, and leaves the rest as it is, also what
// is not known here.
func stamp(document []byte, now wire.Time, algorithm wire.Name) ([]byte, error) {
	canonical, err := wire.Canonical(document)
	if err != nil {
		return nil, err
	}
	var members, meta map[string]json.RawMessage
	if err := json.Unmarshal(canonical, &members); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(members["meta"], &meta); err != nil {
		return nil, fmt.Errorf("meta: %w", err)
	}
	meta["signedAt"] = now.AppendValue(nil)
	meta["signatureAlgorithm"] = algorithm.AppendValue(nil)
	if members["meta"], err = json.Marshal(meta); err != nil {
		return nil, err
	}
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return wire.Canonical(text)
}

// add adds a signature to each document.
func (c *releaseSignCommand) add(ctx context.Context, r *releasefile.Release, trust *artifact.Trust, key *releaseKey, now wire.Time) error {
	if !slices.ContainsFunc(trust.Signers.Keys, func(k artifact.Key) bool { return k.Equal(&key.Key) }) {
		return &commandError{err: fmt.Errorf("key %s (%s %s) is none of releaseSigners.keys of %s", key.ID(), key.Algorithm, key.Public, c.Trust), code: exitUsage,
			hint: "without --add the release key signs; nothing was written"}
	}
	one := *trust
	one.Signers.Required = 0
	if j := releasefile.Judge(r, artifact.Verifier{Trust: &one, Now: now, Window: artifact.AgentWindow}, nil); j.Problems > 0 {
		return &commandError{err: errors.New(j.ProblemText()), code: exitFailed, hint: "a further signer signs what the release key has signed well; nothing was written"}
	}
	for _, name := range r.Documents() {
		canonical, err := wire.Canonical(r.Files[name])
		if err != nil {
			return err
		}
		signature, err := key.sign(ctx, canonical)
		if err == nil && !key.Verifies(canonical, signature) {
			err = errors.New("the signature does not verify with the key")
		}
		if err != nil {
			return &commandError{err: fmt.Errorf("signing %s with key %s: %w", name, key.ID(), err), code: exitFailed, hint: "nothing was written"}
		}
		r.Files[name+releasefile.SignatureSuffix+"."+key.ID()] = signature
	}
	return nil
}
