// Package dashboards holds what people watch: the Grafana dashboard and the
// alert rules. Its tests keep both true to the code: every query parses, every
// metric and label in it exists, every alert has its section in the runbook.
package dashboards

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/prometheus/promql/parser"

	"mailquorum/internal/telemetry"
)

type panel struct {
	ID          int
	Type, Title string
	Description string
	Targets     []struct{ Expr string }
	GridPos     struct{ X, Y, W, H int }
}

func dashboard(t *testing.T) (panels []panel, all string) {
	t.Helper()
	b, err := os.ReadFile("mailquorum.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels      []panel
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	for _, a := range d.Annotations.List {
		d.Panels = append(d.Panels, panel{Title: "annotation", Type: "row", Targets: []struct{ Expr string }{{a.Expr}}})
	}
	return d.Panels, string(b)
}

// families maps every series name of the exposition to the labels it carries.
func families() map[string][]string {
	out := map[string][]string{}
	for _, f := range telemetry.Families {
		ls := append([]string{"instance", "job"}, f.Labels...)
		if f.Type != telemetry.Histogram {
			out[f.Name] = ls
			continue
		}
		out[f.Name+"_bucket"] = append(slices.Clone(ls), "le")
		out[f.Name+"_sum"], out[f.Name+"_count"] = ls, ls
	}
	return out
}

// check parses a query and holds every selector and grouping against the code.
func check(t *testing.T, where, query string) {
	t.Helper()
	query = strings.NewReplacer("$__rate_interval", "1m", "$service", ".*").Replace(query)
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v\n%s", where, err, query)
		return
	}
	known := families()
	seen := map[string]bool{}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			ls, exists := known[s.Name]
			if !exists {
				t.Errorf("%s: no metric is named %s", where, s.Name)
			}
			for _, m := range s.LabelMatchers {
				if m.Name != "__name__" && exists && !slices.Contains(ls, m.Name) {
					t.Errorf("%s: %s has no label %s", where, s.Name, m.Name)
				}
			}
			for _, l := range ls {
				seen[l] = true
			}
		}
		return nil
	})
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if a, ok := n.(*parser.AggregateExpr); ok {
			for _, l := range a.Grouping {
				if !seen[l] {
					t.Errorf("%s: grouped by %s, which no metric of the query has", where, l)
				}
			}
		}
		return nil
	})
}

func TestEveryQueryOfTheDashboardIsTrue(t *testing.T) {
	panels, all := dashboard(t)
	ids := map[int]bool{}
	for _, p := range panels {
		if p.Type == "row" && p.Title != "annotation" {
			continue
		}
		if len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
		if p.Description == "" && p.Title != "annotation" {
			t.Errorf("panel %q has no description", p.Title)
		}
		if ids[p.ID] && p.ID != 0 {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q reaches beyond the grid", p.Title)
		}
		for _, tg := range p.Targets {
			check(t, p.Title, tg.Expr)
		}
	}
	for _, m := range regexp.MustCompile(`label_values\((\w+), (\w+)\)`).FindAllStringSubmatch(all, -1) {
		if !slices.Contains(families()[m[1]], m[2]) {
			t.Errorf("variable: %s has no label %s", m[1], m[2])
		}
	}
}

func TestEveryAlertIsTrueAndHasItsRunbook(t *testing.T) {
	b, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	runbook, err := os.ReadFile("../deploy/RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(runbook), -1) {
		anchors[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(h[1])), " ", "-")] = true
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			check(t, r.Alert, r.Expr)
			_, anchor, ok := strings.Cut(r.Annotations["runbook"], "RUNBOOK.md#")
			if !ok || !anchors[anchor] {
				t.Errorf("%s: the runbook has no section %q", r.Alert, anchor)
			}
			if r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s: summary or severity is missing", r.Alert)
			}
		}
	}
}

// A metric that nobody looks at is a metric that nobody would miss.
func TestDashboardShowsWhatMatters(t *testing.T) {
	_, all := dashboard(t)
	for _, name := range []string{"mailquorum_canary_latency_seconds", "mailquorum_canary_outcomes_total", "mailquorum_region_vote",
		"mailquorum_incident_open", "mailquorum_pages_total", "mailquorum_control_up"} {
		if !strings.Contains(all, name) {
			t.Errorf("%s is on no panel", name)
		}
	}
}
