package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailquorum/internal/api"
	"mailquorum/internal/journal"
)

var t0 = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shut(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, s *Store, c Change) {
	t.Helper()
	if err := s.Commit(c); err != nil {
		t.Fatal(err)
	}
}

func incidentOf(epoch int) *api.Incident {
	return &api.Incident{
		ID: fmt.Sprintf("outage/mx/%d", epoch), Subject: "outage/mx", Epoch: uint64(epoch), Key: fmt.Sprintf("mailquorum/test/outage/mx/%d", epoch),
		State: "open", Service: "mx", Provider: "example", Onset: t0, Opened: t0.Add(time.Duration(epoch) * time.Minute),
	}
}

func trigger(key string) Job {
	return Job{JobID: JobID{Key: key, Action: Trigger}, Event: json.RawMessage(`{"a":1}`), Created: t0}
}

func resolve(key string) Job {
	return Job{JobID: JobID{Key: key, Action: Resolve}, Event: json.RawMessage(`{}`), Created: t0, Delay: time.Second}
}

func sent(key string, action Action, who string) Claim {
	return Claim{ClaimID: ClaimID{Key: key, Action: action, Destination: "pagerduty", Coordinator: who},
		State: Sent, Attempt: 1, At: t0.Add(time.Minute), Raw: []byte("signed"), Seen: t0}
}

// everything is what a store can be asked for.
func everything(s *Store) []any {
	return []any{s.Machines(), s.Incidents(100), s.Jobs(true), s.Claims("")}
}

func TestEverythingIsThereAfterRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	s := open(t, path)
	inc := incidentOf(1)
	commit(t, s, Change{
		Machine:  &Machine{"outage/mx", []byte(`{"x":1}`), []byte{0, 1, 2}},
		Incident: inc, Events: []api.Event{{At: t0, What: "opened", Text: "2 of 3"}},
		Jobs: []Job{trigger(inc.Key)}, Claims: []Claim{sent(inc.Key, Trigger, "c1")},
	})
	s.Note(Change{Incident: incidentOf(2)})
	s.UpdateJob(JobID{inc.Key, Trigger, 0}, func(j *Job) { j.Attempts, j.State, j.Why = 2, Done, "sent" })
	want := everything(s)
	shut(t, s)
	s = open(t, path)
	defer shut(t, s)
	if diff := cmp.Diff(want, everything(s)); diff != "" {
		t.Errorf("after restart (-before +after):\n%s", diff)
	}
	if s.Unjournaled() || len(s.Damaged()) > 0 {
		t.Errorf("unjournaled %v, damaged %v", s.Unjournaled(), s.Damaged())
	}
	got, ok := s.Incident(inc.ID)
	if !ok || !got.Paged.Equal(t0.Add(time.Minute)) || got.PagedBy != "c1" || len(got.Timeline) != 2 || got.Timeline[1].What != "paged" {
		t.Errorf("incident %+v", got)
	}
}

// A process killed right after Commit leaves the decision and its page together.
func TestDecisionAndPageAreOneTransaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "a.db"))
	defer shut(t, s)
	for n := range 20 {
		inc := incidentOf(n)
		commit(t, s, Change{Incident: inc, Jobs: []Job{trigger(inc.Key)}})
		at := filepath.Join(dir, fmt.Sprintf("killed%d.db", n))
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, "a.db"+suffix))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at+suffix, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		after := open(t, at)
		if i, j := len(after.Incidents(100)), len(after.Jobs(false)); i != n+1 || j != n+1 {
			t.Errorf("killed after %d: %d incidents, %d jobs", n, i, j)
		}
		shut(t, after)
	}
}

