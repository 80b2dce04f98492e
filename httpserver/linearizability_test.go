package httpserver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// What many clients see of one record at the same time must be explained by
// one order of their requests, in which each takes effect at one instant
// between its call and its return. The model is written from the protocol, not
// from the plane's code.

// operation is what a client asks of one record of its host.
type operation struct {
	host    string
	rollout int
	kind    string // of an event; or drift, confirm, look
	seq     int
}

// observation is what it was answered.
type observation struct {
	// unknown: a 503 after which the input may have been applied, now, later or
	// never (PROTOCOL G2).
	unknown bool
	code    string // as wire.Code prints it
	replay  int    // Replay-From, 0 without
	state   string // of the record, of what shows it
	seq     int    // its last_event_seq
}

// view is the model's state of a record.
type view struct {
	state   string
	seq     int
	closure bool // the current closure is known, and is the target
}

// place orders the states on the path of an activation.
var place = map[string]int{"Pending": 0, "Activating": 1, "Deferred": 2, "Soaking": 3}

// eventRules has, for the events that the clients send, from which states they
// lead where (PROTOCOL E).
var eventRules = map[string]struct {
	from map[string]string
}{
	"DispatchAck":         {map[string]string{"Pending": "Activating"}},
	"ActivationStarted":   {map[string]string{"Activating": "Activating"}},
	"ActivationDeferred":  {map[string]string{"Activating": "Deferred"}},
	"ActivationCompleted": {map[string]string{"Activating": "Soaking", "Deferred": "Soaking"}},
}

func (v view) event(op operation) (view, observation) {
	ok := observation{code: wire.NoContent.String()}
	if op.seq <= v.seq {
		return v, ok // E3
	}
	rule := eventRules[op.kind]
	past := true
	for from, to := range rule.from {
		if from == v.state { // E4
			return view{to, op.seq, v.closure || op.kind == "ActivationCompleted"}, ok
		}
		past = past && place[from] < place[v.state]
	}
	switch {
	case past: // E5
		v.seq = op.seq
		return v, ok
	case op.seq > v.seq+1: // E6
		return v, observation{code: wire.Gap.String(), replay: v.seq}
	default: // E7
		return v, observation{code: wire.Rejected.String()}
	}
}

func (v view) take(op operation) (view, observation) {
	switch op.kind {
	case "drift": // H2: the heartbeat names the rollout, and the target as what runs
		o := observation{code: wire.OK.String()}
		if !v.closure {
			o.replay = v.seq
		}
		return v, o
	case "confirm": // H4, and H3: the snapshot is made after it
		v.state, v.closure = "Soaking", true
		return v, observation{code: wire.OK.String(), state: v.state, seq: v.seq}
	case "look":
		return v, observation{code: wire.OK.String(), state: v.state, seq: v.seq}
	default:
		return v.event(op)
	}
}

var recordModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		type record struct {
			host    string
			rollout int
		}
		place := map[record]int{}
		for _, op := range history {
			in := op.Input.(operation)
			r := record{in.host, in.rollout}
			i, known := place[r]
			if !known {
				i = len(parts)
				place[r] = i
				parts = append(parts, nil)
			}
			parts[i] = append(parts[i], op)
		}
		return parts
	},
	Init: func() any { return view{state: "Pending"} },
	Step: func(state, input, output any) (bool, any) {
		next, want := state.(view).take(input.(operation))
		got := output.(observation)
		return got.unknown || got == want, next
	},
	DescribeOperation: func(input, output any) string {
		op, o := input.(operation), output.(observation)
		if o.unknown {
			return fmt.Sprintf("%s %s %s %d → ?", op.host, op.id(), op.kind, op.seq)
		}
		return fmt.Sprintf("%s %s %s %d → %s replay=%d %s %d", op.host, op.id(), op.kind, op.seq, o.code, o.replay, o.state, o.seq)
	},
	DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
}

const (
	linearHosts   = 4
	linearAgents  = 3  // clients of each host, besides an operator
	linearRecords = 5  // of each host
	linearRequest = 14 // of each client for each record
)

// id is the rollout of the operation's record. Each rollout has a channel and a
// target of its own, so that a confirmation is about one record only.
func (op operation) id() string      { return fmt.Sprintf("ch%d@r1", op.rollout) }
func (op operation) closure() string { return fmt.Sprintf("c%d", op.rollout) }

