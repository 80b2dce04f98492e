package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// ledgerHost is a host that sends the events of one rollout in order.
type ledgerHost struct {
	rig    *killRig
	name   wire.Hostname
	client *http.Client
	next   wire.Seq // to be sent
	acked  wire.Seq // the last that was answered 204
	count  *atomic.Int64
	// under is the event under way: it is sent until it is answered, unchanged.
	under ledgerEvent
	// finish makes it send its Converged.
	finish, done bool
	// answered is called with each answer to an event, if it is set.
	answered func(ctx context.Context, status int, body []byte)
	refused  int // answers 503
	failed   int // no answer
	wrong    string
}

// ledgerEvent is an event as it is sent.
type ledgerEvent struct {
	seq  wire.Seq
	body string
	last bool // it says that the host has converged
}

// event is the host's next event.
func (h *ledgerHost) event() ledgerEvent {
	if h.under.seq == h.next {
		return h.under
	}
	seq, last := h.next, false
	now := time.Now().UTC().Format(time.RFC3339Nano)
	event := fmt.Sprintf(`"kind":"ProbeResult","probeName":"http","mode":"enforce","status":"pass","observedAt":"%s"`, now)
	switch {
	case seq == 1:
		event = fmt.Sprintf(`"kind":"DispatchAck","currentClosureAtDispatch":"c0","receivedAt":"%s"`, now)
	case seq == 2:
		event = fmt.Sprintf(`"kind":"ActivationCompleted","observedCurrentClosure":"c1","exitCode":0,"completedAt":"%s"`, now)
	case h.finish:
		last = true
		event = fmt.Sprintf(`"kind":"Converged","convergedAt":"%s","currentClosure":"c1"`, time.Now().Add(time.Minute).UTC().Format(time.RFC3339Nano))
	}
	h.under = ledgerEvent{seq, fmt.Sprintf(`{"hostname":"%s","rolloutId":"%s","event":{"seq":%d,%s}}`, h.name, killRollout, seq, event), last}
	return h.under
}

// send sends events until ctx ends, or the Converged is acknowledged.
func (h *ledgerHost) send(ctx context.Context) {
	for ctx.Err() == nil && !h.done && h.wrong == "" {
		event := h.event()
		// The request outlives ctx, so that no answer is lost but by the plane.
		request, err := http.NewRequest(http.MethodPost, h.rig.demo.url+"/v1/agent/events", strings.NewReader(event.body))
		if err != nil {
			h.wrong = err.Error()
			return
		}
		request.Header.Set(wire.HeaderContentType, wire.MediaJSON)
		request.Header.Set(wire.HeaderAgent, wire.AgentVersion)
		response, err := h.client.Do(request)
		if err != nil { // E9: no answer, so the same again
			h.failed++
			pause(ctx, 5*time.Millisecond)
			continue
		}
		answer, _ := io.ReadAll(response.Body)
		response.Body.Close()
		switch response.StatusCode {
		case http.StatusNoContent:
			h.acked, h.done = h.next, event.last
			h.next++
			h.count.Add(1)
		case http.StatusServiceUnavailable:
			h.refused++
			pause(ctx, 5*time.Millisecond)
		case http.StatusConflict: // E6: from there on again
			from, err := strconv.ParseUint(response.Header.Get("X-Nixfleet-Replay-From"), 10, 53)
			if err != nil {
				h.wrong = fmt.Sprintf("event %d is refused: %s", h.next, answer)
			}
			h.next, h.under = max(1, wire.Seq(from)), ledgerEvent{}
		default:
			h.wrong = fmt.Sprintf("event %d is answered %s: %s", h.next, response.Status, answer)
		}
		if h.answered != nil {
			h.answered(ctx, response.StatusCode, answer)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
