package incident

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
)

func drawRecord(t *rapid.T) Record {
	closed := uint64(rapid.IntRange(0, 3).Draw(t, "closed"))
	cert := rapid.Custom(func(t *rapid.T) verdict.Certificate {
		var c verdict.Certificate
		for range rapid.IntRange(0, 2).Draw(t, "reports") {
			c.Reports = append(c.Reports, []byte{byte(rapid.IntRange(0, 2).Draw(t, "byte"))})
		}
		return c
	})
	return Record{Subject: "outage/mail", Closed: closed, Opened: closed + uint64(rapid.IntRange(0, 1).Draw(t, "open")),
		Onset: int64(rapid.IntRange(0, 3).Draw(t, "onset")), Down: cert.Draw(t, "down"), Up: cert.Draw(t, "up"),
		Blinds: uint64(rapid.IntRange(0, 2).Draw(t, "blinds")), Regionals: uint64(rapid.IntRange(0, 2).Draw(t, "regionals")),
		Accounts: uint64(rapid.IntRange(0, 2).Draw(t, "accounts"))}
}

// TestMergeIsAJoin: commutative, associative, idempotent, and neither counter ever
// falls.
func TestMergeIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawRecord(t), drawRecord(t), drawRecord(t)
		same := func(law string, x, y Record) {
			if d := cmp.Diff(x, y); d != "" {
				t.Fatalf("not %s: %s", law, d)
			}
		}
		ab := Merge(a, b)
		same("commutative", ab, Merge(b, a))
		same("associative", Merge(ab, c), Merge(a, Merge(b, c)))
		same("idempotent", Merge(a, a), a)
		same("absorbing", Merge(ab, a), ab)
		same("with a unit", Merge(a, Record{}), a)
		if ab.Opened != max(a.Opened, b.Opened) || ab.Closed != max(a.Closed, b.Closed) || ab.Opened-ab.Closed > 1 {
			t.Fatalf("%+v", ab)
		}
		onset := max(a.Onset, b.Onset) // 0 is unknown
		switch {
		case a.Opened > b.Opened:
			onset = a.Onset
		case a.Opened < b.Opened:
			onset = b.Onset
		case a.Onset > 0 && b.Onset > 0:
			onset = min(a.Onset, b.Onset)
		}
		if ab.Onset != onset {
			t.Fatalf("onset %d of %d and %d", ab.Onset, a.Onset, b.Onset)
		}
		if ab.Epoch() != ab.Closed+1 || ab.Open() != (ab.Opened > ab.Closed) {
			t.Fatalf("%+v", ab)
		}
	})
}

// world is a cluster whose coordinators have machines.
type world struct {
	*reporttest.Cluster
	machines map[string]*Machine
	notices  map[string][]Notice
}

// newWorld gives machines to the coordinators named.
func newWorld(r *roster.Roster, coordinators ...string) *world {
	w := &world{Cluster: reporttest.New(r), machines: map[string]*Machine{}, notices: map[string][]Notice{}}
	for _, n := range coordinators {
		w.Board(n)
		w.machines[n] = NewMachine(r, "outage/mail")
	}
	return w
}

func (w *world) verdict(node string) verdict.Verdict {
	ballots := verdict.Collect(w.Board(node), w.Roster, report.Outage, "mail", w.Now)
	return verdict.Tally(report.Outage, "mail", w.machines[node].Record().Epoch(), ballots, w.Now)
}

func (w *world) step(node string) []Notice {
	out := w.machines[node].Step(w.Now, w.verdict(node))
	w.notices[node] = append(w.notices[node], out...)
	return out
}

// everybody lets all agents vote o on the epoch of the first coordinator.
func (w *world) everybody(d time.Duration, o vote.Opinion) {
	epoch := w.machines[w.Roster.Coordinators()[0].Name].Record().Epoch()
	w.Round(d, func(roster.Node) []report.Vote {
		return []report.Vote{{Opinion: o, Epoch: epoch, Since: w.Now.Unix()}}
	})
}

