package report_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// packet is what the mesh can send as one datagram, and reportSize what a report
// of the advised cluster may take of it.
const (
	packet     = 1400
	reportSize = 600
)

// worst is a report of the advised cluster (five regions, three coordinators, one
// service) in which every field takes as much room as it can.
func worst(nodes, services int) report.Report {
	big := uint64(1) << 40
	r := report.Report{Boot: big, Seq: big, Wall: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
	for i := range nodes {
		r.Echo = append(r.Echo, report.Echo{Node: uint16(i), Boot: big, Seq: 1 << 28})
	}
	n := uint32(math.MaxUint32)
	for s := range services {
		for q := range 3 {
			v := report.MakeVote(report.Question(q), s, big, vote.Vote{Opinion: vote.Down, Reason: vote.NoData, Stage: probes.StageRetrieve,
				Code: 559, Enhanced: "5.999.999", Since: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Weight: 600}, report.Count{})
			if q == 0 {
				v.Count = report.Count{Sent: n, Delivered: n, Late: n, Failed: n, Lost: n, Pending: n, Unknown: n}
			}
			r.Votes = append(r.Votes, v)
		}
	}
	return r
}

func TestReportFitsItsPacket(t *testing.T) {
	for _, c := range []struct{ nodes, services, limit int }{{8, 1, reportSize}, {53, 1, packet}, {8, 5, packet}} {
		r := worst(c.nodes, c.services)
		if n := len(r.Seal(strings.Repeat("c", 32), strings.Repeat("n", 32), reporttest.Key("n"))); n > c.limit {
			t.Errorf("%d nodes, %d services: %d bytes, want at most %d", c.nodes, c.services, n, c.limit)
		} else {
			t.Logf("%d nodes, %d services: %d bytes", c.nodes, c.services, n)
		}
	}
}

func TestVoteRoundTrip(t *testing.T) {
	in := vote.Vote{Opinion: vote.Down, Reason: vote.Refused, Stage: probes.StageTLS, Code: 421, Enhanced: "4.7.0",
		Since: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Weight: 7.25}
	count := report.Count{Sent: 42, Late: 17, Lost: 3, Pending: 2, Delivered: 20}
	w := report.MakeVote(report.Degraded, 3, 12, in, count)
	if d := cmp.Diff(in, w.Vote()); d != "" {
		t.Error(d)
	}
	if w.Question != report.Degraded || w.Service != 3 || w.Epoch != 12 || w.Count != count {
		t.Errorf("%+v", w)
	}
	if got := report.MakeVote(0, 0, 1, vote.Vote{Weight: 1e9, Enhanced: "a hostile server's words"}, count).Vote(); got.Weight != 655.35 || got.Enhanced != "" {
		t.Errorf("%+v", got)
	}
	if got := report.MakeVote(0, 0, 1, vote.Vote{Weight: math.NaN()}, count).Vote(); got.Weight != 0 {
		t.Errorf("no number: %+v", got)
	}
	if got := (report.Vote{Enhanced: "5.\x1b[2J"}).Vote().Enhanced; got != `5.\x1b[2J` {
		t.Errorf("%q", got)
	}
}

func TestSealPutsVotesInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var votes []report.Vote
		for s := range rapid.IntRange(0, 4).Draw(t, "services") {
			for q := range 3 {
				votes = append(votes, report.Vote{Service: uint16(s), Question: report.Question(q), Epoch: uint64(10*s + q)})
			}
		}
		in := report.Report{Votes: rapid.Permutation(votes).Draw(t, "order")}
		e, err := report.Parse(in.Seal("c", "n", reporttest.Key("n")))
		if err != nil {
			t.Fatal(err)
		}
		out, err := report.Open(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range votes {
			if got, ok := out.Vote(v.Question, int(v.Service)); !ok || got != v {
				t.Fatalf("%v of service %d: %+v, %v", v.Question, v.Service, got, ok)
			}
		}
		if _, ok := out.Vote(report.Outage, 99); ok {
			t.Fatal("a vote on a service that is not there")
		}
	})
}

func TestCountAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.Custom(func(t *rapid.T) report.Count {
			n := rapid.Uint32Max(1 << 20)
			return report.Count{Sent: n.Draw(t, "sent"), Delivered: n.Draw(t, "delivered"), Late: n.Draw(t, "late"), Failed: n.Draw(t, "failed"),
				Lost: n.Draw(t, "lost"), Pending: n.Draw(t, "pending"), Unknown: n.Draw(t, "unknown")}
		})
		a, b, c := g.Draw(t, "a"), g.Draw(t, "b"), g.Draw(t, "c")
		if a.Add(b) != b.Add(a) || a.Add(b).Add(c) != a.Add(b.Add(c)) || a.Add(report.Count{}) != a {
			t.Fatal("not a sum")
		}
	})
}

func TestQuestionNames(t *testing.T) {
	for q, want := range map[report.Question]string{report.Outage: "outage", report.Degraded: "degraded", report.Account: "account", 9: "question(9)"} {
		if q.String() != want {
			t.Errorf("%d: %s", q, q)
		}
	}
}

// FuzzParse: no bytes make the way from the mesh to a board panic, and what is
// accepted was signed.
func FuzzParse(f *testing.F) {
	r := reporttest.Roster([]string{"mail"}, "a", "b")
	f.Add(message(r, "agent-a", 1, 1, nil))
	w := worst(5, 1)
	w.Roster = r.Hash()
	f.Add(w.Seal(r.Cluster, "agent-b", reporttest.Key("agent-b")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := report.Parse(raw)
		if err != nil {
			return
		}
		b := report.NewBoard(r, "coordinator-a")
		if _, err := b.Accept(now, e, raw); err == nil {
			if _, err := e.Verify(r); err != nil {
				t.Fatal("accepted without a signature")
			}
		}
	})
}
