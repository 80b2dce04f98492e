package gameday

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Config is how a scenario is played.
type Config struct {
	// Scenario is what is played.
	Scenario scenario.Scenario
	// Speed is how many times as fast as the scenario's time the real clock
	// runs, at least 1. It must leave the heartbeat interval whole seconds.
	// Default 1.
	Speed int
	// Progress gets a line for everything that happens, as it happens. Default
	// none.
	Progress io.Writer
	// Logger gets the server's log lines. Default none.
	Logger *slog.Logger
}

// Game is one gameday. Make it with [New] and play it once.
type Game struct {
	plan    *plan
	dir     string
	log     *slog.Logger
	wrap    func(store.Store) store.Store // for tests
	ca      *pki.Authority
	clock   *httpagent.Clock
	process *process
	hosts   []*host
	asks    *operator
	watcher *watcher
	began   time.Time

	outMu sync.Mutex
	out   io.Writer

	mu         sync.Mutex
	answers    map[answer]int
	injections []*Injection
	violations []Violation
	opened     []wire.RolloutID
	resumed    map[wire.RolloutID]bool
	healed     bool
}

// answer is a kind of answer that a host got.
type answer struct {
	host   int
	route  string
	status int
	reason string
}

// Violation is a broken rule, one that holds on any machine.
type Violation struct {
	Rule   string        `json:"rule"`
	At     time.Duration `json:"at_nanos"` // of the scenario
	Detail string        `json:"detail"`
}

// New validates a scenario. The error says why it cannot be played.
func New(cfg Config) (*Game, error) {
	p, err := newPlan(cfg.Scenario, max(cfg.Speed, 1))
	if err != nil {
		return nil, fmt.Errorf("gameday: %w", err)
	}
	g := &Game{plan: p, log: cfg.Logger, out: cfg.Progress, answers: map[answer]int{}, resumed: map[wire.RolloutID]bool{}}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	return g, nil
}

// Play plays the scenario and returns what happened. An error is about the
// machine and says nothing about the plane. When ctx ends, the result is what
// was seen so far.
func (g *Game) Play(ctx context.Context) (*Result, error) {
	var err error
	if g.dir, err = os.MkdirTemp("", "refrain-gameday-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(g.dir)
	if err := g.prepare(ctx); err != nil {
		return nil, fmt.Errorf("gameday: %w", err)
	}
	playing, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		stop()
		running.Wait()
	}()
	for _, h := range g.hosts {
		if err := h.start(playing); err != nil {
			return nil, fmt.Errorf("gameday: %w", err)
		}
		sleep(ctx, 2*time.Millisecond) // TLS handshakes are not sped up
	}
	g.progress("%d hosts are up, time runs %d times as fast", len(g.hosts), g.plan.speed)
	running.Go(func() { g.watch(playing) })
	g.perform(playing, &running)
	g.heal(playing)
	settled, why := g.settle(playing)
	result := g.result(playing, settled, why)
	stop()
	running.Wait()
	g.close()
	return result, nil
}

