package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var schema = []string{`CREATE TABLE item (n INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT`}

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path, schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return j
}

func put(n int, body string) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO item VALUES (?, ?)`, n, body)
		return err
	}
}

func count(t *testing.T, j *Journal) (n int) {
	t.Helper()
	if err := j.DB().QueryRow(`SELECT count(*) FROM item`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatIsWrittenIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name?#%.db")
	j := open(t, path)
	if err := j.Write(put(1, "one")); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Write(put(2, "two")); !errors.Is(err, ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if n := count(t, open(t, path)); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

// What a killed process leaves behind is the two files as they are: a copy of
// them, taken between two writes, must hold every acknowledged row.
func TestAcknowledgedRowsSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	j := open(t, filepath.Join(dir, "a.db"))
	for n := range 50 {
		if err := j.Write(put(n, "x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, "a.db"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "b.db"+suffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, open(t, filepath.Join(dir, "b.db"))); n != 50 {
		t.Errorf("%d rows after the kill, want 50", n)
	}
}

func TestWritesOfManyShareCommitsAndFailAlone(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "a.db"))
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			err := j.Write(func(tx *sql.Tx) error {
				if err := put(n, "x")(tx); err != nil {
					return err
				}
				if n%10 == 0 {
					return fmt.Errorf("no %d", n)
				}
				return nil
			})
			if failed := err != nil; failed != (n%10 == 0) {
				t.Errorf("write %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if n := count(t, j); n != 180 {
		t.Errorf("%d rows, want 180", n)
	}
}

func TestFullDiskIsRecognisedAndPasses(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "a.db"))
	limit := func(pages int) {
		if err := j.Write(func(tx *sql.Tx) error {
			_, err := tx.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Write(put(1, "x")); err != nil {
		t.Fatal(err)
	}
	limit(10)
	if err := j.Write(put(2, strings.Repeat("x", 1<<20))); !errors.Is(err, ErrUnwritable) {
		t.Errorf("full disk: %v, want ErrUnwritable", err)
	}
	if err := j.Writable(); !errors.Is(err, ErrUnwritable) {
		t.Errorf("on a full disk it is said to be writable: %v", err)
	}
	limit(1 << 30)
	if err := j.Write(put(2, strings.Repeat("x", 1<<20))); err != nil {
		t.Errorf("after space was freed: %v", err)
	}
	if err := j.Writable(); err != nil {
		t.Errorf("after space was freed: %v", err)
	}
	if n := count(t, j); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// What is written to a file without a name is gone with the process.
func TestAJournalRemovedOrReplacedCannotBeWritten(t *testing.T) {
	for _, c := range []struct {
		word string
		do   func(dir string) error
	}{
		{"removed", os.RemoveAll},
		{"replaced", func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "a.db"), nil, 0o600))
		}},
	} {
		dir := filepath.Join(t.TempDir(), "state")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		j := open(t, filepath.Join(dir, "a.db"))
		if err := errors.Join(j.Write(put(1, "x")), j.Writable()); err != nil {
			t.Fatal(err)
		}
		if err := c.do(dir); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{j.Writable(), j.Write(put(2, "x"))} {
			if !errors.Is(err, ErrUnwritable) || !strings.Contains(err.Error(), "was "+c.word) {
				t.Errorf("%s: %v", c.word, err)
			}
		}
	}
}

func TestOpenSaysWhyItCannot(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	j := open(t, good)
	if _, err := Open(good, schema); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("second opening: %v, want ErrLocked with our pid", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(good, nil); !errors.Is(err, ErrNewer) {
		t.Errorf("schema from the future: %v, want ErrNewer", err)
	}
	if _, err := Open(filepath.Join(dir, "none", "a.db"), schema); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	junk := filepath.Join(dir, "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("no journal ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(junk, schema); !errors.Is(err, ErrCorrupt) {
		t.Errorf("junk: %v, want ErrCorrupt", err)
	}
	if _, err := Open("/proc/a.db", schema); err == nil {
		t.Error("opened a journal in /proc")
	}
	if _, err := Open(filepath.Join(dir, "bad.db"), []string{"CREATE NONSENSE"}); err == nil || !strings.Contains(err.Error(), "schema to version 1") {
		t.Errorf("bad migration: %v", err)
	}
}

func TestSchemaIsBroughtUpToDateOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	j := open(t, path)
	if err := j.Write(put(1, "kept")); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := Open(path, append(schema, `ALTER TABLE item ADD COLUMN at INTEGER NOT NULL DEFAULT 7`))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var body string
	var at int
	if err := j.DB().QueryRow(`SELECT body, at FROM item`).Scan(&body, &at); err != nil || body != "kept" || at != 7 {
		t.Errorf("%q %d, %v", body, at, err)
	}
}

func TestReaderCannotWrite(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "a.db"))
	if _, err := j.DB().Exec(`INSERT INTO item VALUES (1, 'x')`); err == nil {
		t.Error("the reading side wrote")
	}
}

func TestBootGrowsForEver(t *testing.T) {
	dir := t.TempDir()
	last := uint64(0)
	for range 3 {
		j, err := Open(filepath.Join(dir, "a.db"), schema)
		if err != nil {
			t.Fatal(err)
		}
		boot, err := j.Boot()
		if err != nil || boot <= last {
			t.Errorf("boot %d after %d, %v", boot, last, err)
		}
		last = boot
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A node that loses its disk again and again, within a minute, never repeats a
// number: the others would take two reports under one for equivocation.
func TestBootIsNewOnANewDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(bootEra.AddDate(2, 0, 0)))
		last := uint64(time.Since(bootEra) / time.Minute) // of a version that counted minutes
		for range 3 {
			boot, err := open(t, filepath.Join(t.TempDir(), "a.db")).Boot()
			if err != nil || boot <= last {
				t.Errorf("boot %d on a new disk, %d on the lost one; %v", boot, last, err)
			}
			last = boot
			time.Sleep(time.Second)
		}
	})
}

func TestBootDoesNotGoBackWithTheClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	now, err := open(t, path).Boot()
	if err != nil {
		t.Fatal(err)
	}
	copyOf := filepath.Join(t.TempDir(), "b.db")
	j, err := Open(path+"2", schema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Boot(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Backup(copyOf), j.Close()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // its clock shows the year 2000
		j := open(t, copyOf)
		if boot, err := j.Boot(); err != nil || boot <= now {
			t.Errorf("boot %d after %d, %v", boot, now, err)
		}
	})
}

func TestBootIsAboveWhatOthersKnow(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "a.db"))
	first, err := j.Boot()
	if err != nil {
		t.Fatal(err)
	}
	above, err := j.BootAbove(first + 1e6)
	if err != nil || above <= first+1e6 {
		t.Errorf("boot %d, others know %d; %v", above, first+1e6, err)
	}
	if next, err := j.Boot(); err != nil || next <= above {
		t.Errorf("the next boot is %d after %d, %v", next, above, err)
	}
}

func TestBootIsGivenThoughItCannotBeWritten(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "a.db"))
	first, err := j.Boot()
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Write(func(tx *sql.Tx) error { _, err := tx.Exec("PRAGMA query_only = 1"); return err }); err != nil {
		t.Fatal(err)
	}
	boot, err := j.Boot()
	if !errors.Is(err, ErrUnwritable) || boot <= first {
		t.Errorf("boot %d after %d, %v; want ErrUnwritable", boot, first, err)
	}
}

func TestBackupCanBeOpened(t *testing.T) {
	dir := t.TempDir()
	j := open(t, filepath.Join(dir, "a.db"))
	for n := range 10 {
		if err := j.Write(put(n, "x")); err != nil {
			t.Fatal(err)
		}
		if err := j.Backup(filepath.Join(dir, "copy.db")); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Check(); err != nil {
		t.Error(err)
	}
	if n := count(t, open(t, filepath.Join(dir, "copy.db"))); n != 10 {
		t.Errorf("%d rows in the copy, want 10", n)
	}
	if err := j.Backup(filepath.Join(dir, "none", "copy.db")); err == nil {
		t.Error("a backup into a missing folder worked")
	}
}

func TestSumTellsFieldsApart(t *testing.T) {
	seen := map[int64]string{}
	for _, fields := range [][]any{{"ab", "c"}, {"a", "bc"}, {"abc"}, {[]byte("abc")}, {"abc", int64(0)}, {0, "abc"}, {uint64(0), "abc"}, {true}, {false}, {}} {
		s := Sum(fields...)
		if other, dup := seen[s]; dup {
			t.Errorf("%v has the sum of %s", fields, other)
		}
		seen[s] = fmt.Sprint(fields)
	}
}
