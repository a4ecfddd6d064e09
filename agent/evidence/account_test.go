package evidence

import (
	"testing"
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// That no token is to be had is a ticket of the account, and no vote for an outage
// of any kind: neither on the way in nor where the mail is read.
func TestNoTokenIsOfTheAccountAlone(t *testing.T) {
	for name, fail := range map[string]func(*desk){
		"submission": func(d *desk) {
			d.r.Observe(d.now, Observation{ID: d.id(), Sent: d.now, Outcome: probes.Policy, Stage: probes.StageAuth})
		},
		"retrieval": func(d *desk) {
			d.r.ReadSide(d.now, &probes.Error{Stage: probes.StageRetrieve, Outcome: probes.Policy})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(Params{})
			d.healthy(500)
			for range 10 {
				fail(d)
				d.pass(30 * time.Second)
				if v := d.r.Vote(d.now); v.Opinion == vote.Down {
					t.Fatalf("voted down: %+v", v)
				}
			}
			if v := d.r.Account(d.now); v.Opinion != vote.Down || v.Reason != vote.OwnAccount {
				t.Errorf("account: %+v", v)
			}
			for range 10 {
				d.r.ReadSide(d.now, nil)
				d.healthy(1)
			}
			if v := d.r.Account(d.now); v.Opinion == vote.Down {
				t.Errorf("account, after it was mended: %+v", v)
			}
		})
	}
}
