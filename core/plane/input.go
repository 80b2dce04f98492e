package plane

import "github.com/refrain-fleet/refrain/core/wire"

// Input is what a step takes: one of the structs of this file, by pointer. The
// plane keeps nothing of it but strings, and an [Entry] has a copy of its own,
// so the caller may use the struct again. The copy shares the slices of the
// input, so what they hold must not change before the entry is durable.
type Input interface {
	// String describes the input in one stable line.
	String() string
	isInput()
}

// Heartbeat is an agent's heartbeat (PROTOCOL H). One reply.
type Heartbeat struct {
	Request wire.HeartbeatRequest
	// From is the address that it came from, without a port, of 512 printable bytes
	// at most; empty if it is not known. It serves to notice a duplicate identity
	// (PROTOCOL L4), and nothing else.
	From string
	// Dialect is whose rules the agent follows (T12).
	Dialect wire.Dialect
}

// Event is one event of an agent (PROTOCOL E). One reply. Durable.
type Event struct {
	Envelope wire.EventEnvelope
	Dialect  wire.Dialect
}

// Poll asks for work queued for a host (PROTOCOL D). One reply: 200 with a
// [wire.Dispatch], or 204. It never waits; waiting is the driver's part.
type Poll struct {
	Hostname wire.Hostname
	Dialect  wire.Dialect
	// Again says that the poll has asked before, found no work and waited. The driver
	// sets it.
	Again bool
}

// OpenRollout opens a rollout (PROTOCOL R1). One reply. Durable. An operator's
// takes the channel; the plane's log also has those of the directory, with the
// place that was decided.
type OpenRollout struct {
	Manifest wire.Manifest
	Place    Place
	// Unread are the manifests that lay in the directory with one that is held and were
	// not read yet (R6). Only entries of the log have them.
	Unread []Peer
	// Signed says that it is of a signed release (PROTOCOL V5). Only entries of the log
	// have it: an operator's request never does.
	Signed bool
	sorted []wire.ManifestHost // see [OpenRollout.Prepare]
	hash   wire.Name           // of the document of an operator's, likewise
}

// PlanRollout asks what an [OpenRollout] of an operator would do (PROTOCOL R1). One
// reply. It is a query: nothing changes.
type PlanRollout struct{ Manifest wire.Manifest }

// FileManifest opens a rollout whose manifest was found in the directory
// (PROTOCOL R6). One reply. The log has it as an [OpenRollout].
type FileManifest struct {
	Manifest wire.Manifest
	// Peers are the manifests of the channel that were found with it; it may be
	// among them. See [Arrange].
	Peers []Peer
	// Signed says that it is of the release that was taken up, and no file of the
	// directory (PROTOCOL V5). Its serial is when the release was signed.
	Signed bool
	sorted []wire.ManifestHost
}

// Release is a signed release whose signatures the driver has verified (PROTOCOL V4).
// One reply: 204 if it is taken up as a whole, or why it is not; then what was held
// stays. It is not logged: a driver steps it again after every [Started]. Its
// manifests are opened after it, each as a [FileManifest].
type Release struct {
	// Manifests are those of its rollouts, one for a channel. The serial of each is
	// when the release was signed.
	Manifests []wire.Manifest
	// Fresh has until when dispatches of a rollout may be offered, by the plane's wall
	// clock; one that it does not have is always fresh.
	Fresh  []Freshness
	sorted [][]wire.ManifestHost
}

// Freshness is until when a rollout of a release may be offered (PROTOCOL V6).
type Freshness struct {
	RolloutID wire.RolloutID
	Until     wire.Time
}

// ContinueOpening goes on with the opening whose reply was Unfinished, see
// [Reply]. One reply.
type ContinueOpening struct {
	// Durable says that what [Output.Sealed] gave is durable now.
	Durable bool
}

// ResumeRollout lets a halted rollout go on (PROTOCOL R2). One reply. Durable.
type ResumeRollout struct{ RolloutID wire.RolloutID }

// Steer is an act by which an operator holds hosts back, lets them go, or lets a rollout
// go on without them (PROTOCOL O). One reply. Durable.
type Steer struct {
	Act SteerAct
	// RolloutID is the rollout of Pause, Abort and Skip, Hostname the host of the others
	// and of Skip; empty otherwise.
	RolloutID wire.RolloutID
	Hostname  wire.Hostname
	// Reason is shown as long as the act is in force.
	Reason wire.Text
}

// ChooseRollout puts a held rollout in force (PROTOCOL R6). One reply. Durable.
type ChooseRollout struct{ RolloutID wire.RolloutID }

// ClearQuarantine lets a closure be dispatched on a channel again
// (PROTOCOL R3). One reply. Durable.
type ClearQuarantine struct {
	Channel wire.Channel
	Closure wire.Closure
}

// Revoke refuses the certificates of a common name from before an instant
// (PROTOCOL T5). One reply. Durable.
type Revoke struct {
	CommonName wire.CommonName
	// Also is the other spelling of the same host, which is revoked with it; empty
	// if there is none. See [wire.Identity.OtherSpelling].
	Also wire.CommonName
	// Before is the revocation instant; unset means now.
	Before wire.Time
	// Holder is whose name it is, for the plane to judge whether it knows anybody
	// by it. An entry of the log has none: it was judged.
	Holder Holder
}

