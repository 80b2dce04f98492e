package httpserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/sample"
)

// docs/openapi.json is made here: of the router, of the tables that decode and encode
// the documents, and of what openapi_table_test.go says beside them.

const openapiFile = "../docs/openapi.json"

type object = map[string]any

// openapi collects the document's schemas.
type openapi struct{ schemas object }

// schema is the JSON Schema of a shape; that of a named object is a reference.
func (d *openapi) schema(s wire.Shape) object {
	switch s.Kind {
	case wire.ShapeString:
		o := object{"type": "string"}
		if len(s.Words) == 1 {
			o["const"] = s.Words[0]
		} else if len(s.Words) > 0 {
			o["enum"] = s.Words
		}
		if s.Pattern != "" {
			o["pattern"] = s.Pattern
		}
		if s.Format != "" {
			o["format"] = s.Format
		}
		if s.MaxLength > 0 {
			o["maxLength"] = s.MaxLength
		}
		return o
	case wire.ShapeInteger:
		return object{"type": "integer", "minimum": s.Min, "maximum": s.Max}
	case wire.ShapeBoolean:
		return object{"type": "boolean"}
	case wire.ShapeArray:
		return object{"type": "array", "items": d.schema(*s.Of)}
	case wire.ShapeMap:
		if s.Of == nil {
			return object{"type": "object"}
		}
		return object{"type": "object", "additionalProperties": d.schema(*s.Of)}
	case wire.ShapeOneOf:
		var refs []object
		mapping := object{}
		for _, v := range s.Variants {
			ref := d.schema(v)
			refs = append(refs, ref)
			mapping[v.Name] = ref["$ref"]
		}
		return d.named(s.Name, object{"oneOf": refs, "discriminator": object{"propertyName": "kind", "mapping": mapping}})
	}
	properties, required := object{}, []string{}
	for _, m := range s.Members {
		of := d.schema(m.Shape)
		switch m.Presence {
		case wire.Required:
			required = append(required, m.Name)
		case wire.Nullable:
			of = object{"anyOf": []object{of, {"type": "null"}}}
		}
		properties[m.Name] = of
	}
	o := object{"type": "object"}
	if len(properties) > 0 {
		o["properties"] = properties
	}
	if len(required) > 0 {
		o["required"] = required
	}
	return d.named(s.Name, o)
}

func (d *openapi) named(name string, o object) object {
	if name == "" {
		return o
	}
	d.schemas[name] = o
	return object{"$ref": "#/components/schemas/" + name}
}

// roleText says who may call an endpoint.
var roleText = map[role]string{agents: "For agents.", operators: "For operators.", anyClient: "For agents and operators.", anybody: "For anybody; no certificate is needed."}

var pathVariable = regexp.MustCompile(`\{([a-z]+)(?::[^{}]*)?\}`)

