package agent

import (
	"context"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/control"
)

// tick is the agent's own loop: what follows from the passing of time.
func (a *Agent) tick(ctx context.Context) {
	last := time.Now()
	learned := last
	a.beat.Store(last.UnixNano())
	every(ctx, a.timing.Alert, func(now time.Time) {
		a.beat.Store(now.UnixNano())
		a.mu.Lock()
		// A loop that turns far too late says nothing reliable about anybody.
		a.local.Starved(now, now.Sub(last) > a.timing.Fresh || a.mesh.Health() > maxMeshHealth)
		var scan []string
		for name := range a.boxes {
			if a.follow.overdue(now, name) {
				scan = append(scan, name)
			}
		}
		for _, fl := range a.follow.prune(now) {
			delete(a.spans, fl.ID)
			a.route(fl.Route).kept(fl.ID)
		}
		a.mu.Unlock()
		last = now
		for _, name := range scan {
			a.boxes[name].Scan()
		}
		a.askForConfirmation(now)
		if now.Sub(learned) > 10*a.timing.Interval {
			learned = now
			a.remember()
		}
	})
}

// pruning is how often the journal forgets, and pruneBatches the most that it
// forgets at a time: a thousand canaries each.
const (
	pruning      = 24 * time.Hour
	pruneBatches = 1000
)

// pruneJournal forgets canaries that are older than the retention, at the start
// and once a day.
func (a *Agent) pruneJournal(ctx context.Context) {
	prune := func(now time.Time) {
		gone := int64(0)
		for range pruneBatches {
			n, err := a.cfg.Journal.Prune(now.Add(-a.cfg.Retention))
			if err != nil {
				a.metrics.journalError(err)
				a.log.Warn("the journal cannot forget old canaries", "err", err)
				return
			}
			if gone += n; n == 0 || ctx.Err() != nil {
				break
			}
		}
		if gone > 0 {
			a.log.Info("the journal has forgotten old canaries", "canaries", gone)
		}
	}
	prune(time.Now())
	every(ctx, pruning, prune)
}

// maxMeshHealth is the worst mesh health score with which a region still votes.
const maxMeshHealth = 2

// checkControls checks what is not the provider, four times in Timing.Control: a vote
// for want of a connection needs a round that passed within half of it. With no
// controls configured the region has no way to doubt itself.
func (a *Agent) checkControls(ctx context.Context) {
	if len(a.cfg.Controls) == 0 {
		return
	}
	checker := control.Checker{Dial: a.cfg.Dial, TLS: a.cfg.ControlTLS}
	check := func(time.Time) {
		errs := checker.All(ctx, a.cfg.Controls)
		if ctx.Err() != nil {
			return
		}
		passed := 0
		for i, err := range errs {
			if err == nil {
				passed++
			} else {
				a.log.Debug("control failed", "target", a.cfg.Controls[i].Name, "err", probes.Clean(err.Error()))
			}
			a.metrics.control(a.cfg.Controls[i].Name, err == nil)
		}
		now := time.Now()
		a.mu.Lock()
		if a.local.Controls(now, passed, len(errs)) {
			for _, r := range a.routes { // it is us: what fails now says nothing of the provider
				r.evidence.Excuse(now)
			}
		}
		a.mu.Unlock()
	}
	check(time.Now())
	every(ctx, a.timing.Control/4, check)
}
