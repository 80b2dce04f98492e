// Command refrain is a control plane for fleets of NixOS hosts, and the tools
// around it.
//
// Every flag of a command but --force is also an environment variable,
// REFRAIN_<FLAG>, and a key of the YAML file that --config names;
// deploy/refrain.example.yaml shows that file. A flag overrides the environment,
// the environment the file, the file the default. It exits with 0 on success,
// with 1 if it failed or found a violation, with 2 after wrong use or if an output
// cannot be written, and with 130 or 143 if SIGINT or SIGTERM interrupted it.
package main

import (
	"os"

	"github.com/refrain-fleet/refrain/sim/repro"
)

func main() {
	repro.CalledAs(shellWord(os.Args[0]))
	if asked, err := completed(&cli{}, stdio{Out: os.Stdout, Err: os.Stderr}); asked {
		os.Exit(report(err, nil, os.Stderr))
	}
	os.Exit(run(&cli{}, os.Args[1:], stdio{Out: os.Stdout, Err: os.Stderr}))
}
