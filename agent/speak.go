package agent

import (
	"context"
	"time"

	"mailquorum/agent/evidence"
	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
	"mailquorum/internal/vote"
)

// speak reports this agent's votes: every Timing.Report, and every Timing.Alert
// while it is suspicious or an incident is open.
//
// Whoever has news (urge) has it reported at once, but not more than ten times in a
// Timing.Alert: a report counts canaries in the journal, and when a backlog is
// delivered thousands of them are news within a second.
func (a *Agent) speak(ctx context.Context) {
	t := time.NewTicker(a.timing.Alert)
	defer t.Stop()
	last := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			if now.Sub(last) < a.timing.Report-a.timing.Alert/2 && !a.excited(now) {
				continue
			}
		case <-a.news:
			a.askForConfirmation(time.Now()) // a second sooner than the tick
			if pause := a.timing.Alert/10 - time.Since(last); pause > 0 && !wait(ctx, pause) {
				return
			}
		}
		last = time.Now()
		a.utter(last)
	}
}

// excited reports whether others should hear this agent's votes often.
func (a *Agent) excited(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rec := range a.incidents {
		if rec.Open() {
			return true
		}
	}
	for _, r := range a.routes {
		if r.evidence.Suspicious(now) {
			return true
		}
	}
	return false
}

// urge reports at once: something changed that a vote may depend on.
func (a *Agent) urge() {
	select {
	case a.news <- struct{}{}:
	default: // it is reported with what is waiting
	}
}

// utter composes, signs and sends this agent's report.
func (a *Agent) utter(now time.Time) {
	a.outbid(now)
	counts := a.counts()
	a.mu.Lock()
	a.seq++
	rep := report.Report{Roster: a.cfg.Roster.Hash(), Boot: a.boot, Seq: a.seq, Wall: now.UnixMilli(), Echo: a.board.Echo()}
	votes := a.votes(now)
	for _, v := range votes {
		epoch := a.incidents[incident.NewSubject(v.question, v.service)].Epoch()
		var count report.Count
		if v.question == report.Outage {
			count = counts[v.service]
		}
		rep.Votes = append(rep.Votes, report.MakeVote(v.question, v.place, epoch, v.Vote, count))
	}
	a.board.Spoke(now, a.boot, a.seq)
	raw := rep.Seal(a.cfg.Roster.Cluster, a.cfg.Node, a.cfg.Key)
	if e, err := report.Parse(raw); err == nil {
		a.board.Accept(now, e, raw) // so that push/pull hands it on
	}
	a.mu.Unlock()
	a.mesh.Send(raw)
	a.metrics.voted(votes)
}

// answer is a vote with the question it answers.
type answer struct {
	question report.Question
	service  string
	place    int
	vote.Vote
}

// votes forms this agent's answer to each question about each service that it
// has routes to. The caller holds the lock.
func (a *Agent) votes(now time.Time) []answer {
	var out []answer
	for place, s := range a.cfg.Roster.Services {
		var outage, slow, account []vote.Vote
		down := false
		for _, r := range a.routes {
			if r.place != place {
				continue
			}
			v := r.evidence.Vote(now)
			down = down || v.Opinion == vote.Down
			outage = append(outage, a.local.Judge(now, v))
			slow = append(slow, a.local.Judge(now, r.evidence.Slow(now)))
			account = append(account, r.evidence.Account(now))
		}
		if len(outage) == 0 {
			continue
		}
		a.local.Peers(now, s.Name, down, a.othersDown(place))
		out = append(out, answer{report.Outage, s.Name, place, evidence.Combine(s.Combine, outage)})
		if v := evidence.Combine(s.Combine, slow); v.Opinion != vote.Unsettled {
			out = append(out, answer{report.Degraded, s.Name, place, v})
		}
		if v := evidence.Combine(s.Combine, account); v.Opinion == vote.Down {
			out = append(out, answer{report.Account, s.Name, place, v})
		}
	}
	return out
}

// counts is the account of canaries sent since the onset of each open incident.
// It asks the journal, so it must not hold the lock meanwhile.
func (a *Agent) counts() map[string]report.Count {
	onsets := map[string]time.Time{}
	a.mu.Lock()
	for _, s := range a.cfg.Roster.Services {
		if rec := a.incidents[incident.NewSubject(report.Outage, s.Name)]; rec.Open() {
			onsets[s.Name] = rec.OnsetTime()
		}
	}
	a.mu.Unlock()
	out := map[string]report.Count{}
	for service, onset := range onsets {
		c, err := a.cfg.Journal.Count(service, onset)
		if err != nil {
			a.metrics.journalError(err)
			a.log.Error("canaries cannot be counted", "service", service, "err", err)
			continue
		}
		out[service] = c
	}
	return out
}

// othersDown counts the other regions whose newest report says that the service
// is down: an episode without company counts against this region's own vantage
// point, and nothing else follows from it. The caller holds the lock.
func (a *Agent) othersDown(place int) int {
	down := map[string]bool{}
	for _, n := range a.cfg.Roster.Nodes {
		if e := a.board.Entry(n.Name); e != nil && n.Region != a.node.Region {
			if v, ok := e.Report.Vote(report.Outage, place); ok && v.Opinion == vote.Down {
				down[n.Region] = true
			}
		}
	}
	return len(down)
}
