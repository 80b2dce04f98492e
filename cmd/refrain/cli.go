package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/operate"
)

// cli is the grammar of the command line. A command is one field here and one
// file beside this one, with a method
//
//	Run(ctx context.Context, io stdio) error
//
// that may take the pointers of the commands above it as well. ctx ends at the
// first SIGINT or SIGTERM.
type cli struct {
	Config configFile `placeholder:"FILE" help:"Read flags from this YAML file; the command line and the environment override it."`

	Build versionFlag `name:"version" env:"-" help:"Print the version of this build."`

	Serve   serveCommand   `cmd:"" help:"Run the control plane."`
	Dev     devCommand     `cmd:"" help:"Run a demo control plane, with requests to paste."`
	Sim     simCommand     `cmd:"" help:"Simulate fleets and planes, in virtual time."`
	Gameday gamedayCommand `cmd:"" help:"Play a scenario with a real server and real agents."`
	PKI     pkiCommand     `cmd:"" name:"pki" help:"Issue the fleet's certificates."`
	Release releaseCommand `cmd:"" help:"Make, sign and verify signed releases."`
	Agent   agentCommand   `cmd:"" help:"Run the agent of a NixOS host, and look at it."`
	Load    loadCommand    `cmd:"" help:"Run the agents of virtual hosts against a plane."`
	Audit   auditCommand   `cmd:"" help:"Verify the tables of a database against its log."`
	DB      dbCommand      `cmd:"" name:"db" help:"Inspect, copy, export or compact a database."`

	Status     operate.StatusCommand     `cmd:"" group:"Operators:" help:"Show the fleet on one screen."`
	Host       operate.HostCommand       `cmd:"" group:"Operators:" help:"List and show hosts."`
	Rollout    operate.RolloutCommand    `cmd:"" group:"Operators:" help:"List, show, open, compare, trace and await rollouts."`
	Event      operate.EventCommand      `cmd:"" group:"Operators:" help:"Read the history of a rollout."`
	Quarantine operate.QuarantineCommand `cmd:"" group:"Operators:" help:"List and clear quarantined closures."`
	Revocation operate.RevocationCommand `cmd:"" group:"Operators:" help:"List and add revocations of certificates."`
	Context    operate.ContextCommand    `cmd:"" group:"Operators:" help:"Keep the planes that you operate, under names."`

	Version versionCommand `cmd:"" help:"Print the version of this build."`
	Help    helpCommand    `cmd:"" help:"Show the help of a command."`

	Completion completionCommand `cmd:"" help:"Print what has a shell complete command lines."`
	Man        manCommand        `cmd:"" help:"Write the manual pages into a directory."`
}

// stdio is where a command writes: results to Out, everything else to Err.
type stdio struct {
	Out, Err io.Writer
}

// Exit codes.
const (
	exitGood   = 0
	exitFailed = 1 // it failed, or found a violation
	exitUsage  = 2 // the command line, the environment or the file is wrong, or an output cannot be written
	// A command that a signal has interrupted exits with interruption.code.
)

// commandError is an error with an exit code and a hint. Any other error of a
// command is exitFailed without a hint.
type commandError struct {
	err      error
	code     int    // one of the exit codes, but exitGood
	hint     string // one line on what to do, or empty
	reported bool   // the command has printed the error itself
}

// Error implements error.
func (e *commandError) Error() string {
	if e.err == nil {
		return "a rule was violated"
	}
	return e.err.Error()
}

// Unwrap returns the cause.
func (e *commandError) Unwrap() error { return e.err }

// run runs the command that args name by grammar (a *cli, except in tests) and
// returns the exit code.
func run(grammar any, args []string, io stdio) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	out := &checkedWriter{to: io.Out, errors: io.Err}
	err := runCommand(ctx, grammar, args, stdio{Out: out, Err: io.Err})
	if i := interrupted(ctx); i != nil && errors.Is(err, context.Canceled) {
		err = &commandError{err: i, code: i.code()}
	}
	code := report(err, out.err(), io.Err)
	if out.err() != nil {
		return exitUsage
	}
	return code
}

