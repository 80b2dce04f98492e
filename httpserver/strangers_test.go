package httpserver

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestStrangers_EveryAnswerIsTheLastOfItsConnection(t *testing.T) { // PROTOCOL T1
	h := start(t)
	for _, request := range []struct {
		method, path string
		want         wire.Code
	}{
		{http.MethodPost, heartbeatPath, wire.NoCertificate},
		{http.MethodGet, "/nothing", wire.NotFound},
		{http.MethodDelete, heartbeatPath, wire.MethodNotAllowed},
	} {
		a := h.stranger().do(request.method, request.path, "")
		a.want(t, request.want)
		if !a.last {
			t.Errorf("%s %s: %v keeps its connection", request.method, request.path, a)
		}
	}
	if a := h.agent("h1").do(http.MethodGet, "/nothing", ""); a.last {
		t.Error("a host's connection is closed after a 404")
	}
}

func TestStrangers_ConnectionsAreCountedByCertificate(t *testing.T) {
	h := start(t, func(c *Config) { c.MaxConnections = 40 })
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	if got := h.metric(`refrain_connections{certificate="verified"}`); got != 1 {
		t.Errorf("%v connections with a certificate, want 1", got)
	}
	if got := h.metric("refrain_connections_max"); got != 40 {
		t.Errorf("%v connections may be open, want 40", got)
	}
	if got := h.metric("refrain_tls_chain_verifications_total"); got != 1 {
		t.Errorf("%v chains were verified, want 1", got)
	}
}

func TestDescriptors_ConnectionsLeaveAReserve(t *testing.T) {
	for limit, want := range map[uint64]int{0: 0, 1: 0, 2: 1, 64: 32, 255: 127, 256: 128, 1024: 896, 524288: 524160, 1 << 40: 0} {
		if got := connectionsWithin(limit); got != want {
			t.Errorf("%d descriptors: %d connections, want %d", limit, got, want)
		}
	}
}

const tooFew = "2 known hosts need about 4 connections, and 3 may be open"

func TestDescriptors_TooFewAreWarnedOfAtTheStart(t *testing.T) {
	h := start(t, func(c *Config) { c.MaxConnections = 3 })
	h.openRollout("stable", "r1", "c1", "h1", "h2")
	h.eventually("the check warns", func() bool {
		_, body := h.ops("/readyz?verbose")
		return strings.Contains(body, `{"name":"descriptors","state":"warning","reason":"`+tooFew)
	})
	if lines := h.logs.matching("level=WARN", tooFew); len(lines) != 0 {
		t.Fatalf("warned before a day is over: %v", lines)
	}
	h.restart()
	h.eventually("a warning", func() bool { return len(h.logs.matching("level=WARN", tooFew)) == 1 })
}

func TestDescriptors_TooFewAreWarnedOfOnceADay(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.MaxConnections = 3 })
	h.server.metrics.publish(plane.Stats{HostsReachable: 1, HostsNeverSeen: 1})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.server.watchDescriptors(ctx)
	}()
	for day := range 3 {
		if day > 0 {
			h.clock.Add(24 * time.Hour)
		}
		h.eventually("a warning a day", func() bool { return len(h.logs.matching("level=WARN", tooFew)) == day+1 })
	}
	stop()
	<-ended
}
