package httpserver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// The load of a benchmark keeps a few connections open and sends one request
// after the other on each. It is a process of its own, this test binary again,
// so that the CPU time of the benchmark's process is the server's alone; or, if
// that is asked for, a few goroutines beside the server.

const loadVariable = "REFRAIN_TEST_LOAD"

// loadOrder is what the load is told, as one line of JSON, before the counts.
type loadOrder struct {
	Addr       string
	CA         []byte // PEM
	WantStatus string
	Hosts      []loadHost
}

// loadHost is one connection.
type loadHost struct {
	Cert, Key []byte // PEM
	Request   []byte // as it goes over the wire
}

// load is the benchmark's side of a load.
type load struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startLoad(b *testing.B, order loadOrder, inside bool) *load {
	b.Helper()
	l := new(load)
	var wait func() error
	if inside {
		orders, in := io.Pipe()
		out, reports := io.Pipe()
		l.in, l.out = in, bufio.NewReader(out)
		ended := make(chan error, 1)
		go func() {
			err := serveLoad(bufio.NewReader(orders), reports)
			reports.CloseWithError(err)
			ended <- err
		}()
		wait = func() error { return <-ended }
	} else {
		cmd := exec.Command(must(os.Executable())(b))
		cmd.Env = append(os.Environ(), loadVariable+"=1")
		cmd.Stderr = os.Stderr
		l.in = must(cmd.StdinPipe())(b)
		l.out = bufio.NewReader(must(cmd.StdoutPipe())(b))
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		wait = cmd.Wait
	}
	b.Cleanup(func() {
		l.in.Close()
		if err := wait(); err != nil {
			b.Error(err)
		}
	})
	line := must(json.Marshal(order))(b)
	if _, err := l.in.Write(append(line, '\n')); err != nil {
		b.Fatal(err)
	}
	return l
}

// run sends n requests and waits for their answers.
func (l *load) run(b *testing.B, n int) {
	b.Helper()
	if _, err := fmt.Fprintln(l.in, n); err != nil {
		b.Fatal(err)
	}
	if line := must(l.out.ReadString('\n'))(b); line != "done\n" {
		b.Fatal(line)
	}
}

// runLoad is the child's side. It reports whether this process is one.
func runLoad() bool {
	if os.Getenv(loadVariable) == "" {
		return false
	}
	if err := serveLoad(bufio.NewReader(os.Stdin), os.Stdout); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

func serveLoad(in *bufio.Reader, out io.Writer) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var order loadOrder
	if err := json.Unmarshal(line, &order); err != nil {
		return err
	}
	conns := make([]*loadConn, len(order.Hosts))
	for i := range conns {
		if conns[i], err = order.dial(&order.Hosts[i]); err != nil {
			return err
		}
		defer conns[i].Close()
	}
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		if err := order.spread(conns, n); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
}

type loadConn struct {
	net.Conn
	r       *bufio.Reader
	request []byte
}

func (o *loadOrder) dial(h *loadHost) (*loadConn, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(o.CA)
	pair, err := tls.X509KeyPair(h.Cert, h.Key)
	if err != nil {
		return nil, err
	}
	conn, err := tls.Dial("tcp", o.Addr, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
	if err != nil {
		return nil, err
	}
	return &loadConn{conn, bufio.NewReader(conn), h.Request}, nil
}

// spread sends n requests over the connections.
func (o *loadOrder) spread(conns []*loadConn, n int) error {
	var wg sync.WaitGroup
	errs := make([]error, len(conns))
	for i, c := range conns {
		share := n / len(conns)
		if i < n%len(conns) {
			share++
		}
		wg.Go(func() {
			for range share {
				if errs[i] = o.roundTrip(c); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// roundTrip sends the request and reads the answer, as cheaply as can be.
func (o *loadOrder) roundTrip(c *loadConn) error {
	if _, err := c.Write(c.request); err != nil {
		return err
	}
	status, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte(o.WantStatus)) {
		return fmt.Errorf("got %q, want %q", status, o.WantStatus)
	}
	length := 0
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(rest))); err != nil {
				return err
			}
		}
	}
	_, err = c.r.Discard(length)
	return err
}

// startHeartbeats starts a load of heartbeats, each connection a host.
func startHeartbeats(b *testing.B, ca *pki.Authority, addr net.Addr, connections int, inside bool) *load {
	b.Helper()
	order := loadOrder{Addr: addr.String(), WantStatus: "HTTP/1.1 200"}
	var err error
	if order.CA, _, err = pki.EncodePair(ca.Pair()); err != nil {
		b.Fatal(err)
	}
	for i := range connections {
		host := "host-" + strconv.Itoa(i)
		var h loadHost
		if h.Cert, h.Key, err = pki.EncodePair(must(ca.IssueAgent(host, pki.Validity{}))(b)); err != nil {
			b.Fatal(err)
		}
		body := `{"hostname":"` + host + `","rollout_id":"stable@2026-01-01.1","current_closure":"` +
			`/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-nixos-system-h-26.05","at":"2026-01-01T00:00:00.123456789Z"}`
		h.Request = []byte("POST /v1/agent/heartbeat HTTP/1.1\r\nHost: plane\r\nContent-Type: application/json\r\n" +
			"X-Nixfleet-Protocol: 1\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
		order.Hosts = append(order.Hosts, h)
	}
	return startLoad(b, order, inside)
}
