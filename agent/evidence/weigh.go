package evidence

import (
	"math"
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
	if r.quiet(now, q) {
		return result{cusum: r.base[q], newest: -1}
	}
	if m := &r.memo; q == outage && m.valid && m.now == now {
		return m.result
	}
	res := r.weighAll(now, q)
	if q == outage {
		r.memo = memo{res, now, true}
	}
	return res
}

// memo is the newest weighing of the outage: one moment asks for it several times.
type memo struct {
	result
	now   time.Duration
	valid bool // nothing was learned since
}

func (r *Route) weighAll(now time.Duration, q question) result {
	from, res := r.resume(q)
	var (
		m     = &r.models[q]
		seen  = r.seeing(now)
		scale = r.scale()
		dry   int
		limit = r.droughtAge()
		count = q == outage && !r.p.without(Overdue)
	)
	if count {
		r.pace(from)
	}
	settled := true
	for i := from; i < len(r.past.buf); i++ {
		e := &r.past.buf[i]
		switch {
		case e.class == pending:
			if settled {
				settled = false
				r.settle(q, i, res)
			}
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
				if s := r.lat.survival(age / max(scale, r.scales[i])); s < overdueFrom {
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
	if settled {
		r.settle(q, len(r.past.buf), res)
	}
	if q == outage && dry >= 2 && !r.p.without(Drought) && (seen-res.dry).Seconds() >= limit {
		res.drought, res.known = true, seen
	}
	return res
}

// pace fills in by what the age of each pending canary from a place on is divided:
// by how fast those are that were sent later and have arrived. Without such, it may
// just be a slow hour.
func (r *Route) pace(from int) {
	sum, k := 0.0, 0.0
	for i := len(r.past.buf) - 1; i >= from; i-- {
		switch e := &r.past.buf[i]; e.class {
		case arrived:
			sum += max(0, e.pace)
			k++
		case pending:
			f := 1.0
			if !r.p.without(Safety) {
				f = safety + (unproven-safety)/(1+proof*k)
			}
			if k > 0 && !r.p.without(Adaptation) {
				f *= math.Exp(sum / k)
			}
			r.scales[i] = f
		}
	}
}

// checkpoint is the weighing of all canaries before a place none of which is
// pending: it changes only when the past does.
type checkpoint struct {
	result
	place int // among all canaries ever
}

// resume returns where to go on weighing, and the result so far.
func (r *Route) resume(q question) (int, result) {
	c := &r.checks[q]
	from := c.place - r.past.gone
	if from < 0 || from > len(r.past.buf) {
		return 0, result{cusum: r.base[q], newest: -1}
	}
	res := c.result
	if res.newest -= r.past.gone; res.newest < 0 {
		res.newest = -1
	}
	return from, res
}

func (r *Route) settle(q question, i int, res result) {
	if res.newest >= 0 {
		res.newest += r.past.gone
	}
	r.checks[q] = checkpoint{res, r.past.gone + i}
}

// rewrite says that the canary at i, or all after it, are not what they were.
func (r *Route) rewrite(i int) {
	r.memo.valid = false
	for q := range r.checks {
		if r.checks[q].place > r.past.gone+i {
			r.checks[q].place = -1
		}
	}
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
		f *= r.lat.slowness
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
func reasonOf(o probes.Outcome, s probes.Stage, r probes.Reply) vote.Reason {
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
		if r.Code == 0 { // cut off, or silent: only an answer refuses
			return vote.Unreachable
		}
		return vote.Refused
	}
	return vote.None
}

// Calm reports whether the passing of time alone can change nothing: no missing
// canary is older than Stirs, and there is no suspicion.
func (r *Route) Calm(now time.Time) bool {
	n := r.at(now)
	if r.read.full.w > 0 || r.down[outage] || r.down[login] ||
		r.past.count[pending] > 0 && r.seeing(n)-r.past.first >= r.Stirs() {
		return false
	}
	return r.quiet(n, outage) && r.quiet(n, login) || r.weigh(n, outage).w < suspectAt && r.weigh(n, login).w < suspectAt
}

// Stirs is the age at which a missing canary begins to be looked at.
func (r *Route) Stirs() time.Duration {
	return time.Duration(1e9 * min(r.lat.median*r.scale(), r.droughtAge()))
}
