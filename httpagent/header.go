package httpagent

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// longestRetryAfter bounds what is read of a Retry-After, in the plane's time:
// far above what a plane may ask for (PROTOCOL G4), and far below what would
// overflow. The reducer has a bound of its own.
const longestRetryAfter = 24 * time.Hour

// readHeader reads the status of an answer and the two headers that an agent
// follows (PROTOCOL T10), with RetryAfter in the plane's time. The error says which of them cannot be read.
func readHeader(r *http.Response) (agent.Answer, error) {
	a := agent.Answer{Status: r.StatusCode}
	switch values := r.Header[wire.HeaderReplayFrom]; len(values) {
	case 0:
	case 1:
		n, err := wire.ParseSeq(values[0])
		if err != nil {
			return agent.Answer{}, fmt.Errorf("%s is %q; %w", wire.HeaderReplayFrom, values[0], err)
		}
		a.Replay, a.ReplayFrom = true, n
	default:
		return agent.Answer{}, fmt.Errorf("%s is given %d times; want it once", wire.HeaderReplayFrom, len(values))
	}
	a.RetryAfter = readRetryAfter(r.Header.Get(wire.HeaderRetryAfter))
	return a, nil
}

// readRetryAfter reads a Retry-After in whole seconds, which is how a plane
// writes it (PROTOCOL G4). Another value, for instance a date from a proxy, is
// ignored.
func readRetryAfter(value string) time.Duration {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(n, uint64(longestRetryAfter/time.Second))) * time.Second
}
