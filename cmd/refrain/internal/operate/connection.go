package operate

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/contexts"
	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
)

// IO is where a command writes, and reads if a file is "-".
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	// Terminal says that Out is a terminal, which --watch clears.
	Terminal bool
}

// The exit codes of an [Error].
const (
	CodeFailed = 1 // the plane refused, or what was waited for did not come
	CodeUsage  = 2 // the command line, a file or a context is wrong
)

// Error is an error with an exit code and a hint. Any other error of a command is of
// CodeFailed.
type Error struct {
	Err  error
	Code int
	Hint string // one line on what to do, or empty
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func usage(hint, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Code: CodeUsage, Hint: hint}
}

// Connection is the flags that say which plane is asked, and as whom.
type Connection struct {
	Context string `placeholder:"NAME" group:"Connection" help:"The context to use; 'refrain context list' shows them. Default: the current one."`
	URL     string `name:"url" placeholder:"URL" group:"Connection" help:"The plane's URL, in place of the context's."`
	CA      string `name:"ca" placeholder:"FILE" group:"Connection" help:"The CA that signed the plane's certificate, PEM, in place of the context's."`
	Cert    string `placeholder:"FILE" group:"Connection" help:"The operator's certificate, PEM, in place of the context's."`
	Key     string `placeholder:"FILE" group:"Connection" help:"The key of that certificate, PEM, in place of the context's."`
}

// Request is a connection whose requests are tried again.
type Request struct {
	Connection
	Timeout time.Duration `default:"30s" placeholder:"DUR" group:"Connection" help:"How long a request is tried again while the plane answers 503 (${default})."`
}

const contextHint = "refrain context add NAME --url URL --ca FILE --cert FILE --key FILE makes a context; the same flags serve one command"

// resolve finds the context, with the flags over it.
func (c *Connection) resolve() (contexts.Context, error) {
	flags := contexts.Context{URL: c.URL, CA: c.CA, Certificate: c.Cert, Key: c.Key}
	complete := c.URL != "" && c.CA != "" && c.Cert != "" && c.Key != ""
	if complete && c.Context == "" {
		return flags, nil // a file of contexts that is broken does not matter
	}
	path, err := contexts.Path()
	if err != nil {
		return flags, &Error{Err: err, Code: CodeUsage, Hint: contextHint}
	}
	set, err := contexts.Load(path)
	if err != nil {
		return flags, &Error{Err: err, Code: CodeUsage, Hint: "correct the file, or remove it and add the contexts again"}
	}
	name := c.Context
	if name == "" {
		name = set.Current
	}
	chosen, known := set.Contexts[name]
	if name != "" && !known {
		return flags, usage(contextHint, "%s", unknownContext(set, name))
	}
	chosen = chosen.Over(flags)
	for _, member := range []struct{ flag, value string }{{"--url", chosen.URL}, {"--ca", chosen.CA}, {"--cert", chosen.Certificate}, {"--key", chosen.Key}} {
		if member.value != "" {
			continue
		}
		if name == "" {
			return chosen, usage(contextHint, "no context is in use, and %s is not given", member.flag)
		}
		return chosen, usage(contextHint, "context %s: %s is not set, and not given", name, member.flag)
	}
	return chosen, nil
}

// connect makes the client.
func (r *Request) connect(out IO) (*planeclient.Client, error) {
	return r.Connection.connect(r.Timeout, out)
}

func (c *Connection) connect(timeout time.Duration, out IO) (*planeclient.Client, error) {
	if timeout < 0 {
		return nil, usage("", "--timeout is %v; want 0s or more", timeout)
	}
	chosen, err := c.resolve()
	if err != nil {
		return nil, err
	}
	client, err := planeclient.New(planeclient.Config{
		URL: chosen.URL, CAFile: chosen.CA, CertFile: chosen.Certificate, KeyFile: chosen.Key, Timeout: timeout,
		Waits: func(why string, d time.Duration) { fmt.Fprintf(out.Err, "note: %s; trying again in %v\n", why, d) },
	})
	if err != nil {
		return nil, &Error{Err: err, Code: CodeUsage, Hint: "--url, --ca, --cert and --key override the context; nothing was sent"}
	}
	return client, nil
}

// explain gives an error of a request its hint.
func explain(err error) error {
	var unreachable *planeclient.Unreachable
	if errors.As(err, &unreachable) {
		return &Error{Err: err, Code: CodeFailed, Hint: unreachable.Hint}
	}
	var refusal *planeclient.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	hint := ""
	switch {
	case refusal.Problem.Reason == "wrong_role":
		hint = "--cert names a certificate of an operator; refrain pki operator issues one"
	case refusal.Status == http.StatusUnauthorized:
		hint = "refrain pki inspect FILE shows what is in a certificate"
	case refusal.Status == http.StatusServiceUnavailable:
		hint = "--timeout says how long a request is tried again"
	case strings.HasPrefix(string(refusal.Problem.Reason), "unknown_rollout"):
		hint = "refrain rollout list --all shows all rollouts"
	case refusal.Problem.Reason == "unknown_host":
		hint = "refrain host list shows all hosts"
	}
	return &Error{Err: err, Code: CodeFailed, Hint: hint}
}