func TestOppositeSupersedesWhatWaits(t *testing.T) {
	s := Memory()
	commit(t, s, Change{Jobs: []Job{trigger("a"), trigger("b")}})
	s.UpdateJob(JobID{"b", Trigger, 0}, func(j *Job) { j.State = Done })
	commit(t, s, Change{Jobs: []Job{resolve("a"), resolve("b"), trigger("a")}})
	var got []string
	for _, j := range s.Jobs(true) {
		got = append(got, fmt.Sprint(j.Key, " ", j.Action, " ", j.State))
	}
	want := []string{"a resolve waiting", "a trigger superseded", "b resolve waiting", "b trigger done"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommitKeepsWhatTheStoreKnows(t *testing.T) {
	s := Memory()
	inc := incidentOf(1)
	commit(t, s, Change{Claims: []Claim{sent(inc.Key, Trigger, "c2")}}) // before the incident is known here
	commit(t, s, Change{Incident: inc, Events: []api.Event{{What: "opened"}}})
	closed := *inc
	closed.State, closed.Closed = "closed", t0.Add(time.Hour)
	commit(t, s, Change{Incident: &closed, Events: []api.Event{{What: "closed"}}})
	early := sent(inc.Key, Trigger, "c1")
	early.At = t0.Add(time.Second)
	commit(t, s, Change{Claims: []Claim{early, early, sent(inc.Key, Resolve, "c1")}})
	got, _ := s.Incident(inc.ID)
	var lines []string
	for _, e := range got.Timeline {
		lines = append(lines, e.What+" "+e.Text)
	}
	want := []string{"opened ", "paged by c2 through pagerduty", "closed ", "paged by c1 through pagerduty", "resolved by c1 through pagerduty"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if got.PagedBy != "c1" || !got.Paged.Equal(early.At) || got.Resolved.IsZero() || got.State != "closed" {
		t.Errorf("%+v", got)
	}
}

// fill makes the journal refuse to grow, as a full disk does.
func fill(t *testing.T, s *Store, full bool) {
	t.Helper()
	pages := 1 << 30
	if full {
		pages = 1
	}
	if err := s.journal.Write(func(tx *sql.Tx) error {
		_, err := tx.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFullDiskIsSurvivedInMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s, err := Open(path, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s, true)
		inc := incidentOf(1)
		big := api.Event{At: t0, What: "opened", Text: strings.Repeat("x", 1<<16)}
		if err := s.Commit(Change{Incident: inc, Events: []api.Event{big}, Jobs: []Job{trigger(inc.Key)}}); !errors.Is(err, journal.ErrUnwritable) {
			t.Errorf("commit on a full disk: %v", err)
		}
		if !s.Unjournaled() {
			t.Error("not marked unjournaled")
		}
		for range 100 {
			if err := s.Commit(Change{Incident: inc, Events: []api.Event{{At: t0, What: "vote"}}}); !errors.Is(err, journal.ErrUnwritable) {
				t.Errorf("commit on a full disk: %v", err)
			}
		}
		if len(s.Jobs(false)) != 1 || len(s.Incidents(1)) != 1 {
			t.Error("the decision is not in memory")
		}
		fill(t, s, false)
		time.Sleep(again + time.Second)
		if s.Unjournaled() {
			t.Error("still unjournaled with space to write")
		}
		want := everything(s)
		shut(t, s)
		s = open(t, path)
		if diff := cmp.Diff(want, everything(s)); diff != "" {
			t.Errorf("after restart (-before +after):\n%s", diff)
		}
		shut(t, s)
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors logged, want 1:\n%s", n, log.String())
		}
	})
}

// The journal's folder is missing at the start and comes later, holding what was
// written before: memory and disk are joined.
func TestJournalThatComesLater(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.db")
	s := open(t, path)
	inc := incidentOf(1)
	commit(t, s, Change{Incident: inc, Events: []api.Event{{What: "opened"}}, Jobs: []Job{trigger(inc.Key), trigger("other")}})
	shut(t, s)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	hidden := path + ".hidden"
	if err := errors.Join(os.Rename(path, hidden), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, path) // a folder stands where the file should: it cannot be opened
		if boot, err := s.Boot(); !s.Unjournaled() || !errors.Is(err, journal.ErrUnwritable) || boot == 0 {
			t.Errorf("unjournaled %v, boot %d, %v", s.Unjournaled(), boot, err)
		}
		closed := *inc
		closed.State, closed.Closed = "closed", t0.Add(time.Hour)
		_ = s.Commit(Change{Incident: &closed, Events: []api.Event{{What: "closed"}}, Jobs: []Job{resolve(inc.Key)}})
		if err := errors.Join(os.Remove(path), os.Rename(hidden, path), os.Chmod(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(again + time.Second)
		if s.Unjournaled() {
			t.Error("still unjournaled")
		}
		got, _ := s.Incident(inc.ID)
		if len(got.Timeline) != 2 || got.State != "closed" || len(s.Jobs(false)) != 3 {
			t.Errorf("incident %+v, jobs %+v", got, s.Jobs(false))
		}
		want := everything(s)
		shut(t, s)
		s = open(t, path)
		if diff := cmp.Diff(want, everything(s)); diff != "" || len(s.Damaged()) > 0 {
			t.Errorf("after restart: damaged %v (-before +after):\n%s", s.Damaged(), diff)
		}
		shut(t, s)
	})
}

// A flipped bit in a row is found and said; the other rows still count.
func TestDamagedRowsAreLeftOut(t *testing.T) {
	for table, edit := range map[string]string{
		"machine":   `UPDATE machine SET snapshot = x'00'`,
		"incident":  `UPDATE incident SET closed = 1`,
		"time line": `UPDATE event SET body = replace(body, 'opened', 'closed')`,
		"outbox":    `UPDATE outbox SET attempts = 9`,
		"claim":     `UPDATE claim SET state = 1`,
	} {
		path := filepath.Join(t.TempDir(), "c.db")
		s := open(t, path)
		inc := incidentOf(1)
		commit(t, s, Change{
			Machine: &Machine{"m", []byte(`{}`), nil}, Incident: inc, Events: []api.Event{{What: "opened"}, {What: "vote"}},
			Jobs: []Job{trigger(inc.Key)}, Claims: []Claim{sent("other", Trigger, "c1")},
		})
		if err := s.journal.Write(func(tx *sql.Tx) error { _, err := tx.Exec(edit); return err }); err != nil {
			t.Fatal(err)
		}
		shut(t, s)
		s = open(t, path)
		if d := s.Damaged(); len(d) != 1 || !strings.Contains(d[0], table) {
			t.Errorf("%s: damaged %q", table, d)
		}
		if table == "time line" {
			if got, _ := s.Incident(inc.ID); len(got.Timeline) != 2 || got.Timeline[0].What != "damaged" || got.Timeline[1].What != "vote" {
				t.Errorf("time line %+v", got.Timeline)
			}
		}
		shut(t, s)
	}
}

func TestUnreadableJournalIsMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("rot"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	defer shut(t, s)
	if s.Unjournaled() || len(s.Damaged()) != 1 {
		t.Errorf("unjournaled %v, damaged %v", s.Unjournaled(), s.Damaged())
	}
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error(err)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	s := open(t, path)
	defer shut(t, s)
	if _, err := Open(path, slog.New(slog.DiscardHandler)); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("%v, want ErrLocked", err)
	}
}

func TestPruneForgetsWhatIsOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	s := open(t, path)
	commit(t, s, Change{Jobs: []Job{trigger("old"), trigger("waits")}, Claims: []Claim{sent("old", Trigger, "c1"), sent("waits", Trigger, "c1")}})
	open1, closed2, closed3 := incidentOf(1), incidentOf(2), incidentOf(3)
	closed2.Closed, closed3.Closed = t0.Add(-time.Minute), t0.Add(time.Hour)
	for _, inc := range []*api.Incident{open1, closed2, closed3} {
		commit(t, s, Change{Incident: inc, Jobs: []Job{trigger(inc.Key)}, Claims: []Claim{sent(inc.Key, Trigger, "c1")}})
	}
	for _, k := range []string{"old", open1.Key, closed2.Key, closed3.Key} {
		s.UpdateJob(JobID{k, Trigger, 0}, func(j *Job) { j.State = Done })
	}
	s.Prune(t0.Add(time.Second))
	shut(t, s)
	s = open(t, path)
	defer shut(t, s)
	var jobs, claims []string
	for _, j := range s.Jobs(true) {
		jobs = append(jobs, j.Key)
	}
	for _, c := range s.Claims("") {
		claims = append(claims, c.Key)
	}
	want := []string{open1.Key, closed3.Key, "waits"}
	if diff := cmp.Diff([][]string{want, want}, [][]string{jobs, claims}); diff != "" {
		t.Error(diff)
	}
}

