package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

func options() pki.Options { return pki.Options{Clock: clockAt(noon)} }

func forced() pki.Options { return pki.Options{Clock: clockAt(noon), Force: true} }

// initialised returns a directory with a CA.
func initialised(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	if _, err := pki.Init(dir, suffix, options()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tree maps every path below dir to its mode and content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		files[name] = info.Mode().String()
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files[name] += " " + string(content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameTree(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, content := range a {
		if b[name] != content {
			return false
		}
	}
	return true
}

func writeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFleetOnDisk(t *testing.T) {
	dir := initialised(t)
	server, err := pki.Server(dir, []string{"plane.test", "10.0.0.1"}, options())
	if err != nil {
		t.Fatal(err)
	}
	agents, err := pki.Agent(dir, []string{"web-1", "db.eu"}, options())
	if err != nil {
		t.Fatal(err)
	}
	operators, err := pki.Operator(dir, []string{"ada"}, options())
	if err != nil {
		t.Fatal(err)
	}

	var got []string
	for name, content := range tree(t, dir) {
		mode, _, _ := strings.Cut(content, " ")
		got = append(got, mode+" "+name)
	}
	slices.Sort(got)
	want := []string{
		"-rw------- agents/db.eu.key", "-rw------- agents/web-1.key", "-rw------- ca.key",
		"-rw------- operators/ada.key", "-rw------- server.key",
		"-rw-r--r-- agents/db.eu.crt", "-rw-r--r-- agents/web-1.crt", "-rw-r--r-- ca.crt",
		"-rw-r--r-- operators/ada.crt", "-rw-r--r-- server.crt",
		"drwx------ .", "drwx------ agents", "drwx------ operators",
	}
	if !slices.Equal(got, want) {
		t.Errorf("files:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	caPEM, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(caPEM)
	for _, test := range []struct {
		issued     pki.Issued
		commonName string
		use        x509.ExtKeyUsage
	}{
		{server, "plane.test", x509.ExtKeyUsageServerAuth},
		{agents[0], "agent-web-1.fleet.test", x509.ExtKeyUsageClientAuth},
		{agents[1], "agent-db.eu.fleet.test", x509.ExtKeyUsageClientAuth},
		{operators[0], "operator-ada.fleet.test", x509.ExtKeyUsageClientAuth},
	} {
		// LoadX509KeyPair refuses a key that is not the certificate's.
		pair, err := tls.LoadX509KeyPair(test.issued.Certificate, test.issued.Key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{test.use}}); err != nil {
			t.Errorf("%s: %v", test.commonName, err)
		}
		if pair.Leaf.Subject.CommonName != test.commonName || test.issued.CommonName != test.commonName {
			t.Errorf("common name %q, said to be %q, want %q", pair.Leaf.Subject.CommonName, test.issued.CommonName, test.commonName)
		}
		if !test.issued.NotAfter.Equal(pair.Leaf.NotAfter) || !test.issued.NotBefore.Equal(pair.Leaf.NotBefore) || test.issued.Replaced || test.issued.Suffix != suffix {
			t.Errorf("%+v does not tell of its certificate", test.issued)
		}
	}
}

func TestWithoutForceNothingIsOverwritten(t *testing.T) {
	dir := initialised(t)
	for _, test := range []struct {
		name  string
		issue func(pki.Options) error
	}{
		{"ca", func(o pki.Options) error { _, err := pki.Init(dir, "other.test", o); return err }},
		{"server", func(o pki.Options) error { _, err := pki.Server(dir, []string{"plane.test"}, o); return err }},
		{"agent", func(o pki.Options) error { _, err := pki.Agent(dir, []string{"web-1"}, o); return err }},
		{"operator", func(o pki.Options) error { _, err := pki.Operator(dir, []string{"ada"}, o); return err }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name != "ca" {
				if err := test.issue(options()); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, dir)
			if err := test.issue(options()); !errors.Is(err, pki.ErrExists) {
				t.Errorf("got %v, want ErrExists", err)
			}
			if !sameTree(before, tree(t, dir)) {
				t.Error("the refusal changed something")
			}
			if err := test.issue(forced()); err != nil {
				t.Errorf("forced: %v", err)
			}
			if sameTree(before, tree(t, dir)) {
				t.Error("force changed nothing")
			}
		})
	}
}

func TestForceTellsWhatItReplaced(t *testing.T) {
	dir := initialised(t)
	if _, err := pki.Agent(dir, []string{"web-1"}, options()); err != nil {
		t.Fatal(err)
	}
	issued, err := pki.Agent(dir, []string{"web-1", "web-2"}, forced())
	if err != nil || !issued[0].Replaced || issued[1].Replaced {
		t.Errorf("got %+v, %v, want web-1 replaced and web-2 not", issued, err)
	}
}

func TestHalfAPairIsRefused(t *testing.T) {
	for _, test := range []struct {
		left, want string
		issue      func(dir string, o pki.Options) error
	}{
		{"server.key", "server.key is half of a pair: DIR/server.crt is missing; restore it",
			func(dir string, o pki.Options) error {
				_, err := pki.Server(dir, []string{"plane.test"}, o)
				return err
			}},
		{"agents/web-1.crt", "agents/web-1.crt is half of a pair: DIR/agents/web-1.key is missing; restore it",
			func(dir string, o pki.Options) error {
				_, err := pki.Agent(dir, []string{"web-2", "web-1"}, o)
				return err
			}},
	} {
		dir := initialised(t)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, test.left)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, test.left))
		before := tree(t, dir)
		err := test.issue(dir, options())
		if !errors.Is(err, pki.ErrHalfPresent) || !strings.Contains(err.Error(), strings.ReplaceAll(test.want, "DIR", dir)) {
			t.Errorf("got %v, want %q", err, test.want)
		}
		if !sameTree(before, tree(t, dir)) {
			t.Error("the refusal changed something")
		}
		if err := test.issue(dir, forced()); err != nil {
			t.Errorf("forced: %v", err)
		}
	}
}