func (d *openapi) operation(t *testing.T, e *endpoint) object {
	t.Helper()
	about, there := describedEndpoints[e.name]
	if !there {
		t.Fatalf("%s %s: openapi_table_test.go does not describe %q", e.method, e.path, e.name)
	}
	o := object{"operationId": e.name, "summary": about.summary, "description": roleText[e.role]}
	if e.role == anybody {
		o["security"] = []object{}
	}
	var parameters []object
	for _, v := range pathVariable.FindAllStringSubmatch(e.path, -1) {
		parameters = append(parameters, object{"name": v[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, q := range about.query {
		parameters = append(parameters, object{"name": q.name, "in": "query", "description": q.text, "schema": d.schema(q.of)})
	}
	if parameters != nil {
		o["parameters"] = parameters
	}
	if (about.request != nil) != (e.body != noBody) {
		t.Errorf("%s: a body is read: %v; described: %v", e.name, e.body != noBody, about.request != nil)
	}
	if about.request != nil {
		o["requestBody"] = object{"required": e.body == needsBody, "content": object{"application/json": object{"schema": d.schema(*about.request)}}}
	}
	responses := object{}
	for status, of := range about.answers {
		answer := object{"description": http.StatusText(status)}
		switch {
		case about.media != "":
			answer["content"] = object{about.media: object{}}
		case e.name == "open_rollout" && status == http.StatusOK:
			answer["description"] = "It is open already; or, with dry_run, what the opening would do."
			answer["content"] = object{"application/json": object{"schema": object{"oneOf": []object{d.schema(*rolloutShape), d.schema(wire.OpeningPlanSchema.Shape())}}}}
		case e.name == "rollout" && status == http.StatusOK:
			answer["content"] = object{"application/json": object{"schema": object{"oneOf": []object{d.schema(*rolloutShape), d.schema(wire.OpeningStatusSchema.Shape())}}}}
		case of != nil:
			answer["content"] = object{"application/json": object{"schema": d.schema(*of)}}
		}
		responses[strconv.Itoa(status)] = answer
	}
	refusals := about.refusals
	if about.request != nil {
		refusals = append(slices.Clone(refusals), 400, 413, 415, 422)
	} else if about.query != nil {
		refusals = append(slices.Clone(refusals), 400)
	}
	if e.role != anybody || e.name == "enroll" {
		refusals = append(slices.Clone(refusals), 401, 403, 426, 503)
	}
	for _, status := range refusals {
		responses[strconv.Itoa(status)] = object{"$ref": "#/components/responses/Problem"}
	}
	o["responses"] = responses
	return o
}

func makeOpenAPI(t *testing.T) []byte {
	t.Helper()
	h := newEnrolRig(t) // it has all routes
	d := &openapi{schemas: object{}}
	paths := object{}
	described := make(map[string]bool)
	for _, e := range h.server.endpoints {
		path := pathVariable.ReplaceAllString(e.path, "{$1}")
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path].(object)[strings.ToLower(e.method)] = d.operation(t, e)
		described[e.name] = true
	}
	for name := range describedEndpoints {
		if !described[name] {
			t.Errorf("openapi_table_test.go describes %q, which no route is", name)
		}
	}
	problem := d.schema(wire.ProblemSchema.Shape())
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Refrain", "version": "1",
			"description": "The routes of a Refrain control plane, made of the router and of the tables that read and write its documents. A member that is not required may be left out of a request, or be null. What the statuses mean is in protocol.md.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":  []object{{"url": "https://plane.example.com:8443"}},
		"security": []object{{"certificate": []string{}}},
		"paths":    paths,
		"components": object{
			"securitySchemes": object{"certificate": object{"type": "mutualTLS", "description": "A certificate of the fleet's CA. Its common name says who the caller is (PROTOCOL T1 to T4)."}},
			"responses":       object{"Problem": object{"description": "A refusal (RFC 9457), with its reason as a stable word.", "content": object{"application/problem+json": object{"schema": problem}}}},
			"schemas":         d.schemas,
		},
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func TestOpenAPI_IsOfTheRoutesAndTables(t *testing.T) {
	made := makeOpenAPI(t)
	if sample.Rewriting() {
		if err := os.WriteFile(openapiFile, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(openapiFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, kept) {
		t.Error("docs/openapi.json is not what the routes and tables say; go test ./httpserver -run OpenAPI -rewrite writes it")
	}
}

// openAPIChecker judges answers by docs/openapi.json.
type openAPIChecker struct {
	t        *testing.T
	doc      object
	compiler *jsonschema.Compiler
	seen     map[string]bool
}

func newOpenAPIChecker(t *testing.T) *openAPIChecker {
	t.Helper()
	text, err := os.ReadFile(openapiFile)
	if err != nil {
		t.Fatal(err)
	}
	c := &openAPIChecker{t: t, compiler: jsonschema.NewCompiler(), seen: make(map[string]bool)}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c.doc = doc.(object)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return c
}

// pointer follows references inside the document.
func (c *openAPIChecker) follow(path string) (object, string) {
	c.t.Helper()
	at := any(c.doc)
	for _, word := range strings.Split(path, "/") {
		next, there := at.(object)[strings.NewReplacer("~1", "/", "~0", "~").Replace(word)]
		if !there {
			return nil, path
		}
		at = next
	}
	if ref, is := at.(object)["$ref"].(string); is {
		return c.follow(strings.TrimPrefix(ref, "#/"))
	}
	return at.(object), path
}

// answer judges an answer of a route.
func (c *openAPIChecker) answer(method, route string, a answer) {
	c.t.Helper()
	c.seen[method+" "+route] = true
	at := "paths/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(route) + "/" + strings.ToLower(method) + "/responses/" + strconv.Itoa(a.status)
	response, at := c.follow(at)
	if response == nil {
		c.t.Errorf("%s %s answers %d, which the document does not have: %s", method, route, a.status, a.body)
		return
	}
	content, _ := response["content"].(object)
	if content == nil {
		if a.body != "" {
			c.t.Errorf("%s %s answers %d with a body, which the document does not have: %s", method, route, a.status, a.body)
		}
		return
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if content[media] == nil {
		c.t.Errorf("%s %s answers %d with %s, and the document has %v", method, route, a.status, media, content)
		return
	}
	if content[media].(object)["schema"] == nil {
		return
	}
	compiled, err := c.compiler.Compile("openapi.json#/" + at + "/content/" + strings.ReplaceAll(media, "/", "~1") + "/schema")
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
	if err != nil {
		c.t.Errorf("%s %s answers %d, no JSON: %v", method, route, a.status, err)
		return
	}
	if err := compiled.Validate(body); err != nil {
		c.t.Errorf("%s %s answers %d with %s\n%v", method, route, a.status, a.body, err)
	}
}

// TestOpenAPI_IsWhatTheServerAnswers asks every route of a real server, and judges the
// answers, good ones and refusals, by the document.
func TestOpenAPI_IsWhatTheServerAnswers(t *testing.T) {
	h := startEnrolRig(t, func(c *Config) { c.AllowUnsigned = true })
	c := newOpenAPIChecker(t)
	operator := h.operator("alice")
	enrolled := h.enrol(h.host)
	c.answer("POST", enrolPath, enrolled)
	host := h.as(h.issued(enrolled))
	c.answer("POST", enrolPath, h.enrol(testKey(0x77)))
	c.answer("POST", renewPath, h.renew(host, "agent-h1."+testSuffix, h.host))
	c.answer("POST", renewPath, h.renew(host, "agent-h2."+testSuffix, h.host))
	for _, step := range []struct {
		as                  *client
		method, route, path string
		body                string
		want                int
	}{
		{operator, "POST", "/v1/operator/rollouts", "?dry_run=true", manifest("edge", "00ff", "c1", "h1", "h2"), 200},
		{operator, "POST", "/v1/operator/rollouts", "", manifest("edge", "00ff", "c1", "h1", "h2"), 201},
		{operator, "POST", "/v1/operator/rollouts", "", manifest("edge", "00ff", "c1", "h1", "h2"), 200},
		{operator, "POST", "/v1/operator/rollouts", "", manifest("edge", "00ff", "c2", "h1", "h2"), 409},
		{operator, "POST", "/v1/operator/rollouts", "", `{"chanel":"stable"}`, 422},
		{operator, "POST", "/v1/operator/rollouts", "", `{`, 400},
		{host, "GET", "/v1/agent/dispatch", "?wait=0", "", 200},
		{host, "GET", "/v1/agent/dispatch", "?wait=soon", "", 400},
		{operator, "GET", "/v1/agent/dispatch", "", "", 403},
		{host, "POST", "/v1/agent/events", "", ackBody("h1", "stable@00ff"), 204},
		{host, "POST", "/v1/agent/events", "", ackBody("h1", "stable@unknown"), 404},
		{host, "POST", "/v1/agent/heartbeat", "", heartbeatBody("h1"), 200},
		{host, "POST", "/v1/agent/heartbeat", "", `{"hostname":"h1"}`, 422},
		{operator, "POST", "/v1/agent/heartbeat", "", heartbeatBody("h1"), 403},
		{host, "GET", "/v1/whoami", "", "", 200},
		{host, "GET", "/healthz", "", "", 200},
		{operator, "GET", "/v1/operator/status", "", "", 200},
		{operator, "GET", "/v1/operator/acts", "", "", 200},
		{operator, "GET", "/v1/operator/hosts", "?limit=1", "", 200},
		{operator, "GET", "/v1/operator/hosts", "?state=Activating&reachability=reachable", "", 200},
		{operator, "GET", "/v1/operator/hosts", "?stat=Activating", "", 400},
		{operator, "GET", "/v1/operator/hosts/{hostname}", "h1", "", 200},
		{operator, "GET", "/v1/operator/hosts/{hostname}", "nobody", "", 404},
		{operator, "GET", "/v1/operator/rollouts", "", "", 200},
		{operator, "GET", "/v1/operator/rollouts/{id}", "stable@00ff", "", 200},
		{operator, "GET", "/v1/operator/rollouts/{id}", "stable@unknown", "", 404},
		{operator, "GET", "/v1/operator/rollouts/{id}/events", "stable@00ff", "", 200},
		{operator, "POST", "/v1/operator/rollouts/{id}/resume", "stable@00ff", "", 200},
		{operator, "POST", "/v1/operator/rollouts/{id}/choose", "stable@00ff", "{}", 200},
		{operator, "GET", "/v1/operator/hosts/{hostname}/why", "h2", "", 200},
		{operator, "GET", "/v1/operator/hosts/{hostname}/why", "nobody", "", 404},
		{operator, "GET", "/v1/operator/rollouts/{id}/why", "edge@00ff", "", 200},
		{operator, "GET", "/v1/operator/quarantine", "", "", 200},
		{operator, "POST", "/v1/operator/quarantine/clear", "", `{"channel":"stable","closure":"c1"}`, 404},
		{operator, "POST", "/v1/operator/revocations", "", `{"common_name":"agent-h9.` + testSuffix + `","force":true}`, 200},
		{operator, "POST", "/v1/operator/revocations", "", `{"common_name":"agent-h8.` + testSuffix + `"}`, 422},
		{operator, "GET", "/v1/operator/revocations", "", "", 200},
		{operator, "GET", "/v1/hosts", "", "", 200},
		{operator, "GET", "/v1/channels/{name}", "stable", "", 200},
		{operator, "GET", "/v1/rollouts", "", "", 200},
		{operator, "GET", "/v1/rollouts/{id}/lifecycle", "stable@00ff", "", 200},
		{operator, "GET", "/v1/rollouts/{id}/hosts", "stable@00ff", "", 200},
		{operator, "GET", "/v1/rollouts/{id}/events", "stable@00ff", "", 200},
		{operator, "GET", "/v1/deferrals", "", "", 200},
		{host, "GET", "/v1/deferrals", "", "", 403},
		{host, "GET", "/v1/fleet.resolved", "", "", 200},
		{host, "GET", "/v1/fleet.resolved/sig", "", "", 200},
		{host, "GET", "/v1/rollouts/{id}", "stable@00ff", "", 200},
		{host, "GET", "/v1/rollouts/{id}/sig", "stable@00ff", "", 200},
		{host, "GET", "/v1/rollouts/{id}", "stable@unknown", "", 404},
		{operator, "POST", "/v1/operator/rollouts/{id}/pause", "edge@00ff", `{"reason":"disk"}`, 200},
		{operator, "POST", "/v1/operator/rollouts/{id}/hosts/{hostname}/skip", "edge@00ff", "", 200},
		{operator, "POST", "/v1/operator/rollouts/{id}/abort", "edge@00ff", `{"reason":"disk"}`, 200},
		{operator, "POST", "/v1/operator/rollouts/{id}/pause", "edge@00ff", "", 409},
		{operator, "GET", "/v1/operator/rollouts/{id}", "edge@00ff", "", 200},
		{operator, "POST", "/v1/operator/hosts/{hostname}/cordon", "h2", `{"reason":"disk"}`, 204},
		{operator, "GET", "/v1/operator/hosts/{hostname}", "h2", "", 200},
		{operator, "POST", "/v1/operator/hosts/{hostname}/uncordon", "h2", "", 204},
		{operator, "POST", "/v1/operator/hosts/{hostname}/forget", "h2", "", 204},
		{operator, "POST", "/v1/operator/hosts/{hostname}/forget", "nobody", "", 404},
	} {
		path := step.route + step.path
		if v := pathVariable.FindString(step.route); v != "" {
			path = strings.Replace(step.route, v, step.path, 1)
		}
		path = strings.Replace(path, "{hostname}", "h1", 1) // the second one
		a := step.as.do(step.method, path, step.body)
		if a.status != step.want {
			t.Errorf("%s %s: %d %s, want %d", step.method, path, a.status, a.body, step.want)
		}
		c.answer(step.method, step.route, a)
	}
	for _, e := range h.server.endpoints {
		if e.role == operators && strings.HasPrefix(e.path, "/v1/operator/") {
			c.parameters(operator, e)
		}
		if name := fmt.Sprintf("%s %s", e.method, pathVariable.ReplaceAllString(e.path, "{$1}")); !c.seen[name] {
			t.Errorf("%s was not asked", name)
		}
	}
}

// parameters compares the parameters that an endpoint says it knows with those that are
// described.
func (c *openAPIChecker) parameters(operator *client, e *endpoint) {
	c.t.Helper()
	body := ""
	if e.body == needsBody {
		body = "{}"
	}
	a := operator.do(e.method, pathVariable.ReplaceAllString(e.path, "stable@00ff")+"?zzzzzzzz=1", body)
	about := describedEndpoints[e.name]
	_, known, _ := strings.Cut(string(a.problem(c.t).Detail), "the route takes ")
	var got, want []string
	for _, word := range regexp.MustCompile(`[a-z_]+`).FindAllString(known, -1) {
		if word != "none" {
			got = append(got, word)
		}
	}
	for _, q := range about.query {
		want = append(want, q.name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if a.status != 400 || !slices.Equal(got, want) {
		c.t.Errorf("%s %s: an unknown parameter is %d %s, and the document has %v", e.method, e.path, a.status, a.body, want)
	}
}
