package agent

import (
	"context"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/submit"
)

// Greylisting is met as an MTA would: the same mail is submitted again after one,
// two and four intervals, on which servers accept it (they want 5 minutes at most,
// usually). So many canaries of a route wait at a time: those that follow are
// retries in all but name.
const (
	greylistTries   = 3
	greylistWaiting = 4
)

// insist submits again what was greylisted, until it is not, and returns what came
// of it. The time until then is no latency of the provider's. It gives its place
// among the submissions under way to others while it waits.
func (a *Agent) insist(ctx context.Context, r *route, fl *flight, message []byte, res submit.Result, err error) (submit.Result, error) {
	if fl.Confirm || !submit.Greylisted(err) || !a.mayWait(r) {
		return res, err
	}
	defer func() {
		a.mu.Lock()
		r.waiting--
		a.mu.Unlock()
	}()
	for try := range greylistTries {
		pause := a.timing.Interval << try
		a.postpone(fl, time.Now().Add(pause))
		a.metrics.greylisted(r)
		a.log.Info("greylisted: trying again", "route", r.Name, "canary", fl.ID.String(), "pause", pause, "reply", res.Reply.String())
		<-r.busy
		again := wait(ctx, pause)
		r.busy <- struct{}{} // its holders end: a submission is bounded
		a.postpone(fl, time.Now())
		if !again {
			break
		}
		sending, done := outlive(ctx, stopGrace)
		res, err = r.send(sending, message)
		done()
		if !submit.Greylisted(err) {
			break
		}
	}
	return res, err
}

// mayWait takes a place among those who wait, if there is one.
func (a *Agent) mayWait(r *route) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.waiting == greylistWaiting {
		return false
	}
	r.waiting++
	return true
}

// postpone has the canary count from the attempt that begins then. It is journalled:
// a restart must not take the wait for a loss.
func (a *Agent) postpone(fl *flight, begin time.Time) {
	a.mu.Lock()
	a.follow.postpone(fl, begin)
	c := fl.Canary
	a.mu.Unlock()
	a.save(c)
}

// wait waits for d. It reports whether ctx still lives.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// greylisted counts a canary that was put off.
func (m *agentMetrics) greylisted(r *route) {
	m.Counter("mailquorum_canaries_greylisted_total", r.Name).Inc()
}

// postponed observes how long greylisting delayed a canary that was accepted.
func (m *agentMetrics) postponed(r *route, c probes.Canary) {
	if c.Greylisted > 0 && !c.Accepted.IsZero() {
		m.Histogram("mailquorum_greylist_delay_seconds", r.Name).Update(c.Greylisted.Seconds())
	}
}
