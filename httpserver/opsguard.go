package httpserver

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// The ops listener knows no caller, so every process that reaches it may use it: processes
// of this machine, and through a browser of this machine every page that is open
// in it. A page can send a request to a loopback address (with an Origin of its
// own), and by DNS rebinding a name of its own can lead there (with that name as
// Host). What changes or reveals something is refused to both; probes and metrics
// are for everybody who reaches the listener.

// guardOps refuses requests that a page of another origin may have sent.
func (s *Server) guardOps(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if reads && !strings.HasPrefix(r.URL.Path, "/debug/") && !strings.HasPrefix(r.URL.Path, opsPagePath) {
			next.ServeHTTP(w, r)
			return
		}
		problem := s.foreignHost(r)
		if problem == "" {
			// Reading is checked like writing: a profile costs time, too.
			written := *r
			written.Method = http.MethodPost
			if err := origins.Check(&written); err != nil {
				problem = "the request comes from a page of another origin; want none, for instance curl"
			}
		}
		if problem == "" {
			next.ServeHTTP(w, r)
			return
		}
		if suppressed, ok, _ := s.throttle.Allow("ops"); ok {
			s.log.Warn("refused at the ops listener", "path", clip(r.URL.Path), "host", clip(r.Host), "origin", clip(r.Header.Get("Origin")),
				"problem", problem, "suppressed", suppressed)
		}
		http.Error(w, problem, http.StatusForbidden)
	})
}

// foreignHost says what is wrong with the name by which the listener was called.
// Right are a loopback address, localhost, the address at which the connection
// arrived, and the configured names. A unix socket has no name.
func (s *Server) foreignHost(r *http.Request) string {
	own, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if _, unix := own.(*net.UnixAddr); unix {
		return ""
	}
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]") // without a port
	}
	if ip := net.ParseIP(name); ip != nil {
		tcp, isTCP := own.(*net.TCPAddr)
		if ip.IsLoopback() || isTCP && ip.Equal(tcp.IP) {
			return ""
		}
	}
	same := func(known string) bool { return strings.EqualFold(known, name) }
	if same("localhost") || slices.ContainsFunc(s.cfg.OpsHosts, same) {
		return ""
	}
	return fmt.Sprintf("the host %q is not known here; want localhost, this listener's address, or a name of --ops-host", clip(name))
}
