// Package operate has the commands of operators: what `refrain host`, `rollout`,
// `quarantine`, `revocation`, `event`, `status` and `context` do. Each asks the plane by
// its operator routes (PROTOCOL R), prints what it answers, as a table or as JSON, and
// decides nothing that the plane decides.
//
// A command is a struct with a method Run, which kong fills in. Results go to Out,
// everything else to Err. Exit codes: 0 on success, 1 if the plane refused or a
// condition was not reached, 2 after wrong use.
package operate
