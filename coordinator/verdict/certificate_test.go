package verdict

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

func down(t testing.TB, r *roster.Roster, c Certificate) error {
	t.Helper()
	err := c.Verify(r, report.Outage, "mail", 1, vote.Down)
	if err != nil && !errors.Is(err, ErrCertificate) {
		t.Errorf("%v is no ErrCertificate", err)
	}
	return err
}

func TestCertificateProves(t *testing.T) {
	for _, o := range []vote.Opinion{vote.Down, vote.Up} {
		c := settled(five(), o, 4)
		cert, ok := tally(c, 4).Certificate(o)
		if !ok || len(cert.Reports) != 3 {
			t.Fatalf("%v: %d reports, %v", o, len(cert.Reports), ok)
		}
		if err := cert.Verify(c.Roster, report.Outage, "mail", 4, o); err != nil {
			t.Errorf("%v: %v", o, err)
		}
		for _, other := range []vote.Opinion{vote.Up, vote.Down, vote.Abstain, vote.Unsettled} {
			if _, ok := tally(c, 4).Certificate(other); ok != (other == o) {
				t.Errorf("a certificate that all say %v, of all who say %v", other, o)
			}
		}
	}
}

// TestCertificateRefused: what each forgery fails on.
func TestCertificateRefused(t *testing.T) {
	r := five()
	r.Services = append(r.Services, roster.Service{Name: "other", Provider: "provider"})
	c := settled(r, vote.Down, 1)
	cert, ok := tally(c, 1).Certificate(vote.Down)
	if !ok {
		t.Fatal("no certificate")
	}
	with := func(change func([][]byte) [][]byte) Certificate {
		return Certificate{change(slices.Clone(cert.Reports))}
	}
	say := func(node string, change func(*report.Report)) []byte {
		rep := report.Report{Roster: r.Hash(), Boot: 1, Seq: 2, Votes: says(vote.Down, 1)}
		for i := range r.Nodes {
			rep.Echo = append(rep.Echo, report.Echo{Node: uint16(i), Boot: 1, Seq: 2})
		}
		change(&rep)
		return rep.Seal(r.Cluster, node, reporttest.Key(node))
	}
	third := func(raw []byte) func([][]byte) [][]byte {
		return func(all [][]byte) [][]byte { return append(all[:2], raw) }
	}
	if err := down(t, r, with(third(say("agent-e", func(*report.Report) {})))); err != nil {
		t.Fatalf("the test's own reports are not good: %v", err)
	}
	stranger := *r
	stranger.Nodes = slices.Clone(r.Nodes)
	stranger.Nodes[r.NodeIndex("agent-a")].Key = reporttest.Key("somebody").Public()

	for _, x := range []struct {
		name string
		cert Certificate
		want string
	}{
		{"nothing", Certificate{}, "empty"},
		{"too few", with(func(all [][]byte) [][]byte { return all[:2] }), "2 of 5 regions, need 3"},
		{"one twice", with(func(all [][]byte) [][]byte { return append(all[:2], all[0]) }), "agent-a speaks twice"},
		{"more than there are", with(func(all [][]byte) [][]byte { return slices.Repeat(all, 3) }), "9 reports of 8 nodes"},
		{"garbage", with(third([]byte("garbage"))), "malformed"},
		{"too much", with(third(bytes.Repeat([]byte{0}, MaxCertificate))), "more than"},
		{"an up vote", with(third(say("agent-e", func(p *report.Report) { p.Votes[0].Opinion = vote.Up }))), "agent-e does not vote down on outage/mail, epoch 1"},
		{"another epoch", with(third(say("agent-e", func(p *report.Report) { p.Votes[0].Epoch = 2 }))), "agent-e does not vote"},
		{"another question", with(third(say("agent-e", func(p *report.Report) { p.Votes[0].Question = report.Degraded }))), "agent-e does not vote"},
		{"another service", with(third(say("agent-e", func(p *report.Report) { p.Votes[0].Service = 1 }))), "agent-e does not vote"},
		{"another roster", with(third(say("agent-e", func(p *report.Report) { p.Roster[0]++ }))), "agent-e speaks of another roster"},
		{"no agent", with(third(say("coordinator-c", func(*report.Report) {}))), "coordinator-c has no vote on mail"},
		{"a day later", with(third(say("agent-e", func(p *report.Report) {
			p.Seq = 17280
			for i := range p.Echo {
				p.Echo[i].Seq = 17280
			}
		}))), "not heard together"},
		{"another start", with(third(say("agent-e", func(p *report.Report) { p.Boot = 2 }))), "an echo of another start"},
		{"without echoes", with(third(say("agent-e", func(p *report.Report) { p.Echo = nil }))), "no echo"},
		{"another's key", with(third((func() []byte {
			rep := report.Report{Roster: r.Hash(), Boot: 1, Seq: 2, Votes: says(vote.Down, 1)}
			for i := range r.Nodes {
				rep.Echo = append(rep.Echo, report.Echo{Node: uint16(i), Boot: 1, Seq: 2})
			}
			return rep.Seal(r.Cluster, "agent-e", reporttest.Key("agent-d"))
		})())), "agent-e: bad signature"},
	} {
		err := down(t, r, x.cert)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
	if err := down(t, &stranger, cert); err == nil {
		t.Error("it holds under another roster")
	}
	if cert.Verify(r, report.Outage, "none", 1, vote.Down) == nil || cert.Verify(r, report.Outage, "mail", 1, vote.Up) == nil ||
		cert.Verify(r, report.Outage, "mail", 2, vote.Down) == nil || cert.Verify(r, report.Degraded, "mail", 1, vote.Down) == nil ||
		cert.Verify(r, report.Outage, "other", 1, vote.Down) == nil {
		t.Error("it proves something else too")
	}
	// Any changed byte of any report.
	rapid.Check(t, func(t *rapid.T) {
		bad := with(func(all [][]byte) [][]byte {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "report")
			raw := bytes.Clone(all[i])
			raw[rapid.IntRange(0, len(raw)-1).Draw(t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			all[i] = raw
			return all
		})
		if bad.Verify(r, report.Outage, "mail", 1, vote.Down) == nil {
			t.Fatal("a changed byte changes nothing")
		}
	})
}

// TestCertificateOfRandomVerdicts: whenever regions that hear each other open,
// there is a certificate and it verifies; its size is q, and no fewer prove it.
func TestCertificateOfRandomVerdicts(t *testing.T) {
	opened := 0
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "regions")
		r := &roster.Roster{Cluster: "test", Services: []roster.Service{{Name: "mail", Provider: "p"}}}
		votes := map[string][]report.Vote{}
		for i := range n {
			g := fmt.Sprintf("r%d", i)
			r.Regions = append(r.Regions, roster.Region{Name: g, Domain: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "domain")})
			b := drawBallot(t, i)
			for j := range rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(t, "agents") {
				a := fmt.Sprintf("%s-%d", g, j)
				reporttest.AddNode(r, a, roster.Agent, g)
				r.Nodes[len(r.Nodes)-1].Credentials = b.Credentials[0]
				if b.Fresh {
					votes[a] = []report.Vote{{Opinion: b.Vote.Opinion, Epoch: b.Epoch, Stage: b.Vote.Stage, Reason: vote.Refused}}
				}
			}
		}
		reporttest.AddNode(r, self, roster.Coordinator, "r0")
		c := reporttest.New(r)
		c.Board(self)
		for range 2 {
			c.Round(time.Second, func(n roster.Node) []report.Vote { return votes[n.Name] })
		}
		v := tally(c, 1)
		cert, ok := v.Certificate(vote.Down)
		if ok != v.Opens() {
			t.Fatalf("certificate: %v\n%s", ok, v.Describe())
		}
		if !ok {
			return
		}
		opened++
		if err := cert.Verify(r, report.Outage, "mail", 1, vote.Down); err != nil {
			t.Fatalf("%v\n%s", err, v.Describe())
		}
		if p := cert.Verdict(r, report.Outage, "mail", 1); p.Down != v.Q || p.N != v.N || len(p.Ballots) != v.Q || !p.Opens() {
			t.Fatalf("it shows\n%s", p.Describe())
		}
		for i := range cert.Reports {
			less := Certificate{slices.Delete(slices.Clone(cert.Reports), i, i+1)}
			if less.Verify(r, report.Outage, "mail", 1, vote.Down) == nil {
				t.Fatalf("it holds without report %d of %d", i, len(cert.Reports))
			}
		}
	})
	if opened == 0 {
		t.Error("no verdict opened")
	}
}

