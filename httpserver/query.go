package httpserver

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
	known    []string // the names that the route has asked for
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
	p.known = append(p.known, name)
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

// word reads a parameter that is one of a few words, or anything else that parse
// reads. It is unset if it is not given.
func word[T any](p *parameters, name string, parse func(string) (T, error)) (v T) {
	s := p.text(name)
	if s == "" && len(p.values[name]) == 0 {
		return v
	}
	v, err := parse(s)
	if err != nil {
		p.wrong(name, err.Error())
	}
	return v
}

// flag reads a parameter that is true or false; false if it is not given.
func (p *parameters) flag(name string) bool {
	return word(p, name, func(s string) (bool, error) {
		if s != "true" && s != "false" {
			return false, errors.New("want true or false")
		}
		return s == "true", nil
	})
}

// ok reports whether there was no problem.
func (p *parameters) ok() bool { return !p.bad }

// allKnown is ok for an operator's request: a parameter that the route has not asked
// for is a problem as well (PROTOCOL T8).
func (p *parameters) allKnown() bool {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if slices.Contains(p.known, name) {
			continue
		}
		p.wrong(clip(name), "unknown parameter; "+wanted(name, p.known))
	}
	return p.ok()
}

// wanted says which name an unknown one may have meant.
func wanted(name string, known []string) string {
	switch near := wire.Nearest(name, known); {
	case near != "":
		return "did you mean " + near + "?"
	case len(known) == 0:
		return "the route takes none"
	}
	return "the route takes " + strings.Join(known, ", ")
}

// noParameters is the parse of a route without parameters.
func noParameters(e *exchange) bool { return e.parameters().allKnown() }
