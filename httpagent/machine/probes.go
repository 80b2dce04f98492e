package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Probe is one check of the host's health, declared on the host only.
type Probe struct {
	// Name is unique on the host.
	Name string `yaml:"name"`
	// Kind is http, tcp, exec or unit.
	Kind string `yaml:"kind"`
	// Mode is enforce, observe or disabled. Default enforce.
	Mode string `yaml:"mode"`
	// Timeout is when it has failed. Default 5 s; the driver has a bound of its own.
	Timeout time.Duration `yaml:"timeout"`
	// URL is got for http; Status is what it has to answer, by default 200 to 299.
	URL    string `yaml:"url"`
	Status int    `yaml:"status"`
	// Address is connected to for tcp.
	Address string `yaml:"address"`
	// Command has to exit with 0 for exec.
	Command []string `yaml:"command"`
	// Unit has to be active for unit, as systemctl is-active says.
	Unit string `yaml:"unit"`
}

// MaxProbeTimeout is the longest timeout of a probe.
const MaxProbeTimeout = time.Minute

// ReadProbes reads a YAML file with a list of probes under the key probes. The error
// names the probe and the field.
func ReadProbes(path string) ([]Probe, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Probes []Probe `yaml:"probes"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	seen := map[string]bool{}
	for i := range file.Probes {
		p := &file.Probes[i]
		orDefault(&p.Mode, "enforce")
		orDefault(&p.Timeout, 5*time.Second)
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("%s: probe %d (%s): %w", path, i+1, p.Name, err)
		}
		if seen[p.Name] {
			return nil, fmt.Errorf("%s: probe %d: the name %s is used twice; want each once", path, i+1, p.Name)
		}
		seen[p.Name] = true
	}
	return file.Probes, nil
}

var modes = map[string]wire.Mode{"enforce": wire.Enforce, "observe": wire.Observe, "disabled": wire.Disabled}

func (p *Probe) check() error {
	if p.Name == "" {
		return errors.New("name is missing; want one word")
	}
	if modes[p.Mode] == 0 {
		return fmt.Errorf("mode is %q; want enforce, observe or disabled", p.Mode)
	}
	if p.Timeout <= 0 || p.Timeout > MaxProbeTimeout {
		return fmt.Errorf("timeout is %v; want more than 0s and at most %v", p.Timeout, MaxProbeTimeout)
	}
	switch p.Kind {
	case "http":
		if !strings.HasPrefix(p.URL, "http://") && !strings.HasPrefix(p.URL, "https://") {
			return fmt.Errorf("url is %q; want http:// or https://", p.URL)
		}
	case "tcp":
		if _, _, err := net.SplitHostPort(p.Address); err != nil {
			return fmt.Errorf("address is %q; want a host and a port, for instance 127.0.0.1:22", p.Address)
		}
	case "exec":
		if len(p.Command) == 0 || p.Command[0] == "" {
			return errors.New("command is missing; want a list, the program first")
		}
	case "unit":
		if p.Unit == "" || p.Unit[0] == '-' {
			return fmt.Errorf("unit is %q; want a unit of systemd, for instance nginx.service", p.Unit)
		}
	default:
		return fmt.Errorf("kind is %q; want http, tcp, exec or unit", p.Kind)
	}
	return nil
}

// SetProbes replaces the host's probes, and reports whether they are others.
func (h *Host) SetProbes(probes []Probe) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(probes) == len(h.probes) && (len(probes) == 0 || reflect.DeepEqual(probes, h.probes)) {
		return false
	}
	h.probes = probes
	return true
}

// Probes implements [httpagent.Machine].
func (h *Host) Probes() []wire.ProbeDeclaration {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]wire.ProbeDeclaration, 0, len(h.probes))
	for _, p := range h.probes {
		list = append(list, wire.ProbeDeclaration{ProbeName: wire.Name(p.Name), ProbeKind: wire.Name(p.Kind), Mode: modes[p.Mode]})
	}
	return list
}

// Probe implements [httpagent.Machine].
func (h *Host) Probe(ctx context.Context, declared wire.ProbeDeclaration) agent.Probed {
	h.mu.Lock()
	var probe Probe
	for _, p := range h.probes {
		if p.Name == string(declared.ProbeName) {
			probe = p
		}
	}
	h.mu.Unlock()
	if probe.Name == "" {
		return agent.Probed{Status: wire.Fail, Reason: "the host's configuration has no such probe any more"}
	}
	ctx, cancel := timeout(ctx, probe.Timeout)
	defer cancel()
	if err := probe.Run(ctx); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no result within %v: %w", probe.Timeout, err)
		}
		return agent.Probed{Status: wire.Fail, Reason: wire.Text(err.Error())}
	}
	return agent.Probed{Status: wire.Pass}
}

// Run runs the probe once; nil if it passes.
func (p *Probe) Run(ctx context.Context) error {
	switch p.Kind {
	case "http":
		return p.get(ctx)
	case "tcp":
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.Address)
		if err != nil {
			return err
		}
		return conn.Close()
	case "exec":
		o := execute(ctx, p.Command)
		if o.err != nil {
			return fmt.Errorf("%s: %w: %s", p.Command[0], o.err, o.tail)
		}
		return nil
	default:
		o := execute(ctx, []string{"systemctl", "is-active", "--", p.Unit})
		if o.err != nil {
			return fmt.Errorf("%s is %s; want active", p.Unit, o.tail)
		}
		return nil
	}
}

func (p *Probe) get(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	switch good := response.StatusCode; {
	case p.Status != 0 && good != p.Status:
		return fmt.Errorf("%s is answered %d; want %d", p.URL, good, p.Status)
	case p.Status == 0 && (good < 200 || good > 299):
		return fmt.Errorf("%s is answered %d; want 200 to 299", p.URL, good)
	}
	return nil
}