// TestCertificateWantsDomains: what Tally asks of votes that open, Verify asks of
// the bytes; up votes need no domains.
func TestCertificateWantsDomains(t *testing.T) {
	for _, c := range []struct {
		domains, accounts string
		stage             probes.Stage
		want              string
	}{
		{"xxxyy", "11111", probes.StageAuth, "AUTH fails in one credential domain only"},
		{"xxxyy", "11111", probes.StageConnect, "all of one failure domain"},
		{"xxyyy", "11111", probes.StageConnect, ""},
		{"xxyyy", "11111", probes.StageAuth, "AUTH fails in one credential domain only"},
		{"xxyyy", "11211", probes.StageAuth, ""},
		{"xxxyy", "12111", probes.StageAuth, "all of one failure domain"},
		{"xxxxx", "11111", probes.StageConnect, ""},
	} {
		r := five()
		for i := range r.Regions {
			r.Regions[i].Domain = c.domains[i : i+1]
			r.Nodes[r.NodeIndex("agent-"+r.Regions[i].Name)].Credentials = c.accounts[i : i+1]
		}
		cl := reporttest.New(r)
		cl.Board(self)
		for range 2 {
			cl.Round(time.Second, func(n roster.Node) []report.Vote {
				if n.Region > "c" {
					return says(vote.Up, 1)
				}
				return []report.Vote{{Opinion: vote.Down, Epoch: 1, Stage: c.stage}}
			})
		}
		v := tally(cl, 1)
		var forged Certificate
		for _, b := range v.Ballots[:3] {
			forged.Reports = append(forged.Reports, b.Raw...)
		}
		err := forged.Verify(r, report.Outage, "mail", 1, vote.Down)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
		if _, ok := v.Certificate(vote.Down); ok != (c.want == "") || ok != v.Opens() {
			t.Errorf("%+v: certificate %v\n%s", c, ok, v.Describe())
		}
	}
}

