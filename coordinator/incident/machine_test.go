package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
)

// three is the smallest cluster with a quorum: agents in three regions, and two
// coordinators.
func three() *roster.Roster {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	r.Nodes = r.Nodes[:len(r.Nodes)-1] // coordinator-c
	r.Timing = roster.Timing{CloseHold: 20 * time.Second, Regional: 30 * time.Second, Blind: 40 * time.Second, Linger: 30 * time.Second,
		Reopen: 2 * time.Minute, Deadline: 30 * time.Second, Interval: 5 * time.Second}
	return r
}

// check verifies what must hold of the notices that one coordinator gave.
func check(t interface{ Fatalf(string, ...any) }, notices []Notice) {
	opened, closed := map[string]bool{}, map[string]bool{}
	episode := map[Subject]bool{}
	var last uint64
	for i, n := range notices {
		if n.Key != Key("test", n.Subject, n.Epoch) || n.Text == "" || strings.Contains(n.Text, "%!") || i > 0 && n.At.Before(notices[i-1].At) {
			t.Fatalf("notice %d: %+v", i, n)
		}
		switch n.Kind {
		case NoticeOpened:
			if opened[n.Key] || n.Epoch <= last || !n.Page {
				t.Fatalf("opened again: %v", kinds(notices[:i+1]))
			}
			if len(opened) > len(closed) {
				t.Fatalf("two open at once: %v", kinds(notices[:i+1]))
			}
			opened[n.Key], last = true, n.Epoch
		case NoticeClosed:
			if !opened[n.Key] || closed[n.Key] || !n.Page {
				t.Fatalf("closed without being open: %v", kinds(notices[:i+1]))
			}
			closed[n.Key] = true
		case NoticeRecovering, NoticeReopened:
			if !opened[n.Key] || closed[n.Key] || n.Page {
				t.Fatalf("%s while not open: %v", n.Kind, kinds(notices[:i+1]))
			}
		case NoticeBlind, NoticeRegional:
			if episode[n.Subject] || n.Page != (n.Kind == NoticeBlind) {
				t.Fatalf("%s twice: %v", n.Kind, kinds(notices[:i+1]))
			}
			episode[n.Subject] = true
		case NoticeBlindOver, NoticeRegionalOver:
			if !episode[n.Subject] || n.Page != (n.Kind == NoticeBlindOver) {
				t.Fatalf("%s without its beginning: %v", n.Kind, kinds(notices[:i+1]))
			}
			episode[n.Subject] = false
		}
	}
}

func kinds(notices []Notice) []string {
	var out []string
	for _, n := range notices {
		out = append(out, fmt.Sprintf("%s/%d", n.Kind, n.Epoch))
	}
	return out
}

// sound verifies what must hold of a machine at any time.
func sound(t interface{ Fatalf(string, ...any) }, r *roster.Roster, m *Machine, before Record) Record {
	rec := m.Record()
	if rec.Opened < rec.Closed || rec.Opened > rec.Closed+1 || rec.Opened < before.Opened || rec.Closed < before.Closed {
		t.Fatalf("opened %d, closed %d, after %d and %d", rec.Opened, rec.Closed, before.Opened, before.Closed)
	}
	if err := rec.Verify(r); err != nil {
		t.Fatalf("its own record: %v", err)
	}
	if (m.State() == StateOpen || m.State() == StateRecovering) != rec.Open() {
		t.Fatalf("%q with opened %d, closed %d", m.State(), rec.Opened, rec.Closed)
	}
	return rec
}

