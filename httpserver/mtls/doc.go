// Package mtls is the server's side of mutual TLS: which certificate it shows,
// which CAs it trusts, and what becomes of connections when either changes.
//
// A [Credentials] holds the server's pair and the client CAs as one set. The set
// is replaced as a whole or not at all: if any file cannot be used, the last good
// set stays in use, and a log line, a metric and the notes of /readyz say so.
// [Credentials.Watch] polls the content of the files, so it does not matter how
// they are replaced: in place, by a rename, or by a symbolic link above them that
// gets a new target. A change is applied when two polls in a row have read the same,
// so that files that are copied one after the other are not used half.
//
// After a change of the CAs, a connection whose client certificate verifies under
// none of them is closed, with the request that it has under way. Others are kept,
// whatever happens to the server's own certificate. [Credentials.Trusts] is asked on
// every request as well, for handshakes that overlapped with the change.
//
// [Connections] counts what a handshake fails of. It refuses to log each one: a
// cause is logged once a minute, with how many there were, since every stranger can
// cause any number of them.
//
// What a client may cost before it is known who it is has bounds (decision 033): its
// certificates are refused by number and keys before a signature is looked at, a
// handshake needs a slot, and at the limit of connections a new one takes the place of
// one of the address or the certificate that has the most.
//
// # The caller's duties
//
//  1. Serve TLS on what [Connections.Listen] returns, with
//     [Credentials.TLSConfig], set [http.Server.ConnState] to
//     [Connections.State] and [http.Server.ConnContext] to
//     [Connections.Context].
//  2. Call [Identify] and ask [Credentials.Trusts] on every request.
//  3. Call [Connections.Close] after the last connection.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package mtls
