// Package httpserver is the production control plane: HTTPS with mutual TLS around
// the pure core. It owns everything that core does not touch: sockets,
// certificates, clocks, goroutines, the store, the log, the metrics.
//
// It decides nothing about hosts or rollouts (core/plane does), nothing about who
// is admitted, late or wedged (core/gate, core/driver), and defines no status and no body of
// its own (core/wire, Outcome.Write). It does not connect to agents (PROTOCOL
// D1), does not trust a name that a caller sends (T3), and does not acknowledge
// anything that a crash could undo (E2).
//
// # The path of a request
//
//	router       gorilla/mux finds the endpoint; 404 and 405 are answered like
//	             every other refusal, since the middleware wraps the router
//	checks       certificate, revocation, protocol, media type, body, document,
//	             identity: the first one that fails determines the answer
//	admission    admitted, or 503: admission.go guards the front of core/driver
//	             with one mutex, and has its timer
//	loop         one goroutine carries out the sections of the driver's worker:
//	             loop.go. Another one commits: commit.go
//	answer       the handler wakes and writes what core/wire made of the outcome
//
// What waits for what, and what happens when something fails, is decided in
// core/driver; this package adds the mutex, the goroutines, the timers, the store
// and the sockets.
//
// Handlers wait for the one answer that the gate promises (G3). They watch neither
// the clock nor the connection, so a caller that disconnects changes nothing, but
// for a dispatch poll that waits outside of the gate: it is taken off the list.
//
// # The caller's duties
//
//  1. Call [New], then [Server.Run]; or [Server.Start] and then [Server.Wait]
//     or [Server.Shutdown], also if the start failed.
//  2. Set Config.Store to a store that nothing else uses. The server closes it.
//  3. Use /livez to decide about a restart of the process and /readyz to decide
//     about traffic, never the other way round: only a wedge fails /livez (G7).
//
// For instance:
//
//	server, err := httpserver.New(httpserver.Config{
//		CertFile: "server.pem", KeyFile: "server.key", ClientCAFile: "ca.pem",
//		AgentCNSuffix: "fleet.example",
//		Store:         store,
//	})
//	if err != nil {
//		return err
//	}
//	return server.Run(ctx) // until a signal ends ctx
//
// # When the store or the plane fails
//
// If a batch cannot be committed, or a step of the plane panics, the plane in
// memory is discarded. The requests of the batch that were not answered yet are
// dropped (dropped_reply). The plane is rebuilt from the store, with backoff until
// that succeeds, and service continues. Meanwhile new requests are answered
// not_started and /readyz fails. /livez does not fail: a restart of the process
// does not repair a disk.
//
// # What net/http answers itself
//
// Some answers come from net/http and carry no problem document: 400 to bytes that
// are not HTTP, and to plain HTTP on the TLS port, 417 to an Expect that is not
// "100-continue", 431 to headers of more than 20 KiB, 501 to a transfer coding
// that is not "chunked", and 505 to other versions of HTTP. HTTP/2 is not offered,
// see newHTTP.
//
// # Glossary
//
//	exchange   one request and its answer, with the buffers between them
//	pending    an admitted request: an input on its way to the loop
//	bell       the channel that wakes the loop
//	section    one indivisible piece of the driver's work
//	guard      the mutex around the driver's front
//	rebuild    loading the plane from the store again
//
// Stability: public (docs/architecture.md).
package httpserver
