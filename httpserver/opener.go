package httpserver

import (
	"context"
	"errors"
	"log/slog"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// opener sends the plane what files say, through the gate, as an operator's request
// goes there.
type opener struct {
	log       *slog.Logger
	clock     clock.Clock
	admission *admission
	caller    gate.Caller
}

// The gate's callers for files. They are no hostnames, since they have a colon.
const (
	manifestCaller    gate.Caller = "manifests:"
	releaseCaller     gate.Caller = "releases:"
	revocationsCaller gate.Caller = "revocations:"
)

// ask sends an input, and again after each 503 and 202. next makes the input of each
// attempt, since the loop may still use that of one that timed out. The error is that
// of ctx.
func (o *opener) ask(ctx context.Context, name string, next func() plane.Input) (wire.Outcome, error) {
	for {
		outcome := o.askOnce(next())
		switch {
		case outcome.Code == wire.Accepted:
			o.log.Debug("manifest is being opened", "file", name)
		case outcome.Code.Unavailable():
			o.log.Debug("file deferred: the plane is unavailable", "file", name, "reason", outcome.Code.Reason())
		default:
			return outcome, nil
		}
		timer := o.clock.Timer(outcome.RetryAfter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return outcome, ctx.Err()
		case <-timer.C:
		}
	}
}

func (o *opener) askOnce(in plane.Input) wire.Outcome {
	p := newPending()
	o.admission.ask(p, in, o.caller, gate.Bulk)
	return p.Outcome
}

// open opens a manifest. The error says why it is refused.
func (o *opener) open(ctx context.Context, name string, in *plane.FileManifest) error {
	outcome, err := o.ask(ctx, name, func() plane.Input {
		attempt := *in
		return &attempt
	})
	switch {
	case err != nil:
		return err
	case outcome.Code == wire.Created:
		o.log.Info("manifest opened", "file", name, "rollout", string(in.Manifest.ID()))
	case outcome.Code == wire.OK:
		o.log.Debug("manifest already open", "file", name, "rollout", string(in.Manifest.ID()))
	default:
		return refusalError(&outcome)
	}
	return nil
}

// refusalError is the error that a refusal is.
func refusalError(o *wire.Outcome) error {
	if o.Field == "" {
		return errors.New(o.Detail)
	}
	return errors.New(o.Field + ": " + o.Detail)
}
