package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Kind says what a transition is for.
type Kind string

// The kinds.
const (
	// Activate switches to the closure of a dispatch, on trial.
	Activate Kind = "activate"
	// RollBack switches back because of probes. It needs no plane.
	RollBack Kind = "rollback"
	// Stage sets what the next boot brings.
	Stage Kind = "stage"
	// Booted is the trial of what was staged, after the boot.
	Booted Kind = "booted"
)

// Phase is how far a transition has come. Each is durable before what it names begins.
type Phase string

// The phases.
const (
	Prepared   Phase = "prepared"   // armed; nothing was done
	Switching  Phase = "switching"  // switch-to-configuration test of the target
	Trial      Phase = "trial"      // the target runs; a plane has to be reached
	Committing Phase = "committing" // the target becomes what the next boot brings
	Reverting  Phase = "reverting"  // the previous system is brought back
	Rebooting  Phase = "rebooting"  // and a boot has to do it
	Ended      Phase = "ended"      // Result says how
)

// Transition is one switch of the host, as the file switch.json of the state
// directory has it.
type Transition struct {
	Kind    Kind           `json:"kind"`
	Rollout wire.RolloutID `json:"rollout"`
	Phase   Phase          `json:"phase"`
	// Target is the system to switch to, Previous what ran before, Before what the
	// profile was: names in the store.
	Target   string `json:"target"`
	Previous string `json:"previous"`
	Before   string `json:"before"`
	// Component is what needs a boot, for Stage.
	Component string `json:"component,omitempty"`
	// BootID is the boot that the phase belongs to, Deadline when the trial ends, on
	// [Awake] of that boot.
	BootID   string        `json:"boot_id"`
	Deadline time.Duration `json:"deadline,omitempty"`
	// Why says why the host goes back.
	Why string `json:"why,omitempty"`
	// Result, ExitCode and Tail are how it ended.
	Result   agent.ActivationResult `json:"result,omitempty"`
	ExitCode int                    `json:"exit_code"`
	Tail     string                 `json:"tail,omitempty"`
	Config   Config                 `json:"config"`
}

const (
	transitionFile = "switch.json"
	stagedFile     = "boot.json"
	runnerLock     = "switch.lock"
	childLock      = "switch.child.lock"
)

// LoadTransition reads the transition of a state directory; nil if there is none.
func LoadTransition(stateDir string) (*Transition, error) {
	return load[Transition](filepath.Join(stateDir, transitionFile))
}

// Staged is what the next boot brings, in boot.json.
type Staged struct {
	Target   string `json:"target"`
	Previous string `json:"previous"`
	// BootID is the boot in which it was staged.
	BootID  string         `json:"boot_id"`
	Rollout wire.RolloutID `json:"rollout"`
}

// LoadStaged reads what was staged; nil if nothing was.
func LoadStaged(stateDir string) (*Staged, error) {
	return load[Staged](filepath.Join(stateDir, stagedFile))
}

func load[T any](path string) (*T, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	value := new(T)
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}

// save replaces a file at once, durably.
func save(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	temp := path + ".new"
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDirectory(filepath.Dir(path))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
