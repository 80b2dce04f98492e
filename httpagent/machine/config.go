package machine

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config configures a host. Zero values mean the defaults; StateDir has none. It is
// written into each [Transition], so that the runner does not depend on a file that
// the switch may change.
type Config struct {
	// StateDir is the agent's own directory. It has to exist.
	StateDir string `json:"state_dir"`
	// Root is a directory before every path of the store, for a store that is not
	// mounted at its own place. Default none.
	Root string `json:"root"`
	// StoreDir is the directory of the store. Default /nix/store.
	StoreDir string `json:"store_dir"`
	// CurrentSystem and BootedSystem are the links to what runs and to what was
	// booted. Default /run/current-system and /run/booted-system.
	CurrentSystem string `json:"current_system"`
	BootedSystem  string `json:"booted_system"`
	// Profile is the system profile. Default /nix/var/nix/profiles/system.
	Profile string `json:"profile"`
	// BootIDFile has a text that differs from boot to boot. Default
	// /proc/sys/kernel/random/boot_id.
	BootIDFile string `json:"boot_id_file"`

	// NixStore and NixEnv are the commands, with arguments before those that are
	// added. Default nix-store and nix-env.
	NixStore []string `json:"nix_store"`
	NixEnv   []string `json:"nix_env"`
	// Launcher is the command that starts its arguments outside of the agent's
	// control group and returns. Default [DefaultLauncher].
	Launcher []string `json:"launcher"`
	// Runner is the command that runs [Run] on the state directory. Required to
	// switch.
	Runner []string `json:"runner"`
	// Reboot is the command that reboots the host. Default systemctl reboot.
	Reboot []string `json:"reboot"`
	// Path is the PATH of the runner. Default that of the agent.
	Path string `json:"path"`

	// Substituters and TrustedKeys replace those of nix.conf if they are set.
	Substituters []string `json:"substituters"`
	TrustedKeys  []string `json:"trusted_keys"`
	// RealiseTimeout bounds one attempt to fetch a closure, RealiseAttempts how many
	// there are. Default 30 min and 8.
	RealiseTimeout  time.Duration `json:"realise_timeout"`
	RealiseAttempts int           `json:"realise_attempts"`
	// Backoff is the pause after the first failed attempt; it doubles up to a
	// minute. Default 1 s.
	Backoff time.Duration `json:"backoff"`
	// MinFree is how many bytes of the store's disk have to be free before a closure
	// is fetched. Default 1 GiB; negative for no check.
	MinFree int64 `json:"min_free"`
	// SkipVerify leaves out the check of the contents of the closure. Default false.
	SkipVerify bool `json:"skip_verify"`

	// SwitchTimeout is when a switch that has not ended is killed. Default 5 min.
	SwitchTimeout time.Duration `json:"switch_timeout"`
	// ConfirmTimeout is how long after a switch a plane may take to be reached.
	// Default 2 min.
	ConfirmTimeout time.Duration `json:"confirm_timeout"`
	// URL is the plane's. CertFile, KeyFile and CAFile are as in httpagent.Config.
	URL      string `json:"url"`
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	CAFile   string `json:"ca_file"`
	// RebootPolicy is "never", "at-once", or a window such as "02:00-04:30" of local
	// time. Default never.
	RebootPolicy string `json:"reboot_policy"`
}

// DefaultLauncher runs the runner as a unit of its own, which the stop of the agent's
// unit does not end, and which is started again if it is killed.
var DefaultLauncher = []string{
	"systemd-run", "--quiet", "--collect", "--no-block", "--unit=refrain-switch",
	"--property=Restart=on-failure", "--property=RestartSec=1s", "--property=StartLimitIntervalSec=0",
	"--property=KillMode=control-group", "--",
}

func orDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

func orCommand(field *[]string, command ...string) {
	if len(*field) == 0 {
		*field = command
	}
}

