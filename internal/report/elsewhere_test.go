package report_test

import (
	"testing"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
)

// TestBoardTellsOfATwin: two processes speak with one key; the one with the lower
// boot number learns of the other by its signed report, or by what two peers echo.
func TestBoardTellsOfATwin(t *testing.T) {
	r := reporttest.Roster([]string{"mail"}, "a", "b", "c")
	self := uint16(r.NodeIndex("agent-a"))
	own := func(boot, seq uint64) []byte { return message(r, "agent-a", boot, seq, nil) }
	echo := func(node string, boot, seq uint64) []byte {
		return message(r, node, 1, 1, func(p *report.Report) { p.Echo = []report.Echo{{Node: self, Boot: boot, Seq: seq}} })
	}
	for _, c := range []struct {
		name  string
		heard [][]byte
		known uint64
		yes   bool
	}{
		{"only itself", [][]byte{own(5, 9), echo("agent-b", 5, 9), echo("agent-c", 5, 8)}, 0, false},
		{"its former start", [][]byte{own(4, 99), echo("agent-b", 4, 99), echo("agent-c", 4, 99)}, 0, false},
		{"a signed report", [][]byte{own(7, 1)}, 7, true},
		{"a signed report of the same start", [][]byte{own(5, 10)}, 5, true},
		{"one echo", [][]byte{echo("agent-b", 7, 1)}, 0, false},
		{"two echoes", [][]byte{echo("agent-b", 9, 1), echo("agent-c", 7, 2)}, 7, true},
		{"absurd echoes", [][]byte{echo("agent-b", 1<<63, 1), echo("agent-c", 1<<63, 1)}, 0, false},
	} {
		b := report.NewBoard(r, "agent-a")
		for _, raw := range c.heard {
			if err := accept(t, b, now, raw); err != nil {
				t.Fatal(c.name, err)
			}
		}
		if known, yes := b.Elsewhere(5, 9); known != c.known || yes != c.yes {
			t.Errorf("%s: boot %d, %v; want %d, %v", c.name, known, yes, c.known, c.yes)
		}
	}
}
