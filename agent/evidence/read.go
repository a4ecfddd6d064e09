package evidence

import (
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// reading is the read side's own evidence: mail that cannot be read may well have
// been delivered, so it never makes a canary lost.
type reading struct {
	full, auth, own cusum
	last            *probes.Error // newest failure that is evidence
	lastAt, ownAt   time.Duration //
	credited        time.Duration // newest success that counted
}

// ReadSide tells how an attempt to look into the route's mailbox ended: nil says
// that a complete scan worked. While it fails, no canary grows older: what
// nobody could see is not missing. A failure is full evidence for an outage of
// stage retrieve, one of authentication only for the account (and, with stage
// auth, for a vote that needs two credential domains), one of policy (no token is to
// be had) for the account alone, an unclassified one none.
func (r *Route) ReadSide(now time.Time, err *probes.Error) {
	n := r.at(now)
	r.alive(n)
	r.memo.valid = false
	m := &r.models[outage]
	if err == nil {
		r.blind = false
		r.read.good(m, n, r.p.Interval/4)
		return
	}
	if !r.blind {
		r.blind, r.blindAt = true, n
	}
	switch err.Outcome {
	case probes.Failed:
		r.read.full.bad(m, n, 0)
		r.read.last, r.read.lastAt = err, n
	case probes.AuthFailed:
		r.read.auth.bad(m, n, 0)
		r.read.last, r.read.lastAt = err, n
	case probes.Policy:
		r.read.own.bad(m, n, 0)
		r.read.ownAt = n
	}
}

// good counts a success, at most one in each pace: looks that work are many.
func (d *reading) good(m *model, n, pace time.Duration) {
	if d.full.w == 0 && d.auth.w == 0 && d.own.w == 0 {
		return
	}
	if d.full.run > 0 || d.auth.run > 0 || d.own.run > 0 || n-d.credited >= pace {
		d.full.good(m)
		d.auth.good(m)
		d.own.good(m)
		d.credited = n
	}
}

// vote fills in why the read side votes down.
func (d *reading) vote(v *vote.Vote) {
	v.Stage, v.Reason = probes.StageRetrieve, vote.Unreadable
	if d.last != nil {
		v.Code, v.Enhanced = d.last.Reply.Code, d.last.Reply.Enhanced
	}
}
