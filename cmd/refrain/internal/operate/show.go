package operate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
)

// Format is how a result is printed.
type Format struct {
	JSON   bool   `name:"json" help:"Print the plane's document as JSON; the same as -o json."`
	Output string `short:"o" default:"table" enum:"table,wide,json" placeholder:"FORM" help:"How the result is printed: ${enum} (${default})."`
}

func (f *Format) asJSON() bool { return f.JSON || f.Output == "json" }
func (f *Format) wide() bool   { return f.Output == "wide" }

// Watch is whether a result is printed again whenever it changes.
type Watch struct {
	Watch bool          `short:"w" help:"Print the result again whenever it has changed, until interrupted."`
	Every time.Duration `default:"2s" placeholder:"DUR" help:"With --watch: how often the plane is asked (${default})."`
}

// Reading is the flags of a command that reads.
type Reading struct {
	Request
	Format
}

// Watching is the flags of a command that reads and may be watched.
type Watching struct {
	Reading
	Watch
}

// printer asks the plane and prints the result.
type printer func(ctx context.Context, client *planeclient.Client, w io.Writer) error

// show prints a result once.
func (r *Reading) show(ctx context.Context, out IO, print printer) error {
	client, err := r.connect(out)
	if err != nil {
		return err
	}
	defer client.Close()
	return explain(print(ctx, client, out.Out))
}

const clearScreen = "\x1b[H\x1b[2J"

// show prints a result, and again whenever it has changed if it is watched.
func (f *Watching) show(ctx context.Context, out IO, print printer) error {
	if !f.Watch.Watch {
		return f.Reading.show(ctx, out, print)
	}
	if f.Every < minEvery {
		return usage("nothing was sent", "--every is %v; want at least %v", f.Every, minEvery)
	}
	client, err := f.connect(out)
	if err != nil {
		return err
	}
	defer client.Close()
	var last, now bytes.Buffer
	for {
		now.Reset()
		if err := print(ctx, client, &now); err != nil {
			return explain(err)
		}
		if !bytes.Equal(last.Bytes(), now.Bytes()) {
			switch {
			case out.Terminal:
				fmt.Fprint(out.Out, clearScreen)
			case last.Len() > 0:
				fmt.Fprintln(out.Out)
			}
			if _, err := out.Out.Write(now.Bytes()); err != nil {
				return err
			}
			last, now = now, last
		}
		if err := planeclient.Sleep(ctx, f.Every); err != nil {
			return err
		}
	}
}

// minEvery is the shortest time between two requests of a command that asks again and
// again.
const minEvery = 100 * time.Millisecond
