package main

import "github.com/alecthomas/kong"

// helpCommand shows the help of the program or of a command, as --help does.
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command, such as: db compact."`
}

// Run implements the command.
func (c *helpCommand) Run(io stdio) error {
	_, err := parse(&cli{}, append(c.Command, "--help"), io)
	return err
}

// versionFlag prints what refrain version does.
type versionFlag bool

// BeforeReset has kong call it before anything that is missing is an error.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	err := new(versionCommand).Run(stdio{Out: app.Stdout, Err: app.Stderr})
	app.Exit(0)
	return err
}
