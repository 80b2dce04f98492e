package page

import (
	"net/http"
	"net/url"
	"slices"
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
	// Current says that the record is of a rollout that is not superseded. AtTarget and
	// Facts are why the host is where it is in it.
	Current, AtTarget bool
	Facts             []factView
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
	o = p.cfg.Ask(&plane.QueryHostWhy{Hostname: name})
	why, is := o.Document.(*wire.HostWhy)
	if !is {
		p.refuseOutcome(w, &o)
		return
	}
	var current, superseded []recordView
	for i := range host.Records {
		rec := &host.Records[i]
		v := recordView{RecordStatus: rec, Class: stateClass(rec.Snapshot.State)}
		at := slices.IndexFunc(why.Rollouts, func(r wire.RecordWhy) bool { return r.RolloutID == rec.Snapshot.RolloutID })
		if at < 0 {
			superseded = append(superseded, v)
			continue
		}
		v.Current, v.AtTarget, v.Facts = true, bool(why.Rollouts[at].AtTarget), viewFacts(why.Rollouts[at].Facts)
		current = append(current, v)
	}
	p.render(w, http.StatusOK, "host", struct {
		Config       *Config
		Host         *wire.HostStatus
		Reachability string
		Silent       string
		Records      []recordView
	}{&p.cfg, host, reachabilityWords(host.Reachability), duration(time.Duration(host.SilentSeconds) * time.Second), append(current, superseded...)})
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
	o = p.cfg.Ask(&plane.QueryRolloutWhy{RolloutID: in.RolloutID})
	why, is := o.Document.(*wire.RolloutWhy)
	if !is {
		p.refuseOutcome(w, &o)
		return
	}
	counts := stateCounts(&s.Counts)
	var hosts []recordView
	for i := range s.Hosts {
		rec := &s.Hosts[i]
		hosts = append(hosts, recordView{RecordStatus: rec, Class: stateClass(rec.Snapshot.State)})
	}
	p.render(w, http.StatusOK, "rollout", struct {
		Config  *Config
		Rollout *wire.RolloutStatus
		Class   string
		Bar     bar
		Counts  []count
		Why     *wire.RolloutWhy
		Facts   []factView
		Groups  []factView
		Last    factView
		State   wire.State
		Hosts   []recordView
		Next    string
	}{&p.cfg, s, badgeClass(s.State), barOf(inWords(counts), counts), counts, why, viewFacts(why.Facts), viewGroups(why.Groups), viewFact(&why.Last.Fact), in.State, hosts, nextURL(in, s)})
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
