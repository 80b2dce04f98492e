package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// fleetNames returns the names of so many hosts.
func fleetNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("host-%04d", i+1)
	}
	return names
}

// ensureFleetPKI makes sure that every host has a valid certificate: it issues
// missing ones if the CA's key is in dir, and says so on w first. It does not
// replace an expired one; its owner decides that.
func ensureFleetPKI(dir string, names []string, w io.Writer) error {
	var missing, stale []string
	for _, name := range names {
		state, err := stateOfPair(filepath.Join(dir, "agents", name))
		switch {
		case err != nil:
			return fmt.Errorf("certificate of %s: %w", name, err)
		case state == pairMissing:
			missing = append(missing, name)
		case state == pairStale:
			stale = append(stale, name)
		}
	}
	agents := filepath.Join(dir, "agents")
	command := (&pkiCommand{Dir: dir}).command
	if len(stale) > 0 {
		return &commandError{
			err:  fmt.Errorf("%d of %d certificates in %s have expired, soon will or lack their key or certificate file: %s for instance", len(stale), len(names), agents, stale[0]),
			code: exitFailed, hint: command("agent", "--force", stale[0]) + " issues a new one",
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "ca.key")); err != nil {
		return &commandError{
			err: fmt.Errorf("%d of %d hosts have no certificate in %s, %s for instance, and the CA's key to issue them is missing: %w",
				len(missing), len(names), agents, missing[0], err),
			code: exitUsage, hint: command("agent", missing[0]) + " issues one on the machine with the key; --dir names another directory",
		}
	}
	fmt.Fprintf(w, "refrain load: issuing %d certificates in %s …\n", len(missing), agents)
	if _, err := pki.Agent(dir, missing, pki.Options{}); err != nil {
		return (&pkiCommand{Dir: dir}).failed(err)
	}
	return nil
}
