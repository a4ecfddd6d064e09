package agent

import (
	"testing"
	"time"

	"mailquorum/internal/roster"
	"mailquorum/probes"
	"mailquorum/probes/collect"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// accepted returns a follower with one canary sent at 0 and accepted at 1 s.
func accepted() (*follower, *flight) {
	f := newFollower(300*time.Second, Retention)
	fl := f.add(probes.Canary{ID: probes.NewID(), Route: "r", Sent: at(0), Accepted: at(1), Outcome: probes.InFlight}, "box")
	return f, fl
}

func seen(t time.Time, uid uint32, junk bool) collect.Sighting {
	return collect.Sighting{Mailbox: "box", Folder: "INBOX", UID: uid, UIDValidity: 7, At: t, Junk: junk}
}

func want(t *testing.T, fl *flight, o probes.Outcome) {
	t.Helper()
	if fl.Outcome != o {
		t.Errorf("outcome %v, want %v", fl.Outcome, o)
	}
}

func TestArrivalInTime(t *testing.T) {
	f, fl := accepted()
	if got := f.sight(fl, seen(at(5), 1, false)); got != newsOutcome {
		t.Errorf("news %v", got)
	}
	want(t, fl, probes.Delivered)
	if fl.Latency != 5*time.Second || fl.Transit != 4*time.Second {
		t.Errorf("latency %v, transit %v", fl.Latency, fl.Transit)
	}
}

func TestMissingIsSaidOnlyAfterAScanThatBeganAfterTheDeadline(t *testing.T) {
	f, fl := accepted()
	for _, began := range []int{2, 299} {
		if got := f.scanned(at(400), at(began), "box"); len(got) != 0 {
			t.Errorf("a scan begun at %d s settled %d canaries", began, len(got))
		}
	}
	if !f.overdue(at(300), "box") {
		t.Error("no scan is asked for after the deadline")
	}
	f.scanned(at(400), at(400), "other")
	want(t, fl, probes.InFlight)
	if got := f.scanned(at(401), at(400), "box"); len(got) != 1 {
		t.Errorf("the scan settled %d canaries, want 1", len(got))
	}
	want(t, fl, probes.Lost)
}

// Bugs of other probers, 9: lost mail forgotten, so that its arrival is never seen.
func TestLostMailThatArrivesIsLate(t *testing.T) {
	f, fl := accepted()
	f.scanned(at(400), at(400), "box")
	f.prune(at(3 * 86400))
	if f.byID[fl.ID] == nil {
		t.Fatal("a lost canary was forgotten after three days")
	}
	if got := f.sight(fl, seen(at(3*86400), 1, false)); got != newsOutcome {
		t.Errorf("news %v", got)
	}
	want(t, fl, probes.Late)
}

// A mail that came in time while its mailbox could not be read is not late: the
// server's date of its arrival decides, where it is plausible.
func TestWhatArrivedUnreadIsJudgedByTheServersDate(t *testing.T) {
	for _, c := range []struct {
		name          string
		failed, scan  int // of the mailbox; 0: never
		internal, see int
		want          probes.Outcome
		latency       int
	}{
		{"readable all the time", 0, 0, 5, 400, probes.Late, 400},
		{"unreadable, in time", 100, 0, 5, 400, probes.Delivered, 5},
		{"unreadable since before it was sent", -9, -20, 5, 400, probes.Delivered, 5},
		{"unreadable before it was sent, then read", -9, -8, 5, 400, probes.Late, 400},
		{"unreadable, read again, seen later", 100, 200, 5, 400, probes.Delivered, 5},
		{"unreadable, late", 100, 0, 301, 400, probes.Late, 400},
		{"unreadable, at the deadline", 100, 0, 300, 400, probes.Delivered, 300},
		{"unreadable, the server's clock is a little behind", 100, 0, -5, 400, probes.Delivered, 0},
		{"unreadable, the server's clock is wrong", 100, 0, -6, 400, probes.Late, 400},
		{"unreadable, seen in time", 100, 0, 5, 299, probes.Delivered, 299},
	} {
		f, fl := accepted()
		if c.scan != 0 {
			f.scanned(at(c.scan), at(c.scan), "box")
		}
		if c.failed != 0 {
			f.failed(at(c.failed), "box")
		}
		s := seen(at(c.see), 1, false)
		s.Internal = at(c.internal)
		f.sight(fl, s)
		if fl.Outcome != c.want || fl.Latency != time.Duration(c.latency)*time.Second || fl.Transit != max(0, fl.Latency-time.Second) {
			t.Errorf("%s: %v after %v (transit %v), want %v after %d s", c.name, fl.Outcome, fl.Latency, fl.Transit, c.want, c.latency)
		}
	}
	f, fl := accepted()
	f.failed(at(100), "box")
	s := seen(at(400), 1, false) // of a server that gives no date
	f.sight(fl, s)
	want(t, fl, probes.Late)
}

func TestJunkIsDeliveredButMisplaced(t *testing.T) {
	f, fl := accepted()
	f.sight(fl, seen(at(5), 1, true))
	want(t, fl, probes.Junked)
}

// Bugs of other probers, 3: duplicates counted as late, or as errors.
func TestSecondCopyChangesNothingButTheCount(t *testing.T) {
	f, fl := accepted()
	f.sight(fl, seen(at(5), 1, false))
	if got := f.sight(fl, seen(at(6), 1, false)); got != newsNone {
		t.Errorf("the same mail seen twice is %v", got)
	}
	if got := f.sight(fl, seen(at(600), 2, false)); got != newsCopy {
		t.Errorf("a second copy is %v", got)
	}
	want(t, fl, probes.Delivered)
	if fl.Copies != 2 || fl.Latency != 5*time.Second {
		t.Errorf("copies %d, latency %v", fl.Copies, fl.Latency)
	}
}

// Bugs of other probers, 1: a mail that is delivered but answered 451.
func TestAmbiguousIsFollowed(t *testing.T) {
	f := newFollower(300*time.Second, Retention)
	arrives := f.add(probes.Canary{ID: probes.NewID(), Sent: at(0), Outcome: probes.Ambiguous, Stage: probes.StageData}, "box")
	never := f.add(probes.Canary{ID: probes.NewID(), Sent: at(0), Outcome: probes.Ambiguous, Stage: probes.StageData}, "box")
	intent := f.add(probes.Canary{ID: probes.NewID(), Sent: at(0), Outcome: probes.Ambiguous}, "box")
	f.sight(arrives, seen(at(5), 1, false))
	f.scanned(at(400), at(400), "box")
	want(t, arrives, probes.Delivered)
	want(t, never, probes.Failed)   // nobody took responsibility for it: not lost
	want(t, intent, probes.Unknown) // our own crash says nothing about the provider
}

func TestForgottenMailboxMakesUnknownNotLost(t *testing.T) {
	f, fl := accepted()
	f.forgot(at(10), "box")
	want(t, fl, probes.Unknown)
	f.scanned(at(400), at(400), "box")
	want(t, fl, probes.Unknown)
	f.sight(fl, seen(at(500), 1, false))
	want(t, fl, probes.Late)
}

func TestSlotsAreStableAndStaggered(t *testing.T) {
	const n = 5
	var offsets []float64
	for i := range n {
		offsets = append(offsets, phase("service", i, n, "route"))
	}
	for i := range n {
		for j := range i {
			d := offsets[i] - offsets[j]
			if d < 0 {
				d = -d
			}
			if d = min(d, 1-d); d < 0.999/n {
				t.Errorf("regions %d and %d probe %.3f of an interval apart, want at least 1/%d", i, j, d, n)
			}
		}
	}
	first := nextSlot(at(7), time.Minute, offsets[0])
	if again := nextSlot(first.Add(-time.Millisecond), time.Minute, offsets[0]); !again.Equal(first) {
		t.Errorf("after a restart the slot is %v, before it was %v", again, first)
	}
	if next := nextSlot(first, time.Minute, offsets[0]); next.Sub(first) != time.Minute {
		t.Errorf("the slot after %v is %v", first, next)
	}
}

func TestConfirmBudgetIsBounded(t *testing.T) {
	b := confirmBudget{per: 50 * time.Second}
	b.tokens = confirmTokens
	n := 0
	for range 100 {
		if b.take(at(0)) {
			n++
		}
	}
	if n != confirmTokens || b.take(at(49)) || !b.take(at(50)) {
		t.Errorf("%d canaries in a burst, want %d and one more every 50 s", n, confirmTokens)
	}
}

// The journal forgets what is older than the retention: at the start, and daily
// after it (a day of an agent takes a minute to simulate).
func TestTheJournalForgetsWhatIsOld(t *testing.T) {
	inWorld(t, func(c *Config) {
		c.Retention = 48 * time.Hour
		old := probes.Canary{ID: probes.ID{1}, Route: "here-mail", Service: "mail", Sent: time.Now().Add(-49 * time.Hour), Outcome: probes.Delivered}
		soon := probes.Canary{ID: probes.ID{2}, Route: "here-mail", Service: "mail", Sent: time.Now().Add(-47 * time.Hour), Outcome: probes.Lost}
		for _, x := range []probes.Canary{old, soon} {
			if err := c.Journal.Save(x); err != nil {
				t.Error(err)
			}
		}
	}, func(w *world) {
		known := func(id probes.ID) bool {
			_, ok, err := w.journal.Canary(id)
			return ok && err == nil
		}
		w.within(time.Minute, "the old one is forgotten", func() bool { return !known(probes.ID{1}) })
		if !known(probes.ID{2}) {
			t.Error("what is younger than the retention is forgotten")
		}
		w.stop()
		time.Sleep(2 * time.Hour)
		w.change = func(c *Config) { c.Retention = 48 * time.Hour }
		w.start()
		w.within(time.Minute, "the other one is forgotten two hours later", func() bool { return !known(probes.ID{2}) })
	})
}

func TestReadingIsTriedAtThePaceOfTheCanaries(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{2 * time.Second: time.Second, 20 * time.Second: 5 * time.Second,
		time.Minute: 15 * time.Second, time.Hour: 30 * time.Second} {
		if got := readBackoff(roster.Timing{Interval: interval}); got != want {
			t.Errorf("interval %v: at most %v between two attempts, want %v", interval, got, want)
		}
	}
	var boxes []collect.Config
	inWorld(t, func(c *Config) { c.Mailboxes[0].Backoff = 0; boxes = c.Mailboxes }, func(w *world) {
		w.within(time.Minute, "a canary is read", func() bool { return w.outcomes()[probes.Delivered] > 0 })
		w.provider.IMAPDown(true)
		time.Sleep(10 * time.Minute) // the pause has grown to its bound
		w.provider.IMAPDown(false)
		back := time.Now()
		w.within(20*time.Second, "the mailbox is read again", func() bool {
			w.agent.mu.Lock()
			defer w.agent.mu.Unlock()
			return w.agent.follow.looks["canaries"].complete.After(back)
		})
		for _, c := range w.canaries() {
			if c.Outcome == probes.Late || c.Outcome == probes.Lost {
				w.Errorf("a canary that was in time is %v after %v", c.Outcome, c.Latency)
			}
		}
	})
	if boxes[0].Backoff != 0 {
		t.Error("the caller's configuration was changed")
	}
}
