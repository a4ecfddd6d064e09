package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"mailquorum/internal/vote"
)

// RouteView is what the agent's debug page tells of a route.
type RouteView struct {
	Route   string    `json:"route"`
	Service string    `json:"service"`
	Vote    vote.Vote `json:"vote"` // after the local judgement
	Pending int       `json:"pending"`
	Oldest  float64   `json:"oldest_pending_seconds"`
}

// Handler serves /metrics, /-/healthy (the process turns), /-/ready (every
// mailbox has been read once, and the journal can be written), /debug/routes (JSON) and
// /debug/transcript/ROUTE (text: what was said when the route last failed).
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.cfg.Metrics)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		if !a.Alive() {
			http.Error(w, "the agent's loop does not turn", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		for name := range a.boxes {
			if !a.metrics.everScanned(name) {
				http.Error(w, "mailbox "+name+" has not been read yet", http.StatusServiceUnavailable)
				return
			}
		}
		if err := a.cfg.Journal.Writable(); err != nil {
			http.Error(w, "no canary is sent: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /debug/routes", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(a.Routes())
	})
	mux.HandleFunc("GET /debug/transcript/{route}", a.transcript)
	return mux
}

// Routes returns the present view of every route.
func (a *Agent) Routes() []RouteView {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]RouteView, 0, len(a.routes))
	for _, r := range a.routes {
		n, oldest := a.follow.pending(now, r.Name)
		out = append(out, RouteView{r.Name, r.Service, a.local.Judge(now, r.evidence.Vote(now)), n, oldest.Seconds()})
	}
	return out
}
