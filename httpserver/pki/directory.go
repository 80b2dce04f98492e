package pki

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/benbjohnson/clock"
)

// What may be present where a pair is to be written. Force replaces it.
var (
	// ErrExists means that a pair is present.
	ErrExists = errors.New("exists already")
	// ErrHalfPresent means that half of a pair is present.
	ErrHalfPresent = errors.New("is half of a pair")
)

// ErrNoCA means that a directory has no CA to issue certificates with.
var ErrNoCA = errors.New("no CA found")

// Options are the options of every operation on a directory.
type Options struct {
	// ValidFor is how long the certificates are valid, in whole seconds. A leaf
	// must not be valid longer than the CA. Default: DefaultCAValidity for the
	// CA; DefaultLeafValidity for a leaf, or until the CA expires if that is
	// earlier.
	ValidFor time.Duration
	// Force replaces pairs that are present, and halves of pairs, and keeps them
	// beside the new ones. Default: they are an error.
	Force bool
	// Clock is the source of the time of issue. Default: the system clock.
	Clock clock.Clock
}

func (o *Options) validate() error {
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	return checkValidFor(o.ValidFor)
}

// Issued is a pair that was written.
type Issued struct {
	// Name is the host or the operator; "ca" or "server" for those two.
	Name string
	// CommonName is that of the certificate.
	CommonName string
	// Suffix is that of the fleet.
	Suffix string
	// Certificate and Key are the paths of the files, which begin with the
	// directory as the caller gave it.
	Certificate, Key string
	// NotBefore and NotAfter are the period of validity, in UTC.
	NotBefore, NotAfter time.Time
	// Replaced reports that Force replaced a file.
	Replaced bool
	// Kept is where the replaced certificate is now; its key is beside it. Empty if
	// nothing was replaced.
	Kept string
}

// Init creates a CA for the fleet whose common names end in suffix, in dir. It
// creates dir if its parent exists. Whoever trusts
// only a CA that replaced another one with Force refuses every certificate of the old
// one; their files stay.
//
// The error is a [*NameError] for an invalid suffix, [ErrExists] if there is a CA,
// and [ErrHalfPresent] if there is half of one. After an error nothing has
// changed.
func Init(dir, suffix string, options Options) (Issued, error) {
	if err := options.validate(); err != nil {
		return Issued{}, err
	}
	authority, err := New(Config{Suffix: suffix, ValidFor: options.ValidFor, Clock: options.Clock})
	if err != nil {
		return Issued{}, err
	}
	if dir == "" {
		return Issued{}, errEmptyPath
	}
	made := false
	if err := os.Mkdir(dir, 0o700); err == nil {
		made = true
	} else if !errors.Is(err, fs.ErrExist) {
		return Issued{}, fmt.Errorf("directory: %w", err)
	}
	issued, err := write(dir, []member{{"", "ca", authority.Pair()}}, suffix, options)
	if err != nil {
		if made {
			os.Remove(dir)
		}
		return Issued{}, err
	}
	return issued[0], nil
}

// Server issues the server's certificate for names, which are DNS names or IP
// addresses, into dir, which [Init] has prepared.
//
// The error is a [*NameError] for an invalid name, [ErrExists] if there is a pair,
// and [ErrHalfPresent] if there is half of one. After an error nothing has
// changed.
func Server(dir string, names []string, options Options) (Issued, error) {
	if err := options.validate(); err != nil {
		return Issued{}, err
	}
	authority, err := load(dir, options.Clock)
	if err != nil {
		return Issued{}, err
	}
	validity, err := authority.validity(options.ValidFor)
	if err != nil {
		return Issued{}, err
	}
	pair, err := authority.IssueServer(names, validity)
	if err != nil {
		return Issued{}, err
	}
	issued, err := write(dir, []member{{"", "server", pair}}, authority.suffix, options)
	if err != nil {
		return Issued{}, err
	}
	return issued[0], nil
}

// Agent issues a certificate for each of the hosts into dir/agents, where [Init]
// has prepared dir. It waits for the next whole second, so that earlier
// revocations do not apply to the new certificates (PROTOCOL T5).
//
// The error joins the problems of all hosts, one per line: a [*NameError] for an
// invalid host, [ErrExists] if there is a pair, [ErrHalfPresent] if there is half
// of one. After an error nothing has changed.
func Agent(dir string, hosts []string, options Options) ([]Issued, error) {
	return clients(agentRole, dir, hosts, options, (*Authority).IssueAgent)
}