// report prints the error of a command, unless it is printed already: by the
// command, or since it is that of its standard output. It returns the exit code.
func report(err, printed error, to io.Writer) int {
	if err == nil || printed != nil && errors.Is(err, printed) {
		return exitGood
	}
	var told *commandError
	known := errors.As(err, &told)
	if known && told.reported {
		return told.code
	}
	var text strings.Builder
	printError(&text, err)
	code := exitFailed
	if known {
		code = told.code
		if told.hint != "" {
			fmt.Fprintf(&text, "hint: %s\n", told.hint)
		}
	}
	writeBounded(to, text.String())
	return code
}

// mostErrorLines is how many lines of an error are printed: enough for a few
// files that are wrong, and no flood for a thousand names that are.
const mostErrorLines = 100

// printError prints an error, each of its lines with the program's name.
func printError(to io.Writer, err error) {
	lines := strings.Split(strings.TrimSuffix(err.Error(), "\n"), "\n")
	for _, line := range lines[:min(len(lines), mostErrorLines)] {
		fmt.Fprintf(to, "refrain: %s\n", line)
	}
	if more := len(lines) - mostErrorLines; more > 0 {
		fmt.Fprintf(to, "refrain: and %d more lines\n", more)
	}
}

// runCommand parses args by grammar and runs the command they name.
func runCommand(ctx context.Context, grammar any, args []string, io stdio) error {
	parsed, err := parse(grammar, args, io)
	if err != nil || parsed == nil {
		return err
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return operatorError(parsed.Run(io, operate.IO{In: os.Stdin, Out: io.Out, Err: io.Err, Terminal: isTerminal(unchecked(io.Out))}))
}

// operatorError gives an error of an operator's command its exit code and hint.
func operatorError(err error) error {
	var told *operate.Error
	if errors.As(err, &told) {
		return &commandError{err: told.Err, code: told.Code, hint: told.Hint}
	}
	return err
}

// parse parses args by grammar. The result is nil if args asked for help or for
// the version, which is printed.
func parse(grammar any, args []string, io stdio) (*kong.Context, error) {
	helped := false
	parser, err := newParser(grammar, io, func(int) { helped = true })
	if err != nil {
		panic(err) // the grammar is ours
	}
	parsed, err := parser.Parse(joinNegative(args))
	if helped {
		return nil, nil
	}
	// A variable with a typo may be why a required flag is missing.
	if err := checkEnvironment(parser.Model.Node, os.Environ()); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, &commandError{err: err, code: exitUsage, hint: usageHint(err)}
	}
	if err := checkHomePaths(parsed); err != nil {
		return nil, err
	}
	return parsed, nil
}

// negative is a word that looks like a negative number. No flag does.
var negative = regexp.MustCompile(`^-[0-9.]`)

// joinNegative joins a flag and the negative number after it, which kong would
// take for a short flag and not for a wrong value.
func joinNegative(args []string) []string {
	var joined []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(joined, args[i:]...)
		}
		word := args[i]
		if strings.HasPrefix(word, "--") && !strings.Contains(word, "=") && i+1 < len(args) && negative.MatchString(args[i+1]) {
			i++
			word += "=" + args[i]
		}
		joined = append(joined, word)
	}
	return joined
}

// newParser makes a parser of grammar, which calls exit once it has printed
// help.
func newParser(grammar any, io stdio, exit func(int)) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("refrain"),
		kong.Description("A control plane for fleets of NixOS hosts."),
		kong.DefaultEnvars("REFRAIN"),
		serveVars(),
		simVars(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Writers(helpWriter(io.Out), io.Err),
		kong.Exit(exit),
	)
}

// usageHint points at the help of the command that was used wrongly. Errors of
// the configuration file already say what would be right.
func usageHint(err error) string {
	var file *configError
	if errors.As(err, &file) {
		return "deploy/refrain.example.yaml shows every key"
	}
	// kong begins the error of a value with the flag.
	var value *valueError
	if flag, _, found := strings.Cut(err.Error(), ": "); found && errors.As(err, &value) && value.instead != "" && strings.HasPrefix(flag, "--") {
		return fmt.Sprintf("try %s=%s", flag, shellWord(value.instead))
	}
	command := "refrain"
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil {
		if selected := wrong.Context.Selected(); selected != nil {
			command = selected.FullPath()
		}
	}
	return fmt.Sprintf("%s --help shows the usage", command)
}
