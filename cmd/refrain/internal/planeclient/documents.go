package planeclient

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Get reads a document.
func Get[T any](ctx context.Context, c *Client, path string, query url.Values, s *wire.Schema[T]) (*T, error) {
	answer, err := c.Do(ctx, Request{Path: path, Query: query})
	if err != nil {
		return nil, err
	}
	return Decode(path, answer, s)
}

// Decode reads the document of an answer. What the schema does not name is ignored:
// the plane may be newer.
func Decode[T any](path string, answer *Answer, s *wire.Schema[T]) (*T, error) {
	doc := new(T)
	if err := wire.DecodeDocument(new(wire.Decoder), s, answer.Body, doc); err != nil {
		return nil, fmt.Errorf("%s: the answer cannot be read: %w", path, err)
	}
	return doc, nil
}

// pageSize is the limit of each page that is asked for.
const pageSize = 1000

// Each calls yield with the items of a list, whose member is named name, page by page
// until the list ends or yield returns false.
func Each[T any](ctx context.Context, c *Client, path string, query url.Values, name string, s *wire.Schema[T], yield func(*T) bool) error {
	type page struct {
		items []T
		next  wire.Text
	}
	schema := &wire.Schema[page]{Fields: []wire.Field[page]{
		{Name: name, Presence: wire.Optional, Of: func(p *page) wire.Value { return wire.List[T]{Items: &p.items, Schema: s} }},
		{Name: "next", Presence: wire.Optional, Of: func(p *page) wire.Value { return &p.next }},
	}}
	query = cloned(query)
	query.Set("limit", strconv.Itoa(pageSize))
	for {
		p, err := Get(ctx, c, path, query, schema)
		if err != nil {
			return err
		}
		for i := range p.items {
			if !yield(&p.items[i]) {
				return nil
			}
		}
		if p.next == "" {
			return nil
		}
		query.Set("after", string(p.next))
	}
}

// All returns all items of a list.
func All[T any](ctx context.Context, c *Client, path string, query url.Values, name string, s *wire.Schema[T]) (items []T, err error) {
	err = Each(ctx, c, path, query, name, s, func(item *T) bool {
		items = append(items, *item)
		return true
	})
	return items, err
}

// Whole returns a list that the plane does not page.
func Whole[T any](ctx context.Context, c *Client, path, name string, s *wire.Schema[T]) ([]T, error) {
	var items []T
	schema := &wire.Schema[[]T]{Fields: []wire.Field[[]T]{
		{Name: name, Presence: wire.Optional, Of: func(items *[]T) wire.Value { return wire.List[T]{Items: items, Schema: s} }},
	}}
	list, err := Get(ctx, c, path, nil, schema)
	if err == nil {
		items = *list
	}
	return items, err
}

// Rollout returns a rollout with all of its hosts, or those in a state.
func Rollout(ctx context.Context, c *Client, id wire.RolloutID, query url.Values) (*wire.RolloutStatus, error) {
	query = cloned(query)
	query.Set("limit", strconv.Itoa(pageSize))
	var whole *wire.RolloutStatus
	for {
		part, err := Get(ctx, c, RolloutPath(id), query, &wire.RolloutStatusSchema)
		if err != nil {
			return nil, err
		}
		if whole == nil {
			whole = part
		} else {
			whole.Hosts = append(whole.Hosts, part.Hosts...)
		}
		if part.Next == "" {
			whole.Next = ""
			return whole, nil
		}
		query.Set("after", string(part.Next))
	}
}

// Head returns a rollout without its hosts. One that is being prepared (R1) has no
// record yet: it is shown as Opening, with all of its hosts Pending.
func Head(ctx context.Context, c *Client, id wire.RolloutID) (*wire.RolloutStatus, error) {
	path := RolloutPath(id)
	answer, err := c.Do(ctx, Request{Path: path, Query: url.Values{"limit": {"1"}}})
	if err != nil {
		return nil, err
	}
	r, err := Decode(path, answer, &wire.RolloutStatusSchema)
	if err != nil {
		opening, other := Decode(path, answer, &wire.OpeningStatusSchema)
		if other != nil {
			return nil, err
		}
		return &wire.RolloutStatus{
			RolloutID: opening.RolloutID, State: wire.Opening, Counts: wire.StateCounts{Pending: opening.Hosts},
			Policy: wire.Policy{Waves: make([]wire.Wave, 1)},
		}, nil
	}
	r.Hosts, r.Next = nil, ""
	return r, nil
}

// RolloutPath is the path of a rollout.
func RolloutPath(id wire.RolloutID) string {
	return "/v1/operator/rollouts/" + url.PathEscape(string(id))
}

func cloned(query url.Values) url.Values {
	own := url.Values{}
	for name, values := range query { // order-free: a map into a map
		own[name] = values
	}
	return own
}
