package attack

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// Attacks on what is refused: none may get an answer that it should not have.

// ambiguous is a request that two readers may read differently. hidden is within it.
type ambiguous struct {
	name string
	// lines are headers, body is what follows them.
	lines, body string
	// may are the statuses that are right. Whatever the status, the answer is the last
	// of its connection.
	may []int
}

// ambiguities are the ways to hide a request in another. The server may read a request
// in one way and close the connection with its answer (RFC 9112, 6.1 and 5.2), or
// refuse it.
func ambiguities() []ambiguous {
	beat := heartbeatOf(hostname(0))
	hidden := requestText(http.MethodPost, heartbeatPath, beat)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(beat), beat)
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	const transfer = "Transfer-Encoding: chunked\r\n"
	refused, read := []int{http.StatusBadRequest}, []int{http.StatusBadRequest, http.StatusOK}
	return []ambiguous{
		{"a length and chunks", length(len(chunked)+len(hidden)) + transfer, chunked + hidden, read},
		{"chunks and a length", transfer + length(len(chunked)), chunked + hidden, read},
		{"two lengths", length(len(beat)) + length(len(beat)+len(hidden)), beat + hidden, refused},
		{"a list of lengths", fmt.Sprintf("Content-Length: %d, %d\r\n", len(beat), len(beat)+len(hidden)), beat + hidden, refused},
		{"a length with a sign", fmt.Sprintf("Content-Length: +%d\r\n", len(beat)), beat + hidden, refused},
		{"a space before the colon", fmt.Sprintf("Content-Length : %d\r\n", len(beat)), beat + hidden, refused},
		{"a folded line", "Transfer-Encoding:\r\n chunked\r\n" + length(len(chunked)+len(hidden)), chunked + hidden, read},
		{"two codings", transfer + "Transfer-Encoding: identity\r\n", chunked + hidden, []int{http.StatusBadRequest, http.StatusNotImplemented}},
		{"an unknown coding", "Transfer-Encoding: xchunked\r\n" + length(len(beat)), beat + hidden, []int{http.StatusBadRequest, http.StatusNotImplemented}},
		{"a chunk without a size", transfer, "zz\r\n" + beat + "\r\n0\r\n\r\n" + hidden, refused},
		{"a chunk with a size beyond 64 bits", transfer, "fffffffffffffffff\r\n" + beat + "\r\n0\r\n\r\n" + hidden, refused},
		{"a chunk that is longer than its size", transfer, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(beat)-2, beat) + hidden, refused},
	}
}

// smuggling sends each of them, again and again.
func smuggling(_ context.Context, a *attacker) (func(context.Context) error, error) {
	pair, err := a.agent(0)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		for ctx.Err() == nil {
			for _, request := range ambiguities() {
				if err := a.smuggle(ctx, pair, request); err != nil && ctx.Err() == nil {
					return err
				}
			}
			pause(ctx, 200*time.Millisecond)
		}
		return nil
	}, nil
}

// smuggleTimeout bounds the wait for the end of a connection.
const smuggleTimeout = time.Minute

func (a *attacker) smuggle(ctx context.Context, pair *tls.Certificate, request ambiguous) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), smuggleTimeout)
	defer cancel()
	l, err := a.connect(ctx, pair)
	if err != nil {
		return err
	}
	defer l.close()
	text := "POST " + heartbeatPath + " HTTP/1.1\r\nHost: plane\r\nContent-Type: application/json\r\n" + request.lines + "\r\n" + request.body
	if _, err := io.WriteString(l.secure, text); err != nil {
		return nil // the server has closed the connection
	}
	got, err := l.read()
	if err != nil {
		a.count("closed without an answer")
		return nil
	}
	a.count("answers " + fmt.Sprint(got.status))
	if !slices.Contains(request.may, got.status) {
		a.wrong("%s: answered %d, want one of %v", request.name, got.status, request.may)
	}
	if second, err := l.read(); err == nil {
		a.wrong("%s: the request within it is answered %d", request.name, second.status)
	} else if ctx.Err() != nil {
		a.wrong("%s: the connection is kept open", request.name)
	}
	return nil
}