func TestHalfACAIssuesNothing(t *testing.T) {
	for _, missing := range []string{"ca.key", "ca.crt"} {
		dir := initialised(t)
		if err := os.Remove(filepath.Join(dir, missing)); err != nil {
			t.Fatal(err)
		}
		// Force is about what is issued, and cannot make up for a CA.
		_, err := pki.Agent(dir, []string{"web-1"}, forced())
		if err == nil || !strings.HasSuffix(err.Error(), "is half of a pair: "+filepath.Join(dir, missing)+" is missing; restore it") {
			t.Errorf("without %s: %v", missing, err)
		}
		if _, err := pki.Init(dir, suffix, options()); !errors.Is(err, pki.ErrHalfPresent) {
			t.Errorf("init without %s: %v", missing, err)
		}
		if _, err := pki.Init(dir, suffix, forced()); err != nil {
			t.Errorf("forced init without %s: %v", missing, err)
		}
	}
}

func TestOneBadNameOfSeveralIssuesNothing(t *testing.T) {
	dir := initialised(t)
	if _, err := pki.Agent(dir, []string{"web-9"}, options()); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for _, test := range []struct {
		hosts []string
		want  []string
	}{
		{nil, []string{"host: no name given; want at least one"}},
		{[]string{"web-1", ""}, []string{`host ""`}},
		{[]string{"web-1", "a/b", ".."}, []string{`host "a/b"`, `host ".."`}},
		{[]string{"web-1", "nul\x00"}, []string{`host "nul\x00"`}},
		{[]string{"web-1", strings.Repeat("h", 254)}, []string{"want 1 to 253"}},
		{[]string{"web-1", strings.Repeat("h", 252)}, []string{"too long for a file name; want at most 251 bytes"}},
		{[]string{"web-1", "web-2", "web-1"}, []string{`host "web-1": given twice`}},
		{[]string{"web-1", "web-9", "web-2"}, []string{"web-9.crt exists already"}},
	} {
		_, err := pki.Agent(dir, test.hosts, options())
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got %v, want %q", test.hosts, err, want)
			}
		}
		if !sameTree(before, tree(t, dir)) {
			t.Fatalf("%q: something was written", test.hosts)
		}
	}
	if _, err := pki.Agent(dir, []string{strings.Repeat("h", 251)}, options()); err != nil {
		t.Errorf("the longest name that has a file: %v", err)
	}
}

func TestTheDirectoryMustBeFit(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	writeFile(t, file)
	open := filepath.Join(base, "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o770)); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(base, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(base, "missing")
	before := tree(t, base)
	initialise := func(dir string) error { _, err := pki.Init(dir, suffix, options()); return err }
	agent := func(dir string) error { _, err := pki.Agent(dir, []string{"web-1"}, options()); return err }
	server := func(dir string) error { _, err := pki.Server(dir, []string{"a.test"}, options()); return err }
	for _, test := range []struct {
		name string
		run  func(string) error
		dir  string
		want string
	}{
		{"init", initialise, "", "the path is empty; want a directory"},
		{"init", initialise, file, "is a file; want a directory"},
		{"init", initialise, open, "(mode 0770); want 0700"},
		{"init", initialise, filepath.Join(missing, "pki"), "no such file or directory"},
		{"init", initialise, filepath.Join(file, "pki"), "not a directory"},
		{"init", initialise, "a\x00b", "invalid argument"},
		{"agent", agent, "", "the path is empty; want a directory"},
		{"agent", agent, file, "is a file; want a directory"},
		{"agent", agent, missing, "no such file or directory"},
		{"agent", agent, empty, "no CA found; create one with refrain pki init"},
		{"server", server, missing, "no such file or directory"},
	} {
		if err := test.run(test.dir); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s in %q: got %v, want %q", test.name, test.dir, err, test.want)
		}
	}
	if !sameTree(before, tree(t, base)) {
		t.Error("a refusal changed something")
	}
}

