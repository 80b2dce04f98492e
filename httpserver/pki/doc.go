// Package pki issues the certificates of a fleet: its CA, the server's, the
// agents' and the operators' (PROTOCOL T1, T2, T4). All keys are ECDSA P-256.
//
// An [Authority] is a CA in memory. It issues leaves as [tls.Certificate]
// values and touches no disk, so a test can have a fleet's certificates
// without a directory. [Init], [Server], [Agent] and [Operator] are built on
// it and keep the same certificates in a directory:
//
//	ca.crt  ca.key              the CA
//	server.crt  server.key      the server
//	agents/HOST.crt, .key       one pair per host
//	operators/NAME.crt, .key    one pair per operator
//
// Keys have mode 0600 and lie in directories of mode 0700.
//
// # The suffix
//
// The suffix of the fleet's common names is an argument of [Init] and of nothing
// else. It is stored as the organization of the CA's subject, so that CA and
// suffix cannot disagree, as they could in two files. A CA that another tool made
// has no suffix and is refused.
//
// # Revocation
//
// A revocation names a common name and an instant, and refuses the
// certificates of that name whose NotBefore is earlier (PROTOCOL T5). So the
// NotBefore of a client certificate is its time of issue, and is never
// backdated. X.509 counts whole seconds, so an [Authority] truncates the fraction:
// a certificate that is issued in the second of a revocation may count as revoked,
// but a revoked one never counts as new. [Agent] and [Operator] wait for the next
// whole second before they issue, at most one second, so that a certificate that
// is requested after a revocation is always accepted.
//
// Certificates of the server and the CA are backdated by an hour, for hosts with
// a slow clock.
//
// # What it refuses to do
//
// It overwrites nothing: without Force it refuses, with Force it keeps the pair before
// beside the new one, as NAME~INSTANT.crt and .key. It issues nothing if half of a pair is
// present (a certificate without its key, or a key without its certificate). A
// batch with one invalid name issues nothing. It does not revoke: the server
// does. It issues no intermediate CA.
//
// # The caller's duties
//
//  1. Keep ca.key off the fleet. With it, anyone can act as any host or operator.
//  2. Keep the clocks of the CA and the server roughly equal: a client
//     certificate is valid from the second of its issue on, by the server's
//     clock.
//  3. Issue new leaves before the old ones expire: [Inventory] lists when that is,
//     [Renew] issues them again.
//  4. Delete pairs that were replaced when they are of no use any more.
//
// A fleet on disk:
//
//	pki.Init(dir, "fleet.example.com", pki.Options{})
//	pki.Server(dir, []string{"plane.example.com", "10.0.0.1"}, pki.Options{})
//	pki.Agent(dir, []string{"web-1", "web-2"}, pki.Options{})
//
// The same in memory:
//
//	ca, err := pki.New(pki.Config{Suffix: "fleet.test"})
//	server, err := ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{})
//	agent, err := ca.IssueAgent("web-1", pki.Validity{})
//	tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: ca.Pool(), …}
//
// # Glossary
//
//	CA        the fleet's certificate authority, the root of every chain
//	leaf      a certificate that signs no other: server, agent or operator
//	pair      a certificate and its private key
//	suffix    the end of the common names of a fleet, without the dot
//
// Stability: private; other modules should not import it (docs/architecture.md).
package pki
