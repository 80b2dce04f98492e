package httpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

// PROTOCOL G1, G3, D3: how a server ends, whatever it is at. That everybody is
// answered is in shutdown_test.go; here it is that nothing stays behind.

func TestNothingIsLeftAfterAShutdown(t *testing.T) { // PROTOCOL G3
	for name, test := range map[string]struct {
		edit func(*Config)
		// prepare brings the started server into a state. It returns the
		// answers that are still to come.
		prepare func(*harness) []<-chan answer
		// stuck says that the shutdown has to be cut short.
		stuck bool
	}{
		"idle": {},
		"with kept connections": {prepare: func(h *harness) []<-chan answer {
			for i := range 5 {
				host := fmt.Sprint("h", i)
				h.agent(host).heartbeat(host).want(h.t, wire.OK)
			}
			return nil
		}},
		"with waiting polls": {prepare: func(h *harness) (calls []<-chan answer) {
			for i := range 20 {
				calls = append(calls, h.agent(fmt.Sprint("h", i)).begin(http.MethodGet, dispatchPath+"?wait=60", ""))
			}
			h.waiting(20)
			return calls
		}},
		"with waiting polls and a full inbox": {
			edit: func(c *Config) { c.InboxCapacity = 8 },
			prepare: func(h *harness) (calls []<-chan answer) {
				for i := range 10 {
					calls = append(calls, h.agent(fmt.Sprint("p", i)).begin(http.MethodGet, dispatchPath+"?wait=60", ""))
					h.waiting(i + 1)
				}
				h.wedge()
				for i := range 8 {
					host := fmt.Sprint("h", i)
					calls = append(calls, h.agent(host).beginHeartbeat(host))
					h.inside(i + 1)
				}
				h.agent("late").heartbeat("late").want(h.t, wire.Saturated)
				return calls
			},
			stuck: true,
		},
		"wedged": {prepare: func(h *harness) []<-chan answer {
			rule := h.wedge()
			done := h.agent("h1").beginHeartbeat("h1")
			<-rule.Reached()
			h.clock.Add(DefaultReplyTimeout + 1)
			if status, _ := h.ops("/livez"); status != http.StatusServiceUnavailable {
				h.t.Errorf("livez says %d of a wedged plane", status)
			}
			return []<-chan answer{done}
		}, stuck: true},
		"wedged before a reply": {prepare: func(h *harness) []<-chan answer {
			h.openRollout("stable", "r1", "c1", "h1")
			rule := h.faults.Install(Fault{Kind: Wedge, At: BeforeReply})
			done := h.agent("h1").begin(http.MethodPost, eventsPath, ackBody("h1", "stable@r1"))
			<-rule.Reached()
			return []<-chan answer{done}
		}, stuck: true},
		"slow": {prepare: func(h *harness) []<-chan answer {
			rule := h.faults.Install(Fault{Kind: Delay, For: DefaultReplyTimeout})
			done := h.agent("h1").beginHeartbeat("h1")
			<-rule.Reached()
			return []<-chan answer{done}
		}, stuck: true},
		"while the store fails": {
			edit: func(c *Config) { c.Store = newBrittleStore() },
			prepare: func(h *harness) []<-chan answer {
				store := h.cfg.Store.(*brittleStore)
				h.openRollout("stable", "r1", "c1", "h1")
				store.set(func() { store.failCommit, store.failLoad = 1, -1 })
				h.agent("h1").do(http.MethodPost, eventsPath, ackBody("h1", "stable@r1")).want(h.t, wire.DroppedReply)
				return nil
			},
		},
		"with a manifest that waits for the plane": {
			edit: func(c *Config) { c.ManifestDir = t.TempDir() },
			prepare: func(h *harness) []<-chan answer {
				// First, since the directory may be read as soon as the file is there.
				rule := h.faults.Install(Fault{Kind: Wedge, Match: ofKind[*plane.FileManifest]})
				file := filepath.Join(h.cfg.ManifestDir, "1.json")
				if err := os.WriteFile(file, []byte(manifest("stable", "r1", "c1", "h1")), 0o644); err != nil {
					h.t.Fatal(err)
				}
				h.eventually("the manifest is inside", func() bool {
					h.clock.Add(dirSettle)
					return rule.Hits() > 0
				})
				return nil
			},
			stuck: true,
		},
		"with callers that do not finish": {prepare: func(h *harness) []<-chan answer {
			addr := h.server.Addr().String()
			silent := must(net.Dial("tcp", addr))(h.t) // no handshake
			shaken := must(tls.Dial("tcp", addr, withName(h.agent("h1").transport.TLSClientConfig)))(h.t)
			half := must(tls.Dial("tcp", addr, withName(h.agent("h2").transport.TLSClientConfig)))(h.t)
			if _, err := io.WriteString(half, "POST "+heartbeatPath+" HTTP/1.1\r\nHost: plane\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
				h.t.Fatal(err)
			}
			h.t.Cleanup(func() {
				silent.Close()
				shaken.Close()
				half.Close()
			})
			return nil
		}, stuck: true},
	} {
		t.Run(name, func(t *testing.T) {
			var edits []func(*Config)
			if test.edit != nil {
				edits = append(edits, test.edit)
			}
			h := newHarness(t, edits...)
			h.wantUncleanShutdown = test.stuck
			before := goleak.IgnoreCurrent()
			h.start()
			var calls []<-chan answer
			if test.prepare != nil {
				calls = test.prepare(h)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- h.server.Shutdown(ctx) }()
			h.eventually("the gate is closed", func() bool { return h.server.admission.isClosed() })
			if test.stuck {
				cancel()
			}
			if err := <-ended; err != nil && !test.stuck {
				t.Errorf("shutdown: %v", err)
			}
			for _, call := range calls {
				<-call
			}
			for _, c := range h.clients {
				c.transport.CloseIdleConnections()
			}
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAServerThatIsShutDownWhileItStartsLeavesNothing(t *testing.T) { // PROTOCOL G1
	h := newHarness(t)
	loading, proceed := make(chan struct{}), make(chan struct{})
	h.server.loop.store = slowStore{h.cfg.Store, loading, proceed}
	started := make(chan error, 1)
	go func() { started <- h.server.Start(t.Context()) }()
	<-loading
	h.agent("h1").heartbeat("h1").want(t, wire.NotStarted)
	ended := make(chan error, 1)
	go func() { ended <- h.server.Shutdown(context.Background()) }()
	h.eventually("the gate is closed", func() bool { return h.server.admission.isClosed() })
	h.agent("h1").heartbeat("h1").want(t, wire.Closed)
	close(proceed)
	if err := <-started; err == nil {
		t.Error("the start went well though the server was shut down")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// slowStore is a store that loads when it is told to.
type slowStore struct {
	store.Store
	loading, proceed chan struct{}
}

func (s slowStore) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	close(s.loading)
	<-s.proceed
	return s.Store.Load(ctx, cfg)
}
