package artifact

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Selector selects hosts. A host is selected if any of its parts selects it.
type Selector struct {
	// Tags selects hosts that have all of these tags; none selects no host.
	Tags wire.Names
	// TagsAny selects hosts that have one of these.
	TagsAny wire.Names
	Hosts   wire.Names
	// Channel selects the hosts of a channel; empty selects none.
	Channel wire.Channel
	All     wire.Flag
}

var selectorSchema = wire.Schema[Selector]{Fields: []wire.Field[Selector]{
	{Name: "tags", Presence: wire.Nullable, Of: func(s *Selector) wire.Value { return &s.Tags }},
	{Name: "tagsAny", Presence: wire.Nullable, Of: func(s *Selector) wire.Value { return &s.TagsAny }},
	{Name: "hosts", Presence: wire.Nullable, Of: func(s *Selector) wire.Value { return &s.Hosts }},
	{Name: "channel", Presence: wire.Nullable, Of: func(s *Selector) wire.Value { return orNull{&s.Channel} }},
	{Name: "all", Presence: wire.Nullable, Of: func(s *Selector) wire.Value { return &s.All }},
}}

// Selects reports whether a host is selected.
func (s *Selector) Selects(name string, host *Host) bool {
	has := func(tag wire.Name) bool { return slices.Contains(host.Tags, tag) }
	lacks := func(tag wire.Name) bool { return !has(tag) }
	return bool(s.All) ||
		slices.Contains(s.Hosts, wire.Name(name)) ||
		s.Channel != "" && s.Channel == host.Channel ||
		len(s.Tags) > 0 && !slices.ContainsFunc(s.Tags, lacks) ||
		slices.ContainsFunc(s.TagsAny, has)
}

// Select returns the names of the hosts of a fleet that are selected, in order.
func (f *Fleet) Select(s *Selector) wire.Names {
	var names wire.Names
	for i := range f.Hosts {
		if s.Selects(f.Hosts[i].Name, &f.Hosts[i].Of) {
			names = append(names, wire.Name(f.Hosts[i].Name))
		}
	}
	return names
}
