package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mailquorum/internal/api"
	"mailquorum/internal/report"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

type fixed struct {
	status api.Status
	ready  error
}

func (f fixed) Status() api.Status        { return f.status }
func (f fixed) Incidents() []api.Incident { return f.status.Incidents }
func (f fixed) Healthy() error            { return nil }
func (f fixed) Ready() error              { return f.ready }

func outage() fixed {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	in := api.Incident{ID: "outage/inbound/3", Subject: "outage/inbound", Epoch: 3, State: "open", Service: "inbound", Provider: "acme",
		Key: "mailquorum/c/outage/inbound/3", Onset: now.Add(-time.Minute), Opened: now, Count: report.Count{Sent: 9, Lost: 0, Pending: 4},
		Timeline: []api.Event{{At: now, What: "opened", Text: "3 of 5 <regions>"}}, Drawing: "eu ✗ overdue"}
	return fixed{status: api.Status{Cluster: "c", Node: "coord-1", Now: now, Incidents: []api.Incident{in},
		Services: []api.Service{{Name: "inbound", Provider: "acme", State: api.Down, N: 5, Quorum: 3, Incident: in.ID, Drawing: in.Drawing, Count: in.Count,
			Regions: []api.Region{
				{Name: "eu", Fresh: true, Vote: vote.Vote{Opinion: vote.Down, Reason: vote.Overdue, Stage: probes.StageTransit, Since: now.Add(-90 * time.Second)}},
				{Name: "us", Fresh: false, Vote: vote.Vote{Opinion: vote.Down}},
			}}},
		Nodes: []api.Node{{Name: "agent-eu", Role: "agent", Region: "eu", Fresh: true}}}}
}

func get(t *testing.T, h http.Handler, path string) (int, string, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	b, _ := io.ReadAll(w.Body)
	return w.Code, string(b), w.Header()
}

func TestStatusPageTellsTheOutage(t *testing.T) {
	h := Handler(outage(), Options{Metrics: http.NotFoundHandler(), Buttons: []Button{{"Hold the mail", "/demo/hold"}}})
	code, body, head := get(t, h, "/")
	if code != 200 || !strings.Contains(head.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("status %d, policy %q", code, head.Get("Content-Security-Policy"))
	}
	for _, want := range []string{"Mail outage", "overdue · transit · 1m30s ago", `class="silent"`, "eu ✗ overdue",
		`href="/incidents/outage/inbound/3"`, `action="/demo/hold"`, "4 still missing"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "<script") {
		t.Error("the page has a script")
	}
}

func TestIncidentPageEscapesAndIsFound(t *testing.T) {
	h := Handler(outage(), Options{Metrics: http.NotFoundHandler()})
	code, body, _ := get(t, h, "/incidents/outage/inbound/3")
	if code != 200 || !strings.Contains(body, "3 of 5 &lt;regions&gt;") || !strings.Contains(body, "0 lost of 9 sent") {
		t.Errorf("%d\n%s", code, body)
	}
	if code, _, _ := get(t, h, "/incidents/outage/inbound/4"); code != 404 {
		t.Errorf("an unknown incident answers %d", code)
	}
}

func TestAPIAnswersJSON(t *testing.T) {
	h := Handler(outage(), Options{Metrics: http.NotFoundHandler()})
	_, body, _ := get(t, h, "/api/v1/status")
	var st api.Status
	if err := json.Unmarshal([]byte(body), &st); err != nil || st.Services[0].Regions[0].Vote.Reason != vote.Overdue {
		t.Errorf("%v\n%s", err, body)
	}
	_, body, _ = get(t, h, "/api/v1/incidents/outage/inbound/3")
	var in api.Incident
	if err := json.Unmarshal([]byte(body), &in); err != nil || in.Epoch != 3 {
		t.Errorf("%v\n%s", err, body)
	}
	if code, body, _ := get(t, Handler(fixed{}, Options{Metrics: http.NotFoundHandler()}), "/api/v1/incidents"); code != 200 || strings.TrimSpace(body) != "[]" {
		t.Errorf("no incidents: %d %q", code, body)
	}
}

func TestHealth(t *testing.T) {
	f := outage()
	f.ready = errors.New("no report yet")
	h := Handler(f, Options{Metrics: http.NotFoundHandler()})
	if code, _, _ := get(t, h, "/-/healthy"); code != 200 {
		t.Errorf("healthy: %d", code)
	}
	if code, body, _ := get(t, h, "/-/ready"); code != 503 || !strings.Contains(body, "no report yet") {
		t.Errorf("ready: %d %q", code, body)
	}
}

func TestNothingCanBeWritten(t *testing.T) {
	h := Handler(outage(), Options{Metrics: http.NotFoundHandler()})
	for _, path := range []string{"/", "/api/v1/status", "/api/v1/incidents", "/metrics"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader("x")))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s answers %d", path, w.Code)
		}
	}
}

func TestDurationsAsPeopleSayThem(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0s", 90 * time.Second: "1m30s", 75 * time.Minute: "1h15m",
		26*time.Hour + 5*time.Minute: "26h5m", 72 * time.Hour: "3d"} {
		if got := took(d); got != want {
			t.Errorf("%v is told as %q, want %q", d, got, want)
		}
	}
}
