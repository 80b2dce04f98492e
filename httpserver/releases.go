package httpserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

const (
	// releaseWindow is how old a release may be that is taken up. It is longer than
	// what agents accept: they judge by their own clocks, and a plane that was
	// restarted serves what it served before.
	releaseWindow = 30 * 24 * time.Hour
	// releaseOld is when a release that is held is reported as old: agents refuse it
	// a quarter of an hour later.
	releaseOld = 45 * time.Minute
	// releaseRetry is the Retry-After without a release; agents come at this interval.
	releaseRetry = 30 * time.Second
)

// releases holds the signed release that agents read (PROTOCOL V). The directory is
// verified as a whole whenever it changes, and taken up as a whole or not at all: the
// one that is held stays until a newer one is good. Nothing of it is written anew.
type releases struct {
	opener
	verifiedReport
	dir, trust string
	now        func() time.Time
	held       atomic.Pointer[heldRelease]
	// planes counts the planes that were loaded. Each has to be given the release
	// that is held; again has that done.
	planes atomic.Uint64
	again  chan struct{}

	// What follows is of scan alone.
	files  map[string][]byte // of the release that is held
	keys   []byte            // the trust file that it was verified with
	given  uint64            // which plane was given it
	opened bool              // its rollouts were opened, or refused
	// refusal is the release that a plane has refused, and its number: the plane says
	// the same again, so it is not asked again.
	refusal   *heldRelease
	refusedBy uint64

	unopened atomic.Pointer[string] // a rollout of the release that is held; nil if there is none
}

// heldRelease is a verified release. It does not change.
type heldRelease struct {
	signedAt wire.Time
	// files have the documents and signatures by the path of their route.
	files map[string]*wire.File
	// openings are what the plane opens its rollouts with.
	openings []wire.Manifest
	// fresh has until when they are offered.
	fresh []plane.Freshness
	// ignored are edges that hold nothing back.
	ignored []string
	// fleet and nonces are what enrolments are judged by; nonces may be nil.
	fleet  *artifact.Fleet
	nonces *artifact.Nonces

	read map[string][]byte // the directory that it is of
	keys []byte            // and the trust file
}

// Reasons of refusals beside those of [artifact.Reason].
const (
	releaseUnreadable = "unreadable"
	releaseMissing    = "missing"
	releaseUnexpected = "unexpected"
)

// Reasons of the plane, which knows the rollouts.
var (
	releaseConflict   = wire.ManifestConflict.Reason()
	releaseSuperseded = wire.RolloutSuperseded.Reason()
)

func newReleases(cfg *Config, m *metrics, a *admission) *releases {
	dir := filepath.Clean(cfg.ReleaseDir)
	return &releases{
		opener:         opener{log: cfg.Logger, clock: cfg.Clock, admission: a, caller: releaseCaller},
		verifiedReport: verifiedReport{verifiedMetrics: m.release, logger: cfg.Logger, line: "release refused; what was held stays", at: slog.String("dir", dir)},
		dir:            dir, trust: cfg.TrustFile, now: cfg.wall, again: make(chan struct{}, 1),
	}
}

// run takes up releases until ctx ends.
func (l *releases) run(ctx context.Context, s *Server) {
	w := watchedDir{name: "releases", dir: l.dir, below: []string{filepath.Join(l.dir, releasefile.RolloutsDir)}, log: s.log, clock: s.cfg.Clock, again: l.again}
	w.run(ctx, l.scan)
}

