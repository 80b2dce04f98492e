package machine

import (
	"os"
	"path/filepath"
	"strings"
)

// name returns the name in the store of what a link leads to; empty if it is not
// known. A profile is a link to a link, of a generation.
func (c *Config) name(link string) string {
	for range 8 {
		target, err := os.Readlink(link)
		if err != nil {
			return ""
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		for _, dir := range []string{c.StoreDir, filepath.Join(c.Root, c.StoreDir)} {
			if rest, inside := strings.CutPrefix(target, dir+"/"); inside {
				first, _, _ := strings.Cut(rest, "/")
				return first
			}
		}
		link = target
	}
	return ""
}

// Current returns the name of the system that runs, Booted of the one that was
// booted, Next of the one of the profile, which the next boot brings.
func (c *Config) Current() string { return c.name(c.CurrentSystem) }

// Booted returns the name of the system that was booted; empty if it is not known.
func (c *Config) Booted() string { return c.name(c.BootedSystem) }

// Next returns the name of the system of the profile; empty if it is not known.
func (c *Config) Next() string { return c.name(c.Profile) }

// Generations returns the names of the profile's generations by link.
func (c *Config) Generations() map[string]string {
	links, _ := filepath.Glob(c.Profile + "-*-link")
	list := make(map[string]string, len(links))
	for _, link := range links {
		list[filepath.Base(link)] = c.name(link)
	}
	return list
}

// path returns where a system of the store is, by its name, as nix knows it.
func (c *Config) path(name string) string { return filepath.Join(c.StoreDir, name) }

// file returns where a file of a system is on this machine.
func (c *Config) file(name string, below ...string) string {
	return filepath.Join(append([]string{c.Root, c.StoreDir, name}, below...)...)
}

// bootID tells boots apart.
func (c *Config) bootID() string {
	text, err := os.ReadFile(c.BootIDFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// BootID returns a text that differs from boot to boot; empty if it is not known.
func (c *Config) BootID() string { return c.bootID() }

// needsBoot returns what of a system takes effect with a boot only; empty if it can
// be switched to.
func (c *Config) needsBoot(target string) string {
	booted := c.Booted()
	if booted == "" || booted == target {
		return ""
	}
	for _, component := range []string{"kernel", "initrd", "kernel-modules"} {
		is, _ := os.Readlink(c.file(booted, component))
		want, _ := os.Readlink(c.file(target, component))
		if is != want {
			return component
		}
	}
	return ""
}
