package page

import (
	"slices"
	"time"

	"mailquorum/coordinator/store"
)

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
// have an open alert has it. A trigger is tried as long as its incident is open;
// a resolve that is refused for a day is left to people.
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
	case open > 0 && j.Action == store.Resolve && now.Sub(p.created(j, w)) > keep*p.timing.Rank:
		p.finish(j.JobID, store.Dropped, "given up")
		return true
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
