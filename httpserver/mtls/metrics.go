package mtls

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	descHandshakes = desc("refrain_tls_handshake_errors_total", "Connections whose TLS handshake failed, by cause.", "cause")
	descSilent     = desc("refrain_tls_silent_connections_total", "Connections that were closed by the other side before it sent a byte, as load balancers do to probe a port.")
	descChains     = desc("refrain_tls_chain_verifications_total", "Chains of client certificates whose signatures were looked at; what is refused before is not counted.")
	descSlots      = desc("refrain_tls_handshakes", "Handshakes between their first byte and the verification of the client's certificates: running, or waiting for a slot.", "state")
	descOpen       = desc("refrain_connections", "Open connections of the control plane's listener, by whether a client certificate was verified.", "certificate")
	descMax        = desc("refrain_connections_max", "How many connections may be open; 0 for no limit.")
	descClosed     = desc("refrain_connections_refused_total", "Connections closed since there was no space: one of the address, or the certificate, with the most, or a new one that could take no other's place.", "reason")
	descExpiry     = desc("refrain_certificate_expiry_timestamp_seconds", "When the certificate in use expires, in seconds since 1970; of several client CAs, the first one that does.", "certificate")
	descRefused    = desc("refrain_certificate_files_refused", "1 if the certificate files cannot be used and an earlier set of them is in use.")
	descSoonest    = desc("refrain_client_certificate_soonest_expiry_timestamp_seconds", "When the first of the client certificates seen since the start expires, if that is within 30 days; absent otherwise.")
	descExpiring   = desc("refrain_client_certificates_expiring", "Clients seen since the start whose certificate expires soon, by how soon; at most 1,000 of those that expire first.", "within")
	descByCA       = desc("refrain_client_ca_connections", "Open connections that have sent a request, by the client CA that verified them; the label is the beginning of its SHA-256 fingerprint.", "ca")
)

// Describe implements [prometheus.Collector].
func (c *Credentials) Describe(ch chan<- *prometheus.Desc) {
	c.reloads.Describe(ch)
	for _, d := range []*prometheus.Desc{descHandshakes, descSilent, descChains, descSlots, descOpen, descMax, descClosed, descExpiry, descRefused, descSoonest, descExpiring, descByCA} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *Credentials) Collect(ch chan<- prometheus.Metric) {
	c.reloads.Collect(ch)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	totals, silent := c.connections.refusals.counts()
	for is, total := range totals {
		counter(descHandshakes, total, causeWords[is])
	}
	counter(descSilent, silent)
	counter(descChains, c.connections.verifications.Load())
	running, waiting := c.connections.handshakes.counts()
	gauge(descSlots, float64(running), "running")
	gauge(descSlots, float64(waiting), "waiting")
	known, strange, refused := c.connections.limits.counts()
	gauge(descOpen, float64(known), "verified")
	gauge(descOpen, float64(strange), "none")
	gauge(descMax, float64(c.connections.limits.max))
	for i, reason := range refusedReasons {
		counter(descClosed, refused[i], reason)
	}

	s := c.current.Load()
	gauge(descExpiry, seconds(s.leaf().NotAfter), "server")
	var first time.Time
	for _, ca := range s.roots {
		if first.IsZero() || ca.NotAfter.Before(first) {
			first = ca.NotAfter
		}
		gauge(descByCA, float64(c.connections.count(ca)), Fingerprint(ca))
	}
	if !first.IsZero() {
		gauge(descExpiry, seconds(first), "client_ca")
	}
	gauge(descRefused, map[bool]float64{true: 1}[c.refused.Load() != nil])

	soonest, counts := c.connections.clients.soonest(c.cfg.Now())
	if !soonest.IsZero() {
		gauge(descSoonest, seconds(soonest))
	}
	for i, within := range withins {
		gauge(descExpiring, float64(counts[i]), within.word)
	}
}

// counts returns the failed handshakes by cause, and the connections without a byte.
func (r *refusals) counts() (totals [causeCount]uint64, silent uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for is := range r.causes {
		totals[is] = r.causes[is].total
	}
	return totals, r.silent
}

func seconds(t time.Time) float64 { return float64(t.Unix()) }
