package wire

import "strings"

// DecodeWord decodes a value of an enumeration that is not of this package. The words
// begin with that of the unset value.
func DecodeWord[E ~uint8](d *Decoder, words []string, into *E) error {
	return decodeWord(d, words, into)
}

// AppendWord appends a value of such an enumeration.
func AppendWord[E ~uint8](dst []byte, words []string, e E) []byte { return appendWord(dst, words, e) }

// decodeWord decodes a string that must be one of a fixed set. The index into
// words is the value; words[0] is always "", the unset one.
func decodeWord[E ~uint8](d *Decoder, words []string, into *E) error {
	raw, err := d.text()
	if err != nil {
		return err
	}
	for i := 1; i < len(words); i++ {
		if words[i] == string(raw) {
			*into = E(i)
			return nil
		}
	}
	return fieldError("want " + orList(words[1:]))
}

// parseWord reads a word outside of a document.
func parseWord[E ~uint8](words []string, s string) (E, error) {
	for i := 1; i < len(words); i++ {
		if words[i] == s {
			return E(i), nil
		}
	}
	return 0, fieldError("want " + orList(words[1:]))
}

func appendWord[E ~uint8](dst []byte, words []string, e E) []byte {
	dst = append(dst, '"')
	dst = append(dst, WordOf(words, e)...)
	return append(dst, '"')
}

// WordOf returns the word of a value of an enumeration, words[e], or "?" if e is
// none of its values. What stands at words[0] is the word of the unset value.
func WordOf[E ~uint8](words []string, e E) string {
	if int(e) < len(words) {
		return words[e]
	}
	return "?"
}

// OrDash returns the text, or "-" if it is empty.
func OrDash[S ~string](s S) string {
	if s == "" {
		return "-"
	}
	return string(s)
}

func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// State is the state of a (rollout, host) record (PROTOCOL H6). The zero value
// is "no state".
type State uint8

// The states of a record. The path is Pending, Activating, Deferred, Soaking,
// then Converged, or Failed and Reverted.
const (
	Pending State = iota + 1
	Activating
	Deferred
	Soaking
	Converged
	Failed
	Reverted
)

// States lists every state in path order.
var States = [...]State{Pending, Activating, Deferred, Soaking, Converged, Failed, Reverted}

var stateWords = []string{"", "Pending", "Activating", "Deferred", "Soaking", "Converged", "Failed", "Reverted"}

// String returns the word of the protocol.
func (s State) String() string { return WordOf(stateWords, s) }

// ParseState reads the word of a state.
func ParseState(s string) (State, error) { return parseWord[State](stateWords, s) }

// Active reports whether the host still has something to do: Pending,
// Activating, Deferred or Soaking (PROTOCOL H3).
func (s State) Active() bool { return Pending <= s && s <= Soaking }

// DecodeValue implements [Value].
func (s *State) DecodeValue(d *Decoder) error { return decodeWord(d, stateWords, s) }

// AppendValue implements [Value].
func (s *State) AppendValue(dst []byte) []byte { return appendWord(dst, stateWords, *s) }

// IsUnset implements [Value].
func (s *State) IsUnset() bool { return *s == 0 }

// Mode says how much a probe counts (PROTOCOL E).
type Mode uint8

// The modes of a probe. Only an Enforce probe can hold back or fail a host.
const (
	Enforce Mode = iota + 1
	Observe
	Disabled
)

var modeWords = []string{"", "enforce", "observe", "disabled"}

// String returns the word of the protocol.
func (m Mode) String() string { return WordOf(modeWords, m) }

// DecodeValue implements [Value].
func (m *Mode) DecodeValue(d *Decoder) error { return decodeWord(d, modeWords, m) }

// AppendValue implements [Value].
func (m *Mode) AppendValue(dst []byte) []byte { return appendWord(dst, modeWords, *m) }

// IsUnset implements [Value].
func (m *Mode) IsUnset() bool { return *m == 0 }

// ProbeStatus is the outcome of one run of a probe (PROTOCOL E).
type ProbeStatus uint8

// The outcomes of a probe.
const (
	Pass ProbeStatus = iota + 1
	Fail
)

var statusWords = []string{"", "pass", "fail"}

