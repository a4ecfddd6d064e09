package journal

import (
	"database/sql"
	"fmt"
)

// own is the journal's own table. It is the same for every user of the package
// and apart from their user_version.
const own = `CREATE TABLE IF NOT EXISTS journal (name TEXT PRIMARY KEY, value INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID, STRICT`

func migrate(db *sql.DB, migrations []string) error {
	if _, err := db.Exec(own); err != nil {
		return err
	}
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("%w: schema %d, known here: %d", ErrNewer, version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if err := step(db, migrations[version], version+1); err != nil {
			return fmt.Errorf("bringing the schema to version %d: %w", version+1, err)
		}
	}
	return nil
}

func step(db *sql.DB, script string, version int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if _, err := tx.Exec(script); err != nil {
		return err
	}
	if _, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return err
	}
	return tx.Commit()
}
