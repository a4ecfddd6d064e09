package page

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"mailquorum/coordinator/store"
)

// delivery is one job's way to one destination.
type delivery struct {
	id    store.JobID
	event Event
	chain Chain
	place int // in the chain
	base  time.Time

	backoff   backoff.BackOff
	notBefore time.Time // the next attempt, after a failure
	heldUntil time.Time // its turn has come, but somebody else's intent is heeded until then
	permanent bool      // refused for good
}

func (d *delivery) to() Destination { return d.chain[d.place] }

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

// wanted reports whether the destination still lacks the event.
func (p *Pipeline) wanted(claims []store.Claim, d *delivery) bool {
	id, name := d.id, d.to().Name()
	if _, ok := receipt(claims, id, name); ok {
		return false
	}
	if id.Action == store.Resolve {
		return touched(claims, name) && (id.Round == 0 || sweeper(d.to()) && p.resolved(claims, id, name))
	}
	for _, before := range d.chain[:d.place] {
		if _, ok := receipt(claims, id, before.Name()); ok {
			return false
		}
	}
	return true
}

func sweeper(d Destination) bool {
	s, ok := d.(Sweeper)
	return ok && s.Sweeps()
}

// resolved reports whether the first resolve was accepted, which a repetition
// repeats.
func (p *Pipeline) resolved(claims []store.Claim, id store.JobID, destination string) bool {
	id.Round = 0
	_, ok := receipt(claims, id, destination)
	return ok
}

// over finishes the job if there is nothing left to do: a trigger once the first
// destination of each chain has it, a resolve once every destination that may
// have an open alert has it.
func (p *Pipeline) over(now time.Time, j store.Job, w *work) bool {
	claims := p.cfg.Store.Claims(j.Key)
	open, why := 0, "nothing was sent that needs it"
	for _, chain := range w.chains {
		for place := range chain {
			d := delivery{id: j.JobID, event: w.event, chain: chain, place: place}
			c, sent := receipt(claims, j.JobID, d.to().Name())
			switch {
			case sent:
				why = "sent by " + c.Coordinator + " through " + c.Destination
			case j.Action == store.Trigger && place == 0, j.Action == store.Resolve && p.wanted(claims, &d):
				open++
			}
		}
	}
	expired := !now.Before(p.expires(j, w))
	switch {
	case open > 0 && (j.Round == 0 || !expired):
		return false
	case j.Action == store.Resolve && !sentToAny(claims, j.JobID) && !expired:
		return false // a trigger may yet come to light
	case open == 0 && sentToAny(claims, j.JobID):
		p.finish(j.JobID, store.Done, why)
	default:
		p.finish(j.JobID, store.Dropped, why)
	}
	return true
}

func sentToAny(claims []store.Claim, id store.JobID) bool {
	return slices.ContainsFunc(claims, func(c store.Claim) bool {
		return c.State == store.Sent && c.Action == id.Action && c.Round == id.Round
	})
}

// expires is when a resolve that nobody needs is forgotten: a repetition when
// the next one is due, the first with the last repetition.
func (p *Pipeline) expires(j store.Job, w *work) time.Time {
	last := sweeps[len(sweeps)-1]
	after := last + sweeps[0]
	if j.Round > 0 && j.Round < len(sweeps) {
		after = sweeps[j.Round]
	}
	return later(p.created(j, w), p.ready).Add(after * p.timing.Rank)
}

// created is when the job was decided, as far as this clock can tell: after a
// restart with another clock it is not in the future.
func (p *Pipeline) created(j store.Job, w *work) time.Time { return earlier(j.Created, w.seen) }

func (p *Pipeline) delivery(now time.Time, j store.Job, w *work, chain Chain, place int) *delivery {
	name := chain[place].Name()
	d := w.deliveries[name]
	if d == nil {
		b := backoff.NewExponentialBackOff()
		b.InitialInterval, b.MaxInterval = p.timing.Rank/8, 15*p.timing.Rank
		b.Multiplier, b.RandomizationFactor = 2, 0.2
		b.Reset()
		d = &delivery{id: j.JobID, chain: chain, place: place, event: w.event, backoff: b}
		d.base = later(later(w.seen, p.ready), p.created(j, w).Add(j.Delay))
		if j.Action == store.Trigger {
			d.base = d.base.Add(standIn * time.Duration(place) * p.timing.Rank)
		}
		w.deliveries[name] = d
	}
	if place > 0 && d.base.After(now) && w.refused(chain[:place]) {
		d.base = now
	}
	return d
}

// standIn is how long a chain's next destination waits, in ranks (60 seconds).
const standIn = 15

// refused reports whether all of these destinations refused for good.
func (w *work) refused(chain Chain) bool {
	for _, name := range chain.names() {
		if d := w.deliveries[name]; d == nil || !d.permanent {
			return false
		}
	}
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
