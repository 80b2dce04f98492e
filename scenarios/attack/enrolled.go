package attack

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Attacks of hosts with a certificate of the fleet.

// enrol opens a rollout of n attackers and reports for each that it has begun to soak,
// after which it may send events of a probe from number 3 on without an end.
func (a *attacker) enrol(ctx context.Context, n int) ([]*tls.Certificate, error) {
	if err := a.openRollout(ctx, n); err != nil {
		return nil, err
	}
	pairs := make([]*tls.Certificate, n)
	for i := range pairs {
		pair, err := a.agent(i)
		if err != nil {
			return nil, err
		}
		l, err := a.connect(ctx, pair)
		if err != nil {
			return nil, err
		}
		for seq := 1; seq <= 2 && err == nil; seq++ {
			err = wanted(l, http.StatusNoContent, http.MethodPost, eventsPath, a.event(i, seq, 0))
		}
		l.close()
		if err != nil {
			return nil, err
		}
		pairs[i] = pair
	}
	return pairs, nil
}

func (a *attacker) event(i, seq, signature int) string {
	return eventOf(hostname(i), attackRollout, attackClosure, seq, signature)
}

// session makes requests over one connection until it ends.
func (a *attacker) session(ctx context.Context, pair *tls.Certificate, each func(*link) error) error {
	l, err := a.connect(ctx, pair)
	if err != nil {
		a.lost(ctx, err, "connections failed")
		return err
	}
	defer l.close()
	a.count("connections")
	for ctx.Err() == nil && err == nil {
		err = each(l)
	}
	a.lost(ctx, err, "closed by the server")
	return err
}

// request makes a request and counts its answer.
func (a *attacker) request(l *link, method, path, body string) (answer, error) {
	got, err := l.do(method, path, body)
	if err == nil {
		a.count("answers " + strconv.Itoa(got.status))
		if got.last {
			err = io.EOF
		}
	}
	return got, err
}

// slowBodies sends bodies slowly. The server reads them, since the certificate is good.
func slowBodies(_ context.Context, a *attacker) (func(context.Context) error, error) {
	pair, err := a.agent(0)
	if err != nil {
		return nil, err
	}
	beginning := strings.TrimSuffix(requestText(http.MethodPost, eventsPath, strings.Repeat(" ", 60_000)), strings.Repeat(" ", 60_000))
	return func(ctx context.Context) error {
		inParallel(ctx, a.number(300, 20), func(ctx context.Context, _ int) error {
			return a.trickle(ctx, pair, beginning)
		})
		return nil
	}, nil
}

// ownName sends heartbeats and events of one host as fast as they are answered.
func ownName(ctx context.Context, a *attacker) (func(context.Context) error, error) {
	pairs, err := a.enrol(ctx, 1)
	if err != nil {
		return nil, err
	}
	var seq atomic.Int64
	seq.Store(2)
	return func(ctx context.Context) error {
		inParallel(ctx, a.number(100, 10), func(ctx context.Context, i int) error {
			return a.session(ctx, pairs[0], func(l *link) error {
				path, body := heartbeatPath, heartbeatOf(hostname(0))
				if i%2 == 0 {
					path, body = eventsPath, a.event(0, int(seq.Add(1)), 0)
				}
				_, err := a.request(l, http.MethodPost, path, body)
				return err
			})
		})
		return nil
	}, nil
}

// polls polls with one certificate over many connections. Each poll answers the one
// that waited before it, which comes again at once.
func polls(_ context.Context, a *attacker) (func(context.Context) error, error) {
	pair, err := a.agent(0)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		handshakes := make(chan struct{}, 64)
		inParallel(ctx, a.sockets(a.number(5000, 50)), func(ctx context.Context, _ int) error {
			select {
			case handshakes <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			l, err := a.connect(ctx, pair)
			<-handshakes
			if err != nil {
				return err
			}
			defer l.close()
			a.count("connections")
			for ctx.Err() == nil && err == nil {
				_, err = a.request(l, http.MethodGet, dispatchPath+"60", "")
			}
			return err
		})
		return nil
	}, nil
}

// certificates opens connections with many certificates, and keeps them in use.
func certificates(_ context.Context, a *attacker) (func(context.Context) error, error) {
	const each = 16
	hosts := a.number(200, 12)
	if fit := a.sockets(hosts*each) / each; fit < hosts {
		hosts = fit
	}
	pairs := make([]*tls.Certificate, hosts)
	for i := range pairs {
		pair, err := a.agent(i)
		if err != nil {
			return nil, err
		}
		pairs[i] = pair
	}
	return func(ctx context.Context) error {
		inParallel(ctx, hosts*each, func(ctx context.Context, i int) error {
			return a.session(ctx, pairs[i/each], func(l *link) error {
				_, err := a.request(l, http.MethodPost, heartbeatPath, heartbeatOf(hostname(i/each)))
				pause(ctx, time.Second)
				return err
			})
		})
		return nil
	}, nil
}

// diskFilling sends events that are stored almost as large as they may be: what an
// event keeps whole is its signature.
func diskFilling(ctx context.Context, a *attacker) (func(context.Context) error, error) {
	const size = 60_000
	pairs, err := a.enrol(ctx, 1)
	if err != nil {
		return nil, err
	}
	most := int64(a.number(4000, 50))
	var seq, taken atomic.Int64
	seq.Store(2)
	return func(ctx context.Context) error {
		inParallel(ctx, 8, func(ctx context.Context, _ int) error {
			return a.session(ctx, pairs[0], func(l *link) error {
				if taken.Load() >= most {
					<-ctx.Done()
					return nil
				}
				got, err := a.request(l, http.MethodPost, eventsPath, a.event(0, int(seq.Add(1)), size))
				if err == nil && got.status == http.StatusNoContent {
					taken.Add(1)
					a.countN("bytes accepted", size)
				}
				return err
			})
		})
		return nil
	}, nil
}

// pipelining sends many requests at once over each connection, and reads the answers
// meanwhile.
func pipelining(_ context.Context, a *attacker) (func(context.Context) error, error) {
	pair, err := a.agent(0)
	if err != nil {
		return nil, err
	}
	requests := a.number(500, 50)
	return func(ctx context.Context) error {
		inParallel(ctx, a.number(20, 4), func(ctx context.Context, _ int) error {
			return a.session(ctx, pair, func(l *link) error {
				burst := strings.Repeat(requestText(http.MethodPost, heartbeatPath, heartbeatOf(hostname(0))), requests)
				sent := make(chan error, 1)
				go func() {
					_, err := io.WriteString(l.secure, burst)
					sent <- err
				}()
				for range requests {
					got, err := l.read()
					if err != nil {
						l.close()
						<-sent
						return err
					}
					a.count(fmt.Sprint("answers ", got.status))
				}
				return <-sent
			})
		})
		return nil
	}, nil
}
