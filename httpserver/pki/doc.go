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
// The suffix of the fleet's common names is said once, to [Init]. It becomes
// the organization of the CA's subject: whoever has the CA has the suffix, and
// the two cannot drift apart as two files could. A CA that another tool made
// has no suffix and is refused.
//
// # Revocation
//
// A revocation names a common name and an instant, and refuses the
// certificates of that name whose NotBefore is earlier (PROTOCOL T5). So the
// NotBefore of a client certificate says when it was issued, and is never
// backdated. X.509 counts whole seconds. An [Authority] cuts the fraction off:
// within the second of a revocation a new certificate is taken for an old one,
// never an old one for a new one. [Agent] and [Operator] wait for the next
// whole second before they issue, at most one second, so that a certificate
// asked for after a revocation is always good.
//
// Certificates of the server and the CA are backdated by an hour, for hosts
// whose clock is slow.
//
// # What it refuses to do
//
// It overwrites nothing without Force, and with half a pair in place (a
// certificate without its key, or a key without its certificate) it does
// nothing at all. A batch with one bad name issues nothing. It revokes
// nothing: that is the server's affair. It issues no intermediate CA.
//
// # The caller's duties
//
//  1. Keep ca.key off the fleet. Whoever has it is every host and operator.
//  2. Give the CA and the server the same clock, roughly: a client certificate
//     is good from the second of its issue on, by the server's clock.
//  3. Issue leaves anew before they expire; nothing here reminds of it.
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
//	suffix    what the common names of a fleet end in, without the dot
package pki
