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

// What may lie where a pair shall go. Force puts the new pair there.
var (
	// ErrExists says that a pair is in place.
	ErrExists = errors.New("exists already")
	// ErrHalfPresent says that half a pair is in place.
	ErrHalfPresent = errors.New("is half of a pair")
)

// Options are what every command on a directory takes.
type Options struct {
	// ValidFor is how long the certificates are good, in whole seconds; a leaf
	// may not outlive the CA. Default: DefaultCAValidity for the CA,
	// DefaultLeafValidity for a leaf, or the rest of the CA's life if that is
	// shorter.
	ValidFor time.Duration
	// Force replaces pairs that are in place, and halves of pairs. Default: they
	// are an error.
	Force bool
	// Clock tells the time of issue. Default: the system's.
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
	// CommonName is the certificate's.
	CommonName string
	// Suffix is the fleet's.
	Suffix string
	// Certificate and Key are the files' paths, in the directory as it was
	// given.
	Certificate, Key string
	// NotBefore and NotAfter are when the certificate is good, in UTC.
	NotBefore, NotAfter time.Time
	// Replaced reports that Force replaced a file.
	Replaced bool
}

// Init makes a CA for the fleet whose common names end in suffix, and puts it
// into dir. It makes dir if its parent is there. Replacing a CA by Force makes
// every certificate of the old one worthless; they stay where they are.
//
// A bad suffix is a [*NameError]; a CA in place is [ErrExists], half of one
// [ErrHalfPresent]. After an error nothing has changed.
func Init(dir, suffix string, options Options) (Issued, error) {
	if err := options.validate(); err != nil {
		return Issued{}, err
	}
	authority, err := New(Config{Suffix: suffix, ValidFor: options.ValidFor, Clock: options.Clock})
	if err != nil {
		return Issued{}, err
	}
	if dir == "" {
		return Issued{}, errors.New("directory: want a path, have nothing")
	}
	made := false
	if err := os.Mkdir(dir, 0o700); err == nil {
		made = true
	} else if !errors.Is(err, fs.ErrExist) {
		return Issued{}, fmt.Errorf("directory: %w", err)
	}
	issued, err := write(dir, "", []member{{"ca", authority.Pair()}}, suffix, options)
	if err != nil {
		if made {
			os.Remove(dir)
		}
		return Issued{}, err
	}
	return issued[0], nil
}

// Server issues the server's certificate under names, which are DNS names or IP
// addresses, and puts it into dir. It is for a directory that [Init] made.
//
// A bad name is a [*NameError]; a pair in place is [ErrExists], half of one
// [ErrHalfPresent]. After an error nothing has changed.
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
	issued, err := write(dir, "", []member{{"server", pair}}, authority.suffix, options)
	if err != nil {
		return Issued{}, err
	}
	return issued[0], nil
}

// Agent issues a certificate for each of the hosts and puts it into dir/agents.
// It is for a directory that [Init] made. It waits for the next whole second,
// so that revocations which came before do not touch the new certificates
// (PROTOCOL T5).
//
// A bad host is a [*NameError]; a pair in place is [ErrExists], half of one
// [ErrHalfPresent]. The problems of all hosts are told at once, joined, one a
// line. After an error nothing has changed.
func Agent(dir string, hosts []string, options Options) ([]Issued, error) {
	return clients(agentRole, dir, hosts, options, (*Authority).IssueAgent)
}

// Operator issues a certificate for each of the operators and puts it into
// dir/operators. For the rest it is as [Agent].
func Operator(dir string, names []string, options Options) ([]Issued, error) {
	return clients(operatorRole, dir, names, options, (*Authority).IssueOperator)
}

type issuer func(*Authority, string, Validity) (tls.Certificate, error)

func clients(role role, dir string, names []string, options Options, issue issuer) ([]Issued, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: want at least one name", role.what)
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
			problems = append(problems, &NameError{role.what, name, fmt.Sprintf("want at most %d bytes, so that its file can have a name", maxFileStem)})
		}
	}
	if err := repeated(role.what, names); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	// Look before the wait, so that a refusal comes at once. write looks again
	// under its lock.
	if _, err := survey(filepath.Join(dir, role.directory), names, options.Force); err != nil {
		return nil, err
	}
	waitForWholeSecond(options.Clock)
	validity, err := authority.validity(options.ValidFor)
	if err != nil {
		return nil, err
	}
	pairs := make([]member, 0, len(names))
	for _, name := range names {
		pair, err := issue(authority, name, validity)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, member{name, pair})
	}
	return write(dir, role.directory, pairs, authority.suffix, options)
}

// waitForWholeSecond lets what X.509 cannot say of the current second pass: a
// NotBefore cut off to the second would lie before a revocation of the same
// second.
func waitForWholeSecond(clk clock.Clock) {
	now := clk.Now()
	if next := wholeSecond(now).Add(time.Second); now.Nanosecond() != 0 {
		clk.Sleep(next.Sub(now))
	}
}

// validity turns a lifetime into a leaf's validity. A lifetime that was asked
// for must fit into the CA's; the default is shortened to fit.
func (a *Authority) validity(validFor time.Duration) (Validity, error) {
	if validFor == 0 {
		return Validity{}, nil
	}
	end := wholeSecond(a.clock.Now()).Add(validFor)
	if end.After(a.certificate.NotAfter) {
		return Validity{}, fmt.Errorf("valid for %v: want less, the CA itself ends at %s",
			validFor, a.certificate.NotAfter.Format(time.RFC3339))
	}
	return Validity{NotAfter: end}, nil
}

// load reads the CA of a directory.
func load(dir string, clk clock.Clock) (*Authority, error) {
	if dir == "" {
		return nil, errors.New("directory: want a path, have nothing")
	}
	if err := checkDirectory(dir); err != nil {
		return nil, err
	}
	certificatePath, keyPath := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	certificate, certificateErr := os.ReadFile(certificatePath)
	key, keyErr := os.ReadFile(keyPath)
	switch {
	case errors.Is(certificateErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no CA there, want one made by init", dir)
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

func halfAdvice(missing string) string { return "put " + missing + " back" }

// checkDirectory refuses what is no directory, and one that others than its
// owner can write to: they could put keys of their own there.
func checkDirectory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("directory: %s is a file, want a directory", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("directory: others may write to %s (mode %04o), want 0700", dir, info.Mode().Perm())
	}
	return nil
}