// Holder is whose certificates are revoked, as the driver reads the common name.
type Holder struct {
	// Judge has the plane refuse a name that no host and no operator has, unless Force is
	// set, and warn of one that it has not seen.
	Judge, Force bool
	// Hostname is the machine ID; empty for an operator, and for a name that no
	// host can have.
	Hostname wire.Hostname
	// Seen says that the driver has seen an operator of this name since it started.
	Seen bool
}

// Certify asks whether a host may be given a certificate now, by a token or for the one
// that it has (PROTOCOL N3, N5). The driver has verified the rest. One reply: 204 if it
// may; durable for a token whose nonce is used with it.
type Certify struct {
	Hostname wire.Hostname
	// CommonName is the name of the certificate, and Also the other spelling of the
	// host; empty if there is none.
	CommonName, Also wire.CommonName
	// Since is when the token was issued, or the NotBefore of the certificate that is
	// renewed: a later revocation of either name refuses it.
	Since wire.Time
	// Nonce is that of the token; empty for a renewal.
	Nonce wire.Name
	// Key is the fingerprint of the host's key, as tokens have it.
	Key wire.Name
	// ExpiresAt is from when on nothing accepts the nonce.
	ExpiresAt wire.Time
	// Refused says that the driver refuses the request whatever the reply is: nothing
	// becomes used.
	Refused bool
}

// Confirm is the durable part of a heartbeat that confirmed a record
// (PROTOCOL H4). The plane writes it to its log; a driver steps it only when
// it walks a log. No reply.
type Confirm struct {
	Hostname  wire.Hostname
	RolloutID wire.RolloutID
	Closure   wire.Closure
	At        wire.Time
}

// QueryHost asks for one host (PROTOCOL R5). One reply.
type QueryHost struct{ Hostname wire.Hostname }

// QueryHosts asks for a page of the hosts, by name. One reply.
type QueryHosts struct {
	After wire.Hostname
	// Limit is the most items of the page, 1 to [MaxLimit].
	Limit  int
	Filter HostFilter
}

// QueryRollout asks for one rollout and a page of its hosts, by name. One
// reply.
type QueryRollout struct {
	RolloutID wire.RolloutID
	After     wire.Hostname
	Limit     int
	// State leaves out the records of every other state; 0 leaves out none.
	State wire.State
}

// QueryRollouts asks for a page of the rollouts, by ID. One reply.
type QueryRollouts struct {
	After  wire.RolloutID
	Limit  int
	Filter RolloutFilter
}

// QueryStatus asks for the counts of the whole fleet (PROTOCOL R5). One reply.
type QueryStatus struct{}

// QueryQuarantine asks for every quarantined closure. One reply.
type QueryQuarantine struct{}

// QueryRevocations asks for every revocation. One reply.
type QueryRevocations struct{}

// Started tells the plane that its driver has just come up: whatever time it
// was down is credited to every host (PROTOCOL L2). It must be the first input
// after New, Restore or a log walk. No reply.
type Started struct{}

// Tick lets the plane judge liveness (PROTOCOL L). No reply.
type Tick struct {
	// Impaired says that since the last tick hosts may have gone unheard
	// through the plane's own fault; that time is credited to them (L2).
	Impaired bool
}

// Storage tells the plane whether what it logs can be made durable. No reply.
type Storage struct {
	// Unavailable: it cannot. The plane logs nothing: what needs to be logged is
	// refused store_unavailable, and everything else goes on from the last durable
	// state (PROTOCOL G9).
	Unavailable bool
	// Scarce: it can, and little disk is free. Events that only observe are refused
	// store_unavailable, and everything else goes on (G11).
	Scarce bool
}

// MaxLimit is the largest page of a query.
const MaxLimit = 1000

func (*Heartbeat) isInput()        {}
func (*Requested) isInput()        {}
func (*Event) isInput()            {}
func (*Poll) isInput()             {}
func (*Discarded) isInput()        {}
func (*OpenRollout) isInput()      {}
func (*FileManifest) isInput()     {}
func (*Release) isInput()          {}
func (*ContinueOpening) isInput()  {}
func (*ResumeRollout) isInput()    {}
func (*Steer) isInput()            {}
func (*ChooseRollout) isInput()    {}
func (*ClearQuarantine) isInput()  {}
func (*Revoke) isInput()           {}
func (*Certify) isInput()          {}
func (*Confirm) isInput()          {}
func (*QueryHost) isInput()        {}
func (*QueryHosts) isInput()       {}
func (*QueryRollout) isInput()     {}
func (*QueryRollouts) isInput()    {}
func (*PlanRollout) isInput()      {}
func (*QueryStatus) isInput()      {}
func (*QueryOverview) isInput()    {}
func (*QueryQuarantine) isInput()  {}
func (*QueryRevocations) isInput() {}
func (*Started) isInput()          {}
func (*Tick) isInput()             {}
func (*Storage) isInput()          {}

// Replies reports whether a step of the input makes a reply: exactly one.
func Replies(in Input) bool {
	switch in.(type) {
	case *Confirm, *Offer, *Started, *Tick, *Storage:
		return false
	default:
		return true
	}
}
