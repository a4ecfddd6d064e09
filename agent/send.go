package agent

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
	"mailquorum/probes"
	"mailquorum/probes/submit"
)

// openSpeedup is by how much the schedule quickens while an incident is open.
const openSpeedup = 4

// schedule sends a canary at each of the route's slots, and at each kick.
func (a *Agent) schedule(ctx context.Context, r *route, wg *sync.WaitGroup) {
	for {
		interval := a.timing.Interval
		if a.open(r.Service) && !a.refused(r) {
			interval /= openSpeedup
		}
		due := nextSlot(time.Now(), interval, r.phase)
		timer := time.NewTimer(min(time.Until(due), a.timing.Interval/openSpeedup))
		confirm := false
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.kick:
			timer.Stop()
			if a.refused(r) {
				continue
			}
			confirm = true
		case <-timer.C:
			if time.Now().Before(due) {
				continue // woken to see whether an incident has opened
			}
		}
		select {
		case r.busy <- struct{}{}:
			wg.Go(func() {
				defer func() { <-r.busy }()
				a.probe(ctx, r, confirm)
			})
		default:
			a.log.Warn("canary left out: too many submissions hang", "route", r.Name, "hanging", submissionsAtOnce)
		}
	}
}

// open reports whether an outage incident of the service is known to be open.
func (a *Agent) open(service string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.incidents[incident.NewSubject(report.Outage, service)].Open()
}

// stopGrace is how long a stop waits for submissions: one that is broken off says
// nothing about the provider, and leaves a canary that is unknown for ever.
const stopGrace = 5 * time.Second

// outlive returns a context that ends by after ctx does, or when done is called.
func outlive(ctx context.Context, by time.Duration) (longer context.Context, done func()) {
	longer, end := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(by, func() { end(context.Cause(ctx)) })
		context.AfterFunc(longer, func() { t.Stop() })
	})
	return longer, func() { unhook(); end(nil) }
}

// probe sends one canary and takes note of what the submission said. The intent
// is on disk before the first SMTP byte: no row, no mail.
func (a *Agent) probe(ctx context.Context, r *route, confirm bool) {
	spanCtx, span := a.tracer.Start(context.WithoutCancel(ctx), "canary", trace.WithNewRoot(), trace.WithAttributes(
		attribute.String("mailquorum.route", r.Name), attribute.String("mailquorum.service", r.Service),
		attribute.Bool("mailquorum.confirm", confirm)))
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(spanCtx, carrier)

	// Ambiguous with no stage: a mail may or may not have left.
	c := probes.Canary{ID: probes.NewID(), Route: r.Name, Service: r.Service, Confirm: confirm, Sent: time.Now(),
		Outcome: probes.Ambiguous, Trace: carrier["traceparent"]}
	letter := a.letter(r, c)
	if err := letter.Validate(); err != nil {
		a.log.Error("no canary sent: the letter cannot be written", "route", r.Name, "err", err)
		span.End()
		return
	}
	if err := a.cfg.Journal.Begin(c); err != nil {
		a.unjournalled("no canary sent: it could not be journalled first", err, "route", r.Name)
		span.End()
		return
	}
	a.journalled()
	a.mu.Lock()
	a.spans[c.ID] = span
	fl := a.follow.add(c, r.Mailbox)
	a.mu.Unlock()
	a.metrics.sent(r, confirm)

	sending, done := outlive(ctx, stopGrace)
	res, err := r.send(sending, letter.Bytes())
	done()
	res, err = a.insist(ctx, r, fl, letter.Bytes(), res, err)
	a.submitted(r, fl, res, err)
	if err == nil {
		a.boxes[r.Mailbox].Expect(r.likely(a.timing.Interval))
	}
}

// send submits a message, over the kept connection where there is to be one.
func (r *route) send(ctx context.Context, message []byte) (submit.Result, error) {
	if r.sender != nil {
		return r.sender.Send(ctx, message, nil)
	}
	return submit.Send(ctx, r.Submit, message, nil)
}

