package coordinator

import (
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/api"
	"mailquorum/internal/mesh"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/telemetry"
)

// coordinatorMetrics shows what the coordinator sees. Every series that the
// roster implies exists from the start.
type coordinatorMetrics struct{ *telemetry.Metrics }

var states = []api.State{api.Up, api.Unknown, api.Regional, api.Degraded, api.Recovering, api.Blind, api.Down}

func newCoordinatorMetrics(c *Coordinator) *coordinatorMetrics {
	m := &coordinatorMetrics{c.cfg.Metrics}
	for _, s := range c.cfg.Roster.Services {
		m.service(c, s)
	}
	for _, n := range c.cfg.Roster.Nodes {
		m.GaugeFunc("mailquorum_report_age_seconds", func() float64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			age, known := c.board.Age(time.Now(), c.board.Entry(n.Name))
			if !known {
				return -1
			}
			return age.Seconds()
		}, n.Name)
	}
	m.GaugeFunc("mailquorum_pages_waiting", func() float64 { return float64(len(c.cfg.Store.Jobs(false))) })
	m.GaugeFunc("mailquorum_unjournaled", func() float64 { return truth(c.cfg.Store.Unjournaled()) })
	m.Counter("mailquorum_reports_total", "accepted")
	return m
}

func (m *coordinatorMetrics) service(c *Coordinator, s roster.Service) {
	voters := c.cfg.Roster.Voters(s.Name)
	m.Gauge("mailquorum_quorum_regions", s.Name).Set(float64(roster.Quorum(len(voters))))
	m.Counter("mailquorum_incidents_total", s.Name)
	for _, st := range states {
		m.GaugeFunc("mailquorum_service_state", func() float64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			l, ok := c.since[s.Name]
			return truth(l.state == st || !ok && st == api.Unknown)
		}, s.Name, string(st))
	}
	m.GaugeFunc("mailquorum_incident_open", func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return truth(c.machines[incident.NewSubject(report.Outage, s.Name)].Record().Open())
	}, s.Name)
	for i, g := range voters {
		for _, o := range []string{"up", "down", "abstain", "unsettled", "silent"} {
			m.GaugeFunc("mailquorum_region_vote", func() float64 {
				c.mu.Lock()
				defer c.mu.Unlock()
				v := c.verdicts[incident.NewSubject(report.Outage, s.Name)]
				if i >= len(v.Ballots) || !v.Ballots[i].Fresh {
					return truth(o == "silent")
				}
				return truth(v.Ballots[i].Vote.Opinion.String() == o)
			}, s.Name, g.Name, o)
		}
	}
}

func (m *coordinatorMetrics) meshed(me *mesh.Mesh) { telemetry.RegisterMesh(m.Metrics, me.Stats) }

func (m *coordinatorMetrics) report(result string) {
	m.Counter("mailquorum_reports_total", result).Inc()
}

func (m *coordinatorMetrics) notice(n incident.Notice) {
	if n.Kind == incident.NoticeOpened && n.Subject.Kind() == incident.Outage {
		m.Counter("mailquorum_incidents_total", n.Subject.Service()).Inc()
	}
}

func (m *coordinatorMetrics) paged(destination, action, result string) {
	m.Counter("mailquorum_pages_total", destination, action, result).Inc()
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
