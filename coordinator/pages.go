package coordinator

import (
	"strings"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/coordinator/page"
	"mailquorum/coordinator/store"
	"mailquorum/internal/report"
)

// pageConfig ties the pages to this coordinator.
func (c *Coordinator) pageConfig() page.Config {
	cfg := page.Config{Self: c.cfg.Node, Roster: c.cfg.Roster, Store: c.cfg.Store, Needed: c.needed, Log: c.log,
		Seal: func(body []byte) []byte {
			return report.Seal(c.cfg.Roster.Cluster, report.KindPage, c.cfg.Node, c.cfg.Key, body)
		},
		Gossip: func(raw []byte) {
			c.mu.Lock()
			m := c.mesh
			c.mu.Unlock()
			if m != nil {
				m.Send(raw)
			}
		},
		Observe: func(destination string, action store.Action, result string, _ time.Duration) {
			c.metrics.paged(destination, string(action), result)
		},
	}
	if len(c.cfg.Destinations) > 0 {
		cfg.Pages = []page.Chain{c.cfg.Destinations} // the second stands in for the first
	}
	return cfg
}

// jobs are the outbox rows of a notice: a page to send, or to end.
func (c *Coordinator) jobs(n incident.Notice) []store.Job {
	if !n.Page || len(c.cfg.Destinations) == 0 {
		return nil
	}
	switch n.Kind {
	case incident.NoticeOpened, incident.NoticeBlind:
		return []store.Job{page.TriggerJob(n.At, c.event(n))}
	case incident.NoticeClosed, incident.NoticeBlindOver:
		return page.ResolveJobs(n.At, c.timing.Rank, c.event(n))
	}
	return nil
}

// event is what a page says.
func (c *Coordinator) event(n incident.Notice) page.Event {
	id := string(n.Subject) + "/" + itoa(n.Epoch)
	e := page.Event{Key: n.Key, Summary: n.Text, Severity: c.severity(n.Subject), Source: n.Subject.Service(),
		Component: n.Subject.Service(), Class: n.Subject.Kind(), At: n.At,
		Details: map[string]any{
			"incident": id, "subject": string(n.Subject), "vote": strings.Split(strings.TrimRight(n.Drawing, "\n"), "\n"),
			"canaries": n.Count, "decided_by": c.cfg.Node, "runbook": "deploy/RUNBOOK.md#" + n.Subject.Kind(),
		}}
	if s, ok := c.cfg.Roster.Service(n.Subject.Service()); ok {
		e.Source = s.Provider
		e.Details["provider"] = s.Provider
	}
	if !n.Onset.IsZero() {
		e.Details["onset"] = n.Onset.UTC().Format(time.RFC3339)
	}
	if c.cfg.URL != "" {
		e.Links = []page.Link{{Href: strings.TrimSuffix(c.cfg.URL, "/") + "/incidents/" + id, Text: "Incident, with its votes and time line"}}
	}
	return e
}

func (c *Coordinator) severity(s incident.Subject) page.Severity {
	switch s.Kind() {
	case incident.Outage:
		if c.cfg.Severity != "" {
			return page.Severity(c.cfg.Severity)
		}
		return page.Critical
	case incident.Blind:
		return page.Failure
	}
	return page.Warning
}

// needed answers the page's third question: is it still true?
func (c *Coordinator) needed(e page.Event) page.Need {
	id, _ := e.Details["incident"].(string)
	in, ok := c.cfg.Store.Incident(id)
	if !ok {
		return page.Hold
	}
	if e.Class != incident.Outage && e.Class != incident.Degraded {
		if e.Action == store.Trigger && in.State == "closed" {
			return page.Drop
		}
		return page.Send
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.machines[incident.Subject(in.Subject)]
	if m == nil {
		return page.Drop // the service left the roster
	}
	rec := m.Record()
	v, tallied := c.verdicts[incident.Subject(in.Subject)]
	switch {
	case e.Action == store.Trigger && (rec.Closed >= in.Epoch || rec.Opened > in.Epoch):
		return page.Drop
	case !tallied || v.Blind():
		return page.Hold // a minority decides nothing, and pages nobody
	case e.Action == store.Trigger:
		return page.Send
	}
	echoes := 0
	for _, b := range v.Ballots {
		if b.Fresh && b.Epoch > in.Epoch {
			echoes++
		}
	}
	if echoes < v.Q {
		return page.Hold
	}
	return page.Send
}
