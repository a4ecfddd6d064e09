package report_test

import (
	"fmt"
	"testing"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
)

// BenchmarkAccept is what a report costs its receiver: new (with its signature),
// stale (a repetition, which is what relays bring most) and composed and signed.
func BenchmarkAccept(b *testing.B) {
	for _, services := range []int{1, 10, 100} {
		r := reporttest.Roster([]string{"mail"}, "a", "b", "c", "d", "e")
		rep := worst(len(r.Nodes), services)
		rep.Roster = r.Hash()
		seal := func(seq uint64) []byte {
			rep.Boot, rep.Seq = 1, seq
			return rep.Seal(r.Cluster, "agent-b", reporttest.Key("agent-b"))
		}
		size := len(seal(1))
		b.Run(fmt.Sprintf("new/services=%d", services), func(b *testing.B) {
			raws := make([][]byte, 512)
			for i := range raws {
				raws[i] = seal(uint64(i + 1))
			}
			board := report.NewBoard(r, "coordinator-a")
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if i%len(raws) == 0 {
					board = report.NewBoard(r, "coordinator-a")
				}
				if err := accept(b, board, now, raws[i%len(raws)]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("stale/services=%d", services), func(b *testing.B) {
			raw := seal(1)
			board := report.NewBoard(r, "coordinator-a")
			if err := accept(b, board, now, raw); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if accept(b, board, now, raw) == nil {
					b.Fatal("taken twice")
				}
			}
		})
		b.Run(fmt.Sprintf("seal/services=%d", services), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				seal(7)
			}
		})
	}
}
