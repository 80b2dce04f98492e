// Package httpserver is the real control plane: HTTPS with mutual TLS around
// the pure core. It owns everything that the core refuses to touch: sockets,
// certificates, clocks, goroutines, the store, the log, the metrics.
//
// It decides nothing about hosts or rollouts (that is core/plane), nothing
// about who is admitted, late or wedged (core/gate), and writes no status and
// no body of its own (core/wire, Outcome.Write). It does not connect to agents
// (PROTOCOL D1), does not trust a name that a caller sends (T3), and does not
// tell a caller anything that a crash could take back (E2).
//
// # A request's way
//
//	router       gorilla/mux finds the endpoint; 404 and 405 are answered like
//	             everything else, since the middleware stands around it
//	checks       certificate, revocation, protocol, media type, body, document,
//	             identity: the first that fails answers
//	gate         admitted, or 503: admission.go guards the gate with one mutex
//	loop         one goroutine steps the plane in batches, commits what has to
//	             be durable, settles the tickets: loop.go
//	answer       the handler wakes and writes what core/wire made of the outcome
//
// Handlers wait for the one answer that the gate promises (G3); they watch
// neither clock nor caller, so a caller that goes away changes nothing. A
// dispatch poll waits outside the gate: waiters.go.
//
// # The caller's duties
//
//  1. Call [New], then [Server.Run]; or [Server.Start] and then [Server.Wait]
//     or, whatever became of the start, [Server.Shutdown].
//  2. Set Config.Store to a store that nothing else uses. The server closes it.
//  3. Watch /livez to restart the process, /readyz to send it traffic, and
//     never the other way round: only a wedge fails the first (G7).
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
// memory is not to be trusted. The requests of the batch that were not answered
// yet are dropped (dropped_reply), the plane is built again from the store,
// with backoff until that works, and service goes on. Meanwhile new requests
// are answered not_started and /readyz fails. /livez does not: restarting the
// process would not mend a disk.
//
// # What net/http answers itself
//
// Some answers are not this package's and carry no problem document: 400 to
// what is no HTTP, and to plain HTTP on the TLS port, 417 to an Expect that is
// not "100-continue", 431 to headers of more than 20 KiB, 501 to a transfer
// coding that is not "chunked", and 505 to other versions of HTTP. HTTP/2 is
// not offered, see newHTTP.
//
// # Glossary
//
//	exchange   one request and its answer, with the buffers between them
//	pending    a request inside: an input on its way to the loop
//	bell       the channel that wakes the loop
//	batch      the inputs that are stepped between two commits
//	rebuild    building the plane again from the store
//	turn       the right of a woken poll to ask, so that a herd of them does
//	           not fill the inbox
package httpserver
