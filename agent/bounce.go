package agent

import (
	"mailquorum/probes"
	"mailquorum/probes/collect"
)

// bounced takes a non-delivery report. It counts when it names, by tag, a canary
// of this agent's own that is still awaited; the mail itself is a stranger's and
// stays where it is.
func (a *Agent) bounced(s collect.Sighting) {
	id, own := a.recognise(s.DSN.Tags)
	if !own || !s.DSN.Failed() {
		return
	}
	a.mu.Lock()
	fl := a.follow.byID[id]
	if fl == nil || !fl.bounce(s) {
		a.mu.Unlock()
		return
	}
	r, c := a.route(fl.Route), fl.Canary
	a.observe(s.At, r, c)
	a.mu.Unlock()
	a.log.Info("canary bounced", "route", r.Name, "canary", c.ID.String(), "reply", c.Reply.String(), "reporter", s.DSN.Reporter)
	a.save(c)
	a.finish(r, c)
	a.urge()
}

// bounce settles a canary that is still awaited. It reports whether it was.
func (fl *flight) bounce(s collect.Sighting) bool {
	if !fl.Outcome.Open() {
		return false
	}
	fl.Reply = s.DSN.Reply
	fl.Error = "bounced by " + s.DSN.Reporter + " " + s.DSN.Status
	fl.settle(s.At, probes.Bounced, probes.StageTransit)
	return true
}
