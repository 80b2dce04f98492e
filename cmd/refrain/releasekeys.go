package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// releaseKey signs canonical forms.
type releaseKey struct {
	artifact.Key
	sign func(ctx context.Context, message []byte) ([]byte, error)
}

// keyFlags say which key signs.
type keyFlags struct {
	Key        string `placeholder:"FILE" xor:"key" help:"The private key: PEM (PKCS#8, SEC 1) or OpenSSH, ed25519 or P-256, not readable by others."`
	SSHAgent   string `name:"ssh-agent" placeholder:"FILE" xor:"key" help:"Have the ssh-agent of SSH_AUTH_SOCK sign with the key whose public half is in this file."`
	KeyCommand string `placeholder:"COMMAND" xor:"key" help:"Have a shell command sign, such as one of a hardware key: it reads the message on its standard input and writes the signature, 64 bytes or DER."`
	Public     string `placeholder:"BASE64" help:"With --key-command: the public key, as the trust file has it. Default: the current release key of the trust file."`
}

// open returns the key that the flags name.
func (f *keyFlags) open(trust *artifact.Trust) (*releaseKey, error) {
	switch {
	case f.Public != "" && f.KeyCommand == "":
		return nil, usageError("--public says which key --key-command has; want both")
	case f.Key != "":
		return openKeyFile("--key", f.Key)
	case f.SSHAgent != "":
		return openSSHAgent(f.SSHAgent)
	case f.KeyCommand != "":
		return openKeyCommand(f.KeyCommand, f.Public, trust)
	}
	return nil, &commandError{err: errors.New("sign: want a key: --key, --ssh-agent or --key-command"), code: exitUsage,
		hint: "ssh-keygen -t ed25519 -f release.key -N '' makes a key; docs/releases.md says how it comes into the trust file"}
}

func keyError(flag string, err error, hint string) error {
	return &commandError{err: fmt.Errorf("%s: %w", flag, err), code: exitUsage, hint: hint}
}

// openKeyFile reads the private key that a flag names.
func openKeyFile(flag, path string) (*releaseKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, keyError(flag, err, "")
	}
	if mode := info.Mode().Perm(); mode&0o037 != 0 { // a group may read: systemd's LoadCredential makes it so
		return nil, keyError(flag, fmt.Errorf("%s has mode %04o; want a key that its owner can read, and at most a group of the service alone", path, mode), "chmod 0600 "+shellWord(path))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, keyError(flag, err, "")
	}
	private, err := ssh.ParseRawPrivateKey(text)
	if locked := (*ssh.PassphraseMissingError)(nil); errors.As(err, &locked) {
		return nil, keyError(flag, fmt.Errorf("%s is encrypted with a passphrase", path), "ssh-add it, and use --ssh-agent with its public half")
	}
	if err != nil {
		return nil, keyError(flag, fmt.Errorf("%s: %w; want a private key in PEM", path, err), "")
	}
	switch private := private.(type) {
	case *ed25519.PrivateKey:
		return ed25519Key(*private), nil
	case ed25519.PrivateKey:
		return ed25519Key(private), nil
	case *ecdsa.PrivateKey:
		if private.Curve == elliptic.P256() {
			return p256Key(private)
		}
	}
	return nil, keyError(flag, fmt.Errorf("%s has a key of type %T; want ed25519 or ECDSA on P-256", path, private), "")
}

func ed25519Key(private ed25519.PrivateKey) *releaseKey {
	return &releaseKey{
		Key: publicKey(artifact.Ed25519, private.Public().(ed25519.PublicKey)),
		sign: func(_ context.Context, message []byte) ([]byte, error) {
			return ed25519.Sign(private, message), nil
		},
	}
}

func p256Key(private *ecdsa.PrivateKey) (*releaseKey, error) {
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return &releaseKey{
		Key: publicKey(artifact.ECDSAP256, point[1:]),
		sign: func(_ context.Context, message []byte) ([]byte, error) {
			digest := sha256.Sum256(message)
			der, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
			if err != nil {
				return nil, err
			}
			return rawOfDER(der)
		},
	}, nil
}

func publicKey(algorithm wire.Name, raw []byte) artifact.Key {
	return artifact.Key{Algorithm: algorithm, Public: wire.Name(base64.StdEncoding.EncodeToString(raw))}
}