// String returns the word of the protocol.
func (s ProbeStatus) String() string { return WordOf(statusWords, s) }

// DecodeValue implements [Value].
func (s *ProbeStatus) DecodeValue(d *Decoder) error { return decodeWord(d, statusWords, s) }

// AppendValue implements [Value].
func (s *ProbeStatus) AppendValue(dst []byte) []byte { return appendWord(dst, statusWords, *s) }

// IsUnset implements [Value].
func (s *ProbeStatus) IsUnset() bool { return *s == 0 }

// HealthPolicy says what a sustained probe failure leads to (PROTOCOL E, A7).
type HealthPolicy uint8

// The health policies. Both halt the rollout; under RollbackAndHalt the agent
// also goes back to what it ran before.
const (
	Halt HealthPolicy = iota + 1
	RollbackAndHalt
)

var policyWords = []string{"", "halt", "rollback-and-halt"}

// String returns the word of the protocol.
func (p HealthPolicy) String() string { return WordOf(policyWords, p) }

// DecodeValue implements [Value].
func (p *HealthPolicy) DecodeValue(d *Decoder) error { return decodeWord(d, policyWords, p) }

// AppendValue implements [Value].
func (p *HealthPolicy) AppendValue(dst []byte) []byte { return appendWord(dst, policyWords, *p) }

// IsUnset implements [Value].
func (p *HealthPolicy) IsUnset() bool { return *p == 0 }

// RolloutState is the state of a rollout as a whole (PROTOCOL R4).
type RolloutState uint8

// The states of a rollout.
const (
	// Opening: open, and no host has taken it up yet.
	Opening RolloutState = iota + 1
	// Active: hosts have taken it up and there are waves not yet dispatched.
	Active
	// Converging: every wave is dispatched and some host is not at its end.
	Converging
	// Terminal: every host is at its end.
	Terminal
	// Halted: a host failed and nothing more is dispatched until an operator
	// resumes the rollout.
	Halted
	// Superseded: a newer rollout of the channel is known.
	Superseded
	// Held: nothing says which of the channel's rollouts is the newest, and
	// nothing is dispatched until an operator chooses one of them.
	Held
	// Aborted: an operator has ended the rollout, and nothing more is dispatched.
	Aborted
)

var rolloutStateWords = []string{"", "Opening", "Active", "Converging", "Terminal", "Halted", "Superseded", "Held", "Aborted"}

// String returns the word of the protocol.
func (s RolloutState) String() string { return WordOf(rolloutStateWords, s) }

// ParseRolloutState reads the word of a rollout's state.
func ParseRolloutState(s string) (RolloutState, error) {
	return parseWord[RolloutState](rolloutStateWords, s)
}

// DecodeValue implements [Value].
func (s *RolloutState) DecodeValue(d *Decoder) error { return decodeWord(d, rolloutStateWords, s) }

// AppendValue implements [Value].
func (s *RolloutState) AppendValue(dst []byte) []byte {
	return appendWord(dst, rolloutStateWords, *s)
}

// IsUnset implements [Value].
func (s *RolloutState) IsUnset() bool { return *s == 0 }

// Reachability is what the plane believes of a host's liveness (PROTOCOL L).
type Reachability uint8

// The three beliefs.
const (
	Reachable Reachability = iota + 1
	Unreachable
	// NeverSeen: nothing of the host has ever arrived, and it is not yet
	// unreachable.
	NeverSeen
)

var reachabilityWords = []string{"", "reachable", "unreachable", "never_seen"}

// String returns the word of the protocol.
func (r Reachability) String() string { return WordOf(reachabilityWords, r) }

// ParseReachability reads the word of a belief.
func ParseReachability(s string) (Reachability, error) {
	return parseWord[Reachability](reachabilityWords, s)
}

// DecodeValue implements [Value].
func (r *Reachability) DecodeValue(d *Decoder) error { return decodeWord(d, reachabilityWords, r) }

// AppendValue implements [Value].
func (r *Reachability) AppendValue(dst []byte) []byte {
	return appendWord(dst, reachabilityWords, *r)
}

// IsUnset implements [Value].
func (r *Reachability) IsUnset() bool { return *r == 0 }
