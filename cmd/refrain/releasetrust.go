package main

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// releaseTrustCommand makes a trust file.
type releaseTrustCommand struct {
	Previous     string      `placeholder:"FILE" help:"The public key before, while a key is being replaced."`
	RejectBefore instantFlag `placeholder:"TIME" help:"Refuse what was signed before this instant, such as the theft of a key."`
	OrgRoot      string      `placeholder:"FILE" help:"The public root key of the organization, which signs the tokens of refrain pki token: ed25519."`
	Signer       []string    `placeholder:"FILE" help:"The public key of a further signer. May be repeated."`
	Required     int         `default:"1" help:"How many have to sign, the release key among them (${default})."`
	Out          string      `default:"-" placeholder:"FILE" help:"The trust file; - is standard output."`
	Key          string      `arg:"" help:"The public release key: one line of OpenSSH, or PEM."`
}

// Help implements [kong.HelpProvider].
func (*releaseTrustCommand) Help() string {
	return "The keys' IDs are printed on standard error. Further signers and their number are for planes and for this tool; agents of NixFleet look at the release key only."
}

// Run implements the command.
func (c *releaseTrustCommand) Run(io stdio) error {
	var trust artifact.Trust
	read := func(flag, path string) (*artifact.Key, error) {
		key, _, err := readPublicKey(path)
		if err != nil {
			return nil, keyError(flag, err, "")
		}
		fmt.Fprintf(io.Err, "key %s  %s\n", key.ID(), path)
		return &key, nil
	}
	var err error
	if trust.Release.Current, err = read("KEY", c.Key); err != nil {
		return err
	}
	if c.Previous != "" {
		if trust.Release.Previous, err = read("--previous", c.Previous); err != nil {
			return err
		}
	}
	if c.OrgRoot != "" {
		if trust.OrgRoot.Current, err = read("--org-root", c.OrgRoot); err != nil {
			return err
		}
		if trust.OrgRoot.Current.Algorithm != artifact.Ed25519 {
			return keyError("--org-root", fmt.Errorf("%s is an %s key; want ed25519: NixFleet accepts no other token", c.OrgRoot, trust.OrgRoot.Current.Algorithm), "")
		}
	}
	for _, path := range c.Signer {
		key, err := read("--signer", path)
		if err != nil {
			return err
		}
		trust.Signers.Keys = append(trust.Signers.Keys, *key)
	}
	trust.Release.RejectBefore = c.RejectBefore.at
	if c.Required < 1 || c.Required > len(c.Signer)+1 {
		return usageError(fmt.Sprintf("--required is %d; want 1 to %d: the release key and the %d of --signer", c.Required, len(c.Signer)+1, len(c.Signer)))
	}
	if len(c.Signer) > 0 {
		trust.Signers.Required = wire.Count(c.Required)
	}
	text := artifact.MarshalTrust(&trust)
	if _, err := artifact.ParseTrust(text); err != nil {
		return usageError(err.Error())
	}
	if c.Out == "-" {
		_, err = fmt.Fprintf(io.Out, "%s\n", text)
		return err
	}
	return writeOutput("--out", c.Out, append(text, '\n'), 0o644)
}
