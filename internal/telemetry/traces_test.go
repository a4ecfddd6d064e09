package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// export makes one span with the environment as it is, and returns how many
// requests the collector got and whether the span had an identity.
func export(t *testing.T, env map[string]string) (requests int32, valid bool) {
	t.Helper()
	var n atomic.Int32
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			n.Add(1)
		}
	}))
	defer collector.Close()
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"} {
		t.Setenv(name, "")
	}
	for name, value := range env {
		if value == "collector" {
			value = collector.URL
		}
		t.Setenv(name, value)
	}
	ctx := context.Background()
	tp, err := NewTracerProvider(ctx, "agent-1", "eu", "test")
	if err != nil {
		t.Fatal(err)
	}
	_, span := tp.Tracer("test").Start(ctx, "canary")
	valid = span.SpanContext().IsValid()
	span.End()
	if err := tp.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	return n.Load(), valid
}

func TestTracesAreExportedOnlyWhenAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want int32
	}{
		"nothing set": {nil, 0},
		"endpoint":    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"}, 1},
		"disabled":    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector", "OTEL_SDK_DISABLED": "true"}, 0},
		"no exporter": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector", "OTEL_TRACES_EXPORTER": "none"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, valid := export(t, c.env)
			if got != c.want {
				t.Errorf("%d requests reached the collector, want %d", got, c.want)
			}
			if !valid {
				t.Error("the span has no identity: the canary could carry no traceparent")
			}
		})
	}
}
