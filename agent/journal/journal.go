// Package journal is the agent's memory: every canary from the intent to send
// it to its final outcome, and what its routes learned. It outlives crashes, so
// that mail in flight is looked for after a restart.
package journal

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mailquorum/internal/journal"
	"mailquorum/internal/report"
	"mailquorum/probes"
)

// migrations[i] brings the schema from version i to i+1. A row's detail is the
// canary as JSON; what is selected on stands beside it.
var migrations = []string{`
CREATE TABLE canary (
  id       BLOB    PRIMARY KEY,
  service  TEXT    NOT NULL,
  sent     INTEGER NOT NULL,          -- Unix milliseconds
  outcome  TEXT    NOT NULL,
  accepted INTEGER NOT NULL,          -- 1: the provider took the mail
  confirm  INTEGER NOT NULL,          -- 1: left out of figures
  detail   BLOB    NOT NULL,
  crc      INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX canary_figures ON canary(service, sent, outcome, confirm);
CREATE INDEX canary_unfinished ON canary(sent) WHERE outcome IN ('in_flight', 'ambiguous', 'lost', 'unknown', 'bounced');
CREATE TABLE learned (route TEXT PRIMARY KEY, detail BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID, STRICT;
`, `
CREATE TABLE failure (side TEXT NOT NULL, name TEXT NOT NULL, detail BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (side, name)) WITHOUT ROWID, STRICT;
`}

// Journal is an open journal. Its methods are safe for concurrent use and block
// for as long as the disk does.
type Journal struct{ *journal.Journal }

// Open opens or creates the journal file at path; see internal/journal for its errors.
func Open(path string) (*Journal, error) {
	j, err := journal.Open(path, migrations)
	if err != nil {
		return nil, err
	}
	return &Journal{j}, nil
}

const upsert = `INSERT INTO canary (id, service, sent, outcome, accepted, confirm, detail, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT DO UPDATE SET outcome = ?4, accepted = ?5, detail = ?7, crc = ?8`

// Begin puts the intent to send a canary on disk before it returns nil. Without
// it no mail may leave.
func (j *Journal) Begin(c probes.Canary) error { return j.Save(c) }

// Save puts the canary's present state on disk before it returns nil.
func (j *Journal) Save(c probes.Canary) error {
	detail, err := json.Marshal(&c)
	if err != nil {
		return fmt.Errorf("encoding canary %v: %w", c.ID, err)
	}
	err = j.Write(func(tx *sql.Tx) error {
		_, err := tx.Exec(upsert, c.ID[:], c.Service, c.Sent.UnixMilli(), c.Outcome.String(), !c.Accepted.IsZero(), c.Confirm,
			detail, journal.Sum(c.ID[:], detail))
		return err
	})
	if err != nil {
		return fmt.Errorf("journalling canary %v: %w", c.ID, err)
	}
	return nil
}

// decode reads a row's detail, which its CRC must confirm.
func decode(id, detail []byte, crc int64) (probes.Canary, error) {
	var c probes.Canary
	if journal.Sum(id, detail) != crc {
		return c, fmt.Errorf("row of canary %x: %w", id, journal.ErrCorrupt)
	}
	if err := json.Unmarshal(detail, &c); err != nil {
		return c, fmt.Errorf("row of canary %x: %w", id, err)
	}
	return c, nil
}

// Canary returns the canary of that id, and whether there is one.
func (j *Journal) Canary(id probes.ID) (c probes.Canary, ok bool, err error) {
	var detail []byte
	var crc int64
	err = j.DB().QueryRow(`SELECT detail, crc FROM canary WHERE id = ?`, id[:]).Scan(&detail, &crc)
	if errors.Is(err, sql.ErrNoRows) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("looking up canary %v: %w", id, err)
	}
	c, err = decode(id[:], detail, crc)
	return c, err == nil, err
}

// Unfinished calls f with each canary sent after since whose outcome may still
// change. Damaged rows are left out and reported in the error, after the others.
func (j *Journal) Unfinished(since time.Time, f func(probes.Canary)) error {
	rows, err := j.DB().Query(`SELECT id, detail, crc FROM canary
		WHERE outcome IN ('in_flight', 'ambiguous', 'lost', 'unknown', 'bounced') AND sent > ?`, since.UnixMilli())
	if err != nil {
		return err
	}
	defer rows.Close()
	var damaged []error
	for rows.Next() {
		var id, detail []byte
		var crc int64
		if err := rows.Scan(&id, &detail, &crc); err != nil {
			return err
		}
		c, err := decode(id, detail, crc)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		f(c)
	}
	return errors.Join(append(damaged, rows.Err())...)
}

// Count is the account of the canaries to a service that were sent since then,
// confirm canaries left out.
func (j *Journal) Count(service string, since time.Time) (report.Count, error) {
	var c report.Count
	rows, err := j.DB().Query(`SELECT outcome, count(*) FROM canary
		WHERE service = ? AND sent >= ? AND confirm = 0 GROUP BY outcome`, service, since.UnixMilli())
	if err != nil {
		return c, fmt.Errorf("counting canaries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n uint32
		if err := rows.Scan(&name, &n); err != nil {
			return c, fmt.Errorf("counting canaries: %w", err)
		}
		var o probes.Outcome
		if err := o.UnmarshalText([]byte(name)); err != nil {
			return c, fmt.Errorf("counting canaries: %w", err)
		}
		add(&c, o, n)
	}
	return c, rows.Err()
}

// add puts n canaries of one outcome into the account.
func add(c *report.Count, o probes.Outcome, n uint32) {
	c.Sent += n
	switch o {
	case probes.Delivered, probes.Junked:
		c.Delivered += n
	case probes.Late:
		c.Late += n
	case probes.Lost:
		c.Lost += n
	case probes.InFlight, probes.Ambiguous:
		c.Pending += n
	case probes.Unknown:
		c.Unknown += n
	default:
		c.Failed += n
	}
}

// Learned returns what a route learned, or nil.
func (j *Journal) Learned(route string) ([]byte, error) {
	var detail []byte
	var crc int64
	err := j.DB().QueryRow(`SELECT detail, crc FROM learned WHERE route = ?`, route).Scan(&detail, &crc)
	if errors.Is(err, sql.ErrNoRows) || err == nil && journal.Sum(route, detail) != crc {
		return nil, nil // what is damaged is learned again
	}
	return detail, err
}

// SaveLearned keeps what a route learned.
func (j *Journal) SaveLearned(route string, detail []byte) error {
	return j.Write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO learned (route, detail, crc) VALUES (?1, ?2, ?3)
			ON CONFLICT DO UPDATE SET detail = ?2, crc = ?3`, route, detail, journal.Sum(route, detail))
		return err
	})
}

// Prune deletes canaries sent before then, at most a thousand at once, and
// returns how many.
func (j *Journal) Prune(before time.Time) (int64, error) {
	var n int64
	err := j.Write(func(tx *sql.Tx) error {
		res, err := tx.Exec(`DELETE FROM canary WHERE id IN (SELECT id FROM canary WHERE sent < ? LIMIT 1000)`, before.UnixMilli())
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	return n, err
}
