package agent

import (
	"fmt"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
)

// receive takes a message of the mesh and says whether it is news worth passing
// on. Peers can tell an agent which epoch is voted on and ask for a canary now;
// nothing that they say enters its votes.
func (a *Agent) receive(raw []byte) bool {
	e, err := report.Parse(raw)
	if err != nil {
		a.metrics.report(report.Result(report.ErrMalformed))
		return false
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Kind == report.KindReport {
		_, err := a.board.Accept(now, e, raw)
		a.metrics.report(report.Result(err))
		if err == nil {
			a.local.Clock(now, a.clockIsBad())
		}
		return err == nil
	}
	if !a.shelf.Fresh(raw) {
		return false
	}
	node, err := e.Verify(a.cfg.Roster)
	if err != nil {
		a.metrics.report(report.Result(err))
		return false
	}
	switch e.Kind {
	case report.KindIncident:
		return a.heardIncident(e, raw)
	case report.KindPage:
		a.shelf.Put(fmt.Sprintf("page/%s/%x", node.Name, e.Sig[:8]), raw)
		return true
	case report.KindConfirm:
		return a.heardConfirm(now, node, e)
	}
	a.metrics.report("unknown kind")
	return false
}

// heardIncident merges a coordinator's record, which proves itself.
func (a *Agent) heardIncident(e report.Envelope, raw []byte) bool {
	var rec incident.Record
	if err := report.Unmarshal(e.Body, &rec); err != nil {
		a.metrics.report(report.Result(report.ErrMalformed))
		return false
	}
	if err := rec.Verify(a.cfg.Roster); err != nil {
		a.log.Warn("an incident without proof", "from", e.Node, "subject", string(rec.Subject), "err", err)
		return false
	}
	before, known := a.incidents[rec.Subject]
	if !known {
		return false
	}
	after := incident.Merge(before, rec)
	a.incidents[rec.Subject] = after
	a.shelf.Put("incident/"+string(rec.Subject)+"/"+e.Node, raw)
	if before.Open() != after.Open() {
		a.log.Info("incident", "subject", string(rec.Subject), "open", after.Open(), "epoch", after.Epoch())
	}
	return true
}

// state is the newest of everything, for push/pull.
func (a *Agent) state() [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(a.board.Raw(), a.shelf.Raw()...)
}

// clockLimit is how far clocks may be apart before one of them is bad.
const clockLimit = 500 * time.Millisecond

// clockIsBad compares this node's wall clock with those in the newest reports:
// it is bad when it is off more than half of them. A report may have been on its
// way for up to its age bound, which is allowed for.
func (a *Agent) clockIsBad() bool {
	off, n := 0, 0
	for i, node := range a.cfg.Roster.Nodes {
		e := a.board.Entry(node.Name)
		if e == nil || i == a.index {
			continue
		}
		age, known := a.board.Age(e.Received, e)
		if !known {
			continue
		}
		n++
		diff := e.Received.Sub(time.UnixMilli(e.Report.Wall))
		if diff < -clockLimit || diff > age+clockLimit {
			off++
		}
	}
	return n > 0 && 2*off > n
}
