package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// balancer lets clients connect to the plane while its readiness probe is good,
// and holds them up while it is not, as a load balancer with a queue does.
type balancer struct {
	rig *killRig
	up  atomic.Bool
}

// watch probes the plane until ctx ends.
func (b *balancer) watch(ctx context.Context) {
	for ctx.Err() == nil {
		ready, _ := b.rig.ready()
		b.up.Store(ready)
		pause(ctx, 20*time.Millisecond)
	}
}

func (b *balancer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for !b.up.Load() {
		pause(ctx, 20*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// pollingHost waits for work as an agent does: when it is refused, it comes back
// after Retry-After.
type pollingHost struct {
	rig     *killRig
	client  *http.Client
	closed  int      // answers 503 closed
	problem []string // anything else but 200 and 204
}

func (p *pollingHost) poll(ctx context.Context) {
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.rig.demo.url+"/v1/agent/dispatch?wait=60", nil)
		if err != nil {
			panic(err)
		}
		response, err := p.client.Do(request)
		if err != nil {
			if ctx.Err() == nil {
				p.problem = append(p.problem, err.Error())
			}
			continue
		}
		var told struct{ Reason string }
		_ = json.NewDecoder(response.Body).Decode(&told)
		response.Body.Close()
		after, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		switch {
		case response.StatusCode == http.StatusOK: // the dispatch that the events are about
			pause(ctx, 50*time.Millisecond)
		case response.StatusCode == http.StatusServiceUnavailable && told.Reason == "closed" && after > 0:
			p.closed++
			pause(ctx, time.Duration(after)*time.Second)
		case response.StatusCode != http.StatusNoContent:
			p.problem = append(p.problem, fmt.Sprintf("%s %s", response.Status, told.Reason))
		}
	}
}

// TestServe_DrainsUnderLoad stops the real binary with SIGTERM while every host
// sends events as fast as they are answered and has a poll waiting, and starts it
// again. No request is left without an answer, none is refused but by closed, the
// polls are answered while events still are, and nothing is lost.
func TestServe_DrainsUnderLoad(t *testing.T) { // PROTOCOL D3, G7, E2
	t.Parallel()
	hosts := 200
	if testing.Short() {
		hosts = 25
	}
	k := newKillRig(t, t.TempDir(), hosts)
	k.flags = []string{"--drain-time", "3s"}
	k.start()
	k.open()
	b := &balancer{rig: k}
	var polling []*pollingHost
	for _, h := range k.hosts {
		h.client.Transport.(*http.Transport).DialContext = b.dial
		h.client.Timeout = patience
		client, err := k.demo.client("agents/" + string(h.name))
		if err != nil {
			t.Fatal(err)
		}
		client.Transport.(*http.Transport).DialContext = b.dial
		client.Timeout = patience
		t.Cleanup(client.CloseIdleConnections)
		polling = append(polling, &pollingHost{rig: k, client: client})
	}
	ctx, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	beside.Go(func() { b.watch(ctx) })
	for _, p := range polling {
		beside.Go(func() { p.poll(ctx) })
	}
	k.load(func() {
		until(t, "every host has its poll waiting", func() bool { return k.metric("refrain_polls_waiting") == float64(hosts) })
		if err := k.process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		until(t, "it is not ready", func() bool { ready, _ := k.ready(); return !ready })
		before := k.count.Load()
		k.wantExit()
		// Who was refused at once could have had one event each answered.
		if during := k.count.Load() - before; during <= int64(hosts) {
			t.Errorf("%d events of %d hosts were taken while it was not ready and drained; want more", during, hosts)
		}
		before = k.count.Load()
		k.start()
		until(t, "every host is back", func() bool {
			return k.metric("refrain_polls_waiting") == float64(hosts) && k.count.Load() > before
		})
	})
	stop()
	beside.Wait()
	k.stop()
	k.checkLedger()
	k.wantAudited("after the drain")
	failed, refused, closed := 0, 0, 0
	for i, h := range k.hosts {
		failed, refused, closed = failed+h.failed, refused+h.refused, closed+polling[i].closed
		for _, problem := range polling[i].problem {
			t.Errorf("a poll of %s: %s", h.name, problem)
		}
	}
	if failed > 0 {
		t.Errorf("%d events had no answer", failed)
	}
	if closed != hosts {
		t.Errorf("%d polls were answered closed; want one of each of %d hosts", closed, hosts)
	}
	t.Logf("%d hosts, %d events acknowledged, %d refused, %d polls closed", hosts, k.count.Load(), refused, closed)
}
