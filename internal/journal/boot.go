package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// bootEra is millisecond 0 of boot numbers.
var bootEra = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

// Boot returns the number of this start of the node, greater than that of every
// earlier one. It is on disk before it is returned; call it once a start.
//
// It is one more than the last number, or the milliseconds since 2025 if that is
// more: so a node whose disk was lost does not repeat an old number, which the
// others would drop as stale or take for equivocation. If the journal cannot be
// written the number comes with ErrUnwritable, and is good as long as the clock is
// about right.
func (j *Journal) Boot() (uint64, error) { return j.BootAbove(0) }

// BootAbove is Boot for a node that others know with a higher number than its own:
// the result is greater than known, too.
func (j *Journal) BootAbove(known uint64) (uint64, error) {
	boot := int64(max(Undurable(), known+1))
	var last, crc int64
	switch err := j.reader.QueryRow(`SELECT value, crc FROM journal WHERE name = 'boot'`).Scan(&last, &crc); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return uint64(boot), fmt.Errorf("counting the start: %w", Classify(err))
	case crc == Sum("boot", last): // a damaged number counts for nothing
		boot = max(boot, last+1)
	}
	err := j.Write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO journal VALUES ('boot', ?1, ?2)
			ON CONFLICT DO UPDATE SET value = ?1, crc = ?2`, boot, Sum("boot", boot))
		return err
	})
	if err != nil {
		return uint64(boot), fmt.Errorf("counting the start: %w", err)
	}
	return uint64(boot), nil
}

// Undurable is the number of a start for which there is no journal: the
// milliseconds since 2025. No two starts share one, as long as the clock is about
// right. Versions that counted minutes are far below.
func Undurable() uint64 { return uint64(max(1, time.Since(bootEra)/time.Millisecond)) }
