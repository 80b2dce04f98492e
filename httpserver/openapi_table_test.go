package httpserver

import (
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// operationText is what docs/openapi.json says of an endpoint beside its path and method.
type operationText struct {
	summary string
	// query are the parameters of the URL.
	query []parameterShape
	// request is the body that is sent; nil if there is none.
	request *wire.Shape
	// answers are those that are no refusal, by status; a nil shape is no body.
	answers map[int]*wire.Shape
	// media is the media type of the answers; empty for JSON.
	media string
	// refusals are the statuses of problem documents that the endpoint has beside those
	// of every one.
	refusals []int
}

// parameterShape is a parameter of a URL.
type parameterShape struct {
	name, text string
	of         wire.Shape
}

func shape(s wire.Shape) *wire.Shape { return &s }

// pageOf is a page of a list (PROTOCOL R5).
func pageOf(name string, item wire.Shape) *wire.Shape {
	return &wire.Shape{Kind: wire.ShapeObject, Members: []wire.Member{
		{Name: name, Presence: wire.Required, Shape: wire.Shape{Kind: wire.ShapeArray, Of: &item}},
		{Name: "next", Presence: wire.Optional, Shape: wire.Shape{Kind: wire.ShapeString}},
	}}
}

func withPages(after wire.Shape, filters ...parameterShape) []parameterShape {
	return append(filters,
		parameterShape{"after", "Where the page begins: next of the page before.", after},
		parameterShape{"limit", "How many items the page has at most.", wire.Shape{Kind: wire.ShapeInteger, Min: 1, Max: 1000}})
}

// anyObject is a document that has no table.
var anyObject = &wire.Shape{Kind: wire.ShapeMap}

// fieldTool is a route that only tools of NixFleet read.
func fieldTool(summary string, query ...parameterShape) operationText {
	return operationText{summary: summary + " As tools of NixFleet read it; new ones use /v1/operator.", query: query, answers: map[int]*wire.Shape{200: anyObject}, refusals: []int{404, 413, 429}}
}

func artifactRoute(summary, media string) operationText {
	return operationText{summary: summary, media: media, answers: map[int]*wire.Shape{200: nil}, refusals: []int{404}}
}

var (
	hostnameShape    = wire.ShapeOf(new(wire.Hostname))
	rolloutIDShape   = wire.ShapeOf(new(wire.RolloutID))
	seqShape         = wire.ShapeOf(new(wire.Seq))
	certificateShape = shape(artifact.CertificateSchema.Shape())
	rolloutShape     = shape(wire.RolloutStatusSchema.Shape())
	steerShape       = shape(wire.SteerRequestSchema.Shape())
	limitShape       = parameterShape{"limit", "How many events the answer has at most.", wire.Shape{Kind: wire.ShapeInteger, Min: 1, Max: 1 << 31}}
)

// describedEndpoints is by the name of the endpoint.
var describedEndpoints = map[string]operationText{
	"heartbeat": {summary: "A host is alive, and says what it runs.", request: shape(wire.HeartbeatRequestSchema.Shape()),
		answers: map[int]*wire.Shape{200: shape(wire.HeartbeatResponseSchema.Shape())}},
	"events": {summary: "A host reports what it did in a rollout.", request: shape(wire.EventEnvelopeSchema.Shape()),
		answers: map[int]*wire.Shape{204: nil}, refusals: []int{404, 409}},
	"dispatch": {summary: "A host asks for work, and waits for it.",
		query:   []parameterShape{{"wait", "How many seconds to wait for work, clamped to 0 to 60; none without it.", wire.Shape{Kind: wire.ShapeInteger, Max: 60}}},
		answers: map[int]*wire.Shape{200: shape(wire.DispatchSchema.Shape()), 204: nil}},
	"enroll": {summary: "A new host asks for its first certificate, with a token.", request: shape(artifact.EnrolmentSchema.Shape()),
		answers: map[int]*wire.Shape{200: certificateShape}, refusals: []int{404, 409, 429, 500}},
	"renew": {summary: "A host asks for its next certificate.", request: shape(artifact.RenewalSchema.Shape()),
		answers: map[int]*wire.Shape{200: certificateShape}, refusals: []int{404, 429, 500}},
	"whoami":  {summary: "Which name the certificate has.", answers: map[int]*wire.Shape{200: anyObject}},
	"healthz": {summary: "That the server answers; /readyz of the ops listener says what it can do.", answers: map[int]*wire.Shape{200: anyObject}},

	"fleet_resolved":      artifactRoute("The signed fleet, byte for byte as it was signed.", wire.MediaJSON),
	"fleet_resolved_sig":  artifactRoute("The signature of the signed fleet.", wire.MediaBytes),
	"release_rollout":     artifactRoute("A signed rollout, byte for byte as it was signed.", wire.MediaJSON),
	"release_rollout_sig": artifactRoute("The signature of a signed rollout.", wire.MediaBytes),

	"status": {summary: "The fleet in counts.", answers: map[int]*wire.Shape{200: shape(wire.FleetStatusSchema.Shape())}},
	"hosts": {summary: "Hosts by name.", answers: map[int]*wire.Shape{200: pageOf("hosts", wire.HostStatusSchema.Shape())},
		query: withPages(hostnameShape,
			parameterShape{"reachability", "Only hosts of this reachability.", wire.ShapeOf(new(wire.Reachability))},
			parameterShape{"state", "Only hosts with a record in this state.", wire.ShapeOf(new(wire.State))},
			parameterShape{"channel", "Only hosts with a record of this channel.", wire.ShapeOf(new(wire.Channel))},
			parameterShape{"closure", "Only hosts that run this closure.", wire.ShapeOf(new(wire.Closure))})},
	"host": {summary: "A host with its records.", answers: map[int]*wire.Shape{200: shape(wire.HostStatusSchema.Shape())}, refusals: []int{404}},

	"host_why": {summary: "Why a host is not at its target.", answers: map[int]*wire.Shape{200: shape(wire.HostWhySchema.Shape())}, refusals: []int{404},
		query: []parameterShape{{"rollout", "Only of this rollout.", rolloutIDShape}}},
	"rollout_why": {summary: "Why a rollout is not done.", answers: map[int]*wire.Shape{200: shape(wire.RolloutWhySchema.Shape())}, refusals: []int{404}},

	"open_rollout": {summary: "Open a rollout from a manifest.", request: shape(wire.ManifestSchema.Shape()),
		query:   []parameterShape{{"dry_run", "Say what the opening would do, and open nothing.", wire.ShapeOf(new(wire.Flag))}},
		answers: map[int]*wire.Shape{200: nil, 201: rolloutShape, 202: shape(wire.OpeningStatusSchema.Shape())}, refusals: []int{409}},
	"rollouts": {summary: "Rollouts in the order of their opening.", answers: map[int]*wire.Shape{200: pageOf("rollouts", wire.RolloutStatusSchema.Shape())},
		query: withPages(rolloutIDShape,
			parameterShape{"state", "Only rollouts in this state.", wire.ShapeOf(new(wire.RolloutState))},
			parameterShape{"current", "Only rollouts that are not superseded.", wire.ShapeOf(new(wire.Flag))},
			parameterShape{"channel", "Only rollouts of this channel.", wire.ShapeOf(new(wire.Channel))})},
	"rollout": {summary: "A rollout with a page of its hosts.", answers: map[int]*wire.Shape{200: rolloutShape}, refusals: []int{404},
		query: withPages(hostnameShape, parameterShape{"state", "Only hosts in this state.", wire.ShapeOf(new(wire.State))})},
	"acts": {summary: "What operators did, from the log.", answers: map[int]*wire.Shape{200: pageOf("events", wire.LoggedEventSchema.Shape())},
		query: withPages(seqShape), refusals: []int{429}},
	"rollout_events": {summary: "What happened to a rollout, from the log.", answers: map[int]*wire.Shape{200: pageOf("events", wire.LoggedEventSchema.Shape())},
		query: withPages(seqShape), refusals: []int{404, 429}},
	"resume_rollout": {summary: "Let a halted rollout go on; the hosts that failed are excused.", request: shape(wire.NoBodySchema.Shape()), answers: map[int]*wire.Shape{200: rolloutShape}, refusals: []int{404, 409}},
	"choose_rollout": {summary: "Say which of the held rollouts of a channel is in force.", request: shape(wire.NoBodySchema.Shape()), answers: map[int]*wire.Shape{200: rolloutShape}, refusals: []int{404, 409}},
	"pause_rollout":  {summary: "Have nothing of a rollout offered until it is resumed.", request: steerShape, answers: map[int]*wire.Shape{200: rolloutShape}, refusals: []int{404, 409}},
	"abort_rollout":  {summary: "End a rollout: nothing of it is dispatched any more.", request: steerShape, answers: map[int]*wire.Shape{200: rolloutShape}, refusals: []int{404, 409}},
	"skip_host":      {summary: "Let a rollout go on without a host.", request: steerShape, answers: map[int]*wire.Shape{200: rolloutShape}, refusals: []int{404, 409}},
	"cordon_host":    {summary: "Have no dispatch of any rollout offered to a host.", request: steerShape, answers: map[int]*wire.Shape{204: nil}, refusals: []int{404}},
	"uncordon_host":  {summary: "Let dispatches be offered to a host again.", request: steerShape, answers: map[int]*wire.Shape{204: nil}, refusals: []int{404}},
	"forget_host":    {summary: "Say that a host is gone, until its next heartbeat.", request: steerShape, answers: map[int]*wire.Shape{204: nil}, refusals: []int{404}},

	"quarantine": {summary: "Closures that are not dispatched.", answers: map[int]*wire.Shape{200: pageOf("quarantine", wire.QuarantineEntrySchema.Shape())}},
	"clear_quarantine": {summary: "Let a closure be dispatched on a channel again.", request: shape(wire.QuarantineEntrySchema.Shape()),
		answers: map[int]*wire.Shape{204: nil}, refusals: []int{404}},
	"revocations": {summary: "Revoked certificates.", answers: map[int]*wire.Shape{200: pageOf("revocations", wire.RevocationSchema.Shape())}},
	"revoke": {summary: "Refuse the certificates of a name that are older than an instant.", request: shape(wire.RevocationRequestSchema.Shape()),
		answers: map[int]*wire.Shape{200: shape(wire.RevocationAnswerSchema.Shape())}},

	"field_hosts":          fieldTool("Hosts with their last rollout."),
	"field_channel":        fieldTool("A channel."),
	"field_rollouts":       fieldTool("Rollouts that are not superseded."),
	"field_lifecycle":      fieldTool("The state of a rollout."),
	"field_rollout_hosts":  fieldTool("The hosts of a rollout."),
	"field_rollout_events": fieldTool("The events of a rollout.", limitShape),
	"field_deferrals":      fieldTool("Hosts that wait for a reboot."),
}
