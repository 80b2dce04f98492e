package wire

import (
	"errors"
	"strconv"
)

// Names of headers and media types on the wire.
const (
	HeaderReplayFrom  = "X-Nixfleet-Replay-From"
	HeaderProtocol    = "X-Nixfleet-Protocol"
	HeaderAgent       = "X-Refrain-Agent"
	HeaderRequestID   = "X-Request-Id"
	HeaderRetryAfter  = "Retry-After"
	HeaderContentType = "Content-Type"

	MediaJSON    = "application/json"
	MediaProblem = "application/problem+json"
	MediaBytes   = "application/octet-stream"
)

// ProtocolVersion is the one version of the protocol (PROTOCOL T6).
const ProtocolVersion = 1

// CheckProtocolHeader judges the values of the X-Nixfleet-Protocol header
// (PROTOCOL T6): one readable number, which is 1. Without any it is accepted
// unless the server is strict.
func CheckProtocolHeader(values []string, strict bool) Code {
	switch len(values) {
	case 0:
		if strict {
			return ProtocolRequired
		}
		return OK
	case 1:
		n, err := strconv.ParseUint(values[0], 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return UnsupportedProtocol // a number, and not 1
		case err != nil:
			return BadProtocolHeader
		case n != ProtocolVersion:
			return UnsupportedProtocol
		}
		return OK
	default:
		return BadProtocolHeader
	}
}
