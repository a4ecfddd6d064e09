package page

import (
	"context"
	"time"

	"mailquorum/coordinator/store"
)

// answer is what a stage says: go on, or wait until then. far is no time at all:
// something must happen first, and wakes the pipeline.
type answer struct {
	goOn  bool
	until time.Time
}

var goOn = answer{goOn: true}

func wait(until time.Time) answer { return answer{until: until} }

const far = 100 * 365 * 24 * time.Hour

// look takes a waiting job as far as it comes, and returns when to look again.
func (p *Pipeline) look(ctx context.Context, now time.Time, j store.Job, w *work) time.Time {
	if p.over(now, j, w) {
		return now.Add(far)
	}
	next := now.Add(far)
	for _, chain := range w.chains {
		for place := range chain {
			d := p.delivery(now, j, w, chain, place)
			at := p.advance(ctx, now, d)
			if at.Before(next) {
				next = at
			}
		}
	}
	if e := p.expires(j, w); e.After(now) && e.Before(next) {
		next = e
	}
	return next
}

// advance is the pipeline.
func (p *Pipeline) advance(ctx context.Context, now time.Time, d *delivery) time.Time {
	for _, stage := range []func(time.Time, *delivery) answer{p.settle, p.turn, p.needed} {
		if a := stage(now, d); !a.goOn {
			return a.until
		}
	}
	p.send(ctx, d)
	return now.Add(far)
}

// settle: after a start this coordinator listens before it speaks, so that it
// learns what was sent while it was away. A job may have its own earliest time.
func (p *Pipeline) settle(now time.Time, d *delivery) answer {
	if now.Before(d.base) {
		return wait(d.base)
	}
	return goOn
}

// turn: each coordinator waits for those of better rank, and does not disturb
// one that has just announced an attempt. Heeding intents delays an attempt
// once, by less than two turns, so nobody is kept from sending for long.
func (p *Pipeline) turn(now time.Time, d *delivery) answer {
	if p.busy[sendID{d.event.Key, d.to().Name()}] {
		return wait(now.Add(far)) // its result wakes the pipeline
	}
	held := p.held(now, d.event.Key, d.to().Name())
	if d.heldUntil.IsZero() {
		at := nextTurn(d.base, later(now, d.notBefore), Rank(d.event.Key, p.cfg.Self, p.coordinators), len(p.coordinators), p.timing.Rank)
		if at.After(now) {
			return wait(at)
		}
		d.heldUntil = held
	}
	if now.Before(d.heldUntil) && now.Before(held) {
		return wait(earlier(d.heldUntil, held))
	}
	return goOn
}

// needed: is it still true, and has nobody sent it meanwhile?
func (p *Pipeline) needed(now time.Time, d *delivery) answer {
	claims := p.cfg.Store.Claims(d.event.Key)
	if !p.wanted(claims, d) {
		d.heldUntil = time.Time{}
		return wait(now.Add(far))
	}
	switch p.cfg.Needed(d.event) {
	case Send:
		return goOn
	case Drop:
		p.finish(d.id, store.Dropped, "not true any more")
		return wait(now.Add(far))
	}
	d.heldUntil = time.Time{}
	return wait(now.Add(p.timing.Rank / 4))
}
