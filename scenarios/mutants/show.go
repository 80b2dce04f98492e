package mutants

import (
	"context"
	"errors"
	"io"
	"os/exec"
)

// Show builds refrain with a mutant in it and runs a scenario file with that
// build, as `refrain sim run` does. It returns the exit code: 0 if no rule was
// broken.
func Show(ctx context.Context, root string, m *Mutant, file string, to io.Writer) (int, error) {
	ws, err := newWorkspace(root, m)
	if err != nil {
		return 0, err
	}
	defer ws.remove()
	binary, err := ws.build(ctx, "./cmd/refrain")
	if err != nil {
		return 0, err
	}
	command := exec.CommandContext(ctx, binary, "sim", "run", file)
	command.Stdout, command.Stderr = to, to
	err = command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}
