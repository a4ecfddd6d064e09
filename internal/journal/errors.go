package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors of this package, recognised with errors.Is.
var (
	ErrUnwritable = errors.New("journal cannot be written: the disk is full, read-only or failing")
	ErrLocked     = errors.New("journal is in use by another process")
	ErrCorrupt    = errors.New("journal is damaged")
	ErrNewer      = errors.New("journal was written by a newer version of mailquorum")
	ErrClosed     = errors.New("journal is closed")
)

// displaced is an ErrUnwritable that is not the disk's fault: it says what became
// of the file.
type displaced string

func (d displaced) Error() string {
	return "journal cannot be written: " + string(d) + " while it was open; start this node again"
}

func (d displaced) Is(target error) bool { return target == ErrUnwritable }

// Classify adds to an error of the database or of the file system which of this
// package's errors it is, if any.
func Classify(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{ErrUnwritable, ErrLocked, ErrCorrupt, ErrNewer, ErrClosed} {
		if errors.Is(err, known) {
			return err
		}
	}
	var kind error
	var e *sqlite.Error
	switch {
	case errors.As(err, &e):
		switch e.Code() & 0xff { // extended codes keep the primary one in the low byte
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
			kind = ErrUnwritable
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			kind = ErrLocked
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			kind = ErrCorrupt
		}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = ErrUnwritable
	}
	if kind == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", kind, err)
}