// TestMachinesAgree: two coordinators whose hearing is bad, whose network splits,
// who restart and gossip now and then, and agents that follow the records and vote
// at random: whatever happens, each opened epoch is proved, is opened once and
// closed at most once by each, and once they have heard each other both hold the
// same.
func TestMachinesAgree(t *testing.T) {
	r := three()
	opinions := []vote.Opinion{vote.Down, vote.Down, vote.Down, vote.Up, vote.Up, vote.Up, vote.Abstain, vote.Unsettled}
	epochs := 0
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(r, first, second)
		known := map[string]Record{} // what each agent knows
		before := map[string]Record{}
		for _, n := range r.Nodes {
			known[n.Name] = NewRecord(r, "outage/mail")
			before[n.Name] = known[n.Name]
		}
		gossip := func(from, to string) {
			rec := w.machines[from].Record()
			if m := w.machines[to]; m != nil {
				out, err := m.Merge(w.Now, rec)
				if err != nil {
					t.Fatalf("%s refuses the record of %s: %v", to, from, err)
				}
				w.notices[to] = append(w.notices[to], out...)
				if again, err := m.Merge(w.Now, rec); len(again) > 0 || err != nil {
					t.Fatalf("merged twice: %v, %v", again, err)
				}
			}
			known[to] = Merge(known[to], rec)
		}
		all := rapid.SampledFrom(opinions).Draw(t, "opinion")
		for range rapid.IntRange(5, 15).Draw(t, "rounds") {
			if rapid.IntRange(0, 3).Draw(t, "changes") == 0 {
				all = rapid.SampledFrom(opinions).Draw(t, "opinion")
			}
			deaf := rapid.SampledFrom([]string{"", "", "", first, second}).Draw(t, "deaf")
			w.Hears = func(to, from string) bool { return to != deaf }
			odd := rapid.SampledFrom([]string{"", "", "agent-a", "agent-b", "agent-c"}).Draw(t, "odd")
			oddly := rapid.SampledFrom(opinions).Draw(t, "oddly")
			w.Round(rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, 11 * time.Second}).Draw(t, "pause"), func(n roster.Node) []report.Vote {
				o := all
				if n.Name == odd {
					o = oddly
				}
				return []report.Vote{{Opinion: o, Epoch: known[n.Name].Epoch(), Since: w.Now.Unix()}}
			})
			for _, c := range []string{first, second} {
				w.step(c)
				before[c] = sound(t, r, w.machines[c], before[c])
				for _, n := range r.Nodes {
					if rapid.IntRange(0, 2).Draw(t, "gossip") == 0 && n.Name != c && deaf != c {
						gossip(c, n.Name)
					}
				}
				if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
					snapshot := w.machines[c].Snapshot()
					w.machines[c] = NewMachine(r, "outage/mail")
					if err := w.machines[c].Restore(snapshot); err != nil {
						t.Fatalf("%v", err)
					}
					w.Restart(c)
				}
				before[c] = sound(t, r, w.machines[c], before[c])
			}
		}
		gossip(first, second)
		gossip(second, first)
		check(t, w.notices[first])
		check(t, w.notices[second])
		a, b := w.machines[first].Record(), w.machines[second].Record()
		if d := cmp.Diff(a, b); d != "" {
			t.Fatalf("after hearing each other: %s", d)
		}
		// Both have told of the newest epoch, under one key.
		keys := [2]string{}
		for i, c := range []string{first, second} {
			for _, n := range w.notices[c] {
				if n.Kind == NoticeOpened && n.Epoch == a.Opened {
					keys[i] = n.Key
				}
			}
		}
		if a.Opened > 0 && (keys[0] != keys[1] || keys[0] == "") {
			t.Fatalf("keys %q of epoch %d\n%v\n%v", keys, a.Opened, kinds(w.notices[first]), kinds(w.notices[second]))
		}
		epochs += int(a.Opened)
	})
	if epochs == 0 {
		t.Error("nothing was ever opened")
	}
}

// TestConcurrentOpen: two coordinators that see the outage through different
// regions open the same epoch, and so page under the same key; what they gossip
// afterwards is no news.
func TestConcurrentOpen(t *testing.T) {
	w := newWorld(five(), first, second)
	w.everybody(time.Second, vote.Up)
	w.Hears = func(to, from string) bool {
		return !(to == first && (from == "agent-d" || from == "agent-e")) && !(to == second && (from == "agent-a" || from == "agent-b"))
	}
	for range 3 {
		w.everybody(time.Second, vote.Down)
	}
	a, b := w.step(first), w.step(second)
	if len(a) != 1 || len(b) != 1 || a[0].Key != b[0].Key || a[0].Kind != NoticeOpened {
		t.Fatalf("%v and %v", kinds(a), kinds(b))
	}
	if cmp.Equal(w.machines[first].Record().Down, w.machines[second].Record().Down) {
		t.Fatal("they hold the same certificate: the test shows nothing")
	}
	for _, x := range [][2]string{{first, second}, {second, first}} {
		if n, err := w.machines[x[0]].Merge(w.Now, w.machines[x[1]].Record()); len(n) > 0 || err != nil {
			t.Errorf("%v, %v", kinds(n), err)
		}
	}
	if d := cmp.Diff(w.machines[first].Record(), w.machines[second].Record()); d != "" {
		t.Error(d)
	}
	// Either can close on the certificate that both hold now.
	w.Hears = nil
	w.until(t, second, StateClosed, vote.Up)
	n, err := w.machines[first].Merge(w.Now, w.machines[second].Record())
	if err != nil || len(n) != 1 || n[0].Kind != NoticeClosed || n[0].Key != a[0].Key {
		t.Errorf("%v, %v", kinds(n), err)
	}
	if w.machines[first].State() != StateClosed {
		t.Error(w.machines[first].State())
	}
}

