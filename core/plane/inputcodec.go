package plane

import (
	"bytes"
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Every input has a canonical line: a word and a JSON document. Equal inputs
// give equal bytes, and what was written reads back to an equal input. Logs
// and recordings are made of such lines.

// The line of a heartbeat has the members of its body beside the address.
var heartbeatSchema = wire.Schema[Heartbeat]{Fields: append(
	membersOf(&wire.HeartbeatRequestSchema, func(in *Heartbeat) *wire.HeartbeatRequest { return &in.Request }),
	wire.Field[Heartbeat]{Name: "from", Presence: wire.Optional, Of: func(in *Heartbeat) wire.Value { return (*wire.Name)(&in.From) }},
	wire.Field[Heartbeat]{Name: "dialect", Presence: wire.Optional, Of: func(in *Heartbeat) wire.Value { return &in.Dialect }},
)}

// The line of an event has the members of its body beside the dialect.
var eventSchema = wire.Schema[Event]{Fields: append(
	membersOf(&wire.EventEnvelopeSchema, func(in *Event) *wire.EventEnvelope { return &in.Envelope }),
	wire.Field[Event]{Name: "dialect", Presence: wire.Optional, Of: func(in *Event) wire.Value { return &in.Dialect }},
)}

var pollSchema = wire.Schema[Poll]{Fields: []wire.Field[Poll]{
	{Name: "hostname", Presence: wire.Required, Of: func(in *Poll) wire.Value { return &in.Hostname }},
	{Name: "dialect", Presence: wire.Optional, Of: func(in *Poll) wire.Value { return &in.Dialect }},
	{Name: "again", Presence: wire.Optional, Of: func(in *Poll) wire.Value { return (*wire.Flag)(&in.Again) }},
}}

// The line of an opening has the members of its manifest beside its own.
var openSchema = wire.Schema[OpenRollout]{
	Fields: append(membersOf(&wire.ManifestSchema, func(in *OpenRollout) *wire.Manifest { return &in.Manifest }),
		wire.Field[OpenRollout]{Name: "place", Presence: wire.Optional, Of: func(in *OpenRollout) wire.Value { return &in.Place }},
		wire.Field[OpenRollout]{Name: "unread", Presence: wire.Optional, Of: func(in *OpenRollout) wire.Value {
			return wire.List[Peer]{Items: &in.Unread, Schema: &peerSchema}
		}},
		wire.Field[OpenRollout]{Name: "signed", Presence: wire.Optional, Of: func(in *OpenRollout) wire.Value { return (*wire.Flag)(&in.Signed) }}),
	Check: func(in *OpenRollout) (field, problem string) { return wire.ManifestSchema.Check(&in.Manifest) },
}

var fileSchema = wire.Schema[FileManifest]{
	Fields: append(membersOf(&wire.ManifestSchema, func(in *FileManifest) *wire.Manifest { return &in.Manifest }),
		wire.Field[FileManifest]{Name: "peers", Presence: wire.Optional, Of: func(in *FileManifest) wire.Value {
			return wire.List[Peer]{Items: &in.Peers, Schema: &peerSchema}
		}},
		wire.Field[FileManifest]{Name: "signed", Presence: wire.Optional, Of: func(in *FileManifest) wire.Value { return (*wire.Flag)(&in.Signed) }}),
	Check: func(in *FileManifest) (field, problem string) { return wire.ManifestSchema.Check(&in.Manifest) },
}

var releaseSchema = wire.Schema[Release]{Fields: []wire.Field[Release]{
	{Name: "manifests", Presence: wire.Required, Of: func(in *Release) wire.Value {
		return wire.List[wire.Manifest]{Items: &in.Manifests, Schema: &wire.ManifestSchema}
	}},
	{Name: "fresh", Presence: wire.Optional, Of: func(in *Release) wire.Value {
		return wire.List[Freshness]{Items: &in.Fresh, Schema: &freshnessSchema}
	}},
}}

var freshnessSchema = wire.Schema[Freshness]{Fields: []wire.Field[Freshness]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(f *Freshness) wire.Value { return &f.RolloutID }},
	{Name: "until", Presence: wire.Required, Of: func(f *Freshness) wire.Value { return &f.Until }},
}}

