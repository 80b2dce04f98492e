package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

// document is one document of the protocol with what the tests need of it, so
// that the rules that hold for all documents are tested on all of them.
type document interface {
	// example is the canonical JSON of a document with every member set.
	example() string
	// mayMiss has the paths of the members that may be absent or null, as the
	// protocol has them and not as the schema has them; indexes are left out:
	// hosts[].snapshot.soakDueAt.
	mayMiss() map[string]bool
	// draw makes a random valid document.
	draw(t *rapid.T) any
	decode(d *wire.Decoder, body []byte) (any, error)
	encode(doc any) []byte
}

type documentOf[T any] struct {
	schema   *wire.Schema[T]
	full     string
	optional []string
	random   func(*rapid.T) T
}

func (k documentOf[T]) example() string { return k.full }

func (k documentOf[T]) mayMiss() map[string]bool {
	set := map[string]bool{}
	for _, path := range k.optional {
		set[path] = true
	}
	return set
}

func (k documentOf[T]) draw(t *rapid.T) any { return k.random(t) }

func (k documentOf[T]) decode(d *wire.Decoder, body []byte) (any, error) {
	var doc T
	err := wire.DecodeDocument(d, k.schema, body, &doc)
	return doc, err
}

func (k documentOf[T]) encode(doc any) []byte {
	typed := doc.(T)
	return k.schema.Append(nil, &typed)
}

const (
	snapshotExample = `{"rolloutId":"stable@4f1c2a9","hostname":"web-17.eu","channel":"stable","state":"Soaking",` +
		`"targetClosure":"/nix/store/new","currentClosureAtDispatch":"/nix/store/old","currentClosure":"/nix/store/new",` +
		`"dispatchedAt":"2026-01-31T12:00:00Z","dispatchAckedAt":"2026-01-31T12:00:01.5Z","activationStartedAt":"2026-01-31T12:00:02Z",` +
		`"activationCompletedAt":"2026-01-31T12:01:00.000000001Z","soakDueAt":"2026-01-31T12:30:00Z","lastEventSeq":17}`
	recordExample = `{"snapshot":` + snapshotExample + `,"wave":1,"synthesised":true,"ended_at":"2026-01-31T13:00:00Z","failing_probes":["http","disk"],"blocked":` + blockedExample + `,"pin":` + pinExample + `,"excused":true}`
	policyExample = `{"on_health_failure":"rollback-and-halt","waves":[{"soak_minutes":5},{"soak_minutes":60}]}`
)

var snapshotMayMiss = []string{
	"currentClosureAtDispatch", "currentClosure", "dispatchedAt", "dispatchAckedAt",
	"activationStartedAt", "activationCompletedAt", "soakDueAt",
}

var recordMayMiss = slices.Concat(
	[]string{"synthesised", "ended_at", "failing_probes", "blocked", "pin", "excused"}, under("pin.", pinMayMiss), under("snapshot.", snapshotMayMiss))

// under puts a prefix before paths.
func under(prefix string, paths []string) []string {
	prefixed := make([]string, len(paths))
	for i, path := range paths {
		prefixed[i] = prefix + path
	}
	return prefixed
}