// Operator issues a certificate for each of the operators into dir/operators.
// Otherwise it is like [Agent].
func Operator(dir string, names []string, options Options) ([]Issued, error) {
	return clients(operatorRole, dir, names, options, (*Authority).IssueOperator)
}

// errEmptyPath is the error for an empty path of a directory.
var errEmptyPath = errors.New("directory: the path is empty; want a directory")

type issuer func(*Authority, string, Validity) (tls.Certificate, error)

func clients(role role, dir string, names []string, options Options, issue issuer) ([]Issued, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no name given; want at least one", role.what)
	}
	authority, err := load(dir, options.Clock)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, name := range names {
		if _, err := role.commonName(name, authority.suffix); err != nil {
			problems = append(problems, err)
		} else if len(name) > maxFileStem {
			problems = append(problems, &NameError{role.what, name, fmt.Sprintf("too long for a file name; want at most %d bytes", maxFileStem)})
		}
	}
	if err := repeated(role.what, names); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	// Check before the wait, so that a refusal comes at once. write checks again
	// under its lock.
	members := make([]member, len(names))
	for i, name := range names {
		members[i] = member{sub: role.directory, name: name}
	}
	if _, err := survey(dir, members, options.Force); err != nil {
		return nil, err
	}
	waitForWholeSecond(options.Clock)
	validity, err := authority.validity(options.ValidFor)
	if err != nil {
		return nil, err
	}
	for i := range members {
		if members[i].pair, err = issue(authority, members[i].name, validity); err != nil {
			return nil, err
		}
	}
	return write(dir, members, authority.suffix, options)
}

// waitForWholeSecond waits until the next whole second begins: a NotBefore that is
// truncated to the current one would be earlier than a revocation within it.
func waitForWholeSecond(clk clock.Clock) {
	now := clk.Now()
	if next := wholeSecond(now).Add(time.Second); now.Nanosecond() != 0 {
		clk.Sleep(next.Sub(now))
	}
}

// validity turns a lifetime into a leaf's validity. An explicit lifetime must not
// go beyond the CA's; the default is shortened to it.
func (a *Authority) validity(validFor time.Duration) (Validity, error) {
	if validFor == 0 {
		return Validity{}, nil
	}
	end := wholeSecond(a.clock.Now()).Add(validFor)
	if end.After(a.certificate.NotAfter) {
		return Validity{}, fmt.Errorf("lifetime is %v, longer than that of the CA, which expires at %s; want a shorter one",
			validFor, a.certificate.NotAfter.Format(time.RFC3339))
	}
	return Validity{NotAfter: end}, nil
}

// load reads the CA of a directory.
func load(dir string, clk clock.Clock) (*Authority, error) {
	if dir == "" {
		return nil, errEmptyPath
	}
	if err := checkDirectory(dir); err != nil {
		return nil, err
	}
	certificatePath, keyPath := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	certificate, certificateErr := os.ReadFile(certificatePath)
	key, keyErr := os.ReadFile(keyPath)
	switch {
	case errors.Is(certificateErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w; create one with refrain pki init", dir, ErrNoCA)
	case errors.Is(certificateErr, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is half of a pair: %s", keyPath, halfAdvice(certificatePath))
	case errors.Is(keyErr, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is half of a pair: %s", certificatePath, halfAdvice(keyPath))
	case certificateErr != nil:
		return nil, fmt.Errorf("CA: %w", certificateErr)
	case keyErr != nil:
		return nil, fmt.Errorf("CA: %w", keyErr)
	}
	authority, err := Parse(certificate, key, clk)
	if err != nil {
		return nil, fmt.Errorf("CA in %s: %w", dir, err)
	}
	return authority, nil
}

// halfAdvice says what to do about half of a pair.
func halfAdvice(missing string) string { return missing + " is missing; restore it" }

// checkDirectory refuses a path that is no directory, and a directory that users
// other than its owner can write to: they could place keys of their own there.
func checkDirectory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("directory: %s is a file; want a directory", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("directory: %s is writable by group or others (mode %04o); want 0700", dir, info.Mode().Perm())
	}
	return nil
}
