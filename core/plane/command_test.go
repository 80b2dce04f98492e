package plane_test

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// input reads the commands of a script that are inputs of the plane.
func (s *script) input(c command) plane.Input {
	s.t.Helper()
	host := wire.Hostname(c.positional(0))
	switch c.word {
	case "open":
		return &plane.OpenRollout{Manifest: s.manifest(c)}
	case "heartbeat":
		return &plane.Heartbeat{Dialect: dialect(c), Request: wire.HeartbeatRequest{
			Hostname: host, RolloutID: wire.RolloutID(c.value("rollout")),
			CurrentClosure: wire.Closure(c.value("closure")), At: s.at(c, "at"),
		}}
	case "event":
		in := event(host, wire.RolloutID(c.positional(1)), wire.Seq(s.number(c.positional(2))), s.body(c))
		in.Dialect = dialect(c)
		return in
	case "unread":
		return plane.DiscardUnread(host, wire.NotJSON, "no JSON", []byte(c.value("body")))
	case "poll":
		return &plane.Poll{Hostname: host, Dialect: dialect(c), Again: c.has("again")}
	case "resume":
		return &plane.ResumeRollout{RolloutID: wire.RolloutID(c.positional(0))}
	case "pause", "abort", "skip", "cordon", "uncordon", "forget":
		act := plane.Pause
		for act.String() != c.word {
			act++
		}
		return &plane.Steer{Act: act, Hostname: wire.Hostname(c.value("host")), RolloutID: wire.RolloutID(c.value("rollout")), Reason: wire.Text(c.value("reason"))}
	case "choose":
		return &plane.ChooseRollout{RolloutID: wire.RolloutID(c.positional(0))}
	case "clear":
		return &plane.ClearQuarantine{Channel: wire.Channel(c.positional(0)), Closure: wire.Closure(c.positional(1))}
	case "revoke":
		r := &plane.Revoke{CommonName: wire.CommonName(c.positional(0))}
		if c.value("before") != "" {
			r.Before = s.at(c, "before")
		}
		return r
	case "certify":
		return &plane.Certify{
			Hostname: wire.Hostname(c.positional(0)), CommonName: wire.CommonName("agent-" + c.positional(0) + ".fleet"), Also: wire.CommonName(c.positional(0)),
			Since: s.at(c, "since"), Nonce: wire.Name(c.value("nonce")), Key: wire.Name(c.value("key")), ExpiresAt: s.at(c, "until"), Refused: c.has("refused"),
		}
	case "storage":
		return &plane.Storage{Unavailable: c.has("unavailable"), Scarce: c.has("scarce")}
	case "tick":
		return &plane.Tick{Impaired: c.has("impaired")}
	case "query":
		return s.query(c)
	default:
		s.t.Fatalf("unknown command %q", c.word)
		return nil
	}
}

// dialect is that of the argument field, or ours.
func dialect(c command) wire.Dialect {
	if c.has("field") {
		return wire.DialectField
	}
	return wire.DialectRefrain
}

func (s *script) query(c command) plane.Input {
	s.t.Helper()
	after, limit := c.value("after"), int(s.number(cmp.Or(c.value("limit"), "100")))
	switch c.positional(0) {
	case "host":
		return &plane.QueryHost{Hostname: wire.Hostname(c.positional(1))}
	case "hosts":
		return &plane.QueryHosts{After: wire.Hostname(after), Limit: limit}
	case "rollout":
		return &plane.QueryRollout{RolloutID: wire.RolloutID(c.positional(1)), After: wire.Hostname(after), Limit: limit}
	case "rollouts":
		return &plane.QueryRollouts{After: wire.RolloutID(after), Limit: limit}
	case "quarantine":
		return &plane.QueryQuarantine{}
	case "host-why":
		return &plane.QueryHostWhy{Hostname: wire.Hostname(c.positional(1)), RolloutID: wire.RolloutID(c.value("rollout"))}
	case "rollout-why":
		return &plane.QueryRolloutWhy{RolloutID: wire.RolloutID(c.positional(1))}
	case "status":
		return &plane.QueryStatus{}
	case "revocations":
		return &plane.QueryRevocations{}
	default:
		s.t.Fatalf("unknown query %q", c.positional(0))
		return nil
	}
}

