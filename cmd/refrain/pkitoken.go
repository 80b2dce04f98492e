package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// pkiTokenCommand makes an enrolment token.
type pkiTokenCommand struct {
	Key        string      `required:"" placeholder:"FILE" help:"The organization's root key, whose public half the trust file has as orgRootKey: ed25519, PEM or OpenSSH."`
	HostKey    string      `required:"" placeholder:"FILE" help:"The host's public SSH key of type ed25519, such as its /etc/ssh/ssh_host_ed25519_key.pub."`
	ValidFor   lifetime    `default:"24h" placeholder:"DUR" help:"How long the token is good (${default})."`
	At         instantFlag `placeholder:"TIME" help:"Issue it as of this instant. Default: now."`
	Out        string      `placeholder:"FILE" help:"The token, for the host alone; - is standard output, with --nonces only. Default: HOST.token.json."`
	Nonces     string      `placeholder:"FILE" help:"Add the nonce to this signed list, bootstrap-nonces.json of a release, and sign it again as FILE.sig. Default: the entry is printed, for the fleet's YAML file."`
	ReleaseKey string      `placeholder:"FILE" help:"With --nonces: the release key, which signs the list."`
	Trust      string      `placeholder:"FILE" help:"With --nonces: the trust file, by which the list is verified before and after."`
	By         string      `placeholder:"NAME" help:"Who makes it, for the list."`
	JSON       bool        `name:"json" help:"Print one JSON object and nothing else."`
	Host       string      `arg:"" help:"The machine ID of the host."`
}

// Help implements [kong.HelpProvider].
func (*pkiTokenCommand) Help() string {
	return "A host that has the token gets its first certificate from a plane with --ca-key or --ca-command, once the nonce is in the signed list of the plane's release. The token is good for one key of one host. Whoever holds the key of the host and the token can enrol as the host: copy it like a key."
}

// madeToken is the result as JSON.
type madeToken struct {
	Host        string `json:"host"`
	Fingerprint string `json:"fingerprint"` // of the host's key, as tokens have it
	Nonce       string `json:"nonce"`
	IssuedAt    string `json:"issued_at"`
	ExpiresAt   string `json:"expires_at"`
	Token       string `json:"token"`             // the file
	Key         string `json:"key"`               // the ID of the root key
	Nonces      string `json:"nonces,omitempty"`  // the list that was signed
	Listed      int    `json:"listed,omitempty"`  // how many nonces it has
	Dropped     int    `json:"dropped,omitempty"` // how many had expired
}

// Run implements the command.
func (c *pkiTokenCommand) Run(ctx context.Context, io stdio) error {
	host, err := wire.ParseHostname(c.Host)
	switch {
	case err != nil:
		return usageError("host: " + err.Error())
	case (c.Nonces == "") != (c.ReleaseKey == "") || (c.Nonces == "") != (c.Trust == ""):
		return usageError("--nonces, --release-key and --trust belong together; want all of them or none")
	case c.Out == "-" && (c.Nonces == "" || c.JSON):
		return usageError("--out - prints the token alone; want --nonces with it, and no --json")
	}
	root, err := openKeyFile("--key", c.Key)
	if err != nil {
		return err
	}
	if root.Algorithm != artifact.Ed25519 {
		return keyError("--key", fmt.Errorf("%s is an %s key; want ed25519: NixFleet accepts no other token", c.Key, root.Algorithm), "")
	}
	key, _, err := readPublicKey(c.HostKey)
	if err != nil {
		return keyError("--host-key", err, "")
	}
	raw, err := key.Raw()
	if err != nil || key.Algorithm != artifact.Ed25519 {
		return keyError("--host-key", fmt.Errorf("%s is an %s key; want the host's ed25519 key", c.HostKey, key.Algorithm), "")
	}
	now := c.At.orNow()
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	token := artifact.NewToken(artifact.Claims{
		Hostname: host, Fingerprint: artifact.Fingerprint(ed25519.PublicKey(raw)), Nonce: wire.Name(hex.EncodeToString(nonce)),
		IssuedAt: now, ExpiresAt: now.Add(time.Duration(c.ValidFor)),
	})
	form, err := token.Claims.Canonical()
	if err != nil {
		return err
	}
	signature, err := root.sign(ctx, form)
	if err != nil {
		return &commandError{err: fmt.Errorf("signing with %s: %w", c.Key, err), code: exitFailed, hint: "nothing was written"}
	}
	token.Signature = wire.Name(base64.StdEncoding.EncodeToString(signature))
	made := madeToken{
		Host: c.Host, Fingerprint: string(token.Claims.Fingerprint), Nonce: string(token.Claims.Nonce), IssuedAt: now.String(), ExpiresAt: token.Claims.ExpiresAt.String(),
		Token: cmp.Or(c.Out, c.Host+".token.json"), Key: root.ID(), Nonces: c.Nonces,
	}
	if c.Nonces != "" {
		if err := c.list(ctx, io, &token, &made, now); err != nil {
			return err
		}
	}
	text := append(token.Marshal(), '\n')
	if c.Out == "-" {
		_, err := io.Out.Write(text)
		return err
	}
	if err := writeOutput("--out", made.Token, text, 0o600); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(io.Out, &made)
	}
	return c.print(io, &made)
}

