package artifact

import "github.com/refrain-fleet/refrain/core/wire"

// Reason is why an artifact is refused.
type Reason uint8

// The reasons: those of one artifact in the order in which they are looked for, then
// those of artifacts that do not belong together, then those of rollouts that a plane
// cannot open.
const (
	// NoTrustRoots: the trust file has no key that could have signed.
	NoTrustRoots Reason = iota + 1
	// NotJSON: it has no canonical form.
	NotJSON
	// UnsupportedAlgorithm: every key of the trust file has an unknown algorithm.
	UnsupportedAlgorithm
	// BadSignature: no key of the trust file made this signature over this document.
	BadSignature
	// TooFewSignatures: the trust file asks for more signers than there are.
	TooFewSignatures
	// UnsupportedSchema: it is of another version of the format.
	UnsupportedSchema
	// WrongShape: a member is missing or mistyped.
	WrongShape
	// NotSigned: it says itself that it was never signed.
	NotSigned
	// RejectedBefore: it was signed before the trust file's rejectBefore.
	RejectedBefore
	// Stale: it was signed too long ago.
	Stale
	// FromTheFuture: it was signed later than now.
	FromTheFuture
	// Older: it was signed before the one that is in force.
	Older
	// WrongRollout: the manifest is of another rollout than the one asked for.
	WrongRollout
	// WrongFleet: the manifest was made of another fleet document.
	WrongFleet
	// NoSuchHost: the manifest has no line of the host.
	NoSuchHost
	// WrongClosure: the closure is not the one of the host's line.
	WrongClosure
	// NoPolicy: the fleet does not say how the rollout of a channel proceeds.
	NoPolicy
	// NoClosure: a wave names a host that has no closure.
	NoClosure
	// NoWave: a host is in no wave of its channel.
	NoWave
	// WaveGap: a wave has no host.
	WaveGap
	// EdgeCircle: hosts, or channels, wait for each other.
	EdgeCircle
	// EdgeAgainstWaves: a host waits for one of a later wave.
	EdgeAgainstWaves

	// ReasonCount is one more than the last reason.
	ReasonCount int = iota + 1
)

var reasons = [ReasonCount]struct{ word, remedy string }{
	0:                    {"", ""},
	NoTrustRoots:         {"no_trust_roots", "put the release key into ciReleaseKey.current of the trust file"},
	NotJSON:              {"not_json", "the file is damaged, or is something else: fetch the release again"},
	UnsupportedAlgorithm: {"unsupported_algorithm", "the trust file needs a key of ed25519 or ecdsa-p256"},
	BadSignature:         {"bad_signature", "do not use it; document and signature may be of two releases: fetch both again; if the key was replaced, put the new one into the trust file"},
	TooFewSignatures:     {"too_few_signatures", "have another signer run refrain release sign --add, and put the .sig.ID files beside the document"},
	UnsupportedSchema:    {"unsupported_schema", "it was made by a newer tool: upgrade this one"},
	WrongShape:           {"wrong_shape", "what was signed cannot be read: build the release again, and sign it"},
	NotSigned:            {"not_signed", "sign it with refrain release sign"},
	RejectedBefore:       {"rejected_before", "sign the release again; what was signed before this instant may be of a stolen key"},
	Stale:                {"stale", "sign the release again: refrain release sign; if a timer does that, look at why it did not run"},
	FromTheFuture:        {"from_the_future", "compare the clocks of this machine and of the one that signs"},
	Older:                {"older", "keep the one that is in force; an older one may be a replayed copy: fetch the release again"},
	WrongRollout:         {"wrong_rollout", "the file has the name of another rollout: sign the release again, which writes each file anew"},
	WrongFleet:           {"wrong_fleet", "the files are of two releases: copy the whole directory again, or sign it again"},
	NoSuchHost:           {"no_such_host", "the host is not part of this rollout: look at its channel and its closure in the fleet"},
	WrongClosure:         {"wrong_closure", "the files are of two releases, or the closure was changed: sign the release again"},
	NoPolicy:             {"no_policy", "give the channel a policy of the fleet, and sign the release again"},
	NoClosure:            {"no_closure", "build the host, or take it out of the waves, and sign the release again"},
	NoWave:               {"no_wave", "put the host into a wave of its channel, and sign the release again"},
	WaveGap:              {"wave_gap", "leave out the wave without hosts, and sign the release again"},
	EdgeCircle:           {"edge_circle", "take one of these edges out of the fleet, and sign the release again"},
	EdgeAgainstWaves:     {"edge_against_waves", "turn the edge round, or put its hosts into other waves, and sign the release again"},
}

// String returns the stable word of the reason, for metrics and alarms.
func (r Reason) String() string {
	if int(r) >= ReasonCount || r == 0 {
		return "?"
	}
	return reasons[r].word
}

// Remedy says in one line what a person can do about it.
func (r Reason) Remedy() string {
	if int(r) >= ReasonCount {
		return ""
	}
	return reasons[r].remedy
}

// Refusal is the error of an artifact that must not be used.
type Refusal struct {
	Reason Reason
	// Field is the member at fault as the document spells it, or empty.
	Field string
	// Detail is what was found and what would be right.
	Detail string
}

// Error implements error.
func (r *Refusal) Error() string {
	text := r.Reason.String() + ": "
	if r.Field != "" {
		text += r.Field + ": "
	}
	return text + r.Detail
}

func refuse(reason Reason, detail string) *Refusal { return &Refusal{Reason: reason, Detail: detail} }

// refuseDocument gives an error of reading its reason.
func refuseDocument(err error) *Refusal {
	switch err := err.(type) {
	case *wire.FieldError:
		return &Refusal{Reason: WrongShape, Field: err.Field, Detail: err.Problem}
	default:
		return &Refusal{Reason: NotJSON, Detail: err.Error()}
	}
}