var peerSchema = wire.Schema[Peer]{Fields: []wire.Field[Peer]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(p *Peer) wire.Value { return &p.RolloutID }},
	{Name: "serial", Presence: wire.Optional, Of: func(p *Peer) wire.Value { return &p.Serial }},
}}

// membersOf are the members of a document inside of an input, with room for a few more.
func membersOf[T, D any](schema *wire.Schema[D], of func(*T) *D) []wire.Field[T] {
	fields := make([]wire.Field[T], 0, len(schema.Fields)+2)
	for _, f := range schema.Fields {
		fields = append(fields, wire.Field[T]{Name: f.Name, Presence: f.Presence, Of: func(in *T) wire.Value { return f.Of(of(in)) }})
	}
	return fields
}

var continueSchema = wire.Schema[ContinueOpening]{Fields: []wire.Field[ContinueOpening]{
	{Name: "durable", Presence: wire.Optional, Of: func(in *ContinueOpening) wire.Value { return (*wire.Flag)(&in.Durable) }},
}}

var resumeSchema = wire.Schema[ResumeRollout]{Fields: []wire.Field[ResumeRollout]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(in *ResumeRollout) wire.Value { return &in.RolloutID }},
}}

var chooseSchema = wire.Schema[ChooseRollout]{Fields: []wire.Field[ChooseRollout]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(in *ChooseRollout) wire.Value { return &in.RolloutID }},
}}

var steerSchema = wire.Schema[Steer]{Fields: []wire.Field[Steer]{
	{Name: "act", Presence: wire.Required, Of: func(in *Steer) wire.Value { return &in.Act }},
	{Name: "rollout_id", Presence: wire.Optional, Of: func(in *Steer) wire.Value { return &in.RolloutID }},
	{Name: "hostname", Presence: wire.Optional, Of: func(in *Steer) wire.Value { return &in.Hostname }},
	{Name: "reason", Presence: wire.Optional, Of: func(in *Steer) wire.Value { return &in.Reason }},
}}

var clearSchema = wire.Schema[ClearQuarantine]{Fields: []wire.Field[ClearQuarantine]{
	{Name: "channel", Presence: wire.Required, Of: func(in *ClearQuarantine) wire.Value { return &in.Channel }},
	{Name: "closure", Presence: wire.Required, Of: func(in *ClearQuarantine) wire.Value { return &in.Closure }},
}}

var revokeSchema = wire.Schema[Revoke]{Fields: []wire.Field[Revoke]{
	{Name: "common_name", Presence: wire.Required, Of: func(in *Revoke) wire.Value { return &in.CommonName }},
	{Name: "also", Presence: wire.Optional, Of: func(in *Revoke) wire.Value { return &in.Also }},
	{Name: "before", Presence: wire.Optional, Of: func(in *Revoke) wire.Value { return &in.Before }},
	{Name: "judge", Presence: wire.Optional, Of: func(in *Revoke) wire.Value { return (*wire.Flag)(&in.Holder.Judge) }},
	{Name: "force", Presence: wire.Optional, Of: func(in *Revoke) wire.Value { return (*wire.Flag)(&in.Holder.Force) }},
	{Name: "hostname", Presence: wire.Optional, Of: func(in *Revoke) wire.Value { return &in.Holder.Hostname }},
	{Name: "seen", Presence: wire.Optional, Of: func(in *Revoke) wire.Value { return (*wire.Flag)(&in.Holder.Seen) }},
}}

