package agent

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"mailquorum/probes"
)

func TestTraceHasASpanForEachStage(t *testing.T) {
	exp := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exp))
	tracer := tp.Tracer("test")
	_, root := tracer.Start(context.Background(), "canary")
	c := probes.Canary{ID: probes.NewID(), Sent: at(0), Accepted: at(1), Seen: at(5), Resolved: at(5), Outcome: probes.Delivered,
		Timings: []probes.Timing{{Stage: probes.StageConnect, Duration: 300 * time.Millisecond}, {Stage: probes.StageData, Duration: 700 * time.Millisecond}}}
	drawSpans(tracer, root, c)
	spans := exp.GetSpans()
	want := map[string][2]time.Time{
		"connect": {at(0), at(0).Add(300 * time.Millisecond)},
		"data":    {at(0).Add(300 * time.Millisecond), at(1)},
		"transit": {at(1), at(5)},
	}
	for _, s := range spans {
		if s.SpanContext.TraceID() != root.SpanContext().TraceID() {
			t.Errorf("%s is in another trace", s.Name)
		}
		w, ok := want[s.Name]
		if ok && (!s.StartTime.Equal(w[0]) || !s.EndTime.Equal(w[1])) {
			t.Errorf("%s from %v to %v, want %v to %v", s.Name, s.StartTime, s.EndTime, w[0], w[1])
		}
		delete(want, s.Name)
	}
	if len(want) != 0 || len(spans) != 4 {
		t.Errorf("%d spans, without %v", len(spans), want)
	}
}

func TestFailedCanaryHasAFailedTrace(t *testing.T) {
	exp := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exp)).Tracer("test")
	_, root := tracer.Start(context.Background(), "canary")
	drawSpans(tracer, root, probes.Canary{Sent: at(0), Outcome: probes.Failed, Stage: probes.StageTLS,
		Timings: []probes.Timing{{Stage: probes.StageConnect, Duration: time.Second}}})
	for _, s := range exp.GetSpans() {
		if s.Name == "canary" && s.Status.Code != codes.Error {
			t.Errorf("the trace of a failed canary ends as %v", s.Status.Code)
		}
	}
}
