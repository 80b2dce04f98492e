package httpagent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

const (
	fleetPath     = "/v1/fleet.resolved"
	rolloutsPath  = "/v1/rollouts/"
	signaturePart = "/sig"

	// maxArtifact bounds a document of a release, in bytes.
	maxArtifact = 32 << 20
)

// releaseFetcher fetches and verifies the signed artifacts of a rollout (PROTOCOL A11).
type releaseFetcher struct {
	client    *client
	trustFile string
	host      wire.Hostname
	timeout   time.Duration // of each request
}

// readTrust reads a trust file. Further signers that it asks for are left out: their
// signatures are for the plane and for people, and no plane serves them to agents.
func readTrust(path string) (*artifact.Trust, error) {
	text, err := releasefile.ReadBounded(path)
	if err != nil {
		return nil, err
	}
	trust, err := artifact.ParseTrust(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	trust.Signers = artifact.Signers{}
	return trust, nil
}

// fetch gets both artifacts and what they say of the host. The trust file is read each
// time, so that one that was replaced counts at once. The error says why there is no
// answer, or none that is 200.
func (f *releaseFetcher) fetch(ctx context.Context, id wire.RolloutID) (*agent.Fetched, error) {
	var rollout, fleet artifact.Signed
	for _, part := range []struct {
		path  string
		limit int
		into  *[]byte
	}{
		{rolloutsPath + url.PathEscape(string(id)), maxArtifact, &rollout.Document},
		{rolloutsPath + url.PathEscape(string(id)) + signaturePart, artifact.SignatureSize, &rollout.Signature},
		{fleetPath, maxArtifact, &fleet.Document},
		{fleetPath + signaturePart, artifact.SignatureSize, &fleet.Signature},
	} {
		status, body, err := f.client.get(ctx, part.path, part.limit, f.timeout)
		if err != nil || status != http.StatusOK {
			return &agent.Fetched{Status: status}, errors.Join(err, statusError(part.path, status))
		}
		*part.into = body
	}
	trust, err := readTrust(f.trustFile)
	if err != nil {
		why := "the trust file cannot be read: " + err.Error()
		return &agent.Fetched{Status: http.StatusOK, Intent: artifact.Intent{FleetFault: artifact.NoTrustRoots, Detail: why}}, nil
	}
	v := artifact.Verifier{Trust: trust, Now: f.client.clock.Now().Wall, AnyAge: true}
	verifiedFleet, fleetErr := v.Fleet(fleet)
	verifiedRollout, rolloutErr := v.Rollout(rollout)
	return &agent.Fetched{Status: http.StatusOK, Intent: artifact.IntentOf(f.host, verifiedFleet, fleetErr, verifiedRollout, rolloutErr)}, nil
}

func statusError(path string, status int) error {
	if status == 0 || status == http.StatusOK {
		return nil
	}
	return fmt.Errorf("GET %s: status %d; want 200", path, status)
}

// get makes one request without a body. An answer that is longer than limit bytes is an
// error, and so is none within the timeout.
func (c *client) get(ctx context.Context, path string, limit int, timeout time.Duration) (status int, body []byte, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := c.clock.base.AfterFunc(timeout, func() { cancel(errTimeout) })
	defer timer.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set(wire.HeaderProtocol, protocol)
	request.Header.Set(wire.HeaderAgent, wire.AgentVersion)
	response, err := c.credentials.client().Do(request)
	if err == nil {
		defer response.Body.Close()
		var read bytes.Buffer
		_, err = read.ReadFrom(io.LimitReader(response.Body, int64(limit)+1))
		if err == nil && read.Len() > limit && response.StatusCode == http.StatusOK {
			err = fmt.Errorf("GET %s: the answer has more than %d bytes", path, limit)
		}
		status, body = response.StatusCode, read.Bytes()
	}
	switch {
	case err != nil && context.Cause(ctx) == errTimeout:
		return 0, nil, fmt.Errorf("GET %s: %w", path, errTimeout)
	case err != nil:
		return 0, nil, err
	}
	return status, body, nil
}