var certifySchema = wire.Schema[Certify]{Fields: []wire.Field[Certify]{
	{Name: "hostname", Presence: wire.Required, Of: func(in *Certify) wire.Value { return &in.Hostname }},
	{Name: "common_name", Presence: wire.Required, Of: func(in *Certify) wire.Value { return &in.CommonName }},
	{Name: "also", Presence: wire.Optional, Of: func(in *Certify) wire.Value { return &in.Also }},
	{Name: "since", Presence: wire.Required, Of: func(in *Certify) wire.Value { return &in.Since }},
	{Name: "nonce", Presence: wire.Optional, Of: func(in *Certify) wire.Value { return &in.Nonce }},
	{Name: "key", Presence: wire.Required, Of: func(in *Certify) wire.Value { return &in.Key }},
	{Name: "expires_at", Presence: wire.Optional, Of: func(in *Certify) wire.Value { return &in.ExpiresAt }},
	{Name: "refused", Presence: wire.Optional, Of: func(in *Certify) wire.Value { return (*wire.Flag)(&in.Refused) }},
}}

var confirmSchema = wire.Schema[Confirm]{Fields: []wire.Field[Confirm]{
	{Name: "hostname", Presence: wire.Required, Of: func(in *Confirm) wire.Value { return &in.Hostname }},
	{Name: "rollout_id", Presence: wire.Required, Of: func(in *Confirm) wire.Value { return &in.RolloutID }},
	{Name: "closure", Presence: wire.Required, Of: func(in *Confirm) wire.Value { return &in.Closure }},
	{Name: "at", Presence: wire.Optional, Of: func(in *Confirm) wire.Value { return &in.At }},
}}

var tickSchema = wire.Schema[Tick]{Fields: []wire.Field[Tick]{
	{Name: "impaired", Presence: wire.Optional, Of: func(in *Tick) wire.Value { return (*wire.Flag)(&in.Impaired) }},
}}

var storageSchema = wire.Schema[Storage]{Fields: []wire.Field[Storage]{
	{Name: "unavailable", Presence: wire.Optional, Of: func(in *Storage) wire.Value { return (*wire.Flag)(&in.Unavailable) }},
	{Name: "scarce", Presence: wire.Optional, Of: func(in *Storage) wire.Value { return (*wire.Flag)(&in.Scarce) }},
}}

var queryHostSchema = wire.Schema[QueryHost]{Fields: []wire.Field[QueryHost]{
	{Name: "hostname", Presence: wire.Required, Of: func(in *QueryHost) wire.Value { return &in.Hostname }},
}}

// pageOf is a query for a page, as it is written.
type pageOf struct {
	RolloutID wire.RolloutID
	Hosts     wire.Hostname  // after which host the page begins
	Rollouts  wire.RolloutID // or after which rollout
	Limit     wire.Int

	HostFilter    HostFilter // its State is that of a query for a rollout as well
	RolloutFilter RolloutFilter
}

var pageOfSchema = wire.Schema[pageOf]{Fields: []wire.Field[pageOf]{
	{Name: "rollout_id", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.RolloutID }},
	{Name: "after_host", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.Hosts }},
	{Name: "after_rollout", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.Rollouts }},
	{Name: "limit", Presence: wire.Required, Of: func(in *pageOf) wire.Value { return &in.Limit }},
	{Name: "reachability", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.HostFilter.Reachability }},
	{Name: "closure", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.HostFilter.Closure }},
	{Name: "channel", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.HostFilter.Channel }},
	{Name: "state", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.HostFilter.State }},
	{Name: "rollout_channel", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.RolloutFilter.Channel }},
	{Name: "rollout_state", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return &in.RolloutFilter.State }},
	{Name: "current", Presence: wire.Optional, Of: func(in *pageOf) wire.Value { return (*wire.Flag)(&in.RolloutFilter.Current) }},
}}

