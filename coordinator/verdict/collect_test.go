package verdict

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

// says is one vote on the service at place 0.
func says(o vote.Opinion, epoch uint64) []report.Vote {
	return []report.Vote{{Opinion: o, Epoch: epoch, Count: report.Count{Sent: 1}}}
}

// five is the advised cluster: five regions, three coordinators.
func five() *roster.Roster {
	return reporttest.Roster([]string{"mail"}, "a", "b", "c", "d", "e")
}

const self = "coordinator-a"

// settled returns a cluster in which all have heard each other and voted alike.
func settled(r *roster.Roster, o vote.Opinion, epoch uint64) *reporttest.Cluster {
	c := reporttest.New(r)
	c.Board(self)
	for range 2 {
		c.Round(time.Second, func(roster.Node) []report.Vote { return says(o, epoch) })
	}
	return c
}

func tally(c *reporttest.Cluster, epoch uint64) Verdict {
	return Tally(report.Outage, "mail", epoch, Collect(c.Board(self), c.Roster, report.Outage, "mail", c.Now), c.Now)
}

// TestCollectFreshness: a report counts while an echo proves that it is not older
// than Timing.Fresh, on the coordinator's own clock.
func TestCollectFreshness(t *testing.T) {
	c := settled(five(), vote.Up, 1)
	if v := tally(c, 1); v.Up != 5 || v.State != Up {
		t.Fatalf("%s", v.Describe())
	}
	fresh := c.Roster.Timing.WithDefaults().Fresh
	c.Now = c.Now.Add(fresh - time.Second)
	if v := tally(c, 1); v.Up != 5 {
		t.Errorf("just fresh:\n%s", v.Describe())
	}
	c.Now = c.Now.Add(time.Millisecond)
	v := tally(c, 1)
	if v.Up != 0 || v.Silent != 5 || v.Ballots[0].Fresh || v.Ballots[0].Raw != nil || v.Ballots[0].Age <= fresh {
		t.Errorf("no longer fresh:\n%s%+v", v.Describe(), v.Ballots[0])
	}
	// What they say now, without having heard the coordinator since, is no younger.
	c.Hears = func(to, from string) bool { return to == self }
	c.Round(0, func(roster.Node) []report.Vote { return says(vote.Up, 1) })
	if v := tally(c, 1); v.Up != 0 {
		t.Errorf("they do not hear us:\n%s", v.Describe())
	}
}

// TestCollectNeedsTheRoster: reports of another roster are no votes of this one.
func TestCollectNeedsTheRoster(t *testing.T) {
	c := settled(five(), vote.Down, 1)
	other := five()
	other.Timing.CloseHold = time.Hour
	if b := Collect(c.Board(self), other, report.Outage, "mail", c.Now); len(b) != 5 || b[0].Fresh {
		t.Errorf("%+v", b)
	}
	same := five()
	if b := Collect(c.Board(self), same, report.Outage, "mail", c.Now); !b[0].Fresh || b[0].Vote.Opinion != vote.Down {
		t.Errorf("an equal roster: %+v", b)
	}
	if b := Collect(c.Board(self), same, report.Outage, "none", c.Now); b != nil {
		t.Errorf("no such service: %+v", b)
	}
}

// TestCollectAsksTheVotersOnly: N is the regions that the roster gives the service.
func TestCollectAsksTheVotersOnly(t *testing.T) {
	r := five()
	r.Services[0].Regions = []string{"d", "b", "c"}
	c := settled(r, vote.Down, 1)
	v := tally(c, 1)
	if v.N != 3 || v.Q != 2 || v.Down != 3 || v.Ballots[0].Region.Name != "b" {
		t.Errorf("%s", v.Describe())
	}
	if _, ok := v.Certificate(vote.Down); !ok {
		t.Error("no certificate")
	}
}

