package httpserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/refrain-fleet/refrain/core/gate"
)

// Check is one thing that /readyz looks at, by name.
type Check struct {
	// Name is one lower-case word, or several with hyphens. It is unique.
	Name string
	// Problem says what is wrong, in words for an operator, and returns "" if
	// nothing is. Every probe calls it, from any goroutine, so it must not
	// block: it looks at what a worker has found, and does no I/O itself.
	Problem func() string
	// Advisory says that a problem is listed and does not fail /readyz: the
	// plane serves in spite of it.
	Advisory bool
}

// healthChecks are the checks of /readyz, in the order in which they were added.
type healthChecks struct {
	mu   sync.Mutex
	list []Check
}

// AddCheck adds a check to /readyz. It may be called at any time; of a name
// that is empty or taken it panics.
func (s *Server) AddCheck(c Check) {
	h := &s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.Name == "" || c.Problem == nil || slices.ContainsFunc(h.list, func(o Check) bool { return o.Name == c.Name }) {
		panic(fmt.Sprintf("httpserver: check %q: want a name that no other check has, and a function", c.Name))
	}
	h.list = append(h.list, c)
}

// addOwnChecks adds the checks that every server has (PROTOCOL G7).
func (s *Server) addOwnChecks() {
	s.AddCheck(Check{Name: "shutdown", Problem: s.drainProblem})
	for _, own := range []struct {
		name    string
		problem func(inboxState) string
	}{{"plane", planeProblem}, {"inbox", inboxProblem}, {"reducer", reducerProblem}} {
		s.AddCheck(Check{Name: own.name, Problem: func() string { return own.problem(s.admission.look()) }})
	}
	// Advisory: the plane serves as many hosts as it has descriptors for.
	s.AddCheck(Check{Name: "descriptors", Advisory: true, Problem: s.descriptorProblem})
	if s.flight != nil {
		s.AddCheck(s.flight.check())
	}
}

func (s *Server) drainProblem() string {
	if s.draining.Load() {
		return "draining: the server is shutting down"
	}
	return ""
}

func planeProblem(inbox inboxState) string {
	switch {
	case inbox.state == gate.Closed:
		return "" // it is not awaited any more
	case inbox.rebuilding:
		return "store failing: the plane is being rebuilt from the log"
	case inbox.state == gate.NotStarted:
		return "not started: the log is not loaded yet"
	}
	return ""
}

func inboxProblem(inbox inboxState) string {
	if inbox.depth >= inbox.capacity {
		return fmt.Sprintf("saturated: %d requests in the inbox, which is its capacity", inbox.depth)
	}
	return ""
}

func reducerProblem(inbox inboxState) string {
	if inbox.wedged {
		return "wedged: see /livez"
	}
	return ""
}

// checkState is what a check has found.
type checkState string

const (
	checkGood    checkState = "ok"
	checkWarning checkState = "warning"
	checkFailing checkState = "failing"
)

// checkResult is the result of one check, as /readyz?verbose lists it.
type checkResult struct {
	Name   string     `json:"name"`
	State  checkState `json:"state"`
	Reason string     `json:"reason,omitempty"` // empty if the state is ok
}

// readiness is the document of /readyz?verbose.
type readiness struct {
	Ready  bool          `json:"ready"`
	Checks []checkResult `json:"checks"`
}

// why lists the reasons of the checks that fail.
func (r readiness) why() []string {
	var why []string
	for _, c := range r.Checks {
		if c.State == checkFailing {
			why = append(why, c.Reason)
		}
	}
	return why
}

// look carries out every check.
func (h *healthChecks) look() readiness {
	h.mu.Lock()
	list := h.list // checks are appended only
	h.mu.Unlock()
	r := readiness{Ready: true}
	for i := range list {
		result := checkResult{Name: list[i].Name, State: checkGood, Reason: list[i].Problem()}
		if result.Reason != "" {
			result.State = checkWarning
			if !list[i].Advisory {
				result.State, r.Ready = checkFailing, false
			}
		}
		r.Checks = append(r.Checks, result)
	}
	return r
}

// readyz fails if requests are refused or not processed, and says why: a line
// per failing check, or with ?verbose, or for who accepts JSON, every check.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	found := s.health.look()
	if _, verbose := r.URL.Query()["verbose"]; verbose || strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !found.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(found) // the client may have disconnected
		return
	}
	probe(w, strings.Join(found.why(), "\n"))
}

// unready lists why the server is not ready. It is empty if the server is ready.
func (s *Server) unready() []string { return s.health.look().why() }
