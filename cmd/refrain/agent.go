package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/httpagent/machine"
)

// agentCommand is the agent of a NixOS host.
type agentCommand struct {
	agentFlags

	Run    agentRunCommand    `cmd:"" help:"Run the agent."`
	Status agentStatusCommand `cmd:"" help:"Print what the agent knows."`
	Why    agentWhyCommand    `cmd:"" help:"Print what the agent waits for, and what it will do."`
	Check  agentCheckCommand  `cmd:"" help:"Check configuration, certificates, paths, plane and clock."`
	Switch agentSwitchCommand `cmd:"" hidden:"" help:"Carry out a switch that the agent has prepared; the launcher runs it."`
}

// agentFlags are the configuration of the agent, for all of its commands.
type agentFlags struct {
	URL      string `name:"url" placeholder:"URL" help:"The plane's URL, for instance https://plane.example.com:8443."`
	Hostname string `placeholder:"NAME" help:"The machine ID, as the certificate has it. Default: the host's name."`
	Cert     string `default:"/etc/refrain/agent.crt" placeholder:"FILE" help:"The host's certificate, PEM (${default})."`
	Key      string `default:"/etc/refrain/agent.key" placeholder:"FILE" help:"The key of the certificate, PEM (${default})."`
	CA       string `name:"ca" default:"/etc/refrain/ca.crt" placeholder:"FILE" help:"The CA that signed the plane's certificate, PEM (${default})."`
	StateDir string `default:"/var/lib/refrain-agent" placeholder:"DIR" help:"The agent's own directory: its log, the state of a switch, roots of the garbage collector (${default})."`
	Probes   string `placeholder:"FILE" help:"A YAML file with the probes of this host; read again when it changes. Default: no probes."`

	Interval         time.Duration `default:"60s" placeholder:"DUR" help:"The time between two heartbeats (${default})."`
	ProbeInterval    time.Duration `default:"10s" placeholder:"DUR" help:"The time between two rounds of probes in a soak (${default})."`
	SustainedFailure time.Duration `default:"120s" placeholder:"DUR" help:"How long an enforced probe fails before the host has failed (${default})."`

	Substituter     []string      `sep:"none" placeholder:"URL" help:"A cache to fetch closures from; may be repeated. Default: those of nix.conf."`
	TrustedKey      []string      `sep:"none" placeholder:"KEY" help:"A public key whose signatures count; may be repeated. Default: those of nix.conf."`
	RealiseTimeout  time.Duration `default:"30m" placeholder:"DUR" help:"How long one attempt to fetch a closure may take (${default})."`
	RealiseAttempts int           `default:"8" placeholder:"N" help:"How many attempts there are before the activation has failed (${default})."`
	MinFree         byteSize      `default:"1GiB" placeholder:"SIZE" help:"How much of the store's disk has to be free before a closure is fetched (${default})."`
	SkipVerify      bool          `help:"Do not compare the contents of a closure with their hashes before the switch."`
	SwitchTimeout   time.Duration `default:"5m" placeholder:"DUR" help:"When a switch that has not ended is killed (${default})."`
	ConfirmTimeout  time.Duration `default:"2m" placeholder:"DUR" help:"How long after a switch a plane may take to be reached before the host goes back (${default})."`
	RebootPolicy    string        `default:"never" placeholder:"POLICY" help:"When the host may be rebooted for a new kernel: never, at-once, or a window of local time such as 02:00-04:30 (${default})."`

	StoreDir      string   `default:"/nix/store" placeholder:"DIR" help:"The store (${default})."`
	StoreRoot     string   `placeholder:"DIR" help:"A directory before all paths of the store, for a store elsewhere."`
	CurrentSystem string   `default:"/run/current-system" placeholder:"LINK" help:"What runs (${default})."`
	BootedSystem  string   `default:"/run/booted-system" placeholder:"LINK" help:"What was booted (${default})."`
	SystemProfile string   `default:"/nix/var/nix/profiles/system" placeholder:"LINK" help:"The system profile (${default})."`
	BootIDFile    string   `name:"boot-id-file" default:"/proc/sys/kernel/random/boot_id" placeholder:"FILE" help:"A file whose text differs from boot to boot (${default})."`
	NixStore      []string `sep:"none" placeholder:"WORD" help:"The command nix-store, word by word."`
	NixEnv        []string `sep:"none" placeholder:"WORD" help:"The command nix-env, word by word."`
	Launcher      []string `sep:"none" placeholder:"WORD" help:"The command that starts a switch outside of the agent's control group, word by word. Default: systemd-run with a unit refrain-switch."`
	RebootCommand []string `sep:"none" placeholder:"WORD" help:"The command that reboots the host, word by word. Default: systemctl reboot."`
	Binary        string   `placeholder:"FILE" help:"The refrain that carries out a switch. Default: this one."`
}