// planeReplaced says that another plane was loaded, which holds no release.
func (l *releases) planeReplaced() {
	l.planes.Add(1)
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// first takes up what the directory has when the server starts, if the plane answers
// at once. Rollouts are opened by the first scan.
func (l *releases) first() {
	r, reason, err := l.read()
	switch {
	case err != nil:
		l.refuse(reason, err)
	case r != nil:
		life := l.planes.Load()
		if outcome := l.askOnce(r.input()); !outcome.Code.Unavailable() {
			l.judged(r, life, &outcome)
		}
	}
}

// scan takes up what the directory has now, if it is good and the plane has nothing
// against it, and has the plane open its rollouts (PROTOCOL V4, V5).
func (l *releases) scan(ctx context.Context) {
	r, reason, err := l.read()
	if err != nil {
		l.refuse(reason, err)
	}
	if r != nil && r.sameAs(l.refusal) && l.refusedBy == l.planes.Load() {
		r = nil
	}
	if r == nil && l.held.Load() != nil && l.given != l.planes.Load() {
		r = l.held.Load() // for the plane that was loaded since
	}
	if r != nil {
		life := l.planes.Load()
		outcome, err := l.ask(ctx, l.dir, r.input)
		if err != nil {
			return
		}
		l.judged(r, life, &outcome)
	}
	l.openRollouts(ctx)
}

// sameAs reports whether two releases are of the same files and trust.
func (r *heldRelease) sameAs(other *heldRelease) bool {
	return other != nil && bytes.Equal(r.keys, other.keys) && maps.EqualFunc(r.read, other.read, slices.Equal)
}

// input is what the plane is asked to take up.
func (r *heldRelease) input() plane.Input {
	in := &plane.Release{Manifests: r.openings, Fresh: r.fresh}
	in.Prepare()
	return in
}

// judged has the verdict on a release of the plane that was loaded as number life: it
// is served from now on, or refused.
func (l *releases) judged(r *heldRelease, life uint64, outcome *wire.Outcome) {
	if outcome.Code != wire.NoContent {
		l.refuse(outcome.Code.Reason(), refusalError(outcome))
		l.refusal, l.refusedBy = r, life
		if r == l.held.Load() {
			l.given = life
		}
		return
	}
	l.given = life
	if r == l.held.Load() {
		return
	}
	l.log.Info("release taken up", "dir", l.dir, "signed_at", r.signedAt.String(), "files", len(r.files))
	if was := l.held.Load(); was == nil || !slices.Equal(was.ignored, r.ignored) {
		for _, edge := range r.ignored {
			l.log.Warn("edge of the release ignored", "dir", l.dir, "edge", edge)
		}
	}
	l.held.Store(r)
	l.files, l.keys = r.read, r.keys
	l.opened = false
	l.signedAt.Set(float64(r.signedAt.Std().Unix()))
	l.accept()
	l.unopened.Store(nil)
}

// openRollouts opens the rollouts of the release that is held, once. One that is
// refused, such as one that was retired, does not stop the others.
func (l *releases) openRollouts(ctx context.Context) {
	r := l.held.Load()
	if r == nil || l.opened {
		return
	}
	for i := range r.openings {
		in := &plane.FileManifest{Manifest: r.openings[i], Signed: true}
		in.Prepare()
		id := in.Manifest.ID()
		err := l.open(ctx, filepath.Join(l.dir, filepath.FromSlash(releasefile.RolloutFile(id))), in)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			text := fmt.Sprintf("rollout %s is not opened: %v", id, err)
			l.unopened.Store(&text)
			l.refused.Set(1)
			l.log.Error("rollout of the release refused", "dir", l.dir, "rollout", string(id), "error", err)
		}
	}
	l.opened = true
}

