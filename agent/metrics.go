package agent

import (
	"sync"
	"time"

	"mailquorum/internal/mesh"
	"mailquorum/internal/report"
	"mailquorum/internal/telemetry"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// agentMetrics translates what the agent does into metrics. Every series that
// the configuration implies exists from the start, at zero.
type agentMetrics struct {
	*telemetry.Metrics
	expiry map[string]*telemetry.Value // by route
	scans  map[string]*telemetry.Value // by mailbox
	up     map[string]*telemetry.Value // by control target

	mu    sync.Mutex
	votes map[string]vote.Opinion // by service
}

var opinions = []vote.Opinion{vote.Up, vote.Down, vote.Abstain, vote.Unsettled}

func newAgentMetrics(a *Agent) *agentMetrics {
	m := &agentMetrics{Metrics: a.cfg.Metrics, expiry: map[string]*telemetry.Value{}, scans: map[string]*telemetry.Value{},
		up: map[string]*telemetry.Value{}, votes: map[string]vote.Opinion{}}
	for _, r := range a.routes {
		m.route(a, r)
	}
	for name := range a.boxes {
		m.scans[name] = m.Gauge("mailquorum_mailbox_scan_timestamp_seconds", name)
		m.Counter("mailquorum_foreign_tags_total", name)
		m.Counter("mailquorum_unknown_canaries_total", name)
		for _, o := range []probes.Outcome{probes.Failed, probes.AuthFailed, probes.Unknown} {
			m.Counter("mailquorum_mailbox_errors_total", name, o.String())
		}
	}
	for _, t := range a.cfg.Controls {
		m.up[t.Name] = m.Gauge("mailquorum_control_up", t.Name)
	}
	for _, d := range []string{"sent", "honoured", "refused", "expired"} {
		m.Counter("mailquorum_confirm_requests_total", d)
	}
	m.Counter("mailquorum_journal_errors_total")
	for _, n := range a.cfg.Roster.Nodes {
		m.GaugeFunc("mailquorum_report_age_seconds", func() float64 { return a.reportAge(n.Name) }, n.Name)
	}
	return m
}

// route registers everything that is counted by route.
func (m *agentMetrics) route(a *Agent, r *route) {
	for _, kind := range []string{"scheduled", "confirm"} {
		m.Counter("mailquorum_canaries_sent_total", r.Name, r.Service, kind)
	}
	for _, o := range probes.Outcomes() {
		if !o.Open() {
			m.Counter("mailquorum_canary_outcomes_total", r.Name, r.Service, o.String())
		}
	}
	for _, s := range probes.Stages() {
		m.Counter("mailquorum_stage_failures_total", r.Name, s.String())
	}
	m.Histogram("mailquorum_canary_latency_seconds", r.Name, r.Service)
	m.Histogram("mailquorum_canary_transit_seconds", r.Name, r.Service)
	m.Counter("mailquorum_canary_duplicates_total", r.Name)
	m.Counter("mailquorum_canary_altered_total", r.Name)
	m.Counter("mailquorum_canaries_greylisted_total", r.Name)
	m.Histogram("mailquorum_greylist_delay_seconds", r.Name)
	for _, method := range []string{"spf", "dkim", "dmarc"} { // other results appear with the first of them
		m.Counter("mailquorum_authentication_results_total", r.Name, method, "pass")
		m.Counter("mailquorum_authentication_results_total", r.Name, method, "fail")
	}
	m.expiry[r.Name] = m.Gauge("mailquorum_submission_certificate_expiry_timestamp_seconds", r.Name)
	m.GaugeFunc("mailquorum_canaries_pending", func() float64 {
		a.mu.Lock()
		defer a.mu.Unlock()
		n, _ := a.follow.pending(time.Now(), r.Name)
		return float64(n)
	}, r.Name, r.Service)
	m.GaugeFunc("mailquorum_oldest_pending_seconds", func() float64 {
		a.mu.Lock()
		defer a.mu.Unlock()
		_, age := a.follow.pending(time.Now(), r.Name)
		return age.Seconds()
	}, r.Name, r.Service)
	m.GaugeFunc("mailquorum_evidence_nats", func() float64 {
		a.mu.Lock()
		defer a.mu.Unlock()
		return r.evidence.Vote(time.Now()).Weight
	}, r.Name, r.Service)
	if _, ok := m.votes[r.Service]; ok {
		return
	}
	m.votes[r.Service] = vote.Unsettled
	for _, o := range opinions {
		m.GaugeFunc("mailquorum_vote", func() float64 {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.votes[r.Service] == o {
				return 1
			}
			return 0
		}, r.Service, o.String())
	}
}

// meshed registers the mesh's own figures.
func (m *agentMetrics) meshed(me *mesh.Mesh) { telemetry.RegisterMesh(m.Metrics, me.Stats) }

func (a *Agent) reportAge(node string) float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	age, known := a.board.Age(time.Now(), a.board.Entry(node))
	if !known {
		return -1
	}
	return age.Seconds()
}

