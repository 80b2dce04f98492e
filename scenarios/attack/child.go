package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// attackerVariable is set in the environment of the attackers' process.
const attackerVariable = "REFRAIN_ATTACKER"

// The attackers' process reads its plan, prepares, says that it is ready, waits to
// be told, attacks and reports. Each message is a line of JSON.
type message struct {
	Ready    bool      `json:"ready,omitempty"`
	Findings *findings `json:"findings,omitempty"`
	Error    string    `json:"error,omitempty"`
}

const (
	prepareTimeout = 2 * time.Minute // until the attackers are ready
	endTimeout     = 2 * time.Minute // for the end of an attack
)

// RunAttacker runs the attackers and ends the process, if the process was started
// for that; else it does nothing. It comes first in main.
func RunAttacker() {
	if os.Getenv(attackerVariable) == "" {
		return
	}
	in := bufio.NewReader(os.Stdin)
	answer := func(m message) { _ = json.NewEncoder(os.Stdout).Encode(m) }
	if err := runAttacker(in, answer); err != nil {
		answer(message{Error: err.Error()})
		os.Exit(1)
	}
	os.Exit(0)
}

func runAttacker(in *bufio.Reader, answer func(message)) error {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	a := new(attacker)
	if err := json.Unmarshal(line, &a.plan); err != nil {
		return err
	}
	if err := checkLoopback(a.plan.Address); err != nil {
		return err
	}
	attack, there := named(a.plan.Attack)
	if !there {
		return fmt.Errorf("there is no attack %q", a.plan.Attack)
	}
	// Whatever an attack waits for, it ends.
	time.AfterFunc(prepareTimeout+a.plan.For+endTimeout, func() { os.Exit(1) })
	if a.authority, _, err = readAuthority(a.plan.PKI); err != nil {
		return err
	}
	preparing, cancel := context.WithTimeout(context.Background(), prepareTimeout)
	defer cancel()
	begin, err := attack.prepare(preparing, a)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	answer(message{Ready: true})
	if _, err := in.ReadBytes('\n'); err != nil {
		return err
	}
	go func() { // the other process is gone
		_, _ = in.ReadBytes('\n')
		os.Exit(1)
	}()
	ctx, stop := context.WithTimeout(context.Background(), a.plan.For)
	defer stop()
	if err := begin(ctx); err != nil {
		a.note("the attack ended early: %v", err)
	}
	found := a.findings()
	answer(message{Findings: &found})
	return nil
}

// child is the attackers' process as the program that started it sees it.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     chan message
	ended   chan error
}

// startAttackers starts the attackers' process. With nice on the path it has a lower
// priority than server and hosts: attackers have machines of their own.
func startAttackers(p plan, stderr io.Writer) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{command: exec.Command(self), out: make(chan message, 4), ended: make(chan error, 1)}
	if nice, err := exec.LookPath("nice"); err == nil {
		c.command = exec.Command(nice, "-n", "10", self)
	}
	c.command.Env = append(os.Environ(), attackerVariable+"=1")
	c.command.Stderr = stderr
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		lines := json.NewDecoder(out)
		for {
			var m message
			if lines.Decode(&m) != nil {
				break
			}
			c.out <- m
		}
		close(c.out)
		c.ended <- c.command.Wait()
	}()
	if err := json.NewEncoder(c.in).Encode(p); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// next waits for the next message.
func (c *child) next(ctx context.Context, limit time.Duration) (message, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case m, open := <-c.out:
		switch {
		case !open:
			return m, errors.New("the attackers' process ended without a report")
		case m.Error != "":
			return m, errors.New(m.Error)
		}
		return m, nil
	case <-ctx.Done():
		return message{}, fmt.Errorf("the attackers' process: %w", ctx.Err())
	}
}

// begin tells the attackers to begin.
func (c *child) begin() error {
	_, err := io.WriteString(c.in, "begin\n")
	return err
}

// kill ends the process and waits for its end.
func (c *child) kill() {
	_ = c.in.Close()
	_ = c.command.Process.Kill()
	<-c.ended
}