// prepare brings up the plane, and makes the hosts.
func (g *Game) prepare(ctx context.Context) (err error) {
	if g.ca, err = pki.New(pki.Config{Suffix: suffix}); err != nil {
		return err
	}
	if g.process, err = newProcess(g.plan, g.ca, g.dir, g.log); err != nil {
		return err
	}
	g.process.wrap = g.wrap
	if dir := g.process.manifests(); dir != "" {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if err := g.process.up(ctx, 0); err != nil {
		return err
	}
	if g.asks, err = newOperator(g); err != nil {
		return err
	}
	g.watcher = newWatcher(g)
	g.clock = httpagent.NewClock(clock.New(), g.plan.speed)
	for n := range g.plan.played() {
		h, err := newHost(g, n+1)
		if err != nil {
			return err
		}
		g.hosts = append(g.hosts, h)
	}
	g.began = time.Now()
	return nil
}

func (g *Game) close() {
	for _, h := range g.hosts {
		h.end()
		h.machine.Close()
		h.link.close()
	}
	g.asks.client.CloseIdleConnections()
	if err := g.process.stop(context.Background()); err != nil {
		g.addViolation("shutdown", err.Error())
	}
}

// now is the time of the scenario.
func (g *Game) now() time.Duration { return time.Since(g.began) * time.Duration(g.plan.speed) }

// progress adds a line to the story.
func (g *Game) progress(format string, args ...any) {
	if g.out == nil {
		return
	}
	now := g.now().Round(100 * time.Millisecond)
	g.outMu.Lock()
	defer g.outMu.Unlock()
	fmt.Fprintf(g.out, "%10v  %s\n", now, fmt.Sprintf(format, args...))
}

// addViolation records a violation, the same one only once.
func (g *Game) addViolation(rule, detail string) {
	g.mu.Lock()
	for _, v := range g.violations {
		if v.Rule == rule && v.Detail == detail {
			g.mu.Unlock()
			return
		}
	}
	g.violations = append(g.violations, Violation{rule, g.now(), detail})
	g.mu.Unlock()
	g.progress("VIOLATED %s: %s", rule, detail)
}

// routes are the words for the requests of agents.
var routes = map[agent.RequestKind]string{
	agent.RequestHeartbeat: "heartbeat", agent.RequestEvent: "event", agent.RequestPoll: "poll",
}

// exchanged counts an answer to a host, or that there was none.
func (g *Game) exchanged(h *host, x httpagent.Exchange) {
	a := answer{h.number, routes[x.Kind], x.Status, string(x.Reason)}
	g.mu.Lock()
	first := g.answers[a] == 0
	g.answers[a]++
	for _, s := range g.injections {
		s.count(a)
	}
	healed := g.healed
	g.mu.Unlock()
	switch {
	case x.Defect:
		g.addViolation("wire", fmt.Sprintf("%s cannot read an answer: %v", h.name, x.Err))
	case x.Status == 503 && x.RetryAfter < time.Second:
		g.addViolation("G4", fmt.Sprintf("%s was answered 503 %s with a Retry-After of %v", h.name, x.Reason, x.RetryAfter))
	case x.Status >= 500 && x.Status != 503:
		g.addViolation("T7", fmt.Sprintf("%s was answered %d %s", h.name, x.Status, x.Reason))
	case first && x.Status >= 400 || first && x.Status == 0 && !healed:
		g.progress("%-6s is answered %s, the first time", h.name, a.words())
	}
}

// words describes what a host was answered, for people.
func (a answer) words() string {
	switch {
	case a.status == 0:
		return "nothing"
	case a.reason != "":
		return fmt.Sprintf("%d %s", a.status, a.reason)
	default:
		return fmt.Sprint(a.status)
	}
}

// hostsOf are the hosts of a fault.
func (g *Game) hostsOf(of scenario.Hosts) (list []*host) {
	for _, h := range g.hosts {
		if of.Has(h.number) {
			list = append(list, h)
		}
	}
	return list
}

// open opens a rollout: at the plane, and in the directory of manifests.
func (g *Game) open(ctx context.Context, r *scenario.Rollout) {
	manifest := g.plan.scenario.Manifest(r)
	body := manifest.AppendJSON(nil)
	status, answer, err := g.asks.postUntilAnswered(ctx, "/v1/operator/rollouts", body)
	switch {
	case err != nil:
		return // the gameday is over
	case status != 200 && status != 201:
		g.addViolation("R1", fmt.Sprintf("opening %s is answered %d %s", r.ID, status, answer))
		return
	}
	g.mu.Lock()
	g.opened = append(g.opened, r.ID)
	n := len(g.opened)
	g.mu.Unlock()
	g.progress("operator opens %s", r.ID)
	if dir := g.process.manifests(); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.json", n)), body, 0o600); err != nil {
			g.addViolation("gameday", err.Error())
		}
	}
}