func (m *agentMetrics) sent(r *route, confirm bool) {
	kind := "scheduled"
	if confirm {
		kind = "confirm"
	}
	m.Counter("mailquorum_canaries_sent_total", r.Name, r.Service, kind).Inc()
}

func (m *agentMetrics) submitted(r *route, c probes.Canary) {
	for _, t := range c.Timings {
		m.Histogram("mailquorum_stage_duration_seconds", r.Name, t.Stage.String()).Update(t.Duration.Seconds())
	}
	m.postponed(r, c)
	if !c.TLS.NotAfter.IsZero() {
		m.expiry[r.Name].Set(float64(c.TLS.NotAfter.Unix()))
	}
}

// settled counts an outcome. Only arrivals have a latency: time-outs never enter
// the histogram.
func (m *agentMetrics) settled(r *route, c probes.Canary) {
	m.Counter("mailquorum_canary_outcomes_total", r.Name, r.Service, c.Outcome.String()).Inc()
	if c.Outcome.Arrived() && !c.Confirm {
		m.Histogram("mailquorum_canary_latency_seconds", r.Name, r.Service).Update(c.Latency.Seconds())
		m.Histogram("mailquorum_canary_transit_seconds", r.Name, r.Service).Update(c.Transit.Seconds())
	}
	if c.Outcome.Arrived() {
		c.Auth.Each(func(method, result string) {
			m.Counter("mailquorum_authentication_results_total", r.Name, method, result).Inc()
		})
	}
	if !c.Outcome.Arrived() && c.Stage != probes.StageNone {
		m.Counter("mailquorum_stage_failures_total", r.Name, c.Stage.String()).Inc()
	}
	if c.Altered {
		m.Counter("mailquorum_canary_altered_total", r.Name).Inc()
	}
}

func (m *agentMetrics) duplicate(r *route) {
	m.Counter("mailquorum_canary_duplicates_total", r.Name).Inc()
}

func (m *agentMetrics) foreign(mailbox string) {
	m.Counter("mailquorum_foreign_tags_total", mailbox).Inc()
}

func (m *agentMetrics) unknown(mailbox string) {
	m.Counter("mailquorum_unknown_canaries_total", mailbox).Inc()
}

func (m *agentMetrics) scanned(mailbox string, began time.Time) {
	m.scans[mailbox].Set(float64(began.UnixMilli()) / 1000)
}

func (m *agentMetrics) everScanned(mailbox string) bool { return m.scans[mailbox].Get() != 0 }

func (m *agentMetrics) readError(mailbox string, err *probes.Error) {
	m.Counter("mailquorum_mailbox_errors_total", mailbox, err.Outcome.String()).Inc()
}

func (m *agentMetrics) control(target string, passed bool) { m.up[target].SetBool(passed) }

func (m *agentMetrics) confirm(what string) {
	m.Counter("mailquorum_confirm_requests_total", what).Inc()
}

func (m *agentMetrics) report(result string) { m.Counter("mailquorum_reports_total", result).Inc() }

func (m *agentMetrics) journalError(error) { m.Counter("mailquorum_journal_errors_total").Inc() }

func (m *agentMetrics) voted(votes []answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range votes {
		if v.question == report.Outage {
			m.votes[v.service] = v.Opinion
		}
	}
}
