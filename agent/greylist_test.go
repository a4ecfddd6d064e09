package agent

import (
	"testing"
	"time"

	"mailquorum/internal/vote"
	"mailquorum/probes"
	"mailquorum/probes/mailtest"
)

// What is greylisted is tried again as an MTA would, and then its latency is that of
// the provider alone.
func TestGreylistedIsTriedAgain(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.provider.Set(mailtest.Defer) // 451 4.7.1 at RCPT
		w.within(2*time.Minute, "sent", func() bool { return len(w.canaries()) > 0 })
		time.Sleep(2*time.Minute + 30*time.Second)
		w.provider.Set(mailtest.Normal)
		first := w.canaries()[0]
		w.within(5*time.Minute, "delivered", func() bool {
			c, _, err := w.journal.Canary(first.ID)
			first = c
			return err == nil && c.Outcome == probes.Delivered
		})
		if first.Greylisted < 3*time.Minute || first.Greylisted > 4*time.Minute {
			t.Errorf("put off by %v, want 1 + 2 intervals", first.Greylisted)
		}
		if first.Latency > time.Second {
			t.Errorf("latency %v holds the wait", first.Latency)
		}
		if v := w.agent.Routes()[0].Vote; v.Opinion == vote.Down || v.Weight > 0 {
			t.Errorf("greylisting is evidence: %+v", v)
		}
		if n := w.outcomes()[probes.Unknown] + w.outcomes()[probes.Lost]; n != 0 {
			t.Errorf("%d canaries that waited are called lost or unknown", n)
		}
		if n := w.metric(`mailquorum_greylist_delay_seconds_count{route="here-mail"}`); n == "0" || n == "" {
			t.Errorf("%q delays observed", n)
		}
	})
}

// Greylisting without end is throttling: a ticket, no outage, and few who wait.
func TestGreylistingWithoutEndIsOfTheAccount(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.provider.Set(mailtest.Defer)
		w.has(10*time.Minute, probes.Throttled)
		time.Sleep(15 * time.Minute)
		if v := w.agent.Routes()[0].Vote; v.Opinion == vote.Down {
			t.Errorf("voted down: %+v", v)
		}
		if n := w.outcomes()[probes.Ambiguous]; n > greylistWaiting+1 {
			t.Errorf("%d canaries wait, want %d at most", n, greylistWaiting)
		}
		if n := len(w.canaries()); n < 20 {
			t.Errorf("%d canaries in 25 minutes: those that wait keep others from being sent", n)
		}
	})
}
