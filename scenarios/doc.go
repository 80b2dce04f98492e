// Package scenarios holds what whole scenarios are held to: properties of
// generated ones, in its tests. It refuses to judge with the code that is
// judged: a property looks at what the hosts heard and at what the plane holds
// ([github.com/refrain-fleet/refrain/sim/record.Witness]), and has its own statement
// of the rule. docs/properties.md lists them.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package scenarios
