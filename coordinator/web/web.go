// Package web serves what a coordinator knows: the status page for people, the
// JSON API, metrics and health. It reads; nothing can be changed through it.
package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"mailquorum/internal/api"
)

// Source is the coordinator as seen from here. Its methods do not block.
type Source interface {
	Status() api.Status
	Incidents() []api.Incident // newest first, with their time lines
	Healthy() error            // nil while its loop turns
	Ready() error              // nil once it has heard enough to decide
}

// Options are what differs between a coordinator and the demonstration.
type Options struct {
	Metrics http.Handler
	Buttons []Button // shown on the status page; none on a real coordinator
}

// Button is a form with one button. It posts to Path.
type Button struct{ Label, Path string }

//go:embed page.tmpl incident.tmpl style.css
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"ago":   ago,
	"clock": func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"mark":  mark,
	"took":  func(from, to time.Time) string { return took(to.Sub(from)) },
}).ParseFS(files, "*.tmpl"))

// Handler serves /, /incidents/..., /api/v1/..., /metrics and /-/...
func Handler(src Source, opt Options) http.Handler {
	mux := http.NewServeMux()
	css, err := files.ReadFile("style.css")
	if err != nil {
		panic(err) // embedded
	}
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=300")
		w.Write(css)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		st := src.Status()
		render(w, http.StatusOK, "page.tmpl", map[string]any{"S": st, "Worst": worst(st.Services), "Buttons": opt.Buttons})
	})
	mux.HandleFunc("GET /incidents/{id...}", func(w http.ResponseWriter, r *http.Request) {
		in, ok := find(src.Incidents(), r.PathValue("id"))
		if !ok {
			http.Error(w, "no such incident", http.StatusNotFound)
			return
		}
		render(w, http.StatusOK, "incident.tmpl", map[string]any{"I": in, "Cluster": src.Status().Cluster})
	})
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, src.Status()) })
	mux.HandleFunc("GET /api/v1/incidents", func(w http.ResponseWriter, _ *http.Request) {
		all := src.Incidents()
		if all == nil {
			all = []api.Incident{}
		}
		answer(w, http.StatusOK, all)
	})
	mux.HandleFunc("GET /api/v1/incidents/{id...}", func(w http.ResponseWriter, r *http.Request) {
		in, ok := find(src.Incidents(), r.PathValue("id"))
		if !ok {
			answer(w, http.StatusNotFound, map[string]string{"error": "no such incident"})
			return
		}
		answer(w, http.StatusOK, in)
	})
	mux.HandleFunc("GET /-/healthy", health(src.Healthy))
	mux.HandleFunc("GET /-/ready", health(src.Ready))
	mux.Handle("GET /metrics", opt.Metrics)
	return guarded(mux)
}

// guarded sets the headers that keep a page from being more than a page.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

func health(ask func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := ask(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

func render(w http.ResponseWriter, code int, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page cannot be drawn: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	w.Write(b.Bytes())
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(v)
}

func find(all []api.Incident, id string) (api.Incident, bool) {
	for _, in := range all {
		if in.ID == id {
			return in, true
		}
	}
	return api.Incident{}, false
}

// severity orders the states of the light, best first.
var severity = []api.State{api.Up, api.Unknown, api.Regional, api.Degraded, api.Recovering, api.Blind, api.Down}

// worst is the state that the page's headline shows.
func worst(services []api.Service) api.State {
	w := 0
	for _, s := range services {
		for i, st := range severity {
			if st == s.State {
				w = max(w, i)
			}
		}
	}
	return severity[w]
}

// mark is the sign of an opinion, as in the drawing of a vote.
func mark(r api.Region) string {
	if !r.Fresh {
		return "·"
	}
	switch r.Vote.Opinion.String() {
	case "up":
		return "✓"
	case "down":
		return "✗"
	case "abstain":
		return "–"
	}
	return "·"
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return took(now.Sub(t)) + " ago"
}

// took is a duration as people say it.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 2*time.Minute:
		return d.Truncate(time.Second).String()
	case d < 2*time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
