package httpserver

import (
	"net/url"
	"strconv"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// defaultLimit is the size of a page if the caller gives none (PROTOCOL R5).
const defaultLimit = 100

// parameters are the query of a URL. The first problem makes the request a
// bad_query (PROTOCOL T7).
type parameters struct {
	exchange *exchange
	values   url.Values
	bad      bool
}

func (e *exchange) parameters() *parameters {
	p := &parameters{exchange: e}
	if e.r.URL.RawQuery == "" {
		return p
	}
	values, err := url.ParseQuery(e.r.URL.RawQuery)
	if err != nil {
		p.wrong("", "the query cannot be parsed: "+clip(err.Error()))
		return p
	}
	p.values = values
	return p
}

func (p *parameters) wrong(name, detail string) {
	if !p.bad {
		p.bad = true
		p.exchange.refuse(wire.BadQuery, name, detail)
	}
}

// text returns a parameter that may be given once, or "" if it is not given.
func (p *parameters) text(name string) string {
	values := p.values[name]
	switch len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	default:
		p.wrong(name, "given more than once; want it once")
		return ""
	}
}

// limit reads the size of a page.
func (p *parameters) limit() int {
	s := p.text("limit")
	if s == "" && len(p.values["limit"]) == 0 {
		return defaultLimit
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > plane.MaxLimit || s != strconv.Itoa(n) {
		p.wrong("limit", "want a whole number from 1 to "+strconv.Itoa(plane.MaxLimit))
		return defaultLimit
	}
	return n
}

// after reads where a page starts, parsed as the kind of name that it is. Empty
// means the first page.
func after[T ~string](p *parameters, parse func(string) (T, error)) T {
	s := p.text("after")
	if s == "" {
		return ""
	}
	v, err := parse(s)
	if err != nil {
		p.wrong("after", err.Error())
	}
	return v
}

// afterSeq reads where a page of a log starts.
func (p *parameters) afterSeq() wire.Seq {
	s := p.text("after")
	if s == "" {
		return 0
	}
	n, err := wire.ParseSeq(s)
	if err != nil {
		p.wrong("after", err.Error())
	}
	return n
}

// ok reports whether there was no problem.
func (p *parameters) ok() bool { return !p.bad }
