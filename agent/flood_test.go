package agent

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"mailquorum/agent/journal"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/telemetry"
	"mailquorum/probes"
	"mailquorum/probes/collect"
)

// BenchmarkLateFlood measures an agent into whose mailbox a backlog is delivered:
// each canary was lost, is found in the journal, and is on disk as late before its
// mail may be deleted.
func BenchmarkLateFlood(b *testing.B) {
	for _, backlog := range []int{1000, 20_000} {
		b.Run(fmt.Sprint(backlog), func(b *testing.B) { flood(b, backlog) })
	}
}

func flood(b *testing.B, backlog int) {
	j, err := journal.Open(filepath.Join(b.TempDir(), "agent.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	a, err := New(Config{Roster: reporttest.Roster([]string{"mail"}, "here", "there", "beyond"), Node: "agent-here", Key: reporttest.Key("agent-here"),
		Journal: j, Metrics: telemetry.NewMetrics("test"), Log: slog.New(slog.DiscardHandler),
		Mailboxes: []collect.Config{{Name: "canaries", Address: "mail.test:993", TLSConfig: &tls.Config{}}},
		Routes:    []Route{{Name: "here-mail", Service: "mail", To: "canary@mail.test", Mailbox: "canaries"}}})
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now().Add(-time.Hour)
	ids := make([]probes.ID, backlog)
	save := make(chan probes.ID, 512)
	done := make(chan error, 512)
	for range cap(done) { // together they share an fsync
		go func() {
			for id := range save {
				done <- j.Save(probes.Canary{ID: id, Route: "here-mail", Service: "mail", Sent: begin, Accepted: begin, Resolved: begin, Outcome: probes.Lost})
			}
		}()
	}
	go func() {
		for i := range ids {
			ids[i] = probes.NewID()
			save <- ids[i]
		}
		close(save)
	}()
	for range ids {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		tag := a.tagKey.Tag(ids[i%backlog])
		s := collect.Sighting{Mailbox: "canaries", Folder: "INBOX", UID: uint32(i + 1), UIDValidity: 1, At: time.Now(), Tags: []string{tag}}
		if !a.sighted("canaries", s) {
			b.Fatal("not its own")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "arrivals/s")
	b.ReportMetric(float64(len(a.follow.byID)), "in-memory")
}
