package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// checkedWriter is the standard output of a command. Most of what is printed is
// printed without a look at the error, so it is noted here: what could not be
// written is said at once, and decides the exit code. Safe for concurrent use.
type checkedWriter struct {
	to     io.Writer
	errors io.Writer // takes the message

	mu     sync.Mutex // of writing
	failed atomic.Pointer[error]
}

// Write implements [io.Writer]. After an error nothing more is written.
func (w *checkedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.err(); err != nil {
		return 0, err
	}
	n, err := w.to.Write(p)
	if err != nil {
		w.failed.Store(&err)
		fmt.Fprintf(w.errors, "refrain: standard output: %v; the output is incomplete\n", err)
	}
	return n, err
}

// err returns the first error. It does not wait for a write that is under way: the
// reader of a pipe may be gone for good.
func (w *checkedWriter) err() error {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// helpWriter is where help is printed. kong asks a file for the width of the
// terminal, and only a file; a terminal is nothing that fills up.
func helpWriter(w io.Writer) io.Writer {
	if to := unchecked(w); isTerminal(to) {
		return to
	}
	return w
}

// unchecked returns what a checkedWriter writes to, or the writer itself.
func unchecked(w io.Writer) io.Writer {
	if checked, ok := w.(*checkedWriter); ok {
		return checked.to
	}
	return w
}

// outputError is the error of an output that cannot be written.
func outputError(flag string, err error) error {
	return &commandError{err: fmt.Errorf("%s: %w", flag, err), code: exitUsage}
}

// outputFile is a file that a flag names and that is written in pieces. What was
// written is there once Close has returned nil. Safe for concurrent use.
type outputFile struct {
	flag string
	file *os.File // nil for standard output

	mu     sync.Mutex
	buffer *bufio.Writer
}

// createOutput creates the file, so that a path that cannot be written is an
// error before the work; "-" is standard output.
func createOutput(flag, path string, stdout io.Writer) (*outputFile, error) {
	if path == "-" {
		return &outputFile{flag: flag, buffer: bufio.NewWriter(stdout)}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, outputError(flag, err)
	}
	return &outputFile{flag: flag, file: file, buffer: bufio.NewWriterSize(file, 1<<16)}, nil
}

// Write implements [io.Writer].
func (o *outputFile) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

// Close writes what is buffered and closes the file. The error is the first of
// everything that was written.
func (o *outputFile) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.buffer.Flush()
	if o.file != nil {
		err = errors.Join(err, o.file.Close())
	}
	if err != nil {
		return outputError(o.flag, err)
	}
	return nil
}

// write has a function write the whole file, and closes it.
func (o *outputFile) write(whole func(io.Writer) error) error {
	err := whole(o)
	if closing := o.Close(); closing != nil {
		return closing
	}
	return err
}

// writeOutput writes a whole file. A file that exists is replaced, with its
// permissions, once the new one is complete: a full disk costs nobody the old one.
// What is no regular file, such as a pipe, is written to.
func writeOutput(flag, path string, data []byte, mode fs.FileMode) error {
	if err := replaceFile(path, data, mode); err != nil {
		return outputError(flag, err)
	}
	return nil
}

func replaceFile(path string, data []byte, mode fs.FileMode) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return os.WriteFile(path, data, mode)
	case err == nil:
		mode = info.Mode().Perm()
	}
	part, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part.Name())
		}
	}()
	_, err = part.Write(data)
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}
