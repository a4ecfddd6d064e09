package page

import (
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
