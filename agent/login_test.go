package agent

import (
	"testing"
	"time"

	"mailquorum/coordinator/incident"
	"mailquorum/internal/report"
	"mailquorum/probes"
)

// A refused password is not tried faster while an incident is open, nor to confirm:
// accounts are locked for less. Once a login passes, the pace is that of others.
func TestARefusedLoginKeepsTheInterval(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		a := w.agent
		w.has(2*time.Minute, probes.Delivered)
		w.provider.RefuseAuth(true)
		w.has(2*time.Minute, probes.AuthFailed)
		subject := incident.NewSubject(report.Outage, "mail")
		a.mu.Lock()
		a.incidents[subject] = incident.Record{Subject: subject, Opened: 1}
		a.mu.Unlock()
		sentIn := func(d time.Duration) int {
			before := len(w.canaries())
			for range 10 {
				a.mu.Lock()
				a.kickTwice(time.Now(), 0)
				a.mu.Unlock()
				time.Sleep(d / 10)
			}
			return len(w.canaries()) - before
		}
		if n, most := sentIn(3*a.timing.Interval), 4; n > most {
			t.Errorf("%d canaries in three intervals with a refused login, want %d at most", n, most)
		}
		w.provider.RefuseAuth(false)
		time.Sleep(a.timing.Interval + time.Minute)
		if n := sentIn(3 * a.timing.Interval); n < 11 {
			t.Errorf("%d canaries in three intervals of an incident, want four in each", n)
		}
	})
}

// Only a login tells whether logins pass.
func TestWhatSaysThatALoginPasses(t *testing.T) {
	for _, c := range []struct {
		err  error
		want [2]bool // refused afterwards, if it was not before and if it was
	}{
		{nil, [2]bool{false, false}},
		{&probes.Error{Stage: probes.StageAuth, Outcome: probes.AuthFailed}, [2]bool{true, true}},
		{&probes.Error{Stage: probes.StageConnect, Outcome: probes.Failed}, [2]bool{false, true}},
		{&probes.Error{Stage: probes.StageAuth, Outcome: probes.Failed}, [2]bool{false, true}},
		{&probes.Error{Stage: probes.StageAuth, Outcome: probes.Throttled}, [2]bool{false, true}},
		{&probes.Error{Stage: probes.StageEnvelope, Outcome: probes.Policy}, [2]bool{false, false}},
		{&probes.Error{Stage: probes.StageData, Outcome: probes.Ambiguous}, [2]bool{false, false}},
	} {
		for i, before := range []bool{false, true} {
			r := &route{refused: before}
			if r.loggedIn(c.err); r.refused != c.want[i] {
				t.Errorf("%v, refused before %v: %v", c.err, before, r.refused)
			}
		}
	}
}