func TestOldIncidentsAreReadFromTheJournal(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "c.db"))
	defer shut(t, s)
	for n := range incidentsKept + 5 {
		inc := incidentOf(n)
		inc.Closed = inc.Opened.Add(time.Second)
		s.Note(Change{Incident: inc, Events: []api.Event{{What: "opened"}}})
	}
	last := incidentOf(incidentsKept + 5)
	commit(t, s, Change{Incident: last})
	for range 10 {
		commit(t, s, Change{Incident: last, Events: []api.Event{{What: "vote"}}})
	}
	if n := len(s.Incidents(1 << 20)); n > incidentsKept+1 {
		t.Errorf("%d incidents in memory", n)
	}
	got, ok := s.Incident("outage/mx/0")
	if !ok || len(got.Timeline) != 1 || got.Epoch != 0 {
		t.Errorf("oldest incident: %v %+v", ok, got)
	}
	if _, ok := s.Incident("outage/none/0"); ok {
		t.Error("found an incident that never was")
	}
}

// Joining claims obeys the laws of a join.
func TestClaimsAreAJoin(t *testing.T) {
	claim := rapid.Custom(func(t *rapid.T) Claim {
		return Claim{
			ClaimID: ClaimID{Key: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), Action: Trigger, Coordinator: rapid.SampledFrom([]string{"c1", "c2"}).Draw(t, "who")},
			State:   ClaimState(rapid.IntRange(1, 3).Draw(t, "state")), Attempt: uint32(rapid.IntRange(1, 3).Draw(t, "attempt")),
			At: t0.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "at"))), Raw: []byte{byte(rapid.IntRange(0, 1).Draw(t, "raw"))},
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		claims := rapid.SliceOfN(claim, 1, 12).Draw(t, "claims")
		a, b := Memory(), Memory()
		for _, c := range claims {
			a.Note(Change{Claims: []Claim{c}})
		}
		for _, c := range rapid.Permutation(append(claims, claims[0])).Draw(t, "order") {
			b.Note(Change{Claims: []Claim{c}})
		}
		if diff := cmp.Diff(a.Claims(""), b.Claims("")); diff != "" {
			t.Fatal(diff)
		}
		for _, c := range claims {
			if a.News(c) {
				t.Fatalf("%+v is news to a store that has it", c)
			}
		}
	})
}

func TestBackupIsKept(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, filepath.Join(dir, "c.db"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.KeepBackup(ctx, filepath.Join(dir, "copy.db"), time.Hour) }()
		time.Sleep(time.Minute)
		commit(t, s, Change{Incident: incidentOf(1), Events: []api.Event{{What: "opened"}}})
		time.Sleep(time.Hour)
		cancel()
		<-done
		want := everything(s)
		shut(t, s)
		s = open(t, filepath.Join(dir, "copy.db"))
		if diff := cmp.Diff(want, everything(s)); diff != "" {
			t.Error(diff)
		}
		shut(t, s)
		if err := Memory().Backup(filepath.Join(dir, "none.db")); !errors.Is(err, journal.ErrUnwritable) {
			t.Errorf("backup of nothing: %v", err)
		}
	})
}
