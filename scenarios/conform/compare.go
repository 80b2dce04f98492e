package conform

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/record"
)

// answer waits for the answer to a request and compares it.
func (p *player) answer(s *record.TapeStep) (*Difference, error) {
	request := &p.tape.Requests[s.Request]
	switch {
	case request.Manifest:
		return p.manifestAnswered(s)
	case request.Release:
		return p.releaseAnswered(s)
	}
	if p.gone[s.Request] {
		return nil, nil // its client is gone
	}
	if !p.until(func() bool { return p.responses[s.Request] != nil || p.atGate(s.Request) }) {
		return p.differ("the server does not answer"), nil
	}
	r := p.responses[s.Request]
	switch {
	case r == nil:
		return p.differ("the simulator answers before the gate, the server asks its gate"), nil
	case r.err != nil:
		return p.differ("the server's answer is broken: %v", r.err), nil
	case r.at != s.At:
		return p.differ("the simulator answers at %v, the server at %v:\n%s", s.At, r.at, r.text()), nil
	}
	if what := compareAnswers(request.Answer, r); what != "" {
		d := p.differ("%s", what)
		d.Simulator, d.Server = answerText(request.Answer), r.text()
		return d, nil
	}
	return nil, nil
}

// atGate reports whether a request is about to ask the gate.
func (p *player) atGate(request int) bool {
	for in := range p.offers {
		if n, known := p.inputs[in]; known && n == request {
			return true
		}
	}
	return false
}

// manifestAnswered waits until the server has taken what became of a manifest.
// No client sees the answer; if it is a 503 or a 202, the server waits for as long as it was
// told.
func (p *player) manifestAnswered(s *record.TapeStep) (*Difference, error) {
	text := p.tape.Requests[s.Request].Answer.Get(wire.HeaderRetryAfter)
	if text == "" {
		p.filesLeft--
		return p.nextFile(), nil
	}
	after, err := time.ParseDuration(text + "s")
	if err != nil {
		return nil, err
	}
	if !p.until(func() bool { return p.madeTimer(p.marks[s.Request], after) }) {
		return p.differ("the server does not wait for the %v that it was told before it tries a manifest again", after), nil
	}
	return nil, nil
}

// compared are the headers that both have to have, or neither.
var compared = []string{
	wire.HeaderReplayFrom, wire.HeaderProtocol, wire.HeaderRetryAfter, wire.HeaderContentType, "Location", "WWW-Authenticate", "Allow", "Upgrade",
}

// doorCodes are the reasons of refusals whose details are the server's own words:
// the simulator's plane does not write any.
var doorCodes = []wire.Code{wire.CertificateRevoked, wire.WrongRole, wire.WrongIdentity}

// compareAnswers says in what two answers differ; nothing if they do not.
func compareAnswers(want *wire.Answer, got *response) string {
	if want.Status != got.status {
		return fmt.Sprintf("the simulator answers %d, the server %d", want.Status, got.status)
	}
	for _, name := range compared {
		var wants []string
		if v := want.Get(name); v != "" {
			wants = []string{v}
		}
		if gots := got.header.Values(name); !slices.Equal(wants, gots) {
			return fmt.Sprintf("the simulator answers with %s %q, the server with %q", name, wants, gots)
		}
	}
	id := got.header.Get(wire.HeaderRequestID)
	if id == "" {
		return "the server's answer has no " + wire.HeaderRequestID
	}
	if got.status < 400 {
		if !bytes.Equal(want.Body, got.body) {
			return "the bodies differ"
		}
		return ""
	}
	return compareProblems(want.Body, got.body, id)
}

// compareProblems compares problem documents but for what only a server writes.
func compareProblems(want, got []byte, id string) string {
	var d wire.Decoder
	var a, b wire.Problem
	if err := wire.DecodeDocument(&d, &wire.ProblemSchema, want, &a); err != nil {
		return fmt.Sprintf("the simulator's problem document is unreadable: %v", err)
	}
	if err := wire.DecodeDocument(&d, &wire.ProblemSchema, got, &b); err != nil {
		return fmt.Sprintf("the server's problem document is unreadable: %v", err)
	}
	if string(b.RequestID) != id {
		return fmt.Sprintf("the server's problem document is of request %q, its header of %q", b.RequestID, id)
	}
	b.RequestID = ""
	if slices.ContainsFunc(doorCodes, func(c wire.Code) bool { return wire.Name(c.Reason()) == a.Reason }) {
		a.Detail, b.Detail = "", ""
	}
	if a != b {
		return "the problem documents differ"
	}
	return ""
}

// ofAddresses is what a state says of the addresses that heartbeats came from
// (PROTOCOL L4). All clients of a played tape have the same one, so it is not compared.
var ofAddresses = regexp.MustCompile(`(?m),"sender":\d+|^senders .*\n`)

// compare compares the plane's state with the simulator's, without addresses.
func (p *player) compare(want []byte) *Difference {
	want = ofAddresses.ReplaceAll(want, nil)
	got := ofAddresses.ReplaceAll(p.loop.Plane.AppendState(nil), nil)
	if bytes.Equal(want, got) {
		return nil
	}
	d := p.differ("the planes' states differ")
	d.Simulator, d.Server = differingLines(string(want), string(got))
	return d
}

// differingLines returns the lines that only one of two texts has.
func differingLines(a, b string) (onlyA, onlyB string) {
	linesOf := func(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }
	as, bs := linesOf(a), linesOf(b)
	only := func(these, those []string) string {
		var list []string
		for _, line := range these {
			if !slices.Contains(those, line) {
				list = append(list, line)
			}
		}
		return strings.Join(list, "\n")
	}
	return only(as, bs), only(bs, as)
}

// text writes a response as HTTP does, without what no one compares.
func (r *response) text() string {
	if r.err != nil {
		return "no answer: " + r.err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", r.status, http.StatusText(r.status))
	for _, name := range compared {
		for _, value := range r.header.Values(name) {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "\n%s", r.body)
	return strings.TrimRight(b.String(), "\n")
}

func answerText(a *wire.Answer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", a.Status, http.StatusText(a.Status))
	for _, name := range compared {
		if value := a.Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "\n%s", a.Body)
	return strings.TrimRight(b.String(), "\n")
}
