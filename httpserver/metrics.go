package httpserver

import (
	"cmp"
	"runtime"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/version"
)

// inputKind labels the inputs of the plane in the histograms. The set is fixed.
type inputKind uint8

const (
	kindHeartbeat inputKind = iota
	kindEvent
	kindPoll
	kindOpenRollout
	kindResumeRollout
	kindChooseRollout
	kindSteer
	kindClearQuarantine
	kindRevoke
	kindRelease
	kindCertify
	kindQuery
	kindStarted
	kindTick

	kindCount int = iota
)

var kindWords = [kindCount]string{
	kindHeartbeat: "heartbeat", kindEvent: "event", kindPoll: "poll", kindOpenRollout: "open_rollout",
	kindResumeRollout: "resume_rollout", kindChooseRollout: "choose_rollout", kindSteer: "steer", kindClearQuarantine: "clear_quarantine", kindRevoke: "revoke", kindRelease: "release",
	kindCertify: "certify",
	kindQuery:   "query", kindStarted: "started", kindTick: "tick",
}

func kindOf(in plane.Input) inputKind {
	switch in.(type) {
	case *plane.Heartbeat:
		return kindHeartbeat
	case *plane.Event, *plane.Discarded:
		return kindEvent
	case *plane.Poll:
		return kindPoll
	case *plane.OpenRollout, *plane.FileManifest:
		return kindOpenRollout
	case *plane.ResumeRollout:
		return kindResumeRollout
	case *plane.ChooseRollout:
		return kindChooseRollout
	case *plane.Steer:
		return kindSteer
	case *plane.ClearQuarantine:
		return kindClearQuarantine
	case *plane.Revoke:
		return kindRevoke
	case *plane.Release:
		return kindRelease
	case *plane.Certify:
		return kindCertify
	case *plane.Started:
		return kindStarted
	case *plane.Tick:
		return kindTick
	default:
		return kindQuery
	}
}

// replies reports whether inputs of the kind are answered.
func (k inputKind) replies() bool { return k < kindStarted }

// statusClass labels answers. classGone stands for a caller that disconnected
// before its poll was answered.
type statusClass uint8

const (
	class2xx statusClass = iota
	class4xx
	class5xx
	classGone

	classCount int = iota
)

var classWords = [classCount]string{"2xx", "4xx", "5xx", "gone"}

func classOf(status int) statusClass {
	switch {
	case status < 300:
		return class2xx
	case status < 500:
		return class4xx
	default:
		return class5xx
	}
}

// logKinds are the kinds of log entries that are not events.
var logKinds = [...]wire.Name{"opened", "resumed", "chosen", "confirmed", "cleared", "revoked", "enrolled", "discarded", "offered", "offer_ended"}

// metrics are the server's own metrics. Every series exists from the start, at
// zero, so that a rate over it is right from the first event on. No label has the
// name of a host or of a rollout.
type metrics struct {
	registry *prometheus.Registry

	stepSeconds   [kindCount]prometheus.Observer
	replySeconds  [kindCount]prometheus.Observer
	commitSeconds prometheus.Histogram
	requests      *prometheus.CounterVec
	entries       map[wire.Name]prometheus.Counter
	rebuilds      prometheus.Counter
	panics        prometheus.Counter
	badManifests  prometheus.Gauge

	release, list verifiedMetrics // of releases, and of the signed revocations

	// badCertificates are indexed by flaw; index 0 is unused.
	badCertificates [wire.LeafFlawCount]prometheus.Counter

	mu sync.Mutex
	// past is the sum over the earlier planes of this process, minus what the
	// current one counted while it was loaded. stats are those of the current
	// plane.
	past, stats plane.Stats
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	steps := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "refrain_step_seconds", Help: "Duration of one step of the plane, by kind of input.",
		Buckets: []float64{250e-9, 500e-9, 1e-6, 2.5e-6, 5e-6, 10e-6, 25e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1},
	}, []string{"input"})
	replies := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "refrain_reply_seconds", Help: "Time from admission to the answer, by kind of input.",
		Buckets: []float64{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 5e-3, 25e-3, 100e-3, 500e-3, 1, 2.5, 5},
	}, []string{"input"})
	for k := range inputKind(kindCount) {
		m.stepSeconds[k] = steps.WithLabelValues(kindWords[k])
		if k.replies() {
			m.replySeconds[k] = replies.WithLabelValues(kindWords[k])
		}
	}
	m.commitSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "refrain_commit_seconds", Help: "Duration of one commit to the store.",
		Buckets: []float64{100e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 500e-3, 1, 5},
	})
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "refrain_requests_total", Help: "Requests answered, by route and status class; gone: the caller disconnected first.",
	}, []string{"route", "class"})
	entries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "refrain_entries_logged_total", Help: "Log entries made durable, by kind.",
	}, []string{"kind"})
	m.entries = make(map[wire.Name]prometheus.Counter)
	for _, k := range wire.EventKinds {
		m.entries[wire.Name(k.String())] = entries.WithLabelValues(k.String())
	}
	for _, k := range logKinds {
		m.entries[k] = entries.WithLabelValues(string(k))
	}
	m.rebuilds = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "refrain_plane_rebuilds_total", Help: "Rebuilds of the plane from the store, after a failed commit or a panic.",
	})
	m.panics = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "refrain_handler_panics_total", Help: "Requests whose handler panicked.",
	})
	m.badManifests = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "refrain_manifests_refused", Help: "Files of the manifests directory that are refused until they change.",
	})
	bad := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "refrain_bad_certificates_total", Help: "Requests with a certificate of the fleet's CA that speaks for no client, by cause.",
	}, []string{"cause"})
	for flaw := wire.NoCommonName; int(flaw) < wire.LeafFlawCount; flaw++ {
		m.badCertificates[flaw] = bad.WithLabelValues(flaw.String())
	}
	m.registry.MustRegister(m.newReleaseMetrics()...)
	m.registry.MustRegister(steps, replies, m.commitSeconds, m.requests, entries, m.rebuilds, m.panics,
		m.badManifests, bad, buildInfo(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// newReleaseMetrics makes the metrics of releases.
func (m *metrics) newReleaseMetrics() []prometheus.Collector {
	m.release.refused = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "refrain_release_refused", Help: "1 if the releases directory has what is refused, until it changes.",
	})
	m.release.signedAt = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "refrain_release_signed_timestamp_seconds", Help: "When the release that is held was signed, in Unix time; 0 without one.",
	})
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "refrain_release_refusals_total", Help: "Releases refused, by the reason of the first file at fault.",
	}, []string{"reason"})
	m.release.refusals = make(map[string]prometheus.Counter)
	for _, reason := range []string{releaseUnreadable, releaseMissing, releaseUnexpected, releaseConflict, releaseSuperseded} {
		m.release.refusals[reason] = refusals.WithLabelValues(reason)
	}
	for reason := artifact.Reason(1); int(reason) < artifact.ReasonCount; reason++ {
		m.release.refusals[reason.String()] = refusals.WithLabelValues(reason.String())
	}
	return append([]prometheus.Collector{m.release.refused, m.release.signedAt, refusals}, m.newListMetrics()...)
}

