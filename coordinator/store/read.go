package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"

	"mailquorum/internal/api"
	"mailquorum/internal/journal"
)

// snapshot is what a journal holds, less the rows found damaged.
type snapshot struct {
	machine  map[string]Machine
	incident map[string]*incident
	jobs     map[JobID]Job
	claims   map[ClaimID]Claim
	damaged  []string
}

func (r *snapshot) damage(format string, args ...any) {
	r.damaged = append(r.damaged, fmt.Sprintf(format, args...))
}

func (r *snapshot) read(db *sql.DB) error {
	return errors.Join(
		r.machines(db),
		r.incidents(db, `WHERE closed = 0 OR id IN (SELECT id FROM incident WHERE closed > 0 ORDER BY opened DESC LIMIT ?)`, incidentsKept),
		r.outbox(db),
		r.allClaims(db),
	)
}

// each runs a query and hands over every row. A row that cannot be scanned is
// damaged; the others still count.
func (r *snapshot) each(db *sql.DB, what, query string, args []any, row func(*sql.Rows) error) (err error) {
	rows, err := db.Query(query, args...)
	if err != nil {
		return fmt.Errorf("reading journal: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows); err != nil {
			r.damage("%s: %v", what, err)
		}
	}
	return rows.Err()
}

func (r *snapshot) machines(db *sql.DB) error {
	r.machine = map[string]Machine{}
	return r.each(db, "machine", `SELECT subject, snapshot, record, crc FROM machine`, nil, func(rows *sql.Rows) error {
		var m Machine
		var crc int64
		if err := rows.Scan(&m.Subject, &m.Snapshot, &m.Record, &crc); err != nil {
			return err
		}
		if crc != journal.Sum(m.Subject, m.Snapshot, m.Record) {
			r.damage("machine %q", m.Subject)
			return nil
		}
		r.machine[m.Subject] = m
		return nil
	})
}

func (r *snapshot) incidents(db *sql.DB, where string, args ...any) error {
	r.incident = map[string]*incident{}
	err := r.each(db, "incident", `SELECT id, opened, closed, body, crc FROM incident `+where, args, func(rows *sql.Rows) error {
		var id, body string
		var opened, closed, crc int64
		if err := rows.Scan(&id, &opened, &closed, &body, &crc); err != nil {
			return err
		}
		in, err := decodeIncident([]byte(body))
		if crc != journal.Sum(id, opened, closed, body) || err != nil {
			r.damage("incident %q", id)
			return nil
		}
		r.incident[id] = &incident{Incident: in}
		return nil
	})
	if err != nil {
		return err
	}
	return r.each(db, "time line", `SELECT incident, n, body, chain FROM event WHERE incident IN (SELECT id FROM incident `+where+`) ORDER BY incident, n`, args, r.event)
}

// event checks one line of a time line against the chain. A damaged line shows
// as such; the chain goes on from the value that is written beside it.
func (r *snapshot) event(rows *sql.Rows) error {
	var id, body string
	var n int
	var chain []byte
	if err := rows.Scan(&id, &n, &body, &chain); err != nil {
		return err
	}
	inc := r.incident[id]
	if inc == nil {
		return nil // damaged itself, and reported
	}
	var last []byte
	if k := len(inc.chain); k > 0 {
		last = inc.chain[k-1]
	}
	e, err := decodeEvent(body)
	if n != len(inc.Timeline) || err != nil || !bytes.Equal(chain, link(last, id, []byte(body))) {
		r.damage("time line of incident %q, line %d", id, n)
		e = api.Event{At: e.At, What: "damaged", Text: "this line of the journal is damaged"}
	}
	inc.Timeline = append(inc.Timeline, e)
	inc.chain = append(inc.chain, chain)
	return nil
}

func (r *snapshot) outbox(db *sql.DB) error {
	r.jobs = map[JobID]Job{}
	return r.each(db, "outbox", `SELECT key, action, round, event, created, delay, state, why, attempts, next, crc FROM outbox`, nil, func(rows *sql.Rows) error {
		var j Job
		var event string
		var created, delay, next, crc int64
		if err := rows.Scan(&j.Key, &j.Action, &j.Round, &event, &created, &delay, &j.State, &j.Why, &j.Attempts, &next, &crc); err != nil {
			return err
		}
		j.Event, j.Created, j.Delay, j.Next = []byte(event), fromMillis(created), ms(delay), fromMillis(next)
		if crc != journal.Sum(jobArgs(j)...) {
			r.damage("outbox %s of %q", j.Action, j.Key)
			return nil
		}
		r.jobs[j.JobID] = j
		return nil
	})
}

func (r *snapshot) allClaims(db *sql.DB) error {
	r.claims = map[ClaimID]Claim{}
	return r.each(db, "claim", `SELECT key, action, round, destination, coordinator, state, attempt, maybe, at, raw, seen, crc FROM claim`, nil, func(rows *sql.Rows) error {
		var c Claim
		var maybe int
		var at, seen, crc int64
		if err := rows.Scan(&c.Key, &c.Action, &c.Round, &c.Destination, &c.Coordinator, &c.State, &c.Attempt, &maybe, &at, &c.Raw, &seen, &crc); err != nil {
			return err
		}
		c.Maybe, c.At, c.Seen = maybe == 1, fromMillis(at), fromMillis(seen)
		if crc != journal.Sum(claimArgs(c)...) {
			r.damage("claim of %s on %q", c.Coordinator, c.Key)
			return nil
		}
		r.claims[c.ClaimID] = c
		return nil
	})
}
