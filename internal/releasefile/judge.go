package releasefile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Judgement is what became of the files of a release.
type Judgement struct {
	// Fleet is nil if it was refused.
	Fleet    *artifact.Verified[artifact.Fleet]
	Rollouts map[wire.RolloutID]*artifact.Verified[artifact.Rollout]
	// Openings are the manifests that a plane opens the rollouts with, in the order of
	// the channels' names.
	Openings []wire.Manifest
	Files    []File
	// Problems is how many files were refused.
	Problems int
}

// File is one file of a release as JSON. Reason is empty if it is good, else the
// word of [artifact.Reason], or missing, or unexpected.
type File struct {
	File     string   `json:"file"`
	SignedAt string   `json:"signed_at,omitempty"`
	Hash     string   `json:"hash,omitempty"`
	Signers  []string `json:"signers,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Field    string   `json:"field,omitempty"`
	Detail   string   `json:"detail,omitempty"`
	Remedy   string   `json:"remedy,omitempty"`
}

// Judge verifies every file of a release, each by itself and then with the fleet.
// notBefore gives the instant before which a file may not have been signed.
func Judge(r *Release, v artifact.Verifier, notBefore func(file string) wire.Time) *Judgement {
	j := &Judgement{Rollouts: make(map[wire.RolloutID]*artifact.Verified[artifact.Rollout])}
	var wanted []string
	for _, name := range r.Documents() {
		v := v
		if notBefore != nil {
			v.NotBefore = notBefore(name)
		}
		signed := r.Signed(name)
		switch {
		case signed.Signature == nil:
			j.refused(r.Path(name+SignatureSuffix), "missing", "", "there is no such file; want the signature of the document beside it", artifact.NotSigned.Remedy())
		case name == Fleet:
			fleet, err := v.Fleet(signed)
			if judgeOne(j, r.Path(name), fleet, err, func(f *artifact.Fleet) wire.Time { return f.Meta.SignedAt }) {
				j.Fleet = fleet
				for _, id := range fleet.Doc.RolloutIDs() {
					wanted = append(wanted, RolloutFile(id))
				}
			}
		case name == Revocations:
			list, err := v.Revocations(signed)
			judgeOne(j, r.Path(name), list, err, func(l *artifact.Revocations) wire.Time { return l.Meta.SignedAt })
		case name == Nonces:
			list, err := v.Nonces(signed)
			judgeOne(j, r.Path(name), list, err, func(l *artifact.Nonces) wire.Time { return l.Meta.SignedAt })
		case j.Fleet != nil && !slices.Contains(wanted, name):
			j.refused(r.Path(name), "unexpected", "", fmt.Sprintf("it belongs to no channel of the fleet; want the rollouts %v", j.Fleet.Doc.RolloutIDs()), "remove it; refrain release sign does")
		default:
			rollout, err := v.Rollout(signed)
			if err == nil && j.Fleet != nil {
				id := wire.RolloutID(name[len(RolloutsDir)+1 : len(name)-len(".json")])
				err = j.judgeRollout(id, rollout)
			}
			judgeOne(j, r.Path(name), rollout, err, func(r *artifact.Rollout) wire.Time { return r.Meta.SignedAt })
		}
	}
	for _, name := range wanted {
		if r.Files[name] == nil {
			j.refused(r.Path(name), "missing", "", "there is no such file, and the fleet has hosts for it", artifact.WrongFleet.Remedy())
		}
	}
	return j
}

// judgeRollout judges a manifest that is verified by itself: that it belongs to the
// fleet, and that a plane can open it.
func (j *Judgement) judgeRollout(id wire.RolloutID, rollout *artifact.Verified[artifact.Rollout]) error {
	if err := artifact.Fits(id, rollout, j.Fleet); err != nil {
		return err
	}
	opening, err := artifact.Opening(&j.Fleet.Doc, &rollout.Doc)
	if err != nil {
		return err
	}
	j.Rollouts[id], j.Openings = rollout, append(j.Openings, opening)
	return nil
}

func judgeOne[T any](j *Judgement, file string, verified *artifact.Verified[T], err error, signedAt func(*T) wire.Time) bool {
	var refusal *artifact.Refusal
	if errors.As(err, &refusal) {
		j.refused(file, refusal.Reason.String(), refusal.Field, refusal.Detail, refusal.Reason.Remedy())
		return false
	}
	f := File{File: file, SignedAt: signedAt(&verified.Doc).String(), Hash: verified.Hash.String()}
	for i := range verified.Signers {
		f.Signers = append(f.Signers, verified.Signers[i].ID())
	}
	j.Files = append(j.Files, f)
	return true
}

func (j *Judgement) refused(file, reason, field, detail, remedy string) {
	j.Problems++
	j.Files = append(j.Files, File{File: file, Reason: reason, Field: field, Detail: detail, Remedy: remedy})
}

// Problem is the refusal of a file in one line.
func (f *File) Problem() string {
	text := f.File + ": " + f.Reason + ": "
	if f.Field != "" {
		text += f.Field + ": "
	}
	return text + f.Detail
}

// ProblemText has the refusals, one a line.
func (j *Judgement) ProblemText() string {
	var lines []string
	for i := range j.Files {
		if j.Files[i].Reason != "" {
			lines = append(lines, j.Files[i].Problem())
		}
	}
	return strings.Join(lines, "\n")
}