func (c *pkiTokenCommand) print(io stdio, made *madeToken) error {
	fmt.Fprintf(io.Out, "TOKEN %s: for %s, good until %s, by key %s\n", made.Token, made.Host, made.ExpiresAt, made.Key)
	if c.Nonces != "" {
		fmt.Fprintf(io.Out, "listed    %s: %d nonces, %d expired ones dropped\n", made.Nonces, made.Listed, made.Dropped)
	} else {
		fmt.Fprintf(io.Out, "\nnext, below nonces of the fleet's YAML file:\n  - {nonce: %s, host: %s, expires: %s, minted: %s", made.Nonce, made.Host, made.ExpiresAt, made.IssuedAt)
		if c.By != "" {
			fmt.Fprintf(io.Out, ", by: %q", c.By)
		}
		fmt.Fprintln(io.Out, "}")
	}
	_, err := fmt.Fprintf(io.Out, "\nthen:\n  copy %s to %s, into the file that its agent is given as bootstrap token\n", made.Token, made.Host)
	return err
}

// list adds the nonce to the signed list.
func (c *pkiTokenCommand) list(ctx context.Context, io stdio, token *artifact.Token, made *madeToken, now wire.Time) error {
	trust, err := trustFlag{Trust: c.Trust}.read()
	if err != nil {
		return err
	}
	if keys := trust.OrgRoot.ActiveKeys(now); !token.SignedBy(keys) {
		return &commandError{err: fmt.Errorf("--key: %s (%s) is no orgRootKey of %s", c.Key, made.Key, c.Trust), code: exitUsage,
			hint: "refrain release trust --org-root FILE puts its public half there; nothing was written"}
	}
	key, err := openKeyFile("--release-key", c.ReleaseKey)
	if err != nil {
		return err
	}
	one := *trust
	one.Signers.Required = 0 // further signers sign beside, with refrain release sign --add
	verifier := artifact.Verifier{Trust: &one, Now: now, Window: noncesWindow}
	var entries []artifact.Nonce
	switch list, err := c.readList(&verifier); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return &commandError{err: fmt.Errorf("--nonces: %w", err), code: exitFailed, hint: "the list is refused as it is; nothing was written"}
	case now.Before(list.Doc.Meta.SignedAt):
		return &commandError{err: fmt.Errorf("--nonces: %s was signed at %v, after %v", c.Nonces, list.Doc.Meta.SignedAt, now), code: exitFailed, hint: "compare this machine's clock with others; nothing was written"}
	default:
		entries = list.Doc.Entries
	}
	before := len(entries)
	entries = slices.DeleteFunc(entries, func(n artifact.Nonce) bool { return !now.Before(n.ExpiresAt) })
	made.Dropped = before - len(entries)
	entries = append(entries, artifact.Nonce{
		Nonce: token.Claims.Nonce, Hostname: token.Claims.Hostname, ExpiresAt: token.Claims.ExpiresAt, MintedAt: now, MintedBy: wire.Text(c.By),
	})
	made.Listed = len(entries)
	list := artifact.Nonces{Entries: entries, Meta: artifact.Meta{SignedAt: now, Algorithm: key.Algorithm}}
	text, err := list.Marshal()
	if err != nil {
		return err
	}
	signature, err := key.sign(ctx, text)
	if err == nil {
		_, err = verifier.Nonces(artifact.Signed{Document: text, Signature: signature})
	}
	if err != nil {
		return &commandError{err: fmt.Errorf("signing %s with %s: %w", c.Nonces, c.ReleaseKey, err), code: exitFailed, hint: "want the key of ciReleaseKey of " + c.Trust + "; nothing was written"}
	}
	if required := int(trust.Signers.Required); required > 1 {
		fmt.Fprintf(io.Err, "note: the trust file wants %d signers, and 1 signed; the others run refrain release sign --add\n", required)
	}
	// A reader that comes between the two refuses both and keeps what it has.
	if err := writeOutput("--nonces", c.Nonces+releasefile.SignatureSuffix, signature, 0o644); err != nil {
		return err
	}
	return writeOutput("--nonces", c.Nonces, text, 0o644)
}

// noncesWindow is how old the list may be that is added to; a plane takes none that is
// older.
const noncesWindow = 30 * 24 * time.Hour

func (c *pkiTokenCommand) readList(v *artifact.Verifier) (*artifact.Verified[artifact.Nonces], error) {
	text, err := releasefile.ReadRegular(c.Nonces)
	if err != nil {
		return nil, err
	}
	signature, err := os.ReadFile(c.Nonces + releasefile.SignatureSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s has no signature beside it", c.Nonces)
	}
	if err != nil {
		return nil, err
	}
	list, err := v.Nonces(artifact.Signed{Document: text, Signature: signature})
	if err != nil {
		err = fmt.Errorf("%s: %w", c.Nonces, err)
	}
	return list, err
}
