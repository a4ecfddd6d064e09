package telemetry

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestFamiliesAreWellFormed(t *testing.T) {
	name := regexp.MustCompile(`^mailquorum_[a-z_]+$`)
	seen := map[string]bool{}
	for _, f := range Families {
		if !name.MatchString(f.Name) || seen[f.Name] {
			t.Errorf("%s: bad or doubled name", f.Name)
		}
		seen[f.Name] = true
		if total := strings.HasSuffix(f.Name, "_total"); total != (f.Type == Counter) {
			t.Errorf("%s: counters, and only they, end in _total", f.Name)
		}
		if f.Type == Histogram && !strings.HasSuffix(f.Name, "_seconds") {
			t.Errorf("%s: histograms here observe seconds", f.Name)
		}
		if !strings.HasSuffix(f.Help, ".") {
			t.Errorf("%s: HELP is a sentence", f.Name)
		}
	}
}

func TestExpositionHasHelpForEverySeries(t *testing.T) {
	m := NewMetrics("test")
	m.Counter("mailquorum_foreign_tags_total", `box "a"`).Inc()
	m.Histogram("mailquorum_canary_latency_seconds", "r", "s").Update(3)
	m.Gauge("mailquorum_mesh_members").Set(4)
	var b bytes.Buffer
	m.WritePrometheus(&b)
	for _, want := range []string{
		"# TYPE mailquorum_canary_latency_seconds histogram\nmailquorum_canary_latency_seconds_bucket{route=\"r\",service=\"s\",le=\"0.005\"} 0\n",
		`mailquorum_canary_latency_seconds_bucket{route="r",service="s",le="4"} 1`,
		`mailquorum_foreign_tags_total{mailbox="box \"a\""} 1`,
		"# HELP mailquorum_mesh_members Nodes that the mesh believes reachable, this one included.\n# TYPE mailquorum_mesh_members gauge\nmailquorum_mesh_members 4\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("missing in the exposition: %q", want)
		}
	}
	help := ""
	for line := range strings.Lines(b.String()) {
		if f, ok := strings.CutPrefix(line, "# HELP "); ok {
			help, _, _ = strings.Cut(f, " ")
		} else if strings.HasPrefix(line, "mailquorum_") && !strings.HasPrefix(line, help) {
			t.Errorf("no HELP for %s", line)
		}
	}
}

func TestUnknownSeriesPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a metric outside the table was accepted")
		}
	}()
	NewMetrics("test").Counter("mailquorum_invented_total")
}
