package agent

import (
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailquorum/probes"
)

// While the journal cannot be written the agent is not ready, and says why, once a
// minute; when it can again all is well.
func TestAnUnwritableJournalIsNotReady(t *testing.T) {
	var log lines
	inWorld(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }, func(w *world) {
		ready := func() bool { code, _ := w.get("/-/ready"); return code == http.StatusOK }
		w.within(time.Minute, "ready", ready)
		pages := func(most int) { // a disk of so many pages, but not less than are used
			if err := w.journal.Write(func(tx *sql.Tx) error {
				_, err := tx.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", most))
				return err
			}); err != nil && most == 1 {
				w.Fatal(err)
			}
		}
		pages(1)
		fill := strings.Repeat("x", 4096)
		save := func() {
			w.agent.save(probes.Canary{ID: probes.NewID(), Route: "here-mail", Service: "mail", Sent: time.Now(), Error: fill})
		}
		w.within(2*time.Minute, "not ready", func() bool { save(); return !ready() })
		for range 100 {
			save()
			time.Sleep(6 * time.Second)
		}
		if n := log.count("level=ERROR", "journal cannot be written"); n < 8 || n > 14 {
			w.Errorf("%d lines in ten minutes, want about one a minute", n)
		}
		pages(1 << 30)
		w.within(2*time.Minute, "ready again", ready)
		if n := log.count("level=INFO", "written again"); n == 0 || n > 14 { // what is small may still fit
			w.Errorf("said %d times that the journal works again", n)
		}
	})
}

func TestARemovedStateDirectoryIsNoticed(t *testing.T) {
	var log lines
	inWorld(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }, func(w *world) {
		w.within(time.Minute, "ready", func() bool { code, _ := w.get("/-/ready"); return code == http.StatusOK })
		files, err := filepath.Glob(filepath.Join(w.dir, "*"))
		if err != nil {
			w.Fatal(err)
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				w.Fatal(err)
			}
		}
		if code, text := w.get("/-/ready"); code != http.StatusServiceUnavailable || !strings.Contains(text, "agent.db was removed") {
			w.Errorf("%d %s", code, text)
		}
		sent := len(w.canaries())
		time.Sleep(5 * time.Minute)
		if n := len(w.canaries()); n != sent {
			w.Errorf("%d canaries were sent that no journal knows", n-sent)
		}
		if log.count("level=ERROR", "no canary sent", "was removed") == 0 {
			w.Error("it is not logged")
		}
	})
}
