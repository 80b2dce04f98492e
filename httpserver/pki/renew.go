package pki

import (
	"crypto/tls"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// ErrNoSuchPair means that there is no certificate to renew.
var ErrNoSuchPair = errors.New("no certificate found")

// Renew issues certificates with the same names and the same role as those of names,
// and with new keys. A name is one of [Inventory]: "server", "agents/HOST" or
// "operators/NAME". The pairs that are replaced are kept beside the new ones, whatever
// Force is. Their key need not be there, and they may have expired or be those of an
// earlier CA, but not of another suffix.
//
// The error joins the problems of all names, one per line. After an error nothing has
// changed.
func Renew(dir string, names []string, options Options) ([]Issued, error) {
	options.Force = true
	if err := options.validate(); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("renew: no name given; want at least one")
	}
	authority, err := load(dir, options.Clock)
	if err != nil {
		return nil, err
	}
	var problems []error
	if err := repeated("name", names); err != nil {
		problems = append(problems, err)
	}
	renewals := make([]renewal, len(names))
	for i, name := range names {
		if renewals[i], err = authority.renewal(dir, name); err != nil {
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	waitForWholeSecond(options.Clock)
	validity, err := authority.validity(options.ValidFor)
	if err != nil {
		return nil, err
	}
	members := make([]member, len(renewals))
	for i, r := range renewals {
		members[i] = r.member
		if members[i].pair, err = r.issue(validity); err != nil {
			return nil, err
		}
	}
	return write(dir, members, authority.suffix, options)
}

// renewal is a pair to be renewed, and how.
type renewal struct {
	member
	issue func(Validity) (tls.Certificate, error)
}

// renewal reads what is to be renewed.
func (a *Authority) renewal(dir, name string) (renewal, error) {
	bad := func(problem string) (renewal, error) { return renewal{}, &NameError{"name", name, problem} }
	sub, base := path.Split(name)
	sub = strings.TrimSuffix(sub, "/")
	want := wire.Identity{Name: base, Operator: sub == operatorRole.directory}
	switch {
	case name == "ca":
		return bad("a new CA is made by refrain pki init --force; docs/operations.md has the steps that refuse no host")
	case name != "server" && sub != agentRole.directory && sub != operatorRole.directory:
		return bad("want server, agents/HOST or operators/NAME, as refrain pki list shows it")
	case strings.Contains(base, keptMark):
		return bad("that pair was replaced already; want the name without what follows " + keptMark)
	case name != "server" && checkLabels("host", base) != nil:
		return bad("want a name as refrain pki list shows it")
	}
	r := renewal{member: member{sub: sub, name: base}}
	if there, err := regular(filepath.Join(dir, sub, base+".crt")); err != nil {
		return renewal{}, err
	} else if !there {
		return renewal{}, fmt.Errorf("%s: %w; refrain pki list shows what there is", filepath.Join(dir, sub, base+".crt"), ErrNoSuchPair)
	}
	entry := newEntry(dir, sub, base)
	if entry.Leaf == nil {
		return renewal{}, errors.New(entry.Problem)
	}
	if name == "server" {
		if RoleOf(entry.Leaf, a.suffix) != RoleServer {
			return bad(fmt.Sprintf("%s is not a server's certificate; refrain pki server --force makes one", entry.Certificate))
		}
		r.issue = func(v Validity) (tls.Certificate, error) { return a.IssueServer(Names(entry.Leaf), v) }
		return r, nil
	}
	want.CommonName = entry.Leaf.Subject.CommonName
	if wire.ParseIdentity(want.CommonName, a.suffix) != want {
		return bad(fmt.Sprintf("the common name in %s is %s, which is no name of that for the CA's suffix %s; refrain pki agent --force or operator --force issues another name",
			entry.Certificate, want.CommonName, a.suffix))
	}
	r.issue = func(v Validity) (tls.Certificate, error) { return a.IssueClient(want.CommonName, v) }
	return r, nil
}
