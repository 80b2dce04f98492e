package attack

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What an operator's requests cost, by a mistake or in bad faith.

// historyReaders reads large pages of a history slowly.
func historyReaders(ctx context.Context, a *attacker) (func(context.Context) error, error) {
	const size = 60_000
	hosts, each := 8, a.number(6, 1)
	pairs, err := a.enrol(ctx, hosts)
	if err != nil {
		return nil, err
	}
	for i, pair := range pairs {
		l, err := a.connect(ctx, pair)
		if err != nil {
			return nil, err
		}
		for seq := 3; seq < 3+each && err == nil; seq++ {
			var got answer
			if got, err = l.do(http.MethodPost, eventsPath, a.event(i, seq, size)); err == nil && got.status != http.StatusNoContent {
				a.count("events refused " + strconv.Itoa(got.status))
			}
		}
		l.close()
		if err != nil {
			return nil, err
		}
	}
	path := rolloutsPath + "/" + url.PathEscape(string(attackRollout)) + "/events?limit=1000"
	return func(ctx context.Context) error {
		inParallel(ctx, a.number(6, 4), func(ctx context.Context, _ int) error {
			l, err := a.operator(ctx)
			if err != nil {
				return err
			}
			defer l.close()
			if tcp, is := l.conn.(*net.TCPConn); is {
				_ = tcp.SetReadBuffer(4 << 10)
			}
			if _, err := l.secure.Write([]byte(requestText(http.MethodGet, path, ""))); err != nil {
				return err
			}
			response, err := http.ReadResponse(l.in, nil)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			a.count("answers " + strconv.Itoa(response.StatusCode))
			page := make([]byte, 1<<10)
			for ctx.Err() == nil && err == nil {
				var n int
				n, err = response.Body.Read(page)
				a.countN("bytes read", int64(n))
				pause(ctx, 250*time.Millisecond)
			}
			return err
		})
		return nil
	}, nil
}

// giantManifests opens rollouts of many hosts.
func giantManifests(_ context.Context, a *attacker) (func(context.Context) error, error) {
	const ref = "REF"
	template := manifest("giant", ref, "c", a.number(150_000, 5000), func(i int) string { return "g" + strconv.Itoa(i) })
	most := a.number(5, 2)
	return func(ctx context.Context) error {
		for i := 0; ctx.Err() == nil && i < most; i++ {
			// Not before the answer: the plane goes on with it in any case.
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout/2)
			l, err := a.operator(ending)
			if err == nil {
				_, err = a.request(l, http.MethodPost, rolloutsPath, strings.Replace(template, `"`+ref+`"`, `"`+strconv.Itoa(i)+`"`, 1))
				l.close()
			}
			if err != nil {
				a.count("no answer")
			}
			cancel()
			pause(ctx, 200*time.Millisecond)
		}
		<-ctx.Done()
		return nil
	}, nil
}
