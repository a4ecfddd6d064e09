package page

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mailquorum/coordinator/store"
)

// result is what an attempt came to.
type result struct {
	id   sendID
	d    *delivery
	err  error
	took time.Duration
}

// errTimeout is the cause of an attempt that was given up.
var errTimeout = errors.New("no answer in time")

// send claims the page and sends it, in the background: one attempt at a time
// for each key and destination. It outlives ctx, but not attemptLasts: whether a
// page was accepted is worth knowing.
func (p *Pipeline) send(ctx context.Context, d *delivery) {
	id := sendID{d.event.Key, d.to().Name()}
	claim := p.own(d)
	d.heldUntil = time.Time{}
	p.busy[id] = true
	p.background.Go(func() {
		p.cfg.Store.UpdateJob(d.id, func(j *store.Job) { j.Attempts++ })
		p.speak(claim)
		began := time.Now()
		ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), attemptLasts(p.timing.Rank), errTimeout)
		defer cancel()
		_, err := d.to().Send(ctx, d.event)
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w after %v: %w", errTimeout, attemptLasts(p.timing.Rank), err)
		}
		took := time.Since(began)
		claim.State = store.Sent
		if err != nil {
			claim.State = store.Failed
			claim.Maybe = claim.Maybe || !rejected(err)
		}
		p.speak(claim)
		p.results <- result{id, d, err, took}
	})
}

// own is this coordinator's next claim on the delivery.
func (p *Pipeline) own(d *delivery) store.Claim {
	c := store.Claim{ClaimID: store.ClaimID{
		Key: d.event.Key, Action: d.id.Action, Round: d.id.Round, Destination: d.to().Name(), Coordinator: p.cfg.Self,
	}}
	for _, old := range p.cfg.Store.Claims(d.event.Key) {
		if old.ClaimID == c.ClaimID {
			// An intent without an outcome is one that this node did not live to see.
			c.Attempt, c.Maybe = old.Attempt, old.Maybe || old.State == store.Intent
		}
	}
	c.Attempt++
	c.State = store.Intent
	return c
}

func rejected(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Rejected
}

// learn draws the conclusions of an attempt.
func (p *Pipeline) learn(r result) {
	delete(p.busy, r.id)
	d := r.d
	if r.err == nil {
		p.cfg.Observe(r.id.destination, d.id.Action, "sent", r.took)
		p.cfg.Log.Info("page sent", "page", describe(d.id), "destination", r.id.destination, "took", r.took)
		return
	}
	now := time.Now()
	pause := d.backoff.NextBackOff()
	verdict := "failed"
	var e *Error
	if errors.As(r.err, &e) {
		pause = max(pause, min(e.RetryAfter, 75*p.timing.Rank))
		if e.Permanent {
			// It stays in the outbox: a corrected configuration may let it through.
			d.permanent, verdict = true, "refused"
			pause = max(pause, standIn*p.timing.Rank)
		}
	}
	d.notBefore = now.Add(pause)
	p.cfg.Store.UpdateJob(d.id, func(j *store.Job) { j.Next = d.notBefore })
	p.cfg.Observe(r.id.destination, d.id.Action, verdict, r.took)
	p.cfg.Log.Warn("page not sent", "page", describe(d.id), "destination", r.id.destination, "result", verdict, "next", pause, "error", r.err)
}
