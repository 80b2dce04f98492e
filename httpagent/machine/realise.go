package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// maxBackoff bounds the pause between two attempts to fetch a closure.
const maxBackoff = time.Minute

// realise fetches a system and all that it refers to, so that it can be switched to
// without the network, and keeps it from the garbage collector. It tries again after a
// failure, and returns the last one.
func (h *Host) realise(ctx context.Context, name string) error {
	var err error
	for attempt := range h.cfg.RealiseAttempts {
		if attempt > 0 {
			pause := min(h.cfg.Backoff<<min(attempt-1, 16), maxBackoff)
			h.log.Warn("the closure could not be fetched; trying again", "closure", name, "error", err, "pause", pause)
			h.doing("waits %v after a failed fetch of %s: %v", pause, name, err)
			if !wait(ctx, pause) {
				return ctx.Err()
			}
		}
		h.doing("fetches %s, attempt %d of %d", name, attempt+1, h.cfg.RealiseAttempts)
		if err = h.cfg.realiseOnce(ctx, name); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (c *Config) realiseOnce(ctx context.Context, name string) error {
	store := filepath.Join(c.Root, c.StoreDir)
	if _, err := os.Stat(c.file(name)); err != nil && c.MinFree > 0 {
		if _, err := os.Stat(store); err != nil {
			store = filepath.Dir(c.StateDir)
		}
		switch left, err := free(store); {
		case err != nil:
			return err
		case left < c.MinFree:
			return fmt.Errorf("the disk of %s has %d MiB free; want at least %d MiB before a closure is fetched", store, left>>20, c.MinFree>>20)
		}
	}
	args := []string{"--realise", c.path(name), "--add-root", c.root("target"), "--indirect",
		"--option", "require-sigs", "true", "--option", "max-jobs", "0", "--option", "fallback", "false"}
	if len(c.Substituters) > 0 {
		args = append(args, "--option", "substituters", strings.Join(c.Substituters, " "))
	}
	if len(c.TrustedKeys) > 0 {
		args = append(args, "--option", "trusted-public-keys", strings.Join(c.TrustedKeys, " "))
	}
	if err := os.MkdirAll(filepath.Dir(c.root("")), 0o700); err != nil {
		return err
	}
	ctx, cancel := timeout(ctx, c.RealiseTimeout)
	defer cancel()
	if o := execute(ctx, with(c.NixStore, args...)); o.err != nil {
		return fmt.Errorf("%s --realise %s: %w: %s", c.NixStore[0], c.path(name), o.err, o.tail)
	}
	if _, err := os.Stat(c.file(name, "bin", "switch-to-configuration")); err != nil {
		return fmt.Errorf("%s is not a NixOS system: %w", name, err)
	}
	if c.SkipVerify {
		return nil
	}
	return c.verify(ctx, name)
}

// verify compares the contents of a system and of all that it refers to with the
// hashes that the store has of them.
func (c *Config) verify(ctx context.Context, name string) error {
	paths, err := c.requisites(ctx, name)
	if err != nil {
		return err
	}
	const most = 500 // of one command
	for len(paths) > 0 {
		n := min(most, len(paths))
		if o := execute(ctx, with(c.NixStore, append([]string{"--verify-path"}, paths[:n]...)...)); o.err != nil {
			return fmt.Errorf("the store is corrupt; nix-store --repair-path mends a path: %w: %s", o.err, o.tail)
		}
		paths = paths[n:]
	}
	return nil
}

// requisites lists the paths of a closure.
func (c *Config) requisites(ctx context.Context, name string) ([]string, error) {
	command := with(c.NixStore, "--query", "--requisites", c.path(name))
	list := exec.CommandContext(ctx, command[0], command[1:]...)
	text, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s --query --requisites %s: %w", c.NixStore[0], c.path(name), err)
	}
	return strings.Fields(string(text)), nil
}

// root returns a root of the garbage collector: what is target, previous or before.
func (c *Config) root(what string) string { return filepath.Join(c.StateDir, "gcroots", what) }

// keep makes a root for a system that is in the store.
func (c *Config) keep(ctx context.Context, what, name string) error {
	ctx, cancel := timeout(ctx, c.SwitchTimeout)
	defer cancel()
	if o := execute(ctx, with(c.NixStore, "--realise", c.path(name), "--add-root", c.root(what), "--indirect", "--option", "max-jobs", "0")); o.err != nil {
		return fmt.Errorf("a root of the garbage collector for %s: %w: %s", name, o.err, o.tail)
	}
	return nil
}