// TestMergeCatchesUp: a coordinator that was away hears of each thing once, in
// order, and nothing twice.
func TestMergeCatchesUp(t *testing.T) {
	w := newWorld(five(), first, second)
	m := w.machines[second]
	merge := func(want ...string) {
		t.Helper()
		for range 2 {
			n, err := m.Merge(w.Now, w.machines[first].Record())
			if d := cmp.Diff(want, kinds(n)); err != nil || d != "" {
				t.Fatalf("%v\n%s", err, d)
			}
			for _, x := range n {
				if x.Kind == NoticeOpened && !strings.Contains(x.Drawing, "outage: 3 of 5 regions (need 3)") {
					t.Errorf("drawing:\n%s", x.Drawing)
				}
			}
			want = nil
		}
	}
	merge()
	w.until(t, first, StateOpen, vote.Down)
	merge("opened/1")
	w.until(t, first, StateClosed, vote.Up)
	merge("closed/1")
	w.until(t, first, StateOpen, vote.Down)
	w.until(t, first, StateClosed, vote.Up)
	merge("opened/2", "closed/2")
	w.until(t, first, StateOpen, vote.Down)
	merge("opened/3")
	w.until(t, first, StateClosed, vote.Up)
	w.until(t, first, StateOpen, vote.Down)
	merge("closed/3", "opened/4")
	if !m.Intermittent() || m.Hold() != 8*time.Minute {
		t.Errorf("intermittent %v, hold %v", m.Intermittent(), m.Hold())
	}
	if n, err := m.Merge(w.Now, NewRecord(w.Roster, "outage/other")); err == nil || len(n) > 0 {
		t.Error("took the record of another subject")
	}
}

// TestBlindDecidesNothing: while too few regions can tell, whatever those say,
// nothing is opened and nothing is closed.
func TestBlindDecidesNothing(t *testing.T) {
	for _, start := range []string{StateClosed, StateOpen} {
		rapid.Check(t, func(t *rapid.T) {
			w := newWorld(five(), first)
			for range 2 {
				w.everybody(time.Second, vote.Up)
			}
			if start == StateOpen {
				w.everybody(time.Second, vote.Down)
				w.step(first)
			}
			before := w.machines[first].Record()
			if before.Open() != (start == StateOpen) {
				t.Fatalf("%s", w.verdict(first).Describe())
			}
			for range 7 {
				tells := rapid.IntRange(0, 2).Draw(t, "tell")
				o := rapid.SampledFrom([]vote.Opinion{vote.Up, vote.Down}).Draw(t, "opinion")
				i := 0
				w.Round(0, func(roster.Node) []report.Vote {
					i++
					v := report.Vote{Opinion: o, Epoch: before.Epoch()}
					if i > tells {
						v.Opinion = rapid.SampledFrom([]vote.Opinion{vote.Abstain, vote.Unsettled}).Draw(t, "cannot")
					}
					return []report.Vote{v}
				})
				w.step(first)
				w.Now = w.Now.Add(2 * time.Minute)
			}
			if after := w.machines[first].Record(); after.Opened != before.Opened || after.Closed != before.Closed {
				t.Fatalf("opened %d, closed %d", after.Opened, after.Closed)
			}
			check(t, w.notices[first])
			if kinds := strings.Join(kinds(w.notices[first]), " "); !strings.Contains(kinds, "blind/1") {
				t.Fatalf("it does not say that it is blind: %s", kinds)
			}
		})
	}
}

// TestMinorityNeverPages: q-1 regions say what they like for hours, each bound to
// whatever epoch; nobody is paged.
func TestMinorityNeverPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(five(), first)
		for range 10 {
			i := 0
			w.Round(15*time.Second, func(roster.Node) []report.Vote {
				i++
				if i > 2 {
					return []report.Vote{{Opinion: vote.Up, Epoch: 1}}
				}
				return []report.Vote{{Opinion: vote.Opinion(rapid.IntRange(0, 3).Draw(t, "opinion")),
					Epoch: uint64(rapid.IntRange(0, 2).Draw(t, "epoch")), Weight: 65535}}
			})
			w.step(first)
		}
		for _, n := range w.notices[first] {
			if n.Page {
				t.Fatalf("%+v", n)
			}
		}
	})
}

