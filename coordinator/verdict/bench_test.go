package verdict

import (
	"fmt"
	"testing"
	"time"

	"mailquorum/internal/report"
	"mailquorum/internal/report/reporttest"
	"mailquorum/internal/roster"
	"mailquorum/internal/vote"
)

// BenchmarkVerdicts is one coordinator's tick: every service collected and
// tallied from the board. verdicts/s is the figure to compare.
func BenchmarkVerdicts(b *testing.B) {
	for _, services := range []int{10, 100, 1000} {
		for _, regions := range []int{5, 15, 50} {
			b.Run(fmt.Sprintf("services=%d/regions=%d", services, regions), func(b *testing.B) {
				r, board, now := benchBoard(services, regions, vote.Up)
				b.ReportAllocs()
				for b.Loop() {
					for i := range r.Services {
						s := r.Services[i].Name
						v := Tally(report.Outage, s, 1, Collect(board, r, report.Outage, s, now), now)
						if v.State != Up {
							b.Fatal(v.Describe())
						}
					}
				}
				b.ReportMetric(float64(services)*float64(b.N)/b.Elapsed().Seconds(), "verdicts/s")
			})
		}
	}
}

// BenchmarkCertificate is what an opening costs: choosing the votes, and checking
// them as everybody does who hears of it.
func BenchmarkCertificate(b *testing.B) {
	for _, regions := range []int{5, 50} {
		r, board, now := benchBoard(1, regions, vote.Down)
		v := Tally(report.Outage, "s0", 1, Collect(board, r, report.Outage, "s0", now), now)
		cert, ok := v.Certificate(vote.Down)
		if !ok {
			b.Fatal("no certificate")
		}
		b.Run(fmt.Sprintf("choose/regions=%d", regions), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Certificate(vote.Down)
			}
		})
		b.Run(fmt.Sprintf("verify/regions=%d", regions), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := cert.Verify(r, report.Outage, "s0", 1, vote.Down); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchBoard is a coordinator's board on which every region votes alike on every
// service.
func benchBoard(services, regions int, o vote.Opinion) (*roster.Roster, *report.Board, time.Time) {
	var names, places []string
	for i := range services {
		names = append(names, fmt.Sprint("s", i))
	}
	for i := range regions {
		places = append(places, fmt.Sprint("r", i))
	}
	r := reporttest.Roster(names, places...)
	c := reporttest.New(r)
	board := c.Board("coordinator-r0")
	for range 2 {
		c.Round(time.Second, func(roster.Node) []report.Vote {
			votes := make([]report.Vote, services)
			for i := range votes {
				votes[i] = report.Vote{Service: uint16(i), Opinion: o, Epoch: 1, Since: 1 << 31, Weight: 500}
			}
			return votes
		})
	}
	return r, board, c.Now
}
