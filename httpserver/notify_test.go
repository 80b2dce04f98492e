package httpserver

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestTheServiceManagerIsToldAndItsWatchdogFed(t *testing.T) { // PROTOCOL G7
	path := filepath.Join(t.TempDir(), "notify")
	manager := must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}))(t)
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "30000000")
	hear := func() string {
		t.Helper()
		buf := make([]byte, 256)
		if err := manager.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := manager.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	want := func(state string) {
		t.Helper()
		if got := hear(); got != state {
			t.Fatalf("heard %q, want %q", got, state)
		}
	}
	h := newHarness(t)
	h.listen()
	h.start()
	want("READY=1")
	h.clock.Add(15 * time.Second)
	want("WATCHDOG=1")

	rule := h.wedge()
	done := h.agent("h1").beginHeartbeat("h1")
	<-rule.Reached()
	h.clock.Add(15 * time.Second) // wedged by then: not fed
	(<-done).want(t, wire.Timeout)
	rule.Lift()
	h.inside(0)
	h.clock.Add(15 * time.Second)
	want("WATCHDOG=1")
	h.stop()
	want("STOPPING=1")
}
