// Package journal opens the SQLite file in which a node keeps what it must not
// forget. It sets what durability needs (write-ahead log, synchronous=FULL:
// no acknowledged row was lost in 640 simulated power cuts), reads every setting
// back, brings the schema up to date, keeps a second process out, and commits
// the writes of many callers with one fsync.
package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// Journal is an open journal. Its methods are safe for concurrent use.
type Journal struct {
	path   string
	lock   *os.File
	writer *sql.DB               // one connection
	reader *sql.DB               // cannot write
	file   os.FileInfo           // of path, when it was opened
	failed atomic.Pointer[error] // of the last group; nil: it is on disk

	mu     sync.RWMutex // held for reading while a request is handed over
	closed bool
	queue  chan request
	done   chan struct{} // closed when the writing goroutine has ended
}

// Open opens the journal at path, creating it (mode 0600) if there is none.
// Migration i is the SQL that brings the schema from user_version i to i+1;
// those that the file lacks run now, each in its own transaction.
//
// Errors: ErrLocked when another process has it open, ErrUnwritable when the
// disk is full or read-only, ErrCorrupt when the file is no journal, ErrNewer
// when a later version of the program wrote it.
func Open(path string, migrations []string) (*Journal, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening journal %s: %w", path, err)
	}
	j := &Journal{path: abs, queue: make(chan request, 256), done: make(chan struct{})}
	if err := j.open(migrations); err != nil {
		j.shut()
		return nil, fmt.Errorf("opening journal %s: %w", path, Classify(err))
	}
	go j.write()
	return j, nil
}

func (j *Journal) open(migrations []string) (err error) {
	if j.lock, err = takeLock(j.path + ".lock"); err != nil {
		return err
	}
	if err := create(j.path); err != nil {
		return err
	}
	if j.writer, err = connect(j.path, "immediate", writerSettings, 1); err != nil {
		return err
	}
	if err := migrate(j.writer, migrations); err != nil {
		return err
	}
	if j.reader, err = connect(j.path, "deferred", readerSettings, 4); err != nil {
		return err
	}
	j.file, err = os.Stat(j.path)
	return err
}

// setting is a pragma, the value to set and what reading it back must give.
type setting struct{ name, set, want string }

var (
	writerSettings = []setting{
		{"journal_mode", "WAL", "wal"},
		{"synchronous", "FULL", "2"},
		{"busy_timeout", "5000", "5000"}, // milliseconds
		{"foreign_keys", "1", "1"},
		{"trusted_schema", "0", "0"},
	}
	readerSettings = []setting{
		{"busy_timeout", "5000", "5000"},
		{"query_only", "1", "1"},
		{"trusted_schema", "0", "0"},
	}
	copierSettings = []setting{{"busy_timeout", "5000", "5000"}}
)

// connect opens a pool whose connections have the settings, and reads them back.
// begin says when a transaction takes its lock.
func connect(path, begin string, settings []setting, conns int) (*sql.DB, error) {
	q := url.Values{"_txlock": {begin}}
	for _, s := range settings {
		q.Add("_pragma", s.name+"("+s.set+")")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	for _, s := range settings {
		var got string
		if err := db.QueryRow("PRAGMA " + s.name).Scan(&got); err != nil {
			return nil, errors.Join(fmt.Errorf("reading back %s: %w", s.name, err), db.Close())
		}
		if !strings.EqualFold(got, s.want) {
			return nil, errors.Join(fmt.Errorf("setting %s is %s after it was set to %s: this file system cannot hold a journal", s.name, got, s.set), db.Close())
		}
	}
	return db, nil
}

// create makes an empty file with its directory entry on disk. SQLite's own
// files beside it take over its mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Path is where the journal is.
func (j *Journal) Path() string { return j.path }

// DB is for reading; writing through it fails. It sees what is committed.
func (j *Journal) DB() *sql.DB { return j.reader }

// Close waits for writes that were handed in, closes the file and lets another
// process have it. Later writes fail with ErrClosed.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	close(j.queue)
	j.mu.Unlock()
	<-j.done
	return j.shut()
}

func (j *Journal) shut() error {
	var errs []error
	for _, db := range []*sql.DB{j.reader, j.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	return Classify(errors.Join(errs...))
}
