package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// startTimeout bounds the start of the server, and stopTimeout its end.
const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 20 * time.Second
)

// server is the plane's process.
type server struct {
	command *exec.Cmd
	address string
	ops     string // the URL of the ops listener
	db      string
	exited  chan struct{}
	failure error // how it ended, once exited is closed
	stdout  lockedBuffer
	stderr  lockedBuffer
}

var served = regexp.MustCompile(`serves on https://(\S+) for .*ops on (http://[^\s;]+)`)

// startServer starts the binary with its state in dir, and waits until it serves.
func startServer(ctx context.Context, c *Config, dir, pkiDir string, descriptors int) (*server, error) {
	file := func(name string) string { return filepath.Join(pkiDir, name) }
	s := &server{db: filepath.Join(dir, "plane.db"), exited: make(chan struct{})}
	args := []string{
		"serve", "--listen", c.Listen, "--ops-listen", "127.0.0.1:0", "--db", s.db, "--agent-cn-suffix", fleetSuffix,
		"--tls-cert", file("server.crt"), "--tls-key", file("server.key"), "--client-ca", file("ca.crt"),
		"--flight-dir", "off", "--log-level", "error", "--drain-time", "0s",
	}
	s.command = exec.Command(c.Binary, args...)
	if descriptors > 0 {
		limited := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, descriptors)
		s.command = exec.Command("sh", append([]string{"-c", limited, c.Binary}, args...)...)
	}
	s.command.Stdout, s.command.Stderr = &s.stdout, &s.stderr
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.failure = s.command.Wait()
		close(s.exited)
	}()
	limit := time.NewTimer(startTimeout)
	defer limit.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		if m := served.FindStringSubmatch(s.stdout.String()); m != nil {
			s.address, s.ops = m[1], m[2]
			return s, checkLoopback(s.address)
		}
		select {
		case <-look.C:
		case <-s.exited:
			return nil, fmt.Errorf("%s serve ended with %v: %s", c.Binary, s.failure, s.stderr.String())
		case <-limit.C:
			s.stop()
			return nil, fmt.Errorf("%s serve does not serve within %v", c.Binary, startTimeout)
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		}
	}
}

// lives reports whether the process runs and /livez answers 200.
func (s *server) lives(ctx context.Context) error {
	select {
	case <-s.exited:
		return fmt.Errorf("the server ended: %v: %s", s.failure, lastOf(s.stderr.String()))
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := send(ctx, http.DefaultClient, http.MethodGet, s.ops+"/livez", ""); err != nil {
		return fmt.Errorf("/livez: %s", causeOf(err))
	}
	return nil
}

func lastOf(text string) string { return text[max(0, len(text)-2000):] }

// stop ends the process: as a service manager does, and then without asking.
func (s *server) stop() {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_ = s.command.Process.Kill()
		<-s.exited
	}
}

// databaseBytes is the size of the database, with its write-ahead log.
func (s *server) databaseBytes() (sum int64) {
	for _, ending := range []string{"", "-wal"} {
		if info, err := os.Stat(s.db + ending); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// usage is what a process uses. Without /proc it is unknown, which is zero.
type usage struct {
	resident    int     // bytes
	descriptors int     // open ones
	seconds     float64 // of CPU since the start
}

func usageOf(pid int) (u usage) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return u
	}
	if stat, err := process.Stat(); err == nil {
		u.resident, u.seconds = stat.ResidentMemory(), stat.CPUTime()
	}
	if n, err := process.FileDescriptorsLen(); err == nil {
		u.descriptors = n
	}
	return u
}

// watch samples what the process uses until ctx ends, and returns the most of it.
func (s *server) watch(ctx context.Context) (most usage) {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		u := usageOf(s.command.Process.Pid)
		most.resident, most.descriptors = max(most.resident, u.resident), max(most.descriptors, u.descriptors)
		select {
		case <-ctx.Done():
			return most
		case <-look.C:
		}
	}
}

// lockedBuffer keeps what a process prints, up to a bound.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const maxPrinted = 1 << 20

// Write implements [io.Writer].
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.text.Len() < maxPrinted {
		b.text.Write(p)
	}
	return len(p), nil
}

// String returns what was written.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// buildOf is what a binary says of itself; empty if it does not say.
func buildOf(ctx context.Context, binary string) string {
	text, err := exec.CommandContext(ctx, binary, "version").Output()
	if err != nil {
		return ""
	}
	var parts []string
	for line := range strings.Lines(string(text)) {
		parts = append(parts, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(parts, ", ")
}

// Build builds the binary of the module in whose source the program runs, into dir.
func Build(ctx context.Context, dir string, stderr io.Writer) (binary string, err error) {
	binary = filepath.Join(dir, "refrain")
	command := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/refrain-fleet/refrain/cmd/refrain")
	command.Stderr = stderr
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", errors.Join(errors.New("build cmd/refrain, inside of refrain's source; or name a binary with --binary"), err)
	}
	return binary, nil
}
