package gate_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestScripts plays the files of testdata/scripts. A file has two directives:
//
//	gate capacity=N reserve=N per-host=N reply-timeout=D max-retry-after=D
//	    makes a new gate; what is left out has its default.
//	do
//	    makes the calls of its lines, each "<now> <call> <arguments>", and shows
//	    what each returned. Callers may be a range: h1..h9.
//
// The calls are start, close, offer <callers> <class>, take <max>, settle
// <tickets>, drop <tickets>, skip <tickets> (those that are late), expire, flush, refuse <callers> <reason>, impaired
// and look. After each the invariants are checked.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := script{tickets: map[string]gate.Ticket{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "gate":
				return s.make(t, d)
			case "do":
				var out strings.Builder
				for line := range strings.Lines(d.Input) {
					fields := strings.Fields(line)
					if len(fields) < 2 {
						d.Fatalf(t, "want <now> <call> <arguments>, got %q", line)
					}
					now, err := time.ParseDuration(fields[0])
					if err != nil {
						d.Fatalf(t, "%v", err)
					}
					results := s.call(now, fields[1], fields[2:])
					if err := s.gate.Check(); err != nil {
						d.Fatalf(t, "after %q: %v", line, err)
					}
					fmt.Fprintf(&out, "%s %s", fields[0], fields[1])
					for _, result := range results {
						if len(results) > 1 {
							out.WriteString("\n ")
						}
						out.WriteString(" " + result)
					}
					out.WriteString("\n")
				}
				return out.String()
			default:
				d.Fatalf(t, "unknown directive %s", d.Cmd)
				return ""
			}
		})
	})
}

// script is the gate of one file. The payload of a request is its caller.
type script struct {
	gate    *gate.Gate[string]
	tickets map[string]gate.Ticket
}

func (s *script) make(t *testing.T, d *datadriven.TestData) string {
	var cfg gate.Config
	for _, arg := range d.CmdArgs {
		var err error
		value := strings.Join(arg.Vals, ",")
		switch arg.Key {
		case "capacity":
			cfg.Capacity, err = strconv.Atoi(value)
		case "reserve":
			cfg.HeartbeatReserve, err = strconv.Atoi(value)
		case "per-host":
			cfg.PerHost, err = strconv.Atoi(value)
		case "reply-timeout":
			cfg.ReplyTimeout, err = time.ParseDuration(value)
		case "max-retry-after":
			cfg.MaxRetryAfter, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("unknown argument %s", arg.Key)
		}
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	made, err := gate.New[string](cfg)
	if err != nil {
		return err.Error()
	}
	s.gate = made
	return made.String()
}

func (s *script) call(now time.Duration, call string, args []string) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch call {
	case "start":
		s.gate.Start(now)
	case "close":
		s.gate.Close(now)
	case "offer":
		for _, caller := range callers(args[0]) {
			ticket, refusal := s.gate.Offer(now, caller, classes[args[1]], string(caller))
			if refusal.Code == wire.OK {
				s.tickets[ticket.String()] = ticket
				say("%s %s", caller, ticket)
			} else {
				say("%s %s", caller, refusal)
			}
		}
	case "take":
		most, err := strconv.Atoi(args[0])
		if err != nil {
			return []string{err.Error()}
		}
		for _, taken := range s.gate.Take(now, most, nil) {
			say("%s %s", taken.Payload, taken.Ticket)
		}
	case "settle", "drop", "skip":
		for _, name := range args {
			end := s.gate.Settle
			switch call {
			case "drop":
				end = s.gate.Drop
			case "skip":
				if !s.gate.Late(now, s.tickets[name]) {
					say("%s in time", name)
					continue
				}
				end = s.gate.Skip
			}
			disposal, refusal := end(now, s.tickets[name])
			if disposal == gate.Refuse {
				say("%s %s %s", name, disposal, refusal)
			} else {
				say("%s %s", name, disposal)
			}
		}
	case "expire", "flush":
		end := s.gate.Expire
		if call == "flush" {
			end = s.gate.Flush
		}
		for _, e := range end(now, nil) {
			say("%s %s %s", e.Payload, e.Ticket, e.Refusal)
		}
	case "refuse":
		for _, caller := range callers(args[0]) {
			say("%s %s", caller, s.gate.Refuse(now, caller, reason(args[1])))
		}
	case "impaired":
		say("%t", s.gate.Impaired())
	case "look":
		line := s.gate.String()
		if age, ok := s.gate.Oldest(now); ok {
			line += "; oldest=" + age.String()
		}
		if s.gate.Wedged(now) {
			line += "; WEDGED"
		}
		say("%s", line)
	default:
		say("unknown call")
	}
	if out == nil {
		out = []string{"-"}
	}
	return out
}

var classes = map[string]gate.Class{"heartbeat": gate.Heartbeat, "bulk": gate.Bulk}

func reason(word string) wire.Code {
	for _, code := range wire.UnavailableCodes {
		if code.Reason() == word {
			return code
		}
	}
	return wire.OK
}

// callers reads "h1" or "h1..h9".
func callers(s string) []gate.Caller {
	from, to, found := strings.Cut(s, "..")
	if !found {
		return []gate.Caller{gate.Caller(s)}
	}
	name := strings.TrimRight(from, "0123456789")
	first, _ := strconv.Atoi(from[len(name):])
	last, _ := strconv.Atoi(strings.TrimPrefix(to, name))
	var all []gate.Caller
	for n := first; n <= last; n++ {
		all = append(all, gate.Caller(name+strconv.Itoa(n)))
	}
	return all
}
