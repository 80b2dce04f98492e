package conform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/sim/record"
)

// points are where everybody is held.
var points = []httpserver.FaultPoint{
	httpserver.BeforeOffer, httpserver.AfterOffer, httpserver.BeforeStep, httpserver.BeforeReply,
	httpserver.BetweenSections, httpserver.AfterCommit, httpserver.AfterClientGone,
}

// comeUp starts a process: it listens. It is made when the world begins, by its
// clock, so that it measures time as the world does.
func (p *player) comeUp(s *record.TapeStep) error {
	for i, body := range s.Manifests {
		if err := os.WriteFile(filepath.Join(p.dir, fmt.Sprintf("%06d.json", i)), body, 0o600); err != nil {
			return err
		}
	}
	disk, err := p.stores.Open()
	if err != nil {
		return err
	}
	skew := p.skew()
	p.life = life{
		clock: newDrivenClock(p.mail, p.tape.Scenario.Start.At.Std()), faults: new(httpserver.Faults),
		inputs: make(map[plane.Input]int), offers: make(map[plane.Input]*httpserver.Held), offered: make(map[plane.Input]*httpserver.Held),
		responses: make(map[int]*response), marks: make(map[int]int), files: make(map[plane.Input]bool),
		hangUp: make(map[int]context.CancelFunc), gone: make(map[int]bool),
	}
	p.filesLeft = len(s.Manifests)
	p.store = &heldStore{inner: disk, mail: p.mail}
	p.ctx, p.kill = context.WithCancel(context.Background())
	p.faults.SkewWall(skew)
	faults := p.faults
	for _, at := range points {
		p.faults.Install(httpserver.Fault{Kind: httpserver.Hold, At: at, OnHold: func(h *httpserver.Held) {
			p.mail.post(func(p *player) { p.held(faults, h) })
		}})
	}
	scenario := &p.tape.Scenario
	cfg := httpserver.Config{
		Listen: "127.0.0.1:0", OpsListen: httpserver.OpsOff,
		Certificate: &p.certificates.server, ClientCAs: p.certificates.pool, AgentCNSuffix: suffix,
		InboxCapacity: s.N, BatchSize: scenario.Plane.Batch, OpeningSlice: scenario.Plane.Slice, ReplyTimeout: scenario.Plane.ReplyTimeout,
		HeartbeatInterval: scenario.Fleet.Interval, MaxReplays: scenario.Plane.Replays, EventBudget: scenario.PlaneConfig().EventBudget, DiskReserve: diskReserve, ManifestDir: p.dir, ShutdownTimeout: s.Drain,
		Logger: slog.New(slog.DiscardHandler), Clock: p.clock, Store: p.store, Faults: p.faults,
		FlightDir: httpserver.FlightOff,
	}
	if err := p.configureReleases(&cfg); err != nil {
		return err
	}
	if p.server, err = httpserver.New(cfg); err != nil {
		return err
	}
	p.virtual.Store(int64(s.At))
	p.clock.moveTo(s.At)
	if err := p.server.Listen(); err != nil {
		return err
	}
	p.clients = &clients{
		certificates: p.certificates, base: "https://" + p.server.Addr().String(),
		kept: make(map[record.TapeCertificate]*http.Transport),
	}
	return nil
}

// skew is how far the wall clock is off at the step that is played.
func (p *player) skew() time.Duration {
	for i := p.at; i >= 0; i-- {
		if s := &p.tape.Steps[i]; s.Kind == record.TapeClock {
			return s.For
		}
	}
	return 0
}

// start starts the process's loop, which loads its log next.
func (p *player) start() (*Difference, error) {
	server, ctx, clock := p.server, p.ctx, p.clock
	clock.ticks = true
	go func() {
		err := server.Start(ctx)
		p.mail.post(func(p *player) {
			if p.server == server {
				p.started = &err
			}
		})
	}()
	return nil, nil
}

// opened comes when the gate was opened for the first time.
func (p *player) opened() (*Difference, error) {
	// A start asks the plane for its verdict on the release, and waits for that.
	if !p.until(func() bool { return p.started != nil || p.release() != nil }) {
		return p.differ("the server does not come up"), nil
	}
	if p.started != nil && *p.started != nil {
		return nil, *p.started
	}
	return p.nextFile(), nil
}

// close begins a shutdown in good order.
func (p *player) close(s *record.TapeStep) (*Difference, error) {
	server, ctx := p.server, p.ctx
	p.clients.closeIdle()
	made := len(p.timers)
	go func() {
		err := server.Shutdown(ctx)
		p.mail.post(func(p *player) {
			if p.server == server {
				p.ended = &err
			}
		})
	}()
	p.closing = true
	// The server waits for its loop, by a timer, after the gate is closed.
	if !p.until(func() bool { return p.madeTimer(made, s.Drain) || p.ended != nil }) {
		return p.differ("the server does not begin to shut down"), nil
	}
	return nil, nil
}

// madeTimer reports whether a timer of a duration was made since there were so
// many.
func (p *player) madeTimer(since int, d time.Duration) bool {
	return slices.Contains(p.timers[since:], d)
}

// down waits for the end of a shutdown.
func (p *player) down() (*Difference, error) {
	if !p.closing {
		return nil, errors.New("the process ends, and no shutdown has begun")
	}
	ended := p.until(func() bool {
		switch {
		case p.ended != nil:
			return true
		case p.isAt(httpserver.BetweenSections) || p.loop != nil && p.drainWasOver():
			p.loop.Release()
			p.loop = nil
		case p.drainWasOver():
			p.loseCalls()
		}
		p.clients.closeIdle()
		return false
	})
	if !ended {
		return p.differ("the server does not end: its loop %s", p.position()), nil
	}
	return nil, p.bury()
}

// drainWasOver reports whether the shutdown that is played ran out of time.
func (p *player) drainWasOver() bool {
	for i := p.at; i >= 0 && p.tape.Steps[i].Kind != record.TapeClose; i-- {
		if p.tape.Steps[i].Kind == record.TapeDrainOver {
			return true
		}
	}
	return false
}

// bury ends the process, if it is not at its end, at once: nothing more comes to
// the disk, and nobody is told anything any more. It returns when nothing of the
// process is left.
func (p *player) bury() error {
	if p.server == nil {
		return nil
	}
	server := p.server
	p.dead = true
	p.read()
	for _, h := range p.offers {
		h.Release()
	}
	for _, h := range p.offered {
		h.Release()
	}
	if p.loop != nil {
		p.loop.Release()
	}
	p.loseCalls()
	if p.ended == nil {
		p.kill()
		ctx := p.ctx
		go func() {
			err := server.Shutdown(ctx)
			p.mail.post(func(p *player) {
				if p.server == server { // a shutdown that was under way may have said so before
					p.ended = &err
				}
			})
		}()
	}
	gone := p.until(func() bool {
		p.clients.closeIdle()
		return p.ended != nil && p.flying == 0
	})
	p.kill()
	p.clients.closeIdle()
	p.server = nil
	if !gone {
		return errors.New("the server does not let go of its requests")
	}
	return nil
}

// loseCalls lets those go who wait for the store of a process that is dead.
func (p *player) loseCalls() {
	for _, call := range []**storeCall{&p.loading, &p.committing} {
		if *call != nil {
			(*call).verdict <- errDead
			*call = nil
		}
	}
}