// rawOfDER turns an ECDSA signature from DER to R and S of 32 bytes each.
func rawOfDER(der []byte) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("a signature of %d bytes, which is no DER; want 64 bytes, or DER", len(der))
	}
	return rawOfPair(pair.R, pair.S)
}

func rawOfPair(r, s *big.Int) ([]byte, error) {
	if r.Sign() <= 0 || s.Sign() <= 0 || r.BitLen() > 256 || s.BitLen() > 256 {
		return nil, errors.New("a signature whose numbers are not of P-256")
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
}

// readPublicKey reads a public key: a line of OpenSSH, or PEM, for which line is nil.
func readPublicKey(path string) (key artifact.Key, line ssh.PublicKey, err error) {
	text, err := releasefile.ReadBounded(path)
	if err != nil {
		return key, nil, err
	}
	var public any
	if block, _ := pem.Decode(text); block != nil {
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	} else if line, _, _, _, err = ssh.ParseAuthorizedKey(text); err == nil {
		public = line
		if inner, ok := line.(ssh.CryptoPublicKey); ok {
			public = inner.CryptoPublicKey()
		}
	}
	if err != nil {
		return key, nil, fmt.Errorf("%s: %w; want a public key, one line of OpenSSH or PEM", path, err)
	}
	switch public := public.(type) {
	case ed25519.PublicKey:
		return publicKey(artifact.Ed25519, public), line, nil
	case *ecdsa.PublicKey:
		if point, err := public.Bytes(); err == nil && public.Curve == elliptic.P256() {
			return publicKey(artifact.ECDSAP256, point[1:]), line, nil
		}
	}
	return key, nil, fmt.Errorf("%s has a key of type %T; want ed25519 or ECDSA on P-256", path, public)
}

// openSSHAgent finds the key of a public file. Ed25519 and P-256 sign as artifacts
// need it: the message itself, and its SHA-256.
func openSSHAgent(path string) (*releaseKey, error) {
	key, public, err := readPublicKey(path)
	if err != nil || public == nil {
		return nil, keyError("--ssh-agent", cmp.Or(err, fmt.Errorf("%s: want one line of OpenSSH", path)), "want the public half of the key, such as release.key.pub")
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, keyError("--ssh-agent", errors.New("SSH_AUTH_SOCK is not set"), "eval \"$(ssh-agent)\" starts an agent, ssh-add gives it the key")
	}
	return &releaseKey{Key: key, sign: func(ctx context.Context, message []byte) ([]byte, error) {
		connection, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		defer connection.Close()
		signature, err := agent.NewClient(connection).Sign(public, message)
		if err != nil {
			return nil, err
		}
		if key.Algorithm == artifact.Ed25519 {
			return signature.Blob, nil
		}
		var pair struct{ R, S *big.Int }
		if err := ssh.Unmarshal(signature.Blob, &pair); err != nil {
			return nil, err
		}
		return rawOfPair(pair.R, pair.S)
	}}, nil
}

// openKeyCommand has a command sign.
func openKeyCommand(line, public string, trust *artifact.Trust) (*releaseKey, error) {
	known := trust.Signers.Keys
	for _, key := range []*artifact.Key{trust.Release.Successor, trust.Release.Previous, trust.Release.Current} {
		if key != nil {
			known = append([]artifact.Key{*key}, known...)
		}
	}
	if len(known) == 0 {
		return nil, keyError("--key-command", errors.New("the trust file has no key"), artifact.NoTrustRoots.Remedy())
	}
	key := known[0]
	if public != "" {
		found := false
		for i := range known {
			if string(known[i].Public) == public {
				key, found = known[i], true
			}
		}
		if !found {
			return nil, keyError("--public", fmt.Errorf("%s is no key of the trust file", public), "want the text of a member public")
		}
	}
	return &releaseKey{Key: key, sign: func(ctx context.Context, message []byte) ([]byte, error) {
		command := exec.CommandContext(ctx, "sh", "-c", line)
		command.Stdin, command.Stderr = bytes.NewReader(message), os.Stderr
		signature, err := command.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		if len(signature) != artifact.SignatureSize && key.Algorithm == artifact.ECDSAP256 {
			return rawOfDER(signature)
		}
		return signature, nil
	}}, nil
}
