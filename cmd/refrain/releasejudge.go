package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// judgement is what became of the files of a release.
type judgement struct {
	// fleet is nil if it was refused.
	fleet    *artifact.Verified[artifact.Fleet]
	rollouts map[wire.RolloutID]*artifact.Verified[artifact.Rollout]
	files    []judgedFile
	problems int
}

// judgedFile is one file of a release as JSON. Reason is empty if it is good, else the
// word of [artifact.Reason], or missing, or unexpected.
type judgedFile struct {
	File     string   `json:"file"`
	SignedAt string   `json:"signed_at,omitempty"`
	Hash     string   `json:"hash,omitempty"`
	Signers  []string `json:"signers,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Field    string   `json:"field,omitempty"`
	Detail   string   `json:"detail,omitempty"`
	Remedy   string   `json:"remedy,omitempty"`
}

// judge verifies every file of a release, each by itself and then with the fleet.
// notBefore gives the instant before which a file may not have been signed.
func judge(r *release, v artifact.Verifier, notBefore func(file string) wire.Time) *judgement {
	j := &judgement{rollouts: make(map[wire.RolloutID]*artifact.Verified[artifact.Rollout])}
	var wanted []string
	for _, name := range r.documents() {
		v := v
		if notBefore != nil {
			v.NotBefore = notBefore(name)
		}
		signed := r.signed(name)
		switch {
		case signed.Signature == nil:
			j.refused(r.path(name+signatureSuffix), "missing", "", "there is no such file; want the signature of the document beside it", artifact.NotSigned.Remedy())
		case name == fleetFile:
			fleet, err := v.Fleet(signed)
			if judgeOne(j, r.path(name), fleet, err, func(f *artifact.Fleet) wire.Time { return f.Meta.SignedAt }) {
				j.fleet = fleet
				for _, id := range fleet.Doc.RolloutIDs() {
					wanted = append(wanted, rolloutFile(id))
				}
			}
		case name == revocationsFile:
			list, err := v.Revocations(signed)
			judgeOne(j, r.path(name), list, err, func(l *artifact.Revocations) wire.Time { return l.Meta.SignedAt })
		case name == noncesFile:
			list, err := v.Nonces(signed)
			judgeOne(j, r.path(name), list, err, func(l *artifact.Nonces) wire.Time { return l.Meta.SignedAt })
		case j.fleet != nil && !slices.Contains(wanted, name):
			j.refused(r.path(name), "unexpected", "", fmt.Sprintf("it belongs to no channel of the fleet; want the rollouts %v", j.fleet.Doc.RolloutIDs()), "remove it; refrain release sign does")
		default:
			rollout, err := v.Rollout(signed)
			if err == nil && j.fleet != nil {
				id := wire.RolloutID(name[len(rolloutsDir)+1 : len(name)-len(".json")])
				if err = artifact.Fits(id, rollout, j.fleet); err == nil {
					j.rollouts[id] = rollout
				}
			}
			judgeOne(j, r.path(name), rollout, err, func(r *artifact.Rollout) wire.Time { return r.Meta.SignedAt })
		}
	}
	for _, name := range wanted {
		if r.files[name] == nil {
			j.refused(r.path(name), "missing", "", "there is no such file, and the fleet has hosts for it", artifact.WrongFleet.Remedy())
		}
	}
	return j
}

func judgeOne[T any](j *judgement, file string, verified *artifact.Verified[T], err error, signedAt func(*T) wire.Time) bool {
	var refusal *artifact.Refusal
	if errors.As(err, &refusal) {
		j.refused(file, refusal.Reason.String(), refusal.Field, refusal.Detail, refusal.Reason.Remedy())
		return false
	}
	f := judgedFile{File: file, SignedAt: signedAt(&verified.Doc).String(), Hash: verified.Hash.String()}
	for i := range verified.Signers {
		f.Signers = append(f.Signers, verified.Signers[i].ID())
	}
	j.files = append(j.files, f)
	return true
}

func (j *judgement) refused(file, reason, field, detail, remedy string) {
	j.problems++
	j.files = append(j.files, judgedFile{File: file, Reason: reason, Field: field, Detail: detail, Remedy: remedy})
}
