package incident

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrVersion is the error of Restore when the roster changed but its version did
// not: epochs would be counted twice.
var ErrVersion = errors.New("the roster changed since the last start: raise its version")

// Snapshot is the machine's state as JSON, for the store: keep it in the same
// transaction as the notices of the step that it follows.
func (m *Machine) Snapshot() []byte {
	b, err := json.Marshal(m.s)
	if err != nil {
		panic("incident: " + err.Error()) // plain data only
	}
	return b
}

// Restore puts a snapshot of the same subject back. Notices that were given are
// not given again; timers start again, for nobody watched meanwhile. Under a
// roster of a higher version counting goes on from its Genesis; ErrVersion when
// the roster is another one of the same or a lower version, unless nothing was
// ever opened.
func (m *Machine) Restore(b []byte) error {
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("restoring %s: %w", m.Subject(), err)
	}
	if s.Record.Subject != m.Subject() {
		return fmt.Errorf("restoring %s: the snapshot is of %s", m.Subject(), s.Record.Subject)
	}
	fresh := m.s
	if !bytes.Equal(s.Roster, fresh.Roster) {
		if s.Record.Epoch() > fresh.Record.Epoch() || s.Record.Opened > fresh.Record.Opened {
			return fmt.Errorf("restoring %s: %w", m.Subject(), ErrVersion)
		}
		s.Record, s.Roster, s.Recovering = fresh.Record, fresh.Roster, false
	}
	if s.LastDown == nil {
		s.LastDown = map[string]time.Time{}
	}
	s.drained = fresh.drained
	m.s = s
	return nil
}
