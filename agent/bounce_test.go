package agent

import (
	"testing"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/collect"
)

func TestBounceSettlesWhatIsAwaited(t *testing.T) {
	now := time.Date(2024, 1, 16, 10, 0, 0, 0, time.UTC)
	report := collect.Sighting{At: now, DSN: &probes.DSN{Action: "failed", Status: "5.1.1", Reporter: "mx.test", Reply: probes.Reply{Code: 550, Enhanced: "5.1.1"}}}
	for _, o := range probes.Outcomes() {
		fl := &flight{Canary: probes.Canary{ID: probes.ID{1}, Outcome: o}}
		if got := fl.bounce(report); got != o.Open() {
			t.Errorf("%v: %v", o, got)
		}
		if o.Open() && (fl.Outcome != probes.Bounced || fl.Stage != probes.StageTransit || fl.Resolved != now || fl.Reply.Code != 550) {
			t.Errorf("%v: %+v", o, fl.Canary)
		}
		if !o.Open() && fl.Outcome != o {
			t.Errorf("%v became %v", o, fl.Outcome)
		}
	}
	// What arrives after its bounce is late, and retracts it.
	f := newFollower(5*time.Minute, time.Hour)
	fl := f.add(probes.Canary{ID: probes.ID{2}, Sent: now.Add(-time.Minute), Outcome: probes.InFlight}, "box")
	fl.bounce(report)
	if what := f.sight(fl, collect.Sighting{At: now.Add(time.Second), Folder: "INBOX", UID: 1}); what != newsOutcome || fl.Outcome != probes.Late {
		t.Errorf("%v, %v", what, fl.Outcome)
	}
}
