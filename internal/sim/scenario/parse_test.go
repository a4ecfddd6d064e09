package scenario

import (
	"strings"
	"testing"
	"time"

	"mailquorum/internal/roster"
)

// TestParseErrors: each mistake is told with its line.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "regions: at least one region is needed"},
		{"regions EU", `"EU" is no name`},
		{"regions", "x:1: regions: of what?"},
		{"coordinators 2\nregions a b", "x:1: coordinators: want 1 to the number of regions, which come first"},
		{"regions a\ncoordinators many", "x:2: coordinators: want 1"},
		{"regions a\nlatency soon", `x:2: time: invalid duration "soon"`},
		{"regions a\nseed x", "x:2: strconv.ParseUint"},
		{"regions a\ntiming blnd=1m", "x:2:"},
		{"regions a\ntiming interval=10m", "timing.blind: 10m0s is shorter than two intervals"},
		{"regions a\nbegin noon", `x:2: "noon": want a time HH:MM[:SS], D/HH:MM[:SS] or +DURATION`},
		{"regions a\nuntil", "x:2: until when?"},
		{"regions a\n25:00 fail connect", `x:2: "25:00": want a time`},
		{"regions a\n0/10:00 fail connect", `x:2: "0/10:00": want D/HH:MM`},
		{"regions a\n10:00-09:00 fail connect", "x:2: 10:00-09:00: it ends before it begins"},
		{"regions a\n\n# why\n10:00 explode", `x:4: no region, and nothing that can happen, is named "explode"`},
		{"regions a\n10:00 a", `x:2: what happens? "" is not known`},
		{"regions a\n10:00 a explode", `x:2: what happens? "explode" is not known`},
		{"regions a\n10:00 a,b fail connect", `x:2: no region, and nothing that can happen, is named "b"`},
		{"regions a\n10:00 a:post fail connect", `x:2: no service is named "post"`},
		{"regions a\n10:00 a:mail/x fail connect", `x:2: service mail has no route "x"`},
		{"regions a\n10:00 fail", "x:2: fail: at which stage?"},
		{"regions a\n10:00 fail everywhere", `x:2: fail: "everywhere" is not understood; it takes stage code status after share`},
		{"regions a\n10:00 fail connect after", `x:2: fail: "after" is not understood`},
		{"regions a\n10:00 fail connect after x", `x:2: fail: time: invalid duration "x"`},
		{"regions a\n10:00 hold share half", "x:2: hold: strconv.ParseFloat"},
		{"regions a\n10:00 slow by 5", `x:2: slow: "by" is not understood`},
		{"regions a\n10:00 a lies often", `x:2: lies: "often": want down or up`},
		{"regions a\nexpect", `x:2: expect: "" is not understood`},
		{"regions a\nexpect opened outage", `x:2: expect: "opened outage" is not understood`},
		{"regions a\nexpect opened outage/post by 10:00", `x:2: expect: no service is named "post"`},
		{"regions a\nexpect opened outage soon", `x:2: expect: "opened outage soon" is not understood`},
		{"regions a\nexpect opened outage within x of 10:00", `x:2: time: invalid duration "x"`},
		{"regions a\nexpect happiness outage by 10:00", `is not understood`},
		{"regions a\nexpect c2 no page", "x:2: expect: no coordinator c2"},
		{"regions a\nexpect at most x opened outage", "is not understood"},
		{"regions a\nexpect state at 10:00", "is not understood"},
		{"regions a\nexpect count lost=0 closed outage", "is not understood"},
	} {
		_, err := Parse("x", c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	s, err := Parse("x", `# a story
regions eu@aws/one us ap@gcp
coordinators 2
services mail=mx,smtp other
timing blind=5m close_hold=30s
latency 7s
seed 42
begin 10:30
11:00-11:30:15 eu,us:mail/smtp fail envelope 451 4.3.0 after 3s share 40%
2/01:00 slow x5
+90m us lies down
until 2/02:00
expect opened outage/mail within 60s of 11:00
expect at most 2 pages
`)
	if err != nil {
		t.Fatal(err)
	}
	r := s.Roster
	if len(r.Regions) != 3 || r.Regions[0].Domain != "aws" || r.Nodes[0].Credentials != "one" || len(r.Coordinators()) != 2 ||
		len(r.Agents("us")) != 1 || r.Services[0].Name != "mail" || len(s.Routes[0]) != 2 || s.Routes[1][0] != "mx" {
		t.Errorf("%+v", r)
	}
	if r.Timing != (roster.Timing{Blind: 5 * time.Minute, CloseHold: 30 * time.Second}) || s.Latency != 7*time.Second || s.Seed != 42 {
		t.Errorf("%+v, %v, %d", r.Timing, s.Latency, s.Seed)
	}
	e := s.Effects[0]
	if e.From.Sub(s.Begin) != 30*time.Minute || e.To.Sub(e.From) != 30*time.Minute+15*time.Second || e.Share != 0.4 || e.Code != 451 ||
		e.Status != "4.3.0" || e.After != 3*time.Second || e.Stage != "envelope" {
		t.Errorf("%+v", e)
	}
	if !e.hits(0, 0, 0) || !e.hits(1, 0, 1) || e.hits(1, 0, 0) || e.hits(2, 0, 1) || e.hits(1, 1, 0) {
		t.Errorf("%+v", e.Who)
	}
	if e = s.Effects[1]; e.From.Sub(s.Begin) != 14*time.Hour+30*time.Minute || e.Factor != 5 || e.at(e.From.Add(-1)) || !e.at(e.From) || !e.at(s.End) {
		t.Errorf("%+v", e)
	}
	if e = s.Effects[2]; e.From.Sub(s.Begin) != 90*time.Minute || e.Value != "down" {
		t.Errorf("%+v", e)
	}
}

// TestExpectationsFail: what does not hold is told with its line, and what the
// coordinators said instead.
func TestExpectationsFail(t *testing.T) {
	s, err := Parse("x", `regions eu us ap
10:00-10:10 fail data 554 5.3.0
begin 09:55
until 10:20
expect no page
expect opened outage from 10:05 to 10:06
expect 2 opened outage
expect closed outage by 10:05
expect state up at 10:05
expect vote eu up at 10:05
expect count lost>9 sent=0 rain=1 failed at closed outage
expect count lost=0 at blind-over blind
expect no opened outage after 10:11
expect state full at 10:05
`)
	if err != nil {
		t.Fatal(err)
	}
	got := s.Run().Err()
	if got == nil {
		t.Fatal("everything holds")
	}
	lines := strings.Split(got.Error(), "\nx:")
	for i, want := range []string{"x:9: expect state up at 10:05: it is full:", "10: expect vote eu up at 10:05: it is down", "5: expect no page: said 1 times", "6: expect opened outage from", "7: expect 2 opened outage: said 1 times",
		"8: expect closed outage by", "11: expect count", "11: expect count", "11: expect count lost>9 sent=0 rain=1 failed at closed outage: rain=1: no such figure", "11:", "12: expect count lost=0 at blind-over blind: never said"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("%d: want %q of\n%v", i, want, got)
		}
	}
	if len(lines) != 11 {
		t.Errorf("%d lines\n%v", len(lines), got)
	}
}

// FuzzParse: no text makes the parser panic.
func FuzzParse(f *testing.F) {
	all, err := Stories()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range all {
		f.Add(s.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := Parse("fuzz", text); err == nil && (len(s.Roster.Regions) == 0 || len(s.Routes) != len(s.Roster.Services)) {
			t.Fatalf("%+v", s)
		}
	})
}
