package attack

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

const fleetSuffix = "attack.example"

// Config says what is attacked, how and for how long.
type Config struct {
	// Binary is the path of the program refrain. Default: it is built from the source
	// in which the program runs.
	Binary string
	// Listen is the address that the server listens on, of the loopback. Default:
	// 127.0.0.1 and any port.
	Listen string
	// Attacks are those to be run. Default: all.
	Attacks []Attack
	// For is how long each attack takes. Default: 10 s; 2 s in the short form.
	For time.Duration
	// Quiet is how long the hosts are measured before each. Default: 4 s; 1 s in the
	// short form.
	Quiet time.Duration
	// Recovery is how long the hosts are waited for after it. Default: 30 s.
	Recovery time.Duration
	// Short makes the numbers small.
	Short bool
	// Limits are what is judged. Default: DefaultLimits.
	Limits Limits
	// Progress gets a line about what is done next; nil for none.
	Progress func(string)
	// Stderr gets what the attackers' process prints; nil for none.
	Stderr io.Writer
}

// Limits are what honest hosts may feel.
type Limits struct {
	// Failed is the share of their requests that may fail.
	Failed float64 `json:"failed"`
	// Times is how many times the quiet p99 the p99 may be, unless it is below Floor.
	Times float64       `json:"times"`
	Floor time.Duration `json:"floor_ns"`
}

// DefaultLimits are 1 % of the requests and three times the quiet p99. Below 200 ms a
// p99 is not judged: on a busy machine the quiet one is some ten milliseconds itself.
func DefaultLimits() Limits { return Limits{Failed: 0.01, Times: 3, Floor: 200 * time.Millisecond} }

// p99 is the limit of a p99 by the quiet one, in milliseconds.
func (l Limits) p99(quiet float64) float64 {
	return max(l.Times*quiet, float64(l.Floor.Milliseconds()))
}

// asBefore reports whether hosts are answered within the limits.
func (l Limits) asBefore(w, quiet Window) bool {
	return w.Requests > 0 && w.Failed == 0 && w.P99 <= l.p99(quiet.P99) && w.EventP99 <= l.p99(quiet.EventP99)
}

func (c *Config) validate() error {
	byForm := func(d *time.Duration, full, short time.Duration) {
		switch {
		case *d != 0:
		case c.Short:
			*d = short
		default:
			*d = full
		}
	}
	byForm(&c.For, 10*time.Second, 2*time.Second)
	byForm(&c.Quiet, 4*time.Second, time.Second)
	byForm(&c.Recovery, 30*time.Second, 30*time.Second)
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Attacks == nil {
		c.Attacks = All()
	}
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	const shortest, longest = 100 * time.Millisecond, 5 * time.Minute
	for _, d := range []struct {
		name string
		is   time.Duration
	}{{"for", c.For}, {"quiet", c.Quiet}, {"recovery", c.Recovery}} {
		if d.is < shortest || d.is > longest {
			return fmt.Errorf("%s is %v; want %v to %v", d.name, d.is, shortest, longest)
		}
	}
	return checkLoopback(c.Listen)
}

// Run runs the attacks, one after the other. The error is for what could not be run; then
// the report has the attacks before it, or is nil.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "refrain-attack-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if c.Binary == "" {
		c.Progress("building cmd/refrain")
		if c.Binary, err = Build(ctx, dir, c.Stderr); err != nil {
			return nil, err
		}
	}
	f, err := newFleet(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	report := &Report{Binary: c.Binary, Build: buildOf(ctx, c.Binary), Seconds: c.For.Seconds(), Short: c.Short, Limits: c.Limits}
	for i, attack := range c.Attacks {
		progress := func(what string) {
			c.Progress(fmt.Sprintf("%d of %d: %s: %s", i+1, len(c.Attacks), attack.Name, what))
		}
		home := filepath.Join(dir, attack.Name)
		if err := os.Mkdir(home, 0o700); err != nil {
			return report, err
		}
		result, err := f.measure(ctx, &c, attack, home, progress)
		if err != nil {
			return report, fmt.Errorf("%s: %w", attack.Name, err)
		}
		report.Results = append(report.Results, *result)
		if err := os.RemoveAll(home); err != nil { // a database of some hundred megabytes
			return report, err
		}
	}
	return report, nil
}

// fleet has the certificates of a run.
type fleet struct {
	dir       string
	authority *pki.Authority
	ca        *x509.Certificate
}

func newFleet(dir string) (*fleet, error) {
	if _, err := pki.Init(dir, fleetSuffix, pki.Options{}); err != nil {
		return nil, err
	}
	if _, err := pki.Server(dir, []string{"127.0.0.1", "::1"}, pki.Options{}); err != nil {
		return nil, err
	}
	authority, certificate, err := readAuthority(dir)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(certificate)
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	return &fleet{dir, authority, ca}, nil
}

