package agent

import (
	"testing"
	"time"

	"mailquorum/probes"
)

// A genuine canary that the journal does not know is a twin's, perhaps, which
// awaits it: it stays until its deadline is over, and goes after the next start.
func TestACanaryThatTheJournalDoesNotKnowIsLeftToItsTwin(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.agent.routes[0]
		twins := w.agent.letter(r, probes.Canary{ID: probes.NewID(), Route: r.Name, Service: r.Service, Sent: time.Now()})
		if err := w.provider.Put("canary", "INBOX", twins.Bytes()); err != nil {
			w.Fatal(err)
		}
		const series = `mailquorum_unknown_canaries_total{mailbox="canaries"}`
		w.within(time.Minute, "it is counted", func() bool { return w.metric(series) == "1" })
		w.provider.CutIMAP()
		time.Sleep(w.agent.timing.Deadline / 2)
		w.within(time.Minute, "it alone is left", func() bool { return w.inbox() == 1 })
		w.stop()
		w.start()
		time.Sleep(time.Minute)
		w.within(time.Minute, "it alone is left after a restart before the deadline", func() bool { return w.inbox() == 1 })
		w.within(time.Minute, "it is seen again", func() bool { return w.metric(series) == "1" })
		time.Sleep(w.agent.timing.Deadline)
		if n := w.metric(series); n != "1" {
			w.Errorf("counted %s times, want once", n)
		}
		w.stop()
		w.start()
		w.within(time.Minute, "it is cleaned up", func() bool { return w.inbox() == 0 })
		if n := len(w.canaries()); n == 0 || w.outcomes()[probes.Delivered] < n-1 {
			w.Errorf("outcomes of the agent's own: %v", w.outcomes())
		}
	})
}
