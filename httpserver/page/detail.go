package page

import (
	"net/http"
	"net/url"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// pageOfHosts is how many hosts of a rollout are on a page.
const pageOfHosts = 100

// recordView is a record with the explanation of it.
type recordView struct {
	*wire.RecordStatus
	Class string
	Why   []string
}

// host answers with one host.
func (p *Page) host(w http.ResponseWriter, r *http.Request) {
	given, ok := p.parameters(w, r, "name")
	if !ok {
		return
	}
	name, err := wire.ParseHostname(given["name"])
	if err != nil {
		p.refuse(w, http.StatusBadRequest, "The parameter name is no hostname: "+err.Error()+".")
		return
	}
	o := p.cfg.Ask(&plane.QueryHost{Hostname: name})
	host, is := o.Document.(*wire.HostStatus)
	if !is {
		p.refuseOutcome(w, &o)
		return
	}
	records := make([]recordView, 0, len(host.Records))
	for i := len(host.Records) - 1; i >= 0; i-- { // of one channel, the newest name first
		rec := &host.Records[i]
		records = append(records, recordView{rec, stateClass(rec.Snapshot.State), why(rec, host.Reachability)})
	}
	p.render(w, http.StatusOK, "host", struct {
		Config       *Config
		Host         *wire.HostStatus
		Reachability string
		Silent       string
		Records      []recordView
	}{&p.cfg, host, reachabilityWords(host.Reachability), duration(time.Duration(host.SilentSeconds) * time.Second), records})
}

// rollout answers with one rollout and a page of its hosts.
func (p *Page) rollout(w http.ResponseWriter, r *http.Request) {
	given, ok := p.parameters(w, r, "id", "state", "after")
	if !ok {
		return
	}
	in := &plane.QueryRollout{Limit: pageOfHosts}
	var err error
	if in.RolloutID, err = wire.ParseRolloutID(given["id"]); err != nil {
		p.refuse(w, http.StatusBadRequest, "The parameter id is no rollout: "+err.Error()+".")
		return
	}
	if s := given["state"]; s != "" {
		if in.State, err = wire.ParseState(s); err != nil {
			p.refuse(w, http.StatusBadRequest, "The parameter state is wrong: "+err.Error()+".")
			return
		}
	}
	if s := given["after"]; s != "" {
		if in.After, err = wire.ParseHostname(s); err != nil {
			p.refuse(w, http.StatusBadRequest, "The parameter after is no hostname: "+err.Error()+".")
			return
		}
	}
	o := p.cfg.Ask(in)
	s, is := o.Document.(*wire.RolloutStatus)
	if !is {
		p.refuseOutcome(w, &o)
		return
	}
	counts := stateCounts(&s.Counts)
	var hosts []recordView
	for i := range s.Hosts {
		rec := &s.Hosts[i]
		// Who is reachable is on the host's own page.
		hosts = append(hosts, recordView{rec, stateClass(rec.Snapshot.State), why(rec, wire.Reachable)})
	}
	p.render(w, http.StatusOK, "rollout", struct {
		Config  *Config
		Rollout *wire.RolloutStatus
		Class   string
		Bar     bar
		Counts  []count
		Reasons []string
		State   wire.State
		Hosts   []recordView
		Next    string
	}{&p.cfg, s, badgeClass(s.State), barOf(inWords(counts), counts), counts, reasonsOf(s), in.State, hosts, nextURL(in, s)})
}

// nextURL leads to the page of hosts that follows; empty on the last.
func nextURL(in *plane.QueryRollout, s *wire.RolloutStatus) string {
	if s.Next == "" {
		return ""
	}
	q := url.Values{"id": {string(in.RolloutID)}, "after": {string(s.Next)}}
	if in.State != 0 {
		q.Set("state", in.State.String())
	}
	return "rollout?" + q.Encode()
}
