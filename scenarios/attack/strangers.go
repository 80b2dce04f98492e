package attack

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"time"
)

// Attacks of clients without a certificate of the fleet.

// chain sends a certificate with slow ones after it. Each of them may have signed it,
// by its name, and none has.
func chain(_ context.Context, a *attacker) (func(context.Context) error, error) {
	pair, err := BogusChain("agent-"+hostname(0)+"."+fleetSuffix, a.number(99, 20))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		var all sync.WaitGroup
		for tick := time.NewTicker(200 * time.Millisecond); ctx.Err() == nil; {
			all.Go(func() { a.bogusHandshake(ctx, &pair) })
			select {
			case <-ctx.Done():
				tick.Stop()
			case <-tick.C:
			}
		}
		all.Wait()
		return nil
	}, nil
}

// bogusHandshake makes a handshake that the server has to refuse. With TLS 1.3 the
// client learns of it with what it reads next.
func (a *attacker) bogusHandshake(ctx context.Context, pair *tls.Certificate) {
	l, err := a.connect(ctx, pair)
	if err != nil {
		a.count("handshakes refused")
		return
	}
	defer l.close()
	if got, err := l.do("POST", heartbeatPath, heartbeatOf(hostname(0))); err == nil {
		a.wrong("a certificate that the CA did not sign is answered %d", got.status)
	} else if ctx.Err() == nil {
		a.count("handshakes refused")
	} else {
		a.count("handshakes not ended")
	}
}

// slowHeaders begins requests and sends their headers slowly.
func slowHeaders(_ context.Context, a *attacker) (func(context.Context) error, error) {
	return func(ctx context.Context) error {
		inParallel(ctx, a.number(500, 40), func(ctx context.Context, _ int) error {
			return a.trickle(ctx, nil, "POST "+heartbeatPath+" HTTP/1.1\r\nHost: plane\r\nX-Slow: ")
		})
		return nil
	}, nil
}

// trickle connects, sends the beginning of a request and then a byte a second, until
// the server closes the connection.
func (a *attacker) trickle(ctx context.Context, pair *tls.Certificate, beginning string) error {
	l, err := a.connect(ctx, pair)
	if err != nil {
		a.lost(ctx, err, "connections failed")
		return err
	}
	defer l.close()
	a.count("connections")
	closed := make(chan error, 1)
	go func() { closed <- drain(l.in) }()
	if _, err := io.WriteString(l.secure, beginning); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-closed:
			a.lost(ctx, err, "closed by the server")
			return nil
		case <-tick.C:
			if _, err := l.secure.Write([]byte{'x'}); err != nil {
				return err
			}
		}
	}
}

// drain reads until the connection ends, and returns how.
func drain(from io.Reader) error {
	if _, err := io.Copy(io.Discard, from); err != nil {
		return err
	}
	return io.EOF
}

// halfOpen begins handshakes and does not end them.
func halfOpen(_ context.Context, a *attacker) (func(context.Context) error, error) {
	hello, err := ClientHello()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return a.hold(ctx, hello) }, nil
}

// idle opens connections and sends nothing.
func idle(_ context.Context, a *attacker) (func(context.Context) error, error) {
	return func(ctx context.Context) error { return a.hold(ctx, nil) }, nil
}

// hold keeps connections open over which it has sent a beginning, and opens others for
// those that the server closes.
func (a *attacker) hold(ctx context.Context, beginning []byte) error {
	inParallel(ctx, a.sockets(a.number(10_000, 400)), func(ctx context.Context, _ int) error {
		conn, err := a.dial(ctx)
		if err != nil {
			a.lost(ctx, err, "connections failed")
			return err
		}
		defer conn.Close()
		a.count("connections")
		if _, err = conn.Write(beginning); err == nil {
			err = drain(conn)
		}
		a.lost(ctx, err, "closed by the server")
		pause(ctx, time.Second)
		return err
	})
	return nil
}

// ClientHello is what a client of TLS sends first.
func ClientHello() ([]byte, error) {
	near, far := net.Pipe()
	defer near.Close()
	go func() { _ = tls.Client(far, clientConfig(nil)).Handshake() }()
	hello := make([]byte, 16<<10)
	n, err := near.Read(hello)
	return hello[:n], err
}

// handshakeFlood makes handshakes without a certificate as fast as it can. It ends
// before the ports of this machine do.
func handshakeFlood(_ context.Context, a *attacker) (func(context.Context) error, error) {
	left := make(chan struct{}, 50_000)
	for range cap(left) {
		left <- struct{}{}
	}
	return func(ctx context.Context) error {
		inParallel(ctx, a.number(64, 8), func(ctx context.Context, _ int) error {
			select {
			case <-left:
			default:
				<-ctx.Done()
				return nil
			}
			l, err := a.connect(ctx, nil)
			if err != nil {
				a.lost(ctx, err, "handshakes failed")
				return err
			}
			l.close()
			a.count("handshakes")
			return nil
		})
		return nil
	}, nil
}

// BogusChain makes a client's certificate with a common name, and n slow certificates
// after it. Each of them may have signed it, by its name, and none has.
func BogusChain(name string, n int) (tls.Certificate, error) {
	issuer := pkix.Name{CommonName: "bogus"}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: issuer, BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	sign := func(template *x509.Certificate, public any, by *ecdsa.PrivateKey) ([]byte, error) {
		return x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: issuer}, public, by)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair := tls.Certificate{PrivateKey: own}
	for i := range n + 1 {
		key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			return tls.Certificate{}, err
		}
		of, public := template, any(key.Public())
		if i == 0 {
			of.Subject.CommonName, of.IsCA, of.KeyUsage = name, false, x509.KeyUsageDigitalSignature
			of.ExtKeyUsage, public = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, own.Public()
		}
		der, err := sign(&of, public, key)
		if err != nil {
			return tls.Certificate{}, err
		}
		pair.Certificate = append(pair.Certificate, der)
	}
	return pair, nil
}