// TestSeveralAgents: of a region's configured agents a strict majority must be
// heard and agree, on opinion and epoch.
func TestSeveralAgents(t *testing.T) {
	type say struct {
		o     vote.Opinion
		epoch uint64
		stage probes.Stage
	}
	down, up, abstain, mute := say{vote.Down, 1, 0}, say{vote.Up, 1, 0}, say{vote.Abstain, 1, 0}, say{o: 99}
	for _, c := range []struct {
		agents []say
		want   string
	}{
		{[]say{down}, "down fresh"},
		{[]say{mute}, "unsettled silent"},
		{[]say{down, down}, "down fresh"},
		{[]say{down, up}, "unsettled fresh"},
		{[]say{down, mute}, "unsettled silent"},
		{[]say{down, {vote.Down, 2, 0}}, "unsettled fresh"},
		{[]say{down, down, up}, "down fresh"},
		{[]say{down, up, abstain}, "unsettled fresh"},
		{[]say{down, up, mute}, "unsettled fresh"},
		{[]say{down, mute, down}, "down fresh"},
		{[]say{down, mute, mute}, "unsettled silent"},
		{[]say{abstain, abstain, down}, "abstain fresh"},
		{[]say{up, up, down, down}, "unsettled fresh"},
		{[]say{up, up, up, down}, "up fresh"},
		{[]say{down, {vote.Down, 1, probes.StageAuth}, up}, "down fresh auth"},
		{[]say{down, down, {vote.Down, 1, probes.StageAuth}}, "down fresh"},
	} {
		r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
		for i := range c.agents[1:] {
			name := fmt.Sprintf("second-%d", i)
			reporttest.AddNode(r, name, roster.Agent, "b")
			r.Nodes[len(r.Nodes)-1].Credentials = fmt.Sprint(i)
		}
		cl := reporttest.New(r)
		cl.Board(self)
		n := 0
		cl.Round(time.Second, func(a roster.Node) []report.Vote {
			if a.Region != "b" {
				return says(vote.Up, 1)
			}
			s := c.agents[n]
			n++
			if s == mute {
				return nil
			}
			return []report.Vote{{Opinion: s.o, Epoch: s.epoch, Stage: s.stage, Weight: uint16(n), Count: report.Count{Sent: 1}}}
		})
		b := tally(cl, 1).Ballots[1]
		got := b.Vote.Opinion.String() + " silent"
		if b.Fresh {
			got = b.Vote.Opinion.String() + " fresh"
		}
		if b.Vote.Stage == probes.StageAuth {
			got += " auth"
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.agents, got, c.want)
		}
		if need := len(c.agents)/2 + 1; b.Vote.Opinion != vote.Unsettled && (len(b.Raw) != need || len(b.Credentials) > need) {
			t.Errorf("%v: %d reports behind it, want %d; %v", c.agents, len(b.Raw), need, b.Credentials)
		}
	}
}

// TestUnknownOpinion: what a later version says is no vote to this one.
func TestUnknownOpinion(t *testing.T) {
	c := settled(five(), 7, 1)
	if v := tally(c, 1); v.Silent != 5 || v.State != Unsettled {
		t.Errorf("%s", v.Describe())
	}
}

// TestOrderOfArrivalNeverMatters, nor repetition, nor what is replayed later.
func TestOrderOfArrivalNeverMatters(t *testing.T) {
	r := five()
	c := reporttest.New(r)
	c.Board(self)
	opinions := []vote.Opinion{vote.Down, vote.Up, vote.Abstain, vote.Unsettled, vote.Down}
	var said [][]byte // newest last
	for round := range 3 {
		c.Speak(self)
		for i, g := range r.Regions {
			said = append(said, c.Compose("agent-"+g.Name, says(opinions[(i+round)%5], 1)...))
		}
	}
	spoken := uint64(3)
	verdictOf := func(order [][]byte) Verdict {
		b := report.NewBoard(r, self)
		for i := range spoken {
			b.Spoke(c.Now, 1, i+1)
		}
		for _, raw := range order {
			e, _ := report.Parse(raw)
			b.Accept(c.Now, e, raw)
		}
		return Tally(report.Outage, "mail", 1, Collect(b, r, report.Outage, "mail", c.Now), c.Now)
	}
	for _, raw := range said {
		c.Deliver(raw)
	}
	want := verdictOf(said)
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(said).Draw(t, "order")
		order = append(order, rapid.SliceOfN(rapid.SampledFrom(said), 0, 10).Draw(t, "again")...)
		got := verdictOf(order)
		if got.Describe() != want.Describe() || got.State != want.State || got.Count != want.Count {
			t.Fatalf("%s\nwant\n%s", got.Describe(), want.Describe())
		}
	})
}

