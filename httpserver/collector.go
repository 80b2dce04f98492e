package httpserver

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/page"
)

// collector reads the counts that gate and plane keep themselves, at each scrape.
type collector struct {
	admission *admission
	metrics   *metrics
	store     *storeHealth
	notices   *noticeLog
	lost      LogLosses // nil for none
	live      func() page.Counts
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	descUnavailable   = describe("refrain_unavailable_total", "Requests refused with 503, by reason.", "reason")
	descInboxDepth    = describe("refrain_inbox_depth", "Requests in the inbox, including those being processed.")
	descInboxCapacity = describe("refrain_inbox_capacity", "Largest number of requests in the inbox.")
	descInboxOldest   = describe("refrain_inbox_oldest_seconds", "Age of the oldest request in the inbox.")
	descWedged        = describe("refrain_wedged", "1 if the inbox is not empty and no request has finished for longer than the reply timeout.")
	descPollsWaiting  = describe("refrain_polls_waiting", "Dispatch polls waiting for work.")
	descPollsPaced    = describe("refrain_polls_paced_total", "Dispatch polls refused because their host polls too often.")
	descLateReplies   = describe("refrain_late_replies_total", "Replies discarded because they came at or after the deadline.")
	descSkipped       = describe("refrain_inputs_skipped_total", "Requests that were past their deadline when their turn came, and were not worked on.")
	descReplaysAsked  = describe("refrain_replays_asked_total", "Answers with X-Nixfleet-Replay-From.")
	descReplaysPutOff = describe("refrain_replays_put_off_total", "Replays that a heartbeat called for and that were left to a later one, since as many as may be were under way.")
	descReplays       = describe("refrain_replays_under_way", "Replays under way.")
	descConfirmed     = describe("refrain_confirmations_total", "Records confirmed by a heartbeat.")
	descEvents        = describe("refrain_events_total", "Events, by outcome.", "outcome")
	descHosts         = describe("refrain_hosts", "Known hosts.", "reachability")
	descDuplicates    = describe("refrain_hosts_duplicate_identity", "Hosts in whose name two machines send heartbeats.")
	descRecords       = describe("refrain_records", "Records by state.", "state")
	descBlocked       = describe("refrain_hosts_blocked", "Hosts whose dispatch is held back, by the gate that does.", "gate")
	descUnbacked      = describe("refrain_rollouts_unbacked", "Rollouts in force with hosts that are not offered them, since no release that is held says the same, or it is no longer fresh.")
	descHeld          = describe("refrain_rollouts_held", "Rollouts that wait until an operator says which one of the channel is in force.")
	descSuspicions    = describe("refrain_observer_suspicions_total", "Times the plane suspected itself instead of the fleet.")
	descLinesDropped  = describe("refrain_log_lines_dropped_total", "Log lines lost: the log was not read, could not be written, or was too slow.")
	descLinesLeftOut  = describe("refrain_log_lines_suppressed_total", "Log lines left out of a flood of one kind.")
	descPageViewers   = describe("refrain_page_viewers", "Live pages that are open.")
	descPageRendered  = describe("refrain_page_renderings_total", "Renderings of the live page, at most one a second whatever the number of pages.")
	descPageDropped   = describe("refrain_page_streams_dropped_total", "Streams of live pages that were ended since the page did not read.")
	descPageRefused   = describe("refrain_page_streams_refused_total", "Streams of live pages that were refused since as many as may be were open.")
	descLogNumber     = describe("refrain_log_number", "Number of the last entry of the log.")
)

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descUnavailable, descInboxDepth, descInboxCapacity, descInboxOldest, descWedged, descPollsWaiting, descPollsPaced, descLateReplies, descSkipped, descReplaysAsked,
		descReplaysPutOff, descReplays, descConfirmed, descEvents, descHosts, descDuplicates, descRecords, descHeld, descBlocked, descUnbacked, descSuspicions, descLogNumber,
		descLinesDropped, descLinesLeftOut, descPageViewers, descPageRendered, descPageDropped, descPageRefused,
	} {
		ch <- d
	}
	for _, d := range storeDescs {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	inbox := c.admission.look()
	for _, code := range wire.UnavailableCodes {
		counter(descUnavailable, inbox.stats.RefusedWith(code), code.Reason())
	}
	gauge(descInboxDepth, float64(inbox.depth))
	gauge(descInboxCapacity, float64(inbox.capacity))
	gauge(descInboxOldest, inbox.oldest.Seconds())
	gauge(descWedged, map[bool]float64{true: 1}[inbox.wedged])
	gauge(descPollsWaiting, float64(inbox.polls))
	counter(descPollsPaced, inbox.paced)
	counter(descLateReplies, inbox.stats.LateReplies)
	counter(descSkipped, inbox.stats.Skipped)

	s := c.metrics.counts()
	counter(descReplaysAsked, s.ReplaysAsked)
	counter(descReplaysPutOff, s.ReplaysPutOff)
	gauge(descReplays, float64(s.ReplaysUnderWay))
	counter(descConfirmed, s.Confirmed)
	counter(descEvents, s.Applied, "applied")
	counter(descEvents, s.Absorbed, "absorbed")
	counter(descEvents, s.Duplicates, "duplicate")
	counter(descEvents, s.Gaps, "gap")
	counter(descEvents, s.Rejected, "rejected")
	counter(descEvents, s.Discarded, "discarded")
	gauge(descHosts, float64(s.HostsReachable), wire.Reachable.String())
	gauge(descHosts, float64(s.HostsUnreachable), wire.Unreachable.String())
	gauge(descHosts, float64(s.HostsNeverSeen), wire.NeverSeen.String())
	gauge(descDuplicates, float64(s.DuplicateIdentities))
	for _, state := range wire.States {
		gauge(descRecords, float64(s.Records[state]), state.String())
	}
	gauge(descHeld, float64(s.Held))
	for gate := wire.Gate(1); int(gate) < wire.GateCount; gate++ {
		gauge(descBlocked, float64(s.Blocked[gate]), gate.String())
	}
	gauge(descUnbacked, float64(s.Unbacked))
	counter(descSuspicions, s.Suspicions)
	gauge(descLogNumber, float64(s.Logged))
	c.store.collect(gauge)

	page := c.live()
	gauge(descPageViewers, float64(page.Viewers))
	counter(descPageRendered, page.Renderings)
	counter(descPageDropped, page.Dropped)
	counter(descPageRefused, page.TurnedAway)

	dropped, suppressed := c.notices.dropped.Load(), uint64(0)
	if c.lost != nil {
		dropped, suppressed = dropped+c.lost.Dropped(), c.lost.Suppressed()
	}
	counter(descLinesDropped, dropped)
	counter(descLinesLeftOut, suppressed)
}