// AppendInput appends the canonical line of an input, without a line break.
func AppendInput(dst []byte, in Input) []byte {
	switch in := in.(type) {
	case *Heartbeat:
		return wire.AppendTagged(dst, "heartbeat", &heartbeatSchema, in)
	case *Event:
		return wire.AppendTagged(dst, "event", &eventSchema, in)
	case *Discarded:
		return wire.AppendTagged(dst, "discarded", &discardedSchema, in)
	case *Poll:
		return wire.AppendTagged(dst, "poll", &pollSchema, in)
	case *OpenRollout:
		return wire.AppendTagged(dst, "open", &openSchema, in)
	case *FileManifest:
		return wire.AppendTagged(dst, "file", &fileSchema, in)
	case *Release:
		return wire.AppendTagged(dst, "release", &releaseSchema, in)
	case *ContinueOpening:
		return wire.AppendTagged(dst, "continue", &continueSchema, in)
	case *ResumeRollout:
		return wire.AppendTagged(dst, "resume", &resumeSchema, in)
	case *ChooseRollout:
		return wire.AppendTagged(dst, "choose", &chooseSchema, in)
	case *Steer:
		return wire.AppendTagged(dst, "steer", &steerSchema, in)
	case *ClearQuarantine:
		return wire.AppendTagged(dst, "clear", &clearSchema, in)
	case *Revoke:
		return wire.AppendTagged(dst, "revoke", &revokeSchema, in)
	case *Certify:
		return wire.AppendTagged(dst, "certify", &certifySchema, in)
	case *Confirm:
		return wire.AppendTagged(dst, "confirm", &confirmSchema, in)
	case *Offer:
		return wire.AppendTagged(dst, "offer", &offerSchema, in)
	case *QueryHost:
		return wire.AppendTagged(dst, "query_host", &queryHostSchema, in)
	case *QueryHosts:
		return wire.AppendTagged(dst, "query_hosts", &pageOfSchema, &pageOf{Hosts: in.After, Limit: wire.Int(in.Limit), HostFilter: in.Filter})
	case *QueryRollout:
		return wire.AppendTagged(dst, "query_rollout", &pageOfSchema, &pageOf{RolloutID: in.RolloutID, Hosts: in.After, Limit: wire.Int(in.Limit), HostFilter: HostFilter{State: in.State}})
	case *QueryRollouts:
		return wire.AppendTagged(dst, "query_rollouts", &pageOfSchema, &pageOf{Rollouts: in.After, Limit: wire.Int(in.Limit), RolloutFilter: in.Filter})
	case *PlanRollout:
		return wire.AppendTagged(dst, "plan", &wire.ManifestSchema, &in.Manifest)
	case *QueryHostWhy:
		return wire.AppendTagged(dst, "query_host_why", &hostWhySchema, in)
	case *QueryRolloutWhy:
		return wire.AppendTagged(dst, "query_rollout_why", &rolloutWhySchema, in)
	case *QueryStatus:
		return append(dst, "query_status {}"...)
	case *QueryOverview:
		return wire.AppendTagged(dst, "query_overview", &queryOverviewSchema, in)
	case *QueryQuarantine:
		return append(dst, "query_quarantine {}"...)
	case *QueryRevocations:
		return append(dst, "query_revocations {}"...)
	case *Started:
		return append(dst, "started {}"...)
	case *Tick:
		return wire.AppendTagged(dst, "tick", &tickSchema, in)
	case *Storage:
		return wire.AppendTagged(dst, "storage", &storageSchema, in)
	case *Requested:
		return appendRequested(dst, in)
	default:
		panic(fmt.Sprintf("plane: an input of type %T has no line", in))
	}
}