// TestReplaysMakeNoVote: whatever was said before, however often and late it is
// said again, an observer's verdict is that of the newest fresh reports alone.
func TestReplaysMakeNoVote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := settled(five(), vote.Up, 1)
		var kept [][]byte
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			c.Speak(self)
			for _, g := range c.Roster.Regions {
				raw := c.Compose("agent-"+g.Name, says(vote.Down, 1)...)
				kept = append(kept, raw)
				if rapid.IntRange(0, 3).Draw(t, "lost") > 0 {
					c.Deliver(raw)
				}
			}
			c.Now = c.Now.Add(time.Second)
		}
		c.Round(time.Second, func(roster.Node) []report.Vote { return says(vote.Up, 1) })
		replay := func() {
			for _, raw := range rapid.SliceOfN(rapid.SampledFrom(kept), 1, 20).Draw(t, "replayed") {
				e, _ := report.Parse(raw)
				c.Board(self).Accept(c.Now, e, raw)
			}
		}
		replay()
		if v := tally(c, 1); v.Up != 5 {
			t.Fatalf("replayed:\n%s", v.Describe())
		}
		// A restarted coordinator has forgotten what it heard, but nobody echoes it.
		c.Restart(self)
		replay()
		if v := tally(c, 1); v.CanTell() != 0 {
			t.Fatalf("replayed to one that forgot:\n%s", v.Describe())
		}
		// What is delivered late is silence, not a vote.
		c.Now = c.Now.Add(c.Roster.Timing.WithDefaults().Fresh + time.Second)
		replay()
		if v := tally(c, 1); v.CanTell() != 0 {
			t.Fatalf("delayed:\n%s", v.Describe())
		}
	})
}

func drawBallots(t *rapid.T, least, most int) []Ballot {
	n := rapid.IntRange(least, most).Draw(t, "regions")
	out := make([]Ballot, n)
	for i := range out {
		out[i] = drawBallot(t, i)
	}
	return out
}

func drawBallot(t *rapid.T, i int) Ballot {
	return Ballot{
		Region:      roster.Region{Name: fmt.Sprintf("r%d", i), Domain: rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "domain")},
		Fresh:       rapid.IntRange(0, 5).Draw(t, "fresh") > 0,
		Epoch:       uint64(1 + rapid.IntRange(0, 6).Draw(t, "epoch")/6),
		Vote:        vote.Vote{Opinion: rapid.SampledFrom([]vote.Opinion{vote.Down, vote.Down, vote.Down, vote.Down, vote.Up, vote.Abstain, vote.Unsettled}).Draw(t, "opinion"), Stage: rapid.SampledFrom([]probes.Stage{probes.StageAuth, probes.StageConnect, probes.StageTransit}).Draw(t, "stage")},
		Credentials: []string{rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "account")},
	}
}

// twin is Tally's rule for opening, written another way: some q votes, taken from
// all subsets, that satisfy every condition.
func twin(ballots []Ballot) bool {
	n := len(ballots)
	domains := map[string]bool{}
	for _, b := range ballots {
		domains[b.Region.FailureDomain()] = true
	}
	for set := range 1 << n {
		votes, from, accounts, auth := 0, map[string]bool{}, map[string]bool{}, false
		for i, b := range ballots {
			if set>>i&1 == 0 {
				continue
			}
			if !b.Fresh || b.Epoch != 1 || b.Vote.Opinion != vote.Down {
				votes = -n
				break
			}
			votes++
			from[b.Region.FailureDomain()] = true
			accounts[b.Credentials[0]] = true
			auth = auth || b.Vote.Stage == probes.StageAuth
		}
		if 2*votes > n && len(from) >= min(2, len(domains)) && (!auth || len(accounts) >= 2) {
			return true
		}
	}
	return false
}

func TestTallyAgainstItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ballots := drawBallots(t, 1, 7)
		v := Tally(report.Outage, "mail", 1, ballots, reporttest.Start)
		if want := twin(ballots); v.Opens() != want {
			t.Fatalf("opens: %v, want %v\n%s", v.Opens(), want, v.Describe())
		}
		if v.Down+v.Up+v.Abstain+v.Silent != v.N || v.N != len(ballots) || v.Q != len(ballots)/2+1 {
			t.Fatalf("%+v", v)
		}
		if v.Opens() && (v.Blind() || v.Down < v.Q || (v.State == Full) != (v.Up == 0)) || v.State == Blind && !v.Blind() {
			t.Fatalf("%+v", v)
		}
	})
}

// TestMinorityNeverOpens: whatever fewer than q regions say, while the others say
// nothing against it, opens nothing.
func TestMinorityNeverOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ballots := drawBallots(t, 1, 9)
		liars := rapid.IntRange(0, roster.Quorum(len(ballots))-1).Draw(t, "liars")
		for i := range ballots {
			if i >= liars && ballots[i].Vote.Opinion == vote.Down {
				ballots[i].Vote.Opinion = rapid.SampledFrom([]vote.Opinion{vote.Up, vote.Abstain, vote.Unsettled}).Draw(t, "honest")
			}
		}
		v := Tally(report.Outage, "mail", 1, rapid.Permutation(ballots).Draw(t, "order"), reporttest.Start)
		if v.Opens() {
			t.Fatalf("%d of %d open\n%s", liars, v.N, v.Describe())
		}
	})
}

// TestKillingMembersNeverLowersQ: silence takes votes away, it never adds weight
// to those that are left.
func TestKillingMembersNeverLowersQ(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ballots := drawBallots(t, 1, 9)
		before := Tally(report.Outage, "mail", 1, ballots, reporttest.Start)
		after := slices.Clone(ballots)
		for i := range after {
			if rapid.Bool().Draw(t, "killed") {
				after[i].Fresh = false
			}
		}
		v := Tally(report.Outage, "mail", 1, after, reporttest.Start)
		if v.Q != before.Q || v.N != before.N || v.Opens() && !before.Opens() || v.Up >= v.Q && before.Up < before.Q {
			t.Fatalf("before\n%safter\n%s", before.Describe(), v.Describe())
		}
	})
}

// TestOrderOfBallotsNeverMatters for what is counted.
func TestOrderOfBallotsNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ballots := drawBallots(t, 1, 9)
		a := Tally(report.Outage, "mail", 1, ballots, reporttest.Start)
		b := Tally(report.Outage, "mail", 1, rapid.Permutation(ballots).Draw(t, "order"), reporttest.Start)
		a.Ballots, b.Ballots = nil, nil
		if d := cmp.Diff(a, b); d != "" {
			t.Fatal(d)
		}
	})
}

// TestOwnAccount: a region that has no opinion because its own account is refused
// says so.
func TestOwnAccount(t *testing.T) {
	c := reporttest.New(five())
	c.Board(self)
	n := 0
	c.Round(time.Second, func(roster.Node) []report.Vote {
		n++
		return []report.Vote{{Opinion: [...]vote.Opinion{0, vote.Unsettled, vote.Up, vote.Down, vote.Abstain, vote.Unsettled}[n], Epoch: 1},
			{Question: report.Account, Opinion: [...]vote.Opinion{0, vote.Down, vote.Down, vote.Down, vote.Down, vote.Up}[n]}}
	})
	v := tally(c, 1)
	if v.OwnAccount != 1 || v.Ballots[0].Vote.Reason != vote.OwnAccount || v.Ballots[4].Vote.Reason == vote.OwnAccount {
		t.Errorf("%d\n%s", v.OwnAccount, v.Describe())
	}
}
