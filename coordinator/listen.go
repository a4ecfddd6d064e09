package coordinator

import (
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
)

// receive takes a message of the mesh and says whether it is news worth passing on.
func (c *Coordinator) receive(raw []byte) bool {
	e, err := report.Parse(raw)
	if err != nil {
		c.metrics.report(report.Result(report.ErrMalformed))
		return false
	}
	if e.Kind == report.KindReport {
		now := time.Now()
		c.mu.Lock()
		_, err := c.board.Accept(now, e, raw)
		c.suspect(now, e, err)
		c.mu.Unlock()
		c.metrics.report(report.Result(err))
		if err != nil {
			return false
		}
		c.wake()
		return true
	}
	c.mu.Lock()
	fresh := c.shelf.Fresh(raw)
	c.mu.Unlock()
	if !fresh {
		return false
	}
	if e.Kind == report.KindPage {
		news, err := c.pages.Receive(time.Now(), e, raw) // which verifies the signature
		if err != nil {
			c.metrics.report(report.Result(err))
		}
		return news
	}
	if _, err := e.Verify(c.cfg.Roster); err != nil {
		c.metrics.report(report.Result(err))
		return false
	}
	switch e.Kind {
	case report.KindIncident:
		return c.heardIncident(e, raw)
	case report.KindConfirm:
		return true // for agents; passed on
	}
	c.metrics.report("unknown kind")
	return false
}

// heardIncident hands another node's record to the deciding loop, once its
// certificates are found good.
func (c *Coordinator) heardIncident(e report.Envelope, raw []byte) bool {
	var rec incident.Record
	if err := report.Unmarshal(e.Body, &rec); err != nil {
		c.metrics.report(report.Result(report.ErrMalformed))
		return false
	}
	if _, ok := c.machines[rec.Subject]; !ok {
		return false
	}
	if err := rec.Verify(c.cfg.Roster); err != nil {
		c.log.Warn("an incident without proof", "from", e.Node, "subject", string(rec.Subject), "err", err)
		return false
	}
	c.mu.Lock()
	c.shelf.Put("incident/"+string(rec.Subject)+"/"+e.Node, raw)
	c.mu.Unlock()
	select {
	case c.heard <- rec:
	default: // push/pull brings it again
	}
	return true
}

// state is the newest of everything, for push/pull. The claims on pages come
// before the incidents: who learns of an incident then knows whether it was paged.
func (c *Coordinator) state() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(append(c.board.Raw(), c.pages.State()...), c.shelf.Raw()...)
}

func (c *Coordinator) wake() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}
