package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// groupMax is how many writes share one transaction, and so one fsync.
const groupMax = 512

type request struct {
	fn   func(*sql.Tx) error
	done chan error
}

// Write runs fn in a transaction and returns once its changes are on disk, with
// those of everyone who called meanwhile: one fsync for all of them. When fn
// fails, its own changes are undone and its error is returned; the others'
// changes stay. fn runs once, must not keep tx and must not call Write.
//
// Write blocks as long as the disk does. It fails with ErrUnwritable when the
// disk is full or read-only, or the file was removed or replaced (nothing of the group is kept then, and a later
// Write may succeed again) and with ErrClosed after Close.
func (j *Journal) Write(fn func(*sql.Tx) error) error {
	r := request{fn, make(chan error, 1)}
	j.mu.RLock()
	if j.closed {
		j.mu.RUnlock()
		return ErrClosed
	}
	j.queue <- r
	j.mu.RUnlock()
	return <-r.done
}

// write is the only goroutine that writes.
func (j *Journal) write() {
	defer close(j.done)
	for r := range j.queue {
		group := []request{r}
	gather:
		for len(group) < groupMax {
			select {
			case r, ok := <-j.queue:
				if !ok {
					break gather
				}
				group = append(group, r)
			default:
				break gather
			}
		}
		errs := j.commit(group)
		j.note(errs)
		for i, err := range errs {
			group[i].done <- err
		}
	}
}

// note keeps whether the group was kept from the disk: then all of it was.
func (j *Journal) note(errs []error) {
	for _, err := range errs { // one may have failed by itself
		if errors.Is(err, ErrUnwritable) || errors.Is(err, ErrCorrupt) {
			j.failed.Store(&err)
			return
		}
	}
	j.failed.Store(nil)
}

// Writable returns nil while the journal can be written, as far as is known: the
// last write was kept, and the file is still where it was opened. Otherwise it
// returns why not.
func (j *Journal) Writable() error {
	if err := j.inPlace(); err != nil {
		return err
	}
	if err := j.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// inPlace returns ErrUnwritable when the file was removed or replaced since it was
// opened: what is written to it would be gone with this process.
func (j *Journal) inPlace() error {
	switch now, err := os.Stat(j.path); {
	case errors.Is(err, fs.ErrNotExist):
		return displaced(j.path + " was removed")
	case err != nil:
		return Classify(err)
	case !os.SameFile(now, j.file):
		return displaced(j.path + " was replaced")
	}
	return nil
}

// commit runs a group in one transaction, each member under its own savepoint.
func (j *Journal) commit(group []request) []error {
	errs := make([]error, len(group))
	all := func(err error) []error {
		for i := range errs {
			if errs[i] == nil {
				errs[i] = fmt.Errorf("writing journal: %w", Classify(err))
			}
		}
		return errs
	}
	if err := j.inPlace(); err != nil {
		return all(err)
	}
	tx, err := j.writer.Begin()
	if err != nil {
		return all(err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	for i, r := range group {
		errs[i] = inSavepoint(tx, r.fn)
		// A full disk may have ended the whole transaction: nobody's changes are kept.
		if err := Classify(errs[i]); errors.Is(err, ErrUnwritable) || errors.Is(err, ErrCorrupt) {
			errs[i] = nil
			return all(err)
		}
	}
	if err := tx.Commit(); err != nil {
		return all(err)
	}
	return errs
}

func inSavepoint(tx *sql.Tx, fn func(*sql.Tx) error) error {
	if _, err := tx.Exec("SAVEPOINT member"); err != nil {
		return err
	}
	err := fn(tx)
	if err != nil {
		if _, undo := tx.Exec("ROLLBACK TO member"); undo != nil {
			err = errors.Join(err, undo)
		}
	}
	if _, release := tx.Exec("RELEASE member"); release != nil {
		err = errors.Join(err, release)
	}
	return err
}
