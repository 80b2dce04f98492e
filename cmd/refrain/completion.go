package main

import (
	"fmt"
	"os"

	"github.com/posener/complete"
	"github.com/willabides/kongplete"
)

// completionCommand prints what makes a shell complete this program's command lines.
// The shell then runs the program with the line in COMP_LINE, and complete answers from
// the grammar, so that a script never gets old.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements kong's HelpProvider.
func (*completionCommand) Help() string {
	return "bash: source <(refrain completion bash). zsh: the same, after compinit. fish: refrain completion fish | source."
}

// completionScripts are by shell, with the path of the program and its name. Where the
// grammar has no word to offer, the shell completes the names of files.
var completionScripts = map[string]string{
	"bash": "complete -o default -C %[1]s %[2]s\n",
	"zsh":  "autoload -U +X bashcompinit && bashcompinit\ncomplete -o default -C %[1]s %[2]s\n",
	"fish": `function __complete_%[2]s
    set -lx COMP_LINE (commandline -cp)
    set -l found (%[1]s)
    if test (count $found) -gt 0
        printf '%%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c %[2]s -f -a "(__complete_%[2]s)"
`,
}

// Run implements the command.
func (c *completionCommand) Run(io stdio) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("where this program is: %w", err)
	}
	_, err = fmt.Fprintf(io.Out, completionScripts[c.Shell], shellWord(program), "refrain")
	return err
}

// completed answers a shell that asks how a line goes on; it reports whether it was asked.
func completed(grammar any, io stdio) (bool, error) {
	if os.Getenv("COMP_LINE") == "" {
		return false, nil
	}
	parser, err := newParser(grammar, io, func(int) {})
	if err != nil {
		return true, err
	}
	command, err := kongplete.Command(parser)
	if err != nil {
		return true, err
	}
	answer := complete.New("refrain", command)
	answer.Out = io.Out
	answer.Complete()
	return true, nil
}
