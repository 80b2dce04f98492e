package httpagent

import "sync"

// Log keeps the lines of an agent's log (core/agent, Entry.AppendLine). A
// driver uses it from one goroutine.
type Log interface {
	// Load returns the lines that are durable, and makes sure that they are. It
	// is called at the start of every session, also after an Append that
	// failed; until then it is indeterminate whether its lines are part of the
	// log.
	Load() ([]byte, error)
	// Append adds whole lines to the log. With sync they are durable, and so is
	// everything before them, when it returns nil; without, they are a hint
	// whose loss costs a repetition and nothing else. After an error the log
	// takes no more lines until it is loaded again.
	Append(lines []byte, sync bool) error
	// Replace puts lines in place of the whole log, at once or not at all, and
	// durably. After an error Append says whether the log still takes lines.
	Replace(lines []byte) error
	// Close closes the log. It may be called more than once.
	Close() error
}

// MemoryLog is a log in memory. It may outlive a driver: the next one reads
// what the one before has written. The zero value is an empty log.
type MemoryLog struct {
	mu     sync.Mutex
	lines  []byte
	failed error
	fault  error
}

// Fail makes every Append from now on fail with err, or succeed again with nil;
// for tests of a full disk.
func (l *MemoryLog) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = err
}

// Load implements [Log].
func (l *MemoryLog) Load() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = nil
	return append([]byte(nil), l.lines...), nil
}

// Append implements [Log].
func (l *MemoryLog) Append(lines []byte, _ bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault != nil {
		l.failed = l.fault
	}
	if l.failed != nil {
		return l.failed
	}
	l.lines = append(l.lines, lines...)
	return nil
}

// Replace implements [Log].
func (l *MemoryLog) Replace(lines []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault != nil {
		return l.fault
	}
	if l.failed != nil {
		return errNotLoaded
	}
	l.lines = append(l.lines[:0], lines...)
	return nil
}

// Close implements [Log]. The lines stay.
func (l *MemoryLog) Close() error { return nil }
