package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mailquorum/coordinator/page"
	"mailquorum/coordinator/page/pagerduty/pagerdutytest"
	"mailquorum/coordinator/store"
	"mailquorum/internal/secret"
)

const routingKey = "R0UT1NGKEYMARKER/+=&"

func dest(t *testing.T, h http.Handler) *Destination {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	d, err := New(Config{URL: srv.URL, RoutingKey: secret.New(routingKey), ClientURL: "https://status.example"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func trigger() page.Event {
	return page.Event{Action: store.Trigger, Key: "mailquorum/test/outage/mx/1", Summary: "outage: mx", Severity: page.Critical, Source: "example",
		Component: "mx", Class: "outage", At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Details: map[string]any{"votes": "3 of 5"},
		Links: []page.Link{{Href: "https://status.example/i/1", Text: "incident"}}}
}

func TestEventsArriveAsPagerDutyWantsThem(t *testing.T) {
	pd := &pagerdutytest.Server{}
	pd.Accept(routingKey)
	d := dest(t, pd)
	for _, a := range []store.Action{store.Trigger, store.Trigger, store.Resolve, store.Resolve, store.Trigger} {
		e := trigger()
		e.Action = a
		if r, err := d.Send(t.Context(), e); err != nil || r.ID != e.Key {
			t.Fatalf("%s: %+v, %v", a, r, err)
		}
	}
	var effects []string
	for _, c := range pd.Calls() {
		effects = append(effects, c.Effect)
	}
	if got := strings.Join(effects, " "); got != "opened folded resolved dropped opened" {
		t.Error(got)
	}
	var p map[string]any
	if err := json.Unmarshal(pd.Calls()[0].Payload, &p); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"summary": "outage: mx", "severity": "critical", "source": "example", "component": "mx", "class": "outage", "timestamp": "2026-11-22T10:00:00Z"} {
		if p[k] != want {
			t.Errorf("%s: %v, want %s", k, p[k], want)
		}
	}
}

func TestLimitsAreRespected(t *testing.T) {
	pd := &pagerdutytest.Server{}
	d := dest(t, pd)
	e := trigger()
	e.Summary = strings.Repeat("ü", 3000)
	e.Severity, e.Source = "dreadful", ""
	e.Details = map[string]any{"small": "kept", "large": strings.Repeat("x", 600<<10), "odd": make(chan int)}
	if _, err := d.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var p struct {
		Summary, Severity string
		Details           map[string]any `json:"custom_details"`
	}
	if err := json.Unmarshal(pd.Calls()[0].Payload, &p); err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(p.Summary)); n != MaxSummary || p.Severity != "critical" || p.Details["small"] != "kept" || len(p.Details) != 1 {
		t.Errorf("summary of %d, severity %s, details %v", n, p.Severity, len(p.Details))
	}
}

func TestErrorsSayWhetherToTryAgain(t *testing.T) {
	answer := func(status int, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		h                   http.HandlerFunc
		permanent, rejected bool
		after               time.Duration
		text                string
	}{
		"429":            {answer(429, `{"message":"slow down"}`, "Retry-After", "17"), false, true, 17 * time.Second, "slow down"},
		"429 till then":  {answer(429, ``, "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), false, true, -1, "429"},
		"429 nonsense":   {answer(429, ``, "Retry-After", "soon"), false, true, 0, "429"},
		"429 for ever":   {answer(429, ``, "Retry-After", "99999999"), false, true, 24 * time.Hour, "429"},
		"503":            {answer(503, "upstream\x1b[31m"), false, false, 0, `upstream\x1b[31m`},
		"400":            {answer(400, `{"status":"invalid event","errors":["no"]}`), true, true, 0, "invalid event"},
		"400, echoing":   {answer(400, `Invalid routing key `+routingKey+` `+url.QueryEscape(routingKey)), true, true, 0, "<secret>"},
		"portal":         {answer(200, `<html>log in</html>`), false, false, 0, "not PagerDuty's answer"},
		"202, no JSON":   {answer(202, `accepted`), false, false, 0, "not PagerDuty's answer"},
		"202, no status": {answer(202, `{}`), false, false, 0, "not PagerDuty's answer"},
		"redirect":       {answer(302, ``, "Location", "https://elsewhere.example/"), false, false, 0, "302"},
		"flood":          {answer(500, strings.Repeat("x", 1<<20)), false, false, 0, "xxx"},
		"cut":            {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, false, 0, "EOF"},
	} {
		_, err := dest(t, c.h).Send(t.Context(), trigger())
		var e *page.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if e.Permanent != c.permanent || e.Rejected != c.rejected || c.after >= 0 && e.RetryAfter != c.after || c.after < 0 && e.RetryAfter < 50*time.Minute {
			t.Errorf("%s: %+v", name, e)
		}
		if !strings.Contains(err.Error(), c.text) || len(err.Error()) > 600 {
			t.Errorf("%s: %q, want %q in it", name, err, c.text)
		}
		if strings.Contains(err.Error(), routingKey) || strings.Contains(err.Error(), url.QueryEscape(routingKey)) {
			t.Errorf("%s: the routing key is in %q", name, err)
		}
	}
}

func TestUnreachableIsCertainlyNotAccepted(t *testing.T) {
	srv := httptest.NewServer(nil)
	at := srv.URL
	srv.Close()
	d, err := New(Config{URL: at, RoutingKey: secret.New(routingKey)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Send(t.Context(), trigger())
	var e *page.Error
	if !errors.As(err, &e) || !e.Rejected || e.Permanent {
		t.Errorf("%+v", err)
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	pd := &pagerdutytest.Server{}
	pd.SetFault(pagerdutytest.Fault{Hang: time.Hour, Accept: true, Status: 202})
	d := dest(t, pd)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(pd.Calls()) == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := d.Send(ctx, trigger())
	var e *page.Error
	if !errors.As(err, &e) || e.Rejected || e.Permanent {
		t.Errorf("%+v", err)
	}
	if len(pd.Incidents()) != 1 {
		t.Error("it was not accepted")
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for _, c := range []Config{
		{URL: "https://x.example"}, {URL: "://", RoutingKey: secret.New("x")}, {URL: "ftp://x", RoutingKey: secret.New("x")},
		{URL: "https://user:marker@x.example", RoutingKey: secret.New("x")},
	} {
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "marker") {
			t.Errorf("%q: %v", c.URL, err)
		}
	}
	d, err := New(Config{URL: "https://x.example/v2/enqueue", RoutingKey: secret.New("x")})
	if err != nil || d.cfg.URL != "https://x.example" || d.Name() != "pagerduty" || !d.Sweeps() {
		t.Errorf("%+v, %v", d, err)
	}
}
