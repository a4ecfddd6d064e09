package coordinator

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mailquorum/coordinator/store"
	"mailquorum/coordinator/verdict"
	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
)

// logged counts the lines of a level that hold the words.
func logged(b *bytes.Buffer, level, words string) (n int) {
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "level="+level) && strings.Contains(line, words) {
			n++
		}
	}
	return n
}

// tell hands the coordinator a report of a node.
func tell(c *Coordinator, node string, change func(*report.Report)) {
	r := report.Report{Roster: c.cfg.Roster.Hash(), Boot: 1, Seq: 1}
	change(&r)
	c.receive(r.Seal(c.cfg.Roster.Cluster, node, reporttest.Key(node)))
}

func TestAConvictionIsLoggedOnceAndShown(t *testing.T) {
	var log bytes.Buffer
	c := coordinator(t, store.Memory())
	c.log = slog.New(slog.NewTextHandler(&log, nil))
	for wall := range int64(4) {
		tell(c, "agent-us", func(r *report.Report) { r.Wall = wall })
	}
	if n := logged(&log, "ERROR", "convicted=agent-us"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, log.String())
	}
	now := time.Now()
	v := verdict.Tally(report.Outage, "mail", 1, verdict.Collect(c.board, c.cfg.Roster, report.Outage, "mail", now), now)
	if d := v.Describe(); !strings.Contains(d, "convicted of equivocation") || strings.Count(d, "never heard") != 2 {
		t.Errorf("the drawing does not tell the convicted region from those never heard:\n%s", d)
	}
	for _, n := range c.Status().Nodes {
		if n.Silenced != (n.Name == "agent-us") {
			t.Errorf("%s silenced: %v", n.Name, n.Silenced)
		}
	}
}

func TestAnotherRosterIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	c := coordinator(t, store.Memory())
	c.log = slog.New(slog.NewTextHandler(&log, nil))
	other := func(r *report.Report) { r.Roster = [8]byte{0xab} }
	tell(c, "agent-us", other)
	tell(c, "agent-us", other)
	tell(c, "agent-us", func(r *report.Report) { r.Roster = [8]byte{0xcd} }) // too soon
	tell(c, "agent-eu", other)
	tell(c, "agent-ap", func(*report.Report) {})
	if n := logged(&log, "WARN", "its_roster=ab"); n != 2 || logged(&log, "WARN", "our_roster=") != n {
		t.Errorf("logged %d times, want once for each of two nodes:\n%s", n, log.String())
	}
	raw := (&report.Report{Roster: [8]byte{0xef}}).Seal(c.cfg.Roster.Cluster, "agent-ap", reporttest.Key("agent-eu"))
	c.receive(raw)
	if logged(&log, "WARN", "agent-ap") != 0 {
		t.Error("a forged report is logged as the node's")
	}

	var s = newSuspects()
	now := time.Now()
	said := 0
	for i := range 100 {
		if s.stray(now.Add(time.Duration(i)*time.Hour), "n", [8]byte{byte(i)}) {
			said++
		}
	}
	if said != rostersLogged {
		t.Errorf("%d rosters of one node are logged, want %d", said, rostersLogged)
	}
}

// A coordinator whose journal was replaced by an older one is heard again.
func TestACoordinatorOutbidsWhatOthersKnow(t *testing.T) {
	var log bytes.Buffer
	c := coordinator(t, store.Memory())
	c.log = slog.New(slog.NewTextHandler(&log, nil))
	known := c.boot + 1e9
	tell(c, c.cfg.Node, func(r *report.Report) { r.Boot = known })
	now := time.Now()
	c.outbid(now)
	c.outbid(now.Add(time.Second))
	if c.boot <= known || c.seq != 0 || logged(&log, "ERROR", "another process speaks") != 1 {
		t.Errorf("boot %d, others know %d:\n%s", c.boot, known, log.String())
	}
}
