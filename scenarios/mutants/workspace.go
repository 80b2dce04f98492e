package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Root returns the root of the module that the working directory is in.
func Root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("the working directory is in no module; want one inside refrain's source")
	}
	return filepath.Dir(file), nil
}

// workspace is a temporary directory with what the Go tool needs to build the
// module with one mutant in it. The source itself is never changed.
type workspace struct {
	root, dir string
	overlay   string // the file for -overlay; empty for the module as it is
}

// newWorkspace makes one. Of a nil mutant nothing is changed.
func newWorkspace(root string, m *Mutant) (*workspace, error) {
	dir, err := os.MkdirTemp("", "refrain-mutant-")
	if err != nil {
		return nil, err
	}
	ws := &workspace{root: root, dir: dir}
	if m == nil {
		return ws, nil
	}
	changed, err := m.Apply(root)
	if err == nil {
		err = ws.write(changed)
	}
	if err != nil {
		ws.remove()
		return nil, err
	}
	return ws, nil
}

func (ws *workspace) write(changed map[string]string) error {
	replace := make(map[string]string)
	for file, text := range changed {
		to := filepath.Join(ws.dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return err
		}
		replace[filepath.Join(ws.root, filepath.FromSlash(file))] = to
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	ws.overlay = filepath.Join(ws.dir, "overlay.json")
	return os.WriteFile(ws.overlay, list, 0o600)
}

func (ws *workspace) remove() { _ = os.RemoveAll(ws.dir) }

// build builds a package of the module and returns the binary. Symbols for
// debuggers are left out, which makes linking quicker.
func (ws *workspace) build(ctx context.Context, pkg string) (string, error) {
	binary := filepath.Join(ws.dir, filepath.Base(pkg))
	args := []string{"build", "-p=1", "-ldflags=-w", "-o", binary}
	if out, err := ws.run(ctx, "go", append(ws.overlaid(args), pkg)...); err != nil {
		return "", fmt.Errorf("it does not build: %w\n%s", err, out)
	}
	return binary, nil
}

// overlaid adds the overlay to the arguments of the Go tool.
func (ws *workspace) overlaid(args []string) []string {
	if ws.overlay == "" {
		return args
	}
	return append(args, "-overlay="+ws.overlay)
}

// run runs a command in the root of the module and returns what it writes.
func (ws *workspace) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = ws.root
	command.WaitDelay = 5 * time.Second // whatever a test has started holds its pipes open
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return out.Bytes(), err
}
