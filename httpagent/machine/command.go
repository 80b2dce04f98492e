package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// maxTail is how much of a command's output is kept, of its end.
const maxTail = 4 << 10

// tailWriter keeps the end of what is written.
type tailWriter struct{ text []byte }

func (t *tailWriter) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// String returns the end as valid text.
func (t *tailWriter) String() string {
	return strings.ToValidUTF8(strings.TrimSpace(string(t.text)), "?")
}

// outcome is how a command ended.
type outcome struct {
	exit int // -1 if it was killed or did not start
	tail string
	err  error // nil only for exit 0
}

// execute runs a command to its end. When ctx ends, its whole group is killed. The
// child keeps inherited open.
func execute(ctx context.Context, command []string, inherited ...*os.File) outcome {
	c := exec.Command(command[0], command[1:]...)
	var tail tailWriter
	c.Stdout, c.Stderr, c.ExtraFiles = &tail, &tail, inherited
	c.WaitDelay = 2 * time.Second
	ownGroup(c)
	if err := c.Start(); err != nil {
		return outcome{exit: -1, tail: err.Error(), err: err}
	}
	stop := context.AfterFunc(ctx, func() { killGroup(c.Process.Pid) })
	err := c.Wait()
	stop()
	o := outcome{exit: c.ProcessState.ExitCode(), tail: tail.String(), err: err}
	if errors.Is(err, exec.ErrWaitDelay) && o.exit == 0 {
		o.err = nil // a process that it left behind has its output open
	}
	if ctx.Err() != nil && o.err != nil {
		o.exit, o.err = -1, fmt.Errorf("%s was killed: %w", command[0], context.Cause(ctx))
	}
	return o
}

// errTimeout ends a command that takes too long.
var errTimeout = errors.New("it did not end within its timeout")

func timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, errTimeout)
}

// wait waits for d; false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