// letter is the mail in which a canary travels: the same one whenever it is asked.
func (a *Agent) letter(r *route, c probes.Canary) probes.Letter {
	return probes.Letter{Canary: c, Tag: a.tagKey.Tag(c.ID), From: r.Submit.From, To: r.To,
		Cluster: a.cfg.Roster.Cluster, Region: a.node.Region, Date: c.Sent}
}

// likely is for how long an arrival is likely after the submission.
func (r *route) likely(interval time.Duration) time.Duration { return interval / 2 }

// submitted takes the result of a submission.
func (a *Agent) submitted(r *route, fl *flight, res submit.Result, err error) {
	now := time.Now()
	a.mu.Lock()
	fl.Timings, fl.Reply, fl.QueueID, fl.TLS, fl.Egress, fl.Accepted =
		res.Timings, res.Reply, res.QueueID, res.TLS, res.Egress, res.Accepted
	settled := false
	r.loggedIn(err)
	if fl.Outcome.Open() {
		r.keep(fl.ID, res, err)
	}
	switch e := probes.AsError(probes.StageNone, err); {
	case e == nil && fl.Outcome.Open():
		fl.Outcome, fl.Stage = probes.InFlight, probes.StageNone
		r.evidence.Accepted(now, fl.ID, fl.Begun())
	case e == nil: // seen before the reply to DATA came back
		fl.Transit = max(0, fl.Seen.Sub(fl.Accepted))
	default:
		fl.Error = e.Error()
		if e.Reply.Code != 0 {
			fl.Reply = e.Reply
		}
		if e.Outcome == probes.Ambiguous && fl.Outcome.Open() {
			fl.Outcome, fl.Stage = probes.Ambiguous, probes.StageData
			r.evidence.Accepted(now, fl.ID, fl.Begun())
		} else if fl.Outcome.Open() {
			a.follow.settle(fl, now, e.Outcome, e.Stage)
			settled = true
		}
	}
	c := fl.Canary
	if settled {
		a.observe(now, r, c)
	}
	a.mu.Unlock()
	a.metrics.submitted(r, c)
	saved := a.save(c)
	if err != nil {
		a.log.Warn("submission failed", "route", r.Name, "canary", c.ID.String(), "outcome", c.Outcome.String(), "err", err,
			"hint", probes.AsError(probes.StageNone, err).Hint)
		a.urge()
	}
	if settled {
		a.finish(r, c)
		a.leave(fl, saved)
	}
}

// leave stops following a canary whose outcome is on disk: a sighting finds it
// there, however late it comes, and until then it costs no memory.
func (a *Agent) leave(fl *flight, saved bool) {
	if !saved {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !fl.Outcome.Open() && (!fl.Outcome.Arrived() || fl.Outcome == probes.Late) {
		a.follow.forget(fl)
	}
}

// observe tells the evidence of an outcome. The caller holds the lock.
func (a *Agent) observe(now time.Time, r *route, c probes.Canary) {
	r.evidence.Observe(now, evidenceOf(c))
}

// save journals the canary's present state. A full disk is met by going on.
func (a *Agent) save(c probes.Canary) bool {
	if err := a.cfg.Journal.Save(c); err != nil {
		a.unjournalled("an outcome is not journalled", err, "canary", c.ID.String(), "outcome", c.Outcome.String())
		return false
	}
	a.journalled()
	return true
}

// finish counts a settled canary and ends its trace.
func (a *Agent) finish(r *route, c probes.Canary) {
	a.metrics.settled(r, c)
	a.failed(r, c)
	a.mu.Lock()
	span := a.spans[c.ID]
	delete(a.spans, c.ID)
	a.mu.Unlock()
	if span == nil {
		return
	}
	drawSpans(a.tracer, span, c)
}
