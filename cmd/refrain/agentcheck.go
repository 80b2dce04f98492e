package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/httpagent/machine"
	"github.com/refrain-fleet/refrain/internal/certfile"
)

// agentCheckCommand checks all that a switch will need. It changes nothing.
type agentCheckCommand struct{}

// maxClockOffset is how far this clock may be from the plane's: certificates and the
// ends of soaks are judged by it.
const maxClockOffset = 30 * time.Second

// Run implements the command. It exits with 1 if a check fails.
func (c *agentCheckCommand) Run(ctx context.Context, io stdio, parent *agentCommand) error {
	f := &parent.agentFlags
	table := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
	failed := 0
	say := func(what, good string, err error) {
		if err != nil {
			failed++
			fmt.Fprintf(table, "FAILED\t%s\t%v\n", what, err)
			return
		}
		fmt.Fprintf(table, "ok\t%s\t%s\n", what, good)
	}
	reducer, err := f.reducer()
	say("hostname", string(reducer.Hostname), err)
	config, err := f.machine()
	say("configuration", "valid", err)
	say("url", f.URL, httpagent.CheckURL(f.URL))
	say("ca", f.CA, checkCAFile(f.CA))
	good, err := f.checkCertificate()
	say("certificate", good, err)
	say("state dir", f.StateDir, checkWritable(f.StateDir))
	for _, link := range []struct{ what, path, is string }{
		{"current system", config.CurrentSystem, config.Current()},
		{"booted system", config.BootedSystem, config.Booted()},
		{"system profile", config.Profile, config.Next()},
	} {
		err := error(nil)
		if link.is == "" {
			err = fmt.Errorf("%s is no link into %s", link.path, config.StoreDir)
		}
		say(link.what, link.is, err)
	}
	for _, command := range [][]string{config.NixStore, config.NixEnv, config.Launcher, config.Runner, config.Reboot} {
		path, err := exec.LookPath(command[0])
		say("command", path, err)
	}
	if f.Probes != "" {
		probes, err := machine.ReadProbes(f.Probes)
		say("probes", fmt.Sprintf("%d in %s", len(probes), f.Probes), err)
	}
	for _, cache := range config.Substituters {
		say("substituter", cache, checkCache(ctx, cache))
	}
	status, date, err := config.Contact(ctx)
	say("plane", fmt.Sprintf("answers %d", status), err)
	if plane, parse := http.ParseTime(date); err == nil && parse == nil {
		offset := time.Since(plane).Truncate(time.Second)
		err := error(nil)
		if offset.Abs() > maxClockOffset {
			err = fmt.Errorf("differs from the plane's by %v; want %v at most", offset, maxClockOffset)
		}
		say("clock", fmt.Sprintf("differs from the plane's by %v", offset), err)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if failed > 0 {
		return &commandError{err: fmt.Errorf("%d checks failed", failed), code: exitFailed}
	}
	return nil
}

func (f *agentFlags) checkCertificate() (string, error) {
	texts, err := certfile.Read(nil, f.Cert, f.Key)
	if err != nil {
		return "", err
	}
	pair, err := certfile.ClientPair(f.Cert, f.Key, texts[0], texts[1], time.Now())
	if err != nil {
		return "", err
	}
	leaf := pair.Leaf
	return fmt.Sprintf("%s, until %s", leaf.Subject.CommonName, leaf.NotAfter.UTC().Format(time.RFC3339)), nil
}

func checkWritable(dir string) error {
	file, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// checkCache asks a cache whether it is one.
func checkCache(ctx context.Context, url string) error {
	if path, is := cutFileURL(url); is {
		_, err := os.Stat(filepath.Join(path, "nix-cache-info"))
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/nix-cache-info", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s/nix-cache-info is answered %s; want 200", url, response.Status)
	}
	return nil
}

func cutFileURL(url string) (string, bool) {
	const scheme = "file://"
	if len(url) > len(scheme) && url[:len(scheme)] == scheme {
		return url[len(scheme):], true
	}
	return "", false
}
