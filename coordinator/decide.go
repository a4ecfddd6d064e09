package coordinator

import (
	"context"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/coordinator/store"
	"mailquorum/coordinator/verdict"
	"mailquorum/internal/api"
	"mailquorum/internal/report"
)

// loop decides: at every Timing.Alert, and soon after something was heard.
func (c *Coordinator) loop(ctx context.Context) {
	tick := time.NewTicker(c.timing.Alert)
	defer tick.Stop()
	for {
		c.beat.Store(time.Now().UnixNano())
		select {
		case <-ctx.Done():
			return
		case rec := <-c.heard:
			c.merge(time.Now(), rec)
			continue
		case <-tick.C:
		case <-c.dirty:
			time.Sleep(c.timing.Alert / 20) // reports come in bursts: decide once
		}
		now := time.Now()
		if now.Sub(c.started) < c.timing.Settle {
			continue
		}
		for _, s := range c.cfg.Roster.Services {
			for _, q := range questions {
				c.decide(now, q, s.Name)
			}
		}
	}
}

// decide tallies one question about one service and does what follows.
func (c *Coordinator) decide(now time.Time, q report.Question, service string) {
	subject := incident.NewSubject(q, service)
	c.mu.Lock()
	m := c.machines[subject]
	before := m.Record()
	if q == report.Outage && before.Open() {
		c.outage[service] = now
	}
	if q == report.Degraded && !before.Open() && now.Sub(c.outage[service]) < c.timing.Deadline {
		c.mu.Unlock()
		return // what is down is slow as well, and so is its backlog: one incident says it
	}
	v := verdict.Tally(q, service, before.Epoch(), verdict.Collect(c.board, c.cfg.Roster, q, service, now), now)
	notices := m.Step(now, v)
	c.note(now, q, v, m.State())
	change := c.save(m)
	after, missing := m.Record(), m.Unproven()
	c.mu.Unlock()
	c.doubt(now, subject, missing)
	c.act(subject, notices, change)
	c.count(subject, v)
	if changed(before, after) {
		c.gossip(report.KindIncident, "incident/"+string(subject)+"/"+c.cfg.Node, report.Marshal(&after))
	}
}

func changed(a, b incident.Record) bool { return a.Opened != b.Opened || a.Closed != b.Closed }

// merge takes another coordinator's record.
func (c *Coordinator) merge(now time.Time, rec incident.Record) {
	c.mu.Lock()
	m := c.machines[rec.Subject]
	before := m.Record()
	notices, err := m.Merge(now, rec)
	change := c.save(m)
	after := m.Record()
	c.mu.Unlock()
	if err != nil {
		c.log.Warn("an incident that does not hold", "subject", string(rec.Subject), "err", err)
		return
	}
	c.act(rec.Subject, notices, change)
	if changed(before, after) {
		c.gossip(report.KindIncident, "incident/"+string(rec.Subject)+"/"+c.cfg.Node, report.Marshal(&after))
	}
}

// save is the machine's state as the store keeps it. The caller holds the lock.
func (c *Coordinator) save(m *incident.Machine) *store.Machine {
	rec := m.Record()
	return &store.Machine{Subject: string(rec.Subject), Snapshot: m.Snapshot(), Record: report.Marshal(&rec)}
}

// act keeps what was decided, each notice with its page in one transaction, and
// wakes the pager. Without notices the machine's state is written soon.
func (c *Coordinator) act(subject incident.Subject, notices []incident.Notice, machine *store.Machine) {
	if len(notices) == 0 {
		c.cfg.Store.Note(store.Change{Machine: machine})
		return
	}
	for i, n := range notices {
		change := store.Change{Events: []api.Event{{At: n.At, What: string(n.Kind), Text: n.Text}}}
		in := c.incident(n)
		change.Incident = &in
		change.Jobs = c.jobs(n)
		if i == len(notices)-1 { // until all is kept, a crash must find the machine as it was
			change.Machine = machine
		}
		if err := c.cfg.Store.Commit(change); err != nil {
			c.log.Error("decided, and not on disk", "notice", string(n.Kind), "subject", string(n.Subject), "err", err)
		}
		c.log.Info("notice", "kind", string(n.Kind), "subject", string(n.Subject), "epoch", n.Epoch, "page", n.Page, "text", n.Text)
		c.metrics.notice(n)
		if c.cfg.Observe != nil {
			c.cfg.Observe(n)
		}
	}
	c.pages.Wake()
}

// incident is the stored incident as a notice leaves it.
func (c *Coordinator) incident(n incident.Notice) api.Incident {
	id := string(n.Subject) + "/" + itoa(n.Epoch)
	in, _ := c.cfg.Store.Incident(id)
	in.ID, in.Subject, in.Epoch, in.Key = id, string(n.Subject), n.Epoch, n.Key
	in.Service = n.Subject.Service()
	if s, ok := c.cfg.Roster.Service(in.Service); ok {
		in.Provider = s.Provider
	}
	if in.Onset.IsZero() || !n.Onset.IsZero() && n.Onset.Before(in.Onset) {
		in.Onset = n.Onset
	}
	switch n.Kind {
	case incident.NoticeOpened, incident.NoticeRegional, incident.NoticeBlind:
		in.State, in.Opened, in.Drawing = "open", n.At, n.Drawing
	case incident.NoticeRecovering:
		in.State = "recovering"
		if in.Recovering.IsZero() {
			in.Recovering = n.At
		}
	case incident.NoticeReopened:
		in.State = "open"
	case incident.NoticeClosed, incident.NoticeRegionalOver, incident.NoticeBlindOver:
		in.State, in.Closed = "closed", n.At
	}
	if in.Onset.IsZero() {
		in.Onset = in.Opened
	}
	if n.Count.Sent >= in.Count.Sent {
		in.Count = n.Count
	}
	return in
}

// count keeps an open incident's account of canaries up to date.
func (c *Coordinator) count(subject incident.Subject, v verdict.Verdict) {
	if subject.Kind() != incident.Outage || v.Count.Sent == 0 {
		return
	}
	id := string(subject) + "/" + itoa(v.Epoch)
	in, ok := c.cfg.Store.Incident(id)
	if !ok || in.State == "closed" || in.Count == v.Count || v.Count.Sent < in.Count.Sent {
		return
	}
	in.Count = v.Count
	c.cfg.Store.Note(store.Change{Incident: &in})
}
