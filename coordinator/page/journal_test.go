package page_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"mailquorum/coordinator/store"
	"mailquorum/internal/api"
)

// The decision is on disk, the process is gone: the next one pages from the
// journal, and the one after that does not page again. Two days later, with all
// but the open incident's rows forgotten, the close still resolves it.
func TestPagesFromTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.ranked(key(1))[2] // alone, and last in rank
		life := func(story func()) {
			s, err := store.Open(path, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			n.store = s
			story()
			n.stop()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		id := "outage/mx/1"
		life(func() {
			n.decide(key(1), true)
			n.store.Note(store.Change{Incident: &api.Incident{ID: id, Key: key(1), State: "open", Opened: time.Now()}})
		})
		life(func() { n.start(); sleep(time.Minute) })
		want(t, "triggers", len(w.calls(store.Trigger, false)), 1)
		life(func() {
			n.start()
			sleep(48 * time.Hour)
			if inc, _ := n.store.Incident(id); inc.PagedBy != n.name || inc.Paged.IsZero() {
				t.Errorf("%+v", inc)
			}
		})
		want(t, "triggers", len(w.calls(store.Trigger, false)), 1)
		life(func() { n.start(); n.decide(key(1), false); sleep(time.Minute) })
		want(t, "alerts open", w.openAlerts(), 0)
	})
}

// A disk that cannot be written stops no page.
func TestPagesWithoutAJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	if err := os.Mkdir(path, 0o700); err != nil { // a folder stands where the file should
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, n := range w.nodes {
			s, err := store.Open(path, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			n.store = s
		}
		w.start()
		w.decide(key(1), true)
		sleep(time.Minute)
		w.decide(key(1), false)
		sleep(50 * time.Second)
		want(t, "triggers", len(w.calls(store.Trigger, false)), 1)
		want(t, "resolves", len(w.calls(store.Resolve, false)), 1)
		if !w.nodes[0].store.Unjournaled() {
			t.Error("it claims to be journalled")
		}
		w.stop()
	})
}
