// Package artifact reads and verifies signed releases: the fleet document
// (fleet.resolved), the rollout manifests that belong to it, and the signed lists of
// revocations and of enrollment nonces. The formats are those of NixFleet, whose
// agents verify the same files.
//
// It does no I/O, has no clock and makes no signature: making one takes a private
// key, which a control plane never has. Verifying takes no randomness.
//
// # One artifact
//
// An artifact is a document and a signature of 64 bytes in a file of its own.
// [Verifier] judges both, in this order; the first [Reason] that applies is the
// answer:
//
//	no_trust_roots         the trust file has no key that is in use now
//	not_json               the document has no canonical form
//	unsupported_algorithm  every key has an unknown algorithm
//	bad_signature          no key made this signature over the canonical form
//	too_few_signatures     the trust file asks for more signers
//	unsupported_schema     the document is of another version
//	wrong_shape            a member is missing or mistyped
//	not_signed             meta.signedAt is null
//	rejected_before        it was signed before the trust file's rejectBefore
//	stale                  it was signed too long ago
//	from_the_future        it was signed later than now
//	older                  it was signed before the one that is in force
//
// What is signed is the canonical form of the bytes that were received
// ([wire.Canonical]). Members that are not known here are ignored and signed all the
// same, and a document is never written again from its Go value to verify it.
//
// # Several artifacts
//
// The fleet's hash and commit join it with its rollout manifests ([Fits]):
//
//	canonical form of the fleet --SHA-256--> fleetResolvedHash of each manifest
//	meta.ciCommit of the fleet  -----------> channel@commit, the rollout's ID
//	closureHash of a host       -----------> targetClosure of the host's line
//
// [RolloutOf] derives a manifest from a fleet, and [Opening] what a control plane opens
// a rollout with.
//
// # Stricter than the agents
//
// What agents refuse is refused here. In addition: a repeated name, a whole number of
// more than 64 bits, a member that differs from a known one only in case, a trust
// file of another version, an ID that is not of lower-case letters and a hexadecimal
// commit, an artifact that is older than the one in force, and manifests whose lines
// do not follow from the fleet. Of these a real producer makes none.
//
// # The caller's duties
//
//  1. Pass the bytes that were received, and serve those same bytes to others.
//  2. Give [Verifier] the instant now, and NotBefore from the artifact in force.
//  3. Use a document only from a [Verified]; the Parse functions are for tools that
//     show what a file says.
//  4. Bound the size of a file before reading it.
//
// # Glossary
//
//	trust file    the public keys whose signatures count
//	slot          one key, with the ones before and after it
//	signer        the holder of a key; the keys of one slot are one signer
//	line          what a manifest says of one host: its wave and its closure
//
// Stability: private; other modules should not import it (docs/architecture.md).
package artifact