func (w *world) until(t testing.TB, node, state string, o vote.Opinion) {
	t.Helper()
	for range 60 {
		w.everybody(10*time.Second, o)
		w.step(node)
		if w.machines[node].State() == state {
			return
		}
	}
	t.Fatalf("%s never %s:\n%s", node, state, w.verdict(node).Describe())
}

func five() *roster.Roster {
	return reporttest.Roster([]string{"mail", "other"}, "a", "b", "c", "d", "e")
}

const (
	first  = "coordinator-a"
	second = "coordinator-b"
)

// TestRecordRefused: what does not prove itself changes nothing.
func TestRecordRefused(t *testing.T) {
	r := five()
	w := newWorld(r, first)
	w.until(t, first, StateOpen, vote.Down)
	open := w.machines[first].Record()
	w.until(t, first, StateClosed, vote.Up)
	closed := w.machines[first].Record()
	before := newWorld(r, first)
	before.until(t, first, StateOpen, vote.Down) // of another life, at the same epoch
	for _, rec := range []Record{open, closed, NewRecord(r, "outage/mail"), NewRecord(r, "account/mail")} {
		if err := rec.Verify(r); err != nil {
			t.Fatalf("a good record: %v", err)
		}
	}
	other := five()
	other.Version = 7

	change := func(rec Record, f func(*Record)) Record { f(&rec); return rec }
	for _, x := range []struct {
		name string
		rec  Record
		want string
	}{
		{"no service", change(open, func(r *Record) { r.Subject = "outage/none" }), "no such subject"},
		{"no subject", change(open, func(r *Record) { r.Subject = "regional/mail" }), "no such subject"},
		{"another service", change(open, func(r *Record) { r.Subject = "outage/other" }), "does not vote"},
		{"another question", change(open, func(r *Record) { r.Subject = "degraded/mail" }), "does not vote"},
		{"opened without proof", change(open, func(r *Record) { r.Down = verdict.Certificate{} }), "it is empty"},
		{"closed without proof", change(open, func(r *Record) { r.Closed++ }), "certificate of the close"},
		{"a later epoch", change(open, func(r *Record) { r.Opened, r.Closed = 9, 8 }), "epoch 9"},
		{"two ahead", change(open, func(r *Record) { r.Opened += 1 }), "opened 2, closed 0"},
		{"closed ahead", change(closed, func(r *Record) { r.Closed++ }), "opened 1, closed 2"},
		{"closed by the down votes", change(closed, func(r *Record) { r.Up = r.Down }), "closed(1)"},
		{"opened by the up votes", change(closed, func(r *Record) { r.Down = r.Up }), "opened(1)"},
		{"a fabled onset", change(open, func(r *Record) { r.Onset = 1 }), "onset"},
		{"an onset to come", change(open, func(r *Record) { r.Onset += 1 << 20 }), "onset"},
		{"no onset", change(open, func(r *Record) { r.Onset = 0 }), "onset"},
		{"nothing opened, with a proof", change(NewRecord(r, "outage/mail"), func(r *Record) { r.Down = open.Down }), "cannot prove"},
		{"an account with counters", Record{Subject: "account/mail", Opened: 1, Closed: 1}, "cannot prove"},
	} {
		err := x.rec.Verify(r)
		if !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
		m := NewMachine(r, "outage/mail")
		was := string(m.Snapshot())
		if n, err := m.Merge(w.Now, x.rec); len(n) != 0 || err == nil && x.rec.Opened > 0 || string(m.Snapshot()) != was {
			t.Errorf("%s: merged with %v, %v", x.name, n, err)
		}
	}
	if err := open.Verify(other); !errors.Is(err, ErrRecord) {
		t.Errorf("of another roster: %v", err)
	}
	// Any changed byte of a certificate.
	rapid.Check(t, func(t *rapid.T) {
		rec := rapid.SampledFrom([]Record{open, closed}).Draw(t, "record")
		cert := &rec.Down
		if !rec.Open() && rapid.Bool().Draw(t, "up") {
			cert = &rec.Up
		}
		cert.Reports = slices.Clone(cert.Reports)
		i := rapid.IntRange(0, len(cert.Reports)-1).Draw(t, "report")
		raw := slices.Clone(cert.Reports[i])
		raw[rapid.IntRange(0, len(raw)-1).Draw(t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		cert.Reports[i] = raw
		if rec.Verify(r) == nil {
			t.Fatal("a changed byte changes nothing")
		}
	})
}

// TestRecordWire: a record survives the mesh, and fits into one message.
func TestRecordWire(t *testing.T) {
	w := newWorld(five(), first)
	w.until(t, first, StateOpen, vote.Down)
	w.until(t, first, StateClosed, vote.Up)
	in := w.machines[first].Record()
	raw := report.Seal("test", report.KindIncident, first, reporttest.Key(first), report.Marshal(&in))
	e, err := report.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	var out Record
	if err := report.Unmarshal(e.Body, &out); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, out); d != "" {
		t.Error(d)
	}
	t.Logf("closed record of five regions: %d bytes", len(raw))
}

// TestKeptUpVotesCloseNothing: up votes of the time before the outage are bound to
// the same epoch; whoever kept them cannot end the incident with them.
func TestKeptUpVotesCloseNothing(t *testing.T) {
	w := newWorld(five(), first)
	w.everybody(time.Second, vote.Up)
	w.everybody(time.Second, vote.Up)
	kept, ok := w.verdict(first).Certificate(vote.Up)
	if !ok {
		t.Fatal("no votes to keep")
	}
	w.until(t, first, StateOpen, vote.Down)
	forged := w.machines[first].Record()
	forged.Closed, forged.Up = forged.Opened, kept
	if n, err := w.machines[first].Merge(w.Now, forged); err == nil || len(n) > 0 || w.machines[first].State() != StateOpen {
		t.Errorf("%v, %v, %s", n, err, w.machines[first].State())
	}
}

// TestVersionsOfTheRoster: a higher version counts on from a higher number and ends
// what was open; the same version with another content is refused.
func TestVersionsOfTheRoster(t *testing.T) {
	w := newWorld(five(), first)
	w.until(t, first, StateOpen, vote.Down)
	snapshot := w.machines[first].Snapshot()

	changed := five()
	changed.Timing.CloseHold = 2 * time.Minute
	if err := NewMachine(changed, "outage/mail").Restore(snapshot); !errors.Is(err, ErrVersion) {
		t.Errorf("same version: %v", err)
	}
	if err := NewMachine(changed, "outage/mail").Restore(NewMachine(five(), "outage/mail").Snapshot()); err != nil {
		t.Errorf("same version, nothing opened: %v", err)
	}
	if err := NewMachine(five(), "outage/other").Restore(snapshot); err == nil {
		t.Error("another subject's snapshot")
	}
	if err := NewMachine(five(), "outage/mail").Restore([]byte("{")); err == nil {
		t.Error("half a snapshot")
	}

	changed.Version = 3
	next := newWorld(changed, first)
	m := next.machines[first]
	if err := m.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if m.State() != StateOpen || m.Record().Epoch() != Genesis(changed)+1 || m.Record().Verify(changed) != nil {
		t.Errorf("%s, epoch %d", m.State(), m.Record().Epoch())
	}
	next.Now = w.Now
	for range 3 {
		next.everybody(time.Second, vote.Down)
		next.step(first)
	}
	var got []string
	for _, n := range next.notices[first] {
		got = append(got, string(n.Kind)+" "+n.Key)
	}
	want := []string{"closed mailquorum/test/outage/mail/1", "opened mailquorum/test/outage/mail/2000001"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSubjects(t *testing.T) {
	s := NewSubject(report.Degraded, "mimecast-uk")
	if s != "degraded/mimecast-uk" || s.Kind() != Degraded || s.Service() != "mimecast-uk" {
		t.Error(s)
	}
	if got := Key("acme", s, 12); got != "mailquorum/acme/degraded/mimecast-uk/12" {
		t.Error(got)
	}
	r := five()
	for s, rec := range Records(r) {
		if rec.Subject != s || rec.Epoch() != 1 || rec.Verify(r) != nil || !rec.OnsetTime().IsZero() {
			t.Errorf("%s: %+v", s, rec)
		}
	}
	if len(Records(r)) != 4 {
		t.Error("two services have two certified subjects each")
	}
}
