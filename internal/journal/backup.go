package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a complete, compact copy of the journal, as of one moment, to
// path, while writing goes on. The copy appears under its name only when it is
// whole and on disk; a former copy there is replaced. It can be opened with Open.
func (j *Journal) Backup(path string) error {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("backing up journal: %w", Classify(err))
	}
	if err := j.backup(part, path); err != nil {
		_ = os.Remove(part)
		return fmt.Errorf("backing up journal: %w", Classify(err))
	}
	return nil
}

func (j *Journal) backup(part, path string) error {
	db, err := connect(j.path, "deferred", copierSettings, 1) // the reader's query_only forbids VACUUM
	if err != nil {
		return err
	}
	if _, err := db.Exec("VACUUM INTO ?", part); err != nil {
		return errors.Join(err, db.Close())
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := os.Chmod(part, 0o600); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return syncPath(part) },
		func() error { return os.Rename(part, path) },
		func() error { return syncPath(filepath.Dir(path)) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Check reads the whole file and returns ErrCorrupt with SQLite's first finding
// if its structure is damaged. It takes about a second per 100 MB.
func (j *Journal) Check() error {
	var found string
	if err := j.reader.QueryRow("PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return fmt.Errorf("checking journal: %w", Classify(err))
	}
	if found != "ok" {
		return fmt.Errorf("checking journal: %w: %s", ErrCorrupt, found)
	}
	return nil
}