// machine is the configuration of the host.
func (f *agentFlags) machine() (machine.Config, error) {
	binary := f.Binary
	if binary == "" {
		var err error
		if binary, err = os.Executable(); err != nil {
			return machine.Config{}, err
		}
	}
	minFree := int64(f.MinFree)
	if minFree == 0 {
		minFree = -1
	}
	cfg := machine.Config{
		StateDir: f.StateDir, Root: f.StoreRoot, StoreDir: f.StoreDir, CurrentSystem: f.CurrentSystem, BootedSystem: f.BootedSystem,
		Profile: f.SystemProfile, BootIDFile: f.BootIDFile, NixStore: f.NixStore, NixEnv: f.NixEnv, Launcher: f.Launcher,
		Runner: []string{binary, "agent", "switch", "--state-dir", f.StateDir}, Reboot: f.RebootCommand, Path: os.Getenv("PATH"),
		Substituters: f.Substituter, TrustedKeys: f.TrustedKey, RealiseTimeout: f.RealiseTimeout, RealiseAttempts: f.RealiseAttempts,
		MinFree: minFree, SkipVerify: f.SkipVerify, SwitchTimeout: f.SwitchTimeout, ConfirmTimeout: f.ConfirmTimeout,
		URL: f.URL, CertFile: f.Cert, KeyFile: f.Key, CAFile: f.CA, RebootPolicy: f.RebootPolicy,
	}.WithDefaults()
	return cfg, cfg.Validate()
}

// reducer is the configuration of the reducer.
func (f *agentFlags) reducer() (agent.Config, error) {
	name := f.Hostname
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return agent.Config{}, fmt.Errorf("--hostname: %w", err)
		}
	}
	if _, err := wire.ParseHostname(name); err != nil {
		return agent.Config{}, fmt.Errorf("--hostname is %q; %w", name, err)
	}
	seed := fnv.New64a()
	fmt.Fprint(seed, name)
	return agent.Config{
		Hostname: wire.Hostname(name), Seed: seed.Sum64(), HeartbeatInterval: f.Interval,
		ProbeInterval: f.ProbeInterval, SustainedFailure: f.SustainedFailure,
	}, nil
}

// checkPlane checks what every command needs that talks to the plane.
func (f *agentFlags) checkPlane() error {
	if err := httpagent.CheckURL(f.URL); err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	if err := checkCAFile(f.CA); err != nil {
		return fmt.Errorf("--ca: %w", err)
	}
	return nil
}

func (f *agentFlags) logFile() string    { return filepath.Join(f.StateDir, "agent.log") }
func (f *agentFlags) statusFile() string { return filepath.Join(f.StateDir, "status.json") }
func (f *agentFlags) bootFile() string   { return filepath.Join(f.StateDir, "boot-id") }

// views restores the agent's state from its log, without taking it from a running
// agent.
func (f *agentFlags) views() ([]agent.View, error) {
	cfg, err := f.reducer()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(f.logFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := agent.Restore(cfg, text[:agent.WholeLines(text)])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.logFile(), err)
	}
	return a.Views(nil), nil
}

// agentUsage is the error of a configuration that cannot be used.
func agentUsage(err error) error {
	return &commandError{err: err, code: exitUsage, hint: "refrain agent check says what is right and what is not; nothing was started"}
}
