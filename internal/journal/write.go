package journal

import (
	"database/sql"
	"errors"
	"fmt"
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
// disk is full or read-only (nothing of the group is kept then, and a later
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
		for i, err := range j.commit(group) {
			group[i].done <- err
		}
	}
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
