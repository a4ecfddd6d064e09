package evidence

import (
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// Vote is the region's opinion on whether the provider fails on this route, before
// local judgement. Its weight is W.
//
// Credentials that are refused never vote down as an outage by themselves: they
// vote down with stage auth and reason refused, and whoever tallies must count
// such votes only when they come from two credential domains.
func (r *Route) Vote(now time.Time) vote.Vote {
	n := r.at(now)
	o := r.weigh(n, outage)
	if o.drought {
		o.w = max(o.w, r.p.H)
	}
	if v, down := r.decide(n, outage, &o); down {
		if o.drought || o.overdue {
			v.Reason, v.Stage, v.Code, v.Enhanced = vote.Overdue, probes.StageTransit, 0, ""
			if o.drought && (!o.any || o.dry < o.since) {
				v.Since = r.epoch.Add(o.dry)
			}
		}
		return v
	}
	rd := &r.read
	if read := (result{cusum: rd.full, newest: -1, known: rd.lastAt}); read.w >= r.p.H {
		if v, down := r.stand(n, &read); down {
			rd.vote(&v)
			return v
		}
	}
	a := r.weigh(n, login)
	if a.w < rd.auth.w {
		a = result{cusum: rd.auth, newest: -1, known: rd.lastAt}
	}
	if v, down := r.decide(n, login, &a); down {
		v.Stage, v.Reason = probes.StageAuth, vote.Refused
		if rd.last != nil && a.newest < 0 {
			v.Code, v.Enhanced = rd.last.Reply.Code, rd.last.Reply.Enhanced
		}
		return v
	}
	return r.rest(n, max(o.w, rd.full.w, a.w), r.down[outage] || r.down[login])
}

// Slow is the region's opinion on whether the provider is degraded: canaries later
// than the learned p95.
func (r *Route) Slow(now time.Time) vote.Vote {
	n := r.at(now)
	d := r.weigh(n, degraded)
	if v, down := r.decide(n, degraded, &d); down {
		v.Reason, v.Stage = vote.Slow, probes.StageTransit
		return v
	}
	return r.rest(n, d.w, r.down[degraded])
}

// Account is the region's opinion on whether something is wrong with its own
// account: credentials, throttling, policy, junk. Down makes a ticket, never a page.
func (r *Route) Account(now time.Time) vote.Vote {
	n := r.at(now)
	a := r.weigh(n, account)
	if a.w < r.read.auth.w {
		a = result{cusum: r.read.auth, newest: -1, known: r.read.lastAt}
	}
	if a.w < r.read.own.w {
		a = result{cusum: r.read.own, newest: -1, known: r.read.ownAt}
	}
	if v, down := r.decide(n, account, &a); down {
		v.Reason = vote.OwnAccount
		if a.newest < 0 {
			v.Stage = probes.StageRetrieve
		}
		return v
	}
	return r.rest(n, a.w, r.down[account])
}

// decide moves the question's state and returns the vote, and whether it is down.
// Down is said at h and held until W falls below h/2 or V proves the recovery; it
// is backed by a failure within two intervals.
func (r *Route) decide(n time.Duration, q question, res *result) (vote.Vote, bool) {
	switch {
	case res.w >= r.p.H:
		r.down[q] = true
	case r.down[q] && res.v >= upAt:
		r.down[q] = false
	}
	if !r.down[q] || res.w < r.p.H/2 {
		return vote.Vote{}, false
	}
	return r.stand(n, res)
}

func (r *Route) stand(n time.Duration, res *result) (vote.Vote, bool) {
	backing := n - res.known
	if backing > 2*r.p.Interval || !r.grown(n) {
		return vote.Vote{}, false
	}
	v := vote.Vote{Opinion: vote.Down, Weight: res.w, Since: r.epoch.Add(res.since), Backing: backing}
	if res.newest >= 0 {
		e := &r.past.buf[res.newest]
		v.Reason, v.Stage, v.Code, v.Enhanced = e.reason, e.stage, int(e.code), e.enhanced
	}
	return v, true
}

// rest is the vote of a region that does not say down.
func (r *Route) rest(n time.Duration, w float64, recovering bool) vote.Vote {
	v := vote.Vote{Weight: w}
	switch {
	case !r.grown(n), !r.proven, n-r.proof > 2*r.p.Interval+r.p.Deadline:
		v.Reason = vote.NoData
	case w < r.p.H/2 && !recovering:
		v.Opinion = vote.Up
	}
	return v
}

// grown reports whether there is own data of two intervals.
func (r *Route) grown(n time.Duration) bool {
	return r.data && n-r.born >= 2*r.p.Interval
}

// Suspicious reports whether the others should probe now: a first failure, or a
// canary later than the learned p99 of the hour with nothing sent after it
// delivered.
func (r *Route) Suspicious(now time.Time) bool {
	n := r.at(now)
	if r.read.full.w >= suspectAt && r.blind {
		return true
	}
	if r.past.count[pending] > 0 {
		seen := r.seeing(n)
		for i := len(r.past.buf) - 1; i >= 0; i-- {
			e := &r.past.buf[i]
			if e.class == arrived || e.class == junked {
				break
			}
			if e.class == pending && !e.excused && (seen-e.at).Seconds() > r.lat.p99*r.lat.slowness {
				return true
			}
		}
	}
	if r.quiet(n, outage) {
		return false
	}
	o := r.weigh(n, outage)
	return (o.w >= suspectAt || o.overdue && o.w >= suspectOverdue) && o.newest >= 0 && n-o.known <= 2*r.p.Interval
}

// suspectAt is W at which others are asked to probe: one failure is enough, a
// failure and a success after it is not.
const suspectAt = 3.6

// suspectOverdue is the same where the newest evidence is overdue mail: it ends by
// itself, when the mail arrives or a later one does.
const suspectOverdue = 2.7
