package scenario

import (
	"math"
	"time"

	"mailquorum/agent/evidence"
	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// votes is what the agent would say now.
func (g *region) votes() []report.Vote {
	w := g.w
	now := w.now
	g.local.Clock(now, g.skew < -500*time.Millisecond || g.skew > 500*time.Millisecond)
	g.local.Starved(now, w.is(g.i, "starved") != nil)
	var out []report.Vote
	for s, routes := range g.routes {
		name := w.s.Roster.Services[s].Name
		var outage, slow, account []vote.Vote
		down := false
		for _, r := range routes {
			v := r.evidence.Vote(now)
			down = down || v.Opinion == vote.Down
			outage = append(outage, g.local.Judge(now, v))
			slow = append(slow, g.local.Judge(now, r.evidence.Slow(now)))
			account = append(account, r.evidence.Account(now))
		}
		g.local.Peers(now, name, down, g.others(s))
		for q, votes := range [][]vote.Vote{outage, slow, account} {
			q := report.Question(q)
			v := evidence.Combine(roster.Any, votes)
			if lie := w.is(g.i, "lies"); lie != nil && q == report.Outage {
				v = vote.Vote{Opinion: opinionNamed(lie.Value), Reason: vote.Missing, Stage: probes.StageTransit, Since: now, Weight: 10}
			}
			if q == report.Account && v.Opinion != vote.Down || q == report.Degraded && v.Opinion == vote.Unsettled {
				v = vote.Vote{}
			}
			g.spoken[s*len(questions)+int(q)] = v.Opinion
			if v.Opinion == vote.Unsettled && q != report.Outage {
				continue
			}
			if !v.Since.IsZero() {
				v.Since = v.Since.Add(g.skew)
			}
			rec := g.known[incident.NewSubject(q, name)]
			var c report.Count
			if q == report.Outage && rec.Open() {
				c = g.count(s, rec.OnsetTime())
			}
			out = append(out, report.MakeVote(q, s, rec.Epoch(), v, c))
		}
	}
	return out
}

// others counts the other regions that said last that the service is down.
func (g *region) others(service int) int {
	n := 0
	for _, x := range g.w.regions {
		if x != g && !x.stopped && x.spoken[service*len(questions)] == vote.Down {
			n++
		}
	}
	return n
}

// count is the account of scheduled canaries since a time.
func (g *region) count(service int, since time.Time) (c report.Count) {
	for _, r := range g.routes[service] {
		for _, f := range r.flights {
			if f.confirm || f.sent.Before(since) {
				continue
			}
			c.Sent++
			switch f.outcome {
			case probes.Delivered, probes.Junked:
				c.Delivered++
			case probes.Late:
				c.Late++
			case probes.Lost:
				c.Lost++
			case probes.InFlight, probes.Ambiguous:
				c.Pending++
			case probes.Unknown:
				c.Unknown++
			default:
				c.Failed++
			}
		}
	}
	return c
}

// look forms the opinions anew; a change is said at once.
func (g *region) look() {
	was := append([]vote.Opinion(nil), g.spoken...)
	g.votes()
	for i := range was {
		if was[i] == g.spoken[i] {
			continue
		}
		g.w.stirred = g.w.now
		if g.w.asleep {
			g.w.wake()
		} else {
			g.w.speak(g)
		}
		break
	}
	if !g.ticking && !g.calm() {
		g.ticking = true
		wait := g.w.timing.Alert
		if g.w.asleep {
			wait = g.w.timing.Report
		}
		g.after(wait, func() { g.ticking = false; g.tick() })
	}
}

// tick is the agent's second.
func (g *region) tick() {
	for s, routes := range g.routes {
		for _, r := range routes {
			if !r.evidence.Calm(g.w.now) && r.evidence.Suspicious(g.w.now) {
				g.ask(s)
			}
		}
	}
	g.look()
}

// calm reports whether no opinion changes by the passing of time alone.
func (g *region) calm() bool {
	for r := range g.all() {
		if !r.evidence.Calm(g.w.now) {
			return false
		}
	}
	return true
}

// Confirmation as the agent does it.
const confirmTokens = 12

// ask has all regions probe the service now, and once more.
func (g *region) ask(service int) {
	w := g.w
	pause := w.timing.Interval / 4
	if g.open(service) || w.now.Sub(g.asked[service]) < pause || g.local.Doubtful(w.now) {
		return
	}
	g.asked[service] = w.now
	g.probe(service)
	for _, x := range w.regions {
		if x == g || x.stopped || !w.hears(x.name, g.name) || w.now.Sub(x.heard[service][g.i]) < pause {
			continue
		}
		x.heard[service][g.i] = w.now
		x.probe(service)
	}
}

// probe sends two confirm canaries on each route of a service, if the budget
// allows.
func (g *region) probe(service int) {
	w := g.w
	first := time.Duration(math.Mod(float64(g.i)*0.37, 1) * float64(w.timing.Confirm) / 5)
	for _, r := range g.routes[service] {
		for _, wait := range []time.Duration{first, first + w.timing.Confirm} {
			g.tokens = min(confirmTokens, g.tokens+float64(w.now.Sub(g.refilled))/float64(w.timing.Interval*5/6))
			g.refilled = w.now
			if g.tokens < 1 {
				return
			}
			g.tokens--
			g.after(wait, func() { g.send(r, true) })
		}
	}
}

// hear takes a coordinator's record, which proves itself.
func (g *region) hear(rec incident.Record) {
	before, ok := g.known[rec.Subject]
	if !ok || rec.Opened == before.Opened && rec.Closed == before.Closed || rec.Verify(g.w.s.Roster) != nil {
		return
	}
	g.known[rec.Subject] = incident.Merge(before, rec)
}
