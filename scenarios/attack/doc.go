// Package attack attacks a plane and measures what honest hosts feel of it.
//
// The plane is the real binary as a process of its own, with certificates and a
// database of its own in a temporary directory, on the loopback. Twenty honest
// hosts send heartbeats and events and poll, half of them over new connections all
// the time. The attackers are a process of their own as well: all three together
// would not fit into the descriptors of one. For each [Attack] a new plane is
// started. First the hosts are measured without an attack, then during it, then
// until they are answered as before.
//
// [Run] is the whole of it:
//
//	report, err := attack.Run(ctx, attack.Config{Binary: path})
//
// A program that calls Run calls [RunAttacker] first: the attackers are the same
// program, started again.
//
// What is judged of an attack, in [Result.Problems]: the share of honest requests
// that failed, the time that 99 % of them took, whether it recovers, whether the
// process lives, and what must never happen, such as an answer to a client with a
// revoked certificate. Of these the last two do not depend on the machine; the
// others do, which is why tests judge only those.
//
// The package refuses every address but the loopback's. Each attack is bounded in
// count and in time, and ends if the program that started it does.
//
// Glossary. Stranger: a client without a certificate that the CA signed. Enrolled:
// a host with one. Quiet: without an attack.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package attack
