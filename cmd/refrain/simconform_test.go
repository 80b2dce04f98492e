package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
)

func TestAComparisonThatIsInterruptedIsNotEqual(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		ctx, end := context.WithCancelCause(t.Context())
		end(&interruption{syscall.SIGINT})
		var out bytes.Buffer
		command := simConformCommand{Seeds: 2, First: 1, Profile: []string{"smoke"}, Requests: 5, Workers: 1, JSON: asJSON}
		err := command.Run(ctx, stdio{Out: &out, Err: t.Output()})
		if told, is := errors.AsType[*commandError](err); !is || told.code != 130 {
			t.Errorf("the error is %v, want the code 130", err)
		}
		want := map[bool]string{false: "INTERRUPTED after ", true: `{"verdict":"interrupted",`}[asJSON]
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "EQUAL") {
			t.Errorf("there is no %s in\n%s", want, out.String())
		}
	}
}