// TestCertificateOfBadHearing: agents hear each other badly. A certificate may be
// wanting then, but one that is given verifies.
func TestCertificateOfBadHearing(t *testing.T) {
	given := 0
	rapid.Check(t, func(t *rapid.T) {
		r := five()
		c := reporttest.New(r)
		c.Board(self)
		deaf := map[string]bool{}
		for _, to := range r.Nodes {
			for _, from := range r.Nodes {
				if to.Role == roster.Agent && from.Role == roster.Agent && rapid.IntRange(0, 3).Draw(t, "deaf") == 0 {
					deaf[to.Name+from.Name] = true
				}
			}
		}
		c.Hears = func(to, from string) bool { return !deaf[to+from] }
		for range 2 {
			c.Round(time.Second, func(roster.Node) []report.Vote { return says(vote.Down, 1) })
		}
		if cert, ok := tally(c, 1).Certificate(vote.Down); ok {
			given++
			if err := cert.Verify(r, report.Outage, "mail", 1, vote.Down); err != nil {
				t.Fatal(err)
			}
		}
	})
	if given == 0 {
		t.Error("none was given")
	}
}

// TestLiarCannotSpoilACertificate: one region's report with false echoes does not
// keep the others from proving what they say, even if it looks best.
func TestLiarCannotSpoilACertificate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := settled(five(), vote.Down, 1)
		liar := "agent-" + rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "liar")
		rep := report.Report{Roster: c.Roster.Hash(), Boot: 1, Seq: 3, Votes: says(vote.Down, 1)}
		for i, n := range c.Roster.Nodes {
			if n.Name == self || rapid.Bool().Draw(t, "echoed") {
				rep.Echo = append(rep.Echo, report.Echo{Node: uint16(i), Boot: 1, Seq: rapid.SampledFrom([]uint64{2, 1 << 40}).Draw(t, "seq")})
			}
			if n.Name == self {
				rep.Echo[len(rep.Echo)-1].Seq = 2
			}
		}
		c.Deliver(rep.Seal(c.Roster.Cluster, liar, reporttest.Key(liar)))
		v := tally(c, 1)
		if v.Down != 5 {
			t.Fatalf("%s", v.Describe())
		}
		cert, ok := v.Certificate(vote.Down)
		if !ok {
			t.Fatal("no certificate")
		}
		if err := cert.Verify(c.Roster, report.Outage, "mail", 1, vote.Down); err != nil {
			t.Fatal(err)
		}
	})
}

// TestErrorsOfDifferentDaysProveNothing: somebody who keeps the honest errors of
// single regions over days cannot put them together.
func TestErrorsOfDifferentDaysProveNothing(t *testing.T) {
	c := settled(five(), vote.Up, 1)
	var kept [][]byte
	for _, wrong := range []string{"agent-a", "agent-b", "agent-c"} {
		said := func(n roster.Node) []report.Vote {
			if n.Name == wrong {
				return says(vote.Down, 1)
			}
			return says(vote.Up, 1)
		}
		c.Round(time.Second, said)
		kept = append(kept, c.Board(self).Entry(wrong).Raw)
		for range window(c.Roster) {
			c.Round(time.Second, func(roster.Node) []report.Vote { return says(vote.Up, 1) })
		}
	}
	if err := down(t, c.Roster, Certificate{kept}); err == nil || !strings.Contains(err.Error(), "not heard together") {
		t.Errorf("%v", err)
	}
}

