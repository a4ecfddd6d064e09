package store

import (
	"context"
	"time"
)

// KeepBackup writes a copy of the journal to path every so often until ctx ends,
// the first at once. The copy is replaced only by a complete one. It logs
// failures and goes on.
func (s *Store) KeepBackup(ctx context.Context, path string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.Backup(path); err != nil {
			s.log.Error("the journal was not backed up", "to", path, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