// newListMetrics makes those of the signed revocations.
func (m *metrics) newListMetrics() []prometheus.Collector {
	m.list.refused = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "refrain_revocations_refused", Help: "1 if the signed list of revocations is refused, until it changes.",
	})
	m.list.signedAt = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "refrain_revocations_signed_timestamp_seconds", Help: "When the list of revocations that is held was signed, in Unix time; 0 without one.",
	})
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "refrain_revocations_refusals_total", Help: "Lists of revocations refused, by reason.",
	}, []string{"reason"})
	m.list.refusals = map[string]prometheus.Counter{releaseUnreadable: refusals.WithLabelValues(releaseUnreadable)}
	for reason := artifact.Reason(1); reason <= artifact.Older; reason++ {
		m.list.refusals[reason.String()] = refusals.WithLabelValues(reason.String())
	}
	return []prometheus.Collector{m.list.refused, m.list.signedAt, refusals}
}

// route returns the counters of a route, by class.
func (m *metrics) route(name string) (counters [classCount]prometheus.Counter) {
	for i := range counters {
		counters[i] = m.requests.WithLabelValues(name, classWords[i])
	}
	return counters
}

// logged counts entries that were made durable.
func (m *metrics) logged(entries []plane.Entry) {
	for i := range entries {
		if c := m.entries[entries[i].Kind]; c != nil {
			c.Inc()
		}
	}
}

// publish stores the counts of the plane, which only the loop may read.
func (m *metrics) publish(s plane.Stats) {
	m.mu.Lock()
	m.stats = s
	m.mu.Unlock()
}

// newLife records that a plane was loaded; loaded are its counts at that time.
func (m *metrics) newLife(loaded plane.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.past = sum(m.past, m.stats, 1)
	m.past = sum(m.past, loaded, -1)
	m.stats = loaded
}

// counts returns the counters summed over all planes of this process, and the
// gauges of the current one.
func (m *metrics) counts() plane.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := sum(m.past, m.stats, 1)
	total.HostsReachable, total.HostsUnreachable, total.HostsNeverSeen = m.stats.HostsReachable, m.stats.HostsUnreachable, m.stats.HostsNeverSeen
	total.Records, total.Logged, total.Held = m.stats.Records, m.stats.Logged, m.stats.Held
	total.Unbacked, total.Blocked = m.stats.Unbacked, m.stats.Blocked
	total.DuplicateIdentities = m.stats.DuplicateIdentities
	total.ReplaysUnderWay, total.Acts = m.stats.ReplaysUnderWay, m.stats.Acts
	return total
}

// sum adds the counters of b to those of a, or subtracts them if sign is -1.
func sum(a, b plane.Stats, sign int64) plane.Stats {
	add := func(to *uint64, n uint64) { *to += uint64(sign) * n }
	add(&a.ReplaysAsked, b.ReplaysAsked)
	add(&a.ReplaysPutOff, b.ReplaysPutOff)
	add(&a.Duplicates, b.Duplicates)
	add(&a.Applied, b.Applied)
	add(&a.Absorbed, b.Absorbed)
	add(&a.Gaps, b.Gaps)
	add(&a.Rejected, b.Rejected)
	add(&a.Discarded, b.Discarded)
	add(&a.Confirmed, b.Confirmed)
	add(&a.Suspicions, b.Suspicions)
	return a
}

func buildInfo() prometheus.Collector {
	build := version.Read()
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "refrain_build_info", Help: "Always 1; the labels identify the build.",
	}, []string{"version", "revision", "go_version"})
	g.WithLabelValues(build.Version, cmp.Or(build.Revision, "unknown"), runtime.Version()).Set(1)
	return g
}