// TestStepIgnoresOthersVerdicts: of another question, service or epoch.
func TestStepIgnoresOthersVerdicts(t *testing.T) {
	w := newWorld(five(), first)
	for range 2 {
		w.everybody(time.Second, vote.Down)
	}
	v := w.verdict(first)
	m := w.machines[first]
	other := v
	other.Epoch = 2
	if n := m.Step(w.Now, other); len(n) > 0 {
		t.Error("another epoch")
	}
	other = v
	other.Service = "other"
	if n := m.Step(w.Now, other); len(n) > 0 {
		t.Error("another service")
	}
	if n := NewMachine(w.Roster, "degraded/mail").Step(w.Now, v); len(n) > 0 {
		t.Error("another question")
	}
	if n := m.Step(w.Now, v); len(n) != 1 || m.Unproven() != nil {
		t.Error("its own")
	}
}

// TestUnproven: a quorum that cannot be certified opens nothing, and says so.
func TestUnproven(t *testing.T) {
	w := newWorld(five(), first)
	w.Hears = func(to, from string) bool {
		return strings.HasPrefix(to, "coordinator") || strings.HasPrefix(from, "coordinator")
	}
	for range 3 {
		w.everybody(time.Second, vote.Down)
	}
	if n := w.step(first); len(n) > 0 || w.machines[first].Unproven() == nil {
		t.Errorf("%v, %v", kinds(n), w.machines[first].Unproven())
	}
	w.Hears = nil
	for range 2 {
		w.everybody(time.Second, vote.Down)
	}
	if n := w.step(first); len(n) != 1 || w.machines[first].Unproven() != nil {
		t.Errorf("%v, %v", kinds(n), w.machines[first].Unproven())
	}
}

// TestLongOnset: an outage of which the votes say that it began nearly Linger ago
// opens, however short Reopen is. With a Reopen of a third of that it once did
// not open before Linger was over.
func TestLongOnset(t *testing.T) {
	r := three()
	r.Timing.Reopen = time.Second
	w := newWorld(r, first)
	began := w.Now
	w.Now = began.Add(r.Timing.Linger - 4*time.Second)
	for range 3 {
		w.Round(time.Second, func(roster.Node) []report.Vote {
			return []report.Vote{{Opinion: vote.Down, Epoch: 1, Since: began.Unix()}}
		})
	}
	if n := w.step(first); len(n) != 1 || n[0].Kind != NoticeOpened || n[0].Onset.Unix() != began.Unix() {
		t.Errorf("%v, onset %v of %v: %v", kinds(n), w.machines[first].Record().OnsetTime(), began, w.machines[first].Unproven())
	}
}

// TestEpisodesAreNumberedAlike: coordinators that see a blindness begin at about
// the same time give it the same key, without any proof; one that lies about the
// number cannot page or hush.
func TestEpisodesAreNumberedAlike(t *testing.T) {
	w := newWorld(five(), first, second)
	silence := func(d time.Duration) {
		for end := w.Now.Add(d); w.Now.Before(end); {
			w.Round(15*time.Second, func(roster.Node) []report.Vote { return nil })
			// Each hears of the other between their steps.
			for _, x := range [][2]string{{first, second}, {second, first}} {
				w.step(x[0])
				if _, err := w.machines[x[1]].Merge(w.Now, w.machines[x[0]].Record()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	up := func(d time.Duration, at ...string) {
		for end := w.Now.Add(d); w.Now.Before(end); {
			w.everybody(15*time.Second, vote.Up)
			for _, c := range at {
				w.step(c)
			}
		}
	}
	silence(11 * time.Minute)
	up(2*time.Minute, first, second)
	silence(11 * time.Minute)
	up(2*time.Minute, first)
	liar := w.machines[first].Record()
	liar.Blinds = 1 << 50
	if n, err := w.machines[second].Merge(w.Now, liar); len(n) > 0 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	up(2*time.Minute, second)
	silence(11 * time.Minute)
	liar = w.machines[first].Record()
	liar.Blinds = 9 // while it is blind: the key of what is open does not change
	if _, err := w.machines[second].Merge(w.Now, liar); err != nil {
		t.Fatal(err)
	}
	up(2*time.Minute, first, second)
	want := []string{"blind/1", "blind-over/1", "blind/2", "blind-over/2", "blind/3", "blind-over/3"}
	for _, c := range []string{first, second} {
		if d := cmp.Diff(want, kinds(w.notices[c])); d != "" {
			t.Errorf("%s: %s", c, d)
		}
	}
}
