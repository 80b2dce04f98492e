// Package httpagent is the real agent: HTTPS with mutual TLS, a log on disk and
// a host around the pure reducer of core/agent. It owns everything that the
// reducer refuses to touch: sockets, certificates, clocks, goroutines, files.
//
// It decides nothing about rollouts, retries, backoff or timeouts (core/agent
// does), writes no document of its own (core/wire does), follows no redirect
// and uses no proxy. One request of the reducer is one exchange, and the
// reducer decides what follows a failure; only net/http opens a new connection
// for a request if the plane has closed the kept one and has read nothing, and
// for a poll in any case. It does not know how a host is switched or probed; a
// [Machine] does.
//
// # A driver's session
//
//	load      the [Log] gives the lines that are durable
//	restore   the reducer is made from them and started with what the host runs
//	step      one goroutine owns the reducer; answers, ends of effects and the
//	          timer reach it through one channel; all that wait there are
//	          stepped before the output is carried out, so that they share a sync
//	carry out appends are durable before requests are sent and effects are begun
//	          (PROTOCOL A1); each of those has a goroutine, and the reducer's
//	          own limits bound how many there are
//	end       requests and effects are cancelled and awaited, so that nothing of
//	          one session continues into the next
//
// A session ends when the driver is stopped, when [Driver.Restart] says that
// the process or the host went down, and when the log fails. Then the reducer
// in memory is ahead of the log, so it is discarded and restored from what is
// durable, with backoff until that succeeds.
//
// # The caller's duties
//
//  1. Give each driver a log, a machine and a seed of its own, and a
//     certificate whose name is the hostname (PROTOCOL T2).
//  2. Call [Driver.Run] once. It closes the log.
//  3. Call [Driver.Refresh] when the host's probes or its closure have changed
//     and no effect of the agent caused it.
//  4. To have the agent act only on signed releases, give Config.TrustFile, a file that
//     did not come from the plane.
//  5. Restart the process if Run returns an error: the log cannot be read, and
//     a retry would not help.
//
// For instance:
//
//	log, err := httpagent.OpenFileLog("/var/lib/refrain/agent.log", logger)
//	if err != nil {
//		return err
//	}
//	driver, err := httpagent.New(httpagent.Config{
//		Agent:    agent.Config{Hostname: "web-1", Seed: seed},
//		URL:      "https://plane.example.com:8443",
//		CertFile: "agent.crt", KeyFile: "agent.key", CAFile: "ca.crt",
//		Log: log, Machine: machine,
//	})
//	if err != nil {
//		return errors.Join(err, log.Close())
//	}
//	return driver.Run(ctx) // until a signal ends ctx
//
// # Two times
//
// The agent uses the time of its [Clock], which may run faster than the
// plane's: a load test then does an hour's work in a minute. Client timeouts
// and Retry-After belong to the plane and to the network, which do not run
// faster, so they stay what they are. (The reducer takes an hour of its own
// time at most from a Retry-After, which is less than a minute of the plane's
// if the clock is faster than 60.) With speed 1 there is only one time.
//
// # Glossary
//
//	session   the time from a load of the log to its end
//	exchange  one request and its answer
//	torn      of a line: cut off by a crash, and so never durable
//	compact   write the shortest log that gives the same state
//
// Stability: public (docs/architecture.md).
package httpagent