// documents has every document of the protocol, by the name that the
// data-driven files call it. The twelve kinds of events are added by init.
var documents = map[string]document{
	"heartbeat": documentOf[wire.HeartbeatRequest]{
		schema:   &wire.HeartbeatRequestSchema,
		full:     `{"hostname":"web-17.eu","rollout_id":"stable@4f1c2a9","current_closure":"/nix/store/new","at":"2026-01-31T12:00:00.123456789Z"}`,
		optional: []string{"rollout_id", "current_closure"},
		random:   drawHeartbeat,
	},
	"heartbeat-answer": documentOf[wire.HeartbeatResponse]{
		schema:   &wire.HeartbeatResponseSchema,
		full:     `{"received_at":"2026-01-31T12:00:00Z","bootstrap_rollouts":[` + snapshotExample + `,` + snapshotExample + `]}`,
		optional: slices.Concat([]string{"received_at", "bootstrap_rollouts"}, under("bootstrap_rollouts[].", snapshotMayMiss)),
		random:   drawHeartbeatResponse,
	},
	"snapshot": documentOf[wire.Snapshot]{
		schema: &wire.SnapshotSchema, full: snapshotExample, optional: snapshotMayMiss, random: drawSnapshot,
	},
	"dispatch": documentOf[wire.Dispatch]{
		schema: &wire.DispatchSchema,
		full: `{"hostname":"web-17.eu","rollout_id":"stable@4f1c2a9","target_closure":"/nix/store/new","soak_due_at":"2026-01-31T12:30:00Z",` +
			`"soak_seconds":1800,"enqueued_at":"2026-01-31T12:00:00Z","on_health_failure":"halt"}`,
		optional: []string{"on_health_failure"},
		random:   drawDispatch,
	},
	"policy": documentOf[wire.Policy]{
		schema: &wire.PolicySchema, full: policyExample, random: drawPolicy,
	},
	"manifest": documentOf[wire.Manifest]{
		schema: &wire.ManifestSchema,
		full: `{"channel":"stable","channel_ref":"4f1c2a9","serial":9,"policy":` + policyExample + `,"hosts":[` +
			`{"hostname":"web-17.eu","wave":0,"target_closure":"/nix/store/a"},{"hostname":"db-1","wave":1,"target_closure":"/nix/store/b"}],"gates":` + gatesExample + `,"pins":[{"hostname":"db-1","pin":` + pinExample + `}]}`,
		optional: slices.Concat([]string{"serial", "gates", "pins"}, under("gates.", gatesMayMiss), under("pins[].pin.", pinMayMiss)), random: drawManifest,
	},
	"gates": documentOf[wire.Gates]{
		schema: &wire.GatesSchema, full: gatesExample, optional: gatesMayMiss, random: func(t *rapid.T) wire.Gates { return drawGates(t, nil) },
	},
	"pin": documentOf[wire.Pin]{
		schema: &wire.PinSchema, full: pinExample, optional: pinMayMiss, random: drawPin,
	},
	"host-pin": documentOf[wire.HostPin]{
		schema: &wire.HostPinSchema, full: `{"hostname":"db-1","pin":` + pinExample + `}`, optional: under("pin.", pinMayMiss),
		random: func(t *rapid.T) wire.HostPin { return wire.HostPin{Hostname: drawHostname(t), Pin: drawPin(t)} },
	},
	"blocked": documentOf[wire.Blocked]{
		schema: &wire.BlockedSchema, full: blockedExample, random: drawBlocked,
	},
	"mark": documentOf[wire.Mark]{schema: &wire.MarkSchema, full: markExample, optional: []string{"reason"}, random: drawMark},
	"steer": documentOf[wire.SteerRequest]{
		schema: &wire.SteerRequestSchema, full: `{"reason":"the disk is replaced"}`, optional: []string{"reason"},
		random: func(t *rapid.T) wire.SteerRequest {
			return wire.SteerRequest{Reason: wire.Text(rapid.StringN(0, 20, 1024).Draw(t, "reason"))}
		},
	},
	"quarantine": documentOf[wire.QuarantineEntry]{
		schema:   &wire.QuarantineEntrySchema,
		full:     `{"channel":"stable","closure":"/nix/store/new","since":"2026-01-31T12:00:00Z","by":"stable@4f1c2a9","hostname":"web-17.eu"}`,
		optional: []string{"since", "by", "hostname"},
		random:   drawQuarantineEntry,
	},
	"revocation": documentOf[wire.Revocation]{
		schema:   &wire.RevocationSchema,
		full:     `{"common_name":"agent-web-17.eu.fleet.example","revoked_before":"2026-01-31T12:00:00Z"}`,
		optional: []string{"revoked_before"},
		random:   drawRevocation,
	},
	"revocation-request": documentOf[wire.RevocationRequest]{
		schema:   &wire.RevocationRequestSchema,
		full:     `{"common_name":"agent-web-17.eu.fleet.example","revoked_before":"2026-01-31T12:00:00Z","force":true}`,
		optional: []string{"revoked_before", "force"},
		random: func(t *rapid.T) wire.RevocationRequest {
			r := drawRevocation(t)
			return wire.RevocationRequest{CommonName: r.CommonName, RevokedBefore: r.RevokedBefore, Force: wire.Flag(rapid.Bool().Draw(t, "force"))}
		},
	},
	"revocation-answer": documentOf[wire.RevocationAnswer]{
		schema:   &wire.RevocationAnswerSchema,
		full:     `{"common_name":"agent-web-17.eu.fleet.example","revoked_before":"2026-01-31T12:00:00Z","also_revoked":"web-17.eu","warning":"check the name"}`,
		optional: []string{"revoked_before", "also_revoked", "warning"},
		random: func(t *rapid.T) wire.RevocationAnswer {
			r := drawRevocation(t)
			return wire.RevocationAnswer{
				CommonName: r.CommonName, RevokedBefore: r.RevokedBefore,
				AlsoRevoked: drawOptional(t, func(t *rapid.T) wire.CommonName { return wire.CommonName(drawName(t)) }), Warning: drawOptional(t, drawText),
			}
		},
	},
	"opening": documentOf[wire.OpeningStatus]{
		schema: &wire.OpeningStatusSchema,
		full:   `{"rollout_id":"stable@4f1c2a9","state":"Preparing","prepared":2048,"hosts":150000}`,
		random: func(t *rapid.T) wire.OpeningStatus {
			return wire.OpeningStatus{RolloutID: drawRolloutID(t), Prepared: wire.Count(rapid.IntRange(0, 1e6).Draw(t, "prepared")), Hosts: wire.Count(rapid.IntRange(1, 1e6).Draw(t, "hosts"))}
		},
	},
	"no-body": documentOf[wire.NoBody]{
		schema: &wire.NoBodySchema, full: `{}`,
		random: func(*rapid.T) wire.NoBody { return wire.NoBody{} },
	},
	"rollout": documentOf[wire.RolloutStatus]{
		schema: &wire.RolloutStatusSchema,
		full: `{"rollout_id":"stable@4f1c2a9","state":"Halted","opened_at":"2026-01-31T12:00:00Z","waves_dispatched":1,"policy":` + policyExample + `,` +
			`"counts":{"pending":1,"activating":2,"deferred":3,"soaking":4,"converged":5,"failed":6,"reverted":7},` +
			`"superseded_by":"stable@next","halted_by":"web-17.eu","signed":true,"backed":true,"gates":` + gatesExample + `,"blocked":{"channel_edge":1,"host_edge":2,"compliance":3,"budget":4,"paused":5,"skipped":6,"cordoned":7},"paused":` + markExample + `,"aborted":` + markExample + `,"hosts":[` + recordExample + `],"next":"web-17.eu"}`,
		optional: slices.Concat([]string{"superseded_by", "halted_by", "signed", "backed", "gates", "blocked", "blocked.paused", "blocked.skipped", "blocked.cordoned", "paused", "paused.reason", "aborted", "aborted.reason", "hosts", "next"}, under("gates.", gatesMayMiss), under("hosts[].", recordMayMiss)),
		random:   drawRolloutStatus,
	},
	"record": documentOf[wire.RecordStatus]{
		schema: &wire.RecordStatusSchema, full: recordExample, optional: recordMayMiss, random: drawRecordStatus,
	},
	"host": documentOf[wire.HostStatus]{
		schema: &wire.HostStatusSchema,
		full: `{"hostname":"web-17.eu","reachability":"unreachable","last_heartbeat_at":"2026-01-31T12:00:00Z","silent_seconds":181,` +
			`"current_closure":"/nix/store/new","duplicate_identity":["192.0.2.7","198.51.100.7"],"events_discarded":` + discardExample + `,"cordoned":` + markExample + `,"records":[` + recordExample + `]}`,
		optional: slices.Concat([]string{"last_heartbeat_at", "current_closure", "duplicate_identity", "events_discarded", "cordoned", "cordoned.reason", "records"}, under("events_discarded.", discardMayMiss), under("records[].", recordMayMiss)),
		random:   drawHostStatus,
	},
	"opening-plan": documentOf[wire.OpeningPlan]{
		schema: &wire.OpeningPlanSchema,
		full: `{"rollout_id":"stable@new","unchanged":true,"supersedes":["stable@old"],"hosts":3,"waves":[{"hosts":3,"soak_minutes":5}],` +
			`"dispatched":{"count":3,"names":["h1"]},"running":{"count":1,"names":["h2"]},"unreachable":{"count":1,"names":["h3"]},` +
			`"never_seen":{"count":1,"names":["h4"]},"unknown":{"count":1,"names":["h5"]},"quarantined":[{"closure":"/nix/store/bad","hosts":2}],` +
			`"case_differs":[{"hostname":"H1","known":"h1"}]}`,
		optional: []string{"unchanged", "supersedes", "waves", "dispatched", "running", "unreachable", "never_seen", "unknown", "quarantined", "case_differs",
			"dispatched.names", "running.names", "unreachable.names", "never_seen.names", "unknown.names"},
		random: drawOpeningPlan,
	},
	"fleet-status": documentOf[wire.FleetStatus]{
		schema: &wire.FleetStatusSchema,
		full: `{"hosts_reachable":1,"hosts_unreachable":2,"hosts_never_seen":3,"duplicate_identities":4,` +
			`"records":{"pending":1,"activating":2,"deferred":3,"soaking":4,"converged":5,"failed":6,"reverted":7},` +
			`"rollouts_in_force":5,"rollouts_halted":6,"rollouts_held":7,"rollouts_unbacked":8,"quarantined":9,"revoked":10,"last_entry":11,"acts":` + actHeadExample + `,` +
			`"store_unavailable":true,"disk_scarce":true}`,
		optional: []string{"acts", "store_unavailable", "disk_scarce"},
		random:   drawFleetStatus,
	},
	"actor": documentOf[wire.Actor]{schema: &wire.ActorSchema, full: actorExample, optional: actorMayMiss, random: drawActor},
	"act":   documentOf[wire.Act]{schema: &wire.ActSchema, full: actExample, optional: actMayMiss, random: drawAct},
	"act-head": documentOf[wire.ActHead]{
		schema: &wire.ActHeadSchema, full: actHeadExample,
		random: func(t *rapid.T) wire.ActHead { return wire.ActHead{Count: drawSeq(t), Hash: drawName(t)} },
	},
	"fact": documentOf[wire.Fact]{
		schema: &wire.FactSchema, full: factExample, optional: factMayMiss, random: drawFact,
	},
	"record-why": documentOf[wire.RecordWhy]{
		schema: &wire.RecordWhySchema, full: recordWhyExample, optional: recordWhyMayMiss, random: drawRecordWhy,
	},
	"host-why": documentOf[wire.HostWhy]{
		schema: &wire.HostWhySchema,
		full: `{"hostname":"web-17.eu","at":"2026-01-31T12:00:00Z","reachability":"reachable","current_closure":"/nix/store/old",` +
			`"at_target":true,"rollouts":[` + recordWhyExample + `]}`,
		optional: slices.Concat([]string{"current_closure", "rollouts"}, under("rollouts[].", recordWhyMayMiss)),
		random:   drawHostWhy,
	},
	"why-group": documentOf[wire.WhyGroup]{
		schema: &wire.WhyGroupSchema, full: whyGroupExample, optional: whyGroupMayMiss, random: drawWhyGroup,
	},
	"host-fact": documentOf[wire.HostFact]{
		schema: &wire.HostFactSchema, full: `{"hostname":"web-17.eu","fact":` + factExample + `}`, optional: under("fact.", factMayMiss),
		random: drawHostFact,
	},
	"rollout-why": documentOf[wire.RolloutWhy]{
		schema: &wire.RolloutWhySchema,
		full: `{"rollout_id":"stable@4f1c2a9","at":"2026-01-31T12:00:00Z","state":"Halted","at_target":true,"hosts":9,"waiting":4,"waves":3,"wave":1,` +
			`"wave_open":true,"facts":[` + factExample + `],"groups":[` + whyGroupExample + `],"last":{"hostname":"web-17.eu","fact":` + factExample + `}}`,
		optional: slices.Concat([]string{"wave_open", "facts", "groups", "last"}, under("facts[].", factMayMiss), under("groups[].", whyGroupMayMiss), under("last.fact.", factMayMiss)),
		random:   drawRolloutWhy,
	},
	"discarded": documentOf[wire.DiscardStatus]{
		schema: &wire.DiscardStatusSchema, full: discardExample, optional: discardMayMiss, random: drawDiscardStatus,
	},
	"logged-event": documentOf[wire.LoggedEvent]{
		schema: &wire.LoggedEventSchema,
		full: `{"number":9007199254740993,"at":"2026-01-31T12:00:00Z","hostname":"web-17.eu","rollout_id":"stable@4f1c2a9","kind":"Converged","outcome":"absorbed",` +
			`"event":{"kind":"Converged","seq":9,"convergedAt":"2026-01-31T12:00:00Z","currentClosure":"/nix/store/new"},"detail":"why","act":` + actExample + `}`,
		optional: slices.Concat([]string{"hostname", "rollout_id", "event", "detail", "act"}, under("act.", actMayMiss)),
		random:   drawLoggedEvent,
	},
	"problem": documentOf[wire.Problem]{
		schema: &wire.ProblemSchema,
		full: `{"type":"urn:refrain:problem:wrong_shape","title":"The document has the wrong shape","status":422,"reason":"wrong_shape",` +
			`"detail":"is missing","field":"at","request_id":"01J"}`,
		optional: []string{"detail", "field", "request_id"},
		random:   drawProblem,
	},
}

