// Command refrain is a control plane for fleets of NixOS hosts, and the tools
// around it.
//
// Every flag but --force is also an environment variable, REFRAIN_<FLAG>, and a key of the
// YAML file that --config names; deploy/refrain.example.yaml shows that file.
// A flag wins over the environment, the environment over the file, the file
// over the default. It exits with 0 if all went well, with 1 if it failed or
// found a violation, and with 2 if it was used wrongly.
package main

import "os"

func main() {
	os.Exit(run(&cli{}, os.Args[1:], stdio{Out: os.Stdout, Err: os.Stderr}))
}
