package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// startError gives the error of a server's start its hint.
func startError(err error) error {
	hint := ""
	var network *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another process listens there; stop it, or choose other addresses with --listen, --ops-listen and --page-listen; port 0 picks a free one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "this machine does not have that address; --listen, --ops-listen and --page-listen take one that it has, or :PORT for all of them"
	case errors.Is(err, fs.ErrPermission) && errors.As(err, &network):
		hint = "a port below 1024 needs a privilege; --listen, --ops-listen and --page-listen choose another one"
	case errors.As(err, &network):
		hint = "--listen, --ops-listen and --page-listen choose other addresses"
	default:
		return err
	}
	return &commandError{err: err, code: exitFailed, hint: hint}
}

// databaseError gives the error of opening a database that has to exist its exit
// code and its hint. A file that is missing is wrong use, one that is there and
// differs is a finding.
func databaseError(err error) error {
	switch {
	case errors.Is(err, sqlite.ErrMissing):
		return &commandError{err: err, code: exitUsage, hint: "--db names the database's file; refrain serve --db FILE creates it"}
	case errors.Is(err, sqlite.ErrInUse):
		return &commandError{err: err, code: exitFailed, hint: "stop the plane first; nothing was changed"}
	case errors.Is(err, sqlite.ErrForeign):
		return &commandError{err: err, code: exitFailed, hint: "--db names the database's file; nothing was changed in this one"}
	}
	return &commandError{err: err, code: exitFailed, hint: "--db names the database's file"}
}

// certificateHint says how to look at the files that a server refuses.
func certificateHint(c *serveCommand) string {
	return fmt.Sprintf("refrain pki inspect %s %s shows what is in --tls-cert and --client-ca; nothing was started", shellWord(c.TLSCert), shellWord(c.ClientCA))
}

// requiredFile is a file that has to exist before a server starts.
type requiredFile struct {
	flag, path string
	// issuer is the command of refrain pki that makes it once there is a CA,
	// such as "server NAME..."; empty for the CA itself.
	issuer string
}

// checkFiles reports the first file that is missing, and how it is made.
func checkFiles(files ...requiredFile) error {
	for _, file := range files {
		if file.path == "" {
			return &commandError{err: fmt.Errorf("%s is empty; want a file", file.flag), code: exitUsage, hint: "nothing was started"}
		}
		_, err := os.Stat(file.path)
		if errors.Is(err, fs.ErrNotExist) {
			return &commandError{
				err:  fmt.Errorf("%s: %s: no such file; nothing was started", file.flag, file.path),
				code: exitUsage, hint: makeHint(filepath.Dir(file.path), file.issuer),
			}
		}
	}
	return nil
}

// makeHint says which command makes a missing certificate: the CA is first.
func makeHint(dir, issuer string) string {
	pki := &pkiCommand{Dir: dir}
	if _, err := os.Stat(filepath.Join(dir, "ca.crt")); err == nil && issuer != "" {
		return pki.command(issuer) + " makes it"
	}
	hint := pki.command("init", "--cn-suffix", "SUFFIX") + " makes a CA"
	if issuer != "" {
		hint += ", and then " + pki.command(issuer) + " makes it"
	}
	return hint
}

// nearestWithin returns which of the known names is the nearest to one that is not
// known, and how many bytes differ; "" if it is limit or more. Of several the first one
// is returned.
func nearestWithin(name string, known []string, limit int) (nearest string, distance int) {
	distance = limit
	for _, candidate := range known {
		if d := wire.EditDistance(name, candidate); d < distance {
			nearest, distance = candidate, d
		}
	}
	return nearest, distance
}
