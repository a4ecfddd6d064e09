package agent

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/agent/journal"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/secret"
	"mailquorum/internal/telemetry"
	"mailquorum/probes"
	"mailquorum/probes/collect"
	"mailquorum/probes/mailtest"
	"mailquorum/probes/submit"
)

const worldPassword = "correct horse battery staple 0815"

// world is one agent, whose peers are away, and its provider, in virtual time.
type world struct {
	*testing.T
	provider *mailtest.Provider
	network  *mailtest.Network
	roster   *roster.Roster
	journal  *journal.Journal
	agent    *Agent
	dir      string
	change   func(*Config) // of the agent's configuration; may be nil
	stop     func()
}

// inWorld runs a tale about an agent that is up.
func inWorld(t *testing.T, change func(*Config), tale func(w *world)) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, network: mailtest.NewNetwork(), dir: dir, change: change, roster: reporttest.Roster([]string{"mail"}, "here", "there", "beyond")}
		ca, err := mailtest.NewCA()
		if err != nil {
			t.Fatal(err)
		}
		w.provider, err = mailtest.StartProvider(mailtest.ProviderConfig{Listen: w.network.Listen, Domain: "provider.test", CA: ca,
			SMTPS: "mail.provider.test:465", IMAPS: "mail.provider.test:993", MX: "mail.provider.test:25",
			Users: []mailtest.User{{Name: "canary", Password: worldPassword}}})
		if err != nil {
			t.Fatal(err)
		}
		w.start()
		tale(w)
		w.stop()
		if err := w.provider.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute) // timers of the mesh library run out
		synctest.Wait()
	})
}

// start starts the agent; stop ends it and closes its journal.
func (w *world) start() {
	w.Helper()
	var err error
	if w.journal, err = journal.Open(filepath.Join(w.dir, "agent.db")); err != nil {
		w.Fatal(err)
	}
	mesh, err := w.network.Listen("agent-here:7946")
	if err != nil {
		w.Fatal(err)
	}
	dial := w.network.Dial("agent-here")
	trust := &tls.Config{RootCAs: w.provider.CA()}
	cfg := Config{Roster: w.roster, Node: "agent-here", Key: reporttest.Key("agent-here"), Journal: w.journal,
		Listener: mesh, Dial: dial, Metrics: telemetry.NewMetrics("test"), Log: slog.New(slog.DiscardHandler),
		Mailboxes: []collect.Config{{Name: "canaries", Address: "mail.provider.test:993", TLSConfig: trust, Username: "canary",
			Password: secret.New(worldPassword), Dial: dial, Backoff: 10 * time.Second}},
		Routes: []Route{{Name: "here-mail", Service: "mail", To: "canary@provider.test", Mailbox: "canaries",
			Submit: submit.Config{Address: "mail.provider.test:465", TLS: submit.Implicit, TLSConfig: trust, Username: "canary",
				Password: secret.New(worldPassword), From: "canary@provider.test", To: "canary@provider.test", Dial: dial}}}}
	if w.change != nil {
		w.change(&cfg)
	}
	if w.agent, err = New(cfg); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.agent.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.Error(err)
		}
		if err := w.journal.Close(); err != nil {
			w.Error(err)
		}
	}
}

// canaries returns all that the journal keeps, oldest first.
func (w *world) canaries() []probes.Canary {
	w.Helper()
	rows, err := w.journal.DB().Query(`SELECT id FROM canary ORDER BY sent`)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	var out []probes.Canary
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			w.Fatal(err)
		}
		c, ok, err := w.journal.Canary(probes.ID(id))
		if err != nil || !ok {
			w.Fatal(ok, err)
		}
		out = append(out, c)
	}
	return out
}

// outcomes counts them.
func (w *world) outcomes() map[probes.Outcome]int {
	out := map[probes.Outcome]int{}
	for _, c := range w.canaries() {
		out[c.Outcome]++
	}
	return out
}

// within fails the test unless ok becomes true in time.
func (w *world) within(limit time.Duration, what string, ok func() bool) {
	w.Helper()
	for began := time.Now(); !ok(); time.Sleep(time.Second) {
		if time.Since(began) > limit {
			w.Fatalf("not within %v: %s; outcomes %v", limit, what, w.outcomes())
		}
	}
}

// has waits until a canary has that outcome, and returns the oldest one.
func (w *world) has(limit time.Duration, o probes.Outcome) (c probes.Canary) {
	w.Helper()
	w.within(limit, o.String(), func() bool {
		for _, c = range w.canaries() {
			if c.Outcome == o {
				return true
			}
		}
		return false
	})
	return c
}

// get asks the agent's own HTTP server.
func (w *world) get(path string) (int, string) {
	rec := httptest.NewRecorder()
	w.agent.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	return rec.Code, rec.Body.String()
}

// metric returns the value of a series.
func (w *world) metric(series string) string {
	_, page := w.get("/metrics")
	for line := range strings.Lines(page) {
		if v, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (w *world) inbox() int {
	w.Helper()
	n, err := w.provider.Count("canary", "INBOX")
	if err != nil {
		w.Fatal(err)
	}
	return n
}