const actorExample = `{"name":"alice@example.org","serial":"4f1c2a9","fingerprint":"0a1b","request":"01J"}`

var actorMayMiss = []string{"serial", "fingerprint", "request"}

const actExample = `{"count":7,"before":"0a1b","by":` + actorExample + `}`

var actMayMiss = append([]string{"before"}, under("by.", actorMayMiss)...)

const actHeadExample = `{"count":7,"hash":"0a1b"}`

const (
	factExample = `{"cause":"gate","gate":"budget","by":{"count":1,"names":["all"]},"reason":"1 hosts are in flight","since":"2026-01-31T12:00:00Z",` +
		`"next":"the gate lets it go","next_at":"2026-01-31T12:01:00Z","do":"refrain rollout why stable"}`
	recordWhyExample = `{"rollout_id":"stable@4f1c2a9","state":"Pending","wave":1,"target_closure":"/nix/store/new","at_target":true,"facts":[` + factExample + `]}`
	whyGroupExample  = `{"fact":` + factExample + `,"wave":1,"hosts":{"count":2,"names":["web-17.eu","db-1"]}}`
)

var (
	factMayMiss      = []string{"gate", "by", "by.names", "since", "next", "next_at", "do"}
	recordWhyMayMiss = slices.Concat([]string{"facts"}, under("facts[].", factMayMiss))
	whyGroupMayMiss  = slices.Concat([]string{"hosts.names"}, under("fact.", factMayMiss))
)

