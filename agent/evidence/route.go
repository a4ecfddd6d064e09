package evidence

import (
	"math"
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// Observation is what became of a canary.
type Observation struct {
	ID      probes.ID
	Sent    time.Time
	Outcome probes.Outcome
	Stage   probes.Stage  // where it failed
	Reply   probes.Reply  // the server's words, if it spoke
	Latency time.Duration // from Sent to arrival; 0: not known
	Confirm bool          // sent on suspicion: evidence, but no part of what is learned
}

// Route is the evidence of one region about one route. Its methods want a now
// that does not go back.
type Route struct {
	p      Params
	epoch  time.Time
	models [questions]model

	past   history
	base   [questions]cusum // over what is older than past
	memo   memo
	checks [questions]checkpoint
	down   [questions]bool // said so last: it takes more to say up again
	slows  int             // slow canaries in past

	lat    *latencies
	scales []float64 // by place in past: see pace
	rate   failures

	read    reading
	blind   bool          // the read side fails, since
	blindAt time.Duration //

	born   time.Duration // when the first own data came
	data   bool          // some came
	newest time.Duration // the newest canary was sent
	proof  time.Duration // the newest canary known to have arrived was sent
	proven bool          // there is one

	excuse       [2]time.Duration // canaries sent between these suffered a local fault
	excusedSince bool
}

// NewRoute returns a route without data. Zero fields of p get their defaults; p
// is legal if p.Validate returns nil.
func NewRoute(p Params, now time.Time) *Route {
	p = p.WithDefaults()
	size := 64
	if p.Interval > 0 { // four times the pace while an incident is open, and confirmations
		size = min(1024, max(64, 6*int(p.Deadline/p.Interval)+32))
	}
	r := &Route{p: p, epoch: now, past: newHistory(size), lat: newLatencies(&p)}
	r.remodel()
	r.scales = make([]float64, size)
	return r
}

// The share of canaries slower than the learned p95 while all is well, and while
// the provider is degraded.
const (
	slowP0 = 0.05
	slowP1 = 0.5
)

func (r *Route) remodel() {
	p0 := r.rate.p0(&r.p)
	for q := range questions {
		r.models[q] = newModel(&r.p, p0, r.p.P1)
	}
	r.rewrite(-1)
	r.models[degraded] = newModel(&r.p, slowP0, slowP1)
}

// at is t since the route's epoch: only differences of times ever matter.
func (r *Route) at(t time.Time) time.Duration { return t.Sub(r.epoch) }

func (r *Route) alive(n time.Duration) {
	if !r.data {
		r.data, r.born = true, n
	}
}

// Accepted says that the provider took the canary (or that it may have: an
// ambiguous reply). It is in flight until Observe says otherwise. After a restart
// the agent calls it again for each canary that is still followed.
func (r *Route) Accepted(now time.Time, id probes.ID, sent time.Time) {
	n := r.at(now)
	r.alive(n)
	r.memo.valid = false
	if r.past.find(id) >= 0 {
		return
	}
	r.insert(entry{id: id, at: r.at(sent), class: pending, stage: probes.StageTransit, reason: vote.Overdue})
}

func (r *Route) insert(e entry) {
	r.newest = max(r.newest, e.at)
	e.excused = e.class != arrived && e.class != junked && r.excusedSince && e.at >= r.excuse[0] && e.at <= r.excuse[1]
	at, gone, full := r.past.add(e)
	if full {
		r.retire(&gone)
	}
	if at >= 0 {
		r.rewrite(at)
	}
	if e.slow {
		r.slows++
	}
}

// Observe takes a canary's outcome, at first or when it changes (lost, then
// late). It may be of a canary that was never accepted, and in any order.
func (r *Route) Observe(now time.Time, o Observation) {
	n := r.at(now)
	r.alive(n)
	r.memo.valid = false
	c := classify(o.Outcome)
	if c == pending {
		r.Accepted(now, o.ID, o.Sent)
		return
	}
	sent := r.at(o.Sent)
	if c == arrived || c == junked {
		r.arrival(n, sent, o)
	}
	if !o.Confirm && (c == arrived || c == failed || c == lost) && o.Outcome != probes.Late && r.well(n) {
		r.rate.count(c != arrived)
		if r.rate.fresh >= refresh {
			r.rate.fade()
			r.remodel()
		}
	}
	e := entry{id: o.ID, at: sent, known: n, class: c, stage: o.Stage, code: int32(o.Reply.Code), enhanced: o.Reply.Enhanced,
		confirm: o.Confirm, reason: reasonOf(o.Outcome, o.Stage, o.Reply), slow: r.isSlow(o)}
	if o.Latency > 0 {
		e.pace = min(math.Log(2*slowest), math.Log(o.Latency.Seconds()/r.lat.median))
	}
	if e.stage == probes.StageNone {
		e.stage = stageOf(o.Outcome)
	}
	i := r.past.find(o.ID)
	if i < 0 {
		r.insert(e)
		return
	}
	old := &r.past.buf[i]
	if old.slow {
		r.slows--
	}
	if e.slow {
		r.slows++
	}
	e.at, e.class = old.at, old.class
	e.excused = old.excused && c != arrived && c != junked
	r.rewrite(i)
	*old = e
	r.past.change(i, c)
}

// stageOf is where a canary of that outcome failed when nobody said.
func stageOf(o probes.Outcome) probes.Stage {
	switch o {
	case probes.Lost, probes.Bounced:
		return probes.StageTransit
	case probes.AuthFailed:
		return probes.StageAuth
	}
	return probes.StageNone
}

// arrival learns from a canary that is known to have reached the account.
func (r *Route) arrival(n, sent time.Duration, o Observation) {
	if !r.proven || sent > r.proof {
		r.proof, r.proven = sent, true
	}
	r.read.good(&r.models[outage], n, r.p.Interval/4) // it was read, after all
	if o.Latency <= 0 {
		return
	}
	if !o.Confirm && r.well(n) {
		r.lat.learn(o.Latency.Seconds())
	}
	if o.Latency <= r.p.Deadline {
		r.lat.feel(o.Latency.Seconds())
	}
}

// well reports whether the route has no suspicion of an outage: only then does it
// learn what is normal.
func (r *Route) well(n time.Duration) bool {
	return !r.down[outage] && (r.quiet(n, outage) || r.weigh(n, outage).w < r.p.H/2)
}

func (r *Route) isSlow(o Observation) bool {
	return o.Outcome == probes.Late || o.Outcome.Arrived() && o.Latency.Seconds() > r.lat.p95
}

// Excuse says that a majority of the controls has just failed: canaries sent about
// now suffer a local fault, and their failures are no evidence (unless one
// arrives: that counts). Call it for each failing round of controls, on all routes.
func (r *Route) Excuse(now time.Time) {
	n := r.at(now)
	r.memo.valid = false
	from, to := n-r.p.Control/2, n+r.p.Control/6
	if !r.excusedSince || from > r.excuse[1] {
		r.excuse[0] = from
	}
	r.excuse[1], r.excusedSince = to, true
	for i := range r.past.buf {
		if e := &r.past.buf[i]; e.at >= r.excuse[0] && e.at <= to && e.class != arrived && e.class != junked {
			e.excused = true
			r.rewrite(i)
		}
	}
}