// manifest reads the lines below an open, or after it in a batch the pairs of
// one wave.
func (s *script) manifest(c command) wire.Manifest {
	s.t.Helper()
	var waves, soaks []string
	for line := range strings.Lines(c.input) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "wave" {
			s.t.Fatalf("want lines of waves, got %q", line)
		}
		soak, pairs := "0", fields[1:]
		if len(pairs) > 0 && strings.HasPrefix(pairs[0], "soak=") {
			soak, pairs = pairs[0][len("soak="):], pairs[1:]
		}
		soaks = append(soaks, soak)
		waves = append(waves, strings.Join(pairs, " "))
	}
	if c.input == "" {
		var pairs []string
		for _, a := range c.args {
			if len(a.Vals) == 1 && a.Key != "policy" && a.Key != "serial" {
				pairs = append(pairs, a.Key+"="+a.Vals[0])
			}
		}
		waves, soaks = []string{strings.Join(pairs, " ")}, []string{"0"}
	}
	m := manifest(wire.RolloutID(c.positional(0)), waves...)
	for i, soak := range soaks {
		m.Policy.Waves[i].SoakMinutes = wire.Count(s.number(soak))
	}
	m.Policy.OnHealthFailure = s.policy(c)
	if v := c.value("serial"); v != "" {
		m.Serial = wire.Serial(s.number(v))
	}
	return m
}

func (s *script) policy(c command) wire.HealthPolicy {
	if c.value("policy") == "halt" {
		return wire.Halt
	}
	return wire.RollbackAndHalt
}

// body reads an event's kind and what it says.
func (s *script) body(c command) wire.EventBody {
	s.t.Helper()
	now := s.at(c, "at")
	closure := wire.Closure(cmp.Or(c.value("closure"), "c2"))
	probe := wire.Name(cmp.Or(c.value("probe"), "http"))
	mode := wire.Enforce
	if c.value("mode") == "observe" {
		mode = wire.Observe
	}
	status := wire.Pass
	if c.value("status") == "fail" {
		status = wire.Fail
	}
	switch kind := c.positional(3); kind {
	case "DispatchAck":
		return wire.DispatchAck{CurrentClosureAtDispatch: wire.Closure(cmp.Or(c.value("closure"), "c1")), ReceivedAt: now}
	case "ActivationStarted":
		return wire.ActivationStarted{StartedAt: now, SwitchMethod: "switch"}
	case "ActivationCompleted":
		return wire.ActivationCompleted{ObservedCurrentClosure: closure, CompletedAt: now}
	case "ActivationDeferred":
		return wire.ActivationDeferred{Component: "kernel", DeferredAt: now}
	case "ActivationFailed":
		return wire.ActivationFailed{ExitCode: 4, StderrTail: "no space left", FailedAt: now}
	case "ProbeTopologyDeclared":
		return wire.ProbeTopologyDeclared{Probes: []wire.ProbeDeclaration{{ProbeName: probe, ProbeKind: "tcp", Mode: mode}}, DeclaredAt: now}
	case "ProbeObservedFirst":
		return wire.ProbeObservedFirst{ProbeName: probe, Mode: mode, ObservedAt: now}
	case "ProbeResult":
		return wire.ProbeResult{ProbeName: probe, Mode: mode, Status: status, ObservedAt: now}
	case "ProbeFailureFirst":
		return wire.ProbeFailureFirst{ProbeName: probe, Mode: mode, FirstFailedAt: now}
	case "Failed":
		return wire.HealthFailed{FailedAt: now, SustainedDurationSecs: 120, FailingProbes: wire.Names{probe}, PolicyApplied: s.policy(c)}
	case "RollbackComplete":
		return wire.RollbackComplete{RevertedToClosure: wire.Closure(cmp.Or(c.value("closure"), "c1")), CompletedAt: now}
	case "Converged":
		return wire.HostConverged{ConvergedAt: now, CurrentClosure: closure}
	default:
		s.t.Fatalf("unknown kind of event %q", kind)
		return nil
	}
}

// at reads an argument in seconds since the epoch; without it, it is now.
func (s *script) at(c command, name string) wire.Time {
	s.t.Helper()
	if v := c.value(name); v != "" {
		return at(int(s.number(v)))
	}
	return wire.TimeOf(epoch.Add(s.now))
}

func (s *script) number(text string) int64 {
	s.t.Helper()
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	return n
}

func (s *script) duration(text string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	return d
}
