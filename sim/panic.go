package sim

import (
	"fmt"
	"runtime"
	"strings"
)

// panicked makes a panic of what is simulated a violation like any other: a
// search goes on, and the seed is named. It is to be deferred.
func (w *World) panicked() {
	if reason := recover(); reason != nil {
		w.violation = nil // a checker may have spoken before; this is graver
		w.Violate("PANIC", "%v\n%s", reason, callers())
	}
}

// callers lists who was being called when the panic came, down to the event.
// Unlike a stack trace it has no addresses, and so is the same in every run.
func callers() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, ".(*World).Next") || !more {
			return b.String()
		}
		if !strings.HasPrefix(f.Function, "runtime.") {
			fmt.Fprintf(&b, "\t%s:%d\n", f.Function[strings.LastIndexByte(f.Function, '/')+1:], f.Line)
		}
	}
}
