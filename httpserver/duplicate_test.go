package httpserver

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Two machines with one certificate are shown to the operator with both addresses.
func TestTwoMachinesWithOneCertificateAreShown(t *testing.T) { // PROTOCOL L4
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux are all addresses of 127.0.0.0/8 there to dial from")
	}
	h := start(t)
	machines := [2]*client{h.agent("h1"), h.agent("h1")}
	for i, address := range []string{"127.0.0.2", "127.0.0.3"} {
		machines[i].transport.DialContext = func(ctx context.Context, network, to string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
			return d.DialContext(ctx, network, to)
		}
	}
	status := func() wire.HostStatus {
		t.Helper()
		a := h.reader().do(http.MethodGet, "/v1/operator/hosts/h1", "")
		var s wire.HostStatus
		if err := wire.DecodeDocument(new(wire.Decoder), &wire.HostStatusSchema, []byte(strings.TrimSpace(a.body)), &s); err != nil {
			t.Fatalf("%v: %s", err, a.body)
		}
		return s
	}
	for i := range 12 {
		machines[i%2].heartbeat("h1").want(t, wire.OK)
		if i == 2 && status().DuplicateIdentity != nil {
			t.Error("a host that came back once is shown as two machines")
		}
		h.advance(30 * time.Second)
	}
	if got := slices.Sorted(slices.Values(status().DuplicateIdentity)); !slices.Equal(got, []wire.Name{"127.0.0.2", "127.0.0.3"}) {
		t.Errorf("the operator is shown %q; want both addresses", got)
	}
	if got := h.metric("refrain_hosts_duplicate_identity"); got != 1 {
		t.Errorf("the metric is %v; want 1", got)
	}
	h.eventually("a log line", func() bool {
		return len(h.logs.matching("two machines send heartbeats", "host=h1", "127.0.0.2")) == 1
	})
}
