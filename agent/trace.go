package agent

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"mailquorum/agent/evidence"
	"mailquorum/probes"
)

// drawSpans ends a canary's trace: one child span for each stage of the
// submission, one for the transit, each with the times that were measured.
func drawSpans(tracer trace.Tracer, root trace.Span, c probes.Canary) {
	ctx := trace.ContextWithSpan(context.Background(), root)
	at := c.Begun()
	for _, t := range c.Timings {
		_, s := tracer.Start(ctx, t.Stage.String(), trace.WithTimestamp(at))
		at = at.Add(t.Duration)
		if t.Stage == c.Stage && !c.Outcome.Arrived() {
			s.SetStatus(codes.Error, c.Outcome.String())
		}
		s.End(trace.WithTimestamp(at))
	}
	if !c.Accepted.IsZero() {
		end := c.Seen
		if end.IsZero() {
			end = c.Resolved
		}
		_, s := tracer.Start(ctx, probes.StageTransit.String(), trace.WithTimestamp(c.Accepted), trace.WithAttributes(
			attribute.Int("mailquorum.hops", len(c.Hops)), attribute.String("mailquorum.queue_id", c.QueueID)))
		s.End(trace.WithTimestamp(end))
		at = end
	}
	root.SetAttributes(attribute.String("mailquorum.outcome", c.Outcome.String()), attribute.String("mailquorum.canary", c.ID.String()))
	if w := c.Outcome.Weight(); w == probes.WeightFull || w == probes.WeightAccount {
		root.SetStatus(codes.Error, c.Outcome.String())
	}
	root.End(trace.WithTimestamp(at))
}

// evidenceOf is what the evidence needs to know of a canary.
func evidenceOf(c probes.Canary) evidence.Observation {
	return evidence.Observation{ID: c.ID, Sent: c.Begun(), Outcome: c.Outcome, Stage: c.Stage, Reply: c.Reply,
		Latency: c.Latency, Confirm: c.Confirm}
}
