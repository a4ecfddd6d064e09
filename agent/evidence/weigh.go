package evidence

import (
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// question is what the canaries are weighed for.
type question uint8

const (
	outage   question = iota // does the provider fail?
	login                    // does it refuse our credentials?
	account                  // is something wrong with our account?
	degraded                 // is it slow?
	questions
)

// badClasses and goodClasses say what counts for and against each question;
// what is in neither says nothing. Pending canaries are weighed by their age.
var badClasses = [questions][classes]bool{
	outage:   {failed: true, lost: true},
	login:    {refused: true},
	account:  {refused: true, rebuffed: true, junked: true},
	degraded: {lost: true},
}

var goodClasses = [questions][classes]bool{
	outage:   {arrived: true},
	login:    {arrived: true, junked: true},
	account:  {arrived: true},
	degraded: {arrived: true, junked: true}, // when not slow
}

// result is what the weighing of a question found.
type result struct {
	cusum
	newest  int           // place of the newest failure, -1: older than the history
	known   time.Duration // when that failure became known
	overdue bool          // that one is only overdue
	drought bool          //
	dry     time.Duration // when the oldest canary of the drought was sent
}

// weigh continues the question's CUSUM of canaries older than the history over
// those in the history, as known and as old as they are at now.
func (r *Route) weigh(now time.Duration, q question) result {
	res := result{cusum: r.base[q], newest: -1}
	if r.quiet(now, q) {
		return res
	}
	var (
		m     = &r.models[q]
		seen  = r.seeing(now)
		scale = r.scale()
		dry   int
		limit = r.droughtAge()
		count = q == outage && !r.p.without(Overdue)
	)
	for i := range r.past.buf {
		e := &r.past.buf[i]
		switch {
		case e.class == pending:
			if e.excused {
				continue
			}
			age := (seen - e.at).Seconds()
			switch q {
			case outage:
				if dry++; dry == 1 {
					res.dry = e.at
				}
				if !count {
					continue
				}
				if s := r.lat.survival(age / scale); s < overdueFrom {
					res.bad(m, e.at, s)
					res.newest, res.known, res.overdue = i, seen, true
				}
			case degraded:
				if age > r.lat.p95 {
					res.bad(m, e.at, 0)
					res.newest, res.known, res.overdue = i, seen, true
				}
			}
		case e.excused:
		case badClasses[q][e.class] || q == degraded && e.slow:
			res.bad(m, e.at, 0)
			res.newest, res.known, res.overdue = i, e.known, false
		case goodClasses[q][e.class]:
			res.good(m)
			dry = 0
		case e.class == junked: // arrived after all
			dry = 0
		}
	}
	if q == outage && dry >= 2 && !r.p.without(Drought) && (seen-res.dry).Seconds() >= limit {
		res.drought, res.known = true, seen
	}
	return res
}

// overdueFrom is the survival probability below which a missing canary is late
// enough to count at all.
const overdueFrom = 0.5

// quiet reports whether nothing in the history can move the question's W from 0:
// the common case, in which nothing needs to be weighed.
func (r *Route) quiet(now time.Duration, q question) bool {
	if b := &r.base[q]; b.w > 0 || b.run > 0 || r.down[q] {
		return false
	}
	n := &r.past.count
	switch q {
	case outage:
		return n[failed] == 0 && n[lost] == 0 &&
			(n[pending] == 0 || (r.seeing(now)-r.past.first).Seconds() < min(r.lat.median*r.scale(), r.droughtAge()))
	case login:
		return n[refused] == 0
	case account:
		return n[refused] == 0 && n[rebuffed] == 0 && n[junked] == 0
	default:
		return r.slows == 0 && n[lost] == 0 &&
			(n[pending] == 0 || (r.seeing(now)-r.past.first).Seconds() < r.lat.p95)
	}
}

// seeing is the time up to which an arrival would have been seen: now, or when
// the read side began to fail. Mail that nobody could see is not missing.
func (r *Route) seeing(now time.Duration) time.Duration {
	if r.blind {
		return r.blindAt
	}
	return now
}

// scale is by what ages are divided before the learned latency judges them.
func (r *Route) scale() float64 {
	f := 1.0
	if !r.p.without(Safety) {
		f = safety
	}
	if !r.p.without(Adaptation) {
		f *= r.lat.slowness()
	}
	return f
}

// droughtAge is the age in seconds at which a missing canary makes a drought.
func (r *Route) droughtAge() float64 {
	return max(r.p.Drought.Seconds(), r.lat.p999*r.scale())
}

// retire continues the CUSUMs of what is older than the history over a canary
// that leaves it. One that is still pending says nothing any more.
func (r *Route) retire(e *entry) {
	if e.slow {
		r.slows--
	}
	if e.class == pending || e.excused {
		return
	}
	for q := range questions {
		switch {
		case badClasses[q][e.class] || q == degraded && e.slow:
			r.base[q].bad(&r.models[q], e.at, 0)
		case goodClasses[q][e.class]:
			r.base[q].good(&r.models[q])
		}
	}
}

// reasonOf is why a canary that failed in that way votes down.
func reasonOf(o probes.Outcome, s probes.Stage) vote.Reason {
	switch o {
	case probes.Lost:
		return vote.Missing
	case probes.Bounced:
		return vote.BouncedBack
	case probes.AuthFailed:
		return vote.Refused
	case probes.Throttled, probes.Policy, probes.Junked:
		return vote.OwnAccount
	case probes.Failed:
		switch s {
		case probes.StageResolve, probes.StageConnect, probes.StageTLS:
			return vote.Unreachable
		case probes.StageRetrieve:
			return vote.Unreadable
		}
		return vote.Refused
	}
	return vote.None
}