// read reads and verifies the directory. The release is nil if it is the one that is
// held. The trust file is read each time, so that a key can be replaced.
func (l *releases) read() (r *heldRelease, reason string, err error) {
	text, err := releasefile.ReadRegular(l.trust)
	if err != nil {
		return nil, releaseUnreadable, err
	}
	trust, err := artifact.ParseTrust(text)
	if err != nil {
		return nil, releaseUnreadable, fmt.Errorf("%s: %w", l.trust, err)
	}
	files, err := releasefile.Read(l.dir)
	if err != nil {
		return nil, releaseUnreadable, err
	}
	held := l.held.Load()
	if held != nil && l.reported == "" && bytes.Equal(text, l.keys) && maps.EqualFunc(files.Files, l.files, slices.Equal) {
		return nil, "", nil
	}
	v := artifact.Verifier{Trust: trust, Now: wire.TimeOf(l.now()), Window: releaseWindow}
	notBefore := func(string) wire.Time { return wire.Time{} }
	if held != nil {
		notBefore = func(file string) wire.Time {
			switch file {
			case releasefile.Revocations:
				return wire.Time{} // not used
			case releasefile.Nonces:
				if held.nonces == nil {
					return wire.Time{}
				}
				return held.nonces.Meta.SignedAt
			}
			return held.signedAt
		}
	}
	j := releasefile.Judge(files, v, notBefore)
	if j.Problems > 0 {
		i := slices.IndexFunc(j.Files, func(f releasefile.File) bool { return f.Reason != "" })
		return nil, j.Files[i].Reason, errors.New(j.Files[i].Problem())
	}
	r = &heldRelease{
		signedAt: j.Fleet.Doc.Meta.SignedAt, openings: j.Openings, ignored: j.Fleet.Doc.IgnoredEdges(), files: make(map[string]*wire.File),
		read: files.Files, keys: text, fleet: &j.Fleet.Doc,
	}
	if list := files.Files[releasefile.Nonces]; list != nil {
		if r.nonces, err = artifact.ParseNonces(list); err != nil { // it was verified
			return nil, releaseUnreadable, err
		}
	}
	for i := range j.Openings {
		if until := artifact.FreshUntil(&j.Fleet.Doc, j.Openings[i].Channel); until.IsSet() {
			r.fresh = append(r.fresh, plane.Freshness{RolloutID: j.Openings[i].ID(), Until: until})
		}
	}
	add := func(route, name string) {
		r.files[route] = &wire.File{Media: wire.MediaJSON, Bytes: files.Files[name]}
		r.files[route+"/sig"] = &wire.File{Media: wire.MediaBytes, Bytes: files.Files[name+releasefile.SignatureSuffix]}
	}
	add("", releasefile.Fleet)
	for _, id := range j.Fleet.Doc.RolloutIDs() {
		add(string(id), releasefile.RolloutFile(id))
	}
	return r, "", nil
}

// check is what /readyz says. It is advisory: heartbeats and events go on.
func (l *releases) check() Check {
	return Check{Name: "release", Advisory: true, Problem: func() string {
		held, now := l.held.Load(), wire.TimeOf(l.now())
		switch problem := l.problem.Load(); {
		case held == nil && problem != nil:
			return "none is held, agents act on no dispatch: " + *problem
		case held == nil:
			return "none is held yet"
		case held.signedAt.Add(releaseOld).Before(now):
			return fmt.Sprintf("signed at %v, more than %v ago: agents refuse it after %v; sign it again", held.signedAt, releaseOld, artifact.AgentWindow)
		case problem != nil:
			return "the directory is refused, and the one before is held: " + *problem
		}
		if unopened := l.unopened.Load(); unopened != nil {
			return *unopened
		}
		return ""
	}}
}

// registerReleases registers the routes of PROTOCOL V.
func (s *Server) registerReleases(r *mux.Router) {
	for _, route := range []struct{ name, path, suffix string }{
		{"fleet_resolved", "/v1/fleet.resolved", ""},
		{"fleet_resolved_sig", "/v1/fleet.resolved/sig", "/sig"},
		{"release_rollout", "/v1/rollouts/{id}", ""},
		{"release_rollout_sig", "/v1/rollouts/{id}/sig", "/sig"},
	} {
		s.handle(r, http.MethodGet, route.path, endpoint{
			name: route.name, role: agents, body: noBody,
			serve: func(e *exchange) { e.serveRelease(e.match.Vars["id"] != "", route.suffix) },
		})
	}
}

// serveRelease answers with a file of the release that is held, as it is.
func (e *exchange) serveRelease(rollout bool, suffix string) {
	l := e.server.releases
	if l == nil || l.held.Load() == nil {
		detail := "no verified release is held yet; the plane's log says why one was refused"
		if l == nil {
			detail = "this plane serves no releases; it was started without a directory of them"
		}
		e.outcome = wire.Refuse(wire.ReleaseUnavailable, "", detail)
		e.outcome.RetryAfter = releaseRetry
		return
	}
	key := suffix
	if rollout {
		key = e.variable("id") + suffix
	}
	file := l.held.Load().files[key]
	if file == nil {
		e.refuse(wire.UnknownRollout, "", "the release that is held has no rollout "+clip(e.variable("id")))
		return
	}
	e.outcome = wire.Outcome{Code: wire.OK, Document: file}
}
