package verdict

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
	"mailquorum/probes"
)

var rewrite = flag.Bool("rewrite", false, "write the answers of the test pages anew")

// TestPages reads pages of text: a question, ----, its answer, an empty line. A
// question is one line per region,
//
//	region[@failure-domain] opinion [reason=..] [stage=..] [code=..] [enhanced=..] [ago=..] [epoch=..] [weight=..] [accounts=a,b] [sent=..] [pending=..]
//
// where opinion may be silent, and then "tally [question] [epoch=..]". Lines that
// begin with # tell the story.
func TestPages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no test pages", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { page(t, f) })
	}
}

func page(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimRight(string(b), "\n"), "\n\n") {
		question, want, _ := strings.Cut(block+"\n", "----\n")
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(question)
		if !strings.Contains(question, "tally") {
			continue
		}
		got := answer(t, question)
		out.WriteString("----\n" + got)
		if got != want && !*rewrite {
			t.Errorf("%s\ngot\n%swant\n%s", question, got, want)
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func answer(t *testing.T, question string) string {
	t.Helper()
	var ballots []Ballot
	for line := range strings.Lines(question) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case words[0] == "tally":
			q, epoch := report.Outage, uint64(1)
			for _, w := range words[1:] {
				if n, ok := strings.CutPrefix(w, "epoch="); ok {
					epoch = number(t, n)
					continue
				}
				for x := range report.Question(3) {
					if x.String() == w {
						q = x
					}
				}
			}
			v := Tally(q, "mail", epoch, ballots, reporttest.Start)
			return v.Describe() + figures(v)
		default:
			ballots = append(ballots, ballot(t, words))
		}
	}
	t.Fatalf("no tally in\n%s", question)
	return ""
}

// figures are a verdict's numbers on one line.
func figures(v Verdict) string {
	s := fmt.Sprintf("%s: N=%d q=%d D=%d U=%d A=%d S=%d", v.State, v.N, v.Q, v.Down, v.Up, v.Abstain, v.Silent)
	if v.Down > 0 {
		s += fmt.Sprintf(" counted=%d domains=%d accounts=%d", v.Counted, v.Domains, v.Credentials)
	}
	if v.OwnAccount > 0 {
		s += fmt.Sprintf(" own_account=%d", v.OwnAccount)
	}
	if v.Failing > v.Down {
		s += fmt.Sprintf(" failing=%d", v.Failing)
	}
	if v.Count != (report.Count{}) {
		s += fmt.Sprintf(" sent=%d pending=%d", v.Count.Sent, v.Count.Pending)
	}
	return s + "\n"
}

func ballot(t *testing.T, words []string) Ballot {
	t.Helper()
	name, domain, _ := strings.Cut(words[0], "@")
	b := Ballot{Region: roster.Region{Name: name, Domain: domain}, Epoch: 1, Fresh: true, Credentials: []string{""}}
	if words[1] == "silent" {
		b.Fresh, b.Vote.Reason = false, vote.NoData
	} else if err := b.Vote.Opinion.UnmarshalText([]byte(words[1])); err != nil {
		t.Fatal(err)
	}
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "reason":
			b.Vote.Reason = reasonNamed(t, strings.ReplaceAll(value, "_", " "))
		case "stage":
			for _, s := range probes.Stages() {
				if s.String() == value {
					b.Vote.Stage = s
				}
			}
		case "code":
			b.Vote.Code = int(number(t, value))
		case "enhanced":
			b.Vote.Enhanced = value
		case "ago":
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			b.Vote.Since = reporttest.Start.Add(-d)
		case "epoch":
			b.Epoch = number(t, value)
		case "weight":
			b.Vote.Weight = float64(number(t, value))
		case "accounts":
			b.Credentials = strings.Split(value, ",")
		case "sent":
			b.Count.Sent = uint32(number(t, value))
		case "pending":
			b.Count.Pending = uint32(number(t, value))
		default:
			t.Fatalf("%q: unknown %q", words[0], w)
		}
	}
	return b
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func reasonNamed(t *testing.T, name string) vote.Reason {
	t.Helper()
	var r vote.Reason
	if err := r.UnmarshalText([]byte(name)); err != nil {
		t.Fatal(err)
	}
	return r
}
