package pagerdutytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// client talks to a stand-in that Serve serves.
type client struct {
	t    *testing.T
	base string
}

func serve(t *testing.T) client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, &Server{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return client{t, "http://" + l.Addr().String()}
}

func (c client) do(method, path, body string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func enqueue(action, key string) string {
	return fmt.Sprintf(`{"routing_key":"SECRETKEY","event_action":%q,"dedup_key":%q,"payload":{"summary":"s","source":"x","severity":"critical"}}`, action, key)
}

func TestStandInOverHTTP(t *testing.T) {
	c := serve(t)
	for _, s := range []struct {
		body   string
		status int
	}{
		{enqueue("trigger", "a"), 202}, {enqueue("trigger", "a"), 202}, {enqueue("acknowledge", "a"), 202}, {enqueue("resolve", "a"), 202},
		{enqueue("resolve", "a"), 202}, {enqueue("trigger", "a"), 202}, {enqueue("trigger", ""), 202},
		{`{"event_action":"trigger","routing_key":"k"}`, 400}, {`{`, 400}, {enqueue("page", "a"), 400}, {enqueue("resolve", ""), 400},
		{enqueue("trigger", strings.Repeat("x", 256)), 400}, {strings.Repeat(" ", 600<<10), 413},
	} {
		if status, answer := c.do("POST", "/v2/enqueue", s.body); status != s.status {
			t.Errorf("%.80s: %d %s, want %d", s.body, status, answer, s.status)
		}
	}
	_, body := c.do("GET", "/calls", "")
	if strings.Contains(body, "SECRETKEY") {
		t.Error("the routing key is shown")
	}
	var calls []Call
	if err := json.Unmarshal([]byte(body), &calls); err != nil {
		t.Fatal(err)
	}
	var effects []string
	for _, call := range calls {
		effects = append(effects, call.Effect)
	}
	if got := strings.TrimSpace(strings.Join(effects, " ")); got != "opened folded acknowledged resolved dropped opened opened" {
		t.Error(got)
	}
	_, body = c.do("GET", "/incidents", "")
	var incidents []Incident
	if err := json.Unmarshal([]byte(body), &incidents); err != nil {
		t.Fatal(err)
	}
	if len(incidents) != 3 || incidents[0].Triggers != 2 || incidents[0].Open() || !incidents[1].Open() {
		t.Errorf("%+v", incidents)
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	c := serve(t)
	if status, body := c.do("PUT", "/fault", `{"status":503,"times":1}`); status != 204 {
		t.Fatal(status, body)
	}
	if status, _ := c.do("POST", "/v2/enqueue", enqueue("trigger", "a")); status != 503 {
		t.Errorf("faulty: %d", status)
	}
	if status, _ := c.do("POST", "/v2/enqueue", enqueue("trigger", "b")); status != 202 {
		t.Errorf("after one time: %d", status)
	}
	c.do("PUT", "/fault", `{"cut":true,"accept":true}`)
	if status, _ := c.do("POST", "/v2/enqueue", enqueue("trigger", "c")); status != 0 {
		t.Errorf("cut: %d", status)
	}
	c.do("DELETE", "/fault", "")
	_, body := c.do("GET", "/incidents", "")
	var incidents []Incident
	if err := json.Unmarshal([]byte(body), &incidents); err != nil || len(incidents) != 2 || incidents[1].Key != "c" {
		t.Errorf("%s %v", body, err)
	}
	c.do("DELETE", "/calls", "")
	if _, body := c.do("GET", "/calls", ""); strings.TrimSpace(body) != "[]" {
		t.Error(body)
	}
	if status, _ := c.do("PUT", "/fault", "x"); status != 400 {
		t.Errorf("bad fault: %d", status)
	}
	if status, _ := c.do("GET", "/", ""); status != 404 {
		t.Errorf("/: %d", status)
	}
}