// ParseInput reads a line that [AppendInput] wrote. The input shares nothing
// with the line. The error names the word or the member at fault.
func ParseInput(d *wire.Decoder, line []byte) (Input, error) {
	word, doc, _ := bytes.Cut(line, []byte(" "))
	switch string(word) {
	case "heartbeat":
		in := new(Heartbeat)
		return parsed(in, wire.DecodeDocument(d, &heartbeatSchema, doc, in))
	case "event":
		in := new(Event)
		return parsed(in, wire.DecodeTaken(d, &eventSchema, doc, in))
	case "discarded":
		in := new(Discarded)
		return parsed(in, wire.DecodeDocument(d, &discardedSchema, doc, in))
	case "poll":
		in := new(Poll)
		return parsed(in, wire.DecodeDocument(d, &pollSchema, doc, in))
	case "open":
		in := new(OpenRollout)
		return parsed(in, wire.DecodeDocument(d, &openSchema, doc, in))
	case "file":
		in := new(FileManifest)
		return parsed(in, wire.DecodeDocument(d, &fileSchema, doc, in))
	case "release":
		in := new(Release)
		return parsed(in, wire.DecodeDocument(d, &releaseSchema, doc, in))
	case "continue":
		in := new(ContinueOpening)
		return parsed(in, wire.DecodeDocument(d, &continueSchema, doc, in))
	case "resume":
		in := new(ResumeRollout)
		return parsed(in, wire.DecodeDocument(d, &resumeSchema, doc, in))
	case "choose":
		in := new(ChooseRollout)
		return parsed(in, wire.DecodeDocument(d, &chooseSchema, doc, in))
	case "steer":
		in := new(Steer)
		return parsed(in, wire.DecodeDocument(d, &steerSchema, doc, in))
	case "clear":
		in := new(ClearQuarantine)
		return parsed(in, wire.DecodeDocument(d, &clearSchema, doc, in))
	case "revoke":
		in := new(Revoke)
		return parsed(in, wire.DecodeDocument(d, &revokeSchema, doc, in))
	case "certify":
		in := new(Certify)
		return parsed(in, wire.DecodeDocument(d, &certifySchema, doc, in))
	case "confirm":
		in := new(Confirm)
		return parsed(in, wire.DecodeDocument(d, &confirmSchema, doc, in))
	case "offer":
		in := new(Offer)
		return parsed(in, wire.DecodeDocument(d, &offerSchema, doc, in))
	case "query_host":
		in := new(QueryHost)
		return parsed(in, wire.DecodeDocument(d, &queryHostSchema, doc, in))
	case "query_hosts", "query_rollout", "query_rollouts":
		var page pageOf
		err := wire.DecodeDocument(d, &pageOfSchema, doc, &page)
		return parsed(page.query(string(word)), err)
	case "plan":
		in := new(PlanRollout)
		return parsed(in, wire.DecodeDocument(d, &wire.ManifestSchema, doc, &in.Manifest))
	case "query_host_why":
		in := new(QueryHostWhy)
		return parsed(in, wire.DecodeDocument(d, &hostWhySchema, doc, in))
	case "query_rollout_why":
		in := new(QueryRolloutWhy)
		return parsed(in, wire.DecodeDocument(d, &rolloutWhySchema, doc, in))
	case "query_status":
		return parsed(new(QueryStatus), wire.DecodeDocument(d, &wire.NoBodySchema, doc, new(wire.NoBody)))
	case "query_overview":
		in := new(QueryOverview)
		return parsed(in, wire.DecodeDocument(d, &queryOverviewSchema, doc, in))
	case "query_quarantine":
		return parsed(new(QueryQuarantine), wire.DecodeDocument(d, &wire.NoBodySchema, doc, new(wire.NoBody)))
	case "query_revocations":
		return parsed(new(QueryRevocations), wire.DecodeDocument(d, &wire.NoBodySchema, doc, new(wire.NoBody)))
	case "started":
		return parsed(new(Started), wire.DecodeDocument(d, &wire.NoBodySchema, doc, new(wire.NoBody)))
	case "tick":
		in := new(Tick)
		return parsed(in, wire.DecodeDocument(d, &tickSchema, doc, in))
	case "storage":
		in := new(Storage)
		return parsed(in, wire.DecodeDocument(d, &storageSchema, doc, in))
	case "requested":
		return parseRequested(d, doc)
	default:
		return nil, fmt.Errorf("unknown input %.40q; want heartbeat, event, discarded, poll, open, plan, file, release, resume, choose, steer, clear, revoke, certify, confirm, offer, query_…, started, tick, storage or requested", word)
	}
}

func (p *pageOf) query(word string) Input {
	switch word {
	case "query_hosts":
		return &QueryHosts{After: p.Hosts, Limit: int(p.Limit), Filter: p.HostFilter}
	case "query_rollout":
		return &QueryRollout{RolloutID: p.RolloutID, After: p.Hosts, Limit: int(p.Limit), State: p.HostFilter.State}
	default:
		return &QueryRollouts{After: p.Rollouts, Limit: int(p.Limit), Filter: p.RolloutFilter}
	}
}

func parsed(in Input, err error) (Input, error) {
	if err != nil {
		return nil, err
	}
	return in, nil
}
