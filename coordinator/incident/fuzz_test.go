package incident

import (
	"testing"

	"mailquorum/internal/report"
	"mailquorum/internal/vote"
)

// FuzzRecord: no bytes make verifying or merging a record panic, and nothing but
// what a quorum signed changes a machine.
func FuzzRecord(f *testing.F) {
	w := newWorld(five(), first)
	w.until(f, first, StateOpen, vote.Down)
	open := w.machines[first].Record()
	w.until(f, first, StateClosed, vote.Up)
	closed := w.machines[first].Record()
	f.Add(report.Marshal(&open))
	f.Add(report.Marshal(&closed))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec Record
		if report.Unmarshal(b, &rec) != nil {
			return
		}
		rec.OnsetTime()
		m := NewMachine(w.Roster, "outage/mail")
		notices, err := m.Merge(w.Now, rec)
		if len(notices) > 0 && (err != nil || rec.Verify(w.Roster) != nil || rec.Opened != 1) {
			t.Fatalf("%v, %v of %+v", kinds(notices), err, rec)
		}
		if err := m.Record().Verify(w.Roster); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzRestore: a damaged snapshot is refused or harmless, never a panic.
func FuzzRestore(f *testing.F) {
	w := newWorld(five(), first)
	f.Add(w.machines[first].Snapshot())
	w.until(f, first, StateOpen, vote.Down)
	f.Add(w.machines[first].Snapshot())
	v := w.verdict(first)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := NewMachine(w.Roster, "outage/mail")
		if m.Restore(b) == nil {
			m.Step(w.Now, v)
			m.State()
			m.Hold()
			if len(m.Snapshot()) == 0 {
				t.Fatal("no snapshot")
			}
		}
	})
}
