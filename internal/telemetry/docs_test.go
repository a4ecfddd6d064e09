package telemetry

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// TestMetricsPage keeps docs/metrics.md true to the table.
func TestMetricsPage(t *testing.T) {
	const path = "../../docs/metrics.md"
	var b strings.Builder
	b.WriteString("# Metrics\n\nServed at `/metrics` by both daemons; each shows those that concern it, at zero from the start. Histograms\n" +
		"observe seconds in `le` buckets. The metrics of the Go runtime and the process (`go_`, `process_`) follow.\n" +
		"Written by `go test ./internal/telemetry -update`.\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range Families {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, strings.Join(f.Labels, ", "), f.Help)
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Error("docs/metrics.md is not what the table says: go test ./internal/telemetry -update")
	}
}
