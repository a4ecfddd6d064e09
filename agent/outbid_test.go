package agent

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
)

// lines is a log, to be read while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// count counts the lines that hold all of the words.
func (l *lines) count(words ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// An agent whose twin speaks with a higher boot number says so and outbids it; its
// own board, and a peer's, take its reports again.
func TestATwinIsToldOfAndOutbid(t *testing.T) {
	var log lines
	inWorld(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }, func(w *world) {
		boot := func() uint64 {
			w.agent.mu.Lock()
			defer w.agent.mu.Unlock()
			return w.agent.boot
		}
		peer := report.NewBoard(w.roster, "agent-there")
		heard := func() bool {
			w.agent.mu.Lock()
			e := w.agent.board.Entry("agent-here")
			w.agent.mu.Unlock()
			if e == nil || e.Report.Boot != boot() {
				return false
			}
			env, err := report.Parse(e.Raw)
			if err != nil {
				w.Fatal(err)
			}
			peer.Accept(time.Now(), env, e.Raw)
			return peer.Entry("agent-here").Report.Boot == boot()
		}
		w.within(time.Minute, "the agent is heard", heard)
		for range 3 { // the twin goes on
			twin := report.Report{Roster: w.roster.Hash(), Boot: boot() + 1e9, Seq: 7}
			raw := twin.Seal(w.roster.Cluster, "agent-here", reporttest.Key("agent-here"))
			env, err := report.Parse(raw)
			if err != nil {
				w.Fatal(err)
			}
			if _, err := peer.Accept(time.Now(), env, raw); err != nil {
				w.Fatal(err)
			}
			w.agent.receive(raw)
			w.within(time.Minute, "the agent outbids its twin", func() bool { return boot() > twin.Boot })
			w.within(time.Minute, "the agent is heard again", heard)
		}
		if n := log.count("level=ERROR", "another process speaks"); n != 1 {
			w.Errorf("the twin is logged %d times, want once", n)
		}
		last := boot()
		w.stop()
		w.start()
		if next := boot(); next <= last {
			w.Errorf("boot %d after the restart, %d before it: it was not on disk", next, last)
		}
	})
}