// eventBodyOf is an event of a kind with what its kind needs.
func eventBodyOf(op operation) string {
	const at = `"2026-01-01T00:00:00Z"`
	more := map[string]string{
		"DispatchAck":         `"currentClosureAtDispatch":"c0","receivedAt":` + at,
		"ActivationStarted":   `"startedAt":` + at + `,"switchMethod":"switch"`,
		"ActivationDeferred":  `"component":"kernel","deferredAt":` + at,
		"ActivationCompleted": `"observedCurrentClosure":"` + op.closure() + `","exitCode":0,"completedAt":` + at,
	}
	return fmt.Sprintf(`{"hostname":%q,"rolloutId":%q,"event":{"kind":%q,"seq":%d,%s}}`, op.host, op.id(), op.kind, op.seq, more[op.kind])
}

var (
	stateInBody = regexp.MustCompile(`"state":"(\w+)"`)
	seqInBody   = regexp.MustCompile(`"lastEventSeq":(\d+)`)
)

// observe turns an answer into an observation; ok is false if the request
// certainly changed nothing (PROTOCOL G1).
func observe(t *testing.T, op operation, a answer) (o observation, ok bool) {
	if a.err != nil {
		t.Errorf("%v: %v", op, a.err)
		return o, false
	}
	if a.status == http.StatusServiceUnavailable {
		switch reason := string(a.problem(t).Reason); reason {
		case wire.DroppedReply.Reason(), wire.Timeout.Reason():
			return observation{unknown: true}, true
		default:
			return o, false
		}
	}
	switch {
	case a.status >= 400:
		o.code = string(a.problem(t).Reason)
	case a.status == http.StatusNoContent:
		o.code = wire.NoContent.String()
	default:
		o.code = wire.OK.String()
	}
	if replay := a.header.Get(wire.HeaderReplayFrom); replay != "" {
		o.replay, _ = strconv.Atoi(replay)
	}
	_, record, _ := strings.Cut(a.body, `"rolloutId":"`+op.id()+`"`)
	if m := stateInBody.FindStringSubmatch(record); m != nil {
		o.state = m[1]
	}
	if m := seqInBody.FindStringSubmatch(record); m != nil {
		o.seq, _ = strconv.Atoi(m[1])
	}
	return o, true
}

// play sends one operation.
func (op operation) play(agent, operator *client) answer {
	switch op.kind {
	case "drift":
		return agent.do(http.MethodPost, heartbeatPath, fmt.Sprintf(
			`{"hostname":%q,"rollout_id":%q,"current_closure":%q,"at":"2026-01-01T00:00:00Z"}`, op.host, op.id(), op.closure()))
	case "confirm":
		return agent.do(http.MethodPost, heartbeatPath, fmt.Sprintf(
			`{"hostname":%q,"rollout_id":null,"current_closure":%q,"at":"2026-01-01T00:00:00Z"}`, op.host, op.closure()))
	case "look":
		return operator.do(http.MethodGet, "/v1/operator/hosts/"+op.host, "")
	default:
		return agent.do(http.MethodPost, "/v1/agent/events", eventBodyOf(op))
	}
}

// drawOperation is more likely to send the next event than another.
func drawOperation(r *rand.Rand, host string, rollout, request, near int) operation {
	kinds := []string{"DispatchAck", "ActivationStarted", "ActivationStarted", "ActivationDeferred", "ActivationCompleted", "drift", "look", "look", "confirm"}
	op := operation{host: host, rollout: rollout, kind: kinds[r.IntN(len(kinds))]}
	if request < linearRequest/2 && (op.kind == "confirm" || op.kind == "ActivationCompleted") {
		op.kind = "DispatchAck" // or all would be over soon
	}
	if _, event := eventRules[op.kind]; event {
		op.seq = max(1, near+r.IntN(5)-2)
	}
	return op
}

