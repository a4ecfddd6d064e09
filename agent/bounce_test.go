package agent

import (
	"testing"
	"time"

	"mailquorum/probes"
	"mailquorum/probes/collect"
	"mailquorum/probes/mailtest"
)

func TestBounceSettlesWhatIsAwaited(t *testing.T) {
	now := time.Date(2024, 1, 16, 10, 0, 0, 0, time.UTC)
	report := collect.Sighting{At: now, DSN: &probes.DSN{Action: "failed", Status: "5.1.1", Reporter: "mx.test", Reply: probes.Reply{Code: 550, Enhanced: "5.1.1"}}}
	for _, o := range probes.Outcomes() {
		fl := &flight{Canary: probes.Canary{ID: probes.ID{1}, Outcome: o}}
		open := o.Open() || o == probes.Lost || o == probes.Unknown // of these no better is known
		if got := newFollower(time.Minute, time.Hour).bounce(fl, report); got != open {
			t.Errorf("%v: %v", o, got)
		}
		if open && (fl.Outcome != probes.Bounced || fl.Stage != probes.StageTransit || fl.Resolved != now || fl.Reply.Code != 550) {
			t.Errorf("%v: %+v", o, fl.Canary)
		}
		if !open && fl.Outcome != o {
			t.Errorf("%v became %v", o, fl.Outcome)
		}
	}
	// What arrives after its bounce is late, and retracts it.
	f := newFollower(5*time.Minute, time.Hour)
	fl := f.add(probes.Canary{ID: probes.ID{2}, Sent: now.Add(-time.Minute), Outcome: probes.InFlight}, "box")
	f.bounce(fl, report)
	if what := f.sight(fl, collect.Sighting{At: now.Add(time.Second), Folder: "INBOX", UID: 1}); what != newsOutcome || fl.Outcome != probes.Late {
		t.Errorf("%v, %v", what, fl.Outcome)
	}
}

// A bounce is evidence and no clutter; a mail that comes after its bounce is late.
func TestABounceIsCountedJournalledAndCleanedUp(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.has(2*time.Minute, probes.Delivered)
		w.provider.Set(mailtest.Bounce)
		c := w.has(3*time.Minute, probes.Bounced)
		if c.Reply.Code != 550 || c.Reply.Enhanced != "5.1.1" || c.Stage != probes.StageTransit || c.Resolved.IsZero() {
			t.Errorf("bounced: %+v", c)
		}
		w.within(3*time.Minute, "a vote", func() bool { return w.agent.Routes()[0].Vote.Weight > 0 })
		w.within(10*time.Second, "the report is deleted", func() bool { return w.inbox() == 0 })
		if n := w.metric(`mailquorum_canary_outcomes_total{route="here-mail",service="mail",outcome="bounced"}`); n == "0" || n == "" {
			t.Errorf("%q bounces counted", n)
		}

		// It was delivered all the same, as the journal alone remembers.
		w.stop()
		w.start()
		r := w.agent.route("here-mail")
		if err := w.provider.Put("canary", mailtest.Inbox, w.agent.letter(r, c).Bytes()); err != nil {
			t.Fatal(err)
		}
		w.within(time.Minute, "late", func() bool {
			got, _, err := w.journal.Canary(c.ID)
			return err == nil && got.Outcome == probes.Late
		})
	})
}

// A report that names a canary without its signature is anybody's.
func TestAForgedBounceChangesNothingAndStays(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.provider.Set(mailtest.Hold)
		w.within(2*time.Minute, "sent", func() bool { return w.provider.Queue() > 0 })
		c := w.canaries()[len(w.canaries())-1]
		tag := probes.NewKey([]byte("somebody else's key, 32 bytes...")).Tag(c.ID)
		forged := "From: MAILER-DAEMON@provider.test\r\nTo: canary@provider.test\r\nSubject: Undelivered\r\nMessage-ID: <1@provider.test>\r\n" +
			"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" +
			"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; canary@provider.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n" +
			"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <" + tag + "@provider.test>\r\n\r\n--b--\r\n"
		if err := w.provider.Put("canary", mailtest.Inbox, []byte(forged)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got, _, _ := w.journal.Canary(c.ID); got.Outcome != probes.InFlight {
			t.Errorf("a forged report made it %v", got.Outcome)
		}
		if n := w.inbox(); n != 1 {
			t.Errorf("%d mails left, want the forged one", n)
		}
		if n := w.metric(`mailquorum_foreign_tags_total{mailbox="canaries"}`); n != "1" {
			t.Errorf("%s foreign tags", n)
		}
	})
}
