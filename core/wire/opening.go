package wire

import "strings"

// OpeningStatus is a rollout that is being opened: its manifest was taken, and
// nothing of it can be seen or is durable before all of it is (PROTOCOL R1). It is
// the body of a 202, and of a 200 to who asks for the rollout meanwhile.
type OpeningStatus struct {
	RolloutID RolloutID
	// Prepared is how many of the Hosts are prepared.
	Prepared Count
	Hosts    Count
}

// preparing is the state that an [OpeningStatus] is written with.
const preparing Name = "Preparing"

// OpeningStatusSchema describes [OpeningStatus].
var OpeningStatusSchema = Schema[OpeningStatus]{Fields: []Field[OpeningStatus]{
	{"rollout_id", Required, func(s *OpeningStatus) Value { return &s.RolloutID }},
	{"state", Required, func(*OpeningStatus) Value { state := preparing; return &state }},
	{"prepared", Required, func(s *OpeningStatus) Value { return &s.Prepared }},
	{"hosts", Required, func(s *OpeningStatus) Value { return &s.Hosts }},
}}

// AppendJSON implements [Document].
func (s *OpeningStatus) AppendJSON(dst []byte) []byte { return OpeningStatusSchema.Append(dst, s) }

// Location is the path that says what becomes of the opening.
func (s *OpeningStatus) Location() string {
	return "/v1/operator/rollouts/" + strings.ReplaceAll(string(s.RolloutID), "/", "%2F")
}