// readAuthority reads the CA of a directory.
func readAuthority(dir string) (authority *pki.Authority, certificate []byte, err error) {
	if certificate, err = os.ReadFile(filepath.Join(dir, "ca.crt")); err != nil {
		return nil, nil, err
	}
	key, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, nil, err
	}
	authority, err = pki.Parse(certificate, key, nil)
	return authority, certificate, err
}

// measure runs one attack on a new server.
func (f *fleet) measure(ctx context.Context, c *Config, attack Attack, home string, progress func(string)) (*Result, error) {
	progress("starting the server")
	descriptors := attack.Descriptors
	if limit := descriptorLimit(); limit > 0 && uint64(descriptors) > limit {
		descriptors = 0 // this machine has the smaller limit
	}
	s, err := startServer(ctx, c, home, f.dir, descriptors)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	l := new(ledger)
	hosts, err := newHonest(f.authority, f.ca, s.address, l)
	if err != nil {
		return nil, err
	}
	if err := f.openHonest(ctx, s); err != nil {
		return nil, err
	}
	living, stopHosts := context.WithCancel(ctx)
	var alive sync.WaitGroup
	for _, h := range hosts {
		alive.Go(func() { h.live(living) })
	}
	defer alive.Wait()
	defer stopHosts()

	progress("preparing")
	lasts := c.For * time.Duration(max(1, attack.Longer))
	attackers, err := startAttackers(plan{
		Attack: attack.Name, Address: s.address, PKI: f.dir, For: lasts, Short: c.Short,
	}, c.Stderr)
	if err != nil {
		return nil, err
	}
	defer attackers.kill()
	if _, err := attackers.next(ctx, prepareTimeout); err != nil {
		return nil, err
	}
	pause(ctx, min(time.Second, c.Quiet)) // connections and caches are warm

	progress("measuring without an attack")
	began := time.Now()
	pause(ctx, c.Quiet)
	result := &Result{Name: attack.Name, Does: attack.Does, DatabaseBytes: -s.databaseBytes()}
	if result.Quiet, err = settled(ctx, l, began, time.Now()); err != nil {
		return nil, err
	}
	l.failures()

	progress("attacking")
	watching, stopWatching := context.WithCancel(ctx)
	var most usage
	var watch sync.WaitGroup
	watch.Go(func() { most = s.watch(watching) })
	before := usageOf(s.command.Process.Pid)
	began = time.Now()
	err = attackers.begin()
	var m message
	if err == nil {
		m, err = attackers.next(ctx, lasts+endTimeout)
	}
	ended := time.Now()
	after := usageOf(s.command.Process.Pid)
	stopWatching()
	watch.Wait()
	if err != nil && s.lives(ctx) == nil {
		return nil, err // not the server's end is why
	}
	if m.Findings != nil {
		result.Attackers = *m.Findings
	}
	result.AttackSeconds = ended.Sub(began).Seconds()
	result.ResidentBytes, result.Descriptors, result.DescriptorLimit = int64(most.resident), most.descriptors, descriptors
	result.Cores = (after.seconds - before.seconds) / result.AttackSeconds

	progress("waiting for the hosts to recover")
	if result.During, err = settled(ctx, l, began, ended); err != nil {
		return nil, err
	}
	result.Failures = l.failures()
	result.DatabaseBytes += s.databaseBytes()
	if result.RecoverySeconds, result.Recovered, err = recovery(ctx, c, l, result.Quiet, ended); err != nil {
		return nil, err
	}
	if err := s.lives(ctx); err != nil {
		result.Dead = err.Error()
	}
	result.judge(c.Limits)
	return result, ctx.Err()
}

// openHonest opens the rollout of the honest hosts.
func (f *fleet) openHonest(ctx context.Context, s *server) error {
	pair, err := f.authority.IssueOperator("honest", pki.Validity{})
	if err != nil {
		return err
	}
	client := newClient(pair, f.ca)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = send(ctx, client, http.MethodPost, "https://"+s.address+rolloutsPath, manifest("honest", "1", honestClosure, honestHosts, honestName))
	return err
}

// settled waits until every request of a window has ended, and returns the window.
func settled(ctx context.Context, l *ledger, from, to time.Time) (Window, error) {
	for {
		w, ended := l.window(from, to)
		if ended {
			return w, nil
		}
		pause(ctx, 50*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return w, err
		}
	}
}

// recoveryWindow is how long hosts have to be answered as before.
const recoveryWindow = time.Second

// recovery returns after how many seconds a window begins in which the hosts are
// answered as before the attack.
func recovery(ctx context.Context, c *Config, l *ledger, quiet Window, ended time.Time) (seconds float64, recovered bool, err error) {
	for from := ended; from.Sub(ended) <= c.Recovery; from = from.Add(recoveryWindow / 4) {
		to := from.Add(recoveryWindow)
		pause(ctx, time.Until(to))
		w, err := settled(ctx, l, from, to)
		if err != nil {
			return 0, false, err
		}
		if c.Limits.asBefore(w, quiet) {
			return from.Sub(ended).Seconds(), true, nil
		}
	}
	return c.Recovery.Seconds(), false, nil
}
