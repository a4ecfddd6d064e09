package report_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
)

var now = reporttest.Start

func accept(t testing.TB, b *report.Board, at time.Time, raw []byte) error {
	t.Helper()
	e, err := report.Parse(raw)
	if err != nil {
		return err
	}
	_, err = b.Accept(at, e, raw)
	return err
}

// message is a report of a node, with what the test cares for.
func message(r *roster.Roster, node string, boot, seq uint64, change func(*report.Report)) []byte {
	rep := report.Report{Roster: r.Hash(), Boot: boot, Seq: seq}
	if change != nil {
		change(&rep)
	}
	return rep.Seal(r.Cluster, node, reporttest.Key(node))
}

func TestBoardTellsWhyAReportDoesNotCount(t *testing.T) {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	other := reporttest.Roster([]string{"mail", "more"}, "a", "b", "c")
	flipped := message(r, "agent-a", 1, 9, nil)
	flipped[len(flipped)-1] ^= 1 // the last byte of the signature
	b := report.NewBoard(r, "coordinator-a")
	for _, c := range []struct {
		name string
		raw  []byte
		want error
	}{
		{"of this roster", message(r, "agent-a", 1, 5, nil), nil},
		{"again", message(r, "agent-a", 1, 5, nil), report.ErrStale},
		{"an older one", message(r, "agent-a", 1, 4, nil), report.ErrStale},
		{"a newer one", message(r, "agent-a", 1, 6, nil), nil},
		{"of the next start", message(r, "agent-a", 2, 1, nil), nil},
		{"of the start before", message(r, "agent-a", 1, 900, nil), report.ErrStale},
		{"a broken signature", message(r, "agent-b", 1, 1, nil)[:40], report.ErrMalformed},
		{"a changed signature", flipped, report.ErrStale},
		{"of another roster", message(other, "agent-b", 1, 1, nil), report.ErrRoster},
		{"of another cluster", (&report.Report{Roster: r.Hash(), Boot: 1, Seq: 1}).Seal("elsewhere", "agent-b", reporttest.Key("agent-b")), report.ErrSignature},
		{"of a stranger", message(r, "agent-x", 1, 1, nil), report.ErrUnknown},
		{"under another's name", (&report.Report{Roster: r.Hash(), Boot: 1, Seq: 1}).Seal(r.Cluster, "agent-b", reporttest.Key("agent-c")), report.ErrSignature},
		{"two answers to one question", report.Seal(r.Cluster, report.KindReport, "agent-b", reporttest.Key("agent-b"),
			report.Marshal(&report.Report{Roster: r.Hash(), Boot: 1, Seq: 1, Votes: make([]report.Vote, 2)})), report.ErrMalformed},
		{"no report", report.Seal(r.Cluster, report.KindConfirm, "agent-b", reporttest.Key("agent-b"), nil), report.ErrMalformed},
	} {
		if err := accept(t, b, now, c.raw); !errors.Is(err, c.want) {
			t.Errorf("a report %s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestBoardAge: without an echo nothing bounds the age; with one, it is measured
// on the hearer's own clock from the moment it spoke what is echoed.
func TestBoardAge(t *testing.T) {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	b := report.NewBoard(r, "coordinator-a")
	me := uint16(r.NodeIndex("coordinator-a"))
	echo := func(boot, seq uint64) func(*report.Report) {
		return func(p *report.Report) {
			p.Wall = now.Add(time.Hour).UnixMilli() // wrong, and of no account
			p.Echo = []report.Echo{{Node: me, Boot: boot, Seq: seq}}
		}
	}
	age := func(at time.Time) string {
		d, ok := b.Age(at, b.Entry("agent-a"))
		if !ok {
			return "unbounded"
		}
		return d.String()
	}
	step := func(at time.Time, seq uint64, change func(*report.Report), want string) {
		t.Helper()
		if err := accept(t, b, at, message(r, "agent-a", 1, seq, change)); err != nil {
			t.Fatal(err)
		}
		if got := age(at); got != want {
			t.Errorf("report %d: age %s, want %s", seq, got, want)
		}
	}
	for seq := range uint64(400) {
		b.Spoke(now.Add(time.Duration(seq)*time.Second), 3, seq+1)
	}
	at := now.Add(400 * time.Second)
	step(at, 1, nil, "unbounded")
	step(at, 2, echo(2, 399), "unbounded")            // of an earlier start
	step(at, 3, echo(3, 100), "unbounded")            // spoken too long ago to be remembered
	step(at, 4, echo(3, 9000), "unbounded")           // never spoken
	step(at, 5, echo(3, 391), "10s")                  //
	step(at.Add(time.Second), 6, echo(3, 390), "11s") // a later report is not older than an earlier one
	step(at.Add(time.Second), 7, nil, "11s")
	step(at.Add(time.Second), 8, echo(3, 400), "2s")
	if got := age(at.Add(time.Minute)); got != "1m1s" {
		t.Errorf("a minute later: %s", got)
	}
	b.Spoke(at, 4, 1) // restarted: what it said before is forgotten
	step(at, 9, echo(4, 1), "0s")
}

// TestBoardSilencesEquivocation: two contents under one number are their own
// proof; the same content in another envelope is not.
func TestBoardSilencesEquivocation(t *testing.T) {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	b := report.NewBoard(r, "coordinator-a")
	raw := message(r, "agent-a", 1, 1, nil)
	if err := accept(t, b, now, raw); err != nil {
		t.Fatal(err)
	}
	padded := pad(t, raw)
	if err := accept(t, b, now, padded); !errors.Is(err, report.ErrStale) {
		t.Errorf("the same report in a padded envelope: %v, want %v", err, report.ErrStale)
	}
	if len(b.Silenced()) != 0 {
		t.Fatal("a relay silenced an honest node")
	}
	lie := message(r, "agent-a", 1, 1, func(p *report.Report) { p.Wall = 1 })
	forged := bytes.Clone(lie)
	forged[len(forged)-1] ^= 1
	if err := accept(t, b, now, forged); !errors.Is(err, report.ErrSignature) {
		t.Errorf("a forged contradiction: %v", err)
	}
	if err := accept(t, b, now, lie); !errors.Is(err, report.ErrSilenced) {
		t.Errorf("a contradiction: %v", err)
	}
	if b.Entry("agent-a") != nil || len(b.Raw()) != 0 || len(b.Echo()) != 0 {
		t.Error("a silenced node still counts")
	}
	if err := accept(t, b, now, message(r, "agent-a", 2, 1, nil)); !errors.Is(err, report.ErrSilenced) {
		t.Errorf("after being silenced: %v", err)
	}
	proof := b.Silenced()["agent-a"]
	if !bytes.Equal(proof[0], raw) || !bytes.Equal(proof[1], lie) {
		t.Error("the proof does not hold both messages")
	}
}

// TestBoardKeepsOneEncoding: what a relay adds to an envelope is not handed on.
func TestBoardKeepsOneEncoding(t *testing.T) {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	b := report.NewBoard(r, "coordinator-a")
	raw := message(r, "agent-a", 1, 1, nil)
	if err := accept(t, b, now, pad(t, raw)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Entry("agent-a").Raw, raw) {
		t.Error("the envelope is kept as the relay wrote it")
	}
}

// pad writes an envelope with a field that no version knows.
func pad(t *testing.T, raw []byte) []byte {
	t.Helper()
	var fields map[int]any
	if err := cbor.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	fields[99] = bytes.Repeat([]byte("x"), 5000)
	out, err := cbor.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBoardIsAJoin: in whatever order and however often messages arrive, the
// newest of each node remains.
func TestBoardIsAJoin(t *testing.T) {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	var all [][]byte
	want := map[string][2]uint64{}
	for _, n := range []string{"agent-a", "agent-b", "coordinator-b"} {
		for boot := uint64(1); boot <= 2; boot++ {
			for seq := uint64(1); seq <= 3; seq++ {
				all = append(all, message(r, n, boot, seq, nil))
			}
		}
		want[n] = [2]uint64{2, 3}
	}
	rapid.Check(t, func(t *rapid.T) {
		b := report.NewBoard(r, "coordinator-a")
		for _, raw := range append(rapid.Permutation(all).Draw(t, "order"), rapid.SliceOfN(rapid.SampledFrom(all), 0, 5).Draw(t, "again")...) {
			e, _ := report.Parse(raw)
			b.Accept(now, e, raw)
		}
		got := map[string][2]uint64{}
		for _, n := range r.Nodes {
			if e := b.Entry(n.Name); e != nil {
				got[n.Name] = [2]uint64{e.Report.Boot, e.Report.Seq}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

func TestBoardOwnReportIsFresh(t *testing.T) {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	b := report.NewBoard(r, "agent-a")
	if err := accept(t, b, now, message(r, "agent-a", 1, 1, nil)); err != nil {
		t.Fatal(err)
	}
	if age, ok := b.Age(now, b.At(r.NodeIndex("agent-a"))); !ok || age != 0 {
		t.Errorf("own report: age %v, %v", age, ok)
	}
	if got := b.Echo(); len(got) != 0 {
		t.Errorf("it echoes itself: %v", got)
	}
	if b.Roster() != r {
		t.Error("another roster")
	}
}

func TestBoardEchoesWhatItHeard(t *testing.T) {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	b := report.NewBoard(r, "agent-c")
	for _, raw := range [][]byte{message(r, "agent-b", 4, 7, nil), message(r, "agent-a", 2, 9, nil)} {
		if err := accept(t, b, now, raw); err != nil {
			t.Fatal(err)
		}
	}
	want := []report.Echo{{Node: uint16(r.NodeIndex("agent-a")), Boot: 2, Seq: 9}, {Node: uint16(r.NodeIndex("agent-b")), Boot: 4, Seq: 7}}
	if got := b.Echo(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
