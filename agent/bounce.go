package agent

import (
	"mailquorum/probes"
	"mailquorum/probes/collect"
)

// bounced takes a non-delivery report. It counts when it names, by tag, a canary
// of this agent's own of which no better is known; a stranger's report stays
// where it is. It answers true, and the report may be deleted as a canary would
// be, when the tag is our own and the outcome is on disk.
func (a *Agent) bounced(mailbox string, s collect.Sighting) bool {
	id, own := a.recognise(s.DSN.Tags)
	if !own {
		if len(s.DSN.Tags) > 0 {
			a.metrics.foreign(mailbox)
		}
		return false
	}
	if !s.DSN.Failed() {
		return true // a delay, or a success: says nothing that we do not measure
	}
	fl, mayGo := a.followed(mailbox, id, s)
	if fl == nil {
		return mayGo
	}
	a.mu.Lock()
	if !a.follow.bounce(fl, s) {
		a.mu.Unlock()
		return true
	}
	r, c := a.route(fl.Route), fl.Canary
	a.observe(s.At, r, c)
	a.mu.Unlock()
	a.log.Info("canary bounced", "route", r.Name, "canary", c.ID.String(), "reply", c.Reply.String(), "reporter", s.DSN.Reporter)
	saved := a.save(c)
	a.finish(r, c)
	a.leave(fl, saved)
	a.urge()
	return saved
}

// bounce settles a canary that is still awaited, or of which nothing was seen. It
// reports whether it did.
func (f *follower) bounce(fl *flight, s collect.Sighting) bool {
	if !fl.Outcome.Open() && fl.Outcome != probes.Lost && fl.Outcome != probes.Unknown {
		return false
	}
	fl.Reply = s.DSN.Reply
	fl.Error = "bounced by " + s.DSN.Reporter + " " + s.DSN.Status
	f.settle(fl, s.At, probes.Bounced, probes.StageTransit)
	return true
}
