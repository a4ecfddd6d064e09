package pagerdutytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"
)

const maxEvent = 512 << 10

// Answer is the body of an answer.
type Answer struct {
	Status   string   `json:"status"`
	Message  string   `json:"message"`
	DedupKey string   `json:"dedup_key,omitempty"`
	Errors   []string `json:"errors,omitempty"`
}

type event struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	Payload    *struct {
		Summary  string `json:"summary"`
		Source   string `json:"source"`
		Severity string `json:"severity"`
	} `json:"payload"`
}

// judge checks an event as the API does.
func (s *Server) judge(body []byte) (Call, Answer) {
	c := Call{At: time.Now().UTC(), Status: http.StatusBadRequest}
	refuse := func(errs ...string) (Call, Answer) {
		c.Errors = errs
		return c, Answer{Status: "invalid event", Message: "Event object is invalid", Errors: errs}
	}
	if len(body) > maxEvent {
		c.Status = http.StatusRequestEntityTooLarge
		return c, Answer{Status: "invalid event", Message: "Event object is too large"}
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return refuse("no JSON object")
	}
	c.Action, c.Key, c.Routing, c.Payload = e.Action, e.DedupKey, routing(e.RoutingKey), payload(body)
	var errs []string
	switch {
	case e.RoutingKey == "":
		errs = append(errs, "'routing_key' is missing or blank")
	case s.keys != nil && !s.keys[e.RoutingKey]:
		errs = append(errs, "Invalid routing key")
	}
	if utf8.RuneCountInString(e.DedupKey) > 255 {
		errs = append(errs, "'dedup_key' is longer than 255 characters")
	}
	switch e.Action {
	case "trigger":
		errs = append(errs, triggerErrors(e)...)
	case "acknowledge", "resolve":
		if e.DedupKey == "" {
			errs = append(errs, "'dedup_key' is missing or blank")
		}
	default:
		errs = append(errs, "'event_action' is invalid (must be one of: trigger, acknowledge, resolve)")
	}
	if errs != nil {
		return refuse(errs...)
	}
	if c.Key == "" {
		c.Key = fmt.Sprintf("generated-%d", len(s.calls))
	}
	c.Status = http.StatusAccepted
	return c, Answer{Status: "success", Message: "Event processed", DedupKey: c.Key}
}

func triggerErrors(e event) (errs []string) {
	if e.Payload == nil {
		return []string{"'payload' is missing or blank"}
	}
	if e.Payload.Summary == "" || utf8.RuneCountInString(e.Payload.Summary) > 1024 {
		errs = append(errs, "'payload.summary' is missing, blank or longer than 1024 characters")
	}
	if e.Payload.Source == "" {
		errs = append(errs, "'payload.source' is missing or blank")
	}
	switch e.Payload.Severity {
	case "critical", "error", "warning", "info":
	default:
		errs = append(errs, "'payload.severity' is invalid (must be one of: critical, warning, error, info)")
	}
	return errs
}

// payload is the event's payload as it was sent: never its routing key.
func payload(body []byte) json.RawMessage {
	var e struct {
		Payload json.RawMessage `json:"payload"`
	}
	if json.Unmarshal(body, &e) != nil {
		return nil
	}
	return e.Payload
}

// apply gives the event its effect.
func (s *Server) apply(c *Call, body []byte) {
	c.Accepted = true
	open := -1
	for i := range s.incidents {
		if s.incidents[i].Key == c.Key && s.incidents[i].Open() {
			open = i
		}
	}
	switch {
	case c.Action == "trigger" && open >= 0:
		c.Effect = "folded"
		s.incidents[open].Triggers++
	case c.Action == "trigger":
		c.Effect = "opened"
		var e event
		_ = json.Unmarshal(body, &e) // judge has done it before
		s.incidents = append(s.incidents, Incident{Key: c.Key, Summary: e.Payload.Summary, Severity: e.Payload.Severity,
			Source: e.Payload.Source, Opened: c.At, Triggers: 1})
	case open < 0:
		c.Effect = "dropped"
	case c.Action == "acknowledge":
		c.Effect = "acknowledged"
		s.incidents[open].Acknowledged = c.At
	default:
		c.Effect = "resolved"
		s.incidents[open].Resolved = c.At
	}
}

// recorder is the ResponseWriter of RoundTrip.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	cut    error
	done   chan struct{}
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func (w *recorder) response(r *http.Request) (*http.Response, error) {
	if w.cut != nil {
		return nil, w.cut
	}
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		StatusCode: w.status, Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}