// WithDefaults returns the configuration with its defaults filled in.
func (c Config) WithDefaults() Config {
	orDefault(&c.StoreDir, "/nix/store")
	orDefault(&c.CurrentSystem, "/run/current-system")
	orDefault(&c.BootedSystem, "/run/booted-system")
	orDefault(&c.Profile, "/nix/var/nix/profiles/system")
	orDefault(&c.BootIDFile, "/proc/sys/kernel/random/boot_id")
	orCommand(&c.NixStore, "nix-store")
	orCommand(&c.NixEnv, "nix-env")
	orCommand(&c.Launcher, DefaultLauncher...)
	orCommand(&c.Reboot, "systemctl", "reboot")
	orDefault(&c.RealiseTimeout, 30*time.Minute)
	orDefault(&c.RealiseAttempts, 8)
	orDefault(&c.Backoff, time.Second)
	orDefault(&c.MinFree, 1<<30)
	orDefault(&c.SwitchTimeout, 5*time.Minute)
	orDefault(&c.ConfirmTimeout, 2*time.Minute)
	orDefault(&c.RebootPolicy, "never")
	return c
}

// Validate judges a configuration whose defaults are filled in. The error names the
// field.
func (c *Config) Validate() error {
	if c.StateDir == "" {
		return errors.New("state dir is missing; want the agent's directory, for instance /var/lib/refrain-agent")
	}
	for _, p := range []struct{ field, path string }{
		{"state dir", c.StateDir}, {"store dir", c.StoreDir}, {"current system", c.CurrentSystem},
		{"booted system", c.BootedSystem}, {"profile", c.Profile},
	} {
		if !filepath.IsAbs(p.path) {
			return fmt.Errorf("%s is %q; want an absolute path", p.field, p.path)
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"realise timeout", c.RealiseTimeout}, {"switch timeout", c.SwitchTimeout},
		{"confirm timeout", c.ConfirmTimeout}, {"backoff", c.Backoff},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s is %v; want more than 0s", d.field, d.value)
		}
	}
	if c.RealiseAttempts < 1 {
		return fmt.Errorf("realise attempts is %d; want at least 1", c.RealiseAttempts)
	}
	if _, err := ParseRebootPolicy(c.RebootPolicy); err != nil {
		return fmt.Errorf("reboot policy: %w", err)
	}
	return nil
}

// RebootPolicy says when the host may be rebooted for what was deferred.
type RebootPolicy struct {
	// Never and AtOnce are the two words; otherwise From and To bound a window of
	// minutes since midnight, which may span midnight.
	Never, AtOnce bool
	From, To      int
}

// ParseRebootPolicy reads never, at-once, or a window HH:MM-HH:MM.
func ParseRebootPolicy(text string) (RebootPolicy, error) {
	switch text {
	case "never":
		return RebootPolicy{Never: true}, nil
	case "at-once":
		return RebootPolicy{AtOnce: true}, nil
	}
	from, to, found := strings.Cut(text, "-")
	begin, err1 := time.Parse("15:04", from)
	end, err2 := time.Parse("15:04", to)
	if !found || err1 != nil || err2 != nil || begin.Equal(end) {
		return RebootPolicy{}, fmt.Errorf("%q; want never, at-once, or a window such as 02:00-04:30", text)
	}
	return RebootPolicy{From: begin.Hour()*60 + begin.Minute(), To: end.Hour()*60 + end.Minute()}, nil
}

// Allows reports whether a reboot may begin at an instant of local time.
func (p RebootPolicy) Allows(now time.Time) bool {
	if p.Never || p.AtOnce {
		return p.AtOnce
	}
	minute := now.Hour()*60 + now.Minute()
	if p.From < p.To {
		return minute >= p.From && minute < p.To
	}
	return minute >= p.From || minute < p.To
}

// with returns a command with more arguments.
func with(command []string, args ...string) []string {
	return append(slices.Clone(command), args...)
}
