// Package nix has the flake's package and modules. What is Go in it are their tests.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package nix
