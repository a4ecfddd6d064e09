package journal

import (
	"database/sql"

	"mailquorum/probes"
)

// flip changes one byte of a row behind the journal's back.
func (j *Journal) flip(id probes.ID) error {
	return j.Write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE canary SET detail = CAST(replace(CAST(detail AS TEXT), '"s"', '"t"') AS BLOB) WHERE id = ?`, id[:])
		return err
	})
}
