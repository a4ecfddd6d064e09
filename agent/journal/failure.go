package journal

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mailquorum/internal/journal"
	"mailquorum/probes"
)

// Side is the half of a route's dialogues that a Failure is of.
type Side string

// The sides, with what they are kept by.
const (
	Submission Side = "submission" // by route
	Retrieval  Side = "retrieval"  // by mailbox
)

// Failure is the last failure of one side, with what was said. There is one for
// each route and mailbox, of a bounded size: the next one takes its place.
type Failure struct {
	At       time.Time         `json:"at"`
	Canary   string            `json:"canary,omitempty"` // its ID, where there was one
	Outcome  probes.Outcome    `json:"outcome"`
	Stage    probes.Stage      `json:"stage,omitempty"`
	Error    string            `json:"error,omitempty"` // through probes.Clean
	Hint     string            `json:"hint,omitempty"`
	Dialogue probes.Transcript `json:"dialogue"`
}

// SaveFailure puts the failure in the place of the one before.
func (j *Journal) SaveFailure(side Side, name string, f Failure) error {
	detail, err := json.Marshal(&f)
	if err != nil {
		return fmt.Errorf("encoding the failure of %s %s: %w", side, name, err)
	}
	err = j.Write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO failure (side, name, detail, crc) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT DO UPDATE SET detail = ?3, crc = ?4`, string(side), name, detail, journal.Sum(string(side), name, detail))
		return err
	})
	if err != nil {
		return fmt.Errorf("journalling the failure of %s %s: %w", side, name, err)
	}
	return nil
}

// Failure returns the last failure, and whether there was one. A damaged row is
// none.
func (j *Journal) Failure(side Side, name string) (f Failure, ok bool, err error) {
	var detail []byte
	var crc int64
	err = j.DB().QueryRow(`SELECT detail, crc FROM failure WHERE side = ? AND name = ?`, string(side), name).Scan(&detail, &crc)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && journal.Sum(string(side), name, detail) != crc:
		return f, false, nil
	case err != nil:
		return f, false, fmt.Errorf("reading the failure of %s %s: %w", side, name, err)
	}
	if err := json.Unmarshal(detail, &f); err != nil {
		return f, false, fmt.Errorf("reading the failure of %s %s: %w", side, name, err)
	}
	return f, true, nil
}
