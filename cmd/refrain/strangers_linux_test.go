package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/scenarios/attack"
)

// Attacks of strangers on the real binary, over the loopback alone, from 127.0.0.2:
// every address of 127/8 is this machine's on Linux. Each is bounded in number and
// time. They count what happens and measure no time: hosts have to be answered all
// through an attack, over kept and over new connections.

const strangerAddress = "127.0.0.2"

// strangerDial connects as a stranger.
func (k *killRig) strangerDial() (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(strangerAddress)}, Timeout: 5 * time.Second}
	return dialer.Dial("tcp", k.listen)
}

// heartbeatOf sends a heartbeat of a host.
func (k *killRig) heartbeatOf(h *ledgerHost) error {
	body := fmt.Sprintf(`{"hostname":%q,"at":"2026-01-31T12:00:00Z"}`, h.name)
	response, err := h.client.Post(k.demo.url+"/v1/agent/heartbeat", wire.MediaJSON, strings.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", response.StatusCode, text)
	}
	return err
}

// duringAttack runs an attack while every host sends heartbeats, half of them over a new
// connection each time. None may fail.
func (k *killRig) duringAttack(attack func()) {
	k.t.Helper()
	ctx, stop := context.WithCancel(k.t.Context())
	var hosts sync.WaitGroup
	for i, h := range k.hosts {
		hosts.Go(func() {
			for sent := 0; sent < 3 || ctx.Err() == nil; sent++ {
				if err := k.heartbeatOf(h); err != nil {
					k.t.Errorf("%s, heartbeat %d: %v", h.name, sent, err)
					return
				}
				if i%2 == 0 {
					h.client.CloseIdleConnections()
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	attack()
	stop()
	hosts.Wait()
	if good, body := k.probe("/livez"); !good {
		k.t.Errorf("/livez: %s", body)
	}
}

func TestStrangers_LongChainsAreNotVerified(t *testing.T) { // PROTOCOL T1
	k := newKillRig(t, t.TempDir(), 6)
	k.flags = []string{"--drain-time", "0s"}
	k.start()
	for _, n := range []int{99, 20, 1} {
		verified := k.metric("refrain_tls_chain_verifications_total")
		pair, err := attack.BogusChain("agent-load-0."+devSuffix, n)
		if err != nil {
			t.Fatal(err)
		}
		attack := func(attacks int) {
			for range attacks {
				conn, err := k.strangerDial()
				if err != nil {
					t.Fatal(err)
				}
				secured := tls.Client(conn, &tls.Config{
					InsecureSkipVerify:   true, //nolint:gosec // an attacker does not care
					GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
				})
				_ = secured.Handshake() // the server refuses after it
				_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := secured.Read(make([]byte, 1)); err == nil {
					t.Errorf("%d certificates: the server sends something", n)
				}
				_ = conn.Close()
			}
		}
		attack(10) // alone: none of its chains is verified
		if got := k.metric("refrain_tls_chain_verifications_total"); got != verified {
			t.Errorf("%d certificates: %v chains were verified, want none", n, got-verified)
		}
		k.duringAttack(func() { attack(10) })
	}
	refused := k.metric(`refrain_tls_handshake_errors_total{cause="long_chain"}`) + k.metric(`refrain_tls_handshake_errors_total{cause="too_large"}`)
	if refused != 60 {
		t.Errorf("%v handshakes were refused for their length, want 60", refused)
	}
	k.stopWell()
}

func TestStrangers_HalfOpenHandshakesAreBounded(t *testing.T) {
	k := newKillRig(t, t.TempDir(), 6)
	k.flags = []string{"--drain-time", "0s"}
	k.start()
	hello, err := attack.ClientHello()
	if err != nil {
		t.Fatal(err)
	}
	const attacks = 200
	k.duringAttack(func() {
		var open []net.Conn
		for range attacks {
			conn, err := k.strangerDial()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
			if _, err := conn.Write(hello); err != nil {
				t.Fatal(err)
			}
			if len(open)%20 != 0 {
				continue
			}
			// Those of the hosts come in addition, one each.
			if got := k.metric(`refrain_tls_handshakes{state="running"}`); got > 32+float64(len(k.hosts)) {
				t.Errorf("%v handshakes run, want at most 32 of an address", got)
			}
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	})
	failed := func() (sum float64) {
		for _, cause := range []string{"closed", "timeout", "busy"} {
			sum += k.metric(`refrain_tls_handshake_errors_total{cause="` + cause + `"}`)
		}
		return sum
	}
	until(t, "every half-open handshake has ended", func() bool {
		return failed() == attacks && k.metric(`refrain_tls_handshakes{state="running"}`) == 0 && k.metric(`refrain_tls_handshakes{state="waiting"}`) == 0
	})
	if got := k.metric("refrain_tls_chain_verifications_total"); got == 0 {
		t.Error("no chain of a host was verified: the counter counts nothing")
	}
	k.stopWell()
}

func TestStrangers_IdleConnectionsLeaveDescriptors(t *testing.T) {
	k := newKillRig(t, t.TempDir(), 6)
	k.flags = []string{"--drain-time", "0s"}
	k.limits = "-n 256"
	k.start()
	if got := k.metric("process_max_fds"); got != 256 {
		t.Fatalf("the process may have %v descriptors, want 256: the test is broken", got)
	}
	const attacks = 400
	k.duringAttack(func() {
		for range attacks {
			conn, err := k.strangerDial()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		for _, path := range []string{"/livez", "/readyz"} {
			if good, body := k.probe(path); !good {
				t.Errorf("%s: %s", path, body)
			}
		}
		if got := k.metric("process_open_fds"); got > 240 {
			t.Errorf("%v of 256 descriptors are open, want some kept", got)
		}
	})
	if got := k.metric(`refrain_connections_refused_total{reason="address"}`); got == 0 {
		t.Error("no connection of the flood was refused")
	}
	if got := k.metric("refrain_connections_max"); got != 128 {
		t.Errorf("%v connections may be open, want half of the descriptors", got)
	}
	k.stopWell()
}
