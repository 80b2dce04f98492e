package httpserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// revocationList carries out the signed list of revocations (PROTOCOL V8): it is
// verified whenever its file changes, and each entry becomes a revocation as an
// operator's is, in the log of the plane. So what was ever on a list stays revoked,
// also without the list, and the operators' revocations are in force beside it.
type revocationList struct {
	opener
	verifiedReport
	file, trust, suffix string
	now                 func() time.Time

	// What follows is of scan alone.
	held    *artifact.Verified[artifact.Revocations]
	text    []byte // the trust file that it was verified with
	signed  artifact.Signed
	applied map[wire.CommonName]wire.Time // the plane has it
}

// revocationsWindow is how old a list may be when it is read; that of a release.
const revocationsWindow = releaseWindow

func newRevocationList(cfg *Config, m *metrics, a *admission) *revocationList {
	file := filepath.Clean(cfg.RevocationsFile)
	return &revocationList{
		opener:         opener{log: cfg.Logger, clock: cfg.Clock, admission: a, caller: revocationsCaller},
		verifiedReport: verifiedReport{verifiedMetrics: m.list, logger: cfg.Logger, line: "revocations refused; what was revoked stays so", at: slog.String("file", file)},
		file:           file, trust: cfg.TrustFile, suffix: cfg.AgentCNSuffix, now: cfg.wall,
		applied: make(map[wire.CommonName]wire.Time),
	}
}

// run carries out the list until ctx ends.
func (l *revocationList) run(ctx context.Context) {
	w := watchedDir{name: "revocations", dir: filepath.Dir(l.file), log: l.log, clock: l.clock}
	w.run(ctx, l.scan)
}

// scan carries out what the file has now, if it is good.
func (l *revocationList) scan(ctx context.Context) {
	reason, err := l.read()
	if err != nil {
		l.refuse(reason, err)
	}
	if l.held == nil {
		return
	}
	var later []string
	for i := range l.held.Doc.Entries {
		entry := &l.held.Doc.Entries[i]
		if wire.TimeOf(l.now()).Before(entry.NotBefore) { // the plane takes none of the future (PROTOCOL T5)
			later = append(later, string(entry.Hostname))
			continue
		}
		if err := l.apply(ctx, entry); ctx.Err() != nil {
			return
		} else if err != nil {
			l.refuse(releaseUnreadable, fmt.Errorf("%s: revocations[%d]: %w", l.file, i, err))
			return
		}
	}
	if err != nil {
		return
	}
	l.accept()
	if len(later) > 0 {
		text := fmt.Sprintf("%s: the instants of %s are in the future by the plane's clock; they are revoked once it comes", l.file, strings.Join(later, ", "))
		l.problem.Store(&text)
	}
}

// apply has the plane revoke both names of a host, unless it has.
func (l *revocationList) apply(ctx context.Context, entry *artifact.Revocation) error {
	name := wire.CommonName("agent-" + string(entry.Hostname) + "." + l.suffix)
	if !l.applied[name].Before(entry.NotBefore) {
		return nil
	}
	id := wire.ParseIdentity(string(name), l.suffix)
	outcome, err := l.ask(ctx, l.file, func() plane.Input {
		in := &plane.Revoke{CommonName: name, Before: entry.NotBefore}
		in.Also, _ = id.OtherSpelling(l.suffix)
		return in
	})
	if err != nil {
		return err
	}
	if outcome.Code != wire.OK {
		return refusalError(&outcome)
	}
	l.applied[name] = entry.NotBefore
	l.log.Debug("host of the signed list is revoked", "host", string(entry.Hostname), "before", entry.NotBefore.String(), "reason", string(entry.Reason))
	return nil
}

// read reads and verifies the list. What is held stays after an error.
func (l *revocationList) read() (reason string, err error) {
	text, err := releasefile.ReadRegular(l.trust)
	if err != nil {
		return releaseUnreadable, err
	}
	trust, err := artifact.ParseTrust(text)
	if err != nil {
		return releaseUnreadable, fmt.Errorf("%s: %w", l.trust, err)
	}
	signed, err := readSigned(l.file)
	if err != nil {
		return releaseUnreadable, err
	}
	if l.held != nil && l.reported == "" && bytes.Equal(text, l.text) && sameSigned(&signed, &l.signed) {
		return "", nil
	}
	v := artifact.Verifier{Trust: trust, Now: wire.TimeOf(l.now()), Window: revocationsWindow}
	if l.held != nil {
		v.NotBefore = l.held.Doc.Meta.SignedAt
	}
	list, err := v.Revocations(signed)
	if refusal := (*artifact.Refusal)(nil); errors.As(err, &refusal) {
		return refusal.Reason.String(), fmt.Errorf("%s: %w", l.file, err)
	}
	if l.held == nil || !list.Doc.Meta.SignedAt.Std().Equal(l.held.Doc.Meta.SignedAt.Std()) {
		l.log.Info("revocations taken up", "file", l.file, "signed_at", list.Doc.Meta.SignedAt.String(), "entries", len(list.Doc.Entries))
	}
	l.held, l.text, l.signed = list, text, signed
	l.signedAt.Set(float64(list.Doc.Meta.SignedAt.Std().Unix()))
	return "", nil
}

// readSigned reads a document with its signatures.
func readSigned(file string) (s artifact.Signed, err error) {
	if s.Document, err = releasefile.ReadRegular(file); err != nil {
		return s, err
	}
	if s.Signature, err = releasefile.ReadRegular(file + releasefile.SignatureSuffix); err != nil {
		return s, err
	}
	further, err := filepath.Glob(escapeGlob(file) + releasefile.SignatureSuffix + ".*")
	if err != nil {
		return s, err
	}
	slices.Sort(further)
	for _, name := range further {
		signature, err := releasefile.ReadRegular(name)
		if err != nil {
			return s, err
		}
		s.Further = append(s.Further, signature)
	}
	return s, nil
}

// escapeGlob makes a path a pattern that matches itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func sameSigned(a, b *artifact.Signed) bool {
	return bytes.Equal(a.Document, b.Document) && bytes.Equal(a.Signature, b.Signature) && slices.EqualFunc(a.Further, b.Further, bytes.Equal)
}

// check is what /readyz says. It is advisory.
func (l *revocationList) check() Check {
	return Check{Name: "revocations", Advisory: true, Problem: func() string {
		if problem := l.problem.Load(); problem != nil {
			return *problem
		}
		return ""
	}}
}