// refusedHosts is how many hosts at a time lose their certificates.
const refusedHosts = 20

// revoked revokes the certificates of hosts with open connections.
func revoked(_ context.Context, a *attacker) (func(context.Context) error, error) {
	return a.losing(pki.Validity{}, func(ctx context.Context, hosts []string) error {
		operator, err := a.operator(ctx)
		if err != nil {
			return err
		}
		defer operator.close()
		for _, host := range hosts {
			if err := wanted(operator, http.StatusOK, http.MethodPost, revokePath, fmt.Sprintf(`{"common_name":"agent-%s.%s"}`, host, fleetSuffix)); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// expired waits until the certificates of hosts with open connections have expired.
func expired(_ context.Context, a *attacker) (func(context.Context) error, error) {
	return a.losing(pki.Validity{NotAfter: time.Now()}, func(ctx context.Context, _ []string) error {
		pause(ctx, lifetime+time.Second)
		return nil
	}), nil
}

// lifetime is that of a certificate which is to expire.
const lifetime = 4 * time.Second

// losing opens connections of hosts, has lose take away their certificates' validity,
// and goes on: every request has to be 401 and to close its connection. A new connection
// is refused as well.
func (a *attacker) losing(validity pki.Validity, lose func(context.Context, []string) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for round := 0; round == 0 || ctx.Err() == nil; round++ {
			// A round that has begun is ended: its answers are what matters.
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout/2)
			err := a.loseRound(ending, round, validity, lose)
			cancel()
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func (a *attacker) loseRound(ctx context.Context, round int, validity pki.Validity, lose func(context.Context, []string) error) error {
	if !validity.NotAfter.IsZero() {
		validity.NotAfter = time.Now().Add(lifetime)
	}
	var hosts []string
	var links []*link
	var pairs []*tls.Certificate
	defer func() {
		for _, l := range links {
			l.close()
		}
	}()
	for i := range refusedHosts {
		host := fmt.Sprintf("loser-%d-%d", round, i)
		pair, err := a.issue(host, validity)
		if err != nil {
			return err
		}
		l, err := a.connect(ctx, pair)
		if err != nil {
			a.count("not connected") // on a slow machine it may have expired already
			continue
		}
		links, pairs, hosts = append(links, l), append(pairs, pair), append(hosts, host)
		if _, err := l.do(http.MethodPost, heartbeatPath, heartbeatOf(host)); err != nil {
			a.count("not connected")
			continue
		}
		a.count("connections")
	}
	if err := lose(ctx, hosts); err != nil {
		return err
	}
	for i, l := range links {
		got, err := l.do(http.MethodPost, heartbeatPath, heartbeatOf(hosts[i]))
		a.refusedAs("kept", got, err)
		if err != nil {
			continue
		}
		if _, err := l.do(http.MethodPost, heartbeatPath, heartbeatOf(hosts[i])); err == nil {
			a.wrong("a connection is kept after a 401")
		}
		fresh, err := a.connect(ctx, pairs[i])
		if err == nil {
			got, err = fresh.do(http.MethodPost, heartbeatPath, heartbeatOf(hosts[i]))
			fresh.close()
		}
		a.refusedAs("new", got, err)
	}
	return nil
}

// refusedAs judges the answer to a certificate that is no longer good: 401, or no
// answer at all.
func (a *attacker) refusedAs(connection string, got answer, err error) {
	switch {
	case err != nil:
		a.count("closed without an answer")
	case got.status != http.StatusUnauthorized:
		a.wrong("over a %s connection a certificate that is no longer good is answered %d %s", connection, got.status, strings.TrimSpace(got.body))
	default:
		a.count("answers 401")
	}
}