// A superuser writes to directories of any mode, so the place is made unusable
// in ways that hold for everyone.
func TestWhatIsInTheWayIsRefusedEvenByForce(t *testing.T) {
	dir := initialised(t)
	writeFile(t, filepath.Join(dir, "agents"))
	if _, err := pki.Agent(dir, []string{"web-1"}, forced()); err == nil || !strings.Contains(err.Error(), "agents is a file; want a directory") {
		t.Errorf("a file in the place of a directory: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "operators", "ada.key"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Operator(dir, []string{"bob", "ada"}, forced()); err == nil || !strings.Contains(err.Error(), "ada.key is not a regular file (d") {
		t.Errorf("a directory in the place of a file: %v", err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Symlink(elsewhere, filepath.Join(dir, "server.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Server(dir, []string{"plane.test"}, forced()); err == nil || !strings.Contains(err.Error(), "server.key is not a regular file (L") {
		t.Errorf("a symbolic link in the place of a file: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "operators", "bob.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("bob has a key: %v", err)
	}
}

func TestLifetimes(t *testing.T) {
	dir := initialised(t)
	const day = 24 * time.Hour
	issued, err := pki.Agent(dir, []string{"web-1"}, pki.Options{Clock: clockAt(noon), ValidFor: 90 * day})
	if err != nil || !issued[0].NotAfter.Equal(noon.Add(90*day)) {
		t.Errorf("got %+v, %v, want it good for 90 days", issued, err)
	}
	for _, test := range []struct {
		validFor time.Duration
		want     string
	}{
		{-day, "lifetime is -24h0m0s; want at least 1s"},
		{time.Millisecond, "lifetime is 1ms; want at least 1s"},
		{3651 * day, "longer than that of the CA, which expires at 2036-01-29T12:00:00Z; want a shorter one"},
	} {
		_, err := pki.Agent(dir, []string{"web-2"}, pki.Options{Clock: clockAt(noon), ValidFor: test.validFor})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q", test.validFor, err, test.want)
		}
	}
	late := pki.Options{Clock: clockAt(noon.Add(3600 * day))}
	if issued, err := pki.Agent(dir, []string{"web-3"}, late); err != nil || !issued[0].NotAfter.Equal(noon.Add(3650*day)) {
		t.Errorf("got %+v, %v, want the default cut off at the CA's end", issued, err)
	}
	over := pki.Options{Clock: clockAt(noon.Add(3651 * day))}
	if _, err := pki.Agent(dir, []string{"web-4"}, over); err == nil || !strings.Contains(err.Error(), "expired at 2036-01-29T12:00:00Z") {
		t.Errorf("after the CA's end: %v", err)
	}
}

// sleeper is a clock whose Sleep passes at once, and is remembered.
type sleeper struct {
	*clock.Mock
	slept time.Duration
}

func (s *sleeper) Sleep(d time.Duration) { s.slept += d; s.Set(s.Now().Add(d)) }

// A certificate asked for at once after a revocation works; one from before the
// revocation does not, however close. PROTOCOL T5
func TestACertificateIssuedAfterARevocationWorks(t *testing.T) {
	dir := initialised(t)
	clk := &sleeper{Mock: clockAt(noon.Add(200 * time.Millisecond))}
	before, err := pki.Agent(dir, []string{"web-1"}, pki.Options{Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	if clk.slept != 800*time.Millisecond || !before[0].NotBefore.Equal(noon.Add(time.Second)) {
		t.Fatalf("waited %v, not before %v, want the next whole second", clk.slept, before[0].NotBefore)
	}
	clk.Add(time.Nanosecond)
	revoked := clk.Now()
	after, err := pki.Agent(dir, []string{"web-1"}, pki.Options{Clock: clk, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if !before[0].NotBefore.Before(revoked) {
		t.Errorf("not before %v survives the revocation at %v", before[0].NotBefore, revoked)
	}
	if after[0].NotBefore.Before(revoked) {
		t.Errorf("not before %v falls to the revocation at %v", after[0].NotBefore, revoked)
	}
	if clk.Now().Before(after[0].NotBefore) {
		t.Errorf("not before %v, handed out at %v", after[0].NotBefore, clk.Now())
	}
}
