package logging

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// sayLossAfter is how often the writer tries to say that lines are missing
	// while nothing else is logged.
	sayLossAfter = time.Second
	// busyPause is how long the writer waits for a destination that cannot take
	// more just now.
	busyPause = 20 * time.Millisecond
)

// queue is the bounded buffer between the program and its log. Write never
// waits; a goroutine hands the lines to the destination one by one.
type queue struct {
	to       io.Writer
	room     int // bytes
	lossLine func(lost uint64) []byte

	lostTotal atomic.Uint64

	mu     sync.Mutex
	lines  []queued
	bytes  int    // of lines
	lost   uint64 // lines that found no room since the last that did
	closed bool

	wake chan struct{} // has room for one
	done chan struct{} // closed when the writer has ended

	// The writer's own.
	unsaid uint64 // lines that are lost and not yet said to be
	torn   bool   // the last line was written in part
}

// queued is a line, and how many were lost immediately before it.
type queued struct {
	text []byte // nil if there is no line, and only losses
	lost uint64
}

func newQueue(to io.Writer, room int, lossLine func(uint64) []byte) *queue {
	q := &queue{to: to, room: room, lossLine: lossLine, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write implements [io.Writer], for one line. It never waits and never fails.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if q.closed || q.bytes+len(line) > q.room {
		q.lost++
		q.lostTotal.Add(1)
	} else {
		q.lines = append(q.lines, queued{append([]byte(nil), line...), q.lost})
		q.bytes += len(line)
		q.lost = 0
	}
	q.mu.Unlock()
	q.ring()
	return len(line), nil
}

func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default: // it rings already
	}
}

// close lets the writer end once the queue is empty, and waits for it.
func (q *queue) close(within time.Duration) (complete bool) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.ring()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-q.done:
		return q.unsaid == 0
	case <-timer.C:
		return false
	}
}

// run writes lines until the queue is closed and empty.
func (q *queue) run() {
	defer close(q.done)
	for {
		next, some, closed := q.take()
		switch {
		case some:
			q.write(next)
		case closed:
			q.write(queued{})
			return
		case q.unsaid > 0:
			select {
			case <-q.wake:
			case <-time.After(sayLossAfter):
				q.write(queued{})
			}
		default:
			<-q.wake
		}
	}
}

// take takes the next line off the queue, or the losses after the last one.
func (q *queue) take() (next queued, some, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) > 0 {
		next = q.lines[0]
		q.lines[0] = queued{}
		q.lines = q.lines[1:]
		q.bytes -= len(next.text)
		return next, true, q.closed
	}
	q.lines = nil
	next.lost, q.lost = q.lost, 0
	return next, next.lost > 0, q.closed
}

// write writes a line, and before it how many are missing. A line that cannot
// be written is missing itself.
func (q *queue) write(next queued) {
	q.unsaid += next.lost
	if q.unsaid > 0 && q.put(q.lossLine(q.unsaid)) {
		q.unsaid = 0
	}
	if next.text != nil && (q.unsaid > 0 || !q.put(next.text)) {
		q.unsaid++
		q.lostTotal.Add(1)
	}
}

// put writes a line and reports whether it was written. After a part of a line
// (a disk that became full) the next one begins on a new line.
func (q *queue) put(line []byte) bool {
	if q.torn {
		line = append([]byte("\n"), line...)
	}
	written := 0
	for {
		n, err := q.to.Write(line[written:])
		written += max(0, n)
		switch {
		case err == nil:
			q.torn = false
			return true
		case errors.Is(err, syscall.EAGAIN):
			// Another process has made the file non-blocking.
			time.Sleep(busyPause)
		default:
			// The new line alone mends what is torn.
			q.torn = q.torn && written == 0 || written > 0 && line[written-1] != '\n'
			return false
		}
	}
}
