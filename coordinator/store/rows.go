package store

import (
	"database/sql"
	"fmt"
	"time"

	"mailquorum/internal/journal"
)

// schema of the coordinator's journal. Every row has a checksum of ours, and the
// lines of a time line a hash chain. Times are Unix milliseconds, 0 is none.
var schema = []string{`
CREATE TABLE machine (subject TEXT PRIMARY KEY, snapshot BLOB NOT NULL, record BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE incident (id TEXT PRIMARY KEY, opened INTEGER NOT NULL, closed INTEGER NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE INDEX incident_by_time ON incident (closed, opened);
CREATE TABLE event (incident TEXT NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL, chain BLOB NOT NULL, PRIMARY KEY (incident, n)) WITHOUT ROWID, STRICT;
CREATE TABLE outbox (key TEXT NOT NULL, action TEXT NOT NULL, round INTEGER NOT NULL, event TEXT NOT NULL, created INTEGER NOT NULL, delay INTEGER NOT NULL,
	state TEXT NOT NULL, why TEXT NOT NULL, attempts INTEGER NOT NULL, next INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (key, action, round)) WITHOUT ROWID, STRICT;
CREATE TABLE claim (key TEXT NOT NULL, action TEXT NOT NULL, round INTEGER NOT NULL, destination TEXT NOT NULL, coordinator TEXT NOT NULL,
	state INTEGER NOT NULL, attempt INTEGER NOT NULL, maybe INTEGER NOT NULL, at INTEGER NOT NULL, raw BLOB NOT NULL, seen INTEGER NOT NULL, crc INTEGER NOT NULL,
	PRIMARY KEY (key, action, round, destination, coordinator)) WITHOUT ROWID, STRICT;
`}

// References to rows. JobID and ClaimID are references too.
type (
	machineRef  string
	incidentRef string
	eventRef    struct {
		incident string
		n        int
	}
)

// statement is one row's way to disk.
type statement struct {
	sql  string
	args []any
}

func (st statement) exec(tx *sql.Tx) error {
	_, err := tx.Exec(st.sql, st.args...)
	return err
}

// statement writes the row that ref names as it is in memory now; a row that is
// gone from memory is deleted.
func (s *Store) statement(ref any) statement {
	switch ref := ref.(type) {
	case machineRef:
		m := s.machines[string(ref)]
		return statement{`INSERT OR REPLACE INTO machine VALUES (?, ?, ?, ?)`,
			[]any{m.Subject, blob(m.Snapshot), blob(m.Record), journal.Sum(m.Subject, m.Snapshot, m.Record)}}
	case incidentRef:
		in := s.incidents[string(ref)].Incident
		in.Timeline = nil
		opened, closed, body := millis(in.Opened), millis(in.Closed), string(compact(in))
		return statement{`INSERT OR REPLACE INTO incident VALUES (?, ?, ?, ?, ?)`,
			[]any{in.ID, opened, closed, body, journal.Sum(in.ID, opened, closed, body)}}
	case eventRef:
		inc := s.incidents[ref.incident]
		return statement{`INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?)`,
			[]any{ref.incident, ref.n, string(compact(inc.Timeline[ref.n])), inc.chain[ref.n]}}
	case JobID:
		j, ok := s.jobs[ref]
		if !ok {
			return statement{`DELETE FROM outbox WHERE key = ? AND action = ? AND round = ?`, []any{ref.Key, string(ref.Action), ref.Round}}
		}
		args := jobArgs(j)
		return statement{`INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append(args, journal.Sum(args...))}
	case ClaimID:
		c, ok := s.claims[ref]
		if !ok {
			return statement{`DELETE FROM claim WHERE key = ? AND action = ? AND round = ? AND destination = ? AND coordinator = ?`,
				[]any{ref.Key, string(ref.Action), ref.Round, ref.Destination, ref.Coordinator}}
		}
		args := claimArgs(c)
		return statement{`INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append(args, journal.Sum(args...))}
	}
	panic(fmt.Sprintf("store: %T is no row", ref))
}

func jobArgs(j Job) []any {
	return []any{j.Key, string(j.Action), j.Round, string(j.Event), millis(j.Created), j.Delay.Milliseconds(),
		string(j.State), j.Why, j.Attempts, millis(j.Next)}
}

func claimArgs(c Claim) []any {
	maybe := 0
	if c.Maybe {
		maybe = 1
	}
	return []any{c.Key, string(c.Action), c.Round, c.Destination, c.Coordinator,
		int(c.State), int(c.Attempt), maybe, millis(c.At), blob(c.Raw), millis(c.Seen)}
}

// blob keeps an empty value from becoming NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
