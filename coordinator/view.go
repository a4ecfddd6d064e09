package coordinator

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/coordinator/verdict"
	"mailquorum/internal/api"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
)

// incidentsShown is how many closed incidents the status lists; the API has more.
const (
	incidentsShown  = 20
	incidentsServed = 500
)

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// lit is what a service's light shows, and since when.
type lit struct {
	state api.State
	since time.Time
}

// note keeps the newest verdict for the view. The caller holds the lock.
func (c *Coordinator) note(now time.Time, q report.Question, v verdict.Verdict, machine string) {
	c.verdicts[incident.NewSubject(q, v.Service)] = v
	if q != report.Outage {
		return
	}
	st := c.light(v, machine)
	if c.since[v.Service].state != st {
		c.since[v.Service] = lit{st, now}
	}
}

// light says what a service's light shows. The caller holds the lock.
func (c *Coordinator) light(v verdict.Verdict, machine string) api.State {
	degraded := c.machines[incident.NewSubject(report.Degraded, v.Service)].Record().Open()
	switch {
	case machine == "open":
		return api.Down
	case machine == "recovering":
		return api.Recovering
	case degraded:
		return api.Degraded
	}
	switch v.State {
	case verdict.Up:
		return api.Up
	case verdict.Regional:
		return api.Regional
	case verdict.Major, verdict.Full:
		return api.Down
	case verdict.Blind:
		// After a start it takes a while until regions have an opinion.
		if v.Abstain > 0 || time.Since(c.started) > c.timing.Settle+c.timing.Blind {
			return api.Blind
		}
	}
	return api.Unknown
}

// Status is what this coordinator sees now.
func (c *Coordinator) Status() api.Status {
	now := time.Now()
	members := c.members()
	incidents := c.cfg.Store.Incidents(incidentsShown)
	c.mu.Lock()
	defer c.mu.Unlock()
	hash := c.cfg.Roster.Hash()
	st := api.Status{Cluster: c.cfg.Roster.Cluster, Node: c.cfg.Node, Version: c.cfg.Version, Now: now.UTC(),
		Roster: fmt.Sprintf("%x", hash), Incidents: incidents, Unjournal: c.cfg.Store.Unjournaled()}
	for _, s := range c.cfg.Roster.Services {
		st.Services = append(st.Services, c.service(s, incidents))
	}
	for _, n := range c.cfg.Roster.Nodes {
		st.Nodes = append(st.Nodes, c.nodeView(now, n, members))
	}
	return st
}

func (c *Coordinator) members() []string {
	c.mu.Lock()
	m := c.mesh
	c.mu.Unlock()
	if m == nil {
		return nil
	}
	return m.Members()
}

// service draws one service. The caller holds the lock.
func (c *Coordinator) service(s roster.Service, incidents []api.Incident) api.Service {
	v := c.verdicts[incident.NewSubject(report.Outage, s.Name)]
	n := len(c.cfg.Roster.Voters(s.Name))
	out := api.Service{Name: s.Name, Provider: s.Provider, State: api.Unknown, N: n, Quorum: roster.Quorum(n), Count: v.Count}
	if l, ok := c.since[s.Name]; ok {
		out.State, out.Since = l.state, l.since.UTC()
	}
	if v.N == 0 { // nothing was tallied yet
		for _, g := range c.cfg.Roster.Voters(s.Name) {
			out.Regions = append(out.Regions, api.Region{Name: g.Name})
		}
		return out
	}
	out.Drawing = v.Describe()
	for _, b := range v.Ballots {
		out.Regions = append(out.Regions, api.Region{Name: b.Region.Name, Fresh: b.Fresh, Age: b.Age.Seconds(), Vote: b.Vote, Count: b.Count})
	}
	subject := string(incident.NewSubject(report.Outage, s.Name))
	for _, in := range incidents {
		if in.Subject == subject && in.Closed.IsZero() {
			out.Incident, out.Count = in.ID, in.Count
		}
	}
	return out
}

// nodeView draws one node. The caller holds the lock.
func (c *Coordinator) nodeView(now time.Time, n roster.Node, members []string) api.Node {
	out := api.Node{Name: n.Name, Role: string(n.Role), Region: n.Region, Member: slices.Contains(members, n.Name)}
	e := c.board.Entry(n.Name)
	if e != nil {
		out.Boot = e.Report.Boot
	}
	if age, known := c.board.Age(now, e); known {
		out.Age, out.Fresh = age.Seconds(), age <= c.timing.Fresh
	}
	if n.Name == c.cfg.Node {
		out.Fresh, out.Member, out.Age = true, true, 0
	}
	out.Silenced = c.board.IsSilenced(c.cfg.Roster.NodeIndex(n.Name))
	return out
}

// Incidents returns the open incidents and the newest closed ones.
func (c *Coordinator) Incidents() []api.Incident { return c.cfg.Store.Incidents(incidentsServed) }
