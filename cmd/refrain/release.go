package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// releaseCommand has the commands that make and verify signed releases.
type releaseCommand struct {
	Build  releaseBuildCommand  `cmd:"" help:"Make the documents of a release from a YAML file."`
	Sign   releaseSignCommand   `cmd:"" help:"Sign a release, or sign it again."`
	Verify releaseVerifyCommand `cmd:"" help:"Verify a release as agents do."`
	Trust  releaseTrustCommand  `cmd:"" help:"Make a trust file from public keys."`
	Show   releaseShowCommand   `cmd:"" help:"Show what a release says."`
	Diff   releaseDiffCommand   `cmd:"" help:"Show what differs between two releases."`
}

// instantFlag is an instant on the command line; unset is now.
type instantFlag struct{ at wire.Time }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (i *instantFlag) UnmarshalText(text []byte) (err error) {
	i.at, err = wire.ParseTime(string(text))
	return err
}

func (i instantFlag) orNow() wire.Time {
	if i.at.IsSet() {
		return i.at
	}
	return wire.TimeOf(time.Now())
}

// trustFlag names the trust file.
type trustFlag struct {
	Trust string `required:"" placeholder:"FILE" help:"The trust file: the public keys whose signatures count."`
}

func (f trustFlag) read() (*artifact.Trust, error) {
	text, err := releasefile.ReadBounded(f.Trust)
	if err != nil {
		return nil, &commandError{err: fmt.Errorf("--trust: %w", err), code: exitUsage, hint: "docs/releases.md shows a trust file"}
	}
	trust, err := artifact.ParseTrust(text)
	if err != nil {
		return nil, &commandError{err: fmt.Errorf("%s: %w", f.Trust, err), code: exitUsage, hint: "docs/releases.md shows a trust file"}
	}
	return trust, nil
}

// releaseError gives an error of reading a release its exit code: what is not there
// is wrong use, what is wrong in it is a finding.
func releaseError(err error) error {
	var refusal *artifact.Refusal
	var known *commandError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &refusal):
		return &commandError{err: err, code: exitFailed, hint: refusal.Reason.Remedy()}
	case errors.Is(err, fs.ErrNotExist):
		return &commandError{err: err, code: exitUsage, hint: "want a directory that refrain release build has made"}
	}
	return &commandError{err: err, code: exitFailed}
}
