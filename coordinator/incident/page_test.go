package incident

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

var rewrite = flag.Bool("rewrite", false, "write the answers of the test pages anew")

// TestStories reads pages of text: what happens, ----, what the coordinator of the
// first region says about it. The words of a page:
//
//	regions NAME[@DOMAIN][/ACCOUNTS] ...        who votes, on the service "mail"
//	subject outage|degraded|account             what the machine is about; default outage
//	vote WHO=OPINION[:REASON[:STAGE[:CODE]]] .. from now on; WHO is all or names with commas; silent for none
//	count WHO sent=.. late=.. lost=.. pending=.. failed=.. delivered=..
//	run DURATION [every DURATION]               reports and steps, every 5s if not said
//	sleep DURATION                              nobody speaks or steps
//	restart                                     the coordinator comes back from its snapshot
//	drawing                                     the vote as it stands
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			s := &story{t: t}
			for i, block := range strings.Split(strings.TrimRight(string(b), "\n"), "\n\n") {
				question, want, _ := strings.Cut(block+"\n", "----\n")
				s.said.Reset()
				for line := range strings.Lines(question) {
					s.do(strings.TrimSuffix(line, "\n"))
				}
				if i > 0 {
					out.WriteByte('\n')
				}
				out.WriteString(question)
				if s.said.Len() > 0 {
					out.WriteString("----\n" + s.said.String())
				}
				if got := s.said.String(); got != want && !*rewrite {
					t.Errorf("%s\ngot\n%swant\n%s", question, got, want)
				}
			}
			if *rewrite {
				if err := os.WriteFile(f, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// story is one coordinator in a cluster whose votes the page dictates.
type story struct {
	t     *testing.T
	c     *reporttest.Cluster
	m     *Machine
	self  string
	votes map[string]report.Vote
	said  strings.Builder
}

func (s *story) do(line string) {
	s.t.Helper()
	words := strings.Fields(line)
	if len(words) == 0 || words[0] == "#" {
		return
	}
	switch words[0] {
	case "regions":
		s.begin(words[1:])
	case "subject":
		s.m = NewMachine(s.c.Roster, Subject(words[1]+"/mail"))
	case "vote":
		for _, w := range words[1:] {
			who, what, _ := strings.Cut(w, "=")
			for _, region := range s.regions(who) {
				s.vote(region, what)
			}
		}
	case "count":
		for _, region := range s.regions(words[1]) {
			v := s.votes[region]
			v.Count = s.count(words[2:])
			s.votes[region] = v
		}
	case "run":
		every := 5 * time.Second
		if len(words) == 4 {
			every = s.duration(words[3])
		}
		for end := s.c.Now.Add(s.duration(words[1])); s.c.Now.Before(end); {
			s.round(every)
		}
	case "sleep":
		s.c.Now = s.c.Now.Add(s.duration(words[1]))
	case "restart":
		b := s.m.Snapshot()
		s.m = NewMachine(s.c.Roster, s.m.Subject())
		if err := s.m.Restore(b); err != nil {
			s.t.Fatal(err)
		}
		s.c.Restart(s.self)
	case "drawing":
		s.said.WriteString(s.verdict().Describe())
	default:
		s.t.Fatalf("unknown word in %q", line)
	}
}

func (s *story) begin(regions []string) {
	r := &roster.Roster{Cluster: "acme", Services: []roster.Service{{Name: "mail", Provider: "provider"}}}
	s.votes = map[string]report.Vote{}
	for _, g := range regions {
		g, account, _ := strings.Cut(g, "/")
		name, domain, _ := strings.Cut(g, "@")
		r.Regions = append(r.Regions, roster.Region{Name: name, Domain: domain})
		reporttest.AddNode(r, name, roster.Agent, name)
		r.Nodes[len(r.Nodes)-1].Credentials = account
	}
	s.self = "coordinator"
	reporttest.AddNode(r, s.self, roster.Coordinator, r.Regions[0].Name)
	s.c = reporttest.New(r)
	s.c.Board(s.self)
	s.m = NewMachine(r, "outage/mail")
}

func (s *story) regions(who string) []string {
	if who != "all" {
		return strings.Split(who, ",")
	}
	var all []string
	for _, g := range s.c.Roster.Regions {
		all = append(all, g.Name)
	}
	return all
}

func (s *story) vote(region, what string) {
	parts := strings.Split(what, ":")
	if parts[0] == "silent" {
		delete(s.votes, region)
		return
	}
	v := vote.Vote{}
	if err := v.Opinion.UnmarshalText([]byte(parts[0])); err != nil {
		s.t.Fatal(err)
	}
	if v.Opinion == vote.Down || v.Opinion == vote.Abstain {
		v.Since = s.c.Now
	}
	if len(parts) > 1 {
		if err := v.Reason.UnmarshalText([]byte(strings.ReplaceAll(parts[1], "_", " "))); err != nil {
			s.t.Fatal(err)
		}
	}
	if len(parts) > 2 {
		if err := v.Stage.UnmarshalText([]byte(parts[2])); err != nil {
			s.t.Fatal(err)
		}
	}
	if len(parts) > 3 {
		v.Code = s.number(parts[3])
	}
	if v.Opinion == vote.Abstain && v.Stage != probes.StageNone {
		v.Weight = 10
	}
	q := s.m.question
	s.votes[region] = report.MakeVote(q, 0, 0, v, s.votes[region].Count)
}

func (s *story) count(words []string) report.Count {
	var c report.Count
	fields := map[string]*uint32{"sent": &c.Sent, "late": &c.Late, "lost": &c.Lost, "pending": &c.Pending, "failed": &c.Failed, "delivered": &c.Delivered}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		*fields[key] = uint32(s.number(value))
	}
	return c
}

// round lets everybody speak, and the coordinator step.
func (s *story) round(d time.Duration) {
	epoch := s.m.Record().Epoch()
	s.c.Round(0, func(n roster.Node) []report.Vote {
		v, ok := s.votes[n.Name]
		if !ok {
			return nil
		}
		v.Epoch = epoch
		return []report.Vote{v}
	})
	for _, n := range s.m.Step(s.c.Now, s.verdict()) {
		s.say(n)
	}
	s.c.Now = s.c.Now.Add(d)
}

func (s *story) verdict() verdict.Verdict {
	ballots := verdict.Collect(s.c.Board(s.self), s.c.Roster, s.m.question, "mail", s.c.Now)
	return verdict.Tally(s.m.question, "mail", s.m.Record().Epoch(), ballots, s.c.Now)
}

func (s *story) say(n Notice) {
	how := "ticket"
	if n.Page {
		how = "page"
	}
	switch n.Kind {
	case NoticeRecovering, NoticeReopened:
		how = "note"
	}
	fmt.Fprintf(&s.said, "%s %s %s (%s)\n", clock(n.At), n.Kind, n.Key, how)
	fmt.Fprintf(&s.said, "  %s\n", n.Text)
	if n.Kind == NoticeOpened {
		for line := range strings.Lines(n.Drawing) {
			s.said.WriteString("  | " + line)
		}
	}
}

// clock is the time since the story began.
func clock(t time.Time) string {
	d := t.Sub(reporttest.Start)
	return fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
}

func (s *story) duration(w string) time.Duration {
	d, err := time.ParseDuration(w)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *story) number(w string) int {
	n, err := strconv.Atoi(w)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
