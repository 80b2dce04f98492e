package conform

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/internal/releasefile"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Releases of a tape are files with real signatures. The server reads and verifies its
// directory by itself; the clock of the player says when.

func (p *player) releaseDir() string { return filepath.Join(filepath.Dir(p.dir), "release") }

// configureReleases gives the server a directory of releases, if the scenario has one.
func (p *player) configureReleases(cfg *httpserver.Config) error {
	s := &p.tape.Scenario
	if !s.Plane.SignedOnly && !slices.ContainsFunc(s.Rollouts, func(r scenario.Rollout) bool { return r.Signed }) {
		return nil
	}
	cfg.ReleaseDir, cfg.TrustFile = p.releaseDir(), filepath.Join(filepath.Dir(p.dir), "trust.json")
	cfg.AllowUnsigned = !s.Plane.SignedOnly
	trust := world.ReleaseTrust()
	if err := os.WriteFile(cfg.TrustFile, artifact.MarshalTrust(&trust), 0o600); err != nil {
		return err
	}
	if p.releases > 0 {
		return nil
	}
	return p.replaceReleases(&releasefile.Release{})
}

// putRelease puts a release into the directory, and has a process that is up read it.
func (p *player) putRelease(r *world.SignedRelease) error {
	if err := p.replaceReleases(&releasefile.Release{Files: filesOf(r)}); err != nil {
		return err
	}
	if p.serving {
		p.clock.readDirectories()
	}
	return nil
}

// replaceReleases gives the directory, a symbolic link, another target: no process sees
// a part of a release.
func (p *player) replaceReleases(r *releasefile.Release) error {
	p.releases++
	r.Dir = fmt.Sprintf("%s-%d", p.releaseDir(), p.releases)
	if err := r.Write(); err != nil {
		return err
	}
	link := r.Dir + "-link"
	if err := os.Symlink(r.Dir, link); err != nil {
		return err
	}
	return os.Rename(link, p.releaseDir())
}

// filesOf are the files of a release by their paths.
func filesOf(r *world.SignedRelease) map[string][]byte {
	files := make(map[string][]byte)
	add := func(name string, s artifact.Signed) {
		files[name], files[name+releasefile.SignatureSuffix] = s.Document, s.Signature
	}
	add(releasefile.Fleet, r.Fleet)
	for i := range r.Rollouts {
		add(releasefile.RolloutFile(r.Rollouts[i].ID), r.Rollouts[i].Manifest)
	}
	return files
}

// release is the input at the gate that is of the directory of releases; nil if none is.
func (p *player) release() plane.Input {
	for in := range p.offers {
		file, opens := in.(*plane.FileManifest)
		if _, puts := in.(*plane.Release); !puts && !(opens && file.Signed) {
			continue
		}
		if n, known := p.inputs[in]; !known || p.isOver(n) && p.tape.Requests[n].AnsweredAt <= p.now() {
			return in
		}
	}
	return nil
}

// arriveRelease waits until a release, or a manifest of one, is at the gate, takes it for
// a request, and compares a manifest with what the simulator opens.
func (p *player) arriveRelease(s *record.TapeStep) *Difference {
	var in plane.Input
	if !p.until(func() bool { in = p.release(); return in != nil }) {
		return p.differ("the server does not put its release through the gate")
	}
	p.inputs[in] = s.Request
	want, got := p.tape.Requests[s.Request].Body, []byte(nil)
	if file, opens := in.(*plane.FileManifest); opens {
		got = wire.ManifestSchema.Append(nil, &file.Manifest)
	}
	if bytes.Equal(want, got) {
		return nil
	}
	d := p.differ("the server puts something else of the release to the plane")
	d.Simulator, d.Server = string(want), string(got)
	return d
}

// releaseAnswered waits until the server has taken what became of a release, if it has to
// come again: after a while, or at once if it is the start's.
func (p *player) releaseAnswered(s *record.TapeStep) (*Difference, error) {
	text := p.tape.Requests[s.Request].Answer.Get(wire.HeaderRetryAfter)
	if text == "" {
		return nil, nil
	}
	after, err := time.ParseDuration(text + "s")
	if err != nil {
		return nil, err
	}
	if !p.until(func() bool { return p.madeTimer(p.marks[s.Request], after) || p.release() != nil }) {
		return p.differ("the server does not wait for the %v that it was told before it puts a release to the plane again", after), nil
	}
	return nil, nil
}

// observer asks for artifacts as an agent of NixFleet does: no rollout names it.
var observer = record.TapeCertificate{CommonName: "agent-observer." + suffix, NotBefore: scenario.Epoch}

// served compares what the server serves with what was signed: document and signature of
// the fleet and of each rollout, byte for byte (PROTOCOL V1).
func (p *player) served(r *world.SignedRelease) (*Difference, error) {
	// The server holds it shortly after the plane's answer, and then opens its rollouts.
	if p.servedLast != r && !p.until(func() bool { return p.release() != nil }) {
		return p.differ("the server does not open the rollouts of the release"), nil
	}
	p.servedLast = r
	transport, err := p.clients.transport(observer, true)
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	files := map[string][]byte{"/v1/fleet.resolved": r.Fleet.Document, "/v1/fleet.resolved/sig": r.Fleet.Signature}
	for i := range r.Rollouts {
		o := &r.Rollouts[i]
		files["/v1/rollouts/"+string(o.ID)], files["/v1/rollouts/"+string(o.ID)+"/sig"] = o.Manifest.Document, o.Manifest.Signature
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if what := p.serves(transport, path, files[path]); what != "" {
			return p.differ("%s: %s", path, what), nil
		}
	}
	return nil, nil
}

// serves says in what a served file differs; empty if it does not.
func (p *player) serves(transport *http.Transport, path string, want []byte) string {
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.clients.base+path, nil)
	if err != nil {
		return err.Error()
	}
	got := exchange(transport, req)
	switch {
	case got.err != nil:
		return "the server does not answer: " + got.err.Error()
	case got.status != http.StatusOK:
		return fmt.Sprintf("the release has the file, the server answers %d", got.status)
	case !bytes.Equal(got.body, want):
		return fmt.Sprintf("the server has %d bytes that are not those of the release, which are %d", len(got.body), len(want))
	}
	return ""
}
