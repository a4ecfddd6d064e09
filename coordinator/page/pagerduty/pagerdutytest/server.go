// Package pagerdutytest is a stand-in for PagerDuty's Events API v2 with its
// semantics: events of one key fold into one open alert, a trigger after the
// resolve opens a new one, a resolve without an open alert is accepted and
// dropped, and every accepted event is answered 202. Faults can be switched on.
//
//	POST   /v2/enqueue  the API
//	GET    /calls       every call, as JSON ([]Call)
//	GET    /incidents   every alert, as JSON ([]Incident)
//	PUT    /fault       sets the fault (Fault as JSON)
//	DELETE /fault       ends it
//	DELETE /calls       forgets calls and alerts
package pagerdutytest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Call is one request to /v2/enqueue.
type Call struct {
	At       time.Time       `json:"at"`
	Action   string          `json:"action"`
	Key      string          `json:"key"`
	Status   int             `json:"status"`           // the answer; 0: the connection was cut or the client gave up
	Accepted bool            `json:"accepted"`         // it took effect, whatever was answered
	Effect   string          `json:"effect,omitempty"` // opened, folded, acknowledged, resolved, dropped
	Routing  string          `json:"routing"`          // first 8 hex digits of SHA-256 of the routing key
	Payload  json.RawMessage `json:"payload,omitempty"`
	Errors   []string        `json:"errors,omitempty"`
}

// Incident is one alert, from its trigger to its resolve.
type Incident struct {
	Key          string    `json:"key"`
	Summary      string    `json:"summary"`
	Severity     string    `json:"severity"`
	Source       string    `json:"source"`
	Opened       time.Time `json:"opened"`
	Acknowledged time.Time `json:"acknowledged,omitzero"`
	Resolved     time.Time `json:"resolved,omitzero"`
	Triggers     int       `json:"triggers"` // the first and those folded into it
}

// Open reports whether the alert is open.
func (i Incident) Open() bool { return i.Resolved.IsZero() }

// Fault is what is wrong with the API. The zero Fault is nothing.
type Fault struct {
	Status     int           `json:"status,omitempty"`      // answer this instead of 202
	RetryAfter int           `json:"retry_after,omitempty"` // seconds; 0: no such header
	Accept     bool          `json:"accept,omitempty"`      // the event takes effect all the same
	Cut        bool          `json:"cut,omitempty"`         // cut the connection instead of answering
	Hang       time.Duration `json:"hang,omitempty"`        // wait this long (nanoseconds) before answering; a client that gives up ends it
	Times      int           `json:"times,omitempty"`       // ends after so many calls; 0: never
}

// Server is the stand-in: an http.Handler, and an http.RoundTripper for tests
// without a network. Its zero value is ready. It is safe for concurrent use.
type Server struct {
	mu        sync.Mutex
	keys      map[string]bool
	fault     Fault
	calls     []Call
	incidents []Incident
}

// Accept makes the server refuse all routing keys but these, as PagerDuty does
// with keys that it does not know. Without it any key is good.
func (s *Server) Accept(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = map[string]bool{}
	for _, k := range keys {
		s.keys[k] = true
	}
}

// SetFault replaces the fault.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Calls returns every call so far, oldest first.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Incidents returns every alert so far, oldest first.
func (s *Server) Incidents() []Incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.incidents)
}

// ServeHTTP serves the API and the views.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /v2/enqueue":
		s.enqueue(w, r)
	case "GET /calls":
		view(w, s.Calls())
	case "GET /incidents":
		view(w, s.Incidents())
	case "DELETE /calls":
		s.mu.Lock()
		s.calls, s.incidents = nil, nil
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case "PUT /fault":
		var f Fault
		if err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.SetFault(f)
		w.WriteHeader(http.StatusNoContent)
	case "DELETE /fault":
		s.SetFault(Fault{})
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

func view[T any](w http.ResponseWriter, list []T) {
	if list == nil {
		list = []T{}
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(list) // the reader has gone
}

func (s *Server) enqueue(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEvent+1))
	if err != nil {
		return // the client has gone before it said anything
	}
	s.mu.Lock()
	f := s.fault
	if s.fault.Times > 0 {
		if s.fault.Times--; s.fault.Times == 0 {
			s.fault = Fault{}
		}
	}
	c, answer := s.judge(body)
	faulty := f.Cut || f.Status != 0
	if c.Status == http.StatusAccepted && (!faulty || f.Accept) {
		s.apply(&c, body)
	}
	if faulty {
		c.Status, answer = f.Status, Answer{Status: "error", Message: "fault of the stand-in", Errors: []string{http.StatusText(f.Status)}}
	}
	if f.Cut {
		c.Status = 0
	}
	s.calls = append(s.calls, c)
	place := len(s.calls) - 1
	s.mu.Unlock()

	if f.Hang > 0 {
		timer := time.NewTimer(f.Hang)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			s.gaveUp(place)
			return
		}
	}
	if f.Cut {
		panic(http.ErrAbortHandler) // net/http's way to cut a connection
	}
	w.Header().Set("Content-Type", "application/json")
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	w.WriteHeader(c.Status)
	_ = json.NewEncoder(w).Encode(answer) // the client has gone
}

func (s *Server) gaveUp(place int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place < len(s.calls) {
		s.calls[place].Status = 0
	}
}

func routing(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:4])
}

// RoundTrip serves the request in this process.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &recorder{header: http.Header{}, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		defer func() {
			if e := recover(); e != nil {
				w.cut = fmt.Errorf("connection cut: %v", e)
			}
		}()
		s.ServeHTTP(w, r)
	}()
	select {
	case <-w.done:
		return w.response(r)
	case <-r.Context().Done():
		<-w.done // the handler ends with the context too
		return nil, r.Context().Err()
	}
}
