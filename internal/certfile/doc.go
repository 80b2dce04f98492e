// Package certfile reads the PEM files of certificates and keys that a server or
// an agent is configured with, and notices when they change.
//
// It is stricter than crypto/tls and crypto/x509, which skip a block that they
// cannot read: a bundle of two CAs of which one is damaged becomes a bundle of
// one, and half of a fleet is refused. Here a damaged block is an error with its
// file and line. A certificate that is intact and of the wrong kind is an error as
// well: a leaf as a CA, an agent's certificate as the server's.
//
// It refuses to watch anything itself. Its callers read all their files with
// [Read], compare with what they read before, and use the result as a whole or
// not at all.
//
//	texts, err := certfile.Read(before, certFile, keyFile, caFile)
//	if err != nil || texts.Equal(before) { … }
//	pair, err := certfile.Pair(certFile, keyFile, texts[0], texts[1])
//	roots, err := certfile.CAs(caFile, texts[2], x509.ExtKeyUsageServerAuth, now)
//
// # Glossary
//
//	pair    a certificate chain, leaf first, and the leaf's private key
//	bundle  a file with one or more CA certificates
package certfile