// TestCloseComesAfterItsOpen: up votes from before the outage, bound to the same
// epoch, cannot be kept to end it with.
func TestCloseComesAfterItsOpen(t *testing.T) {
	c := settled(five(), vote.Up, 1)
	kept, ok := tally(c, 1).Certificate(vote.Up)
	if !ok {
		t.Fatal("no certificate of the time before")
	}
	c.Round(time.Second, func(roster.Node) []report.Vote { return says(vote.Down, 1) })
	opening, ok := tally(c, 1).Certificate(vote.Down)
	if !ok {
		t.Fatal("no opening")
	}
	if err := kept.After(c.Roster, opening); !errors.Is(err, ErrCertificate) {
		t.Errorf("kept up votes: %v", err)
	}
	// One liar adds its own new vote to two that were kept.
	c.Round(time.Second, func(roster.Node) []report.Vote { return says(vote.Up, 1) })
	v := tally(c, 1)
	mixed := Certificate{[][]byte{v.Ballots[0].Raw[0], kept.Reports[1], kept.Reports[2]}}
	if err := mixed.After(c.Roster, opening); !errors.Is(err, ErrCertificate) {
		t.Errorf("a liar with two kept votes: %v", err)
	}
	closing, ok := v.CertificateAfter(c.Roster, vote.Up, opening)
	if !ok {
		t.Fatal("no close")
	}
	if err := closing.After(c.Roster, opening); err != nil {
		t.Error(err)
	}
	if err := closing.Verify(c.Roster, report.Outage, "mail", 1, vote.Up); err != nil {
		t.Error(err)
	}
	if _, ok := v.CertificateAfter(c.Roster, vote.Up, Certificate{}); ok {
		t.Error("after nothing")
	}
}

// TestCloseWithoutTheDead: a region that opened and was silenced since does not
// keep the others from closing.
func TestCloseWithoutTheDead(t *testing.T) {
	c := settled(five(), vote.Down, 1)
	opening, _ := tally(c, 1).Certificate(vote.Down)
	// agent-d and agent-e start anew after agent-a is gone, and never hear of it.
	c.Hears = func(to, from string) bool { return from != "agent-a" }
	c.Restart("agent-d")
	c.Restart("agent-e")
	for range 3 {
		c.Round(time.Second, func(n roster.Node) []report.Vote {
			if n.Name == "agent-a" {
				return nil
			}
			return says(vote.Up, 1)
		})
	}
	if _, ok := tally(c, 1).CertificateAfter(c.Roster, vote.Up, opening); !ok {
		t.Error("no close")
	}
}

// TestCertificateSize: a certificate of fifty regions fits beside another into one
// message; one that does not is none.
func TestCertificateSize(t *testing.T) {
	var regions []string
	for i := range 50 {
		regions = append(regions, fmt.Sprintf("region-%02d", i))
	}
	r := reporttest.Roster([]string{"mail"}, regions...)
	c := reporttest.New(r)
	b := c.Board("coordinator-region-00")
	vote1 := func(roster.Node) []report.Vote {
		return []report.Vote{{Opinion: vote.Down, Epoch: 1 << 40, Reason: vote.Refused, Stage: probes.StageAuth - 1, Code: 421, Enhanced: "4.7.0", Since: 1 << 31, Weight: 999}}
	}
	for range 2 {
		c.Round(time.Second, vote1)
	}
	cert, ok := Tally(report.Outage, "mail", 1<<40, Collect(b, r, report.Outage, "mail", c.Now), c.Now).Certificate(vote.Down)
	if !ok || len(cert.Reports) != 26 {
		t.Fatalf("%d reports, %v", len(cert.Reports), ok)
	}
	if n := len(report.Marshal(&cert)); 2*n > report.MaxMessage-1024 {
		t.Errorf("%d bytes", n)
	} else {
		t.Logf("26 of 50 regions: %d bytes", n)
	}
	if at := cert.Spoken(); !at.Equal(reporttest.Start.Add(time.Second)) {
		t.Errorf("spoken at %v", at)
	}

	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprint("s", i)
	}
	r = reporttest.Roster(many, "a", "b", "c", "d", "e")
	c = reporttest.New(r)
	c.Board(self)
	for range 2 {
		c.Round(time.Second, func(roster.Node) []report.Vote {
			var out []report.Vote
			for i := range many {
				for q := range report.Question(2) {
					out = append(out, report.Vote{Service: uint16(i), Question: q, Opinion: vote.Down, Epoch: 1, Reason: vote.Refused, Since: 1 << 31, Weight: 999})
				}
			}
			return out
		})
	}
	v := Tally(report.Outage, "s0", 1, Collect(c.Board(self), r, report.Outage, "s0", c.Now), c.Now)
	if _, ok := v.Certificate(vote.Down); !v.Opens() || ok {
		t.Errorf("a certificate of three reports of %d bytes each", len(v.Ballots[0].Raw[0]))
	}
}