func TestWhatClientsSeeOfARecordIsOneOrderOfTheirRequests(t *testing.T) { // PROTOCOL G2, E, H
	h := start(t, func(cfg *Config) { cfg.InboxCapacity = 12; cfg.CheckInvariants = false })
	var hosts []string
	for i := range linearHosts {
		hosts = append(hosts, "h"+strconv.Itoa(i+1))
	}
	for i := range linearRecords {
		op := operation{rollout: i + 1}
		channel, ref, _ := strings.Cut(op.id(), "@")
		h.openRollout(channel, ref, op.closure(), hosts...)
	}

	// A reply is lost now and then, before the step or after it.
	var steps atomic.Uint32
	every := func(n uint32) func(plane.Input) bool {
		return func(plane.Input) bool { return steps.Add(1)%n == 0 }
	}
	h.faults.Install(Fault{Kind: Drop, At: BeforeStep, Match: every(41)})
	h.faults.Install(Fault{Kind: Drop, At: BeforeReply, Match: every(37)})

	var mu sync.Mutex
	var history []porcupine.Operation
	seen := map[string]int{}
	began := time.Now()
	var clients sync.WaitGroup
	for i, host := range hosts {
		var near [linearRecords + 1]atomic.Int32
		for j := range linearAgents + 1 {
			agent, operator := h.agent(host), h.operator("op"+strconv.Itoa(i))
			draws := rand.New(rand.NewPCG(uint64(i), uint64(j)))
			clients.Go(func() {
				for n := range linearRecords * linearRequest {
					rollout := n/linearRequest + 1
					near := &near[rollout]
					op := drawOperation(draws, host, rollout, n%linearRequest, int(near.Load())+1)
					call := time.Since(began)
					a := op.play(agent, operator)
					returned := int64(time.Since(began))
					o, certain := observe(t, op, a)
					if !certain {
						mu.Lock()
						seen["refused"]++
						mu.Unlock()
						continue
					}
					if o.unknown {
						returned = math.MaxInt64 // whenever, or never
					}
					if op.seq > 0 && o.code == wire.NoContent.String() {
						near.Store(max(int32(op.seq), near.Load()))
					}
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: i*(linearAgents+1) + j, Input: op, Output: o, Call: int64(call), Return: returned})
					if o.unknown {
						seen["unknown"]++
					} else {
						seen[o.code]++
					}
					if o.replay > 0 {
						seen["replay"]++
					}
					mu.Unlock()
				}
			})
		}
	}
	clients.Wait()

	for _, what := range []string{"unknown", "replay", wire.NoContent.String(), wire.OK.String(), wire.Gap.String(), wire.Rejected.String()} {
		if seen[what] == 0 {
			t.Errorf("never seen: %s, of %v", what, seen)
		}
	}
	t.Logf("%d operations: %v", len(history), seen)
	result, info := porcupine.CheckOperationsVerbose(recordModel, history, time.Minute)
	if result == porcupine.Ok {
		return
	}
	var partial strings.Builder
	for part, orders := range info.PartialLinearizations() {
		longest := 0
		for _, order := range orders {
			longest = max(longest, len(order))
		}
		fmt.Fprintf(&partial, " record %d: at most %d in one order;", part+1, longest)
	}
	t.Errorf("the history is not linearizable (%v):%s\n%s", result, partial.String(), inOrder(history))
}

// inOrder lists a history in the order of the calls.
func inOrder(history []porcupine.Operation) string {
	var b strings.Builder
	for _, op := range history {
		fmt.Fprintf(&b, "%12d %12d %2d %s\n", op.Call, op.Return, op.ClientId, recordModel.DescribeOperation(op.Input, op.Output))
	}
	return b.String()
}

// A model that accepts everything would let every defect pass.
func TestTheModelOfARecordRefusesWhatCannotBe(t *testing.T) {
	ok, look := wire.NoContent.String(), operation{host: "h1", kind: "look"}
	at := func(call, returned int64, op operation, o observation) porcupine.Operation {
		op.host = "h1"
		return porcupine.Operation{Input: op, Output: o, Call: call, Return: returned}
	}
	ack := operation{kind: "DispatchAck", seq: 1}
	pending := observation{code: wire.OK.String(), state: "Pending"}
	for name, history := range map[string][]porcupine.Operation{
		"acknowledged and not applied": {at(0, 1, ack, observation{code: ok}), at(2, 3, look, pending)},
		"applied and taken back": {
			at(0, 9, ack, observation{unknown: true}),
			at(1, 2, look, observation{code: wire.OK.String(), state: "Activating", seq: 1}), at(3, 4, look, pending),
		},
		"a replay from the wrong number": {
			at(0, 1, ack, observation{code: ok}), at(2, 3, operation{kind: "drift"}, observation{code: wire.OK.String(), replay: 2}),
		},
		"a gap that is none": {at(0, 1, operation{kind: "ActivationStarted", seq: 1}, observation{code: wire.Gap.String()})},
	} {
		if porcupine.CheckOperations(recordModel, history) {
			t.Errorf("%s: the model takes it", name)
		}
	}
	for name, history := range map[string][]porcupine.Operation{
		"applied late":  {at(0, math.MaxInt64, ack, observation{unknown: true}), at(1, 2, look, pending), at(3, 4, look, observation{code: wire.OK.String(), state: "Activating", seq: 1})},
		"never applied": {at(0, math.MaxInt64, ack, observation{unknown: true}), at(1, 2, look, pending)},
	} {
		if !porcupine.CheckOperations(recordModel, history) {
			t.Errorf("%s: the model refuses it", name)
		}
	}
}