const gatesExample = `{"budgets":[{"name":"all","hosts":["web-17.eu","db-1"],"max_in_flight":1}],` +
	`"edges":[{"gates":"web-17.eu","gated":"db-1","reason":"the schema comes first"}],` +
	`"channel_edges":[{"gates":"canary","reason":"try it first"}],"compliance":true}`

var gatesMayMiss = []string{"budgets", "edges", "edges[].reason", "channel_edges", "channel_edges[].reason", "compliance"}

const pinExample = `{"commit":"f00dfeed","reason":"driver bug","expires_at":"2026-06-01T00:00:00Z"}`

var pinMayMiss = []string{"reason", "expires_at"}

const markExample = `{"since":"2026-01-31T12:00:00Z","reason":"the disk is replaced"}`

const blockedExample = `{"gate":"budget","by":"all","reason":"1 hosts are in flight, and 1 may be: web-17.eu"}`

const discardExample = `{"count":3,"last_at":"2026-01-31T12:00:00Z","rollout_id":"stable@4f1c2a9","kind":"Converged","reason":"gap"}`

var discardMayMiss = []string{"last_at", "rollout_id", "kind", "reason"}

// eventExamples has one event of each kind with every member set.
var eventExamples = map[wire.EventKind]string{
	wire.KindDispatchAck:           `{"kind":"DispatchAck","seq":1,"currentClosureAtDispatch":"/nix/store/old","receivedAt":"2026-01-31T12:00:00Z"}`,
	wire.KindActivationStarted:     `{"kind":"ActivationStarted","seq":2,"startedAt":"2026-01-31T12:00:00Z","switchMethod":"switch"}`,
	wire.KindActivationCompleted:   `{"kind":"ActivationCompleted","seq":3,"observedCurrentClosure":"/nix/store/new","exitCode":0,"completedAt":"2026-01-31T12:00:00Z"}`,
	wire.KindActivationDeferred:    `{"kind":"ActivationDeferred","seq":4,"component":"kernel","deferredAt":"2026-01-31T12:00:00Z"}`,
	wire.KindActivationFailed:      `{"kind":"ActivationFailed","seq":5,"exitCode":-1,"stderrTail":"line one\nline two","failedAt":"2026-01-31T12:00:00Z"}`,
	wire.KindProbeTopologyDeclared: `{"kind":"ProbeTopologyDeclared","seq":6,"probes":[{"probeName":"http","kind":"tcp","mode":"enforce"},{"probeName":"disk","kind":"exec","mode":"observe"}],"declaredAt":"2026-01-31T12:00:00Z"}`,
	wire.KindProbeObservedFirst:    `{"kind":"ProbeObservedFirst","seq":7,"probeName":"http","mode":"disabled","observedAt":"2026-01-31T12:00:00Z"}`,
	wire.KindProbeResult:           `{"kind":"ProbeResult","seq":8,"probeName":"http","mode":"enforce","status":"fail","observedAt":"2026-01-31T12:00:00Z","failureReason":"refused","subResults":[{"controlId":"AC-1","status":"pass","framework":"nis2","article":"21","effectiveMode":"observe","overrideReason":"accepted"}]}`,
	wire.KindProbeFailureFirst:     `{"kind":"ProbeFailureFirst","seq":9,"probeName":"http","mode":"enforce","firstFailedAt":"2026-01-31T12:00:00Z"}`,
	wire.KindFailed:                `{"kind":"Failed","seq":10,"failedAt":"2026-01-31T12:00:00Z","sustainedDurationSecs":120,"failingProbes":["http","disk"],"policyApplied":"rollback-and-halt"}`,
	wire.KindRollbackComplete:      `{"kind":"RollbackComplete","seq":11,"revertedToClosure":"/nix/store/old","exitCode":0,"completedAt":"2026-01-31T12:00:00Z"}`,
	wire.KindConverged:             `{"kind":"Converged","seq":12,"convergedAt":"2026-01-31T12:00:00Z","currentClosure":"/nix/store/new"}`,
}

