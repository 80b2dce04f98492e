package attack

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

const (
	heartbeatPath = "/v1/agent/heartbeat"
	eventsPath    = "/v1/agent/events"
	dispatchPath  = "/v1/agent/dispatch?wait="
	rolloutsPath  = "/v1/operator/rollouts"
	revokePath    = "/v1/operator/revocations"
)

// ours is the line of a request by which an agent names itself (PROTOCOL T12).
const ours = wire.HeaderAgent + ": " + wire.AgentVersion + "\r\n"

// checkLoopback refuses every address but one of the loopback, so that nothing else
// is ever attacked.
func checkLoopback(address string) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w; want an address of the loopback and a port, such as 127.0.0.1:0", address, err)
	}
	if !parsed.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("address %s is not of the loopback; want 127.0.0.1:PORT or [::1]:PORT: nothing else is attacked", address)
	}
	return nil
}

// dial connects to the server from an address of its own where there is one: every
// address of 127/8 is this machine's on Linux. The connection has the deadline of ctx.
func (a *attacker) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{}
	if runtime.GOOS == "linux" && strings.HasPrefix(a.plan.Address, "127.") {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
	}
	conn, err := dialer.DialContext(ctx, "tcp", a.plan.Address)
	if err != nil {
		return nil, err
	}
	if deadline, has := ctx.Deadline(); has {
		_ = conn.SetDeadline(deadline)
	}
	if tcp, is := conn.(*net.TCPConn); is {
		_ = tcp.SetLinger(0) // a flood would use up the ports of this machine
	}
	return conn, nil
}

// link is a connection to the server.
type link struct {
	conn   net.Conn
	secure *tls.Conn
	in     *bufio.Reader
	out    *http.Request // what answers are read for
}

// connect makes a connection over TLS, with a certificate unless it is nil.
func (a *attacker) connect(ctx context.Context, pair *tls.Certificate) (*link, error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, err
	}
	return a.secure(ctx, conn, pair)
}

func (a *attacker) secure(ctx context.Context, conn net.Conn, pair *tls.Certificate) (*link, error) {
	secure := tls.Client(conn, clientConfig(pair))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &link{conn: conn, secure: secure, in: bufio.NewReaderSize(secure, 2048)}, nil
}

func clientConfig(pair *tls.Certificate) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} //nolint:gosec // an attacker does not care
	if pair != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	return c
}

// close closes the connection at once, without a word.
func (l *link) close() { _ = l.conn.Close() }

// answer is an answer of the server.
type answer struct {
	status int
	last   bool // of its connection
	body   string
}

// do sends a request and reads its answer.
func (l *link) do(method, path, body string) (answer, error) {
	if _, err := io.WriteString(l.secure, requestText(method, path, body)); err != nil {
		return answer{}, err
	}
	return l.read()
}

// requestText is a request as it is sent.
func requestText(method, path, body string) string {
	if method == http.MethodGet {
		return method + " " + path + " HTTP/1.1\r\nHost: plane\r\n" + ours + "\r\n"
	}
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: plane\r\n%s%s: %s\r\nContent-Length: %d\r\n\r\n%s", method, path, ours, wire.HeaderContentType, wire.MediaJSON, len(body), body)
}

// maxBody bounds how much of the body of an answer is kept.
const maxBody = 1 << 16

// read reads an answer.
func (l *link) read() (answer, error) {
	response, err := http.ReadResponse(l.in, l.out)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
	}
	return answer{response.StatusCode, response.Close, string(body)}, err
}

// agent issues the certificate of an enrolled attacker.
func (a *attacker) agent(i int) (*tls.Certificate, error) {
	return a.issue(hostname(i), pki.Validity{})
}

func (a *attacker) issue(host string, validity pki.Validity) (*tls.Certificate, error) {
	pair, err := a.authority.IssueAgent(host, validity)
	return &pair, err
}

// operator makes a connection of an operator.
func (a *attacker) operator(ctx context.Context) (*link, error) {
	pair, err := a.authority.IssueOperator("attack", pki.Validity{})
	if err != nil {
		return nil, err
	}
	return a.connect(ctx, &pair)
}

// openRollout opens the attackers' rollout, of n hosts.
func (a *attacker) openRollout(ctx context.Context, n int) error {
	operator, err := a.operator(ctx)
	if err != nil {
		return err
	}
	defer operator.close()
	return wanted(operator, http.StatusCreated, http.MethodPost, rolloutsPath, manifest(attackChannel, "1", attackClosure, n, hostname))
}

// wanted sends a request whose answer has to have a status.
func wanted(l *link, status int, method, path, body string) error {
	got, err := l.do(method, path, body)
	if err == nil && got.status != status {
		err = fmt.Errorf("%s %s is answered %d %s; want %d", method, path, got.status, got.body, status)
	}
	return err
}

// manifest is a manifest with n hosts in one wave.
func manifest(channel, ref, closure string, n int, host func(int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"channel":%q,"channel_ref":%q,"policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0}]},"hosts":[`, channel, ref)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"hostname":%q,"wave":0,"target_closure":%q}`, host(i), closure)
	}
	b.WriteString("]}")
	return b.String()
}

// heartbeatOf is the body of a heartbeat.
func heartbeatOf(host string) string {
	return fmt.Sprintf(`{"hostname":%q,"at":%q}`, host, now())
}

// eventOf is the body of an event: the first two of a host begin its rollout, the
// others are results of a probe, with a signature of so many bytes.
func eventOf(host string, rollout wire.RolloutID, closure string, seq, signature int) string {
	event := fmt.Sprintf(`"kind":"ProbeResult","probeName":"http","mode":"enforce","status":"pass","observedAt":%q`, now())
	switch seq {
	case 1:
		event = fmt.Sprintf(`"kind":"DispatchAck","currentClosureAtDispatch":"c0","receivedAt":%q`, now())
	case 2:
		event = fmt.Sprintf(`"kind":"ActivationCompleted","observedCurrentClosure":%q,"exitCode":0,"completedAt":%q`, closure, now())
	}
	signed := ""
	if signature > 0 {
		signed = `,"signature":"` + strings.Repeat("s", signature) + `"`
	}
	return fmt.Sprintf(`{"hostname":%q,"rolloutId":%q,"event":{"seq":%d,%s}%s}`, host, rollout, seq, event, signed)
}

func now() string { return time.Now().UTC().Format(time.RFC3339Nano) }
