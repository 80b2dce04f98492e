package world

import (
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Timer is something that is due at an instant of virtual time, for a node: a
// message that arrives, a step that is done, an agent's own timer. Timers of one
// instant go off in the order in which they were set.
type Timer struct {
	at   time.Duration // not below 0
	kind timerKind
	// node is a host's index, or one of the nodes that are no host.
	node int32
	// epoch is the life of the node in which the timer was set: what a
	// process planned dies with it.
	epoch uint32
	// arg is what the kind says it is: a message's slot in the world's pool,
	// the ID of an agent's effect, an index in the scenario.
	arg uint64
}

// String names a timer's kind and node: "timer of h3".
func (e Timer) String() string { return timerWords[e.kind] + " of " + nodeName(e.node) }

// Name is the timer's kind in one word, as JSON traces have it.
func (e Timer) Name() string { return timerNames[e.kind] }

// Node is the name of the node that the timer is for.
func (e Timer) Node() string { return nodeName(e.node) }

// Host is the number of the host that the timer is for, from 1; 0 if it is for
// no host.
func (e Timer) Host() int { return max(int(e.node)+1, 0) }

// timerKind says what a timer is for.
type timerKind uint8

// What comes due.
const (
	dueRequest    timerKind = iota + 1 // a request reaches the plane
	dueSection                         // the loop goes on with its next section
	dueCommit                          // the disk has taken a group of entries
	dueDeadline                        // the next deadline of a request or a poll
	dueTick                            // the plane's tick
	dueRetry                           // the plane is loaded again, after that has failed
	duePlaneUp                         // the plane's process is up and listens
	duePlaneStart                      // it has loaded its log
	duePlaneDown                       // the time to drain is over
	dueManifest                        // the plane reads a manifest of its directory
	dueClientGone                      // the plane's process sees that a client has closed its connection

	dueAnswer        // an answer reaches its sender
	dueNoAnswer      // a sender learns that none will come
	dueGiveUp        // a sender gives its request up
	dueAgentTimer    // the agent's timer
	dueActivationEnd // an activation or rollback ends
	dueProbeEnd      // a round of probes ends
	dueHostUp        // an agent's process starts
	dueReboot        // a host reboots by itself
	dueHostile       // a hostile host thinks of something
	dueReissue       // a host is given a new certificate

	dueOperator   // the operator does something
	dueFaultBegin // a fault comes into force
	dueFaultEnd   // and out of it
	dueHeal       // the scenario is healed
	dueJudge      // has the fleet come to rest?
	dueRelease    // the plane goes on with the release of its directory

	dueFieldRestart // the switch of a field host restarts its agent
	dueFetched      // signed artifacts reach an agent, or do not
	dueSign         // the release is signed again
)

// aboutMessage reports whether a timer's arg is a message's slot.
func (k timerKind) aboutMessage() bool {
	switch k {
	case dueRequest, dueClientGone, dueAnswer, dueNoAnswer, dueGiveUp:
		return true
	}
	return false
}

// Nodes that are no host.
const (
	planeNodeID    int32 = -1
	operatorNodeID int32 = -2
	manifestNodeID int32 = -3
	worldNodeID    int32 = -4
	releaseNodeID  int32 = -5
)

// timerWords are the kinds of timers in words.
var timerWords = [...]string{
	0: "nothing yet", dueRequest: "request", dueSection: "section", dueCommit: "commit", dueDeadline: "deadline", dueTick: "tick",
	dueRetry: "retry", duePlaneUp: "process up", duePlaneStart: "start", duePlaneDown: "process down",
	dueManifest: "manifest", dueRelease: "release", dueClientGone: "client gone", dueAnswer: "answer", dueNoAnswer: "no answer", dueGiveUp: "giving up", dueAgentTimer: "timer", dueActivationEnd: "end of a switch",
	dueProbeEnd: "end of a round of probes", dueHostUp: "process up", dueReboot: "reboot", dueHostile: "hostile act", dueReissue: "new certificate", dueFieldRestart: "restart", dueFetched: "fetched artifacts", dueSign: "signing",
	dueOperator: "act", dueFaultBegin: "fault", dueFaultEnd: "end of a fault", dueHeal: "healing", dueJudge: "judgement",
}

// timerNames are the kinds of timers in a JSON trace.
var timerNames = [...]string{
	dueRequest: "request", dueSection: "section", dueCommit: "commit", dueDeadline: "deadline", dueTick: "tick",
	dueRetry: "retry", duePlaneUp: "plane_up", duePlaneStart: "plane_start", duePlaneDown: "drain_over", dueManifest: "manifest", dueRelease: "release", dueClientGone: "client_gone",
	dueAnswer: "answer", dueNoAnswer: "no_answer", dueGiveUp: "give_up", dueAgentTimer: "agent_timer", dueActivationEnd: "switch_end", dueProbeEnd: "probe_end",
	dueHostUp: "host_up", dueReboot: "reboot", dueHostile: "hostile_act", dueReissue: "reissue", dueFieldRestart: "field_restart", dueFetched: "fetched", dueSign: "sign", dueOperator: "operator_act",
	dueFaultBegin: "fault_begin", dueFaultEnd: "fault_end", dueHeal: "heal", dueJudge: "judge",
}

func nodeName(node int32) string {
	switch node {
	case operatorNodeID:
		return "operator"
	case manifestNodeID:
		return "manifests"
	case releaseNodeID:
		return "releases"
	case planeNodeID:
		return "plane"
	case worldNodeID:
		return "world"
	default:
		return string(scenario.HostName(int(node) + 1))
	}
}