var eventMayMiss = []string{
	"signature", "event.failureReason", "event.subResults", "event.subResults[].article", "event.subResults[].effectiveMode", "event.subResults[].effectiveMode", "event.subResults[].overrideReason",
}

func init() {
	for _, kind := range wire.EventKinds {
		documents["event "+kind.String()] = documentOf[wire.EventEnvelope]{
			schema:   &wire.EventEnvelopeSchema,
			full:     `{"hostname":"web-17.eu","rolloutId":"stable@4f1c2a9","event":` + eventExamples[kind] + `,"signature":"c2ln"}`,
			optional: eventMayMiss,
			random:   func(t *rapid.T) wire.EventEnvelope { return drawEnvelope(t, kind) },
		}
	}
}

// eachDocument runs a subtest for every document, in a fixed order.
func eachDocument(t *testing.T, test func(t *testing.T, doc document)) {
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		t.Run(name, func(t *testing.T) { test(t, documents[name]) })
	}
}

// The table above is only worth something if nothing is missing in it.
func TestEveryExportedSchemaIsTested(t *testing.T) {
	tested := map[string]bool{}
	eachFile(t, func(file string, source *ast.File) {
		if file == "documents_test.go" {
			ast.Inspect(source, func(n ast.Node) bool {
				if selector, ok := n.(*ast.SelectorExpr); ok {
					tested[selector.Sel.Name] = true
				}
				return true
			})
		}
	})
	found := 0
	eachFile(t, func(file string, source *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, name := range packageVariables(source) {
			if ast.IsExported(name) && strings.HasSuffix(name, "Schema") {
				found++
				if !tested[name] {
					t.Errorf("%s of %s has no entry in the table of documents_test.go: add one", name, file)
				}
			}
		}
	})
	if found < 10 {
		t.Errorf("found only %d schemas: the search is broken", found)
	}
}

func eachFile(t *testing.T, visit func(file string, source *ast.File)) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		visit(file, source)
	}
}

func packageVariables(source *ast.File) (names []string) {
	for _, declaration := range source.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
